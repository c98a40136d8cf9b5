import { TimeoutError, UsageError } from '../errors.ts';
import { type CallOptions, checkCall } from './connection.ts';
import { formatMs, timerMs } from './deadlines.ts';

/**
 * How long the calls of a socket wait: the meaning that `settimeout` has everywhere. null waits for ever, 0 never does (the call fails with
 * EAGAIN where it would have to), anything else is seconds.
 */
export class WaitMode {
  #seconds: number | null = null;

  get seconds(): number | null {
    return this.#seconds;
  }

  set(seconds: number | null): void {
    if (seconds !== null && !(typeof seconds === 'number' && seconds >= 0))
      throw new UsageError(`a timeout is null, or 0 or more seconds; got ${String(seconds)}`);
    this.#seconds = seconds;
  }

  /** Milliseconds that one call may wait. */
  limitMs(call: CallOptions = {}): number {
    if (call.timeoutMs !== undefined) return call.timeoutMs;
    return this.#seconds === null ? Number.POSITIVE_INFINITY : this.#seconds * 1000;
  }

  /**
   * Waits for the promise, but no longer than the call or the socket allows. What is given up goes on: it must be one that may settle
   * unheard. Rejects with TimeoutError (`reason` EAGAIN or ETIMEDOUT) or the signal's reason; the socket can be used as before.
   */
  wait<T>(promise: Promise<T>, what: string, call?: CallOptions): Promise<T> {
    const limitMs = this.limitMs(call);
    const signal = call?.signal;
    if (limitMs === Number.POSITIVE_INFINITY && signal === undefined) return promise;
    if (limitMs !== 0) checkCall({ ...call, timeoutMs: limitMs });
    if (signal?.aborted === true) return giveUp(promise, signal.reason);
    if (limitMs === 0) {
      const error = new TimeoutError(`${what} would have to wait, and the socket is not to`, {
        reason: 'EAGAIN',
        reusable: true,
      });
      return giveUp(promise, error);
    }
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        settle();
        reject(signal?.reason);
      };
      const onExpire = (): void => {
        settle();
        reject(
          new TimeoutError(`${what} timed out after ${formatMs(limitMs)}`, { reason: 'ETIMEDOUT', reusable: true }),
        );
      };
      const timer = limitMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onExpire, timerMs(limitMs));
      signal?.addEventListener('abort', onAbort);
      promise.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  }
}

function giveUp<T>(promise: Promise<T>, reason: unknown): Promise<T> {
  promise.catch(() => undefined);
  return Promise.reject(reason);
}
