import type { Command } from 'commander';
import { UsageError, escapeControls } from '../errors.ts';
import { Maildir } from '../mail/index.ts';
import { parseSync } from '../mime/index.ts';
import { Pop3Client } from '../pop3/index.ts';
import { pop3Schemes } from '../pop3/target.ts';
import { printJson, reportFailure, say } from './output.ts';
import { type ServerFlags, addServerFlags, readServerFlags } from './server-flags.ts';

interface Pop3Flags extends ServerFlags {
  readonly json?: boolean;
  readonly keep?: boolean;
  readonly directory?: string;
}

const serverHelp = 'pop3://user@host or pop3s://user@host; default: the environment variable POP3_URL';

/** `postwire pop3 ls`, `get` and `fetch`. */
export function addPop3Command(program: Command): void {
  const pop3 = program.command('pop3').description('read a POP3 mailbox');
  const add = (
    name: string,
    description: string,
    run: (client: Pop3Client, flags: Pop3Flags, argument?: string) => Promise<void>,
  ): Command =>
    addServerFlags(pop3.command(name).description(description), serverHelp)
      .option('--json', 'print JSON')
      .action(async (...given: unknown[]) => {
        const argument = typeof given[0] === 'string' ? given[0] : undefined;
        const flags = (argument === undefined ? given[0] : given[1]) as Pop3Flags;
        try {
          const { server, options } = await readServerFlags(flags, {
            variable: 'POP3_URL',
            schemes: pop3Schemes,
            example: 'pop3s://user@mail.example.com',
          });
          const client = await Pop3Client.connect(server, options);
          try {
            await run(client, flags, argument);
          } finally {
            await client.quit();
          }
        } catch (error) {
          reportFailure(error, flags.json === true);
        }
      });
  add('ls', 'list the messages: number, size in bytes, unique id, author, subject', list);
  add('get', 'print one message as it is', get).argument('<number>', 'its number in the list');
  add('fetch', 'deliver every message into a Maildir, then delete it on the server', fetchAll)
    .requiredOption('-d, --directory <maildir>', 'the Maildir; made where there is none')
    .option('--keep', 'leave the messages on the server');
}

async function list(client: Pop3Client, flags: Pop3Flags): Promise<void> {
  const sizes = (await client.list()).entries;
  const uids = client.capabilities.has('UIDL') ? (await client.uidl()).entries : new Map<number, string>();
  for (const [number, sizeBytes] of sizes) {
    const { subject, from, date } = parseSync(await client.top(number, 0));
    const author = from[0]?.name === '' ? from[0].address : (from[0]?.name ?? '');
    if (flags.json === true) printJson({ number, sizeBytes, uid: uids.get(number), from, subject, date });
    else
      process.stdout.write(
        `${number}\t${sizeBytes}\t${escapeControls([uids.get(number) ?? '', author, subject].join('\t').replaceAll('\t', '  '))}\n`,
      );
  }
}

async function get(client: Pop3Client, _flags: Pop3Flags, argument?: string): Promise<void> {
  if (!/^[1-9][0-9]{0,9}$/.test(argument ?? ''))
    throw new UsageError(`the number must be a whole number of 1 or more; got ${argument ?? 'nothing'}`);
  for await (const chunk of await client.retr(Number(argument))) {
    if (!process.stdout.write(chunk)) await new Promise((resume) => process.stdout.once('drain', resume));
  }
}

async function fetchAll(client: Pop3Client, flags: Pop3Flags): Promise<void> {
  const maildir = await Maildir.open(flags.directory as string, { create: true });
  let count = 0;
  for await (const { number, uid, bytes } of client.messages()) {
    const { path } = await maildir.add(bytes);
    // On the disk by now: only then may the server forget it.
    if (flags.keep !== true) await client.dele(number);
    count++;
    if (flags.json === true) printJson({ number, uid, sizeBytes: bytes.length, path });
  }
  const { state } = await client.quit();
  if (flags.json !== true)
    say(`${count} ${count === 1 ? 'message' : 'messages'} delivered into ${flags.directory ?? ''}`);
  if (flags.keep !== true && count > 0 && state !== 'committed')
    throw new UsageError(
      'the messages are delivered, but the server did not confirm that it deleted them: they may come again',
    );
}
