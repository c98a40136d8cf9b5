import { UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';

/** How long each phase may take, in milliseconds. `Infinity` waits for ever. */
export interface Timeouts {
  /** Name lookup, proxy, TCP, TLS and greeting together. */
  readonly connectMs: number;
  /** From the open connection to the server's greeting. */
  readonly greetingMs: number;
  /** From a command to the end of its reply. Progress does not extend it. The reply to a whole message may take five times as long. */
  readonly commandMs: number;
  /** Without a byte of progress while a body is sent or received. */
  readonly bodyIdleMs: number;
  /** Without traffic while nothing is asked, where a protocol keeps watch. */
  readonly idleMs: number;
  /** The whole life of the connection. */
  readonly totalMs: number;
}

export const defaultTimeouts: Timeouts = {
  connectMs: 30_000,
  greetingMs: 20_000,
  commandMs: 60_000,
  bodyIdleMs: 60_000,
  idleMs: Number.POSITIVE_INFINITY,
  totalMs: Number.POSITIVE_INFINITY,
};

/** Timeouts to change; what is undefined keeps its default. */
export type TimeoutOptions = { readonly [Phase in keyof Timeouts]?: number | undefined };

/** Fills in the defaults; UsageError for an unknown phase or a value that is not a positive number. */
export function resolveTimeouts(given: TimeoutOptions = {}): Timeouts {
  checkOptions('timeouts', given, Object.keys(defaultTimeouts));
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && (typeof value !== 'number' || !(value > 0))) {
      throw new UsageError(`timeouts.${name} must be a positive number of milliseconds; got ${JSON.stringify(value)}`);
    }
  }
  return {
    ...defaultTimeouts,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}

/**
 * One timer that is moved instead of being made anew: arming and disarming cost no more than a clock read. While disarmed it does not
 * keep the process alive.
 */
export class Deadline {
  #timer: NodeJS.Timeout | undefined;
  #firesAt = 0;
  #dueAt = Number.POSITIVE_INFINITY;
  #onExpire: (() => void) | undefined;

  arm(timeoutMs: number, onExpire: () => void): void {
    if (timeoutMs === Number.POSITIVE_INFINITY) return;
    const delayMs = timerMs(timeoutMs);
    const now = performance.now();
    this.#dueAt = now + delayMs;
    this.#onExpire = onExpire;
    if (this.#timer !== undefined && this.#firesAt <= this.#dueAt) {
      this.#timer.ref();
      return;
    }
    clearTimeout(this.#timer);
    this.#start(delayMs, now);
  }

  /** The deadline is met. */
  disarm(): void {
    this.#onExpire = undefined;
    this.#timer?.unref();
  }

  /** Stops the timer for good. */
  clear(): void {
    this.#onExpire = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #start(delayMs: number, now: number): void {
    this.#firesAt = now + delayMs;
    this.#timer = setTimeout(this.#fire, delayMs);
  }

  readonly #fire = (): void => {
    this.#timer = undefined;
    const onExpire = this.#onExpire;
    if (onExpire === undefined) return;
    const now = performance.now();
    const leftMs = this.#dueAt - now;
    if (leftMs > 1) {
      this.#start(leftMs, now);
      return;
    }
    this.#onExpire = undefined;
    onExpire();
  };
}

/** What a timer takes: 31 bits of milliseconds; Infinity, and what is longer, is the longest it can wait. */
export const timerMs = (milliseconds: number): number => Math.min(milliseconds, 2 ** 31 - 1);

/** 1500 → '1.5 s'. */
export function formatMs(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${Number((milliseconds / 1000).toFixed(1))} s`;
}
