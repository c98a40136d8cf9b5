import type { LendingSource } from '../wire/byte-stream.ts';
import type { LiteralSink } from './command.ts';
import type { ImapSession } from './session.ts';

/** Received and not read, before the server is held back. */
const HELD_BYTES = 256 * 1024;

interface Reader {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: Error) => void;
}

const END: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

/**
 * A literal on its way to a reader of the caller's. While the reader is slow the server is held back; when another command waits, the rest
 * is taken in, up to `limits.messageBytes`, so that nobody can be kept waiting by a reader who waits for them.
 */
export class LiteralStream implements LiteralSink, LendingSource {
  readonly #session: ImapSession;
  readonly #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #last = false;
  #left = false;
  #failure: Error | undefined;
  #reader: Reader | undefined;
  #room: (() => void) | undefined;
  /** Chunks are lent: the reader is done with each before it asks for the next. */
  #lending = false;

  constructor(session: ImapSession) {
    this.#session = session;
  }

  push(bytes: Uint8Array, last: boolean): Promise<void> | undefined {
    this.#last = last;
    if (this.#left) return undefined;
    if (bytes.length > 0) {
      const lent = this.#lending;
      // Whoever waits may be waited for by the reader: the chunk must outlast what is read next.
      const pressed = this.#session.pressed;
      if (lent && (pressed || last)) this.#lend(false);
      const own = lent && (pressed || last) ? new Uint8Array(bytes) : bytes;
      const reader = this.#reader;
      if (reader !== undefined) {
        this.#reader = undefined;
        reader.resolve({ done: false, value: own });
        if (lent && !pressed && !last) return this.#untilUsed();
      } else {
        this.#chunks.push(own);
        this.#heldBytes += own.length;
      }
    }
    if (last) {
      this.#reader?.resolve(END);
      this.#reader = undefined;
      return undefined;
    }
    if (this.#heldBytes < HELD_BYTES || this.#session.pressed) return undefined;
    return this.#session.hold((resume) => {
      this.#room = resume;
    });
  }

  /** Waits until the reader asks for more, or a command wants to go on: then what comes is no longer lent. */
  async #untilUsed(): Promise<void> {
    let used = false;
    await this.#session.hold((resume) => {
      this.#room = () => {
        used = true;
        resume();
      };
    });
    if (!used) this.#lend(false);
  }

  #lend(on: boolean): void {
    if (this.#lending === on) return;
    // A reader that streams another literal while it holds a chunk of this one keeps that chunk.
    if (on && !this.#session.claimLending(this)) return;
    this.#lending = on;
    this.#session.connection.lend(on);
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#lending = false;
    this.#chunks.length = 0;
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.#makeRoom();
  }

  async forEach(consume: (chunk: Uint8Array) => void | Promise<void>): Promise<void> {
    try {
      for (;;) {
        if (this.#chunks.length === 0 && !this.#last && this.#failure === undefined) this.#lend(true);
        const { done, value } = await this.#next();
        if (done === true) return;
        const used = consume(value);
        if (used !== undefined) await used;
      }
    } catch (error) {
      this.#leave();
      throw error;
    } finally {
      this.#lend(false);
      this.#session.releaseLending(this);
      this.#makeRoom();
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.#leave();
        return Promise.resolve(END);
      },
    };
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#heldBytes -= chunk.length;
      if (this.#heldBytes < HELD_BYTES / 2) this.#makeRoom();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#last || this.#left) return Promise.resolve(END);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#makeRoom();
    });
  }

  #leave(): void {
    if (!this.#left && !this.#last) {
      this.#left = true;
      this.#chunks.length = 0;
      this.#session.abandonLiteral(this);
      this.#makeRoom();
    }
    this.#left = true;
  }

  #makeRoom(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.();
  }
}
