import type { Decoder } from './byte-queue.ts';
import { CR, DOT, EMPTY, LF, encodeText, indexOfByte } from './bytes.ts';
import { hasCleanLines } from './clean-lines.ts';

/** A piece of a streamed body. `last` marks the end; the last span may be empty. */
export interface BodySpan {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

const CRLF_DOT = encodeText('\r\n.');
const ONE_DOT = encodeText('.');
const ONE_CR = encodeText('\r');
const ONE_LF = encodeText('\n');
const ONE_CRLF = encodeText('\r\n');
const TERMINATOR = encodeText('.\r\n');
const CRLF_TERMINATOR = encodeText('\r\n.\r\n');

/**
 * Body that ends with a line of one dot (RFC 5321 section 4.5.2, RFC 1939 section 3, RFC 3977 section 3.1.1), by spans: the
 * search is for CRLF DOT, not for lines. Only CRLF.CRLF ends it; a dot behind a bare LF or CR is data. One leading dot of a
 * line is removed. Spans are views of what was received.
 */
export function dottedDecoder(): Decoder<BodySpan> {
  let atLineStart = true;
  return (queue) => {
    if (atLineStart) {
      const first = queue.at(0);
      if (first === undefined) return undefined;
      if (first === DOT) {
        const second = queue.at(1);
        if (second === undefined) return undefined;
        if (second === CR) {
          const third = queue.at(2);
          if (third === undefined) return undefined;
          if (third === LF) {
            queue.take(3);
            return { bytes: EMPTY, last: true };
          }
        }
        queue.take(1);
      }
      atLineStart = false;
    }
    const found = queue.indexOf(CRLF_DOT);
    if (found >= 0) {
      atLineStart = true;
      return { bytes: queue.take(found + 2), last: false };
    }
    const length = queue.length;
    // A trailing CR may begin CRLF DOT; a trailing CRLF puts the next byte at a line's start.
    const keep = length > 0 && queue.at(length - 1) === CR ? 1 : 0;
    if (length === keep) return undefined;
    if (length >= 2 && queue.at(length - 1) === LF && queue.at(length - 2) === CR) atLineStart = true;
    return { bytes: queue.take(length - keep), last: false };
  };
}

/**
 * The other way: stuffs dots and makes every bare CR or LF a CRLF, so that no reading of the bytes finds an end that is not
 * there (SMTP smuggling, VU#302671). Clean input passes through as views, without a copy.
 */
export class DottedEncoder {
  readonly #stuffDots: boolean;
  #atLineStart = true;
  #afterCr = false;
  #empty = true;

  /** With `stuffDots: false` only line ends are mended: for BDAT, whose length is declared (RFC 3030). */
  constructor(options: { readonly stuffDots?: boolean } = {}) {
    this.#stuffDots = options.stuffDots ?? true;
  }

  /** The wire form of the next chunk, split as the source likes. */
  push(chunk: Uint8Array): Uint8Array[] {
    const length = chunk.length;
    if (length === 0) return [];
    this.#empty = false;
    if (!this.#afterCr && hasCleanLines(chunk, this.#atLineStart, this.#stuffDots)) {
      this.#atLineStart = chunk[length - 1] === LF;
      return [chunk];
    }
    const parts: Uint8Array[] = [];
    let from = 0;
    let at = 0;
    if (this.#afterCr) {
      this.#afterCr = false;
      this.#atLineStart = true;
      if (chunk[0] === LF) at = 1;
      else parts.push(ONE_LF);
    }
    const stuff = (lineStart: number): void => {
      if (chunk[lineStart] !== DOT || !this.#stuffDots) return;
      if (lineStart > from) parts.push(chunk.subarray(from, lineStart));
      parts.push(ONE_DOT);
      from = lineStart;
    };
    if (this.#atLineStart && at < length) stuff(at);
    if (at < length) this.#atLineStart = false;
    let cr = indexOfByte(chunk, CR, at);
    while (at < length) {
      const lf = indexOfByte(chunk, LF, at);
      if (cr >= 0 && (lf < 0 || cr < lf)) {
        if (cr + 1 === length) {
          this.#afterCr = true;
          break;
        }
        if (lf === cr + 1) {
          at = lf + 1;
        } else {
          parts.push(chunk.subarray(from, cr + 1), ONE_LF);
          from = at = cr + 1;
        }
        cr = indexOfByte(chunk, CR, at);
      } else if (lf >= 0) {
        if (lf > from) parts.push(chunk.subarray(from, lf));
        parts.push(ONE_CR);
        from = lf;
        at = lf + 1;
      } else {
        break;
      }
      if (at === length) this.#atLineStart = true;
      else stuff(at);
    }
    if (from < length) parts.push(from === 0 ? chunk : chunk.subarray(from));
    return parts;
  }

  /** What is missing for the body to end with CRLF: for BDAT. */
  endLine(): Uint8Array {
    if (this.#afterCr) return ONE_LF;
    return this.#atLineStart || this.#empty ? EMPTY : ONE_CRLF;
  }

  /** The end: one CRLF if the body lacks it, then the line of one dot. */
  end(): Uint8Array {
    if (this.#afterCr) return LF_TERMINATOR;
    return this.#atLineStart || this.#empty ? TERMINATOR : CRLF_TERMINATOR;
  }
}

const LF_TERMINATOR = encodeText('\n.\r\n');
