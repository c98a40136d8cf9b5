import { UsageError } from '../../errors.ts';

declare const uidBrand: unique symbol;
/** A message's unique id within its mailbox, as long as UIDVALIDITY stays. A type of its own: a sequence number is not one. */
export type Uid = number & { readonly [uidBrand]: true };

const MAX_NUMBER = 0xffff_ffff;
const MAX_ELEMENTS = 100_000;

/** Marks a number as a UID. UsageError unless it is a whole number of 1 to 4294967295. */
export function uid(number: number): Uid {
  if (!isNumber(number))
    throw new UsageError(`a UID must be a whole number of 1 to ${MAX_NUMBER}; got ${show(number)}`);
  return number as Uid;
}

/** One element of a set: from and to, both included; `Infinity` stands for `*`, the last message. */
export type NumberRange = readonly [from: number, to: number];

/**
 * Numbers as ranges, in the order given. Never expanded unless asked, and then lazily: a server may name 4 billion numbers in a line.
 */
export class NumberSet<N extends number = number> implements Iterable<N> {
  readonly ranges: readonly NumberRange[];

  /** @internal */
  constructor(ranges: readonly NumberRange[]) {
    this.ranges = ranges;
  }

  /** How many numbers there are; Infinity where the set has a `*`. */
  get size(): number {
    let size = 0;
    for (const [from, to] of this.ranges) size += to - from + 1;
    return Number.isNaN(size) ? Number.POSITIVE_INFINITY : size;
  }

  has(number: number): boolean {
    for (const [from, to] of this.ranges) if (number >= from && number <= to) return true;
    return false;
  }

  /** True when both name a number. A `*` overlaps with everything. */
  overlaps(other: NumberSet): boolean {
    if (this.ranges.length * other.ranges.length > 1_000_000) return true;
    return this.ranges.some(([from, to]) =>
      other.ranges.some(
        ([otherFrom, otherTo]) =>
          to === Number.POSITIVE_INFINITY ||
          otherTo === Number.POSITIVE_INFINITY ||
          (from <= otherTo && otherFrom <= to),
      ),
    );
  }

  /** The numbers, one by one. UsageError for a set with a `*`, whose end only the server knows. */
  *[Symbol.iterator](): IterableIterator<N> {
    for (const [from, to] of this.ranges) {
      if (to === Number.POSITIVE_INFINITY) throw new UsageError('a set with * has no known end');
      for (let number = from; number <= to; number++) yield number as N;
    }
  }

  /** The numbers as an array; UsageError when there are more than `most`. */
  toArray(most = 1_000_000): N[] {
    if (this.size > most) throw new UsageError(`the set has ${this.size} numbers; at most ${most} are listed`);
    return [...this];
  }

  /** As on the wire: `1:4,7,9:*`. */
  toString(): string {
    return this.ranges.map(([from, to]) => (from === to ? star(from) : `${star(from)}:${star(to)}`)).join(',');
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Messages by UID. */
export class UidSet extends NumberSet<Uid> {
  readonly kind = 'uids';
}

/** Messages by sequence number: their place in the mailbox at this moment. */
export class SequenceSet extends NumberSet {
  readonly kind = 'sequences';
}

/** What was found by the last search with `save: true`, kept by the server. @see RFC 9051 section 6.4.4.1 */
export const SAVED: unique symbol = Symbol('$');

/** Messages to work on. Numbers and text are UIDs; `sequences(…)` is for sequence numbers. */
export type MessageSet = Uid | readonly Uid[] | UidSet | SequenceSet | string | typeof SAVED;

type Given = number | string | readonly number[] | NumberSet;

/** UIDs: `uids('1:*')`, `uids([4, 8])`. UsageError for what is no set, or an empty one: never widened. */
export const uids = (given: Given): UidSet => new UidSet(rangesOf(given));

/** Sequence numbers: `sequences('1:10')`. */
export const sequences = (given: Given): SequenceSet => new SequenceSet(rangesOf(given));

/** The set and whether its numbers are UIDs. UsageError as `uids`. */
export function resolveSet(given: MessageSet): {
  readonly text: string;
  readonly byUid: boolean;
  readonly set: NumberSet | undefined;
} {
  if (given === SAVED) return { text: '$', byUid: true, set: undefined };
  const set = given instanceof SequenceSet || given instanceof UidSet ? given : uids(given);
  if (set.ranges.length === 0) throw new UsageError('the set of messages is empty');
  return { text: set.toString(), byUid: !(set instanceof SequenceSet), set };
}

function rangesOf(given: Given): readonly NumberRange[] {
  if (given instanceof NumberSet) return given.ranges;
  if (typeof given === 'number') return [[checkNumber(given), given]];
  if (Array.isArray(given)) {
    if (given.length === 0) throw new UsageError('the set of messages is empty');
    return compact(given);
  }
  if (typeof given !== 'string')
    throw new UsageError(`a set of messages must be text, numbers or a set; got ${typeof given}`);
  const ranges = parseRanges(given);
  if (ranges === undefined)
    throw new UsageError(`not a set of messages: ${JSON.stringify(given.slice(0, 100))}; expected one like 1:4,7,9:*`);
  return ranges;
}

/** Runs of ascending neighbours become ranges. */
function compact(numbers: readonly number[]): NumberRange[] {
  const ranges: NumberRange[] = [];
  let from = checkNumber(numbers[0]);
  let to = from;
  for (let index = 1; index < numbers.length; index++) {
    const number = checkNumber(numbers[index]);
    if (number === to + 1) to = number;
    else {
      ranges.push([from, to]);
      from = to = number;
    }
  }
  ranges.push([from, to]);
  return ranges;
}

/** Ranges of a set on the wire; undefined for what is none. A number at a time: no pattern that could backtrack. */
export function parseRanges(text: string): NumberRange[] | undefined {
  const elements = text.split(',');
  if (elements.length > MAX_ELEMENTS) return undefined;
  const ranges: NumberRange[] = [];
  for (const element of elements) {
    const colon = element.indexOf(':');
    const first = parseNumber(colon < 0 ? element : element.slice(0, colon));
    const second = colon < 0 ? first : parseNumber(element.slice(colon + 1));
    if (first === undefined || second === undefined) return undefined;
    ranges.push(first <= second ? [first, second] : [second, first]);
  }
  return ranges;
}

function parseNumber(text: string): number | undefined {
  if (text === '*') return Number.POSITIVE_INFINITY;
  if (text.length > 10 || text === '') return undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 48 || code > 57) return undefined;
  }
  const value = Number(text);
  return value >= 1 && value <= MAX_NUMBER ? value : undefined;
}

function checkNumber(number: unknown): number {
  if (!isNumber(number))
    throw new UsageError(`a message's number must be a whole number of 1 to ${MAX_NUMBER}; got ${show(number)}`);
  return number;
}

const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= MAX_NUMBER;

const show = (value: unknown): string => JSON.stringify(value) ?? String(value);
const star = (number: number): string => (number === Number.POSITIVE_INFINITY ? '*' : String(number));
