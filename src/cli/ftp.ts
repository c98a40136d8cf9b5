import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { UsageError, escapeControls, messageOf } from '../errors.ts';
import { FtpClient, type FtpEntry, type FtpProgress, type FtpSyncResult } from '../ftp/index.ts';
import { ftpSchemes } from '../ftp/target.ts';
import { exitCodes } from './exit-codes.ts';
import { printJson, reportFailure, say } from './output.ts';
import { progressBar } from './progress.ts';
import { type ServerFlags, addServerFlags, readServerFlags } from './server-flags.ts';

interface FtpFlags extends ServerFlags {
  readonly json?: boolean;
  readonly continue?: boolean;
  readonly output?: string;
  readonly recursive?: boolean;
  readonly active?: boolean;
  readonly ascii?: boolean;
  readonly delete?: boolean;
  readonly dryRun?: boolean;
  readonly download?: boolean;
  readonly exclude?: readonly string[];
  readonly parallel?: string;
  readonly retries?: string;
  readonly charset?: string;
  readonly timeZone?: string;
}

interface Job {
  readonly client: FtpClient;
  readonly flags: FtpFlags;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: FtpProgress) => void;
}

const serverHelp = 'ftp://user@host/folder or ftps://user@host; default: the environment variable FTP_URL';
const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

/** `postwire ftp ls`, `get`, `put`, `sync`, `rm` and `mkdir`. */
export function addFtpCommand(program: Command): void {
  const ftp = program.command('ftp').description('files to and from an FTP server');
  const add = (
    usage: string,
    description: string,
    run: (job: Job, paths: readonly string[]) => Promise<void>,
  ): Command =>
    addServerFlags(ftp.command(usage).description(description), serverHelp)
      .option('--active', 'let the server open the data connections')
      .option('--charset <name>', 'the charset of names; default: utf-8')
      .option('--time-zone <zone>', 'the zone of times in listings: UTC, +02:00, Europe/Berlin')
      .option('--json', 'print JSON')
      .action(async (...given: unknown[]) => {
        const paths = given.flat().filter((each): each is string => typeof each === 'string');
        const flags = given.at(-2) as FtpFlags;
        await withClient(flags, (job) => run(job, paths));
      });
  add('ls [path]', 'list a folder', ls);
  add('get <remote> [local]', 'download a file; with -r a folder', get)
    .option('-c, --continue', 'go on where an earlier try ended')
    .option('-r, --recursive', 'a folder with everything in it')
    .option('--ascii', 'convert line ends')
    .option('--parallel <count>', 'with -r: sessions at once; default: 3')
    .option('--retries <count>', 'tries after a failure that may pass; default: 2');
  add('put <local> [remote]', 'upload a file; with -r a folder', put)
    .option('-c, --continue', 'go on where an earlier try ended')
    .option('-r, --recursive', 'a folder with everything in it')
    .option('--ascii', 'convert line ends')
    .option('--parallel <count>', 'with -r: sessions at once; default: 3')
    .option('--retries <count>', 'tries after a failure that may pass; default: 2');
  add('sync <local> <remote>', 'make the server like a local folder', synchronise)
    .option('--download', 'the other way round: the local folder becomes like the server')
    .option('--delete', 'remove what the source does not have')
    .option('-n, --dry-run', 'only say what would be done')
    .option('--exclude <path>', 'leave out this path, or this name anywhere; may be repeated', collect)
    .option('--parallel <count>', 'sessions at once; default: 3')
    .option('--retries <count>', 'tries after a failure that may pass; default: 2');
  add('rm <paths...>', 'remove files; with -r folders too', remove).option(
    '-r, --recursive',
    'folders with everything in them',
  );
  add('mkdir <paths...>', 'make folders', async ({ client, flags }, paths) => {
    for (const path of paths) {
      const made = await client.mkdir(path);
      if (flags.json === true) printJson({ path: made });
    }
  });
}

