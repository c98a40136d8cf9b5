import { UsageError } from '../errors.ts';
import { wholeNumber } from '../wire/limits.ts';

/** Caps on what a message may make its reader hold. Counted while reading. `Infinity` switches one off. */
export interface ParseLimits {
  /** Multiparts and messages inside each other. LimitError beyond. Default 100. */
  readonly depth: number;
  /** Parts of one message, at all levels. LimitError beyond. Default 10 000. */
  readonly parts: number;
  /** Bytes of one header block; eight times that for all blocks of a message. LimitError beyond. Default 2 MiB. */
  readonly headerBytes: number;
  /** Fields of one header block. LimitError beyond. Default 10 000. */
  readonly headerCount: number;
  /** Parameters of one field; more are left out, with a defect. Default 1000. */
  readonly parameters: number;
  /** Addresses of one field, and message ids; more are left out, with a defect. Default 10 000. */
  readonly addresses: number;
  /** Bytes that `parse` collects from a stream. LimitError beyond. Default 256 MiB; `readParts` has none. */
  readonly messageBytes: number;
}

export const defaultParseLimits: ParseLimits = {
  depth: 100,
  parts: 10_000,
  headerBytes: 2 * 1024 * 1024,
  headerCount: 10_000,
  parameters: 1000,
  addresses: 10_000,
  messageBytes: 256 * 1024 * 1024,
};

/** Fills in the defaults. UsageError for an unknown name, or a value that is not a whole number or Infinity. */
export function resolveParseLimits(given: Partial<ParseLimits> | undefined): ParseLimits {
  if (given === undefined) return defaultParseLimits;
  const limits: Record<string, number> = { ...defaultParseLimits };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaultParseLimits, name))
      throw new UsageError(`limits.${name} is not a limit; there are ${Object.keys(defaultParseLimits).join(', ')}`);
    if (value !== undefined) limits[name] = wholeNumber(`limits.${name}`, value);
  }
  return limits as unknown as ParseLimits;
}

/** Options of every reading function. */
export interface ParseOptions {
  readonly limits?: Partial<ParseLimits> | undefined;
  /** The charset of text that declares none and is not UTF-8. Default 'windows-1252'. */
  readonly fallbackCharset?: string | undefined;
}
