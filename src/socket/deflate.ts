import type { Duplex } from 'node:stream';
import { type DeflateRaw, type InflateRaw, constants, createDeflateRaw, createInflateRaw } from 'node:zlib';
import { ClosedError, ProtocolError, UsageError } from '../errors.ts';
import { DONE, type TlsInfo, type Transport } from './transport.ts';

/** Inflated bytes that wait to be read, before no more are made. */
const HELD_BYTES = 256 * 1024;

/**
 * Compression between a connection and its transport: raw DEFLATE both ways, flushed with every write. Inflating stops while its output
 * waits, so a bomb costs no more than what the reader's limits let through. @see RFC 4978, RFC 8054
 */
export function deflateLayer(inner: Transport): Transport {
  return new DeflateTransport(inner);
}

interface Reader {
  readonly resolve: (chunk: Uint8Array | null) => void;
  readonly reject: (error: Error) => void;
}

class DeflateTransport implements Transport {
  readonly #inner: Transport;
  readonly #inflate: InflateRaw = createInflateRaw({ chunkSize: 64 * 1024 });
  readonly #deflate: DeflateRaw = createDeflateRaw();
  readonly #deflated: Uint8Array[] = [];
  #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #failure: Error | undefined;
  #ended = false;
  #reading = false;
  #reader: Reader | undefined;
  #room: (() => void) | undefined;
  #writes: Promise<void> = DONE;
  readonly closed: Promise<Error | undefined>;

  constructor(inner: Transport) {
    this.#inner = inner;
    this.closed = inner.closed.then((error) => error ?? this.#failure);
    this.#inflate.on('data', (chunk: Uint8Array) => {
      const reader = this.#reader;
      if (reader !== undefined) {
        this.#reader = undefined;
        reader.resolve(chunk);
        return;
      }
      this.#received.push(chunk);
      this.#receivedBytes += chunk.length;
      if (this.#receivedBytes >= HELD_BYTES) this.#inflate.pause();
    });
    this.#inflate.on('error', (error) => {
      this.#fail(new ProtocolError('the peer sent what is no compressed data', { reason: 'DEFLATE', cause: error }));
      this.#inner.destroy(this.#failure);
    });
    // Taken as it comes: the compressor stops while its output waits, and then never gets to the flush.
    this.#deflate.on('data', (chunk: Uint8Array) => this.#deflated.push(chunk));
    this.#deflate.on('error', (error) => this.#fail(error));
  }

  get secure(): boolean {
    return this.#inner.secure;
  }
  get tls(): TlsInfo | undefined {
    return this.#inner.tls;
  }
  get remoteAddress(): string | undefined {
    return this.#inner.remoteAddress;
  }
  get localAddress(): string | undefined {
    return this.#inner.localAddress;
  }

  tryRead(): Uint8Array | null | undefined {
    const chunk = this.#received.shift();
    if (chunk === undefined) return this.#ended && this.#failure === undefined ? null : undefined;
    this.#receivedBytes -= chunk.length;
    if (this.#receivedBytes < HELD_BYTES / 2 && this.#inflate.isPaused()) this.#inflate.resume();
    return chunk;
  }

  read(): Promise<Uint8Array | null> {
    const chunk = this.tryRead();
    if (chunk !== undefined) return Promise.resolve(chunk);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      void this.#pump();
    });
  }

  /** Feeds what arrives to the inflater, while a reader waits. */
  async #pump(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#reader !== undefined) {
        const chunk = await this.#inner.read();
        if (chunk === null) {
          this.#ended = true;
          const reader: Reader | undefined = this.#reader;
          this.#reader = undefined;
          reader?.resolve(null);
          return;
        }
        await new Promise<void>((resolve) => {
          this.#room = resolve;
          this.#inflate.write(chunk, () => resolve());
        });
        this.#room = undefined;
      }
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#reading = false;
    }
  }

  write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#writes = this.#writes.then(() => this.#write(chunks));
    return this.#writes;
  }

  async #write(chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) this.#deflate.write(chunk);
    await new Promise<void>((resolve) => this.#deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    const out = this.#deflated.splice(0);
    if (out.length > 0) await this.#inner.write(out);
  }

  flush(): void {
    this.#inner.flush();
  }

  async end(): Promise<void> {
    await this.#writes.catch(() => undefined);
    await this.#inner.end();
  }

  detach(): Duplex {
    throw new UsageError('a compressed connection cannot begin TLS');
  }

  destroy(reason?: Error): void {
    this.#fail(reason ?? new ClosedError('the connection was closed'));
    this.#inner.destroy(reason);
    this.#inflate.destroy();
    this.#deflate.destroy();
  }

  reset(): void {
    this.#fail(new ClosedError('the connection was reset'));
    this.#inner.reset();
  }

  ref(): void {
    this.#inner.ref();
  }

  unref(): void {
    this.#inner.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await this.closed;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.reject(this.#failure);
    this.#room?.();
  }
}
