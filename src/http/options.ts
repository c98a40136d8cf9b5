import { UsageError } from '../errors.ts';
import type { DialOptions } from '../socket/dial.ts';
import { dialOptionNames } from '../socket/dial.ts';
import type { TlsOptions } from '../socket/tls.ts';
import { readTlsSetting } from '../socket/tls.ts';
import { checkOptions } from '../wire/arguments.ts';
import { wholeNumber } from '../wire/limits.ts';
import { type HttpAuth, checkAuth } from './auth.ts';
import { HttpCache } from './cache.ts';
import type { CookieStore } from './cookies.ts';
import type { UploadProgress } from './exchange.ts';
import { HttpFields, type HttpFieldsInit } from './fields.ts';
import type { OutgoingBody } from './outgoing-body.ts';
import { type BodyOptions, bodyOptionNames } from './request-body.ts';
import type { BodyWatch } from './response-body.ts';
import type { HttpResponse } from './response.ts';
import { type RetryOptions, type RetrySettings, readRetries } from './retry.ts';

/** A request as an interceptor sees it: one for each hop of a redirect. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HttpFields;
  readonly body: OutgoingBody | undefined;
}

/** Stands around every request: calls `next`, once, never or more often, with the request or another, and answers with what it likes. */
export type HttpInterceptor = (
  request: HttpRequest,
  next: (request: HttpRequest) => Promise<HttpResponse>,
) => Promise<HttpResponse>;

/** What is set for a client, or for a request. */
interface SharedOptions {
  readonly headers?: HttpFieldsInit | undefined;
  readonly auth?: HttpAuth | undefined;
  /** Default 10; 0 hands every redirect to the caller. */
  readonly maxRedirects?: number | undefined;
  /** Default 0. Idempotent requests alone. */
  readonly retries?: number | RetryOptions | undefined;
  /** Undo Content-Encoding. Default true. */
  readonly decompress?: boolean | undefined;
  /** How much larger than what came a decompressed body may be, beyond 16 MiB. Default 250. */
  readonly maxDecompressionRatio?: number | undefined;
  /** Names of headers that do not leave the origin and never show in a transcript, beside the usual ones. */
  readonly sensitiveHeaders?: readonly string[] | undefined;
}

export interface HttpClientOptions extends DialOptions, SharedOptions {
  /** Requests are relative to it, and go to no other origin unless they are redirected. */
  readonly baseUrl?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  /** True for a jar of the client's own; or one of yours. */
  readonly cookies?: boolean | CookieStore | undefined;
  /**
   * HTTP/2 over https: 'auto' where the server chooses it, true to have nothing else. One connection for each origin then carries all its
   * requests. Default false.
   */
  readonly http2?: boolean | 'auto' | undefined;
  /** Keep responses in memory by the rules of RFC 9111: true for a cache of the client's own, or one to be shared. Default: none. */
  readonly cache?: boolean | HttpCache | undefined;
  /** For each origin. Default 64. */
  readonly maxConnections?: number | undefined;
  /** How long an unused connection is kept. Default 30,000. */
  readonly keepIdleMs?: number | undefined;
  readonly interceptors?: readonly HttpInterceptor[] | undefined;
  /** Send Basic and bearer tokens without TLS. */
  readonly allowInsecureAuth?: boolean | undefined;
  /** Logins from a .netrc file: true for ~/.netrc, or its path. */
  readonly netrc?: boolean | string | undefined;
}

export interface HttpRequestOptions extends SharedOptions, BodyOptions, BodyWatch {
  /** Default GET, or POST with a body. */
  readonly method?: string | undefined;
  /** Added to the URL's query. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | URLSearchParams | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For all of it: redirects, retries and body. The phases have timeouts of their own, beside it. */
  readonly timeoutMs?: number | undefined;
  /** Wait for the server's consent before the body is sent: true for a second, or so many milliseconds. */
  readonly expectContinue?: boolean | number | undefined;
  /** Hears each interim response: 103 with its links, 102. */
  readonly onInformation?: ((head: { status: number; headers: HttpFields }) => void) | undefined;
  readonly onUploadProgress?: ((progress: UploadProgress) => void) | undefined;
}

const sharedNames = [
  'headers',
  'auth',
  'maxRedirects',
  'retries',
  'decompress',
  'maxDecompressionRatio',
  'sensitiveHeaders',
] as const;
const clientNames = [
  ...sharedNames,
  ...dialOptionNames,
  'baseUrl',
  'tls',
  'cookies',
  'cache',
  'http2',
  'maxConnections',
  'keepIdleMs',
  'interceptors',
  'allowInsecureAuth',
  'netrc',
];
const requestNames = [
  ...sharedNames,
  ...bodyOptionNames,
  'method',
  'query',
  'signal',
  'timeoutMs',
  'expectContinue',
  'onInformation',
  'onUploadProgress',
  'onProgress',
  'minBytesPerSecond',
  'maxBytes',
];

