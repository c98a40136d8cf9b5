import { LimitError, ProtocolError, UsageError } from '../errors.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { LF, concatBytes, decodeText, encodeText, isAscii, latin1 } from '../wire/bytes.ts';

/** What kind of program speaks, by its number. RFC 5424 table 1. */
export const facilities = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  'ntp',
  'audit',
  'alert',
  'clock',
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
] as const;

/** How bad it is, by its number: 0 is the worst. RFC 5424 table 2. */
export const severities = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;

export type SyslogFacility = (typeof facilities)[number];
export type SyslogSeverity = (typeof severities)[number];

/** Elements by their id (`origin`, `exampleSDID@32473`), with their parameters; one may come several times. */
export type StructuredData = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

export interface SyslogMessage {
  readonly facility: SyslogFacility;
  readonly severity: SyslogSeverity;
  readonly timestamp?: Date | undefined;
  readonly hostname?: string | undefined;
  /** The program; in RFC 3164 the tag. */
  readonly appName?: string | undefined;
  readonly procId?: string | undefined;
  /** The kind of message. RFC 5424 only. */
  readonly msgId?: string | undefined;
  /** RFC 5424 only. */
  readonly structuredData?: StructuredData | undefined;
  readonly message: string;
}

export type SyslogFormat = 'rfc5424' | 'rfc3164';

export interface SyslogEncodeOptions {
  /** Default 'rfc5424'. */
  readonly format?: SyslogFormat | undefined;
  /** The text is cut, between characters, so that all of it is no longer. Default: not cut. */
  readonly maxBytes?: number | undefined;
  /** The mark of UTF-8 before the text. 'auto', the default, as RFC 5424 wants it: where the text is not ASCII alone. */
  readonly bom?: 'auto' | 'never' | undefined;
}

const BOM = Uint8Array.of(0xef, 0xbb, 0xbf);
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * A message as bytes, without a frame.
 *
 *     <34>1 2026-10-11T22:14:15.003Z mymachine su - ID47 - 'su root' failed
 *     <34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed
 *
 * UsageError for a field that its grammar forbids, LimitError when there is no room for the fields alone.
 *
 * @see RFC 5424 section 6, RFC 3164 section 4
 */
export function encodeSyslog(message: SyslogMessage, options: SyslogEncodeOptions = {}): Uint8Array {
  const { format = 'rfc5424', maxBytes = Number.POSITIVE_INFINITY, bom = 'auto' } = options;
  if (typeof message.message !== 'string')
    throw new UsageError(`message must be a string; got ${typeof message.message}`);
  const priority = `<${numberOf('facility', facilities, message.facility) * 8 + numberOf('severity', severities, message.severity)}>`;
  const timestamp = message.timestamp;
  if (timestamp !== undefined && !(timestamp instanceof Date && !Number.isNaN(timestamp.getTime())))
    throw new UsageError('timestamp must be a valid Date');
  let head: Uint8Array;
  let text: Uint8Array;
  if (format === 'rfc5424') {
    const fields = [
      timestamp?.toISOString() ?? '-',
      field('hostname', message.hostname, 255),
      field('appName', message.appName, 48),
      field('procId', message.procId, 128),
      field('msgId', message.msgId, 32),
      formatStructuredData(message.structuredData),
    ];
    head = encodeText(`${priority}1 ${fields.join(' ')}${message.message === '' ? '' : ' '}`);
    text = encodeText(message.message);
    if (bom === 'auto' && !isAscii(text)) head = concatBytes([head, BOM]);
  } else if (format === 'rfc3164') {
    const host = message.hostname === undefined ? '' : `${field('hostname', message.hostname, 255)} `;
    head = encodeText(`${priority}${formatBsdTime(timestamp ?? new Date())} ${host}${formatTag(message)}`);
    // A line of its own is what such a message is: a line end in it would begin another.
    text = encodeText(escapeLine(message.message));
  } else {
    throw new UsageError(`format must be 'rfc5424' or 'rfc3164'; got ${JSON.stringify(format)}`);
  }
  if (head.length > maxBytes)
    throw new LimitError(`the fields of the message take ${head.length} bytes; ${maxBytes} are allowed`, {
      reusable: true,
    });
  return concatBytes([head, cutUtf8(text, maxBytes - head.length)]);
}

