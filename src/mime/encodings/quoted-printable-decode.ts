import { CR, EMPTY, LF, allocateBytes, indexOfByte } from '../../wire/bytes.ts';
import type { Complain } from './base64-decode.ts';

const EQUALS = 61;

const hex = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  hex[digit.toString(16).charCodeAt(0)] = digit;
  hex[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/**
 * Decodes quoted-printable: soft breaks with white space before them, lower-case hex, and trailing white space, which is removed. What is
 * no escape stays as it is. One pass. @see RFC 2045 section 6.7
 */
export function decodeQuotedPrintable(bytes: Uint8Array, complain?: Complain): Uint8Array {
  const out = allocateBytes(bytes.length);
  return out.subarray(0, decodeInto(bytes, bytes.length, out, 0, complain));
}

function decodeInto(bytes: Uint8Array, length: number, out: Uint8Array, offset: number, complain?: Complain): number {
  let at = offset;
  // Nothing before this is taken away as trailing white space: escaped characters are meant.
  let firm = offset;
  for (let index = 0; index < length; index++) {
    const byte = bytes[index] as number;
    if (byte !== EQUALS) {
      if (byte === LF) {
        const cr = at > firm && out[at - 1] === CR;
        let end = cr ? at - 1 : at;
        if (end > firm && isBlank(out[end - 1] as number)) {
          while (end > firm && isBlank(out[end - 1] as number)) end--;
          if (cr) out[end++] = CR;
          at = end;
        }
        out[at++] = LF;
        firm = at;
        continue;
      }
      out[at++] = byte;
      continue;
    }
    const high = hex[bytes[index + 1] as number] ?? -1;
    const low = index + 2 < length ? (hex[bytes[index + 2] as number] as number) : -1;
    if (index + 1 < length && high >= 0 && low >= 0) {
      out[at++] = high * 16 + low;
      firm = at;
      index += 2;
      continue;
    }
    let next = index + 1;
    while (next < length && isBlank(bytes[next] as number)) next++;
    if (next < length && bytes[next] === CR && bytes[next + 1] === LF) next++;
    if (next >= length || bytes[next] === LF) {
      // A soft break; one at the very end counts as one.
      firm = at;
      index = next;
      continue;
    }
    complain?.('quoted-printable-invalid');
    out[at++] = EQUALS;
    firm = at;
  }
  return at;
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9;
}

/** A line longer than this is decoded in pieces; the standard allows 76. */
const MAX_HELD = 64 * 1024;

/** Quoted-printable in chunks cut anywhere: holds the last, unfinished line. */
export class QuotedPrintableDecoder {
  readonly #complain: Complain | undefined;
  #tail: Uint8Array = EMPTY;

  constructor(complain?: Complain) {
    this.#complain = complain;
  }

  push(chunk: Uint8Array): Uint8Array {
    let bytes = chunk;
    if (this.#tail.length > 0) {
      bytes = allocateBytes(this.#tail.length + chunk.length);
      bytes.set(this.#tail);
      bytes.set(chunk, this.#tail.length);
    }
    let cut = bytes.lastIndexOf(LF) + 1;
    if (cut === 0 && bytes.length > MAX_HELD) {
      cut = bytes.length - 4;
      // Not inside an escape, and not behind white space that may prove to be trailing.
      while (cut > 0 && (isBlank(bytes[cut - 1] as number) || indexOfByte(bytes.subarray(cut - 3, cut), EQUALS) >= 0))
        cut--;
      if (cut < bytes.length / 2) cut = bytes.length;
    }
    this.#tail = bytes.slice(cut);
    if (cut === 0) return EMPTY;
    const out = allocateBytes(cut);
    return out.subarray(0, decodeInto(bytes, cut, out, 0, this.#complain));
  }

  end(): Uint8Array {
    const rest = this.#tail;
    this.#tail = EMPTY;
    return rest.length === 0 ? EMPTY : decodeQuotedPrintable(rest, this.#complain);
  }
}
