import type { LiteralSink } from './command.ts';
import type { FetchedMessage } from './codec/fetched.ts';
import type { FetchReceiver } from './commands/fetch.ts';

/** Bytes of messages that wait for their reader before the server is held back. */
const HELD_BYTES = 4 * 1024 * 1024;
/** What a message without bodies counts as. */
const MESSAGE_BYTES = 1000;

const discard: LiteralSink = { push: () => undefined, fail: () => undefined };

const END: IteratorResult<FetchedMessage, undefined> = { done: true, value: undefined };

/**
 * The messages of a FETCH, as they come. A reader that is slow holds the server back, unless another command waits: then they are kept.
 * Leaving the loop lets the rest pass by.
 */
export class FetchStream implements AsyncIterableIterator<FetchedMessage, undefined>, FetchReceiver {
  #messages: FetchedMessage[] = [];
  #next = 0;
  #heldBytes = 0;
  #waiting:
    | { resolve: (result: IteratorResult<FetchedMessage, undefined>) => void; reject: (error: Error) => void }
    | undefined;
  #ended = false;
  #left = false;
  #failure: Error | undefined;
  readonly #onRead: () => void;
  /** Set once the reader has gone. */
  literal: (() => LiteralSink) | undefined = undefined;

  constructor(onRead: () => void) {
    this.#onRead = onRead;
  }

  message(message: FetchedMessage): void {
    if (this.#left) return;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.resolve({ done: false, value: message });
      return;
    }
    this.#messages.push(message);
    this.#heldBytes += sizeOf(message);
  }

  full(): boolean {
    return this.#heldBytes > HELD_BYTES;
  }

  done(): void {
    this.#ended = true;
    this.#waiting?.resolve(END);
    this.#waiting = undefined;
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<FetchedMessage, undefined>> {
    const message = this.#messages[this.#next];
    if (message !== undefined) {
      this.#next++;
      const wasFull = this.full();
      this.#heldBytes -= sizeOf(message);
      if (this.#next === this.#messages.length) {
        this.#messages = [];
        this.#next = 0;
      } else if (this.#next > 1024) {
        this.#messages.splice(0, this.#next);
        this.#next = 0;
      }
      if (wasFull && !this.full()) this.#onRead();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended || this.#left) return Promise.resolve(END);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<FetchedMessage, undefined>> {
    this.#left = true;
    // What nobody will read is not kept.
    this.literal = () => discard;
    this.#messages = [];
    this.#next = this.#heldBytes = 0;
    this.#onRead();
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function sizeOf(message: FetchedMessage): number {
  let size = MESSAGE_BYTES;
  for (const section of message.sections) size += section.bytes?.length ?? 0;
  return size;
}
