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
  const units = codeUnits(text);
  let at = offset;
  let column = 0;
  let index = 0;
  while (index < length) {
    const code = units[index] as number;
    // The common cases, well within the line: a character that stands for itself, a space before one, a letter with an accent.
    if (code < 128) {
      if (
        column < MAX_LINE - 1 &&
        (literal[code] === 1
          ? column > 0 || !needsGuard(units, index)
          : code === SPACE && index + 1 < length && standsForItself(units[index + 1] as number))
      ) {
        target[at++] = code;
        column++;
        index++;
        continue;
      }
      if (code === LF || (code === CR && (units[index + 1] as number) === LF)) {
        index += code === CR ? 2 : 1;
        target[at] = CR;
        target[at + 1] = LF;
        at += 2;
        column = 0;
        continue;
      }
    } else if (code < 0x800 && column < MAX_LINE - 6) {
      writeEscape(target, at, 0xc0 | (code >> 6));
      writeEscape(target, at + 3, 0x80 | (code & 63));
      at += 6;
      column += 6;
      index++;
      continue;
    }
    const wide = code >= 0xd800 && code < 0xdc00 && isLowSurrogate(units[index + 1] as number) ? 2 : 1;
    const last = endsLine(units, index + wide, length);
    const plain =
      code < 128 &&
      (literal[code] === 1 || ((code === SPACE || code === TAB) && !last)) &&
      (column > 0 || !needsGuard(units, index));
    const width = plain ? 1 : code < 0x80 ? 3 : code < 0x800 ? 6 : wide === 2 ? 12 : 9;
    // The last of a line may take the column that a soft break would. A character's bytes stay together.
    if (column + width > (last ? MAX_LINE : MAX_LINE - 1)) {
      target[at] = EQUALS;
      target[at + 1] = CR;
      target[at + 2] = LF;
      at += 3;
      column = 0;
      continue;
    }
    if (plain) target[at] = code;
    else if (code < 0x80) writeEscape(target, at, code);
    else
      writeCharacter(
        target,
        at,
        wide === 2 ? (text.codePointAt(index) as number) : code >= 0xd800 && code < 0xe000 ? 0xfffd : code,
      );
    at += width;
    column += width;
    index += wide;
  }
  return at;
}

/** The bytes of one character in UTF-8, each as =XX. */
function writeCharacter(target: Uint8Array, offset: number, point: number): void {
  let at = offset;
  if (point < 0x800) {
    writeEscape(target, at, 0xc0 | (point >> 6));
  } else {
    if (point < 0x10000) {
      writeEscape(target, at, 0xe0 | (point >> 12));
    } else {
      writeEscape(target, at, 0xf0 | (point >> 18));
      at += 3;
      writeEscape(target, at, 0x80 | ((point >> 12) & 63));
    }
    at += 3;
    writeEscape(target, at, 0x80 | ((point >> 6) & 63));
  }
  writeEscape(target, at + 3, 0x80 | (point & 63));
}

function writeEscape(target: Uint8Array, at: number, byte: number): void {
  target[at] = EQUALS;
  target[at + 1] = HEX[byte >> 4] as number;
  target[at + 2] = HEX[byte & 15] as number;
}

const standsForItself = (code: number): boolean => code > 127 || literal[code] === 1;

const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code < 0xe000;

function endsLine(units: Uint16Array, index: number, length: number): boolean {
  const next = units[index];
  return index >= length || next === LF || (next === CR && units[index + 1] === LF);
}

/** 'From ' and '.' at the start of an output line. */
function needsGuard(units: Uint16Array, index: number): boolean {
  if (units[index] === 46) return true;
  // F, r, o, m, and a space or the end.
  if (units[index] !== 70 || units[index + 1] !== 114 || units[index + 2] !== 111 || units[index + 3] !== 109)
    return false;
  return units[index + 4] === SPACE || units[index + 4] === 0;
}

interface NativeUnits {
  from(buffer: ArrayBufferLike): Uint8Array;
  readonly prototype: { ucs2Write(this: Uint8Array, text: string, offset: number): number };
}
const native = (globalThis as { Buffer?: NativeUnits }).Buffer;

/** Units behind the text that are zero, so that looking ahead needs no check. */
const MARGIN = 8;
const SCRATCH_UNITS = 64 * 1024;
let scratch: Uint16Array | undefined;

/**
 * The UTF-16 units of the text in an array, which a loop reads three times as fast as the string. The array is used again by the next
 * call.
 */
function codeUnits(text: string): Uint16Array {
  const needed = text.length + MARGIN;
  const units = needed <= SCRATCH_UNITS ? (scratch ??= new Uint16Array(SCRATCH_UNITS)) : new Uint16Array(needed);
  if (native && littleEndian) native.prototype.ucs2Write.call(native.from(units.buffer), text, 0);
  else for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  units.fill(0, text.length, needed);
  return units;
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
