import { LimitError, UsageError } from '../errors.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { LF, concatBytes, indexOfByte, latin1 } from '../wire/bytes.ts';
import { type Content, type ContentInput, type AccessOptions, readContent } from './content.ts';

/** A message that is already built. */
export interface RawInput extends ContentInput {}

/** Longest header block of a raw message. */
const MAX_HEADER_BYTES = 2 * 1024 * 1024;

/**
 * A ready message as a stream, its bytes unchanged but for Bcc fields in its own header, which are left out: they must not reach the
 * recipients. `sizeBytes` is at most what is given.
 */
export function rawMessage(
  input: RawInput,
  access: AccessOptions = {},
): { stream(signal?: AbortSignal): ByteStream; readonly sizeBytes: number | undefined } {
  const content = readContent('the raw message', input, access);
  return { stream: (signal) => new ByteStream(withoutBcc(content, signal)), sizeBytes: content.sizeBytes };
}

async function* withoutBcc(content: Content, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  let head: Uint8Array[] | undefined = [];
  let length = 0;
  for await (const chunk of content.open(signal)) {
    if (head === undefined) {
      // A file's chunk is used again once the next is asked for.
      yield chunk.slice();
      continue;
    }
    head.push(chunk.slice());
    length += chunk.length;
    const joined = concatBytes(head);
    const end = headerEnd(joined);
    if (end < 0) {
      if (length > MAX_HEADER_BYTES)
        throw new LimitError(`the raw message has no end of its header within ${MAX_HEADER_BYTES} bytes`);
      head = [joined];
      continue;
    }
    head = undefined;
    yield* stripField(joined.subarray(0, end), 'bcc');
    if (end < joined.length) yield joined.subarray(end);
  }
  if (head !== undefined) {
    if (length === 0) throw new UsageError('the raw message is empty');
    yield* stripField(concatBytes(head), 'bcc');
  }
}

/** Index behind the last field's line end, or -1 while the blank line has not come. */
function headerEnd(bytes: Uint8Array): number {
  for (let at = 0; ;) {
    if (bytes[at] === LF || (bytes[at] === 13 && bytes[at + 1] === LF)) return at;
    const lf = indexOfByte(bytes, LF, at);
    if (lf < 0 || lf + 2 >= bytes.length) return -1;
    at = lf + 1;
  }
}

function* stripField(header: Uint8Array, name: string): Iterable<Uint8Array> {
  let keepFrom = 0;
  let dropping = false;
  for (let at = 0; at < header.length;) {
    const lf = indexOfByte(header, LF, at);
    const end = lf < 0 ? header.length : lf + 1;
    const folded = header[at] === 32 || header[at] === 9;
    if (!folded) {
      const colon = latin1(header, at, Math.min(end, at + name.length + 8)).toLowerCase();
      const drop = colon.startsWith(name) && /^[ \t]*:/.test(colon.slice(name.length));
      if (drop && !dropping && at > keepFrom) yield header.subarray(keepFrom, at);
      if (!drop && dropping) keepFrom = at;
      dropping = drop;
    }
    at = end;
  }
  if (!dropping && keepFrom < header.length) yield header.subarray(keepFrom);
}
