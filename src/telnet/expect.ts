import { ClosedError, type ErrorDetails, TimeoutError, UsageError } from '../errors.ts';
import { encodeText, utf8Length } from '../wire/bytes.ts';
import { Needle, type TelnetOutput, textOfPieces } from './output.ts';

/** Stands for the end of the output among the patterns of `expect`. */
export const telnetEnd: unique symbol = Symbol('the end of the output');

/**
 * What to wait for: text, a regular expression, or the end. Text is found wherever it is and costs least. A match of a regular expression
 * must not be longer than 8 KiB: only so much of what was searched before is looked at again, so that the search stays linear.
 */
export type TelnetPattern = string | RegExp | typeof telnetEnd;

const WINDOW_BYTES = 8 * 1024;

/** A match, and what came before it. */
export class TelnetMatch {
  /** Which pattern it was, by its place in the list. */
  readonly index: number;
  /** What matched; '' at the end of the output. */
  readonly text: string;
  /** The groups of a regular expression. */
  readonly match: RegExpExecArray | undefined;
  readonly #before: readonly Uint8Array[];

  constructor(index: number, text: string, match: RegExpExecArray | undefined, before: readonly Uint8Array[]) {
    this.index = index;
    this.text = text;
    this.match = match;
    this.#before = before;
  }

  /** Everything between the last match and this one. Decoded when it is asked for. */
  get before(): string {
    return textOfPieces(this.#before);
  }
}

/** What `expect` saw until it gave up. */
export interface TelnetSight {
  /** The last that came and did not match, up to 1000 characters. */
  readonly lastText: string;
  /** Options that were on, by name. */
  readonly options: { readonly us: readonly string[]; readonly them: readonly string[] };
}

/** None of the patterns came in time. The connection is open, and what came is still there to be read. */
export class ExpectTimeout extends TimeoutError implements TelnetSight {
  readonly lastText: string;
  readonly options: TelnetSight['options'];
  constructor(message: string, sight: TelnetSight, details: ErrorDetails = {}) {
    super(message, { reusable: true, ...details });
    this.lastText = sight.lastText;
    this.options = sight.options;
  }
}

/** The output ended before any of the patterns came. What came is still there to be read. */
export class ExpectEnd extends ClosedError implements TelnetSight {
  readonly lastText: string;
  readonly options: TelnetSight['options'];
  constructor(message: string, sight: TelnetSight, details: ErrorDetails = {}) {
    super(message, { reason: 'END_OF_OUTPUT', ...details });
    this.lastText = sight.lastText;
    this.options = sight.options;
  }
}

/** Where a pattern was found, in bytes from the front. */
export interface Found {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly match: RegExpExecArray | undefined;
}

/** One search for several patterns in bytes that grow at their end. The earliest match wins; of two, the pattern listed first. */
export class PatternSearch {
  readonly #patterns: readonly (Needle | RegExp | typeof telnetEnd)[];
  /** Bytes that have been searched. */
  #scanned = 0;

  /** UsageError for what is no pattern. */
  constructor(patterns: readonly TelnetPattern[]) {
    if (patterns.length === 0) throw new UsageError('there is no pattern to wait for');
    this.#patterns = patterns.map((pattern) => {
      if (pattern === telnetEnd) return pattern;
      if (pattern instanceof RegExp) return new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, '')}g`);
      if (typeof pattern !== 'string' || pattern === '')
        throw new UsageError('a pattern must be text that is not empty, a regular expression, or telnetEnd');
      return new Needle(encodeText(pattern));
    });
  }

  /** `output` begins with what it held at the call before. */
  find(output: TelnetOutput, ended: boolean): Found | undefined {
    let best: Found | undefined;
    let window: { readonly text: string; readonly from: number } | undefined;
    const { length } = output;
    for (const [index, pattern] of this.#patterns.entries()) {
      let found: Found | undefined;
      if (pattern === telnetEnd) {
        if (ended) found = { index, start: length, end: length, match: undefined };
      } else if (pattern instanceof RegExp) {
        if (length > this.#scanned || this.#scanned === 0) {
          window ??= output.textFrom(Math.max(0, this.#scanned - WINDOW_BYTES));
          found = findExpression(pattern, index, window);
        }
      } else {
        const start = output.indexOf(pattern, Math.max(0, this.#scanned - pattern.bytes.length + 1));
        if (start >= 0) found = { index, start, end: start + pattern.bytes.length, match: undefined };
      }
      if (found !== undefined && (best === undefined || found.start < best.start)) best = found;
    }
    this.#scanned = length;
    return best;
  }
}

function findExpression(
  pattern: RegExp,
  index: number,
  { text, from }: { readonly text: string; readonly from: number },
): Found | undefined {
  // The first character is only what stands before the rest: else ^ would match in the middle.
  pattern.lastIndex = from === 0 ? 0 : (text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const start = from + utf8Length(text.slice(0, match.index));
  return { index, start, end: start + utf8Length(match[0]), match };
}

/** A pattern for a message. */
export const showPattern = (pattern: TelnetPattern): string =>
  typeof pattern === 'string' ? JSON.stringify(pattern) : pattern === telnetEnd ? 'the end' : String(pattern);
