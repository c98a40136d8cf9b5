import { LimitError, ProtocolError, UsageError } from '../errors.ts';
import type { Decoder } from './byte-queue.ts';
import { concatBytes, encodeText } from './bytes.ts';

const COLON = 58;
const ZERO = 48;
const COMMA = Uint8Array.of(44);

/**
 * One netstring, `12:hello world!,`, without its frame. ProtocolError for what is none: a sign, a space or a leading zero in the length, no comma.
 * LimitError, before any of it is held, when it is longer than `maxBytes`.
 */
export function netstringDecoder(maxBytes: number): Decoder<Uint8Array> {
  const maxDigits = String(Math.min(maxBytes, Number.MAX_SAFE_INTEGER)).length;
  const tooLong = (): LimitError =>
    new LimitError(`the peer sent a netstring longer than ${maxBytes} bytes`, { reason: 'FRAME_TOO_LONG' });
  return (queue) => {
    // Byte by byte, so that what is wrong first is what is said, however the bytes arrive.
    let colon = 0;
    let length = 0;
    for (let byte = queue.at(0); byte !== COLON; byte = queue.at(++colon)) {
      if (byte === undefined) return undefined;
      if (byte < ZERO || byte > ZERO + 9 || (colon > 0 && length === 0))
        throw new ProtocolError('the peer sent what is no netstring: no length');
      if (colon >= maxDigits) throw tooLong();
      length = length * 10 + byte - ZERO;
    }
    if (colon === 0) throw new ProtocolError('the peer sent what is no netstring: no length');
    if (length > maxBytes) throw tooLong();
    if (queue.length < colon + length + 2) return undefined;
    const frame = queue.take(colon + length + 2);
    if (frame[frame.length - 1] !== COMMA[0])
      throw new ProtocolError('the peer sent what is no netstring: no comma behind the data');
    return frame.subarray(colon + 1, -1);
  };
}

/** The data, a string as UTF-8, in the frame of a netstring. */
export function encodeNetstring(data: Uint8Array | string): Uint8Array {
  const bytes = typeof data === 'string' ? encodeText(data) : data;
  return concatBytes([encodeText(`${bytes.length}:`), bytes, COMMA]);
}

export interface LengthPrefix {
  /** Bytes that the length is written in. */
  readonly bytes: 1 | 2 | 4;
  /** Default: the most significant byte first. */
  readonly littleEndian?: boolean | undefined;
}

/** One message behind its length. LimitError, before any of it is held, when it is longer than `maxBytes`. */
export function lengthPrefixDecoder(prefix: LengthPrefix, maxBytes: number): Decoder<Uint8Array> {
  const { bytes } = checkPrefix(prefix);
  return (queue) => {
    if (queue.length < bytes) return undefined;
    const head = queue.peek(bytes);
    let length = 0;
    for (let at = 0; at < bytes; at++)
      length = length * 256 + (head[prefix.littleEndian === true ? bytes - 1 - at : at] as number);
    if (length > maxBytes)
      throw new LimitError(`the peer sent a message of ${length} bytes; at most ${maxBytes} are taken`, {
        reason: 'FRAME_TOO_LONG',
      });
    return queue.length < bytes + length ? undefined : queue.take(bytes + length).subarray(bytes);
  };
}

/** The data, a string as UTF-8, behind its length. UsageError when the length does not fit. */
export function encodeLengthPrefix(prefix: LengthPrefix, data: Uint8Array | string): Uint8Array {
  const { bytes } = checkPrefix(prefix);
  const body = typeof data === 'string' ? encodeText(data) : data;
  if (body.length >= 256 ** bytes)
    throw new UsageError(`${body.length} bytes are more than a length of ${bytes} bytes can say`);
  const head = new Uint8Array(bytes);
  for (let at = 0, rest = body.length; at < bytes; at++, rest = Math.floor(rest / 256))
    head[prefix.littleEndian === true ? at : bytes - 1 - at] = rest % 256;
  return concatBytes([head, body]);
}

function checkPrefix(prefix: LengthPrefix): LengthPrefix {
  if (![1, 2, 4].includes(prefix?.bytes)) throw new UsageError('a length prefix has 1, 2 or 4 bytes');
  return prefix;
}
