import { setTimeout as delay } from 'node:timers/promises';
import { PostwireError, UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { wholeNumber } from '../wire/limits.ts';

/** How often, and how patiently, to try again. Only what may be asked twice is: idempotent methods with a body that can be sent again. */
export interface RetryOptions {
  /** Attempts behind the first. */
  readonly count: number;
  /** Before the first of them; each further waits twice as long, less a random part. Default 500. */
  readonly delayMs?: number | undefined;
  /** The longest wait, also where the server asks for more by Retry-After. Default 30,000. */
  readonly maxDelayMs?: number | undefined;
}

export interface RetrySettings {
  readonly count: number;
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

/** @see RFC 9110 section 9.2.2 */
export const isIdempotent = (method: string): boolean =>
  ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'].includes(method);

const passing = [408, 425, 429, 500, 502, 503, 504];
export const isPassingStatus = (status: number): boolean => passing.includes(status);

export const isPassingError = (error: unknown): boolean =>
  error instanceof PostwireError && error.temporary && ['CONNECT', 'CLOSED', 'TIMEOUT', 'TLS'].includes(error.code);

export function readRetries(given: number | RetryOptions | undefined): RetrySettings {
  const options: RetryOptions = typeof given === 'number' ? { count: given } : (given ?? { count: 0 });
  if (typeof options !== 'object') throw new UsageError('retries must be a number or an object');
  checkOptions('retries', options, ['count', 'delayMs', 'maxDelayMs']);
  const { count, delayMs = 500, maxDelayMs = 30_000 } = options;
  return {
    count: wholeNumber('retries.count', count),
    delayMs: wholeNumber('retries.delayMs', delayMs),
    maxDelayMs: wholeNumber('retries.maxDelayMs', maxDelayMs),
  };
}

/** Milliseconds before attempt `attempt` (1 is the first behind the first). */
export function retryDelayMs(options: RetrySettings, attempt: number, retryAfter: string | undefined): number {
  const asked = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter);
  const backOff = options.delayMs * 2 ** Math.min(attempt - 1, 30) * (0.5 + Math.random() / 2);
  return Math.max(0, Math.min(asked ?? backOff, options.maxDelayMs, 2 ** 31 - 1));
}

/** Seconds, or a date; undefined for what is neither. @see RFC 9110 section 10.2.3 */
export function parseRetryAfter(value: string, now: number = Date.now()): number | undefined {
  if (/^[0-9]{1,15}$/.test(value)) return Number(value) * 1000;
  if (!/^[A-Za-z]{3,9},? /.test(value)) return undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Waits; rejects with the signal's reason as soon as it aborts. */
export async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error;
  }
}
