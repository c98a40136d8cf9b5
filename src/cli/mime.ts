import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { UsageError, escapeControls, messageOf } from '../errors.ts';
import { readMbox } from '../mail/index.ts';
import { type Address, type Message, type MimePart, parseSync } from '../mime/index.ts';
import { ByteStream, iterateBytes } from '../wire/byte-stream.ts';
import { latin1 } from '../wire/bytes.ts';
import { printJson, reportFailure, say } from './output.ts';

interface ShowFlags {
  readonly tree?: boolean;
  readonly json?: boolean;
  readonly text?: boolean;
  readonly html?: boolean;
}

const MAX_FILE_BYTES = 1024 * 1024 * 1024;

/** `postwire mime show` and `postwire mime extract`. */
export function addMimeCommand(program: Command): void {
  const mime = program.command('mime').description('look into messages and mbox files');
  mime
    .command('show')
    .description('show a message: its header, text and attachments')
    .argument('<file>', 'a message or an mbox file; - for standard input')
    .option('--tree', 'its parts, with types and offsets')
    .option('--json', 'everything as one JSON document a message')
    .option('--text', 'its text alone; of html where there is no text')
    .option('--html', 'its html alone')
    .action(async (file: string, flags: ShowFlags) => {
      try {
        const chosen = (['tree', 'json', 'text', 'html'] as const).filter((name) => flags[name] === true);
        if (chosen.length > 1) throw new UsageError(`choose one of --${chosen.join(' and --')}`);
        for await (const message of readMessages(file)) await show(message, flags);
      } catch (error) {
        reportFailure(error, flags.json === true);
      }
    });
  mime
    .command('extract')
    .description('write the attachments into a folder, under safe names')
    .argument('<file>', 'a message or an mbox file; - for standard input')
    .requiredOption('-d, --directory <dir>', 'the folder')
    .option('--json', 'print the result as one JSON document')
    .action(async (file: string, flags: { readonly directory: string; readonly json?: boolean }) => {
      try {
        const written: { path: string; sizeBytes: number; contentType: string }[] = [];
        for await (const message of readMessages(file)) {
          for (const attachment of [...message.attachments, ...message.inline]) {
            const path = await attachment.save(flags.directory).catch((error: unknown) => {
              throw new UsageError(`cannot write into ${flags.directory}: ${messageOf(error)}`, { cause: error });
            });
            written.push({ path, sizeBytes: attachment.bytes().length, contentType: attachment.contentType });
          }
        }
        if (flags.json === true) printJson({ ok: true, files: written });
        else for (const { path } of written) process.stdout.write(`${escapeControls(path, 10_000)}\n`);
        if (written.length === 0 && flags.json !== true) say('no attachments');
      } catch (error) {
        reportFailure(error, flags.json === true);
      }
    });
}

/** The messages of a file: one, or those of an mbox. */
async function* readMessages(file: string): AsyncIterable<Message> {
  const source: Readable = file === '-' ? process.stdin : createReadStream(file);
  let bytes: Uint8Array;
  try {
    bytes = await new ByteStream(iterateBytes(source as AsyncIterable<Uint8Array>)).bytes(MAX_FILE_BYTES);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new UsageError(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const options = { limits: { messageBytes: MAX_FILE_BYTES } };
  if (/^From (?![ \t]*:)/.test(latin1(bytes, 0, Math.min(bytes.length, 100)))) {
    for await (const entry of readMbox(bytes)) yield parseSync(entry.bytes, options);
    return;
  }
  if (bytes.length === 0) throw new UsageError(`${file === '-' ? 'standard input' : file} is empty`);
  yield parseSync(bytes, options);
}

async function show(message: Message, flags: ShowFlags): Promise<void> {
  if (flags.json === true) printJson(toDocument(message));
  else if (flags.tree === true) process.stdout.write(formatTree(message.root));
  else if (flags.text === true) process.stdout.write(endLine(clean((await message.textFromHtml()) ?? '')));
  else if (flags.html === true) process.stdout.write(endLine(message.htmlFromText() ?? ''));
  else process.stdout.write(await overview(message));
}

async function overview(message: Message): Promise<string> {
  const fields: [string, string][] = [
    ['From', formatList(message.from)],
    ['To', formatList(message.to)],
    ['Cc', formatList(message.cc)],
    ['Date', message.date?.toISOString() ?? message.headers.get('date') ?? ''],
    ['Subject', message.subject],
  ];
  let out = '';
  for (const [name, value] of fields) if (value !== '') out += `${name}: ${escapeControls(value, 10_000)}\n`;
  out += `\n${endLine(clean((await message.textFromHtml()) ?? ''))}`;
  for (const file of [...message.attachments, ...message.inline])
    out += `\n[${escapeControls(file.filename ?? file.safeName, 1000)}: ${file.contentType}, ${file.bytes().length} bytes]`;
  return endLine(out);
}

/** Text for a terminal: line ends and tabs stay, other control characters are escaped. */
function clean(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      line
        .split('\t')
        .map((piece) => escapeControls(piece, Number.POSITIVE_INFINITY))
        .join('\t'),
    )
    .join('\n');
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function formatList(list: readonly Address[]): string {
  return list
    .map(({ name, address, group }) =>
      group === undefined ? (name === '' ? address : `${name} <${address}>`) : `${name}: ${formatList(group)};`,
    )
    .join(', ');
}

function formatTree(root: MimePart): string {
  let out = '';
  for (const part of root.walk()) {
    const depth = part.path === '' ? 0 : part.path.split('.').length;
    const name = part.filename === undefined ? '' : ` ${escapeControls(part.filename, 200)}`;
    out += `${'  '.repeat(depth)}${part.path || '.'} ${escapeControls(part.type, 100)}${name} [${part.offset}, ${part.bodyOffset}, ${part.endOffset})\n`;
  }
  return out;
}

/** Everything that a program may want, but for the bytes of attachments. */
function toDocument(message: Message): Record<string, unknown> {
  message.decodeAll();
  const { subject, from, to, cc, bcc, replyTo, sender, date, messageId, inReplyTo, references } = message;
  const file = (attachment: (typeof message.attachments)[number]): Record<string, unknown> => ({
    filename: attachment.filename,
    safeName: attachment.safeName,
    contentType: attachment.contentType,
    contentId: attachment.contentId,
    sizeBytes: attachment.bytes().length,
  });
  return {
    headers: [...message.headers].map(({ name, text }) => [name, text]),
    subject,
    from,
    to,
    cc,
    bcc,
    replyTo,
    sender,
    date,
    messageId,
    inReplyTo,
    references,
    text: message.text,
    html: message.html,
    attachments: message.attachments.map(file),
    inline: message.inline.map(file),
    calendar: message.calendar.map(({ method, text }) => ({ method, text })),
    list: message.list,
    received: message.received,
    priority: message.priority,
    autoSubmitted: message.autoSubmitted,
    defects: message.defects,
  };
}
