import { LimitError } from '../../errors.ts';
import { parseDosLine, parseOs2Line } from './dos.ts';
import type { FtpEntry, LineParser, ListingClock } from './entry.ts';
import { parseEplfLine } from './eplf.ts';
import { parseMlsdLine } from './mlsd.ts';
import { isMvsHeader, parseMvsLine, parseMvsMemberLine } from './mvs.ts';
import { parseNetwareLine } from './netware.ts';
import { parseOs400Line } from './os400.ts';
import { zoneToUtc } from './time-zone.ts';
import { unixParser } from './unix.ts';
import { joinVmsLines, parseVmsLine } from './vms.ts';

export type ListingDialect = 'mlsd' | 'unix' | 'dos' | 'eplf' | 'vms' | 'mvs' | 'os400' | 'netware' | 'os2';

/** The entries of a folder, in the server's order. */
export interface FtpListing extends ReadonlyArray<FtpEntry> {
  /** Lines that were not understood. */
  readonly skipped: number;
  /** The form of the listing; undefined where nothing was understood. */
  readonly dialect: ListingDialect | undefined;
}

export interface ListingOptions {
  /** The server's zone, for dialects that print local time. Default UTC. */
  readonly timeZone?: string | undefined;
  /** Milliseconds since the epoch. Default: now. */
  readonly now?: number | undefined;
  /** The form, where it is known; otherwise it is found out by its first lines. */
  readonly dialect?: ListingDialect | undefined;
  /** More entries than this are a LimitError. Default 1,000,000. */
  readonly maxEntries?: number | undefined;
}

/** The text of a listing as entries. A line that is not understood is counted, never an error. */
export function parseListing(text: string, options: ListingOptions = {}): FtpListing {
  const clock: ListingClock = { now: options.now ?? Date.now(), toUtc: zoneToUtc(options.timeZone ?? 'UTC') };
  const maxEntries = options.maxEntries ?? 1_000_000;
  const parsers: Record<ListingDialect, LineParser> = {
    mlsd: parseMlsdLine,
    unix: unixParser(),
    dos: parseDosLine,
    eplf: parseEplfLine,
    vms: parseVmsLine,
    mvs: parseMvsLine,
    os400: parseOs400Line,
    netware: parseNetwareLine,
    os2: parseOs2Line,
  };
  // MLSD is never guessed: one knows whether one asked for it.
  const guesses: readonly ListingDialect[] =
    options.dialect === undefined
      ? ['unix', 'dos', 'eplf', 'vms', 'os400', 'netware', 'mvs', 'os2']
      : [options.dialect];
  // Only here a line may continue in the next.
  const joined =
    text.includes(';') && /^[^\s;]{1,255};\d{1,5}[ \t]*\r?$/m.test(text.slice(0, 100_000))
      ? joinVmsLines(text.split(/\r?\n/)).join('\n')
      : text;
  // Names with such bytes could not be asked for.
  const suspicious = /\0|\r(?!\n)/.test(joined);
  const entries: FtpEntry[] = [];
  let skipped = 0;
  let dialect: ListingDialect | undefined;
  let current: LineParser | undefined;
  let members = false;
  for (let at = 0; at < joined.length;) {
    const feed = joined.indexOf('\n', at);
    const end = feed < 0 ? joined.length : feed;
    const line = joined.slice(at, end > at && joined.charCodeAt(end - 1) === 13 ? end - 1 : end);
    at = end + 1;
    if (line === '') continue;
    let found = current?.(line, clock);
    if (found === undefined && dialect === undefined) {
      for (const guess of guesses) {
        found = parsers[guess](line, clock);
        if (found === undefined) continue;
        if (found !== 'skip' || guess === 'mvs') {
          dialect = guess;
          current = parsers[guess];
        }
        break;
      }
    }
    if (found === undefined && members) found = parseMvsMemberLine(line, clock);
    if (dialect === 'mvs' && isMvsHeader(line)) members = /VV\.MM/.test(line);
    if (found === undefined || (suspicious && found !== 'skip' && /[\0\r]/.test(found.name))) skipped++;
    else if (found !== 'skip') {
      if (entries.push(found) > maxEntries)
        throw new LimitError(`the listing has more than ${maxEntries} entries`, { reason: 'LISTING_TOO_LONG' });
    }
  }
  return Object.assign(entries, { skipped, dialect });
}
