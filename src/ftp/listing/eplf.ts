import { parseDecimal } from '../../wire/limits.ts';
import { type LineParser, entry } from './entry.ts';

/**
 * Easily Parsed LIST Format: facts, a tab, the name.
 *
 *     +i8388621.48594,m825718503,r,s280,up644,<TAB>djb.html
 *
 * @see https://cr.yp.to/ftp/list/eplf.html
 */
export const parseEplfLine: LineParser = (line) => {
  const tab = line.indexOf('\t');
  if (!line.startsWith('+') || tab < 0) return undefined;
  const name = line.slice(tab + 1);
  let type: 'file' | 'directory' | 'other' = 'other';
  let size: number | undefined;
  let time: number | undefined;
  let mode: number | undefined;
  for (const fact of line.slice(1, tab).split(',')) {
    if (fact === '/') type = 'directory';
    else if (fact === 'r') type = 'file';
    else if (fact.startsWith('s')) size = parseDecimal(fact.slice(1));
    else if (fact.startsWith('m')) {
      const seconds = parseDecimal(fact.slice(1));
      time = seconds === undefined || seconds > 8.64e12 ? undefined : seconds * 1000;
    } else if (/^up[0-7]{1,4}$/.test(fact)) mode = Number.parseInt(fact.slice(2), 8);
  }
  if (name === '') return undefined;
  if (name === '.' || name === '..') return 'skip';
  return entry(line, name, type, size, time, 1000, mode, undefined, undefined, undefined);
};
