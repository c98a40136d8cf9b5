import { lstat, mkdir } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';

const reservedOnWindows = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** Why a server's name cannot become a local one; undefined when it can. */
export function refuseName(name: string, platform: NodeJS.Platform = process.platform): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'it is no name';
  if (/[/\\]/.test(name)) return 'it holds a path separator';
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'it holds control characters';
  if (/^[A-Za-z]:/.test(name)) return 'it begins with a drive letter';
  if (Buffer.byteLength(name) > 255) return 'it is too long';
  if (platform === 'win32') {
    if (/[<>:"|?*]/.test(name) || /[. ]$/.test(name)) return 'Windows cannot write it';
    if (reservedOnWindows.test(name)) return 'it is the name of a device on Windows';
  }
  return undefined;
}

/** The local path of a name that was not refused; undefined when it leaves the root all the same. */
export function localPath(root: string, parts: readonly string[]): string | undefined {
  const path = join(root, ...parts);
  const inside = relative(root, path);
  return inside === '' || inside.startsWith('..') || isAbsolute(inside) ? undefined : path;
}

/**
 * Makes a folder below `root`, one part after the other, never through a symbolic link. Returns why it cannot be; undefined when it is
 * there.
 */
export async function ensureFolder(root: string, parts: readonly string[]): Promise<string | undefined> {
  let path = root;
  for (const part of parts) {
    path = join(path, part);
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) await mkdir(path);
    else if (found.isSymbolicLink()) return 'a symbolic link is in its way';
    else if (!found.isDirectory()) return 'a file is in its way';
  }
  return undefined;
}

/**
 * Finds names that this file system cannot tell apart: `Readme` and `README`, on most desktops. One for each download; it asks the file
 * system only where two names differ in case alone.
 */
export class CaseClashes {
  readonly #first = new Map<string, string>();

  /** The earlier path that `path` would overwrite; undefined where there is none. */
  async find(path: string): Promise<string | undefined> {
    const folded = path.normalize('NFC').toLowerCase();
    const earlier = this.#first.get(folded);
    if (earlier === undefined) {
      this.#first.set(folded, path);
      return undefined;
    }
    if (earlier === path) return undefined;
    // On a file system that can tell them apart the second does not exist yet, or is another file.
    const [one, other] = await Promise.all([earlier, path].map((each) => lstat(each).catch(() => undefined)));
    return one !== undefined && other !== undefined && one.ino === other.ino ? earlier : undefined;
  }
}
