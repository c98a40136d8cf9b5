import type { LiteralSink } from './command.ts';
import type { ImapSession } from './session.ts';

/** Received and not read, before the server is held back. */
const HELD_BYTES = 256 * 1024;

/**
 * A literal on its way to a reader of the caller's. While the reader is slow the server is held back; when another command waits, the rest
 * is taken in, up to `limits.messageBytes`, so that nobody can be kept waiting by a reader who waits for them.
 */
export class LiteralStream implements LiteralSink, AsyncIterable<Uint8Array> {
  readonly #session: ImapSession;
  readonly #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #last = false;
  #left = false;
  #failure: Error | undefined;
  #reader:
    { resolve: (result: IteratorResult<Uint8Array, undefined>) => void; reject: (error: Error) => void } | undefined;
  #room: (() => void) | undefined;

  constructor(session: ImapSession) {
    this.#session = session;
  }

  push(bytes: Uint8Array, last: boolean): Promise<void> | undefined {
    this.#last = last;
    if (this.#left) return undefined;
    if (this.#reader !== undefined && bytes.length > 0) {
      const { resolve } = this.#reader;
      this.#reader = undefined;
      resolve({ done: false, value: bytes });
    } else if (bytes.length > 0) {
      this.#chunks.push(bytes);
      this.#heldBytes += bytes.length;
    }
    if (last) {
      this.#reader?.resolve({ done: true, value: undefined });
      this.#reader = undefined;
      return undefined;
    }
    if (this.#heldBytes < HELD_BYTES || this.#session.pressed) return undefined;
    return this.#session.hold((resume) => {
      this.#room = resume;
    });
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#chunks.length = 0;
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.#room?.();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#heldBytes -= chunk.length;
          if (this.#heldBytes < HELD_BYTES / 2) this.#makeRoom();
          return Promise.resolve({ done: false, value: chunk });
        }
        if (this.#failure !== undefined) return Promise.reject(this.#failure);
        if (this.#last || this.#left) return Promise.resolve({ done: true, value: undefined });
        return new Promise((resolve, reject) => {
          this.#reader = { resolve, reject };
          this.#makeRoom();
        });
      },
      return: () => {
        if (!this.#left && !this.#last) {
          this.#left = true;
          this.#chunks.length = 0;
          this.#session.abandonLiteral(this);
          this.#makeRoom();
        }
        this.#left = true;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #makeRoom(): void {
    this.#room?.();
    this.#room = undefined;
  }
}
