import { ClosedError, TimeoutError, UnsupportedError, UsageError } from '../errors.ts';
import { type Connection, checkCall } from '../socket/connection.ts';
import { resolveTimeouts } from '../socket/deadlines.ts';
import { type DialOptions, dial, dialOptionNames } from '../socket/dial.ts';
import type { TlsOptions } from '../socket/tls.ts';
import { randomHex } from '../mime/random.ts';
import { Secret } from '../wire/arguments.ts';
import { type Proxy, resolveProxies } from '../socket/proxy.ts';
import { type Limits, resolveLimits } from '../wire/limits.ts';
import { type HttpAuth, HttpLogins } from './auth.ts';
import { type HttpResponseHead, encodeRequestHead } from './codec.ts';
import { type CacheableRequest, HttpCache } from './cache.ts';
import { type CookieStore, cookieField, newCookieStore, storeCookies } from './cookies.ts';
import { acceptEncoding, decompress, readCodings } from './decompress.ts';
import { Http2Pool } from './http2-pool.ts';
import type { Http2Answer } from './http2-session.ts';
import { RefusedStream } from './refused-stream.ts';
import { type WireAnswer, type WireRequest, diedUnanswered, exchange } from './exchange.ts';
import { HttpFields, isToken } from './fields.ts';
import { netrcLogin, readNetrc } from './netrc.ts';
import {
  type HttpClientOptions,
  type HttpInterceptor,
  type HttpRequest,
  type HttpRequestOptions,
  type SharedSettings,
  noOptions,
  readClientOptions,
  readRequestOptions,
} from './options.ts';
import { type HttpAddress, readAddress } from './origin.ts';
import { HttpPool } from './pool.ts';
import { type Hop, isRedirect, nextHop, tooManyRedirects } from './redirect.ts';
import { hasBody, readBody } from './request-body.ts';
import { type WireBody, openBody, watched } from './response-body.ts';
import { HttpResponse } from './response.ts';
import { isIdempotent, isPassingError, isPassingStatus, retryDelayMs, wait } from './retry.ts';

/** What one call of `request` carries along its hops. */
interface Call {
  readonly options: HttpRequestOptions;
  readonly settings: SharedSettings;
  readonly signal: AbortSignal | undefined;
  /** The origin that the login is for; undefined once a redirect has left it: it does not come back. */
  loginOrigin: string | undefined;
  login: HttpAuth | undefined;
  readonly redirects: string[];
}

/** A connection that has left HTTP behind: what the server says next is its first bytes. */
export interface HttpUpgrade {
  readonly connection: Connection;
  readonly headers: HttpFields;
}

/**
 * An HTTP client: connections are kept alive and used again, by origin. Calls may be made concurrently. A response of any status is an
 * answer, not an error: `response.expectOk()` makes it one.
 *
 * @see RFC 9110, RFC 9112
 */
export class HttpClient implements AsyncDisposable {
  readonly #settings: SharedSettings;
  readonly #tls: TlsOptions;
  readonly #dial: DialOptions;
  readonly #limits: Limits;
  readonly #base: HttpAddress | undefined;
  readonly #pool: HttpPool;
  readonly #http2: Http2Pool | undefined;
  readonly #logins: HttpLogins;
  readonly #interceptors: readonly HttpInterceptor[];
  readonly #cache: HttpCache | undefined;
  readonly #netrc: boolean | string;
  readonly #plainRequests = new WeakMap<HttpAddress, WireRequest>();
  readonly #closing = new AbortController();
  #cookies: CookieStore | Promise<CookieStore> | undefined;
  /** Settles when `close` was called and every connection has ended. Never rejects. */
  readonly closed: Promise<void>;
  readonly #settleClosed: () => void;

