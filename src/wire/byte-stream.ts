import { LimitError, UsageError } from '../errors.ts';
import { concatBytes, decodeText, encodeText } from './bytes.ts';

/** Everything a caller may give as bytes: held, or streamed by Node, the web, or an async generator. */
export type ByteSource =
  | string
  | Uint8Array
  | ArrayBuffer
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** A source that can lend its chunks: each is good until the consumer's promise settles. */
export interface LendingSource extends AsyncIterable<Uint8Array> {
  forEach?(consume: (chunk: Uint8Array) => void | Promise<void>): Promise<void>;
}

/**
 * Bytes that are read once, as they come: an async iterable that also collects itself or becomes a web stream. Leaving a loop
 * early closes the source.
 */
export class ByteStream implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly #source: LendingSource;
  readonly #iterator: AsyncIterator<Uint8Array, unknown>;
  /** Length in bytes where it is known beforehand. */
  readonly sizeBytes: number | undefined;

  constructor(source: LendingSource, sizeBytes?: number) {
    this.#source = source;
    this.#iterator = source[Symbol.asyncIterator]();
    this.sizeBytes = sizeBytes;
  }

  /** Chunks that are all there. `onEnd` hears when they are read, or given up. */
  static of(chunks: readonly Uint8Array[], onEnd?: () => void): ByteStream {
    let sizeBytes = 0;
    for (const chunk of chunks) sizeBytes += chunk.length;
    return new ByteStream(new HeldChunks(chunks, onEnd), sizeBytes);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, unknown> {
    return this.#iterator;
  }

  /**
   * Gives every chunk to `consume` and waits for it. The chunk is lent: it may be overwritten once `consume` has returned, or its promise
   * has settled. The cheapest way to write a long stream somewhere, in memory that does not grow. Resolves with the count of bytes.
   */
  async forEach(consume: (chunk: Uint8Array) => void | Promise<void>): Promise<number> {
    let byteCount = 0;
    const count = (chunk: Uint8Array): void | Promise<void> => {
      byteCount += chunk.length;
      return consume(chunk);
    };
    if (this.#source.forEach !== undefined) await this.#source.forEach(count);
    else for await (const chunk of this) await count(chunk);
    return byteCount;
  }

  /** All that is left, in memory. LimitError when it is more than `maxBytes`. */
  async bytes(maxBytes: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const add = (chunk: Uint8Array): void => {
      length += chunk.length;
      if (length > maxBytes) throw new LimitError(`the stream is longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    };
    if (this.#source instanceof HeldChunks) for (const chunk of this.#source.takeAll()) add(chunk);
    else for await (const chunk of this) add(chunk);
    return concatBytes(chunks);
  }

  /** All that is left as text: UTF-8 where valid, else Latin-1. */
  async text(maxBytes?: number): Promise<string> {
    return decodeText(await this.bytes(maxBytes));
  }

  /** A web stream over the rest, with back-pressure. */
  toWeb(): ReadableStream<Uint8Array> {
    const iterator = this.#iterator;
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller): Promise<void> {
          const { done, value } = await iterator.next();
          if (done === true) controller.close();
          else controller.enqueue(value);
        },
        async cancel(): Promise<void> {
          await iterator.return?.();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Gives up the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#iterator.return?.();
  }
}

/** Chunks that wait for nothing. */
class HeldChunks implements LendingSource, AsyncIterator<Uint8Array, undefined> {
  #chunks: readonly Uint8Array[];
  #next = 0;
  #onEnd: (() => void) | undefined;

  constructor(chunks: readonly Uint8Array[], onEnd: (() => void) | undefined) {
    this.#chunks = chunks;
    this.#onEnd = onEnd;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  takeAll(): readonly Uint8Array[] {
    const left = this.#chunks.slice(this.#next);
    this.#chunks = [];
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.();
    return left;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this.#chunks[this.#next++];
    if (value !== undefined) return { done: false, value };
    this.takeAll();
    return { done: true, value };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.takeAll();
    return { done: true, value: undefined };
  }
}

/** Any byte source as async chunks; strings are UTF-8. UsageError for a value that is none. */
export function iterateBytes(source: ByteSource, name = 'the source'): AsyncIterable<Uint8Array> {
  if (typeof source === 'string') return once(encodeText(source));
  if (source instanceof Uint8Array) return once(source);
  if (source instanceof ArrayBuffer) return once(new Uint8Array(source));
  if (typeof source === 'object' && source !== null) {
    // Node and web streams, generators: all are async iterable.
    if (Symbol.asyncIterator in source) return asBytes(source as AsyncIterable<unknown>, name);
    if (Symbol.iterator in source) return asBytes(source as Iterable<unknown>, name);
    if ('getReader' in source) return readWeb(source as ReadableStream<Uint8Array>);
  }
  throw new UsageError(`${name} must be a string, bytes, or a stream of bytes; got ${typeof source}`);
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

async function* asBytes(source: AsyncIterable<unknown> | Iterable<unknown>, name: string): AsyncIterable<Uint8Array> {
  for await (const chunk of source) {
    if (chunk instanceof Uint8Array) yield chunk;
    else if (typeof chunk === 'string') yield encodeText(chunk);
    else throw new UsageError(`${name} yielded ${typeof chunk}; expected bytes or text`);
  }
}

async function* readWeb(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}
