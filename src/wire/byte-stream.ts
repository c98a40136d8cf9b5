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

/**
 * Bytes that are read once, as they come: an async iterable that also collects itself or becomes a web stream. Leaving a loop
 * early closes the source.
 */
export class ByteStream implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly #iterator: AsyncIterator<Uint8Array, unknown>;
  /** Length in bytes where it is known beforehand. */
  readonly sizeBytes: number | undefined;

  constructor(source: AsyncIterable<Uint8Array>, sizeBytes?: number) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.sizeBytes = sizeBytes;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, unknown> {
    return this.#iterator;
  }

  /** All that is left, in memory. LimitError when it is more than `maxBytes`. */
  async bytes(maxBytes: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this) {
      length += chunk.length;
      if (length > maxBytes) throw new LimitError(`the stream is longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
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
