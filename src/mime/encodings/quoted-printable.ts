import { CR, LF, allocateBytes } from '../../wire/bytes.ts';

const HEX = new TextEncoder().encode('0123456789ABCDEF');
const EQUALS = 61;
const SPACE = 32;
const TAB = 9;
/** Longest encoded line without its CRLF: RFC 2045 section 6.7 rule 5 allows 76, of which the last may be the soft break. */
const MAX_LINE = 76;

/** 1 where the byte stands for itself anywhere in a line; 0 where it must be looked at. */
const literal = new Uint8Array(256);
for (let byte = 33; byte <= 126; byte++) literal[byte] = 1;
literal[EQUALS] = 0;

/** An upper bound of the encoded length. */
export function quotedPrintableBound(inputBytes: number): number {
  return inputBytes * 3 + Math.ceil((inputBytes * 3) / (MAX_LINE - 3)) * 3 + 8;
}

/**
 * Quoted-printable of text whose line ends are CRLF or LF; both become CRLF, a lone CR is encoded. White space at a line's end is
 * encoded, and so is the F of a `From ` and a `.` alone at a line's start, which old mail software would touch.
 */
export function encodeQuotedPrintable(bytes: Uint8Array): Uint8Array {
  const out = allocateBytes(quotedPrintableBound(bytes.length));
  return out.subarray(0, writeQuotedPrintable(bytes, out, 0));
}

/** As `encodeQuotedPrintable`, into `target` at `offset`, which must have room for the bound; returns the offset behind. */
export function writeQuotedPrintable(bytes: Uint8Array, target: Uint8Array, offset: number): number {
  const length = bytes.length;
  let at = offset;
  let column = 0;
  for (let index = 0; index < length; index++) {
    const byte = bytes[index] as number;
    if (literal[byte] === 1) {
      if (column === MAX_LINE - 1 && !endsLine(bytes, index + 1)) {
        target[at++] = EQUALS;
        target[at++] = CR;
        target[at++] = LF;
        column = 0;
      }
      if (column === 0 && needsGuard(bytes, index, byte)) {
        target[at++] = EQUALS;
        target[at++] = HEX[byte >> 4] as number;
        target[at++] = HEX[byte & 15] as number;
        column = 3;
        continue;
      }
      target[at++] = byte;
      column++;
      continue;
    }
    if (byte === LF || (byte === CR && bytes[index + 1] === LF)) {
      if (byte === CR) index++;
      target[at++] = CR;
      target[at++] = LF;
      column = 0;
      continue;
    }
    const plain = (byte === SPACE || byte === TAB) && !endsLine(bytes, index + 1);
    const width = plain ? 1 : 3;
    if (column + width > MAX_LINE - 1) {
      // Room for this one only when it is the line's last; else a soft break.
      if (!(column + width === MAX_LINE && endsLine(bytes, index + 1))) {
        target[at++] = EQUALS;
        target[at++] = CR;
        target[at++] = LF;
        column = 0;
      }
    }
    if (plain) {
      target[at++] = byte;
      column++;
    } else {
      target[at++] = EQUALS;
      target[at++] = HEX[byte >> 4] as number;
      target[at++] = HEX[byte & 15] as number;
      column += 3;
    }
  }
  return at;
}

function endsLine(bytes: Uint8Array, index: number): boolean {
  const next = bytes[index];
  return next === undefined || next === LF || (next === CR && bytes[index + 1] === LF);
}

/** 'From ' and '.' at the start of an output line. */
function needsGuard(bytes: Uint8Array, index: number, byte: number): boolean {
  if (byte === 46) return true;
  return (
    byte === 70 &&
    bytes[index + 1] === 114 &&
    bytes[index + 2] === 111 &&
    bytes[index + 3] === 109 &&
    (bytes[index + 4] === SPACE || bytes[index + 4] === undefined)
  );
}
