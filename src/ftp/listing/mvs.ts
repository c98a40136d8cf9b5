import { parseDecimal } from '../../wire/limits.ts';
import { DAY_MS, type LineParser, MINUTE_MS, entry, localTime } from './entry.ts';

const dataSet =
  /^(\S{1,6})[ \t]+(\S{1,8})[ \t]+(\d{4}\/\d{2}\/\d{2}|\*\*NONE\*\*)[ \t]+(\d{1,9})[ \t]+(\d{1,9}|\+{2,9})[ \t]+(\S{1,4})[ \t]+(\d{1,6})[ \t]+(\d{1,6})[ \t]+(PS|PO|PO-E|VS|DA|\S{1,4})[ \t]+(\S{1,80})$/;
const away = /^(?:Migrated|ARCIVE Not Direct Access Device|Pseudo Directory)[ \t]+(?:KJ\.IOP998\.ERROR\.)?(\S{1,80})$/i;
const member =
  /^[ \t]?([A-Z0-9@#$]{1,8})[ \t]+(\d{2}\.\d{2})[ \t]+(\d{4}\/\d{2}\/\d{2})[ \t]+(\d{4})\/(\d{2})\/(\d{2})[ \t]+(\d{2}):(\d{2})[ \t]+(\d{1,9})[ \t]+\d{1,9}[ \t]+\d{1,9}[ \t]+(\S{1,8})[ \t]*$/;

/**
 * z/OS: data sets, where a partitioned one (PO) is a folder of members, and members. Sizes in bytes are not told.
 *
 *     Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname
 *     SAVE00 3390   2004/06/23  1    1  FB     128  6144  PS    INCOMING.RPT
 *      Name     VV.MM   Created       Changed      Size  Init   Mod   Id
 *     TBSHELF   01.03 2002/09/12 2002/10/11 09:37    11    11     0 KIL001
 */
export const parseMvsLine: LineParser = (line, clock) => {
  if (/^[ \t]*Volume[ \t]+Unit[ \t]|^[ \t]*Name[ \t]+VV\.MM[ \t]/.test(line)) return 'skip';
  const set = dataSet.exec(line);
  if (set !== null) {
    const [year, month, day] = (set[3] as string).split('/').map(Number);
    const time = year && month && day ? localTime(clock, year, month, day) : undefined;
    const type = (set[9] as string).startsWith('PO') ? 'directory' : 'file';
    return entry(
      line,
      unquote(set[10] as string),
      type,
      undefined,
      time,
      DAY_MS,
      undefined,
      undefined,
      undefined,
      undefined,
    );
  }
  const found = member.exec(line);
  if (found !== null) {
    const [year, month, day, hour, minute] = found.slice(4, 9).map(Number) as [number, number, number, number, number];
    const time = localTime(clock, year, month, day, hour, minute);
    return entry(
      line,
      found[1] as string,
      'file',
      undefined,
      time,
      MINUTE_MS,
      undefined,
      found[10],
      undefined,
      undefined,
    );
  }
  const gone = away.exec(line);
  return gone === null
    ? undefined
    : entry(
        line,
        unquote(gone[1] as string),
        'other',
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
      );
};

/** Members without statistics are bare names: only believed below a header. */
export const parseMvsMemberLine: LineParser = (line) => {
  const match = /^[ \t]?([A-Z0-9@#$]{1,8})[ \t]*$/.exec(line);
  return match === null
    ? undefined
    : entry(
        line,
        match[1] as string,
        'file',
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
      );
};

const unquote = (name: string): string => name.replace(/^'(.*)'$/, '$1');

/** True for the header lines by which z/OS is known. */
export const isMvsHeader = (line: string): boolean =>
  /^[ \t]*(?:Volume[ \t]+Unit[ \t]+Referred|Name[ \t]+VV\.MM)/.test(line) && parseDecimal(line) === undefined;
