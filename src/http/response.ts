import { ProtocolError, ReplyError, messageOf } from '../errors.ts';
import { decodeCharset } from '../mime/charset.ts';
import { parseParameterized } from '../mime/parameters.ts';
import type { ByteStream } from '../wire/byte-stream.ts';
import { type HttpRange, readRanges } from './byte-ranges.ts';
import type { HttpResponseHead } from './codec.ts';
import type { HttpFields } from './fields.ts';

export interface ResponseParts {
  readonly head: HttpResponseHead;
  readonly method: string;
  readonly url: string;
  readonly redirects: readonly string[];
  readonly body: ByteStream;
  readonly trailers: () => HttpFields | undefined;
  readonly delimited: boolean;
  /** What `bytes`, `text` and `json` hold at most. */
  readonly maxBytes: number;
}

/**
 * A response whose head has come. Its body is read once, by one of `bytes`, `text`, `json` and `stream`; until then it holds a connection,
 * unless it came with the head. A response that is not wanted is given up: `await using`, or `dispose`.
 */
export class HttpResponse implements AsyncDisposable {
  readonly #parts: ResponseParts;
  readonly status: number;
  /** The reason phrase, for people alone. */
  readonly statusText: string;
  readonly headers: HttpFields;

  constructor(parts: ResponseParts) {
    this.#parts = parts;
    this.status = parts.head.status;
    this.statusText = parts.head.reason;
    this.headers = parts.head.headers;
  }

  /** This response with its body replaced. */
  withBody(body: ByteStream): HttpResponse {
    return new HttpResponse({ ...this.#parts, body });
  }

  /** True for 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** Where it came from, behind all redirects; without user and password. */
  get url(): string {
    return this.#parts.url;
  }

  /** The method of the request that this answers: a redirect may have changed it. */
  get method(): string {
    return this.#parts.method;
  }

  /** The URLs that redirected here, first one first. */
  get redirects(): readonly string[] {
    return this.#parts.redirects;
  }

  /** Fields behind a chunked body, once it is read; undefined where there were none. They are never part of `headers`. */
  get trailers(): HttpFields | undefined {
    return this.#parts.trailers();
  }

  /** Bytes of the body as it crosses the wire, where the server said. */
  get sizeBytes(): number | undefined {
    return this.#parts.body.sizeBytes;
  }

  /**
   * False where the body ends with the connection, and with nothing else: then nobody can tell all of it from a part. Over TLS neither: Node
   * reports the end of a TCP connection and a close_notify alike (RFC 8446 section 6.1). A reset is an error in any case.
   */
  get delimited(): boolean {
    return this.#parts.delimited;
  }

  /** The body, decompressed, with back-pressure: iterate it, or take its chunks on loan by `forEach`. */
  stream(): ByteStream {
    return this.#parts.body;
  }

  /**
   * The ranges of the file that came, in their order: of a request for several, `Range: bytes=0-99,500-599`, as of one for one; all of it
   * from a server that does not do ranges. Each is read before the next is asked for. @see RFC 9110 section 14.6
   */
  ranges(): AsyncGenerator<HttpRange, void> {
    return readRanges(this.status, this.headers, this.#parts.body);
  }

  /** All of the body. LimitError over `maxBytes` (default: `limits.messageBytes`), and the connection is closed. */
  bytes(maxBytes: number = this.#parts.maxBytes): Promise<Uint8Array> {
    return this.#parts.body.bytes(maxBytes);
  }

  /** The body as text, by the charset of its type; UTF-8 where none is given and it is valid. */
  async text(maxBytes?: number): Promise<string> {
    const bytes = await this.bytes(maxBytes);
    return decodeCharset(bytes, this.#charset()).text;
  }

  /** The body as JSON, in UTF-8. ProtocolError when it is none. */
  async json<T = unknown>(maxBytes?: number): Promise<T> {
    const bytes = await this.bytes(maxBytes);
    try {
      return JSON.parse(decodeCharset(bytes, 'utf-8').text) as T;
    } catch (error) {
      const type = this.headers.get('content-type') ?? 'no content type';
      throw new ProtocolError(
        `the response ${this.status} of ${withoutQuery(this.url)} (${type}) is not JSON: ${messageOf(error)}`,
        {
          protocol: 'HTTP',
          reason: 'BAD_JSON',
          reusable: true,
          cause: error,
        },
      );
    }
  }

  /** This response when it is ok; else ReplyError with the status and the beginning of the body. */
  async expectOk(): Promise<this> {
    if (this.ok) return this;
    const text = await this.text(16 * 1024).catch(() => '');
    const { origin, hostname, port } = new URL(this.url);
    throw new ReplyError(
      `HTTP ${this.method} of ${withoutQuery(this.url)} answered ${this.status} ${this.statusText}`,
      {
        protocol: 'HTTP',
        host: hostname,
        port: port === '' ? (origin.startsWith('https:') ? 443 : 80) : Number(port),
        command: this.method,
        temporary: [408, 425, 429, 500, 502, 503, 504].includes(this.status),
        reply: { code: this.status, text: text.slice(0, 1000) },
      },
    );
  }

  /** Gives up what is left of the body. */
  async dispose(): Promise<void> {
    await this.#parts.body[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #charset(): string | undefined {
    const type = this.headers.get('content-type');
    return type === undefined ? undefined : parseParameterized(type, { maxParameters: 20 }).parameters.get('charset');
  }
}

/** A query may hold secrets: errors leave it out. */
const withoutQuery = (url: string): string => url.replace(/\?.*$/, '');
