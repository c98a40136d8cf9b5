import { lstat, mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type PostwireError, ReplyError, UnsupportedError, UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { checkOptions } from '../wire/arguments.ts';
import { wholeNumber } from '../wire/limits.ts';
import { download, upload } from './files.ts';
import { CaseClashes, ensureFolder, localPath, refuseName } from './names.ts';
import type { FtpProgress } from './progress.ts';
import type { FtpSession } from './session.ts';
import { SessionSlot, withRetries } from './slot.ts';
import { RemoteFolders, remoteJoin, walk } from './tree.ts';

/** Something on one side. */
export interface FtpSyncItem {
  /** Below the root, with slashes. */
  readonly path: string;
  readonly type: 'file' | 'directory';
  readonly sizeBytes: number | undefined;
  readonly modifiedAt: Date | undefined;
}

export interface FtpDirOptions extends CallOptions {
  /** False leaves an item out, and a folder with all in it. */
  readonly filter?: ((item: FtpSyncItem) => boolean) | undefined;
  /** Sessions at once, this one included. Where the server allows fewer, fewer are used. Default 3. */
  readonly concurrency?: number | undefined;
  /** Go on with files that an earlier run left half done. Default true. */
  readonly resume?: boolean | undefined;
  /** Tries of each file after failures that may pass, reconnecting where needed. Default 2. */
  readonly retries?: number | undefined;
  readonly onProgress?: ((progress: FtpProgress) => void) | undefined;
  /** Local links: 'skip' them (default), or 'follow' them. Links on the server are never followed. */
  readonly symlinks?: 'skip' | 'follow' | undefined;
}

export interface FtpSyncOptions extends FtpDirOptions {
  /** Which side is made like the other. Default 'upload': the server becomes like the local folder. */
  readonly direction?: 'upload' | 'download' | undefined;
  /** Remove what the source does not have. What `filter` leaves out is left alone on both sides. Default false. */
  readonly delete?: boolean | undefined;
  /** Only say what would be done. */
  readonly dryRun?: boolean | undefined;
}

/** What a folder's transfer did, or would do. Paths are relative, with slashes. */
export interface FtpSyncResult {
  readonly transferred: readonly string[];
  readonly unchanged: number;
  readonly deleted: readonly string[];
  readonly folders: readonly string[];
  /** Left out on purpose: links, names that cannot be written here, clashes. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
  /** Refused by the server, or by the local system; all others went on. */
  readonly failed: readonly { readonly path: string; readonly error: Error }[];
  readonly bytes: number;
}

interface Report {
  readonly transferred: string[];
  unchanged: number;
  readonly deleted: string[];
  readonly folders: string[];
  readonly skipped: { path: string; reason: string }[];
  readonly failed: { path: string; error: Error }[];
  bytes: number;
}

interface Item extends FtpSyncItem {
  readonly parts: readonly string[];
  /** What `modifiedAt` is rounded to. */
  readonly stepMs: number;
}

const optionNames = ['signal', 'timeoutMs', 'filter', 'concurrency', 'resume', 'retries', 'onProgress', 'symlinks'];

/** Transfers a folder with everything in it, whatever is there already. */
export async function transferDir(
  slot: SessionSlot,
  direction: 'upload' | 'download',
  local: string,
  remote: string,
  options: FtpDirOptions,
): Promise<FtpSyncResult> {
  checkOptions(direction === 'upload' ? 'uploadDir' : 'downloadDir', options, optionNames);
  return run(slot, direction, local, remote, options, false);
}

/** Makes one side like the other: what differs in size, or is newer, is transferred. */
export async function sync(
  slot: SessionSlot,
  local: string,
  remote: string,
  options: FtpSyncOptions,
): Promise<FtpSyncResult> {
  checkOptions('sync', options, [...optionNames, 'direction', 'delete', 'dryRun']);
  const { direction = 'upload' } = options;
  if (direction !== 'upload' && direction !== 'download')
    throw new UsageError(`direction must be 'upload' or 'download'; got ${JSON.stringify(direction)}`);
  return run(slot, direction, local, remote, options, true);
}

async function run(
  slot: SessionSlot,
  direction: 'upload' | 'download',
  local: string,
  remote: string,
  options: FtpSyncOptions,
  compare: boolean,
): Promise<FtpSyncResult> {
  const root = resolve(local);
  const retries = wholeNumber('retries', options.retries ?? 2);
  const concurrency = wholeNumber('concurrency', options.concurrency ?? 3);
  if (concurrency < 1 || concurrency > 100) throw new UsageError(`concurrency must be 1 to 100; got ${concurrency}`);
  const call = { signal: options.signal, timeoutMs: options.timeoutMs };
  const report: Report = { transferred: [], unchanged: 0, deleted: [], folders: [], skipped: [], failed: [], bytes: 0 };
  const up = direction === 'upload';
  if (up && !(await stat(root)).isDirectory()) throw new UsageError(`${local} is no folder`);
  const readRemote = (missingIsEmpty: boolean): Promise<Map<string, Item>> =>
    withRetries(
      slot,
      retries,
      options.signal,
      () => 0,
      (session) => remoteItems(session, remote, options, up ? undefined : report, missingIsEmpty),
    );
  const here = up || compare ? await localItems(root, options, up ? report : undefined) : new Map<string, Item>();
  // A plain upload overwrites: what is there already does not matter.
  const there = up ? (compare ? await readRemote(true) : new Map<string, Item>()) : await readRemote(false);
  const [source, target] = up ? [here, there] : [there, here];

  const folders = new RemoteFolders();
  const files: Item[] = [];
  for (const item of source.values()) {
    const other = target.get(item.path);
    if (item.type === 'file') {
      if (other?.type === 'directory') report.skipped.push({ path: item.path, reason: 'a folder is in its way' });
      else if (other !== undefined && !differs(item, other)) report.unchanged++;
      else files.push(item);
    } else if (other === undefined) report.folders.push(item.path);
    else if (other.type === 'file') report.skipped.push({ path: item.path, reason: 'a file is in its way' });
  }
  const surplus = options.delete === true ? [...target.values()].filter((item) => !source.has(item.path)) : [];
  if (options.dryRun === true) {
    report.transferred.push(...files.map((item) => item.path));
    report.deleted.push(...surplus.map((item) => item.path));
    report.bytes = files.reduce((sum, item) => sum + (item.sizeBytes ?? 0), 0);
    return report;
  }
  await withRetries(
    slot,
    retries,
    options.signal,
    () => 0,
    async (session) => {
      if (up) await folders.ensure(session, remote.replace(/(?<=.)\/+$/, ''), call);
      for (const path of report.folders) {
        if (up) await folders.ensure(session, remoteJoin(remote, path), call);
      }
    },
  );
  const clashes = new CaseClashes();
  if (!up) {
    await mkdir(root, { recursive: true });
    for (const path of report.folders) {
      const reason = await ensureFolder(root, path.split('/'));
      if (reason !== undefined) report.skipped.push({ path, reason });
    }
  }
  await overSessions(slot, files, concurrency, options.signal, async (worker, item) => {
    const remotePath = remoteJoin(remote, item.path);
    const common = {
      ...call,
      resume: options.resume !== false && worthResuming(item),
      retries,
      onProgress: options.onProgress,
    };
    try {
      if (up) {
        await upload(worker, join(root, ...item.parts), remotePath, { ...common, preserveTime: compare });
      } else {
        const reason = await downloadItem(worker, root, remotePath, item, clashes, common, compare);
        if (reason !== undefined) {
          report.skipped.push({ path: item.path, reason });
          return;
        }
      }
      report.transferred.push(item.path);
      report.bytes += item.sizeBytes ?? 0;
    } catch (error) {
      // One file's refusal is its own; a session that cannot be had any more ends everything.
      if (options.signal?.aborted === true || !isOfTheFile(error)) throw error;
      report.failed.push({ path: item.path, error: error as Error });
    }
  });
  if (surplus.length > 0) await removeSurplus(slot, up, root, remote, surplus, report, retries, call);
  return report;
}

/** A server's no, or the local system's. */
const isOfTheFile = (error: unknown): boolean =>
  error instanceof ReplyError ||
  error instanceof UnsupportedError ||
  (error as PostwireError).reusable === true ||
  typeof (error as NodeJS.ErrnoException).syscall === 'string';

/** Asking what is left of a small file takes longer than sending it. */
const worthResuming = (item: Item): boolean => (item.sizeBytes ?? Number.POSITIVE_INFINITY) > 1024 * 1024;

async function downloadItem(
  slot: SessionSlot,
  root: string,
  remotePath: string,
  item: Item,
  clashes: CaseClashes,
  options: Parameters<typeof download>[3],
  keepTime: boolean,
): Promise<string | undefined> {
  const path = localPath(root, item.parts);
  if (path === undefined) return 'it would leave the folder';
  const clash = await clashes.find(path);
  if (clash !== undefined) return `this file system takes it for ${clash}`;
  const reason = await ensureFolder(root, item.parts.slice(0, -1));
  if (reason !== undefined) return reason;
  if ((await lstat(path).catch(() => undefined))?.isSymbolicLink() === true) return 'a symbolic link is in its way';
  const size = item.sizeBytes === undefined ? {} : { expectedBytes: item.sizeBytes };
  await download(slot, remotePath, path, { ...options, ...size });
  if (keepTime && item.modifiedAt !== undefined) await utimes(path, new Date(), item.modifiedAt);
  return undefined;
}

/** Different in size, or newer on the side that is copied, as far as both can tell. */
function differs(source: Item, target: Item): boolean {
  if (source.sizeBytes !== undefined && target.sizeBytes !== undefined && source.sizeBytes !== target.sizeBytes)
    return true;
  if (source.modifiedAt === undefined || target.modifiedAt === undefined) return source.sizeBytes === undefined;
  const step = Math.max(source.stepMs, target.stepMs, 1000);
  return source.modifiedAt.getTime() - target.modifiedAt.getTime() >= step;
}

async function localItems(
  root: string,
  options: FtpDirOptions,
  report: Report | undefined,
): Promise<Map<string, Item>> {
  const items = new Map<string, Item>();
  const visited = new Set<string>();
  const folders: string[][] = [[]];
  for (let parts = folders.pop(); parts !== undefined; parts = folders.pop()) {
    const folder = join(root, ...parts);
    const found = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (report === undefined && error.code === 'ENOENT') return [];
      throw error;
    });
    for (const each of found) {
      const itemParts = [...parts, each.name];
      const path = itemParts.join('/');
      if (each.isSymbolicLink() && options.symlinks !== 'follow') {
        report?.skipped.push({ path, reason: 'it is a symbolic link' });
        continue;
      }
      const about = await stat(join(folder, each.name)).catch(() => undefined);
      if (about === undefined || !(about.isFile() || about.isDirectory())) {
        report?.skipped.push({
          path,
          reason: about === undefined ? 'its link leads nowhere' : 'it is neither file nor folder',
        });
        continue;
      }
      if (each.name.endsWith('.part') && report === undefined) continue;
      if (/[\r\n]/.test(each.name)) {
        report?.skipped.push({ path, reason: 'FTP cannot write a line break in a name' });
        continue;
      }
      const item: Item = {
        path,
        parts: itemParts,
        type: about.isFile() ? 'file' : 'directory',
        sizeBytes: about.isFile() ? about.size : undefined,
        modifiedAt: about.mtime,
        stepMs: 1,
      };
      if (options.filter?.(item) === false) continue;
      if (about.isDirectory()) {
        // With links followed a folder may hold itself.
        const id = `${about.dev}:${about.ino}`;
        if (visited.has(id)) {
          report?.skipped.push({ path, reason: 'it was there already: a link leads back' });
          continue;
        }
        visited.add(id);
        folders.push(itemParts);
      }
      items.set(path, item);
    }
  }
  return items;
}