function formatTag({ appName, procId }: SyslogMessage): string {
  if (appName === undefined) return '';
  const tag = field('appName', appName, 48);
  return procId === undefined || procId === '' ? `${tag}: ` : `${tag}[${field('procId', procId, 128)}]: `;
}

/** Control characters as # and three octal digits: what syslog daemons write for them. */
export function escapeLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f]/g, (character) =>
    character === '\t' ? character : `#${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}

function numberOf(name: string, known: readonly string[], value: string): number {
  const number = known.indexOf(value);
  if (number < 0) throw new UsageError(`${name} must be one of ${known.join(', ')}; got ${JSON.stringify(value)}`);
  return number;
}

function field(name: string, value: string | undefined, maxCharacters: number): string {
  if (value === undefined || value === '') return '-';
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value) || value.length > maxCharacters)
    throw new UsageError(
      `${name} must be at most ${maxCharacters} ASCII characters without spaces; got ${JSON.stringify(value)}`,
    );
  return value;
}

const sdName = /^[^\u0000-\u0020\u007f-\uffff="\]]{1,32}$/;

function formatStructuredData(data: StructuredData | undefined): string {
  let text = '';
  for (const [id, parameters] of Object.entries(data ?? {})) {
    text += `[${checkSdName(id)}`;
    for (const [name, values] of Object.entries(parameters))
      for (const value of Array.isArray(values) ? (values as readonly string[]) : [values])
        text += ` ${checkSdName(name)}="${String(value).replace(/["\\\]]/g, '\\$&')}"`;
    text += ']';
  }
  return text === '' ? '-' : text;
}

function checkSdName(name: string): string {
  if (!sdName.test(name))
    throw new UsageError(
      `a name in structured data has 1 to 32 ASCII characters, none of them a space, =, ] or "; got ${JSON.stringify(name)}`,
    );
  return name;
}

