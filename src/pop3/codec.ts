import { LimitError, ProtocolError } from '../errors.ts';
import { type Secret, type ShownBytes, commandLine } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { decodeText, encodeText } from '../wire/bytes.ts';
import { type Limits, defaultLimits, parseDecimal } from '../wire/limits.ts';
import { type TextCommand, commandDecoder, lineDecoder } from '../wire/line.ts';

/** A server's status line. `continue` is the challenge of a login (RFC 5034 section 4). */
export interface Pop3Status {
  readonly kind: 'ok' | 'error' | 'continue';
  /** Response code without brackets, upper case: 'IN-USE', 'SYS/TEMP' (RFC 2449 section 8, RFC 3206). */
  readonly code?: string | undefined;
  readonly text: string;
}

/** A command as the server reads it. */
export type Pop3Command = TextCommand;

/** RFC 1939 counts 512 octets; servers in use send longer ones. */
const MAX_STATUS_BYTES = 4096;
/** RFC 1939 section 7. Longer uids are reported, not trusted. */
const MAX_UID_CHARACTERS = 70;
const responseCode = /^\[([A-Za-z0-9./-]+)\](?: +|$)/;

/**
 * One status line. The prefix is exact: anything else is a ProtocolError.
 *
 *     S: +OK 2 messages
 *     S: -ERR [IN-USE] another session has the lock
 */
export function pop3StatusDecoder(limits: Pick<Limits, 'lineBytes'> = defaultLimits): Decoder<Pop3Status> {
  const decodeLine = lineDecoder(Math.min(limits.lineBytes, MAX_STATUS_BYTES));
  return (queue) => {
    const bytes = decodeLine(queue);
    if (bytes === undefined) return undefined;
    const line = decodeText(bytes);
    const match = /^(\+OK|-ERR)(?: (.*))?$/s.exec(line);
    if (match === null) {
      if (line === '+' || line.startsWith('+ ')) return { kind: 'continue', text: line.slice(2) };
      throw new ProtocolError(`the server sent what is not a POP3 status: ${line}`);
    }
    const kind = match[1] === '+OK' ? 'ok' : 'error';
    const text = match[2] ?? '';
    const code = responseCode.exec(text);
    return code === null
      ? { kind, text }
      : { kind, code: (code[1] as string).toUpperCase(), text: text.slice(code[0].length) };
  };
}

/** The wire form of a status. Line breaks in the text become spaces. */
export function encodePop3Status(status: Pop3Status): Uint8Array {
  const prefix = { ok: '+OK', error: '-ERR', continue: '+' }[status.kind];
  const code = status.code === undefined ? '' : `[${status.code}] `;
  const text = `${code}${status.text}`.replace(/[\r\n\0]+/g, ' ');
  return encodeText(`${prefix}${text === '' && status.kind !== 'continue' ? '' : ' '}${text}\r\n`);
}

/** One command line. UsageError when an argument would end it. */
export const encodePop3Command = (verb: string, ...args: readonly (string | Secret)[]): ShownBytes =>
  commandLine([verb, ...args]);

/** The server's side: one command. LimitError when the line is longer than `maxBytes`. */
export const pop3CommandDecoder: (maxBytes: number) => Decoder<Pop3Command> = commandDecoder;

/** What a listing says, by message number. */
export interface Pop3Listing<T> {
  readonly entries: ReadonlyMap<number, T>;
  /** Lines that were not understood, or named a number again. */
  readonly skipped: number;
}

/** `1 120`: number and size in bytes. */
export const parseList = (bytes: Uint8Array): Pop3Listing<number> => parseListing(bytes, parseDecimal);

/** `1 whqtswO00WBw418f9t5JxYwZ`: number and unique id. Ids against RFC 1939 section 7 are skipped. */
export const parseUidl = (bytes: Uint8Array): Pop3Listing<string> =>
  parseListing(bytes, (word) =>
    word.length <= MAX_UID_CHARACTERS && /^[\u0021-\u007e]+$/.test(word) ? word : undefined,
  );

function parseListing<T>(bytes: Uint8Array, read: (word: string) => T | undefined): Pop3Listing<T> {
  const entries = new Map<number, T>();
  let skipped = 0;
  for (const line of textLines(bytes)) {
    const [first = '', second = ''] = line.trim().split(/[ \t]+/, 2);
    const number = parseDecimal(first);
    const value = read(second);
    if (number === undefined || number < 1 || number > 0xffff_ffff || value === undefined || entries.has(number))
      skipped++;
    else entries.set(number, value);
  }
  return { entries, skipped };
}

/** The lines of a multi-line response. */
export function textLines(bytes: Uint8Array): string[] {
  const lines = decodeText(bytes).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** The timestamp of a greeting, for APOP: a msg-id of printable characters; undefined where there is none. */
export function apopTimestamp(greeting: string): string | undefined {
  return /<[\u0021-\u003b\u003d\u003f-\u007e]{1,250}@[\u0021-\u003b\u003d\u003f-\u007e]{1,250}>/.exec(greeting)?.[0];
}

/** LimitError for a message that outgrew its cap. */
export const tooLong = (maxBytes: number): LimitError =>
  new LimitError(`the server sent more than ${maxBytes} bytes for one response`, { reason: 'MESSAGE_TOO_LONG' });
