import { isAscii } from 'node:buffer';
import { EMPTY, allocateBytes, concatBytes, indexOfBytes, latin1, utf8 } from '../wire/bytes.ts';

/** Up to this, pieces are copied together: else a server that sends byte by byte costs an object for each. */
const SMALL_BYTES = 4096;
const BLOCK_BYTES = 32 * 1024;

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
  indexOf(needle: Uint8Array, from: number): number {
    const reach = needle.length - 1;
    let base = 0;
    for (const [index, piece] of this.#pieces.entries()) {
      const end = base + piece.length;
      if (end > from) {
        const at = indexOfBytes(piece, needle, Math.max(0, from - base));
        if (at >= 0) return base + at;
        const seam = Math.max(base, from, end - reach);
        if (seam < end && index < this.#pieces.length - 1) {
          const over = indexOfBytes(this.slice(seam, end + reach), needle);
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
