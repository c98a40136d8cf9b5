import { HttpFields, type HttpFieldsInit } from '../http/index.ts';
import { decodeCharset } from '../mime/charset.ts';
import { parseParameterized } from '../mime/parameters.ts';
import { ByteStream, type LendingSource } from '../wire/byte-stream.ts';

/** Where the bytes come from: a ByteStream, or any other that may lend its chunks. */
export interface OpenedSource extends AsyncIterable<Uint8Array> {
  forEach?(consume: (chunk: Uint8Array) => void | Promise<void>): Promise<unknown>;
}

export interface OpenedParts {
  readonly url: string;
  readonly headers?: HttpFieldsInit | undefined;
  readonly sizeBytes?: number | undefined;
  readonly source: OpenedSource;
  /**
   * Called once, when the source has ended (`whole`), failed, or was given up: closes what is below it. What it throws at the end of the
   * source is thrown to the reader.
   */
  readonly close?: ((whole: boolean) => void | Promise<void>) | undefined;
}

/**
 * What a URL led to: its bytes, read once, as they come. Whatever was opened for it is closed with its end, or when it is given up: leaving
 * the loop, or `await using`.
 */
export class OpenedUrl extends ByteStream {
  /** Where the bytes come from: behind all redirects, without a password. */
  readonly url: string;
  /** What is known of it: of HTTP the response's fields, of other schemes Content-Type, Content-Length, Last-Modified as far as they tell. */
  readonly headers: HttpFields;

  constructor(parts: OpenedParts) {
    super(new ClosingSource(parts.source, parts.close), parts.sizeBytes);
    this.url = parts.url;
    this.headers = new HttpFields(parts.headers);
  }

  /** The media type with its parameters: 'text/html; charset=utf-8'. */
  get contentType(): string | undefined {
    return this.headers.get('content-type');
  }

  /** All that is left as text, by the charset of its type; where none is given UTF-8 if it is valid, else Windows-1252. */
  override async text(maxBytes?: number): Promise<string> {
    const type = this.contentType;
    const parameters = type === undefined ? undefined : parseParameterized(type, { maxParameters: 20 }).parameters;
    return decodeCharset(await this.bytes(maxBytes), parameters?.get('charset')).text;
  }
}

/** A source that closes what is below it, even when it is given up before its first byte. */
class ClosingSource implements LendingSource {
  readonly #source: OpenedSource;
  readonly #iterator: AsyncIterator<Uint8Array, unknown>;
  readonly #close: OpenedParts['close'];
  #closed = false;

  constructor(source: OpenedSource, close: OpenedParts['close']) {
    this.#source = source;
    this.#iterator = source[Symbol.asyncIterator]();
    this.#close = close;
  }

  async forEach(consume: (chunk: Uint8Array) => void | Promise<void>): Promise<void> {
    await this.#guarded(async () => {
      if (this.#source.forEach !== undefined) await this.#source.forEach(consume);
      else for await (const chunk of { [Symbol.asyncIterator]: () => this.#iterator }) await consume(chunk);
    });
    await this.#end(true);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: async () => {
        const result = await this.#guarded(() => this.#iterator.next());
        if (result.done !== true) return result;
        await this.#end(true);
        return { done: true, value: undefined };
      },
      return: async () => {
        // Below first: what waits there for its reader would not hear of this else.
        const closing = this.#end(false);
        await Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
        await closing.catch(() => undefined);
        return { done: true, value: undefined };
      },
    };
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      await this.#end(false).catch(() => undefined);
      throw error;
    }
  }

  async #end(whole: boolean): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#close?.(whole);
  }
}
