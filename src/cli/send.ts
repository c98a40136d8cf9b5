import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { UsageError, escapeControls } from '../errors.ts';
import { type RawDraft, sendMail } from '../mail/index.ts';
import { type FilePartOptions, type MessageDraft, compose, rawMessage } from '../mime/index.ts';
import { smtpSchemes } from '../smtp/target.ts';
import { exitCodes } from './exit-codes.ts';
import { printJson, reportFailure, say } from './output.ts';
import { progressBar } from './progress.ts';
import { type ServerFlags, addServerFlags, readServerFlags, readText } from './server-flags.ts';

interface SendFlags extends ServerFlags {
  readonly subject?: string;
  readonly from?: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly attach: readonly string[];
  readonly text?: string;
  readonly html?: string;
  readonly inline?: boolean;
  readonly raw?: string;
  readonly header: readonly string[];
  readonly json?: boolean;
  readonly dryRun?: boolean;
}

const collect = (value: string, list: readonly string[]): readonly string[] => [...list, value];

export function addSendCommand(program: Command): void {
  addServerFlags(
    program.command('send'),
    'smtp://user@host:587 or smtps://user@host; default: the environment variable SMTP_URL',
  )
    .description('send a message; the text comes from standard input')
    .argument('[recipients...]', 'addresses, as with --to')
    .option('-s, --subject <text>', 'subject')
    .option('--from <address>', 'author, "Name <me@example.com>"; default: the environment variable POSTWIRE_FROM')
    .option('--to <address>', 'recipient; may be repeated', collect, [])
    .option('--cc <address>', 'copy to; may be repeated', collect, [])
    .option('--bcc <address>', 'blind copy to; may be repeated', collect, [])
    .option('-a, --attach <file>', 'attach a file; may be repeated', collect, [])
    .option('--text <text>', 'the text, instead of standard input')
    .option('--html <file>', 'html body')
    .option('--inline', 'send the local images that the html shows along with it')
    .option('--raw <file>', 'send this message as it is (- for standard input); needs --from and --to')
    .option('--header <field>', '"Name: value"; may be repeated', collect, [])
    .option('--json', 'print the result as one JSON document')
    .option('--dry-run', 'print the message instead of sending it')
    .addHelpText(
      'after',
      `
Examples:
  echo "See you" | postwire send --from me@example.com -s "Lunch" you@example.com
  postwire send --from me@example.com -s "Report" -a report.pdf --html page.html --inline you@example.com < text.txt
  postwire send --raw message.eml --from me@example.com --to you@example.com

Exit codes: 0 sent, 2 usage, 3 connect, 4 TLS, 5 login, 6 refused for now, 7 refused, 8 timeout, 9 broken off, 10 delivery unknown, 11 some recipients refused`,
    )
    .action(async (recipients: readonly string[], flags: SendFlags) => {
      try {
        await send([...recipients, ...flags.to], flags);
      } catch (error) {
        reportFailure(error, flags.json === true);
      }
    });
}

async function send(to: readonly string[], flags: SendFlags): Promise<void> {
  const draft = flags.raw === undefined ? await readDraft(to, flags) : readRaw(to, flags, flags.raw);
  if (flags.dryRun === true) return dryRun(draft, flags);
  const { server, options } = await readServerFlags(flags, {
    variable: 'SMTP_URL',
    schemes: smtpSchemes,
    example: 'smtp://user:password@mail.example.com:587',
  });
  const bar = progressBar('sending');
  const controller = new AbortController();
  const onInterrupt = (): void => controller.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const result = await sendMail(server, draft, {
      ...options,
      signal: controller.signal,
      onProgress: (progress) => bar.update(progress),
    });
    bar.stop();
    if (result.refused.length > 0) process.exitCode = exitCodes.partial;
    if (flags.json === true) {
      printJson({ ok: result.refused.length === 0, exitCode: process.exitCode ?? 0, ...result });
      return;
    }
    say(`sent to ${result.accepted.join(', ')}${result.queueId === undefined ? '' : ` (queued as ${result.queueId})`}`);
    for (const { address, reply } of result.refused)
      say(
        `refused: ${escapeControls(`${address}: ${reply?.code ?? ''} ${reply?.enhanced ?? ''} ${reply?.text ?? ''}`)}`,
      );
  } finally {
    bar.stop();
    process.off('SIGINT', onInterrupt);
  }
}

