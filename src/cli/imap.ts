import { createReadStream, statSync } from 'node:fs';
import type { Command } from 'commander';
import { TimeoutError, UnsupportedError, UsageError, escapeControls, messageOf } from '../errors.ts';
import {
  type FetchedMessage,
  ImapClient,
  type ImapEvent,
  type SearchQuery,
  type Uid,
  type UidSet,
  sequences,
  uid,
  uids,
} from '../imap/index.ts';
import { imapSchemes } from '../imap/target.ts';
import { parseSync } from '../mime/index.ts';
import { parseSearchTerms } from './imap-terms.ts';
import { printJson, reportFailure, say } from './output.ts';
import { type ServerFlags, addServerFlags, readServerFlags } from './server-flags.ts';

interface ImapFlags extends ServerFlags {
  readonly json?: boolean;
  readonly mailbox?: string;
  readonly directory?: string;
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly flag?: readonly string[];
  readonly text?: boolean;
  readonly html?: boolean;
  readonly for?: string;
}

type Run = (client: ImapClient, flags: ImapFlags, args: readonly string[]) => Promise<void>;

const serverHelp = 'imaps://user@host/mailbox or imap://user@host; default: the environment variable IMAP_URL';

/** `postwire imap ls`, `search`, `get`, `attachments`, `mv`, `flag`, `trash`, `append`, `wait` and `idle`. */
export function addImapCommand(program: Command): void {
  const imap = program.command('imap').description('read and tidy an IMAP mailbox');
  const add = (name: string, description: string, run: Run): Command =>
    addServerFlags(imap.command(name).description(description), serverHelp)
      .option('-m, --mailbox <name>', "default: the URL's path, or INBOX")
      .option('--json', 'print JSON, a document a line')
      .action(async (...given: unknown[]) => {
        const args = given.slice(0, -2).flat() as string[];
        const flags = given.at(-2) as ImapFlags;
        try {
          const { server, options } = await readServerFlags(flags, {
            variable: 'IMAP_URL',
            schemes: imapSchemes,
            example: 'imaps://user@mail.example.com',
          });
          const client = await ImapClient.connect(server, options);
          try {
            await run(client, flags, args);
          } finally {
            await client.logout();
          }
        } catch (error) {
          reportFailure(error, flags.json === true);
        }
      });
  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  add('ls', 'list mailboxes: messages, unseen, name, use', list).argument(
    '[pattern]',
    '* for all, % for one level',
    '*',
  );
  add('search', 'list messages: unique id, date, author, subject', search).argument(
    '[terms...]',
    'unseen, flagged, from:ann, subject:"a b", since:7d, before:2026-02-01, larger:1000000, not:seen, or words',
  );
  add('get', 'print a message as it is', get)
    .argument('<uid>')
    .option('--text', 'print its text')
    .option('--html', 'print its html');
  add('attachments', 'save the attachments of messages', attachments)
    .argument('<uids>', 'such as 4,7:9')
    .requiredOption('-d, --directory <folder>', 'where to; made where there is none');
  add('mv', 'move messages', move).argument('<uids>').argument('<target>', 'the mailbox to move them to');
  add('flag', 'change flags', flag)
    .argument('<uids>')
    .option('--add <flag>', String.raw`such as \Seen, \Flagged or a keyword; may be repeated`, collect)
    .option('--remove <flag>', 'may be repeated', collect);
  add('trash', "move messages to the server's trash", trash).argument('<uids>');
  add('append', 'put a message into the mailbox', append)
    .argument('<file>', 'the message, or - for standard input')
    .option('--flag <flag>', String.raw`such as \Seen; may be repeated`, collect);
  add('wait', 'wait for a message, one that is there or the next to come, and print it', wait)
    .argument('[terms...]', 'as for search')
    .option('--for <seconds>', 'give up after this long; default 60');
  add('idle', 'print what happens in the mailbox, until it is interrupted', idle).option(
    '--for <seconds>',
    'end after this long',
  );
}

const open = async (client: ImapClient, flags: ImapFlags, readOnly: boolean): Promise<void> => {
  const mailbox = flags.mailbox ?? client.targetMailbox ?? 'INBOX';
  await (readOnly ? client.examine(mailbox) : client.select(mailbox));
};

