import { UsageError } from '../../errors.ts';
import { type ShownBytes, checkArgument } from '../../wire/arguments.ts';
import type { ByteSource } from '../../wire/byte-stream.ts';
import { encodeText } from '../../wire/bytes.ts';
import { bytesOfLatin1, isAtom } from './reader.ts';
import { type MessageSet, resolveSet } from './sequence-set.ts';
import { encodeUtf7 } from './utf7.ts';

/** What the session allows an encoder. */
export interface EncodeContext {
  /** Literals that need no go-ahead: any size (LITERAL+), up to 4096 bytes (LITERAL-, IMAP4rev2), or none. @see RFC 7888 */
  readonly literals: 'any' | 'small' | 'none';
  /** UTF-8 may stand in quoted strings: UTF8=ACCEPT or IMAP4rev2 was enabled. */
  readonly utf8: boolean;
  /** Mailbox names are UTF-8 instead of modified UTF-7. */
  readonly utf8Names: boolean;
}

/** A literal of a command: held, or to be read from a source of exactly that size. */
export interface CommandLiteral {
  readonly sizeBytes: number;
  readonly source: ByteSource;
  /** The server must answer with a go-ahead before the bytes may leave. */
  readonly synchronizing: boolean;
}

/** What leaves, in order. A piece of text that announces a literal is followed by it. */
export type CommandPart = ShownBytes | CommandLiteral;

/** RFC 7888 section 5. */
const SMALL_LITERAL = 4096;
/** Longer text goes as a literal: some servers cut their lines at 8,000 bytes. */
const MAX_QUOTED = 4000;

/**
 * Writes the arguments of a command. Every token is preceded by a space unless it is the first in a list. Text goes as an atom, quoted or
 * as a literal, whichever can hold it; NUL is refused everywhere, CR and LF only ever travel in literals.
 */
export class CommandWriter {
  readonly context: EncodeContext;
  readonly parts: CommandPart[] = [];
  #text = '';
  #shown = '';
  #glued = true;

  constructor(context: EncodeContext) {
    this.context = context;
  }

