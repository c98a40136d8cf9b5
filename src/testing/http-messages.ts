import type { HttpFields, HttpFieldsInit } from '../http/fields.ts';
import { decodeText, encodeText } from '../wire/bytes.ts';

/** A request that the fake server has read whole. */
export class FakeHttpRequest {
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: HttpFields;
  readonly body: Uint8Array;
  readonly trailers: HttpFields | undefined;
  /** Which connection it came on, counted from 1: equal numbers mean that it was kept alive. */
  readonly connection: number;
  readonly secure: boolean;

  constructor(
    head: { readonly method: string; readonly target: string; readonly headers: HttpFields },
    rest: { body: Uint8Array; trailers: HttpFields | undefined; connection: number; secure: boolean },
  ) {
    this.method = head.method;
    this.target = head.target;
    this.headers = head.headers;
    const { pathname, searchParams } = new URL(head.target, 'http://fake.invalid');
    this.path = pathname;
    this.query = searchParams;
    this.body = rest.body;
    this.trailers = rest.trailers;
    this.connection = rest.connection;
    this.secure = rest.secure;
  }

  get text(): string {
    return decodeText(this.body);
  }

  json(): unknown {
    return JSON.parse(this.text);
  }
}

/** What the fake answers. A stream is sent in chunks, each as it comes; bytes have their length told, unless `chunked`. */
export interface FakeHttpReply {
  /** Default 200. */
  readonly status?: number | undefined;
  readonly reason?: string | undefined;
  readonly headers?: HttpFieldsInit | undefined;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Sent as application/json. */
  readonly json?: unknown;
  readonly chunked?: boolean | undefined;
  readonly trailers?: HttpFieldsInit | undefined;
  /** Interim responses that go before. */
  readonly information?: readonly { readonly status: number; readonly headers?: HttpFieldsInit }[] | undefined;
  /** Close the connection behind it. */
  readonly close?: boolean | undefined;
}

export type FakeHttpHandler =
  | FakeHttpReply
  | string
  | ((request: FakeHttpRequest) => FakeHttpReply | string | undefined | Promise<FakeHttpReply | string | undefined>);

export interface FakeHttpFile {
  readonly bytes: Uint8Array;
  readonly contentType?: string | undefined;
  /** Strong, with its quotes. Default: none. */
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/** A file with ranges, for GET and HEAD. @see RFC 9110 section 14 */
export function serveFile(file: FakeHttpFile, request: FakeHttpRequest): FakeHttpReply {
  const { bytes, etag, lastModified } = file;
  const headers: [string, string][] = [
    ['Content-Type', file.contentType ?? 'application/octet-stream'],
    ['Accept-Ranges', 'bytes'],
  ];
  if (etag !== undefined) headers.push(['ETag', etag]);
  if (lastModified !== undefined) headers.push(['Last-Modified', lastModified]);
  const condition = request.headers.get('if-range');
  const range = request.headers.get('range');
  const unchanged = condition === undefined || condition === (condition.startsWith('"') ? etag : lastModified);
  const match = range === undefined || !unchanged ? null : /^bytes=(.+)$/.exec(range);
  if (match === null) return { headers, body: bytes };
  const spans = (match[1] as string).split(',').map((each) => readSpan(each.trim(), bytes.length));
  const valid = spans.filter((span) => span !== undefined);
  const [only] = valid;
  if (only === undefined)
    return { status: 416, headers: [...headers, ['Content-Range', `bytes */${bytes.length}`]], body: '' };
  const rangeField = ([from, to]: readonly [number, number]): string => `bytes ${from}-${to - 1}/${bytes.length}`;
  if (valid.length === 1)
    return {
      status: 206,
      headers: [...headers, ['Content-Range', rangeField(only)]],
      body: bytes.subarray(only[0], only[1]),
    };
  const parts = valid.map((span) => [
    encodeText(`--ranges\r\nContent-Range: ${rangeField(span)}\r\n\r\n`),
    bytes.subarray(span[0], span[1]),
    encodeText('\r\n'),
  ]);
  return {
    status: 206,
    headers: [...headers.slice(1), ['Content-Type', 'multipart/byteranges; boundary=ranges']],
    body: Buffer.concat([...parts.flat(), encodeText('--ranges--\r\n')]),
  };
}

/** From and behind its end; undefined where it lies outside. */
function readSpan(text: string, length: number): readonly [number, number] | undefined {
  const match = /^([0-9]*)-([0-9]*)$/.exec(text);
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') return length === 0 ? undefined : [Math.max(0, length - Number(match[2])), length];
  const from = Number(match[1]);
  const to = match[2] === '' ? length : Math.min(Number(match[2]) + 1, length);
  return from < to ? [from, to] : undefined;
}
