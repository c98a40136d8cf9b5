import { UsageError } from '../errors.ts';

/** So many in a second, on average; up to `burst` at once. */
export interface Rate {
  readonly perSecond: number;
  /** Default: what one second allows, at least 1. */
  readonly burst?: number | undefined;
}

/** A token bucket. Time is given, so that nothing has to wait for a clock. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number = performance.now()) {
    const { perSecond, burst = Math.max(1, perSecond) } = rate;
    if (!(perSecond > 0) || !(burst >= 1))
      throw new UsageError(`a rate is { perSecond, burst } with positive numbers; got ${JSON.stringify(rate)}`);
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes one, or says no. */
  take(now: number = performance.now()): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Takes `count`, more than there are too; returns the milliseconds to wait until they would have been there. */
  spend(count: number, now: number = performance.now()): number {
    this.#refill(now);
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }

  /** True when nobody has used it of late: it need not be remembered. */
  isFull(now: number = performance.now()): boolean {
    this.#refill(now);
    return this.#tokens >= this.#burst;
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
