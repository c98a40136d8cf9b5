import { LimitError, ProtocolError } from '../../errors.ts';
import { EMPTY, concatBytes, decodeText, encodeText } from '../../wire/bytes.ts';
import { decodeUtf7 } from './utf7.ts';

/** What a parenthesised list may hold where nothing more is known. Literals come as bytes. */
export type ImapValue = string | Uint8Array | null | readonly ImapValue[];

/** Lists within lists. Real BODYSTRUCTUREs have been seen 60 deep. */
const MAX_DEPTH = 200;

const SPACE = 32;
const QUOTE = 34;
const PERCENT = 37;
const OPEN = 40;
const CLOSE = 41;
const STAR = 42;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const TILDE = 126;

/** Characters that end an atom. `]` does not end one where it is read as an astring (ASTRING-CHAR). */
const endsAtom = new Uint8Array(256);
for (let code = 0; code <= 32; code++) endsAtom[code] = 1;
for (const code of [QUOTE, OPEN, CLOSE, OPEN_BRACE, 127]) endsAtom[code] = 1;

/**
 * The text of one response or command, and the literals that stood in it, read from left to right. The text is Latin-1: a character a
 * byte. Lines are kept apart: each ends with the marker of the literal that follows it.
 */
export class ImapReader {
  readonly #lines: readonly string[];
  readonly #literals: readonly Uint8Array[];
  #line = 0;
  text: string;
  at = 0;
  #depth = 0;

  constructor(lines: readonly string[], literals: readonly Uint8Array[] = []) {
    this.#lines = lines;
    this.#literals = literals;
    this.text = lines[0] ?? '';
  }

  /** Code of the next character; NaN at the end. */
  peek(): number {
    return this.text.charCodeAt(this.at);
  }

  get ended(): boolean {
    return this.at >= this.text.length && this.#line + 1 >= this.#lines.length;
  }

  /** True, and one step further, when the next character is that one. */
  skip(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at++;
    return true;
  }

  /** Over spaces, if any. QUIRK(several servers): two spaces, or one before a closing parenthesis. */
  spaces(): void {
    while (this.text.charCodeAt(this.at) === SPACE) this.at++;
  }