async function readDraft(to: readonly string[], flags: SendFlags): Promise<MessageDraft> {
  const html = flags.html === undefined ? undefined : readText(flags.html, '--html');
  const images: FilePartOptions[] = [];
  const shown =
    html !== undefined && flags.inline === true ? inlineImages(html, dirname(flags.html as string), images) : html;
  const text = flags.text ?? (process.stdin.isTTY ? undefined : await readStdin());
  if (process.stdin.isTTY === true && text === undefined && html === undefined && flags.attach.length === 0) {
    throw new UsageError('nothing to send: give the text on standard input, --text, --html or --attach');
  }
  const from = flags.from ?? process.env['POSTWIRE_FROM'];
  if (from === undefined) throw new UsageError('who sends it? use --from, or set POSTWIRE_FROM');
  return {
    from,
    to,
    ...(flags.cc.length > 0 ? { cc: flags.cc } : {}),
    ...(flags.bcc.length > 0 ? { bcc: flags.bcc } : {}),
    ...(flags.subject === undefined ? {} : { subject: flags.subject }),
    ...(text === undefined || (text === '' && html !== undefined) ? {} : { text }),
    ...(shown === undefined ? {} : { html: shown }),
    headers: flags.header.map((field): [string, string] => {
      const colon = field.indexOf(':');
      if (colon < 1) throw new UsageError(`--header must be "Name: value"; got ${JSON.stringify(field)}`);
      return [field.slice(0, colon).trim(), field.slice(colon + 1).trim()];
    }),
    attachments: [...images, ...flags.attach.map((file) => ({ file }))],
  };
}

/** The file that a relative reference means: percent-encoding undone, query and fragment left out. */
function pathOf(reference: string): string {
  const path = reference.replace(/[?#].*$/s, '');
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Local images of the html become parts of the message. */
function inlineImages(html: string, folder: string, images: FilePartOptions[]): string {
  const cids = new Map<string, string>();
  return html.replace(
    /(<img\b[^>]*?\bsrc\s*=\s*)(?:"([^"]*)"|'([^']*)')/gi,
    (whole: string, before: string, double: string | undefined, single: string | undefined) => {
      const source = double ?? single ?? '';
      if (source === '' || /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(source)) return whole;
      let cid = cids.get(source);
      if (cid === undefined) {
        cid = `image${cids.size + 1}`;
        cids.set(source, cid);
        images.push({ file: resolve(folder, pathOf(source)), cid });
      }
      return `${before}"cid:${cid}"`;
    },
  );
}

function readRaw(to: readonly string[], flags: SendFlags, file: string): RawDraft {
  if (flags.from === undefined || to.length === 0)
    throw new UsageError('--raw needs --from and --to: the envelope is not taken from the message');
  for (const name of ['subject', 'html', 'text', 'inline'] as const)
    if (flags[name] !== undefined) throw new UsageError(`--raw sends the message as it is; leave out --${name}`);
  if (flags.attach.length > 0 || flags.header.length > 0)
    throw new UsageError('--raw sends the message as it is; leave out --attach and --header');
  const bare = (address: string): string => /<([^<>]*)>\s*$/.exec(address)?.[1] ?? address.trim();
  return {
    raw: file === '-' ? { stream: process.stdin } : { file },
    envelope: { from: bare(flags.from), to: [...to, ...flags.cc, ...flags.bcc].map(bare) },
  };
}

async function dryRun(draft: MessageDraft | RawDraft, flags: SendFlags): Promise<void> {
  const message = 'raw' in draft ? { ...(await rawMessage(draft.raw)), envelope: draft.envelope } : compose(draft);
  if (flags.json === true) {
    printJson({ ok: true, dryRun: true, envelope: message.envelope, sizeBytes: message.sizeBytes });
    return;
  }
  say(`from: ${message.envelope.from}\nto: ${[message.envelope.to].flat().join(', ')}`);
  for await (const chunk of message.stream()) {
    if (!process.stdout.write(chunk)) await new Promise((resume) => process.stdout.once('drain', resume));
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
