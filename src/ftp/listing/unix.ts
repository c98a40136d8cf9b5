import { parseDecimal } from '../../wire/limits.ts';
import {
  DAY_MS,
  type FtpEntry,
  type LineParser,
  type ListingClock,
  MINUTE_MS,
  entry,
  localTime,
  monthNumber,
  recentTime,
} from './entry.ts';

/** More words than this before the name mean that it is no such line. */
const MAX_WORDS = 11;
const SPACE = 32;
/** `Nov 21 14:54` */
const DATE_LENGTH = 12;
const commonForm =
  /^([-d])([-rwxsStT]{9}) +\d{1,9} +([^ ]+) +([^ ]+) +(\d{1,15}) +([A-Z][a-z]{2} [ \d]\d (?: \d{4}|\d\d:\d\d)) (.+)$/s;

/**
 * What `ls -l` prints, and the many servers that imitate it: with or without the count of links, an owner and a group.
 *
 *     -rw-r--r--    1 ann      users       1234 Nov 21 14:54 a name
 *     lrwxrwxrwx    1 ann      users          5 Nov 21  2019 link -> where
 *     drwxr-xr-x    2 0        0           4096 2019-11-21 14:54 folder
 */
export function unixParser(): LineParser {
  const starts = new Int32Array(MAX_WORDS);
  const ends = new Int32Array(MAX_WORDS);
  // Neighbours in a listing often have the same time.
  let lastText = '';
  let lastTime: number | undefined;
  let lastStep = MINUTE_MS;

  // What a line has in common with the one before it, and where: most of a listing is read by comparing.
  let before: FtpEntry | undefined;
  let prefix = '';
  let dateAt = 0;

  const timeOf = (line: string, from: number, to: number, words: readonly string[], clock: ListingClock): void => {
    const text = line.slice(from, to);
    if (text === lastText) return;
    before = undefined;
    lastText = text;
    [lastTime, lastStep] = readTime(words, clock);
  };

  /** The common form by one pattern: faster than a loop until that is compiled, which is after some thousand lines. */
  const like = (line: string): FtpEntry | undefined => {
    if (before === undefined || !line.startsWith(prefix) || !line.startsWith(lastText, dateAt)) return undefined;
    const nameAt = dateAt + DATE_LENGTH + 1;
    const size = line.slice(prefix.length, dateAt - 1).trimStart();
    if (line[dateAt - 1] !== ' ' || line[nameAt - 1] !== ' ' || !/^\d{1,15}$/.test(size)) return undefined;
    const name = line.slice(nameAt);
    if (name === '' || name === '.' || name === '..') return undefined;
    const { type, mode, owner, group } = before;
    return entry(line, name, type, Number(size), lastTime, lastStep, mode, owner, group, undefined);
  };

  const common: LineParser = (line, clock) => {
    const same = like(line);
    if (same !== undefined) return same;
    const match = commonForm.exec(line);
    if (match === null) return undefined;
    const [, kind, mode, owner, group, size, date, name] = match as unknown as string[];
    if (date !== lastText) {
      if (monthNumber(date as string) === 0) return undefined;
      lastText = date as string;
      [lastTime, lastStep] = readTime(lastText.split(/ +/), clock);
    }
    if (name === '.' || name === '..') return 'skip';
    const type = kind === '-' ? 'file' : 'directory';
    dateAt = line.length - (name as string).length - DATE_LENGTH - 1;
    prefix = `${line.slice(0, dateAt - 1 - (size as string).length).trimEnd()} `;
    before = entry(
      line,
      name as string,
      type,
      Number(size),
      lastTime,
      lastStep,
      modeBits(mode as string),
      owner,
      group,
      undefined,
    );
    const found = before;
    // With more than one space there the columns are others.
    if (line[dateAt - 2] === ' ') before = undefined;
    return found;
  };

  return (line, clock) => {
    const found = common(line, clock);
    if (found !== undefined) return found;
    const kind = line.charCodeAt(0);
    if (kind === 116 && /^total(?:\s+\d+)?\s*$/.test(line)) return 'skip';
    // - b c d D l p s
    if (
      kind !== 45 &&
      kind !== 100 &&
      kind !== 108 &&
      !(kind === 98 || kind === 99 || kind === 68 || kind === 112 || kind === 115)
    )
      return undefined;
    if (line.length < 20) return undefined;
    let words = 0;
    let at = 0;
    const length = line.length;
    while (words < MAX_WORDS && at < length) {
      while (at < length && line.charCodeAt(at) === SPACE) at++;
      starts[words] = at;
      while (at < length && line.charCodeAt(at) !== SPACE) at++;
      ends[words++] = at;
    }
    const modeLength = (ends[0] as number) - (starts[0] as number);
    if (modeLength < 10 || modeLength > 11) return undefined;
    // The common form has its date in the sixth to eighth words; others have a column more or less.
    for (const first of [5, 4, 6, 3, 2]) {
      if (first + 1 >= words) continue;
      const word = line.slice(starts[first], ends[first]);
      let last = first + 2;
      if (/^\d{4}-\d{2}-\d{2}$/.test(word)) {
        last = first + 1;
        if (/^[+-]\d{4}$/.test(line.slice(starts[last + 1] ?? 0, ends[last + 1] ?? 0))) last++;
      } else if (
        last >= words ||
        !((word.length === 3 && monthNumber(word) > 0) || (isDay(word) && isMonthAt(line, first + 1)))
      )
        continue;
      else if (!isYearOrTime(line, starts[last] as number, ends[last] as number)) continue;
      const sizeBytes = parseDecimal(line.slice(starts[first - 1], ends[first - 1]));
      const from = starts[first] as number;
      const to = ends[last] as number;
      if (line.slice(from, to) !== lastText) {
        const parts: string[] = [];
        for (let index = first; index <= last; index++) parts.push(line.slice(starts[index], ends[index]));
        timeOf(line, from, to, parts, clock);
      }
      let name = line.slice(to + 1);
      if (name === '') return undefined;
      let linkTarget: string | undefined;
      if (kind === 108) {
        const arrow = name.indexOf(' -> ');
        if (arrow > 0) {
          linkTarget = name.slice(arrow + 4);
          name = name.slice(0, arrow);
        }
      }
      if (name === '.' || name === '..') return 'skip';
      const count = isDigit(line.charCodeAt(starts[1] as number)) ? 1 : 0;
      const owner = 1 + count < first - 1 ? line.slice(starts[1 + count], ends[1 + count]) : undefined;
      const group = 2 + count < first - 1 ? line.slice(starts[2 + count], ends[2 + count]) : undefined;
      const type: FtpEntry['type'] =
        kind === 45 ? 'file' : kind === 100 ? 'directory' : kind === 108 ? 'symlink' : 'other';
      return entry(
        line,
        name,
        type,
        sizeBytes,
        lastTime,
        lastStep,
        modeBits(line.slice(1, 10)),
        owner,
        group,
        linkTarget,
      );
    }
    return undefined;
  };

  function isMonthAt(line: string, word: number): boolean {
    return (
      (ends[word] as number) - (starts[word] as number) === 3 && monthNumber(line.slice(starts[word], ends[word])) > 0
    );
  }
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
/** `2019` or `14:54`, by the look of it. */
function isYearOrTime(line: string, from: number, to: number): boolean {
  const length = to - from;
  return (length === 4 || length === 5) && isDigit(line.charCodeAt(from)) && isDigit(line.charCodeAt(to - 1));
}

const isDay = (word: string): boolean => /^\d{1,2}\.?$/.test(word);

function readTime(words: readonly string[], clock: ListingClock): [time: number | undefined, stepMs: number] {
  const [first = '', second = '', third = ''] = words;
  if (first.length === 10) {
    const [year, month, day] = first.split('-').map(Number) as [number, number, number];
    const clockTime = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?$/.exec(second);
    if (clockTime === null) return [undefined, DAY_MS];
    const [hour, minute, seconds] = clockTime.slice(1).map((part) => Number(part ?? 0)) as [number, number, number];
    const step = clockTime[3] === undefined ? MINUTE_MS : 1000;
    if (third === '') return [localTime(clock, year, month, day, hour, minute, seconds), step];
    const offset = (Number(third.slice(1, 3)) * 60 + Number(third.slice(3))) * (third.startsWith('-') ? -1 : 1);
    const utc = localTime({ ...clock, toUtc: (ms) => ms }, year, month, day, hour, minute, seconds);
    return [utc === undefined ? undefined : utc - offset * MINUTE_MS, step];
  }
  const dayFirst = isDay(first);
  const month = monthNumber(dayFirst ? second : first);
  const day = Number.parseInt(dayFirst ? first : second, 10);
  const colon = third.indexOf(':');
  if (colon > 0) {
    const match = /^(\d{1,2}):(\d{2})$/.exec(third);
    return [match === null ? undefined : recentTime(clock, month, day, Number(match[1]), Number(match[2])), MINUTE_MS];
  }
  return [/^\d{4}$/.test(third) ? localTime(clock, Number(third), month, day) : undefined, DAY_MS];
}

let lastMode = '';
let lastBits = 0;

/** `drwxr-xr-x` as bits; s, S, t and T set the high ones. */
function modeBits(text: string): number {
  if (text === lastMode) return lastBits;
  let bits = 0;
  for (let at = 0; at < 9; at++) {
    const letter = text.charAt(at);
    if (letter !== '-' && letter !== 'S' && letter !== 'T') bits |= 1 << (8 - at);
    if (/[sStT]/.test(letter)) bits |= 0o1000 << (at === 2 ? 2 : at === 5 ? 1 : 0);
  }
  lastMode = text;
  lastBits = bits;
  return bits;
}