/** What client and request share, checked and filled in. */
export interface SharedSettings {
  readonly headers: HttpFields;
  readonly auth: HttpAuth | undefined;
  readonly maxRedirects: number;
  readonly retries: RetrySettings;
  readonly decompress: boolean;
  readonly maxDecompressionRatio: number;
  /** In lower case. */
  readonly sensitive: readonly string[];
}

/** Fields that the client decides by itself; a wrong one would end or split the message. */
const ownFields: Readonly<Record<string, string>> = {
  'content-length': 'it follows from the body; for a stream of known length give sizeBytes',
  'transfer-encoding': 'it follows from the body',
  'keep-alive': 'the client decides on it',
  'proxy-connection': 'no server needs it',
  upgrade: 'use client.upgrade',
  expect: 'use expectContinue',
  te: 'no transfer coding is asked for',
  trailer: 'it follows from trailers',
};

/** The caller's headers. UsageError for those that would contradict the message. */
export function readHeaders(init: HttpFieldsInit | undefined): HttpFields {
  const headers = new HttpFields(init);
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    const why = Object.hasOwn(ownFields, lower) ? ownFields[lower] : undefined;
    if (why !== undefined) throw new UsageError(`the header ${name} is not for the caller to set: ${why}`);
    if (lower === 'connection' && value.toLowerCase() !== 'close')
      throw new UsageError('the header Connection may only be close');
    if (lower === 'host' && (headers.all('host').length > 1 || !/^[^\s/@?#\\]+$/.test(value)))
      throw new UsageError('the header Host must be one host name, with a port or without');
  }
  return headers;
}

export function readClientOptions(options: HttpClientOptions): SharedSettings & { tls: TlsOptions } {
  checkOptions('http', options, clientNames);
  for (const name of ['maxConnections', 'keepIdleMs'] as const) {
    const value = options[name];
    if (value !== undefined && wholeNumber(name, value) === 0 && name === 'maxConnections')
      throw new UsageError('maxConnections must be 1 or more');
  }
  const { cache, http2 } = options;
  if (http2 !== undefined && typeof http2 !== 'boolean' && http2 !== 'auto')
    throw new UsageError(`http2 must be true, false or 'auto'; got ${JSON.stringify(http2)}`);
  if (cache !== undefined && typeof cache !== 'boolean' && !(cache instanceof HttpCache))
    throw new UsageError('cache must be true, false or an HttpCache');
  return {
    headers: readHeaders(options.headers),
    auth: options.auth === undefined ? undefined : checkAuth(options.auth),
    maxRedirects: wholeNumber('maxRedirects', options.maxRedirects ?? 10),
    retries: readRetries(options.retries),
    decompress: options.decompress ?? true,
    maxDecompressionRatio: wholeNumber('maxDecompressionRatio', options.maxDecompressionRatio ?? 250),
    sensitive: (options.sensitiveHeaders ?? []).map((name) => name.toLowerCase()),
    tls: readTlsSetting(options.tls).options,
  };
}

/** Of a request that needs none. */
export const noOptions: HttpRequestOptions = {};

/** A request's options over those of its client. */
export function readRequestOptions(options: HttpRequestOptions, client: SharedSettings): SharedSettings {
  if (options === noOptions) return client;
  for (const key in options) {
    if (!(requestNames as readonly string[]).includes(key)) checkOptions('request', options, requestNames);
  }
  const { headers: given } = options;
  let { headers } = client;
  if (given !== undefined) {
    const own = readHeaders(given);
    headers = new HttpFields(headers);
    for (const [name] of own) headers.delete(name);
    for (const [name, value] of own) headers.append(name, value);
  }
  return {
    headers,
    auth: options.auth === undefined ? client.auth : checkAuth(options.auth),
    maxRedirects:
      options.maxRedirects === undefined ? client.maxRedirects : wholeNumber('maxRedirects', options.maxRedirects),
    retries: options.retries === undefined ? client.retries : readRetries(options.retries),
    decompress: options.decompress ?? client.decompress,
    maxDecompressionRatio:
      options.maxDecompressionRatio === undefined
        ? client.maxDecompressionRatio
        : wholeNumber('maxDecompressionRatio', options.maxDecompressionRatio),
    sensitive:
      options.sensitiveHeaders === undefined
        ? client.sensitive
        : [...client.sensitive, ...options.sensitiveHeaders.map((name) => name.toLowerCase())],
  };
}
