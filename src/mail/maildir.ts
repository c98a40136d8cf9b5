import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, readdir, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';

/** Flags by their letters: passed, replied, seen, trashed, draft, flagged. */
export type MaildirFlag = 'P' | 'R' | 'S' | 'T' | 'D' | 'F';

export interface MaildirEntry {
  /** The part of the file's name that never changes. */
  readonly id: string;
  readonly flags: readonly MaildirFlag[];
  /** True while it lies in `new`: no client has looked at it. */
  readonly isNew: boolean;
  readonly path: string;
  bytes(): Promise<Uint8Array>;
}

const letters = 'DFPRST';
let deliveries = 0;

/**
 * A Maildir, which needs no locks: a message is written in `tmp`, synced, and linked to its place under a name that is unique. Folders are
 * those of Maildir++: `.Name` beside `cur`, levels by dots. Names of files hold no colon on Windows: `;` stands for it.
 */
export class Maildir {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Opens the Maildir at `path`; with `create`, makes it where it is not there. UsageError when there is none. */
  static async open(path: string, options: { readonly create?: boolean | undefined } = {}): Promise<Maildir> {
    if (options.create === true)
      for (const name of ['tmp', 'new', 'cur']) await mkdir(join(path, name), { recursive: true, mode: 0o700 });
    try {
      await readdir(join(path, 'cur'));
      await readdir(join(path, 'new'));
    } catch (error) {
      throw new UsageError(`${path} is not a Maildir: it needs the folders cur, new and tmp`, { cause: error });
    }
    return new Maildir(path);
  }

  /** Every message, `new` before `cur`, oldest name first. */
  async *messages(): AsyncGenerator<MaildirEntry, void> {
    for (const folder of ['new', 'cur']) {
      const names = (await readdir(join(this.path, folder))).filter((name) => !name.startsWith('.')).toSorted();
      for (const name of names) yield entryOf(join(this.path, folder, name), name, folder === 'new');
    }
  }

  /** Delivers a message and returns its entry. Without flags into `new`, else into `cur`. It is on the disk when this resolves. */
  async add(message: Uint8Array, flags: readonly MaildirFlag[] = []): Promise<MaildirEntry> {
    const now = Date.now();
    const host = hostname().replaceAll('/', '\\057').replaceAll(':', '\\072');
    const unique = `M${(now % 1000) * 1000}P${process.pid}Q${++deliveries}R${randomBytes(4).toString('hex')}`;
    const id = `${Math.floor(now / 1000)}.${unique}.${host},S=${message.length}`;
    const temporary = join(this.path, 'tmp', id);
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(message);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const name = flags.length === 0 ? id : id + suffix(flags);
    const path = join(this.path, flags.length === 0 ? 'new' : 'cur', name);
    // A link, unlike a rename, never replaces another message.
    await link(temporary, path);
    await unlink(temporary);
    return entryOf(path, name, flags.length === 0);
  }

  /** Sets the flags of a message, which moves it from `new` to `cur`. UsageError when another program moved it meanwhile. */
  async setFlags(entry: MaildirEntry, flags: readonly MaildirFlag[]): Promise<MaildirEntry> {
    const name = entry.id + suffix(flags);
    const path = join(this.path, 'cur', name);
    try {
      if (path !== entry.path) await rename(entry.path, path);
    } catch (error) {
      throw new UsageError(`${entry.path} is gone: list the messages again`, { cause: error });
    }
    return entryOf(path, name, false);
  }

  /** Names of the folders of Maildir++, without the leading dot: 'Sent', 'Lists.users'. */
  async folders(): Promise<string[]> {
    const names = await readdir(this.path, { withFileTypes: true });
    return names
      .filter((each) => each.isDirectory() && /^\.[^./]/.test(each.name))
      .map((each) => each.name.slice(1))
      .toSorted();
  }

  /** Opens a folder of Maildir++. UsageError for a name that would leave the Maildir. */
  async folder(name: string, options: { readonly create?: boolean | undefined } = {}): Promise<Maildir> {
    if (!/^[^./\\\0]+(?:\.[^./\\\0]+)*$/.test(name))
      throw new UsageError(`${JSON.stringify(name)} is not a folder name: words with single dots between them`);
    const path = join(this.path, `.${name}`);
    const folder = await Maildir.open(path, options);
    if (options.create === true) await (await open(join(path, 'maildirfolder'), 'a')).close();
    return folder;
  }
}

function suffix(flags: readonly MaildirFlag[]): string {
  for (const flag of flags)
    if (!letters.includes(flag) || flag.length !== 1)
      throw new UsageError(`${JSON.stringify(flag)} is not a Maildir flag: ${Array.from('PRSTDF').join(', ')}`);
  return `${process.platform === 'win32' ? ';' : ':'}2,${[...new Set(flags)].toSorted().join('')}`;
}

function entryOf(path: string, name: string, isNew: boolean): MaildirEntry {
  const match = /[:;]2,([A-Za-z]*)$/.exec(name);
  const id = match === null ? name : name.slice(0, match.index);
  const flags = Array.from(match?.[1] ?? '').filter((letter): letter is MaildirFlag => letters.includes(letter));
  return { id, flags, isNew, path, bytes: () => readFile(path) };
}
