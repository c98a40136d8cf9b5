import { parseDecimal } from '../../wire/limits.ts';
import { DAY_MS, type LineParser, MINUTE_MS, entry, localTime, monthNumber, recentTime } from './entry.ts';

const netware =
  /^([d-]) ?\[([-A-Z]{1,12})\][ \t]+(\S{1,64})[ \t]+(\d{1,15})[ \t]+([A-Za-z]{3})[ \t]+(\d{1,2})[ \t]+(?:(\d{1,2}):(\d{2})|(\d{4}))[ \t]+(\S.*)$/;

/**
 * Novell NetWare: rights in brackets.
 *
 *     d [R----F--] supervisor            512       Jan 16 18:53    login
 *     - [R----F--] rhesus             214059       Oct 20  2003    cx.exe
 */
export const parseNetwareLine: LineParser = (line, clock) => {
  const match = netware.exec(line);
  if (match === null) return undefined;
  const month = monthNumber(match[5] as string);
  if (month === 0) return undefined;
  const day = Number(match[6]);
  const year = match[9];
  const time =
    year === undefined
      ? recentTime(clock, month, day, Number(match[7]), Number(match[8]))
      : localTime(clock, Number(year), month, day);
  const name = match[10] as string;
  if (name === '.' || name === '..') return 'skip';
  const isDirectory = match[1] === 'd';
  const size = isDirectory ? undefined : parseDecimal(match[4] as string);
  const step = year === undefined ? MINUTE_MS : DAY_MS;
  return entry(
    line,
    name,
    isDirectory ? 'directory' : 'file',
    size,
    time,
    step,
    undefined,
    match[3],
    undefined,
    undefined,
  );
};