  constructor(options: HttpClientOptions = {}) {
    const { tls, ...settings } = readClientOptions(options);
    this.#tls = tls;
    this.#base = options.baseUrl === undefined ? undefined : readAddress(options.baseUrl);
    if (options.auth !== undefined && this.#base === undefined)
      throw new UsageError('auth is for one origin: give baseUrl too, or give auth with each request');
    settings.headers.setDefault('Accept', '*/*').setDefault('User-Agent', 'postwire');
    this.#settings = settings;
    this.#limits = resolveLimits(options.limits);
    const { connectMs } = resolveTimeouts(options.timeouts);
    const { signal: _signal, ...dialling } = Object.fromEntries(
      dialOptionNames.map((name) => [name, options[name]]),
    ) as DialOptions;
    this.#dial = dialling;
    this.#pool = new HttpPool({
      dial: (address, signal) => this.#open(address, signal),
      maxConnections: options.maxConnections ?? 64,
      idleMs: options.keepIdleMs ?? 30_000,
      waitMs: connectMs,
    });
    if (options.http2 !== undefined && options.http2 !== false)
      this.#http2 = new Http2Pool({
        dial: (address, signal) => this.#open(address, signal, ['h2', 'http/1.1']),
        adopt: options.http2 === 'auto' ? (address, connection) => this.#pool.adopt(address, connection) : undefined,
        idleMs: options.keepIdleMs ?? 30_000,
      });
    this.#logins = new HttpLogins(options.allowInsecureAuth ?? false);
    this.#interceptors = options.interceptors ?? [];
    this.#cache = options.cache === true ? new HttpCache() : options.cache === false ? undefined : options.cache;
    this.#netrc = options.netrc ?? false;
    if (options.cookies === true) this.#cookies = newCookieStore();
    else if (typeof options.cookies === 'object') this.#cookies = options.cookies;
    let settle!: () => void;
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settleClosed = settle;
  }

  /** A client for one origin, with a connection to it open: so what is wrong with it shows now. */
  static async connect(baseUrl: string, options: HttpClientOptions = {}): Promise<HttpClient> {
    const client = new HttpClient({ ...options, baseUrl });
    try {
      const base = client.#base as HttpAddress;
      if (base.secure && (await client.#http2?.acquire(base, options.signal)) !== undefined) return client;
      const lease = await client.#pool.acquire(base, options.signal);
      client.#pool.release(lease, true);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Connections that are open, idle ones among them. */
  get connectionCount(): number {
    return this.#pool.connectionCount + (this.#http2?.connectionCount ?? 0);
  }

  /**
   * Sends a request and resolves with the response when its head has come. Rejects with UsageError before a byte has left, with
   * ConnectError, TlsError, TimeoutError, ClosedError or ProtocolError where no answer came, or with the signal's reason.
   */
  async request(url: string | URL, options: HttpRequestOptions = noOptions): Promise<HttpResponse> {
    const settings = readRequestOptions(options, this.#settings);
    const address = this.#address(url, options);
    const signal = callSignal(options);
    signal?.throwIfAborted();
    const body = hasBody(options) ? await readBody(options) : undefined;
    const method = readMethod(options.method ?? (body === undefined ? 'GET' : 'POST'));
    if (body !== undefined && ['GET', 'HEAD', 'TRACE'].includes(method))
      throw new UsageError(`${method} has no body; use POST, PUT, PATCH or QUERY`);
    const call: Call = { options, settings, signal, loginOrigin: undefined, login: undefined, redirects: [] };
    const needed = this.#setLogin(call, address);
    if (needed !== undefined) await needed;
    return this.#follow({ method, address, headers: settings.headers, body }, call);
  }

  get(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request(url, { ...options, method: 'GET' });
  }

  head(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request(url, { ...options, method: 'HEAD' });
  }

  post(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request(url, { ...options, method: 'POST' });
  }

  put(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request(url, { ...options, method: 'PUT' });
  }

  delete(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request(url, { ...options, method: 'DELETE' });
  }

  /**
   * Asks the server to speak another protocol on this connection, and hands the connection over when it agrees. UnsupportedError when it
   * does not. @see RFC 9110 section 7.8
   */
  async upgrade(
    url: string | URL,
    protocol: string,
    options: Pick<HttpRequestOptions, 'headers' | 'signal'> = {},
  ): Promise<HttpUpgrade> {
    const settings = readRequestOptions(options, this.#settings);
    const address = this.#address(url, {});
    const headers = this.#wireHeaders(address, settings.headers, settings, undefined);
    headers.delete('connection');
    headers.append('Connection', 'Upgrade').append('Upgrade', protocol);
    const lease = await this.#pool.acquire(address, options.signal);
    const request = { method: 'GET', target: address.path, headers, body: undefined, signal: options.signal };
    let answer: WireAnswer;
    try {
      answer = await exchange(lease, request);
    } catch (error) {
      this.#pool.release(lease, false);
      throw error;
    }
    if (answer.head.status === 101) return { connection: this.#pool.detach(lease), headers: answer.head.headers };
    this.#pool.release(lease, false);
    throw new UnsupportedError(
      `${address.origin} did not switch to ${protocol}: ${answer.head.status} ${answer.head.reason}`,
      { protocol: 'HTTP', reason: 'NO_UPGRADE' },
    );
  }

  /** Closes all connections; what is under way rejects. May be called twice. */
  async close(): Promise<void> {
    this.#closing.abort(new ClosedError('the HTTP client was closed', { protocol: 'HTTP', temporary: false }));
    this.#http2?.close();
    await this.#pool.close();
    this.#settleClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #address(url: string | URL, options: HttpRequestOptions): HttpAddress {
    const { query } = options;
    if (query === undefined) return readAddress(url, this.#base);
    const full = new URL(readAddress(url, this.#base).url);
    const pairs =
      query instanceof URLSearchParams
        ? [...query]
        : Object.entries(query).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, String(value)] as const],
          );
    for (const [name, value] of pairs) full.searchParams.append(name, value);
    return readAddress(full.href, this.#base);
  }

  /** Who asks: the options, the URL, or .netrc; for this origin alone. */
  #setLogin(call: Call, address: HttpAddress): undefined | Promise<void> {
    const { auth, headers } = call.settings;
    if (headers.has('authorization')) return undefined;
    call.loginOrigin = address.origin;
    if (auth !== undefined) call.login = auth;
    else if (address.user !== undefined && address.password !== undefined)
      call.login = { user: address.user, password: address.password };
    else if (this.#netrc !== false) return this.#netrcLogin(call, address, this.#netrc);
    return undefined;
  }

  async #netrcLogin(call: Call, address: HttpAddress, file: string | true): Promise<void> {
    const entries = await readNetrc(file === true ? undefined : file);
    const found = netrcLogin(entries, address.host, address.user);
    if (found !== undefined) call.login = { user: found.user, password: new Secret(found.password) };
  }

  async #follow(first: Hop, call: Call): Promise<HttpResponse> {
    const { maxRedirects, sensitive } = call.settings;
    let hop = first;
    for (;;) {
      const response = await this.#intercepted(hop, call);
      const { status } = response;
      const location = isRedirect(status) && maxRedirects > 0 ? response.headers.get('location') : undefined;
      if (location === undefined) return response;
      // A short one is read, so that the connection can be used again; a long one is not worth it.
      await response.dispose();
      call.redirects.push(hop.address.url);
      if (call.redirects.length > maxRedirects) throw tooManyRedirects(call.redirects);
      const next = nextHop(hop, status, location, sensitive);
      if (next.address.origin !== hop.address.origin) call.loginOrigin = undefined;
      hop = next;
    }
  }

  #intercepted(hop: Hop, call: Call): Promise<HttpResponse> {
    if (this.#interceptors.length === 0) return this.#cached(hop, call);
    let next = (request: HttpRequest): Promise<HttpResponse> =>
      this.#cached({ ...request, address: readAddress(request.url) }, call);
    for (const interceptor of [...this.#interceptors].reverse()) {
      const inner = next;
      next = (request) => interceptor(request, inner);
    }
    const { method, address, headers, body } = hop;
    return next({ method, url: address.url, headers: new HttpFields(headers), body });
  }

  #cached(hop: Hop, call: Call): Promise<HttpResponse> {
    return this.#cache === undefined ? this.#send(hop, call) : this.#throughCache(this.#cache, hop, call);
  }

  async #throughCache(cache: HttpCache, hop: Hop, call: Call): Promise<HttpResponse> {
    const { address, method } = hop;
    const { settings, options } = call;
    const login = call.loginOrigin === address.origin && call.login !== undefined;
    // The cache need not know who, only that it is not for everybody; what varies by it matches nothing.
    const headers = this.#wireHeaders(address, hop.headers, settings, login ? `for ${randomHex(8)}` : undefined);
    const cookies = await this.#cookies;
    const cookie = cookies === undefined ? undefined : await cookieField(cookies, address);
    if (cookie !== undefined) headers.setDefault('Cookie', cookie);
    const request: CacheableRequest = {
      method,
      url: address.url,
      headers,
      form: settings.decompress ? 'decoded' : 'raw',
      reply: (head, body) =>
        new HttpResponse({
          head,
          method,
          url: address.url,
          redirects: call.redirects,
          body: watched(body, { ...options, minBytesPerSecond: undefined }),
          trailers: () => undefined,
          delimited: true,
          maxBytes: this.#limits.messageBytes,
        }),
    };
    return cache.answer(request, (conditions) =>
      this.#send(
        { ...hop, headers: conditions === undefined ? hop.headers : new HttpFields(hop.headers).addAll(conditions) },
        call,
      ),
    );
  }

  /** One hop with its retries. */
  #send(hop: Hop, call: Call): Promise<HttpResponse> {
    return call.settings.retries.count === 0 ? this.#loggedIn(hop, call) : this.#repeated(hop, call);
  }

  async #repeated(hop: Hop, call: Call): Promise<HttpResponse> {
    const { retries } = call.settings;
    const mayRepeat = isIdempotent(hop.method) && hop.body?.replayable !== false;
    for (let attempt = 1; ; attempt++) {
      const again = mayRepeat && attempt <= retries.count;
      let retryAfter: string | undefined;
      try {
        const response = await this.#loggedIn(hop, call);
        if (!again || !isPassingStatus(response.status)) return response;
        retryAfter = response.headers.get('retry-after');
        await response.dispose();
      } catch (error) {
        if (!again || call.signal?.aborted === true || !isPassingError(error)) throw error;
      }
      const signals = [this.#closing.signal, ...(call.signal === undefined ? [] : [call.signal])];
      await wait(retryDelayMs(retries, attempt, retryAfter), AbortSignal.any(signals));
    }
  }

  /** One attempt, and a second with the credentials that the first was asked for. */
  #loggedIn(hop: Hop, call: Call): Promise<HttpResponse> {
    const auth = call.loginOrigin === hop.address.origin ? call.login : undefined;
    return auth === undefined ? this.#once(hop, call, undefined) : this.#withLogin(hop, call, auth);
  }

  async #withLogin(hop: Hop, call: Call, auth: HttpAuth): Promise<HttpResponse> {
    let sent = this.#logins.field(auth, hop);
    for (let round = 0; ; round++) {
      const response = await this.#once(hop, call, sent);
      if (response.status !== 401 || hop.body?.replayable === false || round >= 2) return response;
      const answer = this.#logins.answer(auth, hop, response.headers, sent);
      if (answer === undefined) return response;
      sent = answer;
      await response.dispose();
    }
  }

  async #once(hop: Hop, call: Call, authorization: string | undefined): Promise<HttpResponse> {
    const { address, method, body } = hop;
    const { options, signal } = call;
    const cookies = this.#cookies instanceof Promise ? (this.#cookies = await this.#cookies) : this.#cookies;
    const isPlain =
      options === noOptions &&
      method === 'GET' &&
      authorization === undefined &&
      cookies === undefined &&
      hop.headers === this.#settings.headers;
    const request = isPlain
      ? this.#plainRequest(hop, call)
      : this.#wireRequest(
          hop,
          call,
          authorization,
          cookies === undefined ? undefined : await cookieField(cookies, address),
        );
    const canRepeat = isIdempotent(method) && body?.replayable !== false;
    if (this.#http2 !== undefined && address.secure) {
      const answer = await this.#byHttp2(this.#http2, address, request, canRepeat);
      if (answer !== undefined) {
        if (cookies !== undefined && answer.head.headers.has('set-cookie'))
          await storeCookies(cookies, address, answer.head.headers);
        return this.#response(answer.head, answer.body, hop, call);
      }
    }
    for (let anew = false; ; anew = true) {
      const leased = this.#pool.acquire(address, signal, anew);
      const lease = leased instanceof Promise ? await leased : leased;
      let answer: WireAnswer;
      try {
        answer = await exchange(lease, request);
      } catch (error) {
        const stale = diedUnanswered(error, lease);
        this.#pool.release(lease, false);
        // The server had closed it while it was idle: nobody has seen the request.
        if (stale && canRepeat && !anew && signal?.aborted !== true) continue;
        throw error;
      }
      if (cookies !== undefined && answer.head.headers.has('set-cookie'))
        await storeCookies(cookies, address, answer.head.headers);
      const wire = openBody(this.#pool, lease, method, answer, request.headers.has('connection'), { signal });
      return this.#response(answer.head, wire, hop, call, () => lease.connection.destroy());
    }
  }

  /** By HTTP/2; undefined where the server speaks HTTP/1.1. What it refused unseen is sent once more, by another connection if need be. */
  async #byHttp2(
    pool: Http2Pool,
    address: HttpAddress,
    request: WireRequest,
    canRepeat: boolean,
  ): Promise<Http2Answer | undefined> {
    const { body, signal } = request;
    for (let attempt = 1; ; attempt++) {
      const connection = await pool.acquire(address, signal);
      if (connection === undefined) return undefined;
      try {
        return await connection.exchange(request);
      } catch (error) {
        signal?.throwIfAborted();
        const unseen = error instanceof RefusedStream;
        // Idle connections may end as a request leaves.
        const stale = !connection.open && error instanceof ClosedError && canRepeat;
        if (attempt < 3 && (stale || (unseen && body?.replayable !== false))) continue;
        if (!unseen) throw error;
        throw new ClosedError(`${address.origin} refused the request`, {
          protocol: 'HTTP',
          reason: 'REFUSED',
          cause: error,
        });
      }
    }
  }

  /** Of a request that brings nothing of its own: the same each time. */
  #plainRequest(hop: Hop, call: Call): WireRequest {
    const known = this.#plainRequests.get(hop.address);
    if (known !== undefined) return known;
    const request = this.#wireRequest(hop, call, undefined, undefined);
    const made = { ...request, encoded: encodeRequestHead(request) };
    // With sensitive headers the shown form depends on more.
    if (request.isSecret === undefined) this.#plainRequests.set(hop.address, made);
    return request.isSecret === undefined ? made : request;
  }

  #wireRequest(hop: Hop, call: Call, authorization: string | undefined, cookie: string | undefined): WireRequest {
    const { address, method, body } = hop;
    const { options, settings, signal } = call;
    const headers = this.#wireHeaders(address, hop.headers, settings, authorization);
    if (cookie !== undefined) headers.setDefault('Cookie', cookie);
    if (body !== undefined) {
      if (body.contentType !== undefined) headers.setDefault('Content-Type', body.contentType);
      if (body.byteCount === undefined) headers.append('Transfer-Encoding', 'chunked');
      else headers.append('Content-Length', String(body.byteCount));
    } else if (method === 'POST' || method === 'PUT' || method === 'PATCH') headers.append('Content-Length', '0');
    const expectMs = body === undefined ? undefined : readExpect(options.expectContinue);
    if (expectMs !== undefined) headers.append('Expect', '100-continue');
    const { sensitive } = settings;
    const proxy = this.#httpProxy(address);
    if (proxy?.login !== undefined) {
      const { user, password } = proxy.login;
      headers.set('Proxy-Authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
    }
    return {
      method,
      target: proxy === undefined ? address.path : address.url,
      headers,
      body,
      signal,
      expectMs,
      onInformation: options.onInformation,
      onUploadProgress: options.onUploadProgress,
      isSecret: sensitive.length === 0 ? undefined : (name: string) => sensitive.includes(name),
    };
  }

  #response(head: HttpResponseHead, wire: WireBody, hop: Hop, call: Call, giveUp?: () => void): HttpResponse {
    const { options, settings } = call;
    let body = wire.stream;
    const bodiless = hop.method === 'HEAD' || head.status === 204 || head.status === 304;
    if (options.onProgress !== undefined || options.minBytesPerSecond !== undefined)
      body = watched(body, { ...options, maxBytes: undefined });
    if (settings.decompress && !bodiless && head.headers.has('content-encoding')) {
      let chain;
      try {
        chain = readCodings(head.headers.get('content-encoding'));
      } catch (error) {
        if (giveUp !== undefined) giveUp();
        else void wire.stream[Symbol.asyncDispose]();
        throw error;
      }
      if (chain !== undefined && chain.length > 0) body = decompress(body, chain, settings.maxDecompressionRatio);
    }
    if (options.maxBytes !== undefined) body = watched(body, { maxBytes: options.maxBytes });
    return new HttpResponse({
      head,
      method: hop.method,
      url: hop.address.url,
      redirects: call.redirects,
      body,
      trailers: wire.trailers,
      delimited: wire.delimited,
      maxBytes: this.#limits.messageBytes,
    });
  }

  /** All fields but those of the body. */
  #wireHeaders(
    address: HttpAddress,
    given: HttpFields,
    settings: SharedSettings,
    authorization: string | undefined,
  ): HttpFields {
    const headers = new HttpFields();
    // Host first: RFC 9110 section 7.2 asks for it.
    if (!given.has('host')) headers.addChecked('Host', 'host', address.authority);
    headers.addAll(given);
    // The range of a compressed form would be of no use.
    if (settings.decompress && !given.has('accept-encoding') && !given.has('range'))
      headers.addChecked('Accept-Encoding', 'accept-encoding', acceptEncoding);
    if (authorization !== undefined) headers.set('Authorization', authorization);
    return headers;
  }

  /**
   * The one HTTP proxy that a plain request is sent to as it is: few of them allow a tunnel to port 80. For TLS, for SOCKS and for chains the
   * socket layer makes a tunnel. @see RFC 9112 section 3.2.2
   */
  #httpProxy(address: HttpAddress): Proxy | undefined {
    if (address.secure || this.#dial.proxy === undefined) return undefined;
    const [proxy, second] = resolveProxies(this.#dial.proxy, 'HTTP', { host: address.host, port: address.port });
    return second === undefined && (proxy?.scheme === 'http' || proxy?.scheme === 'https') ? proxy : undefined;
  }

  async #open(address: HttpAddress, signal: AbortSignal | undefined, alpn?: readonly string[]): Promise<Connection> {
    const { host, port, secure } = address;
    // Client certificates are for the origin that they were given for.
    const { certificate: _certificate, key: _key, passphrase: _passphrase, ...others } = this.#tls;
    const tls = this.#base === undefined || this.#base.origin === address.origin ? this.#tls : others;
    const proxy = this.#httpProxy(address);
    if (proxy !== undefined) {
      const { proxy: _proxy, proxyTls, blockAddresses, ...direct } = this.#dial;
      if (blockAddresses !== undefined)
        throw new UsageError('blockAddresses cannot be checked through a proxy: the proxy looks the name up');
      const place = { host: proxy.host, port: proxy.port, implicitTls: proxy.scheme === 'https', tls: proxyTls };
      return dial({ protocol: 'HTTP proxy', ...place }, { ...direct, signal });
    }
    // The scheme's name, by which the environment names its proxy.
    return dial(
      {
        protocol: secure ? 'HTTPS' : 'HTTP',
        host,
        port,
        implicitTls: secure,
        tls: alpn === undefined ? tls : { ...tls, alpn },
      },
      { ...this.#dial, signal },
    );
  }
}

const standardMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/** Methods compare with case; the usual ones may be written in any. */
function readMethod(method: unknown): string {
  if (typeof method !== 'string' || !isToken(method))
    throw new UsageError(`the method must be a token such as GET; got ${JSON.stringify(method)}`);
  const upper = method.toUpperCase();
  if (upper === 'CONNECT') throw new UsageError('CONNECT is for proxies: it is not a request that can be made');
  return standardMethods.has(upper) ? upper : method;
}

function readExpect(given: boolean | number | undefined): number | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true) return 1000;
  if (typeof given !== 'number' || !(given > 0))
    throw new UsageError('expectContinue must be true or a positive number of milliseconds');
  return Math.min(given, 2 ** 31 - 1);
}

/** The caller's signal and the deadline of the whole call as one. */
function callSignal(options: HttpRequestOptions): AbortSignal | undefined {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return undefined;
  checkCall({ signal, timeoutMs });
  if (timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY) return signal;
  const controller = new AbortController();
  const expire = (): void =>
    controller.abort(
      new TimeoutError(`the HTTP request took longer than ${timeoutMs} ms`, { protocol: 'HTTP', phase: 'total' }),
    );
  // The socket keeps the process alive, as long as there is something to wait for.
  setTimeout(expire, Math.min(timeoutMs, 2 ** 31 - 1)).unref();
  return signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
}
