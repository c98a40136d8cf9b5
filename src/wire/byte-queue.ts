import { EMPTY, allocateBytes, indexOfByte, indexOfBytes } from './bytes.ts';

/**
 * Received, unconsumed bytes: the only receive buffer of a connection.
 *
 * A chunk pushed into an empty queue is adopted without a copy; otherwise the queue grows geometrically. Bytes handed out
 * by `take` or `peek` are never overwritten: new bytes only go behind them, or to a new buffer. A search remembers how far it
 * has looked, so a line that arrives byte by byte costs linear time.
 */
export class ByteQueue {
  #buffer: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  /** True when #buffer was allocated here and may be appended to. */
  #owned = false;
  #ended = false;
  #needle: number | Uint8Array = -1;
  /** Bytes behind #start that are known not to begin #needle. */
  #scanned = 0;
  /** Sees every consumed span once; the transcript listens here. */
  observer: ((taken: Uint8Array) => void) | undefined;

  get length(): number {
    return this.#end - this.#start;
  }

  /** True when no more bytes will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Appends a chunk. The queue owns it from now on: the caller must not write to it again. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const length = this.length;
    if (length === 0) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#owned = false;
      this.#scanned = 0;
      return;
    }
    if (!this.#owned || this.#end + chunk.length > this.#buffer.length) {
      const grown = allocateBytes(Math.max(2 * (length + chunk.length), 4096));
      grown.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = grown;
      this.#start = 0;
      this.#end = length;
      this.#owned = true;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Moves what is left to memory of the queue's own: when a chunk was only lent to it. */
  keep(): void {
    if (this.#owned || this.length === 0) return;
    const kept = allocateBytes(this.length);
    kept.set(this.peek());
    this.#buffer = kept;
    this.#start = 0;
    this.#end = kept.length;
  }

  /** Marks the end of input. */
  end(): void {
    this.#ended = true;
  }

  /** Index, relative to the front, of a byte or a sequence; -1 when it has not arrived whole. */
  indexOf(needle: number | Uint8Array): number {
    if (needle !== this.#needle) {
      this.#needle = needle;
      this.#scanned = 0;
    }
    const from = this.#start + this.#scanned;
    if (from >= this.#end) return -1;
    // An adopted chunk may be longer than what was received, so the search is held to the received part.
    const view = this.#end === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#end);
    const found = typeof needle === 'number' ? indexOfByte(view, needle, from) : indexOfBytes(view, needle, from);
    if (found >= 0) {
      this.#scanned = found - this.#start;
      return this.#scanned;
    }
    const overlap = typeof needle === 'number' ? 0 : needle.length - 1;
    this.#scanned = Math.max(this.#scanned, this.length - overlap);
    return -1;
  }

  /** The byte at `index` from the front, or undefined when it has not arrived. */
  at(index: number): number | undefined {
    return index < this.length ? this.#buffer[this.#start + index] : undefined;
  }

  /** Up to `byteCount` bytes from the front, left in the queue. */
  peek(byteCount: number = this.length): Uint8Array {
    return this.#buffer.subarray(this.#start, Math.min(this.#start + byteCount, this.#end));
  }

  /** Removes exactly `byteCount` bytes from the front and returns them. RangeError when fewer have arrived. */
  take(byteCount: number): Uint8Array {
    if (byteCount > this.length) throw new RangeError(`take(${byteCount}) with ${this.length} bytes in the queue`);
    const taken = this.#buffer.subarray(this.#start, this.#start + byteCount);
    this.#start += byteCount;
    this.#scanned = Math.max(0, this.#scanned - byteCount);
    if (this.#start === this.#end) {
      this.#buffer = EMPTY;
      this.#start = this.#end = 0;
      this.#owned = false;
    }
    if (this.observer !== undefined && byteCount > 0) this.observer(taken);
    return taken;
  }
}

/**
 * Takes at most one event's bytes from the queue and returns it; undefined asks for more bytes and leaves every byte that does
 * not belong to a finished piece. Throws ProtocolError or LimitError, after which the stream is out of step.
 */
export type Decoder<E> = (queue: ByteQueue) => E | undefined;
