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

interface RawParameter {
  readonly name: string;
  readonly value: string;
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
  const raw: RawParameter[] = [];
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
    if (raw.length >= reading.maxParameters) {
      reading.complain?.('too-many-parameters');
      break;
    }
    raw.push({ name: name.text.toLowerCase(), value: value.text });
  }
  return { value: head.text.toLowerCase(), parameters: assemble(raw, reading) };
}

/** A name, up to '=', ';' or the end. Comments and white space go. */
function readName(text: string, start: number): { text: string; end: number } {
  let name = '';
  let at = start;
  while (at < text.length) {
    const character = text[at] as string;
    if (character === '=' || character === ';') break;
    if (character === '(') at = skipComment(text, at);
    else {
      if (character !== ' ' && character !== '\t') name += character;
      at++;
    }
  }
  return { text: name, end: at };
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
  readonly index: number;
  readonly extended: boolean;
  readonly value: string;
}

/** The forms of RFC 2231 in which one parameter came. */
interface Extended {
  whole: string | undefined;
  sections: Map<number, Section> | undefined;
}

const sectionName = /^([^*]+)\*(?:(\d+)(\*?))?$/;

function assemble(raw: readonly RawParameter[], reading: ParameterReading): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  const extended = new Map<string, Extended>();
  for (const { name, value } of raw) {
    const match = name.includes('*') ? sectionName.exec(name) : null;
    if (match === null) {
      if (parameters.has(name)) reading.complain?.('duplicate-parameter');
      else parameters.set(name, plainValue(value, reading));
      continue;
    }
    const base = match[1] as string;
    let entry = extended.get(base);
    if (entry === undefined) extended.set(base, (entry = { whole: undefined, sections: undefined }));
    if (match[2] === undefined) {
      if (entry.whole === undefined) entry.whole = value;
      else reading.complain?.('duplicate-parameter');
    } else if (match[2].length > 9) {
      reading.complain?.('invalid-parameter');
    } else {
      entry.sections ??= new Map();
      const index = Number(match[2]);
      if (entry.sections.has(index)) reading.complain?.('duplicate-parameter');
      else entry.sections.set(index, { index, extended: match[3] === '*', value });
    }
  }
  for (const [name, { whole, sections }] of extended) {
    const value = whole === undefined ? sections && joinSections(sections, reading) : wholeValue(whole, reading);
    const plain = parameters.get(name);
    if (value === undefined) continue;
    if (plain !== undefined && plain !== value) reading.complain?.('duplicate-parameter');
    parameters.set(name, value);
  }
  return parameters;
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

function joinSections(sections: ReadonlyMap<number, Section>, reading: ParameterReading): string | undefined {
  const first = sections.get(0);
  if (first === undefined) {
    reading.complain?.('invalid-parameter');
    return undefined;
  }
  let charset: string | undefined;
  let anyExtended = false;
  let octets = '';
  for (let index = 0; ; index++) {
    const section = sections.get(index);
    if (section === undefined) {
      if (index < sections.size) reading.complain?.('invalid-parameter');
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