  /** Over the opening parenthesis; false, and no step, where there is none. */
  open(): boolean {
    if (this.text.charCodeAt(this.at) !== OPEN) return false;
    if (++this.#depth > MAX_DEPTH)
      throw new LimitError(`lists are nested more than ${MAX_DEPTH} deep`, { protocol: 'IMAP', reusable: true });
    this.at++;
    return true;
  }

  /** Over spaces, then true and over the parenthesis where the list ends here. */
  close(): boolean {
    if (this.text.charCodeAt(this.at) === CLOSE) {
      this.#depth--;
      this.at++;
      return true;
    }
    this.spaces();
    if (this.text.charCodeAt(this.at) !== CLOSE) {
      if (this.ended) throw this.wrong('a list that does not end');
      return false;
    }
    this.#depth--;
    this.at++;
    return true;
  }

  /** An atom, or what a server put in its place, up to a space, parenthesis, quote or brace. */
  atom(): string {
    const { text } = this;
    const start = this.at;
    let at = start;
    while (at < text.length && endsAtom[text.charCodeAt(at)] === 0) at++;
    if (at === start) throw this.wrong('an atom was expected');
    this.at = at;
    return text.slice(start, at);
  }

  /** An atom in which square brackets may hold anything: `BODY[HEADER.FIELDS (X Y)]<0>`. */
  fetchItem(): string {
    const { text } = this;
    const start = this.at;
    let at = start;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === OPEN_BRACKET) {
        const end = text.indexOf(']', at);
        if (end < 0) throw this.wrong('a bracket that does not end');
        at = end;
      } else if (endsAtom[code] === 1) break;
    }
    if (at === start) throw this.wrong('an item was expected');
    this.at = at;
    return text.slice(start, at);
  }

  /** A number of 0 to 2^53 - 1. */
  number(): number {
    const { text } = this;
    let at = this.at;
    let value = 0;
    for (; at < text.length; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === this.at || at - this.at > 16 || value > Number.MAX_SAFE_INTEGER)
      throw this.wrong('a number was expected');
    this.at = at;
    return value;
  }

  /** A number of up to 63 bits: MODSEQ. */
  bigNumber(): bigint {
    const match = /^[0-9]{1,20}/.exec(this.text.slice(this.at, this.at + 21));
    const value = match === null ? undefined : BigInt(match[0]);
    if (match === null || value === undefined || value >= 2n ** 64n) throw this.wrong('a number was expected');
    this.at += match[0].length;
    return value;
  }

  /** True, and over it, when NIL is next. */
  nil(): boolean {
    const { text, at } = this;
    if ((text.charCodeAt(at) | 32) !== 110) return false;
    const end = text.charCodeAt(at + 3);
    if (end === end && endsAtom[end] === 0) return false;
    if (text.slice(at, at + 3).toUpperCase() !== 'NIL') return false;
    this.at = at + 3;
    return true;
  }

  /** Where the next backslash of the line is; looked up once for all strings before it. */
  #nextBackslash = -1;

  #backslashFrom(at: number): number {
    if (this.#nextBackslash < at) {
      const found = this.text.indexOf('\\', at);
      this.#nextBackslash = found < 0 ? Number.POSITIVE_INFINITY : found;
    }
    return this.#nextBackslash;
  }

  /**
   * The next string of a list as Latin-1, over the space before it; null for NIL, and where the list has ended early. The hot path of
   * envelopes: quoted strings without escapes and NIL need no more than two look-ups.
   */
  listString(): string | null {
    const { text } = this;
    const at = text.charCodeAt(this.at) === SPACE ? this.at + 1 : this.at;
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = text.indexOf('"', at + 1);
      if (end > 0 && end < this.#backslashFrom(at)) {
        this.at = end + 1;
        return text.slice(at + 1, end);
      }
    } else if (code === 78 && text.charCodeAt(at + 1) === 73 && text.charCodeAt(at + 2) === 76) {
      const next = text.charCodeAt(at + 3);
      if (next === SPACE || next === CLOSE) {
        this.at = at + 3;
        return null;
      }
    }
    this.spaces();
    return this.peek() === CLOSE ? null : this.nstringLatin1();
  }

  /** The bytes of a quoted string, as Latin-1 with the escapes undone. The next character is its quote. */
  #quoted(): string {
    const { text } = this;
    const start = this.at + 1;
    let end = text.indexOf('"', start);
    if (end < 0) throw this.wrong('a quoted string that does not end');
    this.at = end + 1;
    if (text.charCodeAt(end - 1) !== BACKSLASH) {
      const plain = text.slice(start, end);
      return plain.includes('\\') ? plain.replace(/\\(.)/gs, '$1') : plain;
    }
    // A backslash before the quote: the end is the first quote behind an even number of them.
    end = start;
    while (end < text.length && text.charCodeAt(end) !== QUOTE) end += text.charCodeAt(end) === BACKSLASH ? 2 : 1;
    if (end >= text.length) throw this.wrong('a quoted string that does not end');
    this.at = end + 1;
    return text.slice(start, end).replace(/\\(.)/gs, '$1');
  }

  /** The bytes of a literal. The next character is its brace or tilde. */
  literal(): Uint8Array {
    const literal = this.#literals[this.#line];
    if (literal === undefined || this.#line + 1 >= this.#lines.length) throw this.wrong('a literal was expected');
    this.text = this.#lines[++this.#line] as string;
    this.at = 0;
    this.#nextBackslash = -1;
    return literal;
  }

  /** True when a literal comes next. */
  atLiteral(): boolean {
    const code = this.peek();
    return code === OPEN_BRACE || (code === TILDE && this.text.charCodeAt(this.at + 1) === OPEN_BRACE);
  }

  /** A string in any of its forms, as text: UTF-8 where it is valid, else Latin-1. */
  string(): string {
    const code = this.peek();
    if (code === QUOTE) return fromLatin1(this.#quoted());
    if (this.atLiteral()) return decodeText(this.literal());
    return fromLatin1(this.atom());
  }

  /** A string, or null for NIL. A list where a string should be is skipped, and counts as NIL. */
  nstring(): string | null {
    const code = this.peek();
    if (code === QUOTE) return fromLatin1(this.#quoted());
    if (code === OPEN) {
      this.skipValue();
      return null;
    }
    if (this.atLiteral()) return decodeText(this.literal());
    if (this.nil()) return null;
    return fromLatin1(this.atom());
  }

  /** A string as text of one character a byte, or null for NIL: for fields that hold header text. */
  nstringLatin1(): string | null {
    const code = this.peek();
    if (code === QUOTE) return this.#quoted();
    if (code === OPEN) {
      this.skipValue();
      return null;
    }
    if (this.atLiteral()) return latin1Of(this.literal());
    if (this.nil()) return null;
    return this.atom();
  }

  /** The bytes of a string, or null for NIL. A view of what was received where it was a literal. */
  nstringBytes(): Uint8Array | null {
    const code = this.peek();
    if (code === QUOTE) return bytesOfLatin1(this.#quoted());
    if (this.atLiteral()) return this.literal();
    if (this.nil()) return null;
    return bytesOfLatin1(this.atom());
  }

  /** The rest of the line as text, escapes and all. */
  rest(): string {
    const rest = this.text.slice(this.at);
    this.at = this.text.length;
    return fromLatin1(rest);
  }

  /** One value of whatever kind. Atoms and quoted strings as text, NIL as null. */
  value(): ImapValue {
    if (this.open()) {
      const list: ImapValue[] = [];
      while (!this.close()) list.push(this.value());
      return list;
    }
    if (this.peek() === QUOTE) return fromLatin1(this.#quoted());
    if (this.atLiteral()) return this.literal();
    if (this.nil()) return null;
    return this.fetchItem();
  }

  /** Over one value of whatever kind, at any depth. */
  skipValue(): void {
    let depth = 0;
    do {
      if (depth > 0) this.spaces();
      const code = this.peek();
      if (code === OPEN) {
        depth++;
        this.at++;
      } else if (code === CLOSE && depth > 0) {
        depth--;
        this.at++;
      } else if (code === QUOTE) this.#quoted();
      else if (this.atLiteral()) this.literal();
      else this.fetchItem();
    } while (depth > 0);
  }

  /** The error for text that is not what the grammar says. */
  wrong(what: string): ProtocolError {
    const near = this.text.slice(this.at, this.at + 40);
    return new ProtocolError(`${what}, near ${JSON.stringify(near)}`, {
      protocol: 'IMAP',
      reason: 'SYNTAX',
      // The frame around it is whole: the session is in step.
      reusable: true,
    });
  }
}

const above127 = /[\u0080-\u00ff]/;

/** Text of one character a byte as the text that the bytes mean: UTF-8 where it is valid. */
export function fromLatin1(text: string): string {
  return above127.test(text) ? decodeText(bytesOfLatin1(text)) : text;
}

/** The bytes of text that has one character a byte. */
export function bytesOfLatin1(text: string): Uint8Array {
  if (!above127.test(text)) return text === '' ? EMPTY : encodeText(text);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

const decoder = new TextDecoder('latin1');
// TextDecoder's latin1 is windows-1252: right for ASCII alone, so the rest goes by hand.
function latin1Of(bytes: Uint8Array): string {
  for (const byte of bytes) if (byte > 127) return Array.from(bytes, (each) => String.fromCharCode(each)).join('');
  return decoder.decode(bytes);
}

/** The bytes of a value, where it is a string. */
export function bytesOfValue(value: ImapValue): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? concatBytes([encodeText(value)]) : undefined;
}

/** The text of a value, where it is a string. */
export function textOfValue(value: ImapValue | undefined): string | undefined {
  if (value instanceof Uint8Array) return decodeText(value);
  return typeof value === 'string' ? value : undefined;
}

/** True for characters that an atom of the grammar may hold (RFC 9051 ATOM-CHAR). */
export function isAtom(text: string): boolean {
  if (text === '') return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (
      code > 126 ||
      endsAtom[code] === 1 ||
      code === PERCENT ||
      code === STAR ||
      code === BACKSLASH ||
      code === CLOSE_BRACKET
    )
      return false;
  }
  return true;
}

/** A mailbox's name: modified UTF-7, or UTF-8 where that was agreed on. INBOX in any case is INBOX. */
export function readMailbox(reader: ImapReader, utf8Names: boolean): string {
  const wire = reader.nstringLatin1() ?? '';
  if (wire.length === 5 && wire.toUpperCase() === 'INBOX') return 'INBOX';
  return utf8Names ? fromLatin1(wire) : decodeUtf7(wire);
}
