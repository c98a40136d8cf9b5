import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { channelBinding } from './channel-binding.ts';
import { ClosedError } from '../errors.ts';
import { concatBytes } from '../wire/bytes.ts';
import { type ReadBuffers, readBuffersOf } from './read-buffers.ts';

/** What the handshake agreed on. */
export interface TlsInfo {
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string | undefined;
  /** SHA-256 fingerprint of the peer's certificate, 'AB:CD:…'; undefined where it sent none. */
  readonly fingerprint256: string | undefined;
  /** True when an earlier session was resumed. */
  readonly sessionReused: boolean;
}

/**
 * A session that a further connection to the same server may resume, with how the server was verified when it began. It resumes only
 * where the very same options and name are asked for: resuming skips the checks, so they must have been those checks.
 */
export interface TlsSession {
  readonly bytes: Buffer;
  readonly options: object;
  readonly serverName: string;
}

/**
 * A reliable byte stream: TCP, TLS, Unix, in memory, proxied; all look like this to a Connection. Received bytes wait here, up to
 * a mark; then the peer is held back.
 */
export interface Transport extends AsyncDisposable {
  readonly secure: boolean;
  readonly tls: TlsInfo | undefined;
  /** The newest session that the server gave this client; undefined before, and without TLS. */
  readonly tlsSession?: TlsSession | undefined;
  /** What ties a login to this TLS connection; undefined without TLS, or where the type does not fit it. */
  channelBinding?(type: string, role: 'client' | 'server'): Uint8Array | undefined;
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;
  /** Settles when the transport is closed: with the error that closed it, or undefined. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  /** Bytes that have arrived; null at the end; undefined when there is nothing now. Never waits. `lend` as in `read`. */
  tryRead(lend?: boolean): Uint8Array | null | undefined;
  /**
   * The next bytes, or null at the end. Rejects with the reason when the transport is destroyed. With `lend` they need not last: a
   * transport may overwrite them once it is asked for more.
   */
  read(lend?: boolean): Promise<Uint8Array | null>;
  /** Queues the chunks. All writes of one turn leave in one system call. Resolves when more may be written. */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /** Hands what was written in this turn to the system now, instead of at the turn's end. */
  flush(): void;
  /** Bytes written that the system has not taken yet: while a peer takes any, it falls. Undefined where nobody counts. */
  readonly unsentBytes?: number | undefined;
  /** Sends what is queued and then the end of our direction. */
  end(): Promise<void>;
  /** The raw stream under this transport, given up by it: for a TLS upgrade. Nothing may be waiting to be read. */
  detach(): Duplex;
  destroy(reason?: Error): void;
  /** Closes with a TCP reset where there is TCP alone; else as `destroy`. */
  reset(): void;
  /** Whether an open transport keeps the process alive. */
  ref(): void;
  unref(): void;
}

/** A resolved promise, shared: the common case of a write allocates nothing. */
export const DONE: Promise<void> = Promise.resolve();

const HIGH_WATER_MARK = 256 * 1024;
/** Written in one turn, more than this does not wait for its end. */
const FLUSH_BYTES = 64 * 1024;
/** Up to this, pieces are copied together. */
const COPY_BYTES = 16 * 1024;

/** A transport over any Node duplex stream. */
export class StreamTransport implements Transport {
  readonly #stream: Duplex;
  readonly #buffers: ReadBuffers | undefined;
  readonly #tlsSession: (() => TlsSession | undefined) | undefined;
  readonly #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #paused = false;
  #ended = false;
  #failure: Error | undefined;
  #closed = false;
  #reader: { resolve: (chunk: Uint8Array | null) => void; reject: (error: Error) => void } | undefined;
  #drain: { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } | undefined;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #flushing = false;
  readonly closed: Promise<Error | undefined>;
  readonly #settleClosed: (error: Error | undefined) => void;
  readonly tls: TlsInfo | undefined;
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;

