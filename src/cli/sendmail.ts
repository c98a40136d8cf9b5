import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { PostwireError, UsageError } from '../errors.ts';
import { sendMail } from '../mail/index.ts';
import { type Address, formatAddress, parseSync } from '../mime/index.ts';
import { SmtpSendError } from '../smtp/index.ts';
import { smtpSchemes } from '../smtp/target.ts';
import { reportFailure, say } from './output.ts';
import { readServerFlags } from './server-flags.ts';

/** sysexits.h, which callers of sendmail go by. */
const sysexits = {
  ok: 0,
  usage: 64,
  noUser: 67,
  unavailable: 69,
  software: 70,
  tempFail: 75,
  protocol: 76,
  noPerm: 77,
};

interface Wanted {
  readonly recipients: string[];
  fromHeader: boolean;
  sender: string | undefined;
  fullName: string | undefined;
  ignoreDots: boolean;
}

/** `postwire sendmail`: what cron, mail(1) and PHP call by that name. */
export function addSendmailCommand(program: Command): void {
  program
    .command('sendmail')
    .description('send the message on standard input as sendmail does: -t, -i, -f ADDRESS, -F NAME, recipients')
    .argument('[words...]', 'options and recipients of sendmail')
    .allowUnknownOption()
    .addHelpText(
      'after',
      '\nThe server comes from SMTP_URL. Exit codes are those of sysexits.h: 0, 64, 67, 69, 70, 75, 76, 77.',
    )
    .action(async () => {
      try {
        // Not commander's: it would lose the order of options and addresses.
        await sendmail(readWords(process.argv.slice(process.argv.indexOf('sendmail') + 1)));
      } catch (error) {
        reportFailure(error, false);
        process.exitCode = exitCode(error);
      }
    });
}

function readWords(words: readonly string[]): Wanted {
  const wanted: Wanted = {
    recipients: [],
    fromHeader: false,
    sender: undefined,
    fullName: undefined,
    ignoreDots: false,
  };
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    const valueOf = (length: number): string => {
      const value = word.length > length ? word.slice(length) : words[++at];
      if (value === undefined) throw new UsageError(`${word} needs a value`);
      return value;
    };
    if (word === '--') wanted.recipients.push(...words.slice(at + 1));
    if (word === '--') break;
    if (!word.startsWith('-')) wanted.recipients.push(word);
    else if (word === '-t' || word === '-ti') wanted.fromHeader = true;
    else if (word.startsWith('-f') || word.startsWith('-r')) wanted.sender = valueOf(2);
    else if (word.startsWith('-F')) wanted.fullName = valueOf(2);
    else if (word === '-i' || word === '-oi') wanted.ignoreDots = true;
    else if (/^-(?:bm|o[a-z].*|U|v|n|G|m)$/.test(word)) continue;
    else if (/^-[BhNRVX]/.test(word)) valueOf(2);
    else throw new UsageError(`sendmail's option ${word} is not supported here`);
    if (word === '-ti') wanted.ignoreDots = true;
  }
  return wanted;
}

async function sendmail(wanted: Wanted): Promise<void> {
  const message = await readMessage(wanted.ignoreDots);
  const { headers, to, cc, bcc, from } = parseSync(message);
  const recipients = [...wanted.recipients];
  if (wanted.fromHeader) recipients.push(...[...to, ...cc, ...bcc].flatMap(addressesOf));
  if (recipients.length === 0)
    throw new UsageError(
      wanted.fromHeader ? 'the message names no recipient in To, Cc or Bcc' : 'no recipient: name them, or use -t',
    );
  const author = from[0] === undefined ? undefined : addressesOf(from[0])[0];
  const sender = wanted.sender ?? author ?? process.env['POSTWIRE_FROM'];
  if (sender === undefined) throw new UsageError('the message has no From: use -f, or set POSTWIRE_FROM');
  const missing: string[] = [];
  const name = wanted.fullName ?? '';
  if (!headers.has('from')) missing.push(`From: ${formatAddress({ name, address: sender })}`);
  if (!headers.has('date')) missing.push(`Date: ${new Date().toUTCString().replace('GMT', '+0000')}`);
  if (!headers.has('message-id')) missing.push(`Message-ID: <${randomUUID()}@${hostname() || 'localhost'}>`);
  const raw = Buffer.concat([Buffer.from(missing.map((field) => `${field}\r\n`).join('')), message]);
  const { server, options } = await readServerFlags(
    {},
    { variable: 'SMTP_URL', schemes: smtpSchemes, example: 'smtp://user:password@mail.example.com:587' },
  );
  const bare = sender === '<>' ? '' : (/<([^<>]*)>\s*$/.exec(sender)?.[1] ?? sender);
  const result = await sendMail(server, { raw: { content: raw }, envelope: { from: bare, to: recipients } }, options);
  for (const { address, reply } of result.refused) say(`${address}: ${reply?.code ?? ''} ${reply?.text ?? ''}`);
  if (result.refused.length > 0) process.exitCode = sysexits.noUser;
}

const addressesOf = (entry: Address): string[] => (entry.group ?? [entry]).map(({ address }) => address);

/** Standard input, up to its end or, unless told otherwise, a line of one dot. */
async function readMessage(ignoreDots: boolean): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const message = Buffer.concat(chunks);
  if (ignoreDots) return message;
  const end = /(?:^|\n)\.\r?(?:\n|$)/.exec(message.toString('latin1'));
  return end === null ? message : message.subarray(0, end.index + (end[0].startsWith('\n') ? 1 : 0));
}

function exitCode(error: unknown): number {
  // Sending it again could make a second copy: the caller must not queue it.
  if (error instanceof SmtpSendError && error.deliveryUnknown) return sysexits.unavailable;
  if (!(error instanceof PostwireError)) return sysexits.software;
  switch (error.code) {
    case 'USAGE':
    case 'UNSUPPORTED':
      return sysexits.usage;
    case 'AUTH':
      return sysexits.noPerm;
    case 'TLS':
    case 'PROTOCOL':
      return sysexits.protocol;
    case 'REPLY':
      if (error.temporary) return sysexits.tempFail;
      return error.reply?.enhanced?.startsWith('5.1.') === true ? sysexits.noUser : sysexits.unavailable;
    case 'CONNECT':
    case 'TIMEOUT':
    case 'CLOSED':
      return sysexits.tempFail;
    default:
      return sysexits.unavailable;
  }
}
