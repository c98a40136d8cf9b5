import { type Deflate, type Inflate, constants, createDeflate, createInflate } from 'node:zlib';
import { LimitError, ProtocolError } from '../errors.ts';
import type { CallOptions, Connection, ReadOptions } from '../socket/connection.ts';
import type { WirePart } from '../wire/arguments.ts';
import { ByteQueue, type Decoder } from '../wire/byte-queue.ts';
import { EMPTY, concatBytes } from '../wire/bytes.ts';

/** Output that costs nothing, however little input it came from. */
const FREE_BYTES = 16 * 1024 * 1024;

type Read = Uint8Array | 'end';
const chunkOrEnd: Decoder<Read> = (queue) =>
  queue.length > 0 ? queue.take(queue.length) : queue.ended ? 'end' : undefined;

/**
 * Reads a connection with a decoder, through a decompressor from where the peer says so to where its compressed stream ends. Both roles.
 * Nothing is decompressed ahead of the reader. LimitError where far more comes out than went in.
 */
export class TelnetReader<E> {
  readonly #connection: Connection;
  readonly #decode: Decoder<E>;
  readonly #maxRatio: number;
  /** What was decompressed; undefined until compression began for the first time. */
  #queue: ByteQueue | undefined;
  #inflater: Inflater | undefined;

  constructor(connection: Connection, decode: Decoder<E>, maxRatio: number) {
    this.#connection = connection;
    this.#decode = decode;
    this.#maxRatio = maxRatio;
  }

  /** Everything behind the last event is compressed. One that is in force goes on: streams are not nested. */
  inflate(): void {
    if (this.#inflater !== undefined) return;
    const rest = this.#queue?.take(this.#queue.length) ?? EMPTY;
    this.#queue ??= new ByteQueue();
    this.#inflater = new Inflater(this.#maxRatio);
    this.#inflater.feed(rest);
  }

  /** An event of what has arrived, where that needs no waiting. */
  tryNext(shown: 'text' | 'body' = 'body'): E | undefined {
    return this.#queue === undefined ? this.#connection.tryRead(this.#decode, shown) : this.#decode(this.#queue);
  }

  /** The next event; the decoder decides what the end is. */
  async next(wait: ReadOptions): Promise<E> {
    for (;;) {
      const queue = this.#queue;
      if (queue === undefined) return this.#connection.read(this.#decode, wait);
      const event = this.#decode(queue);
      if (event !== undefined) return event;
      // A decoder that has no event for the end: the connection's own error says it.
      if (queue.ended) return this.#connection.read((): E | undefined => undefined, wait);
      const piece = await this.#inflater?.next();
      if (piece !== undefined) {
        queue.push(piece);
        continue;
      }
      if (this.#inflater?.rest !== undefined) {
        queue.push(this.#inflater.rest);
        this.#stop();
        continue;
      }
      const read = this.#connection.tryRead(chunkOrEnd, 'body') ?? (await this.#connection.read(chunkOrEnd, wait));
      if (read === 'end') {
        queue.end();
        this.#stop();
      } else if (this.#inflater === undefined) queue.push(read);
      else this.#inflater.feed(read);
    }
  }

  /** Frees the decompressor. */
  end(): void {
    this.#stop();
  }

  #stop(): void {
    this.#inflater?.close();
    this.#inflater = undefined;
  }
}

/** One compressed stream, piece by piece as it is asked for. */
class Inflater {
  readonly #zlib: Inflate = createInflate({ chunkSize: 64 * 1024 });
  readonly #maxRatio: number;
  #fed: Uint8Array = EMPTY;
  /** Bytes consumed before the last that was fed. */
  #before = 0;
  #busy = false;
  #outBytes = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  /** What came behind the end of the stream; undefined before it. */
  rest: Uint8Array | undefined;

  constructor(maxRatio: number) {
    this.#maxRatio = maxRatio;
    this.#zlib.on('readable', () => this.#wake?.());
    this.#zlib.on('error', (cause) => {
      this.#failure = new ProtocolError('the peer began compression, and then sent what is no compressed data', {
        reason: 'DEFLATE',
        cause,
      });
      this.#wake?.();
    });
  }

  feed(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#fed = chunk;
    this.#before = this.#zlib.bytesWritten;
    this.#busy = true;
    this.#zlib.write(chunk, () => {
      this.#busy = false;
      this.#wake?.();
    });
  }

  /** The next piece; undefined where more must be fed, or the stream has ended. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const piece = this.#zlib.read() as Uint8Array | null;
      if (piece !== null) {
        this.#count(piece.length);
        return piece;
      }
      if (!this.#busy) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const consumed = this.#zlib.bytesWritten - this.#before;
    if (consumed < this.#fed.length) this.rest = this.#fed.subarray(consumed);
    return undefined;
  }

  close(): void {
    this.#zlib.close();
  }

  #count(byteCount: number): void {
    this.#outBytes += byteCount;
    if (this.#outBytes > FREE_BYTES && this.#outBytes > this.#zlib.bytesWritten * this.#maxRatio)
      throw new LimitError(`what the peer compressed is more than ${this.#maxRatio} times its size`, {
        reason: 'DECOMPRESSION_RATIO',
        hint: 'raise maxDecompressionRatio if that is really what it has to say',
      });
  }
}

/** Writes to a connection, through a compressor while that is asked for; each write is flushed. Both roles. */
export class TelnetWriter {
  readonly #connection: Connection;
  #deflater: Deflater | undefined;
  #writes: Promise<void> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** What is written from here on is compressed; or the stream is ended, and the rest is plain. */
  deflate(on: boolean): void {
    const deflater = this.#deflater;
    if (on === (deflater !== undefined)) return;
    this.#deflater = on ? new Deflater() : undefined;
    if (deflater !== undefined) void this.#queue(() => deflater.finish()).catch(() => undefined);
  }

