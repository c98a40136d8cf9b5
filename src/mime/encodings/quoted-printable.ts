import { CR, LF, allocateBytes, utf8Length } from '../../wire/bytes.ts';

const HEX = new TextEncoder().encode('0123456789ABCDEF');
const EQUALS = 61;
const SPACE = 32;
const TAB = 9;
/** Longest encoded line without its CRLF: RFC 2045 section 6.7 rule 5. A soft break takes the last column. */
const MAX_LINE = 76;
/** Up to here the bound is guessed, which is cheaper than counting. */
const SHORT = 20_000;

/** 1 where the character stands for itself anywhere in a line; 0 where it must be looked at. */
const literal = new Uint8Array(128);
for (let code = 33; code <= 126; code++) literal[code] = 1;
literal[EQUALS] = 0;

/** An upper bound of the encoded length in bytes. */
export function quotedPrintableBound(text: string): number {
  const bytes = text.length <= SHORT ? text.length * 3 : utf8Length(text);
  return bytes * 3 + Math.ceil((bytes * 3) / (MAX_LINE - 3)) * 3 + 8;
}

/**
 * Quoted-printable of the text in UTF-8. CRLF and LF become CRLF, a lone CR is encoded, a lone surrogate is U+FFFD. White space at a
 * line's end is encoded, and so is the F of a `From ` and a dot at a line's start, which old mail software would touch.
 * @see RFC 2045 section 6.7
 */
export function encodeQuotedPrintable(text: string): Uint8Array {
  const out = allocateBytes(quotedPrintableBound(text));
  return out.subarray(0, writeQuotedPrintable(text, out, 0));
}

/** As `encodeQuotedPrintable`, into `target` at `offset`, which must have room for the bound; returns the offset behind. */
export function writeQuotedPrintable(text: string, target: Uint8Array, offset: number): number {
  const length = text.length;
  let at = offset;
  let column = 0;
  let index = 0;
  while (index < length) {
    if (column === 0 && needsGuard(text, index)) {
      at = writeEscape(target, at, text.charCodeAt(index++));
      column = 3;
      continue;
    }
    // A run of characters that stand for themselves, spaces between them too, up to where a soft break may be needed.
    const stop = Math.min(length, index + MAX_LINE - 1 - column);
    const start = index;
    let code = 0;
    while (index < stop) {
      code = text.charCodeAt(index);
      if (code > 127) break;
      if (
        literal[code] === 0 &&
        (code !== SPACE || index + 1 === length || !standsForItself(text.charCodeAt(index + 1)))
      )
        break;
      target[at++] = code;
      index++;
    }
    column += index - start;
    if (index === length) break;
    code = text.charCodeAt(index);
    if (code === LF || (code === CR && text.charCodeAt(index + 1) === LF)) {
      index += code === CR ? 2 : 1;
      target[at++] = CR;
      target[at++] = LF;
      column = 0;
      continue;
    }
    const units = code >= 0xd800 && code < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1)) ? 2 : 1;
    const last = endsLine(text, index + units);
    const plain = code < 128 && (literal[code] === 1 || ((code === SPACE || code === TAB) && !last));
    const width = plain ? 1 : code < 0x80 ? 3 : code < 0x800 ? 6 : units === 2 ? 12 : 9;
    // The last of a line may take the column that a soft break would. A character's bytes stay together.
    if (column + width > (last ? MAX_LINE : MAX_LINE - 1)) {
      target[at++] = EQUALS;
      target[at++] = CR;
      target[at++] = LF;
      column = 0;
      continue;
    }
    column += width;
    index += units;
    if (plain) target[at++] = code;
    else if (code < 0x80) at = writeEscape(target, at, code);
    else
      at = writeCharacter(
        target,
        at,
        units === 2 ? (text.codePointAt(index - 2) as number) : code >= 0xd800 && code < 0xe000 ? 0xfffd : code,
      );
  }
  return at;
}

function writeCharacter(target: Uint8Array, offset: number, point: number): number {
  let at = offset;
  if (point < 0x800) {
    at = writeEscape(target, at, 0xc0 | (point >> 6));
  } else {
    if (point < 0x10000) {
      at = writeEscape(target, at, 0xe0 | (point >> 12));
    } else {
      at = writeEscape(target, at, 0xf0 | (point >> 18));
      at = writeEscape(target, at, 0x80 | ((point >> 12) & 63));
    }
    at = writeEscape(target, at, 0x80 | ((point >> 6) & 63));
  }
  return writeEscape(target, at, 0x80 | (point & 63));
}

function writeEscape(target: Uint8Array, at: number, byte: number): number {
  target[at] = EQUALS;
  target[at + 1] = HEX[byte >> 4] as number;
  target[at + 2] = HEX[byte & 15] as number;
  return at + 3;
}

const standsForItself = (code: number): boolean => code > 127 || literal[code] === 1;

const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code < 0xe000;

function endsLine(text: string, index: number): boolean {
  if (index >= text.length) return true;
  const next = text.charCodeAt(index);
  return next === LF || (next === CR && text.charCodeAt(index + 1) === LF);
}

/** 'From ' and '.' at the start of an output line. */
function needsGuard(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  if (code === 46) return true;
  return (
    code === 70 && text.startsWith('From', index) && (text.length === index + 4 || text.charCodeAt(index + 4) === SPACE)
  );
}
