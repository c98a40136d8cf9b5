import { ByteStream } from '../wire/byte-stream.ts';
import { encodeText } from '../wire/bytes.ts';
import { OpenedUrl } from './opened-url.ts';

/** What is in a folder or a mailbox, one a line. */
export function openedList(url: string, names: readonly string[]): OpenedUrl {
  const bytes = encodeText(names.map((name) => `${name}\r\n`).join(''));
  return new OpenedUrl({
    url,
    headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': bytes.length },
    sizeBytes: bytes.length,
    source: ByteStream.of(bytes.length === 0 ? [] : [bytes]),
  });
}
