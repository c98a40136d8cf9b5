import { parseDecimal } from '../../wire/limits.ts';
import { type LineParser, entry, fullYear, localTime } from './entry.ts';

const os400 =
  /^(\S{1,20})[ \t]+(\d{1,15})[ \t]+(\d{2})\/(\d{2})\/(\d{2})[ \t]+(\d{2}):(\d{2}):(\d{2})[ \t]+(\*[A-Z0-9]{1,12})[ \t]+(\S.*)$/;

/**
 * OS/400 (IBM i). The job's date format decides the order; year, month, day is taken where it makes a date.
 *
 *     QSYS        36864 04/12/14 14:19:31 *FILE      QCLSRC.FILE
 *     QSYSOPR      4019 04/03/18 18:58:16 *STMF      notes.txt
 *     QSYS        45056 04/12/13 14:19:31 *DIR       folder/
 */
export const parseOs400Line: LineParser = (line, clock) => {
  const match = os400.exec(line);
  if (match === null) {
    // QUIRK(OS/400): members are listed with neither size nor time.
    const bare = /^(\S{1,20})[ \t]+\*MEM[ \t]+(\S.*)$/.exec(line);
    return bare === null
      ? undefined
      : entry(
          line,
          lastPart(bare[2] as string),
          'file',
          undefined,
          undefined,
          undefined,
          undefined,
          bare[1],
          undefined,
          undefined,
        );
  }
  const [first, second, third, hour, minute, seconds] = match.slice(3, 9).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const time =
    localTime(clock, fullYear(first), second, third, hour, minute, seconds) ??
    localTime(clock, fullYear(third), first, second, hour, minute, seconds) ??
    localTime(clock, fullYear(third), second, first, hour, minute, seconds);
  const kind = match[9] as string;
  const text = (match[10] as string).trimEnd();
  const isDirectory = text.endsWith('/') || ['*DIR', '*DDIR', '*LIB', '*FLR', '*FILE'].includes(kind);
  const name = lastPart(text);
  if (name === '' || name === '.' || name === '..') return 'skip';
  const type = isDirectory ? 'directory' : kind === '*STMF' || kind === '*MEM' || kind === '*DSTMF' ? 'file' : 'other';
  const size = type === 'directory' ? undefined : parseDecimal(match[2] as string);
  return entry(line, name, type, size, time, 1000, undefined, match[1], undefined, undefined);
};

/** Members come as FILE.FILE/MEMBER.MBR, folders with a slash behind. */
const lastPart = (path: string): string => path.replace(/\/+$/, '').split('/').at(-1) as string;