async function remoteItems(
  session: FtpSession,
  root: string,
  options: FtpDirOptions,
  report: Report | undefined,
  missingIsEmpty: boolean,
): Promise<Map<string, Item>> {
  const items = new Map<string, Item>();
  const entries = walk(() => session, root, {
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    onRefused: (path: string) => report?.skipped.push({ path, reason: 'it is no name, but a path' }),
    filter: ({ entry, parts }) => {
      const path = parts.join('/');
      const refused = refuseName(entry.name);
      if (refused !== undefined || (entry.type !== 'file' && entry.type !== 'directory')) {
        const reason =
          refused ?? (entry.type === 'symlink' ? 'it is a symbolic link' : 'it is neither file nor folder');
        report?.skipped.push({ path, reason });
        return false;
      }
      const { type, sizeBytes, modifiedAt, modifiedStepMs = 1000 } = entry;
      const item: Item = {
        path,
        parts,
        type,
        sizeBytes: type === 'file' ? sizeBytes : undefined,
        modifiedAt,
        stepMs: modifiedStepMs,
      };
      if (options.filter?.(item) === false || (report === undefined && entry.name.endsWith('.part'))) return false;
      items.set(path, item);
      return true;
    },
  });
  try {
    for await (const _entry of entries) continue;
  } catch (error) {
    // Nothing is there yet: everything is to be sent.
    if (missingIsEmpty && items.size === 0 && error instanceof ReplyError && !error.temporary) return items;
    throw error;
  }
  return items;
}

