import { LimitError } from '../errors.ts';
import { decodeRawHeader } from './charset.ts';
import { decodeHeader } from './decode-header.ts';
import { octetsOf } from './octets.ts';
import type { ReportDefect } from './defect.ts';
import type { ParseLimits } from './parse-limits.ts';

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const DASH = 45;

const eightBit = /[\u0080-\u00ff]/;

/** One field of a header, as it was read. Nothing is decoded before it is asked for. */
export class HeaderField {
  /** The name as written. */
  readonly name: string;
  /** The name in lower case. */
  readonly key: string;
  /** Bytes from the start of the message to the name. */
  readonly offset: number;
  readonly #raw: string;
  readonly #colon: number;
  readonly #fallback: string | undefined;
  #value: string | undefined;
  #text: string | undefined;

  constructor(raw: string, nameLength: number, colon: number, offset: number, fallback: string | undefined) {
    this.name = raw.slice(0, nameLength);
    this.key = this.name.toLowerCase();
    this.offset = offset;
    this.#raw = raw;
    this.#colon = colon;
    this.#fallback = fallback;
  }

  /** The value in one line, a byte a character: what structured fields are parsed from. */
  get octets(): string {
    const raw = this.#raw;
    let value = raw.slice(this.#colon + 1);
    const first = value.indexOf('\n');
    // Folds go, the white space behind them stays (RFC 5322 section 2.2.3); a bare CR must not become a line of its own.
    if (first >= 0 && first < value.length - 1) value = unfold(value, first);
    else if (first >= 0) value = value.slice(0, first > 0 && value.charCodeAt(first - 1) === CR ? first - 1 : first);
    if (value.includes('\r')) value = value.replace(/\r/g, ' ');
    return trimBlank(value);
  }

  /** The value in one line: folds undone, characters decoded (UTF-8, or the fallback charset), encoded-words as they are. */
  get value(): string {
    if (this.#value === undefined) {
      const octets = this.octets;
      this.#value = eightBit.test(octets) ? decodeRawHeader(octets, this.#fallback).text : octets;
    }
    return this.#value;
  }

  /** The value with its encoded-words decoded: for unstructured fields, such as Subject. */
  get text(): string {
    this.#text ??= decodeHeader(this.value);
    return this.#text;
  }

  /** The field's bytes, folds and line end included. */
  get bytes(): Uint8Array {
    return octetsOf(this.#raw);
  }

  /** @internal */
  get raw(): string {
    return this.#raw;
  }
}

/** Without its line ends. A loop: half the cost of an expression where there are many. */
function unfold(value: string, first: number): string {
  let out = '';
  let from = 0;
  for (let lf = first; lf >= 0; lf = value.indexOf('\n', from)) {
    out += value.slice(from, lf > from && value.charCodeAt(lf - 1) === CR ? lf - 1 : lf);
    from = lf + 1;
  }
  return out + value.slice(from);
}

function trimBlank(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** The fields of a message or part: in order, with duplicates, each with its bytes. */
export class HeaderFields implements Iterable<HeaderField> {
  readonly #block: string;
  readonly #fields: readonly HeaderField[];

  /** @internal */
  constructor(block: string, fields: readonly HeaderField[]) {
    this.#block = block;
    this.#fields = fields;
  }

  /** How many fields there are. */
  get length(): number {
    return this.#fields.length;
  }

  [Symbol.iterator](): Iterator<HeaderField> {
    return this.#fields[Symbol.iterator]();
  }

  /** The first field of that name, without case. Where a field may come once, the first wins. */
  field(name: string): HeaderField | undefined {
    const key = name.toLowerCase();
    for (const field of this.#fields) if (field.key === key) return field;
    return undefined;
  }

  /** Every field of that name, in order. */
  fields(name: string): HeaderField[] {
    const key = name.toLowerCase();
    return this.#fields.filter((field) => field.key === key);
  }

  /** The first field's text, decoded. */
  get(name: string): string | undefined {
    return this.field(name)?.text;
  }

  /** Each field's text, decoded. */
  getAll(name: string): string[] {
    return this.fields(name).map((field) => field.text);
  }

  has(name: string): boolean {
    return this.field(name) !== undefined;
  }

  /** The whole block as it was read, blank line included. */
  get bytes(): Uint8Array {
    return octetsOf(this.#block);
  }
}

export interface HeaderScan {
  readonly fields: HeaderFields;
  /** Characters, which are bytes, up to the body. */
  readonly length: number;
  /** True when a delimiter line of an outer multipart came before the blank line. */
  readonly cut: boolean;
}

export interface HeaderContext {
  readonly limits: ParseLimits;
  readonly report: ReportDefect;
  readonly fallback: string | undefined;
  /** True when the line that starts there is a delimiter of an open multipart. */
  isDelimiter(text: string, lineStart: number): boolean;
}

/**
 * Reads one header block from text of one character a byte. Undefined when its end has not come and `final` is false. A line without a
 * colon is left out, with a defect; only when no blank line follows at all does the body start there. LimitError for too many fields.
 *
 *     fields = *(field-name ":" unstructured CRLF); a line that starts with SP or HTAB continues the one before
 */
export function scanHeaderFields(
  text: string,
  final: boolean,
  root: boolean,
  offset: number,
  context: HeaderContext,
): HeaderScan | undefined {
  const { limits, report, fallback } = context;
  const fields: HeaderField[] = [];
  const length = text.length;
  const flaws: number[] = [];
  const prefix = root ? skipRootPrefix(text, final, offset, report) : 0;
  if (prefix === undefined) return undefined;
  let at = prefix;
  let firstBad = -1;
  let end = -1;
  let cut = false;
  while (at < length) {
    const first = text.charCodeAt(at);
    if (first === LF) {
      end = at + 1;
      break;
    }
    if (first === CR) {
      let next = at + 1;
      while (text.charCodeAt(next) === CR) next++;
      if (text.charCodeAt(next) === LF) {
        end = next + 1;
        break;
      }
      if (next >= length && !final) return undefined;
    }
    if (first === DASH && context.isDelimiter(text, at)) {
      cut = true;
      break;
    }
    let lineEnd = text.indexOf('\n', at);
    while (lineEnd >= 0 && lineEnd + 1 < length && isBlank(text.charCodeAt(lineEnd + 1)))
      lineEnd = text.indexOf('\n', lineEnd + 1);
    // The next line may continue this one: its first character must be there.
    if (!final && (lineEnd < 0 || lineEnd + 1 >= length)) return undefined;
    const next = lineEnd < 0 ? length : lineEnd + 1;
    const colon = text.indexOf(':', at);
    let nameEnd = colon;
    while (nameEnd > at && isBlank(text.charCodeAt(nameEnd - 1))) nameEnd--;
    if (colon < 0 || colon >= next || nameEnd === at || isBlank(first) || spansLines(text, at, nameEnd)) {
      if (firstBad < 0) firstBad = at;
      flaws.push(at);
      if (flaws.length > limits.headerCount) throw tooMany(limits);
    } else {
      if (fields.length >= limits.headerCount) throw tooMany(limits);
      fields.push(new HeaderField(text.slice(at, next), nameEnd - at, colon - at, offset + at, fallback));
    }
    at = next;
  }
  if (end < 0) {
    if (!cut && !final) return undefined;
    end = at;
    if (firstBad >= 0 && !cut) {
      end = firstBad;
      while (fields.length > 0 && (fields.at(-1) as HeaderField).offset >= offset + firstBad) fields.pop();
      flaws.length = 0;
      report('missing-header-end', offset + end);
    } else if (!root || fields.length > 0) report('missing-header-end', offset + end);
  }
  for (const flaw of flaws)
    report(isBlank(text.charCodeAt(flaw)) ? 'header-starts-with-space' : 'header-without-colon', offset + flaw);
  return { fields: new HeaderFields(text.slice(0, end), fields), length: end, cut };
}

function tooMany(limits: ParseLimits): LimitError {
  return new LimitError(`a header has more than ${limits.headerCount} fields`);
}

function spansLines(text: string, start: number, end: number): boolean {
  const lf = text.indexOf('\n', start);
  return lf >= 0 && lf < end;
}

const mboxLine = />?From (?![ \t]*:)/y;
const fieldStart = /[\u0021-\u0039\u003b-\u007e]{1,900}[ \t]{0,50}:/y;
/** More line breaks than this before the first field make it body. */
const MAX_LEADING = 100;
/** So many characters behind leading line breaks decide whether a field begins there. */
export const ROOT_LOOK = 1100;

/**
 * What may stand before the first field: a byte-order mark, blank lines, the 'From ' line of an mbox file. Undefined when more text is
 * needed to tell.
 */
function skipRootPrefix(text: string, final: boolean, offset: number, report: ReportDefect): number | undefined {
  let at = text.startsWith('\u00ef\u00bb\u00bf') ? 3 : 0;
  const mark = at > 0;
  let start = at;
  while (start < at + MAX_LEADING && (text[start] === '\r' || text[start] === '\n')) start++;
  const blank = start > at;
  if (blank) {
    if (!final && text.length < ROOT_LOOK && !text.includes('\n', start)) return undefined;
    fieldStart.lastIndex = start;
    if (!fieldStart.test(text) && !text.startsWith('From ', start)) start = at;
  }
  mboxLine.lastIndex = start;
  let next = start;
  if (mboxLine.test(text)) {
    const lineEnd = text.indexOf('\n', start);
    if (lineEnd < 0 && !final) return undefined;
    if (lineEnd > 0) next = lineEnd + 1;
  }
  if (mark) report('byte-order-mark', offset);
  if (start > at) report('leading-blank-line', offset + at);
  at = next;
  return at;
}
