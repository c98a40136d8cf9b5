import { parseDecimal } from '../../wire/limits.ts';
import { type LineParser, MINUTE_MS, entry, localTime, monthNumber } from './entry.ts';

const vms =
  /^([^\s;]{1,255});(\d{1,5})[ \t]+(\d{1,15})(?:\/(\d{1,15}))?[ \t]+(\d{1,2})-([A-Za-z]{3})-(\d{4})(?:[ \t]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,2})?)?)?(?:[ \t]+\[([^\]]{0,80})\])?(?:[ \t]+\([RWED,]{0,40}\))?[ \t]*$/i;
const BLOCK_BYTES = 512;

/**
 * OpenVMS. A long name has a line of its own; the caller has joined it. Sizes are blocks of 512 bytes. The version is left out of the
 * name: without it the server gives the newest.
 *
 *     README.TXT;1      2/8    29-JAN-1996 03:33:12  [ANN,USERS]  (RWED,RWED,R,)
 *     FOLDER.DIR;1      1      29-JAN-1996 03:33     [ANN]        (RWE,RWE,RE,)
 */
export const parseVmsLine: LineParser = (line, clock) => {
  if (/^(?:Directory [^\n]*\[|Total of \d+ file|Grand total of )/i.test(line)) return 'skip';
  const match = vms.exec(line);
  if (match === null) return undefined;
  const fullName = match[1] as string;
  const isDirectory = /\.DIR$/i.test(fullName);
  const month = monthNumber(match[6] as string);
  const [day, year] = [Number(match[5]), Number(match[7])];
  const time = localTime(clock, year, month, day, Number(match[8] ?? 0), Number(match[9] ?? 0), Number(match[10] ?? 0));
  const blocks = parseDecimal(match[3] as string);
  const size = isDirectory || blocks === undefined ? undefined : blocks * BLOCK_BYTES;
  const [group, owner] = (match[11] ?? '').includes(',') ? (match[11] as string).split(',') : [undefined, match[11]];
  return entry(
    line,
    isDirectory ? fullName.slice(0, -4) : fullName,
    isDirectory ? 'directory' : 'file',
    size,
    time,
    match[10] === undefined ? MINUTE_MS : 1000,
    undefined,
    owner,
    group,
    undefined,
  );
};

/** Puts a name that stands alone before what follows it in the next line. */
export function joinVmsLines(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] as string;
    const next = lines[index + 1];
    if (/^[^\s;]{1,255};\d{1,5}[ \t]*$/.test(line) && next !== undefined && /^[ \t]/.test(next)) {
      joined.push(`${line.trimEnd()} ${next.trimStart()}`);
      index++;
    } else joined.push(line);
  }
  return joined;
}