async function removeSurplus(
  slot: SessionSlot,
  remoteSide: boolean,
  root: string,
  remote: string,
  surplus: readonly Item[],
  report: Report,
  retries: number,
  call: CallOptions,
): Promise<void> {
  // What lies deepest goes first.
  for (const item of [...surplus].sort((left, right) => right.parts.length - left.parts.length)) {
    try {
      if (remoteSide) {
        const verb = item.type === 'directory' ? 'RMD' : 'DELE';
        await withRetries(
          slot,
          retries,
          call.signal,
          () => 0,
          (session) => session.command(verb, [remoteJoin(remote, item.path)], call),
        );
      } else await rm(join(root, ...item.parts), { recursive: item.type === 'directory' });
      report.deleted.push(item.path);
    } catch (error) {
      if (!isOfTheFile(error)) throw error;
      report.failed.push({ path: item.path, error: error as Error });
    }
  }
}

/**
 * Shares work out over the client's own session and further ones. A server that refuses a further one has as many as it wants; the work
 * goes on with those there are. The first failure stops the others after what they are at.
 */
async function overSessions<T>(
  first: SessionSlot,
  work: readonly T[],
  concurrency: number,
  signal: AbortSignal | undefined,
  action: (slot: SessionSlot, item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const directory = first.current?.directory;
  const worker = async (index: number): Promise<void> => {
    const slot = index === 0 ? first : new SessionSlot(first.target);
    slot.directory ??= directory;
    try {
      if (index > 0) {
        try {
          await slot.session(signal);
        } catch (error) {
          if (signal?.aborted === true) throw error;
          return;
        }
      }
      while (next < work.length && failures.length === 0) {
        const item = work[next++] as T;
        await action(slot, item);
      }
    } catch (error) {
      failures.push(error);
    } finally {
      if (index > 0) await slot.quit();
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, work.length) }, (_, index) => worker(index)));
  if (failures.length > 0) throw failures[0];
}
