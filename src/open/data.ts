import { UsageError } from '../errors.ts';
import { encodeText } from '../wire/bytes.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { OpenedUrl } from './opened-url.ts';

/** `data:text/plain;charset=utf-8;base64,aGVsbG8=`. @see RFC 2397 */
export async function openData(url: string): Promise<OpenedUrl> {
  const match = /^data:([^,#]*),([^#]*)/is.exec(url);
  if (match === null) throw new UsageError('the data URL has no comma; expected data:type;base64,content');
  const [, head = '', content = ''] = match;
  const isBase64 = /; *base64$/i.test(head);
  const type = percentDecode(isBase64 ? head.replace(/; *base64$/i, '') : head)
    .toString('latin1')
    .trim();
  let bytes: Buffer = percentDecode(content);
  if (isBase64) {
    const text = bytes.toString('latin1').replace(/[\t\n\f\r ]/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1)
      throw new UsageError('the data URL is not valid base64');
    bytes = Buffer.from(text, 'base64');
  }
  const contentType = type === '' ? 'text/plain;charset=US-ASCII' : type.startsWith(';') ? `text/plain${type}` : type;
  return new OpenedUrl({
    url,
    headers: { 'Content-Type': contentType, 'Content-Length': bytes.length },
    sizeBytes: bytes.length,
    source: ByteStream.of(bytes.length === 0 ? [] : [bytes]),
  });
}

/** A stray % is itself, as in the URL standard. */
function percentDecode(text: string): Buffer {
  const bytes = encodeText(text);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const pair = bytes[at] === 0x25 ? hexPair(bytes[at + 1], bytes[at + 2]) : undefined;
    bytes[length++] = pair ?? (bytes[at] as number);
    if (pair !== undefined) at += 2;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, length);
}

const hexPair = (high: number | undefined, low: number | undefined): number | undefined => {
  const first = hexDigit(high);
  const second = hexDigit(low);
  return first === undefined || second === undefined ? undefined : first * 16 + second;
};

function hexDigit(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : undefined;
}
