import CachePolicy from 'http-cache-semantics';
import { UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { concatBytes, encodeText } from '../wire/bytes.ts';
import { wholeNumber } from '../wire/limits.ts';
import { HttpFields } from './fields.ts';
import type { HttpResponseHead } from './codec.ts';
import type { HttpResponse } from './response.ts';

export interface HttpCacheOptions {
  /** Of all stored responses together; those used longest ago go first. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Of one response; a longer one is not stored. Default: an eighth of `maxBytes`. */
  readonly maxEntryBytes?: number | undefined;
  /**
   * Whether what is stored may serve more than one user: then nothing `private` is stored, and of what was asked for with a login only what
   * the server declares `public`, or the like. Default true: a program acts for many. @see RFC 9111 section 3.5
   */
  readonly shared?: boolean | undefined;
}

/** A request as the cache sees it: with all fields that a response may vary by. */
export interface CacheableRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HttpFields;
  /** What else tells one stored form from another: bodies are stored as they are handed over. */
  readonly form: string;
  /** Makes the response of what is stored. */
  readonly reply: (head: HttpResponseHead, body: ByteStream) => HttpResponse;
}

/** Sends the request, with these fields beside its own. */
export type SendUncached = (conditions: HttpFields | undefined) => Promise<HttpResponse>;

interface Entry {
  policy: CachePolicy;
  readonly status: number;
  readonly reason: string;
  readonly body: Uint8Array;
  /** The request's values of the fields that the response varies by. */
  readonly variant: ReadonlyMap<string, string | undefined>;
  readonly sizeBytes: number;
}

