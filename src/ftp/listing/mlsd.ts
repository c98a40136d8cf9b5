import { parseDecimal } from '../../wire/limits.ts';
import { parseFtpTime } from '../codec.ts';
import type { FtpEntry, LineParser } from './entry.ts';

/**
 * Facts, a space, the name: the form that was made for programs.
 *
 *     type=file;size=25730;modify=19940728095854;UNIX.mode=0644; cap60.pl198.tar.gz
 *
 * The folder itself and its parent (cdir, pdir) are skipped.
 *
 * @see RFC 3659 section 7.2
 */
export const parseMlsdLine: LineParser = (line) => readFacts(line, false);

/** The answer to MLST, which is about the path itself. undefined when it is none. */
export function parseMlstLine(line: string): FtpEntry | undefined {
  const found = readFacts(line.trimStart(), true);
  return found === 'skip' ? undefined : found;
}

function readFacts(line: string, itself: boolean): FtpEntry | 'skip' | undefined {
  const space = line.indexOf(' ');
  // No facts at all is allowed: a space and the name.
  if (space < 0 || (space > 0 && !line.slice(0, space).includes('='))) return undefined;
  const name = line.slice(space + 1);
  if (name === '') return undefined;
  const facts = new Map<string, string>();
  for (const fact of line.slice(0, space).split(';')) {
    const equals = fact.indexOf('=');
    if (equals > 0) facts.set(fact.slice(0, equals).toLowerCase(), fact.slice(equals + 1));
  }
  const kind = facts.get('type')?.toLowerCase() ?? '';
  if (!itself && (kind === 'cdir' || kind === 'pdir' || name === '.' || name === '..')) return 'skip';
  const link = /^os\.unix=s(?:ym)?link(?::(.*))?$/s.exec(kind);
  const target = link === null ? undefined : /^OS\.unix=s(?:ym)?link:(.*)$/is.exec(facts.get('type') ?? '')?.[1];
  const modify = facts.get('modify');
  const modifiedAt = modify === undefined ? undefined : parseFtpTime(modify);
  const mode = facts.get('unix.mode');
  return {
    name,
    type:
      kind === 'file'
        ? 'file'
        : kind === 'dir' || kind === 'cdir' || kind === 'pdir'
          ? 'directory'
          : link === null
            ? 'other'
            : 'symlink',
    sizeBytes: parseDecimal(facts.get('size') ?? ''),
    modifiedAt,
    modifiedStepMs: modifiedAt === undefined ? undefined : modify?.includes('.') === true ? 1 : 1000,
    mode: mode !== undefined && /^[0-7]{1,6}$/.test(mode) ? Number.parseInt(mode, 8) & 0o7777 : undefined,
    owner: facts.get('unix.ownername') ?? facts.get('unix.owner') ?? facts.get('unix.uid'),
    group: facts.get('unix.groupname') ?? facts.get('unix.group') ?? facts.get('unix.gid'),
    linkTarget: target,
    facts,
    raw: line,
  };
}