  write(parts: readonly WirePart[], call: CallOptions = {}): Promise<void> {
    const deflater = this.#deflater;
    if (deflater === undefined && this.#writes === undefined) return this.#connection.write(parts, call);
    const bytes = concatBytes(parts.map((part) => (part instanceof Uint8Array ? part : part.bytes)));
    return this.#queue(() => deflater?.compress(bytes) ?? Promise.resolve(bytes), parts, call);
  }

  /** Resolves when everything that was written has been handed to the connection. */
  async flushed(): Promise<void> {
    await this.#writes?.catch(() => undefined);
  }

  /** Frees the compressor. */
  end(): void {
    this.#deflater?.close();
  }

  #queue(make: () => Promise<Uint8Array>, parts: readonly WirePart[] = [], call: CallOptions = {}): Promise<void> {
    const before = this.#writes ?? Promise.resolve();
    const written = before
      .catch(() => undefined)
      .then(async () => {
        call.signal?.throwIfAborted();
        const bytes = await make();
        const [part] = parts;
        await this.#connection.write(
          [part === undefined || part instanceof Uint8Array ? bytes : { ...part, bytes }],
          call,
        );
      });
    this.#writes = written;
    const forget = (): void => {
      if (this.#writes === written) this.#writes = undefined;
    };
    written.then(forget, forget);
    return written;
  }
}

/** One compressed stream that is written. */
class Deflater {
  readonly #zlib: Deflate = createDeflate();
  #pieces: Uint8Array[] = [];

  constructor() {
    this.#zlib.on('data', (piece: Uint8Array) => this.#pieces.push(piece));
  }

  /** The bytes compressed, all of them, up to where a reader can have them. One call at a time. */
  compress(bytes: Uint8Array): Promise<Uint8Array> {
    return this.#made((done) => {
      this.#zlib.write(bytes);
      this.#zlib.flush(constants.Z_SYNC_FLUSH, done);
    });
  }

  /** The end of the stream. */
  finish(): Promise<Uint8Array> {
    return this.#made((done) => this.#zlib.once('end', done).end());
  }

  close(): void {
    this.#zlib.destroy();
  }

  async #made(make: (done: () => void) => void): Promise<Uint8Array> {
    await new Promise<void>((resolve) => {
      // Closed in the middle, it calls nobody back; the connection is gone then, and says so.
      this.#zlib.once('close', resolve);
      make(() => {
        this.#zlib.off('close', resolve);
        resolve();
      });
    });
    return concatBytes(this.#pieces.splice(0));
  }
}