function readUids(text: string | undefined): UidSet {
  try {
    return uids(text ?? '');
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function readUid(text: string | undefined): Uid {
  if (!/^[1-9][0-9]{0,9}$/.test(text ?? ''))
    throw new UsageError(`the uid must be a whole number; got ${text ?? 'nothing'}`);
  return uid(Number(text));
}

function readSeconds(text: string | undefined, usual: number): number {
  const seconds = text === undefined ? usual : Number(text);
  if (!(seconds > 0)) throw new UsageError(`--for must be a number of seconds; got ${text ?? ''}`);
  return seconds;
}

const printRow = (...cells: readonly (string | number | null | undefined)[]): void =>
  void process.stdout.write(
    `${cells.map((cell) => escapeControls(String(cell ?? '').replaceAll('\t', ' '))).join('\t')}\n`,
  );

async function list(client: ImapClient, flags: ImapFlags, [pattern = '*']: readonly string[]): Promise<void> {
  for (const mailbox of await client.list(pattern, { status: ['messages', 'unseen'] })) {
    const { name, specialUse, delimiter, selectable, subscribed, status } = mailbox;
    if (flags.json === true) printJson({ name, specialUse, delimiter, selectable, subscribed, ...status });
    else printRow(status?.messages ?? '-', status?.unseen ?? '-', name, specialUse);
  }
}

function printMessage(message: FetchedMessage, flags: ImapFlags): void {
  const { uid: number, envelope, sizeBytes, flags: set = [] } = message;
  const [author] = envelope?.from ?? [];
  if (flags.json === true) printJson({ uid: number, sizeBytes, flags: set, ...envelope?.toJSON() });
  else
    printRow(
      number,
      envelope?.date?.toISOString() ?? '',
      author?.name === '' ? author.address : author?.name,
      envelope?.subject,
    );
}

async function search(client: ImapClient, flags: ImapFlags, terms: readonly string[]): Promise<void> {
  const query = parseSearchTerms(terms);
  await open(client, flags, true);
  const found = (await client.search(query)).uids;
  if (found.ranges.length === 0) return;
  for await (const message of client.fetch(found, { envelope: true, flags: true, sizeBytes: true }))
    printMessage(message, flags);
}

async function write(chunk: Uint8Array | string): Promise<void> {
  if (!process.stdout.write(chunk)) await new Promise((resume) => process.stdout.once('drain', resume));
}

async function get(client: ImapClient, flags: ImapFlags, [number]: readonly string[]): Promise<void> {
  const wanted = readUid(number);
  await open(client, flags, true);
  const stream = await client.download(wanted);
  if (flags.text !== true && flags.html !== true && flags.json !== true) {
    for await (const chunk of stream) await write(chunk);
    return;
  }
  const mail = parseSync(await stream.bytes(client.connection.limits.messageBytes));
  const text = await mail.textFromHtml();
  if (flags.json === true) {
    const { subject, from, to, date, html } = mail;
    const files = mail.attachments.map(({ filename, contentType, encodedSizeBytes }) => ({
      filename,
      contentType,
      encodedSizeBytes,
    }));
    printJson({ uid: wanted, subject, from, to, date, text, html, attachments: files });
  } else await write(`${(flags.html === true ? mail.html : text) ?? ''}\n`);
}

async function attachments(client: ImapClient, flags: ImapFlags, [numbers]: readonly string[]): Promise<void> {
  const wanted = readUids(numbers);
  await open(client, flags, true);
  let count = 0;
  for await (const message of client.fetch(wanted, { source: true })) {
    for (const attachment of parseSync(message.source ?? new Uint8Array(0)).attachments) {
      const path = await attachment.save(flags.directory as string);
      count++;
      if (flags.json === true) printJson({ uid: message.uid, path, contentType: attachment.contentType });
      else printRow(path);
    }
  }
  if (flags.json !== true) say(`${count} ${count === 1 ? 'file' : 'files'} saved`);
}

async function move(client: ImapClient, flags: ImapFlags, [numbers, target = '']: readonly string[]): Promise<void> {
  const wanted = readUids(numbers);
  await open(client, flags, false);
  const { copied, way } = await client.move(wanted, target);
  if (flags.json === true) printJson({ moved: copied?.source, to: target, uids: copied?.destination, way });
  else say(`moved ${copied === undefined ? String(wanted) : String(copied.source)} to ${escapeControls(target)}`);
}

async function flag(client: ImapClient, flags: ImapFlags, [numbers]: readonly string[]): Promise<void> {
  const wanted = readUids(numbers);
  const { add, remove } = flags;
  if (add === undefined && remove === undefined) throw new UsageError('flag needs --add or --remove');
  await open(client, flags, false);
  if (add !== undefined) await client.store(wanted, { add, silent: true });
  if (remove !== undefined) await client.store(wanted, { remove, silent: true });
  for (const message of await client.fetchAll(wanted, { flags: true })) {
    if (flags.json === true) printJson({ uid: message.uid, flags: message.flags });
    else printRow(message.uid, message.flags?.join(' '));
  }
}

async function trash(client: ImapClient, flags: ImapFlags, args: readonly string[]): Promise<void> {
  const target = (await client.list('*', { specialUse: true })).find((mailbox) => mailbox.specialUse === 'trash');
  if (target === undefined)
    throw new UnsupportedError('the server does not say which mailbox is its trash', {
      hint: 'name it: postwire imap mv UIDS MAILBOX',
    });
  await move(client, flags, [args[0] ?? '', target.name]);
}

async function append(client: ImapClient, flags: ImapFlags, [file = '-']: readonly string[]): Promise<void> {
  const mailbox = flags.mailbox ?? client.targetMailbox ?? 'INBOX';
  const options = { flags: flags.flag ?? [] };
  let sizeBytes: number | undefined;
  try {
    sizeBytes = file === '-' ? undefined : statSync(file).size;
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
  const source = file === '-' ? process.stdin : createReadStream(file);
  const result = await client.append(mailbox, source, sizeBytes === undefined ? options : { ...options, sizeBytes });
  if (flags.json === true) printJson({ mailbox, uid: result.uid, uidValidity: result.uidValidity });
  else
    say(
      result.uid === undefined
        ? `appended to ${escapeControls(mailbox)}`
        : `appended to ${escapeControls(mailbox)} as ${result.uid}`,
    );
}

async function wait(client: ImapClient, flags: ImapFlags, terms: readonly string[]): Promise<void> {
  const query: SearchQuery = parseSearchTerms(terms);
  const seconds = readSeconds(flags.for, 60);
  await open(client, flags, true);
  const limit = AbortSignal.timeout(seconds * 1000);
  const find = async (): Promise<boolean> => {
    const { max } = await client.search(query);
    const message =
      max === undefined ? undefined : await client.fetchOne(max, { envelope: true, flags: true, sizeBytes: true });
    if (message !== undefined) printMessage(message, flags);
    return message !== undefined;
  };
  // Listening first: what comes between the search and the wait is not missed.
  const events = client.idle({ signal: limit, pollMs: 2000 });
  let event = events.next();
  event.catch(() => undefined);
  for (let look = true; ;) {
    if (look && (await find())) {
      await events.return();
      return;
    }
    const { done, value } = await event;
    if (done === true) break;
    look = value.type === 'exists';
    event = events.next();
    event.catch(() => undefined);
  }
  throw new TimeoutError(
    `no message came within ${seconds} s that matches ${terms.length === 0 ? 'anything' : terms.join(' ')}`,
  );
}

async function idle(client: ImapClient, flags: ImapFlags): Promise<void> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end);
  const timer = flags.for === undefined ? undefined : setTimeout(end, readSeconds(flags.for, 1) * 1000);
  await open(client, flags, true);
  try {
    for await (const event of client.idle({ signal: stop.signal })) {
      const line = describeEvent(event);
      if (flags.json === true) printJson(line);
      else printRow(line.type, line.detail);
      if (event.type === 'exists' && event.count > event.previous)
        for (const message of await client.fetchAll(sequences(`${event.previous + 1}:${event.count}`), {
          envelope: true,
          flags: true,
          sizeBytes: true,
        }))
          printMessage(message, flags);
    }
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', end);
  }
}

function describeEvent(event: ImapEvent): { readonly type: string; readonly detail: string | number } {
  const { type } = event;
  switch (type) {
    case 'exists':
      return { type, detail: event.count };
    case 'expunge':
      return { type, detail: event.sequence };
    case 'fetch':
      return { type, detail: `${event.message.sequence} ${event.message.flags?.join(' ') ?? ''}` };
    case 'vanished':
      return { type, detail: String(event.uids) };
    case 'flags':
      return { type, detail: event.flags.join(' ') };
    case 'alert':
    case 'status':
      return { type, detail: event.text };
    case 'data':
      return { type, detail: `${event.name} ${event.text}` };
    case 'uidvalidity':
      return { type, detail: event.uidValidity };
    case 'lost':
      return { type, detail: event.count };
    case 'capability':
      return { type, detail: '' };
  }
}
