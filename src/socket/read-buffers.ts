import { type Socket, type SocketConnectOpts, connect } from 'node:net';

/** What the system reads into at once. Larger ones fall out of the processor's cache. */
const READ_BYTES = 64 * 1024;
/** What is smaller is copied out, and the buffer stays; what is larger is handed out with its buffer. */
const COPY_BYTES = 32 * 1024;

/**
 * The memory that a socket is read into. Usually each chunk is the reader's to keep. A reader that is done with each chunk before it
 * asks for the next may have them lent instead: then two buffers serve a stream of any length, one being filled while the other is
 * used, where a new one for each chunk would leave tens of megabytes for the collector.
 */
export class ReadBuffers {
  #filling: Uint8Array = Buffer.allocUnsafeSlow(READ_BYTES);
  #other: Uint8Array | undefined;
  #lending = false;
  /** Filled while the one before it is still lent. */
  #ready: Uint8Array | undefined;
  #borrower: ((chunk: Uint8Array) => void) | undefined;
  /** Takes the chunks that are to keep. */
  keep: (chunk: Uint8Array) => void = () => {};
  /** Lets the socket go on. */
  resume: () => void = () => {};

  /** For Node's `onread`: the buffer that the next read fills. */
  readonly next = (): Uint8Array => this.#filling;

  /** For Node's `onread`: so many bytes have come. False holds the socket back. */
  readonly onRead = (byteCount: number): boolean => {
    const chunk = this.#filling.subarray(0, byteCount);
    if (!this.#lending) {
      if (byteCount < COPY_BYTES) this.keep(copy(chunk));
      else {
        this.#filling = Buffer.allocUnsafeSlow(READ_BYTES);
        this.keep(chunk);
      }
      return true;
    }
    // Node asks for the next buffer when this returns, and not again before it has filled that one.
    const filled = this.#filling;
    this.#filling = this.#other ?? Buffer.allocUnsafeSlow(READ_BYTES);
    this.#other = filled;
    const borrower = this.#borrower;
    this.#borrower = undefined;
    if (borrower === undefined) {
      this.#ready = chunk;
      return false;
    }
    borrower(chunk);
    return true;
  };

  /** The next chunk, lent until the next call of this or of `endLending`: now, or to the borrower when it comes. */
  borrow(borrower?: (chunk: Uint8Array) => void): Uint8Array | undefined {
    this.#lending = true;
    const ready = this.#ready;
    if (ready === undefined) {
      this.#borrower = borrower;
      return undefined;
    }
    this.#ready = undefined;
    this.resume();
    return ready;
  }

  /** Chunks are to keep again. The one that was lent may be overwritten from now on. */
  endLending(): void {
    if (!this.#lending) return;
    this.#lending = false;
    this.#borrower = undefined;
    const ready = this.#ready;
    if (ready === undefined) return;
    this.#ready = undefined;
    this.keep(copy(ready));
    this.resume();
  }
}

const copy = (chunk: Uint8Array): Uint8Array => {
  const copied = Buffer.allocUnsafe(chunk.length);
  copied.set(chunk);
  return copied;
};

const buffersOf = new WeakMap<object, ReadBuffers>();

/** Connects a socket that reads into buffers of its own. It emits no 'data': a StreamTransport reads it, or TLS on top of it. */
export function connectBuffered(options: SocketConnectOpts): Socket {
  const buffers = new ReadBuffers();
  const socket = connect({ ...options, onread: { buffer: buffers.next as () => Buffer, callback: buffers.onRead } });
  buffersOf.set(socket, buffers);
  return socket;
}

export const readBuffersOf = (stream: object): ReadBuffers | undefined => buffersOf.get(stream);
