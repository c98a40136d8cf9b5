import { LimitError } from '../errors.ts';
import type { Decoder } from './byte-queue.ts';
import { CR, LF, decodeText } from './bytes.ts';

/**
 * One line without its terminator. CRLF ends a line; a bare LF is taken too, as servers in the field send it.
 * The cap counts the terminator and does not depend on how the bytes arrive.
 */
export function lineDecoder(maxBytes: number): Decoder<Uint8Array> {
  return (queue) => {
    const at = queue.indexOf(LF);
    if (at < 0 ? queue.length >= maxBytes : at >= maxBytes) {
      throw new LimitError(`the peer sent a line longer than ${maxBytes} bytes`, { reason: 'LINE_TOO_LONG' });
    }
    if (at < 0) return undefined;
    const line = queue.take(at + 1);
    return line.subarray(0, at > 0 && line[at - 1] === CR ? at - 1 : at);
  };
}

/** A command as a server of a line protocol reads it. */
export interface TextCommand {
  /** In upper case; '' for a blank line. */
  readonly verb: string;
  /** Everything behind the verb's space, untrimmed. */
  readonly argument: string;
}

/** One command line, split at its first space. LimitError when it is longer than `maxBytes`. */
export function commandDecoder(maxBytes: number): Decoder<TextCommand> {
  const decodeLine = lineDecoder(maxBytes);
  return (queue) => {
    const bytes = decodeLine(queue);
    if (bytes === undefined) return undefined;
    const line = decodeText(bytes);
    const space = line.indexOf(' ');
    return space < 0
      ? { verb: line.toUpperCase(), argument: '' }
      : { verb: line.slice(0, space).toUpperCase(), argument: line.slice(space + 1) };
  };
}

/** Exactly `byteCount` bytes. */
export function exactDecoder(byteCount: number): Decoder<Uint8Array> {
  return (queue) => (queue.length >= byteCount ? queue.take(byteCount) : undefined);
}

/** Everything before `delimiter`, which is consumed and not returned. The cap counts the delimiter. */
export function untilDecoder(delimiter: Uint8Array, maxBytes: number): Decoder<Uint8Array> {
  return (queue) => {
    const at = queue.indexOf(delimiter);
    if (at < 0 ? queue.length >= maxBytes : at + delimiter.length > maxBytes) {
      throw new LimitError(`the peer sent more than ${maxBytes} bytes without the expected delimiter`);
    }
    return at < 0 ? undefined : queue.take(at + delimiter.length).subarray(0, at);
  };
}

/** Whatever is there, at least one byte: the decoder of a raw stream. */
export const anyBytes: Decoder<Uint8Array> = (queue) => (queue.length > 0 ? queue.take(queue.length) : undefined);