/** Fields by which a caller asks for something that a stored response is no answer to. */
const conditions = ['range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

/**
 * Responses kept in memory, by the rules of RFC 9111: fresh ones are answered from here, stale ones are asked for again by their ETag or
 * date, and what must not be stored is not. GET alone; a redirect that is followed, and a body that is not read to its end, are not stored.
 */
export class HttpCache {
  readonly #maxBytes: number;
  readonly #maxEntryBytes: number;
  readonly #shared: boolean;
  /** Forms of a URL, by it; the one used last is last. */
  readonly #entries = new Map<string, Entry[]>();
  #sizeBytes = 0;
  /** How often something was invalidated. */
  #changes = 0;

  constructor(options: HttpCacheOptions = {}) {
    checkOptions('cache', options, ['maxBytes', 'maxEntryBytes', 'shared']);
    this.#maxBytes = wholeNumber('maxBytes', options.maxBytes ?? 64 * 1024 * 1024);
    this.#maxEntryBytes = wholeNumber('maxEntryBytes', options.maxEntryBytes ?? Math.floor(this.#maxBytes / 8));
    if (options.shared !== undefined && typeof options.shared !== 'boolean')
      throw new UsageError('shared must be true or false');
    this.#shared = options.shared ?? true;
  }

  /** Bytes stored now, header fields among them. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#sizeBytes = 0;
  }

  /** The response to a request, from here or by `send`. */
  async answer(request: CacheableRequest, send: SendUncached): Promise<HttpResponse> {
    if (request.method !== 'GET') {
      const response = await send(undefined);
      if (!isSafe(request.method) && response.status >= 200 && response.status < 400)
        this.#invalidate(request, response);
      return response;
    }
    if (conditions.some((name) => request.headers.has(name))) return send(undefined);
    const asked = asRequest(request);
    const changes = this.#changes;
    const entry = this.#find(request);
    if (entry?.policy.satisfiesWithoutRevalidation(asked) === true) return replay(entry, request);
    if (/(?:^|[ ,])only-if-cached(?:$|[ ,])/i.test(request.headers.get('cache-control') ?? ''))
      return request.reply(
        { status: 504, reason: 'Not in the cache', minor: 1, headers: new HttpFields() },
        ByteStream.of([]),
      );
    return entry === undefined
      ? this.#store(request, await send(undefined), changes)
      : this.#revalidate(request, entry, send, changes);
  }

  async #revalidate(
    request: CacheableRequest,
    entry: Entry,
    send: SendUncached,
    changes: number,
  ): Promise<HttpResponse> {
    const asked = asRequest(request);
    const validators = new HttpFields();
    const told = entry.policy.revalidationHeaders(asked);
    for (const name of ['if-none-match', 'if-modified-since']) {
      const value = told[name];
      if (typeof value === 'string')
        validators.append(name === 'if-none-match' ? 'If-None-Match' : 'If-Modified-Since', value);
    }
    const response = await send(validators.count === 0 ? undefined : validators);
    const { policy, modified, matches } = entry.policy.revalidatedPolicy(asked, asResponse(response));
    if (modified) return this.#store(request, response, changes);
    await response.dispose();
    if (matches) {
      entry.policy = policy;
      return replay(entry, request);
    }
    // It says "not modified" of something else than what is here.
    this.#remove(request, entry);
    return this.#store(request, await send(undefined), changes);
  }

  /** The form of it that the request's own fields select, and it is now the one used last. */
  #find(request: CacheableRequest): Entry | undefined {
    const key = keyOf(request);
    const forms = this.#entries.get(key);
    const found = forms?.findLast((entry) =>
      [...entry.variant].every(([name, value]) => request.headers.get(name) === value),
    );
    if (forms === undefined || found === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, forms);
    return found;
  }

  /** The response, which is stored once it has been read to its end, if it may be, and nothing has changed since it was asked for. */
  #store(request: CacheableRequest, response: HttpResponse, changes: number): HttpResponse {
    const policy = new CachePolicy(asRequest(request), asResponse(response), { shared: this.#shared });
    const vary = response.headers.tokens('vary');
    const worth = policy.timeToLive() > 0 || response.headers.has('etag') || response.headers.has('last-modified');
    // A new response to the same request takes the place of the old one, or says that it may not be kept.
    const old = this.#find(request);
    if (old !== undefined && response.status < 500) this.#remove(request, old);
    if (!policy.storable() || !worth || !response.delimited || vary.includes('*')) return response;
    const headBytes = encodeText(response.headers.format()).length + request.url.length;
    const keep = (body: Uint8Array): void => {
      if (changes !== this.#changes) return;
      const variant = new Map(vary.map((name) => [name, request.headers.get(name)]));
      const { status, statusText: reason } = response;
      const entry = { policy, status, reason, body, variant, sizeBytes: body.length + headBytes };
      this.#add(request, entry);
    };
    return response.withBody(remembered(response.stream(), this.#maxEntryBytes - headBytes, keep));
  }

  #add(request: CacheableRequest, entry: Entry): void {
    const old = this.#find(request);
    if (old !== undefined) this.#remove(request, old);
    const key = keyOf(request);
    this.#entries.set(key, [...(this.#entries.get(key) ?? []), entry]);
    this.#sizeBytes += entry.sizeBytes;
    for (const [oldest, forms] of this.#entries) {
      while (this.#sizeBytes > this.#maxBytes && forms.length > 0) this.#sizeBytes -= forms.shift()?.sizeBytes ?? 0;
      if (forms.length > 0) break;
      this.#entries.delete(oldest);
    }
  }

  #remove(request: CacheableRequest, entry: Entry): void {
    const key = keyOf(request);
    const left = this.#entries.get(key)?.filter((each) => each !== entry) ?? [];
    if (left.length === 0) this.#entries.delete(key);
    else this.#entries.set(key, left);
    this.#sizeBytes -= entry.sizeBytes;
  }

  /** What was changed by another request is not what is stored, nor are the places that the answer names. @see RFC 9111 section 4.4 */
  #invalidate(request: CacheableRequest, response: HttpResponse): void {
    this.#changes++;
    const places = [request.url];
    for (const name of ['location', 'content-location']) {
      const value = response.headers.get(name);
      if (value === undefined || !URL.canParse(value, request.url)) continue;
      const place = new URL(value, request.url);
      place.hash = '';
      if (place.origin === new URL(request.url).origin) places.push(place.href);
    }
    for (const [key, forms] of this.#entries)
      if (places.some((place) => key.endsWith(` ${place}`))) {
        for (const { sizeBytes } of forms) this.#sizeBytes -= sizeBytes;
        this.#entries.delete(key);
      }
  }
}

const keyOf = ({ form, url }: CacheableRequest): string => `${form} ${url}`;
const isSafe = (method: string): boolean => ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY'].includes(method);

const asRequest = ({ method, url, headers }: CacheableRequest): CachePolicy.Request => ({
  method,
  url,
  headers: headers.toJSON(),
});

const asResponse = ({ status, headers }: HttpResponse): CachePolicy.Response => ({
  status,
  headers: { ...headers.toJSON(), ...(headers.has('set-cookie') ? { 'set-cookie': headers.all('set-cookie') } : {}) },
});

/** A stored response, with its age. */
function replay(entry: Entry, request: CacheableRequest): HttpResponse {
  const headers = new HttpFields();
  for (const [name, value] of Object.entries(entry.policy.responseHeaders()))
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) headers.append(name, each);
  const { body, status, reason } = entry;
  // Whoever reads it may write to it.
  const chunks = body.length === 0 ? [] : [new Uint8Array(body)];
  return request.reply({ status, reason, minor: 1, headers }, ByteStream.of(chunks));
}

/** The stream, its bytes kept on the way, and told when all of them are there; not kept when they are more than `maxBytes`. */
function remembered(stream: ByteStream, maxBytes: number, keep: (body: Uint8Array) => void): ByteStream {
  let chunks: Uint8Array[] | undefined = [];
  let length = 0;
  const add = (chunk: Uint8Array): void => {
    length += chunk.length;
    if (length > maxBytes) chunks = undefined;
    // Lent, or the reader's own from here on.
    chunks?.push(new Uint8Array(chunk));
  };
  const end = (): void => {
    if (chunks !== undefined) keep(concatBytes(chunks));
    chunks = undefined;
  };
  const iterator = stream[Symbol.asyncIterator]();
  return new ByteStream(
    {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          const result = await iterator.next();
          if (result.done === true) {
            end();
            return { done: true, value: undefined };
          }
          add(result.value);
          return result;
        },
        return: async () => {
          chunks = undefined;
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      }),
      forEach: async (consume) => {
        await stream.forEach((chunk) => {
          add(chunk);
          return consume(chunk);
        });
        end();
      },
    },
    stream.sizeBytes,
  );
}
