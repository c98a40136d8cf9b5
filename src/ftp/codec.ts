import { ProtocolError, UsageError } from '../errors.ts';
import { type Secret, type ShownBytes, checkArgument, commandLine } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { type Limits, defaultLimits, parseDecimal } from '../wire/limits.ts';
import { type TextCommand, commandDecoder } from '../wire/line.ts';
import { type Reply, encodeReply, replyDecoder } from '../wire/reply.ts';

/** A server's answer: code and lines. @see RFC 959 section 4.2 */
export type FtpReply = Reply;

/** A command as the server reads it. */
export type FtpCommand = TextCommand;

/** Where a data connection goes. `host` is undefined where the peer left it to the control connection. */
export interface DataAddress {
  readonly host: string | undefined;
  readonly port: number;
}

/** Replies; inside a multi-line one, lines are free text until the same code with a space. @see RFC 959 section 4.2 */
export const ftpReplyDecoder = (
  limits: Pick<Limits, 'lineBytes' | 'replyBytes' | 'replyLines'> = defaultLimits,
): Decoder<FtpReply> => replyDecoder({ limits, freeForm: true });

export const encodeFtpReply: (reply: FtpReply) => Uint8Array = encodeReply;

/**
 * One command line, the only place where an FTP command becomes bytes. UsageError when a word holds CR, LF or NUL. `encode` gives the
 * bytes of names in the server's charset; UTF-8 without it.
 */
export function encodeFtpCommand(
  verb: string,
  args: readonly (string | Secret)[] = [],
  encode?: (text: string) => Uint8Array,
): ShownBytes {
  if (!/^[A-Za-z]{1,16}$/.test(verb))
    throw new UsageError(`an FTP verb is 1 to 16 letters; got ${JSON.stringify(verb)}`);
  const line = commandLine([verb.toUpperCase(), ...args]);
  if (encode === undefined) return line;
  const words = args.map((word) => (typeof word === 'string' ? word : word.reveal()));
  return { bytes: encode(`${[verb.toUpperCase(), ...words].join(' ')}\r\n`), shown: line.shown };
}

/** The server's side: one command. Telnet's interrupt and synch in front of ABOR are left out (RFC 959 section 4.1.3). */
export function ftpCommandDecoder(maxBytes: number): Decoder<FtpCommand> {
  const decode = commandDecoder(maxBytes);
  return (queue) => {
    const command = decode(queue);
    if (command === undefined) return undefined;
    return { verb: command.verb.replace(/^(?:[\u00ff\u0178].)+/, ''), argument: command.argument };
  };
}

const pasv = /(?:^|[^\d,])(\d{1,3}), ?(\d{1,3}), ?(\d{1,3}), ?(\d{1,3}), ?(\d{1,3}), ?(\d{1,3})(?![\d,])/;

/** `227 Entering Passive Mode (127,0,0,1,4,1)`. ProtocolError for anything that is not six bytes and a port. @see RFC 959 section 4.1.2 */
export function parsePasv(text: string): DataAddress {
  const address = hostPort(pasv.exec(text)?.slice(1));
  if (address === undefined) throw new ProtocolError(`the server's answer to PASV names no address: ${text}`);
  return address;
}

/** `229 Entering Extended Passive Mode (|||6446|)`, any delimiter; an address in it is not looked at. @see RFC 2428 section 3 */
export function parseEpsv(text: string): DataAddress {
  const match = /\(([\u0021-\u002f\u003a-\u007e])[12]?\1[0-9A-Fa-f:.%]{0,45}\1(\d{1,5})\1\)/.exec(text);
  const port = Number(match?.[2] ?? 0);
  if (port < 1 || port > 65535) throw new ProtocolError(`the server's answer to EPSV names no port: ${text}`);
  return { host: undefined, port };
}

/** `127,0,0,1,4,1`: the argument of PORT, and what a 227 holds. */
export const formatHostPortNumbers = (host: string, port: number): string =>
  `${host.replaceAll('.', ',')},${port >> 8},${port & 255}`;

/** PORT's argument; undefined where it is none. */
export const parsePort = (argument: string): DataAddress | undefined =>
  hostPort(/^(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})$/.exec(argument)?.slice(1));

function hostPort(words: readonly string[] | undefined): DataAddress | undefined {
  if (words === undefined) return undefined;
  const numbers = words.map(Number);
  const port = (numbers[4] as number) * 256 + (numbers[5] as number);
  if (numbers.some((number) => number > 255) || port === 0) return undefined;
  return { host: numbers.slice(0, 4).join('.'), port };
}

/** `|1|127.0.0.1|1025|`, `|2|::1|1025|`. @see RFC 2428 section 2 */
export const formatEprt = (host: string, port: number): string => `|${host.includes(':') ? 2 : 1}|${host}|${port}|`;

/** EPRT's argument; undefined where it is none. */
export function parseEprt(argument: string): DataAddress | undefined {
  const match = /^([\u0021-\u007e])([12])\1([0-9A-Fa-f:.]{2,45})\1(\d{1,5})\1$/.exec(argument);
  const port = Number(match?.[4] ?? 0);
  return match === null || port < 1 || port > 65535 ? undefined : { host: match[3], port };
}

/** The path of a 257: quoted, a quote in it doubled. ProtocolError without quotes, unclosed, or with control characters. @see RFC 959 appendix II */
export function parseQuotedPath(text: string): string {
  const match = /^[^"]*"((?:[^"]|"")*)"(?!")/.exec(text);
  if (match === null) throw new ProtocolError(`the server's answer holds no quoted path: ${text}`);
  const path = (match[1] as string).replaceAll('""', '"');
  if (/[\u0000-\u001f\u007f]/.test(path)) throw new ProtocolError('the server sent a path with control characters');
  return path;
}

export const quotePath = (path: string): string => `"${path.replaceAll('"', '""')}"`;

const timestamp = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d{1,9}))?$/;

/** `19990929003355.237`, always UTC; undefined for what is no moment. @see RFC 3659 section 2.3 */
export function parseFtpTime(text: string): Date | undefined {
  const match = timestamp.exec(text.trim());
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const fraction = Math.floor(Number(`0.${match[7] ?? '0'}`) * 1000);
  const ms = utcMs(year, month, day, hour, minute, second);
  return ms === undefined ? undefined : new Date(ms + fraction);
}

/** `19990929003355`, with thousandths where there are some. */
export function formatFtpTime(date: Date): string {
  const [seconds, thousandths] = date
    .toISOString()
    .replace(/[-:TZ]/g, '')
    .split('.') as [string, string];
  return thousandths === '000' ? seconds : `${seconds}.${thousandths}`;
}

/** Milliseconds of a moment in UTC; undefined when a part is out of its range. A leap second is taken. */
export function utcMs(year: number, month: number, day: number, hour = 0, minute = 0, second = 0): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  return new Date(Date.UTC(year, month - 1, day)).getUTCMonth() === month - 1 ? ms : undefined;
}

/** `213 1024`: the size in bytes. ProtocolError for anything else. @see RFC 3659 section 4 */
export function parseSize(text: string): number {
  const size = parseDecimal(text.trim());
  if (size === undefined) throw new ProtocolError(`the server's answer to SIZE is no number: ${text}`);
  return size;
}

/** A path as an argument: never empty, and never taken for an option. */
export function checkPath(name: string, path: unknown): string {
  const text = checkArgument(name, path);
  if (text === '') throw new UsageError(`${name} must not be empty`);
  return text;
}
