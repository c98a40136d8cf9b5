import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ProtocolError, UsageError, escapeControls } from '../errors.ts';
import { type OverviewEntry, NntpClient, NntpPool, downloadNzb, parseNzb, parseNewsUrl } from '../nntp/index.ts';
import { parseRange } from '../nntp/codec/response.ts';
import { nntpSchemes } from '../nntp/target.ts';
import { printJson, reportFailure, say } from './output.ts';
import { progressBar } from './progress.ts';
import { type ServerFlags, type ServerOptions, addServerFlags, readServerFlags } from './server-flags.ts';

interface NntpFlags extends ServerFlags {
  readonly json?: boolean;
  readonly output?: string;
  readonly connections?: string;
  readonly keepIncomplete?: boolean;
}

const serverHelp = 'nntps://user@host or nntp://user@host; default: the environment variable NNTP_URL';

/** `postwire nntp groups`, `over`, `get`, `post` and `nzb`. */
export function addNntpCommand(program: Command): void {
  const nntp = program.command('nntp').description('read and post news');
  const add = (
    name: string,
    description: string,
    run: (client: NntpClient, flags: NntpFlags, args: readonly string[]) => Promise<void>,
  ): Command =>
    addServerFlags(nntp.command(name).description(description), serverHelp)
      .option('--json', 'print JSON')
      .action((...given: unknown[]) =>
        guarded(given, async (flags, args) => {
          const { server, options } = await readServer(flags);
          await using client = await NntpClient.connect(server, options);
          await run(client, flags, args);
        }),
      );
  add('groups', 'list newsgroups: name, articles at most, posting, description', groups).argument(
    '[wildmat]',
    'only those that match: comp.*,!comp.lang.*',
  );
  add('over', "list a group's articles: number, date, author, subject", over)
    .argument('<group>', 'its name')
    .argument('[range]', '5, 5- or 5-9; default: the last 50');
  add('get', 'print an article as it is', get)
    .argument('<what>', 'a message-id, a group, or a news: or nntp: URL')
    .argument('[number]', 'its number in the group');
  add('post', 'post an article: header, empty line, text', post).argument(
    '[file]',
    'where it is; default: standard input',
  );
  addServerFlags(nntp.command('nzb').description('fetch the files of an NZB'), serverHelp)
    .argument('<file>', 'the NZB')
    .option('-o, --output <folder>', 'where the files go', '.')
    .option('--connections <number>', 'connections at once', '8')
    .option('--keep-incomplete', 'keep what came of files that are not whole')
    .option('--json', 'print JSON')
    .action((...given: unknown[]) => guarded(given, nzb));
}

/** The flags and the arguments before them, as the command line's parser gives both. */
async function guarded(
  given: readonly unknown[],
  run: (flags: NntpFlags, args: readonly string[]) => Promise<void>,
): Promise<void> {
  const flags = given.at(-2) as NntpFlags;
  try {
    await run(
      flags,
      given.slice(0, -2).filter((each) => typeof each === 'string'),
    );
  } catch (error) {
    reportFailure(error, flags.json === true);
  }
}

const readServer = (flags: ServerFlags): Promise<{ server: string; options: ServerOptions }> =>
  readServerFlags(flags, { variable: 'NNTP_URL', schemes: nntpSchemes, example: 'nntps://user@news.example.com' });

async function groups(client: NntpClient, flags: NntpFlags, [wildmat]: readonly string[]): Promise<void> {
  const [active, described] = await Promise.all([client.list(wildmat), client.listNewsgroups(wildmat).catch(() => [])]);
  const texts = new Map(described.map(({ name, text }) => [name, text]));
  for (const { name, high, low, status } of active) {
    const description = texts.get(name) ?? '';
    if (flags.json === true) printJson({ name, low, high, status, description });
    else writeLine([name, String(Math.max(0, high - low + 1)), status, description]);
  }
}

async function over(client: NntpClient, flags: NntpFlags, [group = '', text]: readonly string[]): Promise<void> {
  const { low, high } = await client.group(group);
  const range = text === undefined ? { from: Math.max(low, high - 49, 1), to: high } : parseRange(text);
  if (range === undefined) throw new UsageError(`the range must be like 5, 5- or 5-9; got ${text ?? ''}`);
  if (high < low || range.from > high) return;
  const { from } = range;
  const to = Math.min(range.to, high);
  for (const entry of await client.over({ from, to })) {
    if (flags.json === true) printJson(entry);
    else writeLine([String(entry.number), dateOf(entry), entry.from, entry.subject]);
  }
}

const dateOf = (entry: OverviewEntry): string => entry.date?.toISOString().slice(0, 16) ?? '';

async function get(client: NntpClient, _flags: NntpFlags, [what = '', number]: readonly string[]): Promise<void> {
  let id: string | undefined = what.startsWith('<') ? what : undefined;
  let group: string | undefined = id === undefined ? what : undefined;
  let wanted = number === undefined ? undefined : parseRange(number)?.from;
  if (/^(?:news|snews|nntps?):/i.test(what)) {
    const url = parseNewsUrl(what);
    ({ messageId: id, group } = url);
    wanted ??= url.range?.from;
  }
  if (group !== undefined) {
    if (wanted === undefined) throw new UsageError('which article? give its number behind the group, or a message-id');
    await client.group(group);
  } else if (id === undefined) throw new UsageError('expected a message-id, a group and a number, or a news: URL');
  const { stream } = await client.article(id ?? wanted);
  for await (const chunk of stream)
    if (!process.stdout.write(chunk)) await new Promise((resume) => process.stdout.once('drain', resume));
}

async function post(client: NntpClient, flags: NntpFlags, [file]: readonly string[]): Promise<void> {
  const article = file === undefined || file === '-' ? process.stdin : readBytes(file);
  const { messageId, text } = await client.post(article as AsyncIterable<Uint8Array> | Uint8Array);
  if (flags.json === true) printJson({ ok: true, messageId, text });
  else say(`posted${messageId === undefined ? '' : ` as ${escapeControls(messageId)}`}: ${escapeControls(text)}`);
}

async function nzb(flags: NntpFlags, [file = '']: readonly string[]): Promise<void> {
  const list = parseNzb(readBytes(file));
  const { server, options } = await readServer(flags);
  const connections = Number(flags.connections);
  await using pool = new NntpPool({ target: server, options, maxConnections: connections });
  const bar = progressBar('nzb');
  const result = await downloadNzb(list, flags.output ?? '.', {
    pool,
    keepIncomplete: flags.keepIncomplete === true,
    onProgress: (progress) => bar.update(progress),
  });
  bar.stop();
  for (const each of result.files) {
    if (flags.json === true) printJson(each);
    else {
      const why = each.problem ?? `${each.missing.length} of its parts missing`;
      say(`${escapeControls(each.name)}: ${each.complete ? `${each.bytes} bytes` : why}`);
    }
  }
  if (!result.complete)
    throw new ProtocolError('not every file came whole', { protocol: 'NNTP', reason: 'INCOMPLETE' });
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

const writeLine = (fields: readonly string[]): void => {
  process.stdout.write(`${fields.map((field) => escapeControls(field.replaceAll('\t', '  '))).join('\t')}\n`);
};
