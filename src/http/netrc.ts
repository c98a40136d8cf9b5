import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsageError, messageOf } from '../errors.ts';

/** A login for one machine; `machine` is undefined for the default. */
export interface NetrcEntry {
  readonly machine: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** Reads a .netrc file. A missing ~/.netrc is an empty one; UsageError for another file that cannot be read. */
export async function readNetrc(path?: string): Promise<NetrcEntry[]> {
  try {
    return parseNetrc(await readFile(path ?? join(homedir(), '.netrc'), 'utf8'));
  } catch (error) {
    if (path === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new UsageError(`cannot read the netrc file: ${messageOf(error)}`, { cause: error });
  }
}

/** `machine name login user password secret`, `default`; macros are passed over, `#` begins a comment, words may be quoted. */
export function parseNetrc(text: string): NetrcEntry[] {
  const withoutMacros = text.replace(/^[ \t]*macdef[^\n]*\n(?:[^\n]+\n)*(?:\n|$)/gm, '');
  const words = [...withoutMacros.matchAll(/"((?:[^"\\]|\\.)*)"|(#[^\n]*)|(\S+)/g)]
    .filter((match) => match[2] === undefined)
    .map((match) => (match[1] === undefined ? (match[3] as string) : match[1].replace(/\\(.)/g, '$1')));
  const entries: { machine: string | undefined; user: string | undefined; password: string | undefined }[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    const last = entries.at(-1);
    if (word === 'machine') entries.push({ machine: words[++at]?.toLowerCase(), user: undefined, password: undefined });
    else if (word === 'default') entries.push({ machine: undefined, user: undefined, password: undefined });
    else if (word === 'login' && last !== undefined) last.user = words[++at];
    else if (word === 'password' && last !== undefined) last.password = words[++at];
    else if (word === 'account') at++;
  }
  return entries;
}

/**
 * The first entry for this host, and for this user where one is named; an entry that names only half of a login is none. Never the password
 * of another user or host (CVE-2024-11053).
 */
export function netrcLogin(
  entries: readonly NetrcEntry[],
  host: string,
  user: string | undefined,
): { user: string; password: string } | undefined {
  const fits = (entry: NetrcEntry): boolean => user === undefined || entry.user === user;
  const own = entries.filter((entry) => entry.machine === host.toLowerCase());
  const found = own.length > 0 ? own.find(fits) : entries.find((entry) => entry.machine === undefined && fits(entry));
  return found?.user === undefined || found.password === undefined
    ? undefined
    : { user: found.user, password: found.password };
}
