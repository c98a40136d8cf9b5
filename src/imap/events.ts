import type { FetchedMessage } from './codec/fetched.ts';
import type { ResponseCode } from './codec/response-code.ts';
import type { UidSet } from './codec/sequence-set.ts';

/** Something that the server said by itself. */
export type ImapEvent =
  | { readonly type: 'exists'; readonly count: number; readonly previous: number }
  | { readonly type: 'expunge'; readonly sequence: number }
  /** Messages are gone, by UID (QRESYNC). `earlier`: they were gone before this session looked. */
  | { readonly type: 'vanished'; readonly uids: UidSet; readonly earlier: boolean }
  /** A message changed: its flags, in most cases. */
  | { readonly type: 'fetch'; readonly message: FetchedMessage }
  | { readonly type: 'flags'; readonly flags: readonly string[] }
  /** A message of the server's for the user. */
  | { readonly type: 'alert'; readonly text: string }
  | {
      readonly type: 'status';
      readonly status: 'OK' | 'NO' | 'BAD' | 'BYE';
      readonly code: ResponseCode | undefined;
      readonly text: string;
    }
  | { readonly type: 'capability' }
  /** LIST, STATUS, METADATA and others that nobody asked for: what NOTIFY brings. */
  | { readonly type: 'data'; readonly name: string; readonly text: string }
  /** The mailbox was selected anew and its UIDs have another meaning. */
  | { readonly type: 'uidvalidity'; readonly mailbox: string; readonly uidValidity: number }
  /** The reader was too slow while commands had to go on; so many events were dropped. */
  | { readonly type: 'lost'; readonly count: number };

/** Events as they come. It may be left at any time, also while a `next` waits. */
export interface ImapEventStream extends AsyncIterableIterator<ImapEvent, undefined> {
  next(): Promise<IteratorResult<ImapEvent, undefined>>;
  return(): Promise<IteratorResult<ImapEvent, undefined>>;
}

/** Beyond this a reader holds the server back, where nothing else waits for it. */
const HELD = 1000;
const MOST = 20_000;

/** One reader of events. */
export class EventQueue implements ImapEventStream {
  readonly #events: ImapEvent[] = [];
  #waiting: ((result: IteratorResult<ImapEvent, undefined>) => void)[] = [];
  #lost = 0;
  #ended = false;
  readonly #onRead: () => void;
  readonly #onEnd: (queue: EventQueue) => void;

  constructor(onRead: () => void, onEnd: (queue: EventQueue) => void) {
    this.#onRead = onRead;
    this.#onEnd = onEnd;
  }

  get full(): boolean {
    return this.#events.length >= HELD;
  }

  push(event: ImapEvent): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting({ done: false, value: event });
    else if (this.#events.length < MOST) this.#events.push(event);
    else this.#lost++;
  }

  next(): Promise<IteratorResult<ImapEvent, undefined>> {
    const event = this.#events.shift();
    if (event !== undefined) {
      if (this.#events.length === HELD / 2) this.#onRead();
      return Promise.resolve({ done: false, value: event });
    }
    if (this.#lost > 0) {
      const count = this.#lost;
      this.#lost = 0;
      return Promise.resolve({ done: false, value: { type: 'lost', count } });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** No more will come; what is here may still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this);
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  return(): Promise<IteratorResult<ImapEvent, undefined>> {
    this.#events.length = 0;
    this.end();
    this.#onRead();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
