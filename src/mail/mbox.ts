import { UsageError } from '../errors.ts';
import { type ByteSource, iterateBytes } from '../wire/byte-stream.ts';
import { CR, LF, concatBytes, encodeText, indexOfByte, latin1 } from '../wire/bytes.ts';

/**
 * How lines that look like separators are kept apart: 'mboxo' quotes `From ` once and cannot undo it, 'mboxrd' quotes every `>*From ` and
 * undoes it exactly, 'mboxcl' has Content-Length and quotes as mboxo, 'mboxcl2' has Content-Length and quotes nothing.
 */
export type MboxVariant = 'mboxo' | 'mboxrd' | 'mboxcl' | 'mboxcl2';

export interface MboxEntry {
  /** The message without its separator line, quoting undone as the variant allows. */
  readonly bytes: Uint8Array;
  /** The separator line's envelope sender; '' where it has none. */
  readonly sender: string;
  /** Bytes from the start of the file to the separator line. */
  readonly offset: number;
}

export interface ReadMboxOptions {
  /** Default 'mboxrd', which reads mboxo too, but for lines that were quoted before they were stored. */
  readonly variant?: MboxVariant | undefined;
}

/**
 * Reads the messages of an mbox file, holding one at a time. A separator is a line that starts with `From ` at the start of the file or behind
 * an empty line; with Content-Length variants the length counts where a separator or the end follows it. @see RFC 4155
 */
export async function* readMbox(source: ByteSource, options: ReadMboxOptions = {}): AsyncGenerator<MboxEntry, void> {
  const variant = checkVariant(options.variant ?? 'mboxrd');
  const counted = variant === 'mboxcl' || variant === 'mboxcl2';
  let lines: Uint8Array[] = [];
  let separator = '';
  let start = 0;
  let offset = 0;
  let blank = true;
  /** The offset up to which Content-Length says that no separator can be. */
  let skipTo = 0;
  let inHeader = false;
  let length: number | undefined;
  const finish = (): MboxEntry | undefined => {
    if (separator === '') return undefined;
    // The empty line before a separator belongs to it.
    const last = lines.at(-1);
    if (last !== undefined && (last[0] === LF || (last[0] === CR && last[1] === LF))) lines.pop();
    const bytes = concatBytes(lines.length === 0 ? [new Uint8Array(0)] : lines);
    return { bytes, sender: senderOf(separator), offset: start };
  };
  for await (const line of fileLines(source)) {
    const isSeparator = blank && offset >= skipTo && startsWithFrom(line, 0);
    if (isSeparator) {
      const entry = finish();
      if (entry !== undefined) yield entry;
      lines = [];
      separator = latin1(line).trimEnd();
      start = offset;
      inHeader = true;
      length = undefined;
    } else if (separator !== '') {
      if (inHeader) {
        if (counted && length === undefined && line.length < 60) {
          const match = /^content-length[ \t]*:[ \t]*(\d{1,15})\s*$/i.exec(latin1(line));
          if (match !== null) length = Number(match[1]);
        }
        if (isBlank(line)) {
          inHeader = false;
          if (length !== undefined) skipTo = offset + line.length + length;
        }
        lines.push(line);
      } else lines.push(variant === 'mboxcl2' ? line : unquote(line, variant));
    }
    offset += line.length;
    blank = isBlank(line);
  }
  const entry = finish();
  if (entry !== undefined) yield entry;
}

function checkVariant(variant: string): MboxVariant {
  if (variant === 'mboxo' || variant === 'mboxrd' || variant === 'mboxcl' || variant === 'mboxcl2') return variant;
  throw new UsageError(`variant must be mboxo, mboxrd, mboxcl or mboxcl2; got ${JSON.stringify(variant)}`);
}

function isBlank(line: Uint8Array): boolean {
  return line[0] === LF || (line[0] === CR && line[1] === LF);
}

/** 'From ' at that index. */
function startsWithFrom(line: Uint8Array, at: number): boolean {
  return line[at] === 70 && line[at + 1] === 114 && line[at + 2] === 111 && line[at + 3] === 109 && line[at + 4] === 32;
}

/** Index of 'From ' behind any number of '>', or -1. */
function quotedFrom(line: Uint8Array): number {
  let at = 0;
  while (line[at] === 62) at++;
  return startsWithFrom(line, at) ? at : -1;
}