  #add(text: string, shown: string = text): this {
    const space = this.#glued ? '' : ' ';
    this.#text += space + text;
    this.#shown += space + shown;
    this.#glued = false;
    return this;
  }

  /** Words of the grammar, as they are. UsageError for a line break. */
  word(text: string): this {
    return this.#add(checkArgument('a word of the command', text));
  }

  /** An atom of the caller's. UsageError where it is none. */
  atom(name: string, text: string): this {
    if (typeof text !== 'string' || !isAtom(text))
      throw new UsageError(`${name} must be an IMAP atom; got ${JSON.stringify(text)}`);
    return this.#add(text);
  }

  number(name: string, value: number): this {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new UsageError(`${name} must be a whole number of 0 or more; got ${String(value)}`);
    return this.#add(String(value));
  }

  bigNumber(name: string, value: bigint): this {
    if (typeof value !== 'bigint' || value < 0n || value >= 2n ** 63n)
      throw new UsageError(`${name} must be a bigint of up to 63 bits`);
    return this.#add(String(value));
  }

  open(): this {
    this.#add('(');
    this.#glued = true;
    return this;
  }

  close(): this {
    this.#glued = true;
    return this.#add(')');
  }

  /** A string that may also be an atom. */
  astring(name: string, text: string): this {
    return typeof text === 'string' && isAtom(text) && text.toUpperCase() !== 'NIL'
      ? this.#add(text)
      : this.string(name, text);
  }

  /** A string that is no atom: quoted where that can hold it, else a literal. */
  string(name: string, text: string, shown?: string): this {
    if (typeof text !== 'string') throw new UsageError(`${name} must be a string; got ${typeof text}`);
    if (text.includes('\0')) throw new UsageError(`${name} contains a NUL, which IMAP cannot carry`);
    // eslint-disable-next-line no-control-regex
    const fits = this.context.utf8 ? /^[^\r\n]*$/ : /^[\u0001-\u0009\u000b\u000c\u000e-\u007f]*$/;
    if (text.length <= MAX_QUOTED && fits.test(text) && text.isWellFormed()) {
      const quoted = `"${text.replace(/["\\]/g, '\\$&')}"`;
      return this.#add(quoted, shown ?? quoted);
    }
    if (!text.isWellFormed()) throw new UsageError(`${name} has half a surrogate pair, which is no text`);
    return this.literal(encodeText(text));
  }

  /** As `astring`, or NIL. */
  nstring(name: string, text: string | null): this {
    return text === null ? this.#add('NIL') : this.string(name, text);
  }

  /** Text that no log may show. */
  secret(name: string, text: string): this {
    if (isAtom(text) && text.toUpperCase() !== 'NIL') return this.#add(text, '***');
    return this.string(name, text, '***');
  }

  /** A mailbox's name. INBOX is the same in any case. */
  mailbox(name: string): this {
    if (typeof name !== 'string') throw new UsageError(`the mailbox must be a string; got ${typeof name}`);
    if (name.toUpperCase() === 'INBOX') return this.#add('INBOX');
    return this.#name(name, isAtom);
  }

  #name(name: string, isPlain: (text: string) => boolean): this {
    if (this.context.utf8Names) return isPlain(name) ? this.#add(name) : this.string('the mailbox', name);
    // Before it is encoded: UTF-7 would carry it.
    if (name.includes('\0')) throw new UsageError('the mailbox contains a NUL, which IMAP cannot carry');
    const wire = encodeUtf7(name);
    if (isPlain(wire) && wire.toUpperCase() !== 'NIL') return this.#add(wire);
    // A name that the server itself wrote with bytes that it should not have.
    return /[\u0080-\u00ff]/.test(wire) ? this.literal(bytesOfLatin1(wire)) : this.string('the mailbox', wire);
  }

  /** A reference of LIST, which may be empty. */
  mailboxOrEmpty(name: string): this {
    return name === '' ? this.#add('""') : this.mailbox(name);
  }

  /** A response of SASL. */
  base64(bytes: Uint8Array): this {
    return this.#add(bytes.length === 0 ? '=' : btoa(String.fromCharCode(...bytes)), '***');
  }

  /** A name with the wildcards of LIST. */
  pattern(pattern: string): this {
    return this.#name(pattern, (text) => /^[A-Za-z0-9%*./_-]+$/.test(text));
  }

  set(messages: MessageSet): this {
    return this.#add(resolveSet(messages).text);
  }

  flags(flags: readonly string[]): this {
    this.open();
    for (const flag of flags) this.#add(checkFlag(flag));
    return this.close();
  }

  /** Bytes as a literal. `binary`: it may hold NUL (literal8, RFC 3516). */
  literal(bytes: Uint8Array, options: { readonly binary?: boolean } = {}): this {
    return this.stream(bytes, bytes.length, options);
  }

  /** A source of exactly that many bytes as a literal. */
  stream(
    source: ByteSource,
    sizeBytes: number,
    options: { readonly binary?: boolean; readonly marker?: string } = {},
  ): this {
    const { literals } = this.context;
    const free = literals === 'any' || (literals === 'small' && sizeBytes <= SMALL_LITERAL);
    this.#add(`${options.marker ?? ''}${options.binary === true ? '~' : ''}{${sizeBytes}${free ? '+' : ''}}`);
    this.#flush('\r\n');
    this.parts.push({ sizeBytes, source, synchronizing: !free });
    return this;
  }

  /** Ends the command. */
  end(): readonly CommandPart[] {
    this.#flush('\r\n');
    return this.parts;
  }

  #flush(lineEnd: string): void {
    this.parts.push({ bytes: encodeText(this.#text + lineEnd), shown: this.#shown });
    this.#text = this.#shown = '';
    this.#glued = false;
  }
}

/** A flag: a keyword, or a system flag with its backslash. UsageError for what would be more than one word, `\*` and `\Recent`. */
export function checkFlag(flag: string): string {
  const name = typeof flag === 'string' && flag.startsWith('\\') ? flag.slice(1) : flag;
  if (typeof name !== 'string' || !isAtom(name) || flag.toLowerCase() === '\\recent')
    throw new UsageError(`not a flag that can be set: ${JSON.stringify(flag)}; expected a keyword, or one like \\Seen`);
  return flag;
}
