import { parseDecimal } from '../../wire/limits.ts';
import { type LineParser, MINUTE_MS, entry, fullYear, localTime } from './entry.ts';

const dos =
  /^(\d{2})[-/](\d{2})[-/](\d{2,4})[ \t]+(\d{1,2}):(\d{2})[ \t]?([AaPp][Mm])?[ \t]+(?:<(DIR|JUNCTION|SYMLINKD?)>|([\d,.]{1,25}))[ \t]+(\S.*)$/;

/**
 * Windows servers in their own style: month, day, year.
 *
 *     02-05-20  01:07PM       <DIR>          folder
 *     02-05-2020  13:07             1,234 file.txt
 */
export const parseDosLine: LineParser = (line, clock) => {
  const match = dos.exec(line);
  if (match === null) return undefined;
  const [month, day, year, rawHour, minute] = match.slice(1, 6).map(Number) as [number, number, number, number, number];
  const half = match[6]?.toUpperCase();
  const hour = half === undefined ? rawHour : (rawHour % 12) + (half === 'PM' ? 12 : 0);
  const time = localTime(clock, fullYear(year), month, day, hour, minute);
  const [kind, size, name] = [match[7], match[8], match[9] as string];
  if (name === '.' || name === '..') return 'skip';
  const type = kind === undefined ? 'file' : kind === 'DIR' ? 'directory' : 'symlink';
  const sizeBytes = size === undefined ? undefined : parseDecimal(size.replace(/[,.]/g, ''));
  const arrow = type === 'symlink' ? /^(.*?) \[(.*)\]$/.exec(name) : null;
  return entry(line, arrow?.[1] ?? name, type, sizeBytes, time, MINUTE_MS, undefined, undefined, undefined, arrow?.[2]);
};

const os2 =
  /^[ \t]*(\d{1,15})[ \t]+(?:([RHSA]{1,4})[ \t]+)?(DIR[ \t]+)?(\d{2})-(\d{2})-(\d{2,4})[ \t]+(\d{1,2}):(\d{2})[ \t]+(\S.*)$/;

/**
 * OS/2's own style. The year counts from 1900 and so may have three digits.
 *
 *      36611      A    04-23-103   10:57  OS2UTIL.EXE
 *          0           DIR   02-07-96   10:55  PSFONTS
 */
export const parseOs2Line: LineParser = (line, clock) => {
  const match = os2.exec(line);
  if (match === null) return undefined;
  const [month, day, rawYear, hour, minute] = match.slice(4, 9).map(Number) as [number, number, number, number, number];
  const year = (match[6] as string).length === 3 ? 1900 + rawYear : fullYear(rawYear);
  const name = match[9] as string;
  if (name === '.' || name === '..') return 'skip';
  const type = match[3] === undefined ? 'file' : 'directory';
  const time = localTime(clock, year, month, day, hour, minute);
  const size = type === 'file' ? parseDecimal(match[1] as string) : undefined;
  return entry(line, name, type, size, time, MINUTE_MS, undefined, undefined, undefined, undefined);
};
