import { LimitError, ProtocolError, UsageError } from '../errors.ts';
import type { ShownBytes } from '../wire/arguments.ts';
import { checkArgument } from '../wire/arguments.ts';
import type { ByteQueue, Decoder } from '../wire/byte-queue.ts';
import { CR, LF, encodeText, latin1 } from '../wire/bytes.ts';
import { type Limits, defaultLimits, parseDecimal } from '../wire/limits.ts';
import { HttpFields, isToken, lowerFieldName } from './fields.ts';

/** Caps of a head: `replyBytes` for all of it, `replyLines` for its fields. */
export type HeadLimits = Pick<Limits, 'replyBytes' | 'replyLines'>;

export interface HttpRequestHead {
  readonly method: string;
  /** As it is in the request line: '/path?query', an absolute URL, 'host:port', or '*'. */
  readonly target: string;
  /** Minor version: 1 for HTTP/1.1. */
  readonly minor: 0 | 1;
  readonly headers: HttpFields;
}

export interface HttpResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly minor: 0 | 1;
  readonly headers: HttpFields;
}

/** How a body's end is found. */
export type HttpFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly byteCount: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' };

const END_OF_HEAD = encodeText('\r\n\r\n');
// Controls that no field carries, and a CR or LF that is not of a pair (RFC 9112 section 2.2, RFC 9110 section 5.5).
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|\r(?!\n)|[^\r]\n/;
const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?$/;
// request-target: no space, no control, no octet above 127 (RFC 9112 section 3.2).
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\u0021-\u007e]+) HTTP\/1\.([01])$/;

/**
 * A head that has arrived whole, as text without its last blank line, left in the queue; undefined while it is incomplete. Lines end with
 * CRLF alone. ProtocolError as soon as a line ends otherwise, LimitError over the cap.
 */
function headPeeker(what: string, limits: HeadLimits): (queue: ByteQueue) => string | undefined {
  let looked = 0;
  const tooLong = (): LimitError =>
    new LimitError(`the ${what} is longer than ${limits.replyBytes} bytes`, { reason: 'HEAD_TOO_LONG' });
  return (queue) => {
    const end = queue.indexOf(END_OF_HEAD);
    if (end >= 0) {
      looked = 0;
      if (end + 4 > limits.replyBytes) throw tooLong();
      return latin1(queue.peek(end + 2));
    }
    const { length } = queue;
    // What will never become a head is refused now, not at the deadline.
    for (; looked < length; looked++) {
      if (queue.at(looked) === LF && (looked === 0 || queue.at(looked - 1) !== CR))
        throw new ProtocolError(`the ${what} has a line that does not end with CRLF`, { reason: 'BAD_LINE_END' });
    }
    if (length >= limits.replyBytes) throw tooLong();
    return undefined;
  };
}

/** Start line and fields of a head's text. */
function readFields(what: string, text: string, limits: HeadLimits): { start: string; headers: HttpFields } {
  if (forbidden.test(text))
    throw new ProtocolError(`the ${what} has a control character or a stray line end`, { reason: 'BAD_CHARACTER' });
  let at = text.indexOf('\r\n');
  const start = text.slice(0, at);
  const headers = new HttpFields();
  let count = 0;
  for (at += 2; at < text.length;) {
    const end = text.indexOf('\r\n', at);
    if (++count > limits.replyLines)
      throw new LimitError(`the ${what} has more than ${limits.replyLines} fields`, { reason: 'TOO_MANY_FIELDS' });
    addField(what, headers, text, at, end);
    at = end + 2;
  }
  return { start, headers };
}

/** One field line. No space before the colon, no folding (RFC 9112 section 5). */
function addField(what: string, headers: HttpFields, text: string, from: number, to: number): void {
  const colon = text.indexOf(':', from);
  const name = colon < 0 || colon > to ? '' : text.slice(from, colon);
  const lower = lowerFieldName(name);
  if (lower === undefined)
    throw new ProtocolError(
      `the ${what} has a line that is not a field: ${text.slice(from, Math.min(to, from + 80))}`,
      {
        reason: 'BAD_FIELD',
      },
    );
  let start = colon + 1;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  headers.addChecked(name, lower, text.slice(start, end));
}

