import { LimitError, ReplyError, UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { wholeNumber } from '../wire/limits.ts';
import { list } from './listing-command.ts';
import type { FtpEntry } from './listing/entry.ts';
import type { FtpSession } from './session.ts';

/** An entry with where it is. */
export interface FtpWalkEntry {
  readonly entry: FtpEntry;
  /** The remote path: the root as given, with the names behind it. */
  readonly path: string;
  /** Names below the root. */
  readonly parts: readonly string[];
}

export interface WalkOptions extends CallOptions {
  /** Below this the walk fails with LimitError: a folder may hold itself. Default 100. */
  readonly maxDepth?: number | undefined;
  /** More entries than this fail it too. Default 1,000,000. */
  readonly maxEntries?: number | undefined;
  /** False leaves an entry out, and a folder with all in it. */
  readonly filter?: ((entry: FtpWalkEntry) => boolean) | undefined;
  /** With LIST: names that begin with a dot too. Default true. */
  readonly hidden?: boolean | undefined;
  /** Hears of entries that are left out because their name is no name. */
  readonly onRefused?: ((path: string) => void) | undefined;
}

/** A path and a name below it. */
export const remoteJoin = (folder: string, name: string): string =>
  folder === '' || folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`;

/** True for a name that the server must not mean as a path. */
const isPlain = (name: string): boolean => name !== '' && name !== '.' && name !== '..' && !/[/\r\n\0]/.test(name);

/**
 * Every entry below a folder, folders before what is in them. Links are shown and not followed. Names that are paths are left out: they
 * could lead anywhere. Commands inside the loop work: each folder's listing is read before its entries are given.
 */
export async function* walk(
  session: () => FtpSession,
  root: string,
  options: WalkOptions = {},
): AsyncGenerator<FtpWalkEntry> {
  const maxDepth = wholeNumber('maxDepth', options.maxDepth ?? 100);
  const maxEntries = wholeNumber('maxEntries', options.maxEntries ?? 1_000_000);
  const { signal, timeoutMs, filter } = options;
  // RFC 3659 section 7.5.2: the same thing under another name is the same.
  const seen = new Set<string>();
  let count = 0;
  const folders: { readonly path: string; readonly parts: readonly string[] }[] = [{ path: root, parts: [] }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const listing = await list(session(), folder.path, {
      signal,
      timeoutMs,
      hidden: session().hidesDots && options.hidden !== false,
    });
    const below: typeof folders = [];
    for (const entry of listing) {
      if (!isPlain(entry.name)) {
        options.onRefused?.([...folder.parts, entry.name].join('/'));
        continue;
      }
      if (++count > maxEntries)
        throw new LimitError(`there are more than ${maxEntries} entries below ${root}`, { protocol: 'FTP' });
      const found = { entry, path: remoteJoin(folder.path, entry.name), parts: [...folder.parts, entry.name] };
      if (filter?.(found) === false) continue;
      if (entry.type === 'directory') {
        const id = entry.facts?.get('unique');
        const again = id !== undefined && seen.has(id);
        if (id !== undefined) seen.add(id);
        if (found.parts.length > maxDepth)
          throw new LimitError(`the folders below ${root} are nested deeper than ${maxDepth}`, {
            protocol: 'FTP',
            reason: 'TOO_DEEP',
          });
        if (!again) below.push(found);
      }
      yield found;
    }
    folders.push(...below.reverse());
  }
}

/** Removes a folder and everything in it. Links go, not what they lead to. */
export async function removeDir(
  session: FtpSession,
  path: string,
  options: CallOptions = {},
): Promise<{ readonly removed: number }> {
  if (/^\/*$/.test(path)) throw new UsageError('the root folder is not removed');
  const { signal, timeoutMs } = options;
  const call = { signal, timeoutMs };
  const folders: string[] = [path];
  let removed = 0;
  for await (const { entry, path: below } of walk(() => session, path, call)) {
    if (entry.type === 'directory') folders.push(below);
    else {
      await session.command('DELE', [below], call);
      removed++;
    }
  }
  for (const folder of folders.reverse()) {
    await session.command('RMD', [folder], call);
    removed++;
  }
  return { removed };
}

/** Makes folders as far as they are missing. Keeps in mind which are there. */
export class RemoteFolders {
  readonly #known = new Map<string, Promise<void>>();

  async ensure(session: FtpSession, path: string, call: CallOptions): Promise<void> {
    if (path === '' || path === '/' || path === '.') return;
    let making = this.#known.get(path);
    if (making === undefined) {
      making = this.#make(session, path, call);
      this.#known.set(path, making);
      making.catch(() => this.#known.delete(path));
    }
    return making;
  }

  async #make(session: FtpSession, path: string, call: CallOptions): Promise<void> {
    try {
      await session.command('MKD', [path], call);
    } catch (error) {
      if (!(error instanceof ReplyError) || error.temporary) throw error;
      // It is there already, or its parent is not.
      const slash = path.lastIndexOf('/');
      if (slash > 0) await this.ensure(session, path.slice(0, slash), call);
      const again = await session.ask('MKD', [path], call);
      if (again.code < 400 || (await isFolder(session, path, call))) return;
      throw error;
    }
  }
}

async function isFolder(session: FtpSession, path: string, call: CallOptions): Promise<boolean> {
  if (session.features.has('MLST')) {
    const reply = await session.ask('MLST', [path], call);
    return reply.code === 250 && /type=(?:c|p)?dir;/i.test(reply.lines.join(' '));
  }
  return session.isFolder(path, call);
}
