import { ClosedError, TimeoutError } from '../errors.ts';
import { formatMs } from '../socket/deadlines.ts';

/** The right to have a mailbox selected, until it is released. */
export interface MailboxLock extends AsyncDisposable {
  readonly mailbox: string;
  /** May be called more than once. */
  release(): void;
}

interface Waiter {
  readonly mailbox: string;
  readonly grant: () => void;
  readonly refuse: (error: Error) => void;
}

/** One holder at a time, in the order they came. */
export class MailboxLocks {
  readonly #waiting: Waiter[] = [];
  #holder: object | undefined;
  #holderMailbox = '';
  #closed: Error | undefined;

  async acquire(
    mailbox: string,
    select: () => Promise<unknown>,
    options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<MailboxLock> {
    const token = {};
    options.signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#holder === undefined) this.#holder = token;
    else await this.#wait(mailbox, token, options);
    this.#holderMailbox = mailbox;
    const release = (): void => {
      // Only who holds it can give it back.
      if (this.#holder === token) this.#pass();
    };
    try {
      await select();
    } catch (error) {
      release();
      throw error;
    }
    return {
      mailbox,
      release,
      [Symbol.asyncDispose]: () => {
        release();
        return Promise.resolve();
      },
    };
  }

  close(reason: Error | undefined): void {
    this.#closed = new ClosedError('the IMAP connection is closed', { protocol: 'IMAP', cause: reason });
    for (const { refuse } of this.#waiting.splice(0)) refuse(this.#closed);
  }

  #pass(): void {
    this.#holder = undefined;
    this.#waiting.shift()?.grant();
  }

  #wait(
    mailbox: string,
    token: object,
    options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    const { timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        const index = this.#waiting.indexOf(waiter);
        if (index >= 0) this.#waiting.splice(index, 1);
        act();
      };
      const waiter: Waiter = {
        mailbox,
        grant: () => {
          this.#holder = token;
          finish(resolve);
        },
        refuse: (error) => finish(() => reject(error)),
      };
      const onAbort = (): void => finish(() => reject(signal?.reason as Error));
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(
              () =>
                finish(() =>
                  reject(
                    new TimeoutError(
                      `gave up waiting for ${mailbox} after ${formatMs(timeoutMs)}: ${this.#holderMailbox} is still in use`,
                      { protocol: 'IMAP', reason: 'LOCKED', reusable: true },
                    ),
                  ),
                ),
              timeoutMs,
            );
      signal?.addEventListener('abort', onAbort);
      this.#waiting.push(waiter);
    });
  }
}