const isBlank = (code: number): boolean => code === 32 || code === 9;

/** Field lines up to the blank line that `text` was cut before: trailers. */
export function parseFields(what: string, text: string, limits: HeadLimits): HttpFields {
  return readFields(what, `\r\n${text}`, limits).headers;
}

/** A head that is ready, and how many bytes of the queue it takes up. */
export interface Peeked<T> {
  readonly head: T;
  readonly byteCount: number;
}

/**
 * The head of a response, left in the queue: so that its reader can say how the bytes are to be logged, then take them.
 *
 *     status-line = HTTP-version SP status-code SP [ reason-phrase ]
 *     S: HTTP/1.1 200 OK
 *
 * QUIRK(servers): the space behind the status code may be missing.
 */
export function responsePeeker(limits: HeadLimits = defaultLimits): Decoder<Peeked<HttpResponseHead>> {
  const peek = headPeeker('head of the response', limits);
  return (queue) => {
    // An old server's bare body, or another protocol, is known by its first bytes.
    const text = beginsLike(queue, 'HTTP/1.') ? peek(queue) : undefined;
    if (text === undefined) return undefined;
    const { start, headers } = readFields('head of the response', text, limits);
    const match = statusLine.exec(start);
    if (match === null)
      throw new ProtocolError(`the server sent what is not an HTTP/1.1 status line: ${start.slice(0, 80)}`, {
        reason: 'BAD_STATUS_LINE',
      });
    return {
      head: { status: Number(match[2]), reason: match[3] ?? '', minor: match[1] === '0' ? 0 : 1, headers },
      byteCount: text.length + 2,
    };
  };
}

/** The head of a response. @see responsePeeker */
export function responseHeadDecoder(limits: HeadLimits = defaultLimits): Decoder<HttpResponseHead> {
  return taking(responsePeeker(limits));
}

/**
 * The head of a request. One empty line before it is skipped (RFC 9112 section 2.2).
 *
 *     request-line = method SP request-target SP HTTP-version
 *     C: GET /where?q=now HTTP/1.1
 */
export function requestHeadDecoder(limits: HeadLimits = defaultLimits): Decoder<HttpRequestHead> {
  const peek = headPeeker('head of the request', limits);
  return taking((queue) => {
    if (queue.at(0) === CR && queue.at(1) === LF) queue.take(2);
    else if (queue.at(0) === CR && queue.length === 1) return undefined;
    const text = peek(queue);
    if (text === undefined) return undefined;
    const { start, headers } = readFields('head of the request', text, limits);
    const match = requestLine.exec(start);
    if (match === null)
      throw new ProtocolError(`the client sent what is not an HTTP/1.1 request line: ${start.slice(0, 80)}`, {
        reason: 'BAD_REQUEST_LINE',
      });
    const minor = match[3] === '0' ? 0 : 1;
    if (headers.all('host').length > 1 || (minor === 1 && !headers.has('host')))
      throw new ProtocolError('the request must have one Host field (RFC 9112 section 3.2)', { reason: 'BAD_HOST' });
    return {
      head: { method: match[1] as string, target: match[2] as string, minor, headers },
      byteCount: text.length + 2,
    };
  });
}

function taking<T>(peek: Decoder<Peeked<T>>): Decoder<T> {
  return (queue) => {
    const peeked = peek(queue);
    if (peeked === undefined) return undefined;
    queue.take(peeked.byteCount);
    return peeked.head;
  };
}

function beginsLike(queue: ByteQueue, expected: string): boolean {
  for (let at = 0; at < expected.length; at++) {
    const byte = queue.at(at);
    if (byte === undefined) return false;
    if (byte !== expected.charCodeAt(at))
      throw new ProtocolError(`the server did not answer in HTTP/1: ${latin1(queue.peek(80))}`, {
        reason: 'BAD_STATUS_LINE',
        hint: 'check the port, and whether it is https:// that the server speaks',
      });
  }
  return true;
}

/** Names whose values never show. */
const secretFields = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key']);
export const isSecretField = (lowerName: string): boolean => secretFields.has(lowerName);

