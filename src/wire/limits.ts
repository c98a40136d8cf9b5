import { UsageError } from '../errors.ts';

/** Caps on what a peer or an input may make us hold. Counted while reading, never after. `Infinity` switches one off. */
export interface Limits {
  /** One protocol line, terminator included, in bytes. */
  readonly lineBytes: number;
  /** One reply with all its lines, in bytes. */
  readonly replyBytes: number;
  /** Lines of one reply. */
  readonly replyLines: number;
  /** Challenges of one login. */
  readonly saslRounds: number;
  /** One message that is held in memory, in bytes. */
  readonly messageBytes: number;
  /** Bytes fetched for one attachment given by URL. */
  readonly urlBytes: number;
  /** Addresses that one name lookup may yield attempts for. */
  readonly connectAttempts: number;
}

export const defaultLimits: Limits = {
  lineBytes: 64 * 1024,
  replyBytes: 64 * 1024,
  replyLines: 1000,
  saslRounds: 5,
  messageBytes: 64 * 1024 * 1024,
  urlBytes: 64 * 1024 * 1024,
  connectAttempts: 10,
};

/**
 * Fills in the defaults. Zero means zero, undefined means the default, only `Infinity` disables.
 * UsageError on anything else, so that a NaN from a bad configuration cannot switch a limit off.
 */
export function resolveLimits(given: Partial<Limits> = {}): Limits {
  const limits: Record<string, number> = { ...defaultLimits };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaultLimits, name)) {
      throw new UsageError(`limits.${name} is not a limit; there are ${Object.keys(defaultLimits).join(', ')}`);
    }
    if (value === undefined) continue;
    limits[name] = wholeNumber(`limits.${name}`, value);
  }
  return limits as unknown as Limits;
}

/** A whole number of 0 or more, or Infinity; UsageError otherwise. */
export function wholeNumber(name: string, value: unknown): number {
  if (value === Number.POSITIVE_INFINITY) return value;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new UsageError(`${name} must be a whole number of 0 or more, or Infinity; got ${describe(value)}`);
  }
  return value;
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

const digits = /^[0-9]{1,19}$/;

/** A decimal number from a peer: 1 to 19 digits within the safe range, else undefined. Never NaN, a sign, or an exponent. */
export function parseDecimal(text: string): number | undefined {
  if (!digits.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