async function withClient(flags: FtpFlags, run: (job: Job) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const onInterrupt = (): void => controller.abort();
  process.once('SIGINT', onInterrupt);
  const bar = progressBar('');
  try {
    const { server, options } = await readServerFlags(flags, {
      variable: 'FTP_URL',
      schemes: ftpSchemes,
      example: 'ftp://user@ftp.example.com/folder',
    });
    const client = await FtpClient.connect(server, {
      ...options,
      ...(flags.active === true ? { dataMode: 'active' as const } : {}),
      ...(flags.charset === undefined ? {} : { charset: flags.charset }),
      ...(flags.timeZone === undefined ? {} : { timeZone: flags.timeZone }),
      signal: controller.signal,
    });
    try {
      await run({ client, flags, signal: controller.signal, onProgress: (progress) => bar.update(progress) });
    } finally {
      bar.stop();
      await client.quit();
    }
  } catch (error) {
    bar.stop();
    reportFailure(error, flags.json === true);
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

async function ls({ client, flags, signal }: Job, [path]: readonly string[]): Promise<void> {
  const entries = await client.list(path, { signal });
  for (const entry of entries) {
    if (flags.json === true) {
      const { facts: _facts, ...rest } = entry;
      printJson(rest);
    } else process.stdout.write(`${describe(entry)}\n`);
  }
  if (entries.skipped > 0) say(`${entries.skipped} lines of the listing were not understood`);
}

function describe({ name, type, sizeBytes, modifiedAt, linkTarget }: FtpEntry): string {
  const letter = { file: '-', directory: 'd', symlink: 'l', other: '?' }[type];
  const time = modifiedAt?.toISOString().slice(0, 16).replace('T', ' ') ?? '';
  const target = linkTarget === undefined ? '' : ` -> ${linkTarget}`;
  return `${letter}\t${sizeBytes ?? ''}\t${time}\t${escapeControls(`${name}${target}`, 10_000)}`;
}

async function get(job: Job, [remote = '', local]: readonly string[]): Promise<void> {
  const { client, flags } = job;
  const name = remote.replace(/\/+$/, '').split('/').at(-1) ?? '';
  if (local === undefined && (name === '' || name === '.' || name === '..' || /[\\\0]/.test(name)))
    throw new UsageError(`give the local name for ${remote}`);
  if (flags.recursive === true) {
    notWithFolders(flags);
    return report(flags, await client.downloadDir(remote, local ?? name, { ...common(job), ...parallel(flags) }));
  }
  if (local === '-') {
    if (flags.continue === true) throw new UsageError('standard output cannot be continued');
    await client.download(
      remote,
      async (chunk) => {
        if (!process.stdout.write(chunk)) await new Promise((resume) => process.stdout.once('drain', resume));
      },
      { signal: job.signal, type: flags.ascii === true ? 'ascii' : 'binary' },
    );
    return;
  }
  const into = local !== undefined && (await isFolder(local)) ? join(local, name) : (local ?? name);
  const result = await client.download(remote, into, { ...one(job), preserveTime: true });
  if (flags.json === true) printJson({ ok: true, remote, local: into, ...result });
}

async function put(job: Job, [local = '', remote]: readonly string[]): Promise<void> {
  const { client, flags } = job;
  const name = basename(local);
  if (flags.recursive === true) {
    notWithFolders(flags);
    return report(flags, await client.uploadDir(local, remote ?? name, { ...common(job), ...parallel(flags) }));
  }
  if (local === '-') {
    if (remote === undefined) throw new UsageError('give the remote name for standard input');
    if (flags.continue === true) throw new UsageError('standard input cannot be continued');
    const result = await client.upload(process.stdin, remote, {
      signal: job.signal,
      type: flags.ascii === true ? 'ascii' : 'binary',
    });
    if (flags.json === true) printJson({ ok: true, remote, ...result });
    return;
  }
  const path = remote === undefined ? name : remote.endsWith('/') ? `${remote}${name}` : remote;
  const result = await client.upload(local, path, one(job)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new UsageError(`${local} cannot be read: ${messageOf(error)}`, { cause: error });
  });
  if (flags.json === true) printJson({ ok: true, local, remote: path, ...result });
}

async function synchronise(job: Job, [local = '', remote = '']: readonly string[]): Promise<void> {
  const { flags } = job;
  const exclude = (flags.exclude ?? []).map((each) => each.replace(/^\/|\/$/g, ''));
  const result = await job.client.sync(local, remote, {
    ...common(job),
    ...parallel(flags),
    direction: flags.download === true ? 'download' : 'upload',
    delete: flags.delete === true,
    dryRun: flags.dryRun === true,
    filter: ({ path }) => !exclude.some((each) => path === each || path.split('/').at(-1) === each),
  });
  report(flags, result);
}

async function remove({ client, flags, signal }: Job, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (flags.recursive !== true) await client.delete(path, { signal });
    else
      await client.removeDir(path, { signal }).catch(async (error: unknown) => {
        // What is no folder is a file.
        if ((error as { code?: string }).code !== 'REPLY') throw error;
        await client.delete(path, { signal });
      });
    if (flags.json === true) printJson({ removed: path });
  }
}

function report(flags: FtpFlags, result: FtpSyncResult): void {
  const failed = result.failed.map(({ path, error }) => ({ path, error: messageOf(error) }));
  if (failed.length > 0) process.exitCode = exitCodes.partial;
  if (flags.json === true) {
    printJson({ ok: failed.length === 0, dryRun: flags.dryRun === true, ...result, failed });
    return;
  }
  if (flags.dryRun === true) {
    for (const path of result.transferred) process.stdout.write(`transfer ${escapeControls(path, 10_000)}\n`);
    for (const path of result.deleted) process.stdout.write(`delete ${escapeControls(path, 10_000)}\n`);
  }
  for (const { path, reason } of result.skipped) say(`skipped ${escapeControls(path)}: ${reason}`);
  for (const { path, error } of failed) say(`failed ${escapeControls(path)}: ${error}`);
  const did = flags.dryRun === true ? 'would be transferred' : 'transferred';
  say(`${result.transferred.length} ${did}, ${result.unchanged} unchanged, ${result.deleted.length} deleted`);
}

function notWithFolders(flags: FtpFlags): void {
  if (flags.ascii === true) throw new UsageError('--ascii is for single files');
}

const count = (name: string, value: string | undefined, fallback: number): number => {
  if (value === undefined) return fallback;
  if (!/^\d{1,3}$/.test(value)) throw new UsageError(`${name} must be a whole number; got ${value}`);
  return Number(value);
};

const parallel = (flags: FtpFlags): { concurrency: number } => ({
  concurrency: count('--parallel', flags.parallel, 3),
});

const common = ({
  flags,
  signal,
  onProgress,
}: Job): { signal: AbortSignal; onProgress: Job['onProgress']; retries: number } => ({
  signal,
  onProgress,
  retries: count('--retries', flags.retries, 2),
});

const one = (job: Job): ReturnType<typeof common> & { resume: boolean; type: 'ascii' | 'binary' } => ({
  ...common(job),
  resume: job.flags.continue === true,
  type: job.flags.ascii === true ? 'ascii' : 'binary',
});

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