/** The wire form of a request's head. UsageError for a method or target that would change the request. */
export function encodeRequestHead(
  head: { readonly method: string; readonly target: string; readonly headers: HttpFields },
  isSecret: (lowerName: string) => boolean = isSecretField,
): ShownBytes {
  const { method, target, headers } = head;
  if (!isToken(checkArgument('the method', method)))
    throw new UsageError(`the method must be a token such as GET; got ${JSON.stringify(method)}`);
  if (!/^[\u0021-\u007e]+$/.test(checkArgument('the request target', target)))
    throw new UsageError('the request target has a space, or a character that must be percent-encoded');
  return shownHead(`${method} ${target} HTTP/1.1\r\n`, headers, isSecret);
}

/** The wire form of a response's head. Line ends in the reason become spaces. */
export function encodeResponseHead(head: {
  readonly status: number;
  readonly reason?: string | undefined;
  readonly headers: HttpFields;
}): ShownBytes {
  const reason = head.reason ?? reasons[head.status] ?? '';
  return shownHead(
    `HTTP/1.1 ${head.status} ${reason.replace(/[^\t\u0020-\u007e]+/g, ' ')}\r\n`,
    head.headers,
    isSecretField,
  );
}

function shownHead(start: string, headers: HttpFields, isSecret: (lowerName: string) => boolean): ShownBytes {
  const text = `${start}${headers.format()}\r\n`;
  const shown = headers.some(isSecret) ? `${start}${headers.format(isSecret)}` : text;
  return { bytes: encodeLatin1(text), shown };
}

/** Each character, none above 255, as the byte of that number. */
export function encodeLatin1(text: string): Uint8Array {
  const bytes = encodeText(text);
  // As many bytes as characters: all of it is ASCII.
  return bytes.length === text.length ? bytes : Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/**
 * How the body of a response ends. Transfer-Encoding must be `chunked` alone; it wins over Content-Length, and then the connection must not
 * be used again. Equal lengths given twice are one. ProtocolError for all else.
 *
 * @see RFC 9112 section 6.3
 */
export function responseFraming(method: string, head: HttpResponseHead): HttpFraming {
  const { status, headers } = head;
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return { kind: 'none' };
  if (method === 'CONNECT' && status < 300) return { kind: 'none' };
  return framingOf('response', head) ?? (headers.has('transfer-encoding') ? { kind: 'chunked' } : { kind: 'close' });
}

/** How the body of a request ends. Both a length and Transfer-Encoding are refused: that is how requests are smuggled. */
export function requestFraming(head: HttpRequestHead): HttpFraming {
  if (head.headers.has('transfer-encoding') && head.headers.has('content-length'))
    throw new ProtocolError('the request has both Content-Length and Transfer-Encoding', { reason: 'BAD_FRAMING' });
  return framingOf('request', head) ?? { kind: 'none' };
}

function framingOf(
  what: string,
  head: { readonly minor: 0 | 1; readonly headers: HttpFields },
): HttpFraming | undefined {
  const { minor, headers } = head;
  const encoding = headers.get('transfer-encoding');
  if (encoding !== undefined) {
    if (minor === 0 || encoding.toLowerCase() !== 'chunked')
      throw new ProtocolError(`the ${what} has a Transfer-Encoding that is not understood: ${encoding.slice(0, 80)}`, {
        reason: 'BAD_FRAMING',
      });
    return { kind: 'chunked' };
  }
  const length = headers.get('content-length');
  if (length === undefined) return undefined;
  const lengths = new Set(length.split(',').map((each) => parseDecimal(each.trim())));
  const [byteCount] = lengths;
  if (byteCount === undefined || lengths.size > 1)
    throw new ProtocolError(`the ${what} has a Content-Length that is no length: ${length.slice(0, 80)}`, {
      reason: 'BAD_FRAMING',
    });
  return byteCount === 0 ? { kind: 'none' } : { kind: 'length', byteCount };
}

/** True when the connection may carry another request behind this message. @see RFC 9112 section 9.3 */
export function keepsAlive(head: { readonly minor: 0 | 1; readonly headers: HttpFields }): boolean {
  const options = head.headers.tokens('connection');
  if (options.includes('close')) return false;
  return head.minor === 1 || options.includes('keep-alive');
}

/** Reason phrases of RFC 9110 section 15 that people see. */
export const reasons: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  411: 'Length Required',
  413: 'Content Too Large',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
