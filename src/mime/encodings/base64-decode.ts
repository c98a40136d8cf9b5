import { CR, LF, EMPTY, allocateBytes, indexOfByte, latin1 } from '../../wire/bytes.ts';
import type { DefectCode } from '../defect.ts';

interface NativeBase64 {
  from(text: string, encoding: 'base64'): Uint8Array;
}
const native = (globalThis as { Buffer?: NativeBase64 }).Buffer;

const EQUALS = 61;
const GARBAGE = 255;
const SPACE = 254;
const PADDING = 253;

/** The value of each character; both alphabets of RFC 4648. */
const values = new Uint8Array(256).fill(GARBAGE);
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
for (let index = 0; index < 64; index++) values[alphabet.charCodeAt(index)] = index;
values[45] = 62;
values[95] = 63;
for (const byte of [9, 10, 13, 32]) values[byte] = SPACE;
values[EQUALS] = PADDING;

/** What a decoder tells about its input. */
export type Complain = (code: DefectCode) => void;

/**
 * Decodes base64 with its line breaks. Well-formed text goes to the native decoder in one call. Otherwise white space and characters
 * outside the alphabet are skipped, missing padding is supplied, padding ends a group and data behind it starts a new one, and a last
 * single character is dropped. Linear. @see RFC 2045 section 6.8
 */
export function decodeBase64(bytes: Uint8Array, complain?: Complain): Uint8Array {
  let end = bytes.length;
  while (end > 0 && values[bytes[end - 1] as number] === SPACE) end--;
  if (end === 0) return EMPTY;
  if (native) {
    const characters = regularCharacters(bytes, end);
    if (characters > 0 && characters % 4 === 0) {
      const padding = bytes[end - 1] !== EQUALS ? 0 : bytes[end - 2] !== EQUALS ? 1 : 2;
      const decoded = native.from(latin1(bytes, 0, end), 'base64');
      // The native decoder skips what it does not know: only the length tells.
      if (decoded.length === (characters / 4) * 3 - padding) return decoded;
    }
  }
  const decoder = new Base64Decoder(complain);
  const first = decoder.decodeLenient(bytes, end);
  const last = decoder.end();
  if (last.length === 0) return first;
  const joined = allocateBytes(first.length + last.length);
  joined.set(first);
  joined.set(last, first.length);
  return joined;
}

/** Characters apart from line breaks when every line but the last has one length; else -1. */
function regularCharacters(bytes: Uint8Array, end: number): number {
  const lf = indexOfByte(bytes, LF);
  if (lf < 0 || lf >= end) return end;
  const breakLength = lf > 0 && bytes[lf - 1] === CR ? 2 : 1;
  const width = lf + 1 - breakLength;
  const stride = lf + 1;
  if (width === 0) return -1;
  let at = lf;
  let lines = 0;
  for (; at < end; at += stride) {
    if (bytes[at] !== LF || (breakLength === 2 && bytes[at - 1] !== CR)) return -1;
    lines++;
  }
  // The last line is shorter: no break may hide in it.
  for (let rest = at - stride + 1; rest < end; rest++) if (bytes[rest] === LF || bytes[rest] === CR) return -1;
  return end - lines * breakLength;
}

/** Base64 in chunks cut anywhere: holds at most three characters. */
export class Base64Decoder {
  readonly #complain: Complain | undefined;
  #held = 0;
  #count = 0;
  #padded = false;

  constructor(complain?: Complain) {
    this.#complain = complain;
  }

  push(bytes: Uint8Array): Uint8Array {
    return this.decodeLenient(bytes, bytes.length);
  }

