import { isAscii } from 'node:buffer';
import { EMPTY, allocateBytes, concatBytes, indexOfByte, indexOfBytes, latin1, utf8 } from '../wire/bytes.ts';

/** Up to this, pieces are copied together: else a server that sends byte by byte costs an object for each. */
const SMALL_BYTES = 4096;
const BLOCK_BYTES = 32 * 1024;

/** Tries by the rare byte before the search goes on by the whole text. */
const MAX_TRIES = 32;

/**
 * Text in output, by the byte of it that is least common there: a search for one byte is several times faster than one for many, and prompts
 * end in marks that output seldom has. Where it has them, the search for all goes on.
 */
export class Needle {
  readonly bytes: Uint8Array;
  /** Where the rare byte is; -1 where all are common. */
  readonly #rare: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#rare = bytes.findLastIndex(isRare);
  }

  /** Index at or after `from`; -1 where it is not. */
  in(piece: Uint8Array, from: number): number {
    const rare = this.#rare;
    if (rare < 0) return indexOfBytes(piece, this.bytes, from);
    let start = from;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const at = indexOfByte(piece, this.bytes[rare] as number, start + rare);
      if (at < 0) return -1;
      start = at - rare;
      if (this.#at(piece, start)) return start;
      start++;
    }
    return indexOfBytes(piece, this.bytes, start);
  }

  #at(piece: Uint8Array, start: number): boolean {
    const { bytes } = this;
    if (start + bytes.length > piece.length) return false;
    for (let index = 0; index < bytes.length; index++) if (piece[start + index] !== bytes[index]) return false;
    return true;
  }
}

/** A mark: neither a letter, a digit, a blank nor a control character, and no part of another script's letter. */
const isRare = (byte: number): boolean =>
  (byte > 0x20 && byte < 0x30) ||
  (byte > 0x39 && byte < 0x41) ||
  (byte > 0x5a && byte < 0x61) ||
  (byte > 0x7a && byte < 0x7f);

/** Pieces that each end with a whole character, as text. */
export const textOfPieces = (pieces: readonly Uint8Array[]): string => {
  let text = '';
  for (const piece of pieces) text += isAscii(piece) ? latin1(piece) : utf8(piece);
  return text;
};

/**
 * Output that nobody has taken yet: the received pieces as they came, well-formed UTF-8 each. Large ones are never copied, which is what makes
 * much output cheap; a search looks into each, and over its seams.
 */
export class TelnetOutput {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;
  /** Where small pieces go; the last of #pieces is its filled part. */
  #block: Uint8Array | undefined;
  #filled = 0;
  #begun = 0;

  get length(): number {
    return this.#length;
  }

  /** The piece is kept: the caller must not write to it again. */
  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (piece.length > SMALL_BYTES) {
      this.#pieces.push(piece);
      this.#block = undefined;
      return;
    }
    if (this.#block !== undefined && this.#filled + piece.length <= this.#block.length) this.#pieces.pop();
    else {
      this.#block = allocateBytes(BLOCK_BYTES);
      this.#begun = this.#filled = 0;
    }
    this.#block.set(piece, this.#filled);
    this.#filled += piece.length;
    this.#pieces.push(this.#block.subarray(this.#begun, this.#filled));
  }

  /** Index of `needle` at or after `from`; -1 where it is not. */
  indexOf(needle: Needle, from: number): number {
    const reach = needle.bytes.length - 1;
    let base = 0;
    for (const [index, piece] of this.#pieces.entries()) {
      const end = base + piece.length;
      if (end > from) {
        const at = needle.in(piece, Math.max(0, from - base));
        if (at >= 0) return base + at;
        const seam = Math.max(base, from, end - reach);
        if (seam < end && index < this.#pieces.length - 1) {
          const over = needle.in(this.slice(seam, end + reach), 0);
          if (over >= 0) return seam + over;
        }
      }
      base = end;
    }
    return -1;
  }

  /** The bytes from `start` to `end`, in one piece, left where they are. */
  slice(start: number, end: number = this.#length): Uint8Array {
    const parts: Uint8Array[] = [];
    let base = 0;
    for (const piece of this.#pieces) {
      if (base >= end) break;
      if (base + piece.length > start) parts.push(piece.subarray(Math.max(0, start - base), end - base));
      base += piece.length;
    }
    return parts.length === 0 ? EMPTY : concatBytes(parts);
  }

  /** The text behind `start`, or from the first whole character behind it. */
  textFrom(start: number): { readonly text: string; readonly from: number } {
    const bytes = this.slice(start);
    let skip = 0;
    while (skip < bytes.length && ((bytes[skip] as number) & 0xc0) === 0x80) skip++;
    return { text: utf8(bytes.subarray(skip)), from: start + skip };
  }

  /** Removes so many bytes from the front. */
  take(byteCount: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let left = byteCount;
    while (left > 0) {
      const piece = this.#pieces.shift();
      if (piece === undefined) break;
      taken.push(piece.subarray(0, left));
      if (piece.length > left) this.#pieces.unshift(piece.subarray(left));
      left -= piece.length;
    }
    this.#length -= byteCount - Math.max(0, left);
    // What is left of the block goes on where it was cut, or a new one is begun.
    if (this.#pieces.length === 0) this.#block = undefined;
    else if (this.#block !== undefined) this.#begun = this.#filled - (this.#pieces.at(-1) as Uint8Array).length;
    return taken;
  }
}