/** 'Oct  1 22:14:15', local time: what RFC 3164 has, without year and zone. */
function formatBsdTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = String(date.getDate()).padStart(2, ' ');
  return `${months[date.getMonth()]} ${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The first bytes of a text, ending between characters. */
function cutUtf8(text: Uint8Array, maxBytes: number): Uint8Array {
  if (text.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((text[end] as number) & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}

/** A received message: what could be read of it. Nothing is refused; what is not understood is the text. */
export interface ReceivedSyslog extends SyslogMessage {
  /** What it was written in; 'none' where it had not even a priority: then it counts as user.notice. */
  readonly format: SyslogFormat | 'none';
}

/**
 * Reads a message of either kind, and what programs make of them: no time, no host, an RFC 3339 time, no tag, nothing but text. The year that RFC
 * 3164 lacks is the one that brings the time nearest to `receivedAt`.
 */
export function parseSyslog(data: Uint8Array | string, receivedAt: Date = new Date()): ReceivedSyslog {
  const text = typeof data === 'string' ? data : decodeText(data);
  const priority = /^<(0|[1-9][0-9]{0,2})>/.exec(text);
  const number = Number(priority?.[1]);
  if (priority === null || number > 191)
    return { format: 'none', facility: 'user', severity: 'notice', message: trimEnd(text) };
  const facility = facilities[number >> 3] as SyslogFacility;
  const severity = severities[number & 7] as SyslogSeverity;
  const rest = text.slice(priority[0].length);
  const modern = parse5424(rest);
  if (modern !== undefined) return { format: 'rfc5424', facility, severity, ...modern };
  return { format: 'rfc3164', facility, severity, ...parse3164(rest, receivedAt) };
}

const trimEnd = (text: string): string => text.replace(/[\r\n\0]+$/, '');

type Parsed = Omit<SyslogMessage, 'facility' | 'severity'>;

const iso = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

function parse5424(text: string): Parsed | undefined {
  if (!text.startsWith('1 ')) return undefined;
  const fields: string[] = [];
  let at = 2;
  while (fields.length < 5) {
    const space = text.indexOf(' ', at);
    if (space <= at || space - at > 255) return undefined;
    fields.push(text.slice(at, space));
    at = space + 1;
  }
  const [time = '', hostname, appName, procId, msgId] = fields;
  const timestamp = time === '-' ? undefined : parseIso(time);
  if (time !== '-' && timestamp === undefined) return undefined;
  const data = parseStructuredData(text, at);
  if (data === undefined) return undefined;
  const { structuredData, end } = data;
  if (end < text.length && text[end] !== ' ') return undefined;
  // QUIRK(rsyslog): its template of this format puts a line end behind the text, counted or not.
  const message = text
    .slice(end + 1)
    .replace(/^(?:\ufeff|ï»¿)/, '')
    .replace(/\n$/, '');
  const given = (value: string | undefined): string | undefined => (value === '-' ? undefined : value);
  return {
    ...defined({
      timestamp,
      hostname: given(hostname),
      appName: given(appName),
      procId: given(procId),
      msgId: given(msgId),
      structuredData,
    }),
    message,
  };
}

function parseIso(text: string): Date | undefined {
  if (!iso.test(text)) return undefined;
  const date = new Date(text.replace(/(\.[0-9]{3})[0-9]+/, '$1'));
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function parseStructuredData(
  text: string,
  from: number,
): { structuredData: StructuredData | undefined; end: number } | undefined {
  if (text[from] === '-') return { structuredData: undefined, end: from + 1 };
  // No prototype: a name from the wire may be any.
  const elements = Object.create(null) as Record<string, Record<string, string | string[]>>;
  let at = from;
  const name = /[^\u0000-\u0020\u007f-\uffff="\]]{1,32}/y;
  const value = /="((?:[^"\\\]]|\\[^])*)"/y;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  while (text[at] === '[') {
    at++;
    const id = match(name)?.[0];
    if (id === undefined) return undefined;
    const parameters = (elements[id] ??= Object.create(null) as Record<string, string | string[]>);
    while (text[at] === ' ') {
      at++;
      const key = match(name)?.[0];
      const found = key === undefined ? null : match(value);
      if (key === undefined || found === null) return undefined;
      // A backslash before anything else stands for itself.
      const plain = (found[1] as string).replace(/\\(["\\\]])/g, '$1');
      const before = parameters[key];
      parameters[key] = before === undefined ? plain : [...(typeof before === 'string' ? [before] : before), plain];
    }
    if (text[at] !== ']') return undefined;
    at++;
  }
  return at === from ? undefined : { structuredData: elements, end: at };
}

function parse3164(text: string, receivedAt: Date): Parsed {
  let rest = trimEnd(text);
  let timestamp: Date | undefined;
  const bsd =
    /^(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([ 0-3]?[0-9]) ([0-9]{2}):([0-9]{2}):([0-9]{2}) /.exec(rest);
  const modern = bsd === null ? /^([0-9]{4}-\S{1,40}) /.exec(rest) : null;
  if (bsd !== null) timestamp = bsdTime(bsd.slice(1) as [string, string, string, string, string], receivedAt);
  else if (modern !== null) timestamp = parseIso(modern[1] as string);
  if (timestamp === undefined) return { ...parseTag(rest) };
  rest = rest.slice((bsd ?? modern)?.[0].length);
  // The next word is the host, unless it is a tag already: programs that log to their own machine leave the host out.
  const host = /^([^\s:[\]]{1,255}|\[?[0-9a-fA-F:.]{2,45}\]?(?=\s)) (?=\S)/.exec(rest);
  const hostname = host?.[1];
  return { timestamp, ...defined({ hostname }), ...parseTag(rest.slice(host?.[0].length ?? 0)) };
}

function parseTag(text: string): Parsed {
  // QUIRK(rsyslog): without the colon, where it forwards what came as RFC 5424, and with the mark of UTF-8.
  const tag = /^([^\s:[\]]{1,64})(?:\[([^\s\]]{1,128})\]:?|:)(?: |$)/.exec(text);
  const message = text.slice(tag?.[0].length ?? 0).replace(/^(?:\ufeff|ï»¿)/, '');
  return { ...defined({ appName: tag?.[1], procId: tag?.[2] }), message };
}

function bsdTime([month, day, ...clock]: [string, string, string, string, string], receivedAt: Date): Date | undefined {
  const [hours, minutes, seconds] = clock.map(Number) as [number, number, number];
  const inYear = (year: number): Date => new Date(year, months.indexOf(month), Number(day), hours, minutes, seconds);
  const year = receivedAt.getFullYear();
  const distance = (date: Date): number => Math.abs(date.getTime() - receivedAt.getTime());
  const nearest = [inYear(year), inYear(year - 1), inYear(year + 1)].sort((a, b) => distance(a) - distance(b))[0];
  return hours < 24 && minutes < 60 && seconds < 61 && nearest?.getDate() === Number(day) ? nearest : undefined;
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

/** How messages are told apart on a stream: by their length, or each in a line. RFC 6587 section 3.4. */
export type SyslogFraming = 'octet-counting' | 'lf';

/** A message in its frame. In a line its own line ends are escaped, so that none can begin another message. */
export function encodeSyslogFrame(message: Uint8Array, framing: SyslogFraming): Uint8Array {
  if (framing === 'octet-counting') return concatBytes([encodeText(`${message.length} `), message]);
  const line = message.some((byte) => byte === LF || byte === 0)
    ? encodeText(escapeLine(decodeText(message)))
    : message;
  return concatBytes([line, Uint8Array.of(LF)]);
}

const isLineEnd = (byte: number | undefined): boolean => byte === LF || byte === 0 || byte === 13;

/**
 * One message off a stream, in whichever frame it comes: a digit begins a length, anything else a line, which LF or NUL ends, or the end of the
 * stream. LimitError, before it is held, for one that is longer than `maxBytes`.
 */
export function syslogFrameDecoder(maxBytes: number): Decoder<Uint8Array> {
  const tooLong = (): LimitError =>
    new LimitError(`a client sent a message longer than ${maxBytes} bytes`, { reason: 'MESSAGE_TOO_LONG' });
  let scanned = 0;
  return (queue) => {
    // Senders that end their counted messages with a line end nevertheless are many.
    if (scanned === 0) while (isLineEnd(queue.at(0))) queue.take(1);
    const first = queue.at(0);
    if (first === undefined) return undefined;
    if (first >= 0x31 && first <= 0x39) {
      const digits = /^([1-9][0-9]{0,9})( ?)/.exec(latin1(queue.peek(12)));
      const length = Number(digits?.[1]);
      if (digits?.[2] === ' ') {
        if (length > maxBytes) throw tooLong();
        const whole = digits[0].length + length;
        return queue.length < whole ? undefined : queue.take(whole).subarray(digits[0].length);
      }
      if (digits !== null && queue.length <= 10 && digits[0].length === queue.length) return undefined;
      throw new ProtocolError('a client sent a length that cannot be read', { reason: 'SYSLOG_FRAME' });
    }
    // Either ends a line, and searching the queue for two would begin anew each time.
    const bytes = queue.peek(maxBytes + 1);
    while (scanned < bytes.length && bytes[scanned] !== LF && bytes[scanned] !== 0) scanned++;
    if (scanned > maxBytes) throw tooLong();
    if (scanned === bytes.length && !queue.ended) return undefined;
    const line = queue.take(Math.min(scanned + 1, bytes.length)).subarray(0, scanned);
    scanned = 0;
    return line[line.length - 1] === 13 ? line.subarray(0, -1) : line;
  };
}
