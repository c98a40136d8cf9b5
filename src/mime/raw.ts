import { LimitError, UsageError } from '../errors.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { EMPTY, LF, concatBytes, indexOfByte, isAscii, latin1 } from '../wire/bytes.ts';
import { type AccessOptions, type ContentInput, readContent } from './content.ts';

/** A message that is already built. */
export interface RawInput extends ContentInput {}

/** A ready message, its header read. */
export interface RawMessage {
  /** Length in bytes as it will be sent; undefined when the source does not tell, or has bare line feeds, which become CRLF on the way. */
  readonly sizeBytes: number | undefined;
  /** True when its header has characters beyond ASCII. */
  readonly needsSmtpUtf8: boolean;
  /** The message; can be read once. */
  stream(): ByteStream;
}

/** Longest header block of a raw message. */
const MAX_HEADER_BYTES = 2 * 1024 * 1024;
/** Fields that must not reach the recipients: RFC 5322 sections 3.6.3 and 3.6.6. */
const HIDDEN_FIELDS = ['bcc', 'resent-bcc'];

/**
 * A ready message: its bytes unchanged but for blind copy fields in its own header, which are left out. Reads the header; the rest is read
 * as it is streamed. UsageError when it cannot be read or is empty, LimitError when the header does not end.
 */
export async function rawMessage(
  input: RawInput,
  access: AccessOptions = {},
  signal?: AbortSignal,
): Promise<RawMessage> {
  const content = readContent('the raw message', input, access);
  const chunks = content.open(signal)[Symbol.asyncIterator]();
  let head = EMPTY;
  let end = -1;
  let done = false;
  while (end < 0 && !done) {
    const next = await chunks.next();
    if (next.done === true) {
      done = true;
      end = head.length;
    } else {
      // A copy: a file's chunk is used again once the next is asked for.
      head = concatBytes([head, next.value.slice()]);
      end = headerEnd(head);
      if (end < 0 && head.length > MAX_HEADER_BYTES) {
        await chunks.return?.();
        throw new LimitError(`the raw message has no end of its header within ${MAX_HEADER_BYTES} bytes`);
      }
    }
  }
  if (head.length === 0) throw new UsageError('the raw message is empty');
  const header = concatBytes([EMPTY, ...withoutFields(head.subarray(0, end), HIDDEN_FIELDS)]);
  const rest = head.subarray(end);
  const firstLf = indexOfByte(head, LF);
  const bareLf = firstLf >= 0 && head[firstLf - 1] !== 13;
  async function* stream(): AsyncIterable<Uint8Array> {
    try {
      if (header.length > 0) yield header;
      if (rest.length > 0) yield rest;
      while (!done) {
        const next = await chunks.next();
        if (next.done === true) done = true;
        else yield next.value;
      }
    } finally {
      if (!done) await chunks.return?.();
    }
  }
  return {
    sizeBytes: content.sizeBytes === undefined || bareLf ? undefined : content.sizeBytes - (end - header.length),
    needsSmtpUtf8: !isAscii(header),
    stream: () => new ByteStream(stream()),
  };
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

function* withoutFields(header: Uint8Array, names: readonly string[]): Iterable<Uint8Array> {
  let keepFrom = 0;
  let dropping = false;
  for (let at = 0; at < header.length;) {
    const lf = indexOfByte(header, LF, at);
    const end = lf < 0 ? header.length : lf + 1;
    if (header[at] !== 32 && header[at] !== 9) {
      const name = /^([!-9;-~]*)[ \t]*:/.exec(latin1(header, at, Math.min(end, at + 200)))?.[1]?.toLowerCase();
      const drop = name !== undefined && names.includes(name);
      if (drop && !dropping && at > keepFrom) yield header.subarray(keepFrom, at);
      if (!drop && dropping) keepFrom = at;
      dropping = drop;
    }
    at = end;
  }
  if (!dropping && keepFrom < header.length) yield header.subarray(keepFrom);
}
