import { LimitError, ProtocolError, UsageError } from '../../errors.ts';
import { type Secret, type ShownBytes, checkWord, commandLine } from '../../wire/arguments.ts';
import type { Decoder } from '../../wire/byte-queue.ts';
import { decodeText, encodeText } from '../../wire/bytes.ts';
import { type Limits, defaultLimits, parseDecimal } from '../../wire/limits.ts';
import { type TextCommand, commandDecoder, lineDecoder } from '../../wire/line.ts';

/** A server's status line. What follows it, if anything, depends on the command and the code. */
export interface NntpStatus {
  /** 100 to 599. */
  readonly code: number;
  readonly text: string;
}

/** A command as the server reads it. */
export type NntpCommand = TextCommand;

/** RFC 3977 section 3.1 counts 512 octets; servers in use send longer ones. */
const MAX_STATUS_BYTES = 4096;
/** RFC 3977 section 3.1, CRLF included. */
export const MAX_COMMAND_BYTES = 512;
/** RFC 3977 section 3.6. */
const MAX_MESSAGE_ID = 250;

/**
 * One status line.
 *
 *     response-line = 3DIGIT [SP text] CRLF
 *     S: 211 1234 3000234 3002322 misc.test
 *
 * A code outside 100 to 599, or none, is a ProtocolError; more than 4 KiB a LimitError.
 *
 * @see RFC 3977 section 3.2
 */
export function nntpStatusDecoder(limits: Pick<Limits, 'lineBytes'> = defaultLimits): Decoder<NntpStatus> {
  const decodeLine = lineDecoder(Math.min(limits.lineBytes, MAX_STATUS_BYTES));
  return (queue) => {
    const bytes = decodeLine(queue);
    if (bytes === undefined) return undefined;
    const [hundreds, tens, ones] = [digit(bytes[0]), digit(bytes[1]), digit(bytes[2])];
    const text = bytes.length > 4 ? decodeText(bytes.subarray(4)) : '';
    const separated = bytes.length === 3 || bytes[3] === SPACE;
    if (!(hundreds >= 1 && hundreds <= 5 && tens >= 0 && ones >= 0 && separated) || text.includes('\0'))
      throw new ProtocolError(`the server sent what is not an NNTP response: ${decodeText(bytes)}`, {
        reason: 'OUT_OF_STEP',
      });
    return { code: hundreds * 100 + tens * 10 + ones, text };
  };
}

const SPACE = 32;
/** -1 for what is none. */
const digit = (byte: number | undefined): number => (byte !== undefined && byte >= 48 && byte <= 57 ? byte - 48 : -1);

/** The wire form of a status. Line breaks in the text become spaces. */
export function encodeNntpStatus(status: NntpStatus): Uint8Array {
  const text = status.text.replace(/[\r\n\0]+/g, ' ');
  return encodeText(`${status.code}${text === '' ? '' : ' '}${text}\r\n`);
}

/** One command line. UsageError when an argument would end it, or the line is longer than the protocol allows. */
export const encodeNntpCommand = (verb: string, ...args: readonly (string | Secret)[]): ShownBytes =>
  commandLine([verb, ...args], MAX_COMMAND_BYTES);

/** The server's side: one command. LimitError when the line is longer than `maxBytes`. */
export const nntpCommandDecoder: (maxBytes: number) => Decoder<NntpCommand> = commandDecoder;

/** A message-id with its brackets, as it may stand in a command; UsageError otherwise. @see RFC 3977 section 3.6 */
export function checkMessageId(value: unknown): string {
  const id = checkWord('the message-id', value);
  if (!isMessageId(id))
    throw new UsageError(
      `a message-id is <…@…> in printable ASCII, at most ${MAX_MESSAGE_ID} characters; got ${JSON.stringify(id.slice(0, 300))}`,
    );
  return id;
}

/** True for `<…>` of printable ASCII without brackets inside, at most 250 octets. An @ is not asked for: articles without one exist. */
export const isMessageId = (id: string): boolean =>
  id.length <= MAX_MESSAGE_ID && /^<[\u0021-\u003b\u003d\u003f-\u007e]+>$/.test(id);

/** A newsgroup's name, for a command; UsageError otherwise. @see RFC 3977 section 4.1, RFC 5536 section 3.1.4 */
export function checkGroup(value: unknown): string {
  const name = checkWord('the newsgroup', value);
  if (/[,*?[\]!\\]/.test(name))
    throw new UsageError(`a newsgroup's name holds no comma and no wildcard; got ${JSON.stringify(name)}`);
  return name;
}

/** An article's number; UsageError otherwise. @see RFC 3977 section 6 */
export function checkNumber(value: unknown): string {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`an article number must be a whole number of 1 or more; got ${JSON.stringify(value)}`);
  return String(value);
}

/** Article numbers: one, from one on, or from one to another, both included. */
export type NntpRange = number | { readonly from: number; readonly to?: number | undefined };

