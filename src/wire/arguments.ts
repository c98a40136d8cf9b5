import { UsageError } from '../errors.ts';
import { encodeText } from './bytes.ts';

/** Bytes with the text that the transcript shows for them. */
export interface ShownBytes {
  readonly bytes: Uint8Array;
  readonly shown: string;
}

/** What a connection writes: protocol text with its shown form, or body bytes, which the transcript only counts. */
export type WirePart = Uint8Array | ShownBytes;

/** Text that must never be seen in a log, an error or `inspect`. It leaves only as bytes on the wire. */
export class Secret {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  /** The text itself. Only for the encoder that puts it on the wire. */
  reveal(): string {
    return this.#text;
  }
  toString(): string {
    return '***';
  }
  toJSON(): string {
    return '***';
  }
}

/** Marks text as secret where it is made. */
export const secret = (text: string): Secret => new Secret(text);

const lineBreaker = /[\r\n\0]/;

/**
 * Refuses what would end or split a protocol line: CR, LF and NUL, and anything that is not a string. UsageError that names the
 * argument; nothing is stripped. Every argument of every protocol passes through here.
 */
export function checkArgument(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new UsageError(`${name} must be a string; got ${typeName(value)}`);
  const match = lineBreaker.exec(value);
  if (match) {
    const character = { '\r': 'a carriage return', '\n': 'a line feed', '\0': 'a NUL' }[match[0]];
    throw new UsageError(`${name} contains ${character}, which would end the protocol line: ${JSON.stringify(value)}`);
  }
  return value;
}

/** As `checkArgument`, and neither empty nor with a space or another control character: a word of its own. */
export function checkWord(name: string, value: unknown): string {
  const text = checkArgument(name, value);
  if (!/^[^\u0000-\u0020\u007f]+$/.test(text)) {
    throw new UsageError(`${name} must be one word without spaces or control characters: ${JSON.stringify(text)}`);
  }
  return text;
}

/**
 * One command line: words joined by single spaces, CRLF behind. The only place where a command becomes bytes.
 * UsageError when a word holds CR, LF or NUL, or when the line is longer than `maxBytes`, CRLF included.
 */
export function commandLine(words: readonly (string | Secret)[], maxBytes = Number.POSITIVE_INFINITY): ShownBytes {
  let text = '';
  let shown = '';
  for (const word of words) {
    const revealed = word instanceof Secret ? word.reveal() : word;
    checkArgument(
      word instanceof Secret ? 'a secret argument' : 'an argument',
      word instanceof Secret ? hide(revealed) : revealed,
    );
    text += text === '' ? revealed : ` ${revealed}`;
    shown += shown === '' ? word.toString() : ` ${word.toString()}`;
  }
  const bytes = encodeText(`${text}\r\n`);
  if (bytes.length > maxBytes) {
    throw new UsageError(`the command is ${bytes.length} bytes long; the protocol allows ${maxBytes}: ${shown}`);
  }
  return { bytes, shown };
}

// The refusal of a secret must not quote it: only the offending character is kept.
function hide(revealed: string): string {
  return lineBreaker.exec(revealed)?.[0] ?? '';
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value;
}

/**
 * Checks that an options object has only known keys, own ones, and suggests the nearest where one is not known.
 * UsageError: `unknown option tls.rejectUnAuthorized; did you mean …?`
 */
export function checkOptions(where: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    throw new UsageError(
      `unknown option ${where}.${key}${near === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${near}?`}`,
    );
  }
}

/** The word of `known` that differs least from `word`, if it differs by no more than a third of it. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(left: string, right: string): number {
  const short = left.slice(0, 64);
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= short.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substitution = (row[j - 1] as number) + (short[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[right.length] as number;
}