  /** The bytes of every whole group of `bytes[0, end)`. */
  decodeLenient(bytes: Uint8Array, end: number): Uint8Array {
    const out = allocateBytes(Math.ceil(((end + 4) * 3) / 4) + 3);
    let at = 0;
    let held = this.#held;
    let count = this.#count;
    for (let index = 0; index < end; index++) {
      const value = values[bytes[index] as number] as number;
      if (value < 64) {
        if (this.#padded) {
          this.#padded = false;
          this.#complain?.('base64-data-after-padding');
        }
        held = (held << 6) | value;
        if (++count === 4) {
          out[at++] = held >> 16;
          out[at++] = held >> 8;
          out[at++] = held;
          held = 0;
          count = 0;
        }
      } else if (value === PADDING) {
        if (count === 0 && !this.#padded) this.#complain?.('base64-garbage');
        if (count === 1) this.#complain?.('base64-truncated');
        if (count >= 2) {
          this.#padded = true;
          out[at++] = count === 2 ? held >> 4 : held >> 10;
          if (count === 3) out[at++] = held >> 2;
        }
        held = 0;
        count = 0;
      } else if (value === GARBAGE) {
        this.#complain?.('base64-garbage');
      }
    }
    this.#held = held;
    this.#count = count;
    return out.subarray(0, at);
  }

  /** What is left of an unfinished group. */
  end(): Uint8Array {
    const held = this.#held;
    const count = this.#count;
    this.#held = 0;
    this.#count = 0;
    if (count === 0) return EMPTY;
    if (count === 1) {
      this.#complain?.('base64-truncated');
      return EMPTY;
    }
    this.#complain?.('base64-missing-padding');
    return count === 2 ? Uint8Array.of(held >> 4) : Uint8Array.of(held >> 10, held >> 2);
  }
}

/** Base64 in chunks, by the native decoder while the chunks are well-formed. */
export class Base64StreamDecoder {
  readonly #lenient: Base64Decoder;
  #tail: Uint8Array = EMPTY;
  #slow = false;

  constructor(complain?: Complain) {
    this.#lenient = new Base64Decoder(complain);
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.#slow || !native) return this.#lenient.push(chunk);
    let bytes = chunk;
    if (this.#tail.length > 0) {
      bytes = allocateBytes(this.#tail.length + chunk.length);
      bytes.set(this.#tail);
      bytes.set(chunk, this.#tail.length);
    }
    // Cut behind a whole group: the characters of the cut line, from its start, in fours.
    const whole = wholeGroups(bytes);
    if (whole.end > 0 && whole.characters % 4 === 0 && whole.characters > 0) {
      const decoded = native.from(latin1(bytes, 0, whole.end), 'base64');
      if (decoded.length === (whole.characters / 4) * 3) {
        this.#tail = bytes.slice(whole.end);
        return decoded;
      }
    }
    if (bytes.length < 8192 && whole.end === 0) {
      this.#tail = bytes.slice();
      return EMPTY;
    }
    this.#slow = true;
    this.#tail = EMPTY;
    return this.#lenient.push(bytes);
  }

  end(): Uint8Array {
    const first = this.#tail.length > 0 ? this.#lenient.push(this.#tail) : EMPTY;
    this.#tail = EMPTY;
    const last = this.#lenient.end();
    if (first.length === 0) return last;
    if (last.length === 0) return first;
    const joined = allocateBytes(first.length + last.length);
    joined.set(first);
    joined.set(last, first.length);
    return joined;
  }
}

/** Where the last line break of the chunk is, and how many characters other than line breaks come before it. */
function wholeGroups(bytes: Uint8Array): { end: number; characters: number } {
  const last = bytes.lastIndexOf(LF);
  if (last < 0) return { end: 0, characters: 0 };
  // Lines of one length, which nearly all base64 has, are stepped over.
  const stride = indexOfByte(bytes, LF) + 1;
  const width = stride - (bytes[stride - 2] === CR ? 2 : 1);
  if (width > 0 && width % 4 === 0) {
    let regular = 0;
    while (regular + stride <= bytes.length && bytes[regular + stride - 1] === LF) regular += stride;
    if (regular * 2 > bytes.length) return { end: regular, characters: (regular / stride) * width };
  }
  let characters = 0;
  let start = 0;
  let complete = 0;
  let completeCharacters = 0;
  while (start <= last) {
    const lf = indexOfByte(bytes, LF, start);
    characters += lf - start - (lf > start && bytes[lf - 1] === CR ? 1 : 0);
    start = lf + 1;
    if (characters % 4 === 0) {
      complete = start;
      completeCharacters = characters;
    }
  }
  return { end: complete, characters: completeCharacters };
}