/** `5`, `5-` or `5-9`. UsageError for what is no range, or an empty one. @see RFC 3977 section 6.1.2.2 */
export function formatRange(range: NntpRange): string {
  if (typeof range === 'number') return checkNumber(range);
  if (typeof range !== 'object' || range === null) throw new UsageError('a range is a number or { from, to }');
  if (range.to === undefined) return `${checkNumber(range.from)}-`;
  if (range.to < range.from) throw new UsageError(`the range ${range.from}-${range.to} is empty`);
  return `${checkNumber(range.from)}-${checkNumber(range.to)}`;
}

/** The server's side of `formatRange`; undefined for what is no range. An empty one has `to` below `from`. */
export function parseRange(text: string): { readonly from: number; readonly to: number } | undefined {
  const match = /^([0-9]{1,16})(?:(-)([0-9]{1,16})?)?$/.exec(text);
  if (match === null) return undefined;
  const from = parseDecimal(match[1] as string);
  const to = match[3] === undefined ? undefined : parseDecimal(match[3]);
  if (from === undefined || (match[3] !== undefined && to === undefined)) return undefined;
  return { from, to: to ?? (match[2] === undefined ? from : Number.MAX_SAFE_INTEGER) };
}

/** What GROUP and LISTGROUP say of a group. */
export interface NntpGroup {
  readonly name: string;
  /** An estimate. */
  readonly count: number;
  /** Lowest and highest article number; `low` is above `high` in an empty group. */
  readonly low: number;
  readonly high: number;
}

/**
 * `211 1234 3000234 3002322 misc.test`. ProtocolError for numbers that are none: nothing is ever counted through by them.
 * QUIRK(old servers): the name may be missing; an empty group may be `0 0 0`.
 */
export function parseGroup(text: string, asked: string): NntpGroup {
  const [count, low, high, name] = text.trim().split(/[ \t]+/);
  const numbers = [count, low, high].map((word) => parseDecimal(word ?? ''));
  if (numbers.some((each) => each === undefined))
    throw new ProtocolError(`the server described the group with: ${text}`, { protocol: 'NNTP', reusable: true });
  const [estimate, first, last] = numbers as [number, number, number];
  const empty = last < first || (estimate === 0 && last === 0);
  return empty
    ? { name: name ?? asked, count: 0, low: Math.max(first, last + 1), high: Math.max(first, last + 1) - 1 }
    : { name: name ?? asked, count: Math.min(estimate, last - first + 1), low: first, high: last };
}

/** `220 3000234 <45223423@example.com>`: which article follows. The number is 0 where the article was asked for by its id. */
export interface NntpArticleName {
  readonly number: number;
  readonly messageId: string;
}

/** The name of an article in a 220 to 223; ProtocolError when it has none. */
export function parseArticleName(text: string): NntpArticleName {
  const open = text.indexOf('<');
  const close = open < 0 ? -1 : text.indexOf('>', open);
  const number = parseDecimal((open < 0 ? (text.split(/[ \t]/, 1)[0] ?? '') : text.slice(0, open)).trim());
  const messageId = open < 0 ? '' : text.slice(open, close + 1);
  if (number === undefined || (open >= 0 && !isMessageId(messageId)) || (open < 0 && /\S[ \t]+\S*@/.test(text)))
    throw new ProtocolError(`the server named the article: ${text}`, { reason: 'OUT_OF_STEP' });
  return { number, messageId };
}

/** `20240131 235959`, in UTC; with two-digit years for servers before RFC 3977. @see RFC 3977 section 7.3.2 */
export function formatNntpDate(date: Date): readonly [string, string] {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw new UsageError('since must be a valid Date');
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  if (!/^[0-9]{14}$/.test(digits)) throw new UsageError('since must be a date from the year 0 to 9999');
  return [digits.slice(0, 8), digits.slice(8)];
}

/** `20240131235959` of DATE, or the two words of NEWNEWS; undefined for what is no date. */
export function parseNntpDate(text: string): Date | undefined {
  const match = /^([0-9]{4}|[0-9]{2})([0-9]{2})([0-9]{2}) ?([0-9]{2})([0-9]{2})([0-9]{2})$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // RFC 3977 section 7.3.2: the century that makes it not later than this year.
  const now = new Date().getUTCFullYear();
  const century = now - (now % 100);
  const full = (match[1] as string).length === 4 ? year : year > now % 100 ? century - 100 + year : century + year;
  const time = Date.UTC(full, month - 1, day, hour, minute, Math.min(second, 59));
  const valid = month >= 1 && month <= 12 && new Date(time).getUTCDate() === day && hour < 24 && minute < 60;
  return valid && second <= 60 ? new Date(time) : undefined;
}

/** LimitError for a response that outgrew its cap. */
export const tooLong = (maxBytes: number): LimitError =>
  new LimitError(`the server sent more than ${maxBytes} bytes for one response`, { reason: 'RESPONSE_TOO_LONG' });