  constructor(stream: Duplex, tlsSession?: () => TlsSession | undefined) {
    this.#stream = stream;
    this.#tlsSession = tlsSession;
    let settle!: (error: Error | undefined) => void;
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settleClosed = settle;
    this.tls = stream instanceof TLSSocket ? describeTls(stream) : undefined;
    if (stream instanceof Socket) {
      this.remoteAddress = stream.remoteAddress;
      this.localAddress = stream.localAddress;
    }
    const buffers = readBuffersOf(stream);
    this.#buffers = buffers;
    if (buffers === undefined) stream.on('data', this.#onData);
    else {
      buffers.keep = this.#onData;
      buffers.resume = () => {
        if (!this.#paused) stream.resume();
      };
    }
    // One that was detached from another transport is paused; and only one that flows sees its end.
    stream.resume();
    stream.on('end', this.#onEnd);
    stream.on('error', this.#onError);
    stream.on('close', this.#onClose);
    stream.on('drain', this.#onDrain);
  }

  /** Gives back what was read of the stream before it came here. */
  unread(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#onData(chunk);
  }

  get secure(): boolean {
    return this.#stream instanceof TLSSocket;
  }

  get tlsSession(): TlsSession | undefined {
    return this.#tlsSession?.();
  }

  tryRead(lend = false): Uint8Array | null | undefined {
    if (!lend) this.#buffers?.endLending();
    const chunk = this.#received.shift();
    if (chunk !== undefined) {
      this.#receivedBytes -= chunk.length;
      if (this.#paused && this.#receivedBytes < HIGH_WATER_MARK / 2) {
        this.#paused = false;
        this.#stream.resume();
      }
      return chunk;
    }
    const lent = lend ? this.#buffers?.borrow() : undefined;
    if (lent !== undefined) return lent;
    if (this.#failure === undefined && this.#ended) return null;
    return undefined;
  }

  channelBinding(type: string, role: 'client' | 'server'): Uint8Array | undefined {
    return this.#stream instanceof TLSSocket ? channelBinding(this.#stream, type, role) : undefined;
  }

  read(lend = false): Promise<Uint8Array | null> {
    const chunk = this.tryRead(lend);
    if (chunk !== undefined) return Promise.resolve(chunk);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      if (lend) this.#buffers?.borrow(this.#onData);
    });
  }

  write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(new ClosedError('the connection is closed'));
    for (const chunk of chunks) {
      if (chunk.length === 0) continue;
      this.#pending.push(chunk);
      this.#pendingBytes += chunk.length;
    }
    if (this.#pendingBytes >= FLUSH_BYTES) this.flush();
    else if (!this.#flushing) {
      this.#flushing = true;
      process.nextTick(this.#flushLater);
    }
    if (!this.#stream.writableNeedDrain) return DONE;
    if (this.#drain === undefined) {
      let resolve!: () => void;
      let reject!: (error: Error) => void;
      const promise = new Promise<void>((onResolve, onReject) => {
        resolve = onResolve;
        reject = onReject;
      });
      this.#drain = { promise, resolve, reject };
    }
    return this.#drain.promise;
  }

  flush(): void {
    const pending = this.#pending;
    if (pending.length === 0 || this.#stream.destroyed) return;
    const bytes = this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (pending.length === 1 || bytes <= COPY_BYTES) {
      // One write costs less than a vector of small ones, even with the copy.
      this.#stream.write(concatBytes(pending));
      return;
    }
    this.#stream.cork();
    for (const chunk of pending) this.#stream.write(chunk);
    this.#stream.uncork();
  }

  get unsentBytes(): number | undefined {
    // Not documented, and Node's own socket timeout goes by it: the count of the stream is only of whole writes.
    return (this.#stream as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize;
  }

  async end(): Promise<void> {
    if (this.#closed || this.#failure !== undefined) return;
    this.flush();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#stream.off('close', done);
        resolve();
      };
      this.#stream.once('close', done);
      this.#stream.end(done);
    });
  }

  detach(): Duplex {
    const stream = this.#stream;
    stream.pause();
    stream.off('data', this.#onData);
    stream.off('end', this.#onEnd);
    stream.off('close', this.#onClose);
    stream.off('drain', this.#onDrain);
    // The error listener stays: an orphaned stream must not be able to crash the process.
    this.flush();
    this.#closed = true;
    return stream;
  }

  destroy(reason?: Error): void {
    if (this.#failure === undefined) this.#fail(reason ?? new ClosedError('the connection was closed'));
    this.#stream.destroy();
  }

  reset(): void {
    this.#fail(new ClosedError('the connection was reset'));
    const stream = this.#stream;
    // Node throws for `resetAndDestroy` of a TLS socket: that one closes without close_notify, which the peer can tell from an end.
    if (stream instanceof Socket && !(stream instanceof TLSSocket)) resetSocket(stream);
    else stream.destroy();
  }

  ref(): void {
    if (this.#stream instanceof Socket) this.#stream.ref();
  }

  unref(): void {
    if (this.#stream instanceof Socket) this.#stream.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await this.closed;
  }

  readonly #flushLater = (): void => {
    this.#flushing = false;
    this.flush();
  };

  readonly #onData = (chunk: Uint8Array): void => {
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve(chunk);
      return;
    }
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes >= HIGH_WATER_MARK && !this.#paused) {
      this.#paused = true;
      this.#stream.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(null);
  };

  readonly #onError = (error: Error): void => {
    this.#fail(error);
  };

  readonly #onClose = (): void => {
    this.#closed = true;
    if (!this.#ended) this.#onEnd();
    this.#drain?.reject(this.#failure ?? new ClosedError('the peer closed the connection'));
    this.#drain = undefined;
    this.#settleClosed(this.#failure);
  };

  readonly #onDrain = (): void => {
    this.#drain?.resolve();
    this.#drain = undefined;
  };

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.reject(error);
    if (this.#drain !== undefined) {
      this.#drain.promise.catch(ignore);
      this.#drain.reject(error);
      this.#drain = undefined;
    }
  }
}

/**
 * Closes with a reset. One that was ended is closed plainly: libuv refuses to reset what is being shut down, and Node then never closes its
 * handle, over which the process spins for ever when it exits (seen with Node 20.20).
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

const ignore = (): void => {};

function describeTls(socket: TLSSocket): TlsInfo {
  const certificate = socket.getPeerCertificate();
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    fingerprint256: (certificate as { fingerprint256?: string }).fingerprint256,
    sessionReused: socket.isSessionReused(),
  };
}