function unquote(line: Uint8Array, variant: MboxVariant): Uint8Array {
  if (line[0] !== 62) return line;
  const quotes = quotedFrom(line);
  return variant === 'mboxrd' ? (quotes > 0 ? line.subarray(1) : line) : quotes === 1 ? line.subarray(1) : line;
}

function senderOf(separator: string): string {
  return /^From (\S*)/.exec(separator)?.[1] ?? '';
}

/** Lines with their ends; the last may have none. */
async function* fileLines(source: ByteSource): AsyncGenerator<Uint8Array, void> {
  let rest: Uint8Array[] = [];
  for await (const given of iterateBytes(source, 'the mbox')) {
    const chunk = given.slice();
    let at = 0;
    for (let lf = indexOfByte(chunk, LF); lf >= 0; lf = indexOfByte(chunk, LF, at)) {
      const line = chunk.subarray(at, lf + 1);
      if (rest.length > 0) {
        rest.push(line);
        yield concatBytes(rest);
        rest = [];
      } else yield line;
      at = lf + 1;
    }
    if (at < chunk.length) rest.push(chunk.subarray(at));
  }
  if (rest.length > 0) yield concatBytes(rest);
}

export interface MboxWriteOptions {
  /** Default 'mboxrd'. */
  readonly variant?: MboxVariant | undefined;
  /** Envelope sender for the separator line. Default 'MAILER-DAEMON'. */
  readonly sender?: string | undefined;
  /** For the separator line. Default: now. */
  readonly date?: Date | undefined;
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** One message as an mbox file holds it: separator line, message, empty line. Appending several makes a file. UsageError for a bad sender. */
export function formatMboxEntry(message: Uint8Array, options: MboxWriteOptions = {}): Uint8Array {
  const variant = checkVariant(options.variant ?? 'mboxrd');
  const sender = options.sender ?? 'MAILER-DAEMON';
  if (!/^[!-~]{1,500}$/.test(sender)) throw new UsageError(`the sender must be one word: ${JSON.stringify(sender)}`);
  const date = options.date ?? new Date();
  if (Number.isNaN(date.getTime())) throw new UsageError('date is not a valid date');
  const two = (number: number): string => String(number).padStart(2, '0');
  const stamp = `${days[date.getUTCDay()]} ${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} ${date.getUTCFullYear()}`;
  const pieces: Uint8Array[] = [encodeText(`From ${sender} ${stamp}\n`)];
  const counted = variant === 'mboxcl' || variant === 'mboxcl2';
  const headerEnd = endOfHeader(message);
  const header: Uint8Array[] = [];
  const body: Uint8Array[] = [];
  for (let at = 0; at < message.length;) {
    const lf = indexOfByte(message, LF, at);
    const end = lf < 0 ? message.length : lf + 1;
    const line = message.subarray(at, end);
    const inHeader = at < headerEnd;
    const quotes = variant === 'mboxcl2' || inHeader ? -1 : quotedFrom(line);
    const quoted = variant === 'mboxrd' ? quotes >= 0 : quotes === 0;
    if (!(inHeader && counted && /^content-length[ \t]*:/i.test(latin1(line, 0, Math.min(40, line.length))))) {
      if (quoted) (inHeader ? header : body).push(encodeText('>'));
      (inHeader ? header : body).push(line);
    }
    at = end;
  }
  const bodyBytes = body.length === 0 ? new Uint8Array(0) : concatBytes(body);
  const blank = blankLength(message, headerEnd);
  if (counted) header.push(encodeText(`Content-Length: ${bodyBytes.length - blank}\n`));
  // The blank line that ends the header is the first of `bodyBytes`.
  pieces.push(...header, bodyBytes);
  if (message.length > 0 && message[message.length - 1] !== LF) pieces.push(encodeText('\n'));
  pieces.push(encodeText('\n'));
  return concatBytes(pieces);
}

/** Offset of the blank line that ends the header. */
function endOfHeader(message: Uint8Array): number {
  for (let at = 0; at < message.length;) {
    if (blankLength(message, at) > 0) return at;
    const lf = indexOfByte(message, LF, at);
    if (lf < 0) break;
    at = lf + 1;
  }
  return message.length;
}

function blankLength(message: Uint8Array, at: number): number {
  if (message[at] === LF) return 1;
  return message[at] === CR && message[at + 1] === LF ? 2 : 0;
}
