import { LimitError, ProtocolError } from '../errors.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { CR, EMPTY, LF, encodeText, latin1 } from '../wire/bytes.ts';
import type { BodySpan } from '../wire/dotted.ts';
import { defaultLimits } from '../wire/limits.ts';
import { type HeadLimits, type HttpFraming, encodeLatin1, parseFields } from './codec.ts';
import type { HttpFields } from './fields.ts';

/** Chunk extensions of one body, all together: they carry nothing, and cost. Node has the same cap (CVE-2024-22019). */
const MAX_EXTENSION_BYTES = 16 * 1024;
/** 16 digits and a little: what is longer is no size. */
const MAX_SIZE_DIGITS = 16;
const NO_MORE: BodySpan = { bytes: EMPTY, last: true };

/** The decoder of a body by its framing. `onTrailers` hears the trailers of a chunked one, where there are any. */
export function bodyDecoder(
  framing: HttpFraming,
  options: {
    readonly limits?: HeadLimits | undefined;
    readonly onTrailers?: ((trailers: HttpFields) => void) | undefined;
  } = {},
): Decoder<BodySpan> {
  if (framing.kind === 'none') return () => NO_MORE;
  if (framing.kind === 'length') return lengthDecoder(framing.byteCount);
  return framing.kind === 'chunked' ? chunkedDecoder(options.limits, options.onTrailers) : untilClosed;
}

/** Exactly so many bytes, as they come. */
export function lengthDecoder(byteCount: number): Decoder<BodySpan> {
  let left = byteCount;
  return (queue) => {
    if (left === 0) return NO_MORE;
    const { length } = queue;
    if (length === 0) return undefined;
    const bytes = queue.take(Math.min(left, length));
    left -= bytes.length;
    return { bytes, last: left === 0 };
  };
}

/** Everything until the peer ends its direction. */
const untilClosed: Decoder<BodySpan> = (queue) => {
  if (queue.length > 0) return { bytes: queue.take(queue.length), last: false };
  return queue.ended ? NO_MORE : undefined;
};

/**
 * A chunked body by spans, without its chunk sizes.
 *
 *     chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
 *     S: 5 CRLF hello CRLF 0 CRLF CRLF
 *
 * Strict: hexadecimal digits alone, CRLF alone, no space where none may be. Extensions are skipped, up to a cap; trailers are counted
 * against `limits`.
 *
 * @see RFC 9112 section 7.1
 */
export function chunkedDecoder(
  limits: HeadLimits = defaultLimits,
  onTrailers?: (trailers: HttpFields) => void,
): Decoder<BodySpan> {
  let state: 'size' | 'extension' | 'size-end' | 'data' | 'data-end' | 'trailers' | 'done' = 'size';
  /** Of this chunk: bytes to come. */
  let left = 0;
  let digits = 0;
  let extensionBytes = 0;
  let trailers = '';
  /** Trailer bytes looked at, of the line that is not whole. */
  let looked = 0;
  const bad = (why: string): ProtocolError =>
    new ProtocolError(`the chunked body is broken: ${why}`, { reason: 'BAD_CHUNK' });
  return (queue) => {
    for (;;) {
      if (state === 'data') {
        const { length } = queue;
        if (length === 0) return undefined;
        const bytes = queue.take(Math.min(left, length));
        left -= bytes.length;
        if (left === 0) state = 'data-end';
        return { bytes, last: false };
      }
      if (state === 'done') return NO_MORE;
      if (state === 'trailers') {
        // Line by line: the blank one ends it.
        const { length } = queue;
        for (; looked < length && queue.at(looked) !== LF; looked++);
        const line = looked < length ? latin1(queue.take(looked + 1)) : undefined;
        if (trailers.length + (line?.length ?? looked) > limits.replyBytes)
          throw new LimitError(`the trailers are longer than ${limits.replyBytes} bytes`, { reason: 'HEAD_TOO_LONG' });
        if (line === undefined) return undefined;
        looked = 0;
        if (line.at(-2) !== '\r') throw bad('a trailer line does not end with CRLF');
        if (line.length > 2) {
          trailers += line;
          continue;
        }
        if (trailers !== '') {
          const fields = parseFields('trailer section', trailers, limits);
          onTrailers?.(fields);
        }
        state = 'done';
        return NO_MORE;
      }
      const byte = queue.at(0);
      if (byte === undefined) return undefined;
      if (state === 'data-end' || state === 'size-end') {
        if (byte !== CR && state === 'data-end') throw bad('no CRLF behind the data of a chunk');
        if (queue.length < 2) return undefined;
        if (byte !== CR || queue.at(1) !== LF) throw bad('a chunk line does not end with CRLF');
        queue.take(2);
        if (state === 'data-end') {
          state = 'size';
          digits = 0;
          left = 0;
        } else state = left === 0 ? 'trailers' : 'data';
        continue;
      }
      if (state === 'size') {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          if (++digits > MAX_SIZE_DIGITS) throw bad('a chunk size has too many digits');
          left = left * 16 + digit;
          if (left > Number.MAX_SAFE_INTEGER) throw bad('a chunk size is beyond counting');
          queue.take(1);
          continue;
        }
        if (digits === 0) throw bad('no size where a chunk begins');
        if (byte === CR) state = 'size-end';
        else if (byte === SEMICOLON) state = 'extension';
        else throw bad('a chunk size is followed by something else');
        continue;
      }
      if (byte === CR) {
        state = 'size-end';
        continue;
      }
      if ((byte < 32 && byte !== 9) || byte === 127) throw bad('a control character in a chunk extension');
      if (++extensionBytes > MAX_EXTENSION_BYTES)
        throw new LimitError(`the chunk extensions are longer than ${MAX_EXTENSION_BYTES} bytes`, {
          reason: 'CHUNK_EXTENSIONS',
        });
      queue.take(1);
    }
  };
}

const SEMICOLON = 59;

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

const CRLF = encodeText('\r\n');

/** A chunk's wire form around its bytes, which are not copied. No bytes, no chunk: an empty one would end the body. */
export function encodeChunk(bytes: Uint8Array): Uint8Array[] {
  return bytes.length === 0 ? [] : [encodeText(`${bytes.length.toString(16)}\r\n`), bytes, CRLF];
}

/** The end of a chunked body, with its trailers. */
export function encodeLastChunk(trailers?: HttpFields): Uint8Array {
  return encodeLatin1(`0\r\n${trailers?.format() ?? ''}\r\n`);
}
