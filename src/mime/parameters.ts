import { decodeCharset, decodeRawHeader } from './charset.ts';
import { decodeHeader } from './decode-header.ts';
import type { DefectCode } from './defect.ts';

/** A value with parameters: Content-Type, Content-Disposition. */
export interface ParameterizedValue {
  /** In lower case, comments removed: 'text/plain', 'attachment'. */
  readonly value: string;
  /** By name in lower case, decoded. */
  readonly parameters: ReadonlyMap<string, string>;
}

export interface ParameterReading {
  readonly maxParameters: number;
  readonly fallback?: string | undefined;
  readonly complain?: ((code: DefectCode) => void) | undefined;
}

const none: ReadonlyMap<string, string> = new Map();
const bare = /^[A-Za-z0-9!#$&^_.+-]+(?:\/[A-Za-z0-9!#$&^_.+-]+)?$/;

/**
 * Reads `value *(";" name "=" value)` from the octets of a field: tokens, quoted strings, comments, the continuations and charsets of RFC
 * 2231, and, because mailers write them, encoded-words inside values. The first of a repeated parameter wins; the extended form (`name*`)
 * wins over the plain one. Sections are put in numeric order and end at the first gap. Linear. @see RFC 2045 section 5.1, RFC 2231
 */
export function parseParameterized(octets: string, reading: ParameterReading): ParameterizedValue {
  if (bare.test(octets)) return { value: octets.toLowerCase(), parameters: none };
  const head = readValue(octets, 0);
  const found = new Parameters(octets, reading);
  let count = 0;
  let at = head.end;
  while (at < octets.length) {
    if (octets[at] === ';') {
      at++;
      continue;
    }
    const name = readName(octets, at);
    at = name.end;
    if (octets[at] !== '=') {
      if (name.text !== '') reading.complain?.('invalid-parameter');
      // A value that follows no name is passed over.
      if (at < octets.length && octets[at] !== ';') at = readValue(octets, at).end;
      continue;
    }
    const value = readValue(octets, at + 1);
    at = value.end;
    if (name.text === '') continue;
    if (++count > reading.maxParameters) {
      reading.complain?.('too-many-parameters');
      break;
    }
    found.add(name.text.toLowerCase(), value.text);
  }
  return { value: head.text.toLowerCase(), parameters: found.assemble() };
}

/** A name, up to '=', ';' or the end. Comments and white space go. */
function readName(text: string, start: number): { text: string; end: number } {
  let from = start;
  while (isBlank(text.charCodeAt(from))) from++;
  let end = from;
  while (end < text.length && !endsName(text.charCodeAt(end))) end++;
  if (!isBlank(text.charCodeAt(end)) && text[end] !== '(') return { text: text.slice(from, end), end };
  let name = '';
  let at = from;
  while (at < text.length) {
    const character = text[at] as string;
    if (character === '=' || character === ';') break;
    if (character === '(') at = skipComment(text, at);
    else {
      if (!isBlank(text.charCodeAt(at))) name += character;
      at++;
    }
  }
  return { text: name, end: at };
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** '=' and ';' end a name; white space and comments may stand in it. */
function endsName(code: number): boolean {
  return code === 61 || code === 59 || code === 40 || isBlank(code);
}

/** A token or quoted strings, up to ';' or the end. */
function readValue(text: string, start: number): { text: string; end: number } {
  let value = '';
  let quoted = false;
  let at = start;
  while (at < text.length && text[at] !== ';') {
    const character = text[at] as string;
    if (character === '"') {
      const end = skipQuoted(text, at);
      const closed = end > at + 1 && text[end - 1] === '"';
      const inner = text.slice(at + 1, closed ? end - 1 : end);
      value = (quoted ? value : value.trim()) + (inner.includes('\\') ? unescape(inner) : inner);
      quoted = true;
      at = end;
    } else if (character === '(') {
      at = skipComment(text, at);
    } else {
      let end = at + 1;
      while (end < text.length && !isSpecial(text.charCodeAt(end))) end++;
      // Behind a quoted string nothing but white space and comments is meant to come.
      const run = text.slice(at, end);
      if (!quoted) value += run;
      else if (run.trim() !== '') value += run.trim();
      at = end;
    }
  }
  return { text: quoted ? value : value.trim(), end: at };
}

function isSpecial(code: number): boolean {
  return code === 59 || code === 34 || code === 40;
}

function skipQuoted(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function skipComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return at + 1;
  }
  return text.length;
}

/** A path of Windows in quotes is written without its backslashes doubled: only quotes and backslashes are escaped characters. */
function unescape(text: string): string {
  return text.replace(/\\(["\\])/g, '$1');
}

interface Section {
  readonly extended: boolean;
  readonly value: string;
}

/** The forms of RFC 2231 in which one parameter came. */
interface Extended {
  whole: string | undefined;
  /** Those that came in order, from the first on. */
  readonly ordered: Section[];
  /** All others. */
  sections: Map<number, Section> | undefined;
}

const sectionName = /^([^*]+)\*(?:(\d+)(\*?))?$/;

/** The parameters of one field, put together from the forms in which they came. */
class Parameters {
  readonly #reading: ParameterReading;
  readonly #plain = new Map<string, string>();
  readonly #extended = new Map<string, Extended>();
  /** Most fields hold nothing that must be decoded: one look at the whole tells. */
  readonly #asWritten: boolean;

  constructor(octets: string, reading: ParameterReading) {
    this.#reading = reading;
    this.#asWritten = !octets.includes('=?') && !/[\u0080-\u00ff]/.test(octets);
  }

  add(name: string, value: string): void {
    const match = name.includes('*') ? sectionName.exec(name) : null;
    if (match === null) {
      if (this.#plain.has(name)) this.#reading.complain?.('duplicate-parameter');
      else this.#plain.set(name, this.#asWritten ? value : plainValue(value, this.#reading));
      return;
    }
    this.#addExtended(match[1] as string, match[2], match[3] === '*', value);
  }

  #addExtended(base: string, digits: string | undefined, extended: boolean, value: string): void {
    let entry = this.#extended.get(base);
    if (entry === undefined) this.#extended.set(base, (entry = { whole: undefined, ordered: [], sections: undefined }));
    if (digits === undefined) {
      if (entry.whole === undefined) entry.whole = value;
      else this.#reading.complain?.('duplicate-parameter');
    } else if (digits.length > 9) {
      this.#reading.complain?.('invalid-parameter');
    } else {
      const index = Number(digits);
      const section = { extended, value };
      if (index < entry.ordered.length || entry.sections?.has(index) === true)
        this.#reading.complain?.('duplicate-parameter');
      else if (index === entry.ordered.length && entry.sections === undefined) entry.ordered.push(section);
      else (entry.sections ??= new Map()).set(index, section);
    }
  }

  assemble(): ReadonlyMap<string, string> {
    for (const [name, entry] of this.#extended) {
      const { whole } = entry;
      const value = whole === undefined ? joinSections(entry, this.#reading) : wholeValue(whole, this.#reading);
      const plain = this.#plain.get(name);
      if (value === undefined) continue;
      if (plain !== undefined && plain !== value) this.#reading.complain?.('duplicate-parameter');
      this.#plain.set(name, value);
    }
    return this.#plain;
  }
}

function wholeValue(octets: string, reading: ParameterReading): string {
  const { charset, rest } = splitCharset(octets);
  return decodeCharset(percentDecode(rest, reading), charset, { fallback: reading.fallback }).text;
}

function plainValue(octets: string, reading: ParameterReading): string {
  let value = octets;
  if (/[\u0080-\u00ff]/.test(value)) value = decodeRawHeader(value, reading.fallback).text;
  if (!value.includes('=?')) return value;
  const decoded = decodeHeader(value);
  if (decoded !== value) reading.complain?.('encoded-word-in-parameter');
  return decoded;
}

function joinSections({ ordered, sections }: Extended, reading: ParameterReading): string | undefined {
  const sectionAt = (index: number): Section | undefined => ordered[index] ?? sections?.get(index);
  const first = sectionAt(0);
  if (first === undefined) {
    reading.complain?.('invalid-parameter');
    return undefined;
  }
  let charset: string | undefined;
  let anyExtended = false;
  let octets = '';
  for (let index = 0; ; index++) {
    const section = sectionAt(index);
    if (section === undefined) {
      if (index < ordered.length + (sections?.size ?? 0)) reading.complain?.('invalid-parameter');
      break;
    }
    let text = section.value;
    if (section.extended) {
      anyExtended = true;
      if (index === 0) {
        const split = splitCharset(text);
        charset = split.charset;
        text = split.rest;
      }
      text = String.fromCharCode.apply(null, [...percentDecode(text, reading)]);
    }
    octets += text;
  }
  if (!anyExtended) return plainValue(octets, reading);
  const bytes = new Uint8Array(octets.length);
  for (let at = 0; at < octets.length; at++) bytes[at] = octets.charCodeAt(at);
  return decodeCharset(bytes, charset, { fallback: reading.fallback }).text;
}

/** `charset'language'text`; where the quotes are missing all is text. */
function splitCharset(value: string): { charset: string | undefined; rest: string } {
  const first = value.indexOf("'");
  const second = first < 0 ? -1 : value.indexOf("'", first + 1);
  if (second < 0) return { charset: undefined, rest: value };
  return { charset: value.slice(0, first) || undefined, rest: value.slice(second + 1) };
}

function percentDecode(text: string, reading: ParameterReading): Uint8Array {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 37) {
      const pair = text.slice(at + 1, at + 3);
      if (/^[0-9A-Fa-f]{2}$/.test(pair)) {
        bytes[length++] = Number.parseInt(pair, 16);
        at += 2;
        continue;
      }
      reading.complain?.('invalid-parameter');
    }
    bytes[length++] = code;
  }
  return bytes.subarray(0, length);
}
