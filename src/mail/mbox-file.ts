import { randomBytes } from 'node:crypto';
import { link, open, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { TimeoutError, UsageError } from '../errors.ts';
import { type MboxWriteOptions, formatMboxEntry } from './mbox.ts';

/** A lock whose file has not been touched for this long was left behind by a program that died: dotlockfile(1), procmail's default is more. */
const STALE_MS = 5 * 60_000;
const RETRY_MS = 50;

export interface MboxLockOptions {
  /** How long to wait for another program's lock. Default 30 s. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while `FILE.lock` is held, the way mail programs agree on for mbox files (a "dotlock"; Node cannot take kernel locks).
 * TimeoutError where another program does not let go; a lock older than five minutes is taken to be left over, and removed.
 */
export async function withMboxLock<T>(
  path: string,
  work: () => Promise<T>,
  { timeoutMs = 30_000, signal }: MboxLockOptions = {},
): Promise<T> {
  const lock = `${path}.lock`;
  // Made under a name of its own and linked: that is atomic even where exclusive creation is not (NFS).
  const own = `${lock}.${hostname().replaceAll('/', '_')}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(own, `${process.pid}\n`, { flag: 'wx' });
  } catch (error) {
    throw new UsageError(`${path} cannot be locked: ${(error as Error).message}`, { cause: error });
  }
  try {
    for (const until = performance.now() + timeoutMs; ;) {
      signal?.throwIfAborted();
      try {
        await link(own, lock);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      if (await isStale(lock)) {
        await unlink(lock).catch(() => undefined);
        continue;
      }
      if (performance.now() >= until)
        throw new TimeoutError(`another program has held ${lock} for longer than ${timeoutMs / 1000} s`, {
          hint: 'if none is running, remove that file',
        });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  } finally {
    await unlink(own);
  }
  try {
    return await work();
  } finally {
    await unlink(lock).catch(() => undefined);
  }
}

async function isStale(lock: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(lock)).mtimeMs > STALE_MS;
  } catch {
    // Gone: try again.
    return false;
  }
}

/**
 * Adds a message to an mbox file, made where there is none, under its lock. It is on the disk when this resolves; when it rejects the file is as it was.
 */
export async function appendMbox(
  path: string,
  message: Uint8Array,
  options: MboxWriteOptions & MboxLockOptions = {},
): Promise<void> {
  const { timeoutMs, signal, ...format } = options;
  const entry = formatMboxEntry(message, format);
  await withMboxLock(
    path,
    async () => {
      const file = await open(path, 'a+', 0o600);
      try {
        const { size } = await file.stat();
        try {
          // A separator counts behind an empty line alone.
          const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, Math.max(0, size - 2));
          const end = buffer.toString('latin1', 0, bytesRead);
          const gap = size === 0 || end === '\n\n' ? '' : end.endsWith('\n') ? '\n' : '\n\n';
          await file.appendFile(Buffer.concat([Buffer.from(gap), entry]));
          await file.sync();
        } catch (error) {
          await file.truncate(size);
          throw error;
        }
      } finally {
        await file.close();
      }
    },
    { timeoutMs, signal },
  );
}
