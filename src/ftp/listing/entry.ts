import { utcMs } from '../codec.ts';

/** One file or folder as the server lists it. */
export interface FtpEntry {
  /** The last part of its path; never '.' or '..'. It is what the server says: check it before it becomes a local path. */
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  /** Undefined where the server does not tell, or tells nonsense. */
  readonly sizeBytes: number | undefined;
  readonly modifiedAt: Date | undefined;
  /** What `modifiedAt` is rounded to, in milliseconds: 1, 1000, 60,000 or 86,400,000. */
  readonly modifiedStepMs: number | undefined;
  /** Permission bits: 0o755. */
  readonly mode: number | undefined;
  readonly owner: string | undefined;
  readonly group: string | undefined;
  readonly linkTarget: string | undefined;
  /** Facts of MLSD, names in lower case. @see RFC 3659 section 7.5 */
  readonly facts: ReadonlyMap<string, string> | undefined;
  /** The line as it came. */
  readonly raw: string;
}

/** What times in a listing mean. */
export interface ListingClock {
  /** Milliseconds since the epoch, for lines without a year. */
  readonly now: number;
  /** From the server's local time, counted as if it were UTC, to UTC. */
  readonly toUtc: (localMs: number) => number;
}

/** Reads one line of its dialect: an entry, 'skip' for a line that is none by right (a header, a total), undefined when it is not understood. */
export type LineParser = (line: string, clock: ListingClock) => FtpEntry | 'skip' | undefined;

export function entry(
  raw: string,
  name: string,
  type: FtpEntry['type'],
  sizeBytes: number | undefined,
  time: number | undefined,
  stepMs: number | undefined,
  mode: number | undefined,
  owner: string | undefined,
  group: string | undefined,
  linkTarget: string | undefined,
): FtpEntry {
  return {
    name,
    type,
    sizeBytes,
    modifiedAt: time === undefined ? undefined : new Date(time),
    modifiedStepMs: time === undefined ? undefined : stepMs,
    mode,
    owner,
    group,
    linkTarget,
    facts: undefined,
    raw,
  };
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** 1 to 12, or 0. */
export const monthNumber = (word: string): number => months.indexOf(word.slice(0, 3).toLowerCase()) + 1;

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

/** A local time of the server; undefined where it is none. */
export function localTime(
  clock: ListingClock,
  year: number,
  month: number,
  day: number,
  hour = 0,
  minute = 0,
  second = 0,
): number | undefined {
  const local = utcMs(year, month, day, hour, minute, second);
  return local === undefined ? undefined : clock.toUtc(local);
}

/** Two digits of a year mean 1970 to 2069. */
export const fullYear = (year: number): number => (year >= 100 ? year : year < 70 ? 2000 + year : 1900 + year);

/** A time without a year: the last such one, a day of leeway for clocks and zones that differ. */
export function recentTime(
  clock: ListingClock,
  month: number,
  day: number,
  hour: number,
  minute: number,
): number | undefined {
  const year = new Date(clock.now).getUTCFullYear();
  for (const candidate of [year + 1, year, year - 1, year - 2, year - 3, year - 4]) {
    // February the 29th may be some years ago.
    const time = localTime(clock, candidate, month, day, hour, minute);
    if (time !== undefined && time <= clock.now + DAY_MS) return time;
  }
  return undefined;
}
