import { Buffer } from 'node:buffer';
import type { Readable } from 'node:stream';
import { UsageError } from '../errors.ts';
import {
  type CalendarInput,
  type FilePartOptions,
  type MessageDraft,
  type RawInput,
  attachDataUris,
} from '../mime/index.ts';
import { type SendResult, SmtpPool, type SmtpOptions, type SmtpTarget } from '../smtp/index.ts';
import type { DkimSignOptions } from './dkim/sign.ts';
import { provider } from './providers.ts';
import { type MailSender, type RawDraft, type SendMailOptions, sendMail } from './send.ts';

/** What nodemailer reports of a sent message. */
export interface NodemailerInfo {
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
  readonly messageId: string | undefined;
  readonly accepted: readonly string[];
  readonly rejected: readonly string[];
  readonly response: string;
  /** What nodemailer does not tell: each recipient with its reply. */
  readonly result: SendResult;
}

/** nodemailer's message as a transport gets it. */
interface NodemailerMail {
  readonly message: {
    getEnvelope(): { readonly from: string | false; readonly to: readonly string[] };
    messageId(): string;
    createReadStream(): Readable;
  };
}

/**
 * A transport for nodemailer: it builds the messages, postwire sends them.
 *
 *     const transporter = nodemailer.createTransport(postwireTransport('smtp://me:secret@mail.example.com'));
 *
 * Connections are kept in a pool; `transporter.close()` lets them go.
 */
export function postwireTransport(
  server: SmtpTarget | MailSender,
  options: SmtpOptions = {},
): {
  readonly name: string;
  readonly version: string;
  send(mail: NodemailerMail, callback: (error: Error | null, info?: NodemailerInfo) => void): void;
  verify(callback: (error: Error | null, success?: true) => void): void;
  verify(): Promise<true>;
  close(): void;
} {
  const own = isSender(server) ? undefined : new SmtpPool(server, {}, options);
  const sender = own ?? (server as MailSender);
  const verify = async (): Promise<true> => {
    if (sender instanceof SmtpPool) await sender.verify();
    return true;
  };
  return {
    name: 'postwire',
    version: '0.1.0',
    send(mail, callback) {
      const { from, to } = mail.message.getEnvelope();
      const envelope = { from: from === false ? '' : from, to };
      sender
        .send(envelope, { stream: () => mail.message.createReadStream() })
        .then((result) => callback(null, infoOf(envelope, mail.message.messageId(), result)), callback);
    },
    verify(callback?: (error: Error | null, success?: true) => void): Promise<true> {
      const verified = verify();
      if (callback !== undefined) verified.then((success) => callback(null, success), callback);
      return verified;
    },
    close() {
      void own?.close();
    },
  };
}

function infoOf(
  envelope: NodemailerInfo['envelope'],
  messageId: string | undefined,
  result: SendResult,
): NodemailerInfo {
  return {
    envelope,
    messageId,
    accepted: result.accepted,
    rejected: result.recipients.filter((each) => each.status !== 'accepted').map((each) => each.address),
    response: [result.reply.code, result.reply.enhanced, result.reply.text].filter(Boolean).join(' '),
    result,
  };
}

const isSender = (value: unknown): value is MailSender =>
  typeof value === 'object' && value !== null && typeof (value as Partial<MailSender>).send === 'function';

type Loose = Readonly<Record<string, unknown>>;

export interface Transporter extends AsyncDisposable {
  /** Takes nodemailer's message options. UsageError for one that is not understood: nothing is dropped silently. */
  sendMail(mail: Loose): Promise<NodemailerInfo>;
  sendMail(mail: Loose, callback: (error: Error | null, info?: NodemailerInfo) => void): void;
  verify(): Promise<true>;
  close(): Promise<void>;
}

/**
 * Takes the place of nodemailer's `createTransport`: its server options or URL, its message options. What would be less safe than it looks
 * is refused with the way to do it: switching `tls.rejectUnauthorized` off above all. Where TLS was used if offered, it is required.
 */
export function createTransport(server: string | Loose, defaults: Loose = {}): Transporter {
  const { target, connect, pool, send } = readServer(server);
  const sender = new SmtpPool(target, pool, connect);
  const run = async (mail: Loose): Promise<NodemailerInfo> => {
    const { draft, options } = readMail({ ...defaults, ...mail });
    const result = await sendMail(sender, draft, { ...send, ...options });
    const to = result.recipients.map((each) => each.address);
    return infoOf({ from: fromOf(draft), to }, result.messageId, result);
  };
  return {
    sendMail: ((mail: Loose, callback?: (error: Error | null, info?: NodemailerInfo) => void) => {
      const sent = run(mail);
      if (callback === undefined) return sent;
      sent.then((info) => callback(null, info), callback);
      return undefined;
    }) as Transporter['sendMail'],
    async verify() {
      await sender.verify();
      return true;
    },
    close: () => sender.close(),
    [Symbol.asyncDispose]: () => sender.close(),
  };
}

const fromOf = (draft: MessageDraft | RawDraft): string => {
  const from = draft.envelope?.from ?? ('raw' in draft ? '' : draft.from);
  return typeof from === 'string' ? (/<([^>]*)>\s*$/.exec(from)?.[1] ?? from) : '';
};

function readServer(server: string | Loose): {
  readonly target: SmtpTarget;
  readonly connect: SmtpOptions;
  readonly pool: ConstructorParameters<typeof SmtpPool>[1];
  readonly send: SendMailOptions;
} {
  if (typeof server === 'string') return { target: server, connect: {}, pool: {}, send: {} };
  const left: Record<string, unknown> = { ...server };
  const take = (name: string): unknown => {
    const value = left[name];
    delete left[name];
    return value;
  };
  const service = take('service') as string | undefined;
  const known = service === undefined ? undefined : new URL(provider(service).smtp);
  const auth = (take('auth') as Loose | undefined) ?? {};
  const tls = { ...(take('tls') as Loose | undefined) };
  if (tls['rejectUnauthorized'] === false)
    throw new UsageError('switching tls.rejectUnauthorized off accepts anybody as the server', {
      hint: 'trust its certificate instead: tls.ca with its PEM, or tls.fingerprint',
    });
  delete tls['rejectUnauthorized'];
  if ('servername' in tls) tls['serverName'] = tls['servername'];
  delete tls['servername'];
  const ignoreTls = (take('ignoreTLS') as boolean | undefined) === true;
  const secure = (take('secure') as boolean | undefined) ?? known?.protocol === 'smtps:';
  take('requireTLS');
  const mode = secure ? 'implicit' : ignoreTls ? 'none' : 'starttls';
  const host = (take('host') as string | undefined) ?? known?.hostname ?? 'localhost';
  const port = (take('port') as number | undefined) ?? (Number(known?.port ?? '') || undefined) ?? (secure ? 465 : 587);
  const [connectMs, greetingMs, idleMs] = ['connectionTimeout', 'greetingTimeout', 'socketTimeout'].map(
    (name) => take(name) as number | undefined,
  );
  const [rateLimit, rateDelta] = [take('rateLimit') as number | undefined, take('rateDelta') as number | undefined];
  const pooled = (take('pool') as boolean | undefined) === true;
  const [maxConnections, maxMessages] = [
    take('maxConnections') as number | undefined,
    take('maxMessages') as number | undefined,
  ];
  const connect: Record<string, unknown> = {
    tls: { mode, ...tls },
    user: auth['user'],
    password: auth['pass'],
    token: auth['accessToken'],
    name: take('name'),
    lmtp: take('lmtp'),
    proxy: take('proxy'),
    localAddress: take('localAddress'),
    allowInsecureAuth: ignoreTls ? true : undefined,
    timeouts: Object.fromEntries(
      Object.entries({ connectMs, greetingMs, commandMs: idleMs, bodyIdleMs: idleMs }).filter(
        ([, ms]) => ms !== undefined,
      ),
    ),
  };
  const dkim = take('dkim') as Loose | undefined;
  for (const name of ['debug', 'logger', 'transactionLog']) take(name);
  const unknown = Object.keys(left);
  if (unknown.length > 0)
    throw new UsageError(`the server option ${unknown.join(', ')} of nodemailer is not taken over`, {
      hint: 'leave it out, or use SmtpPool, whose options say what they do',
    });
  for (const [name, value] of Object.entries(connect)) if (value === undefined) delete connect[name];
  return {
    target: { host, port },
    connect: connect,
    pool: {
      maxConnections: pooled ? (maxConnections ?? 5) : 1,
      // Without a pool nodemailer makes a connection a message.
      maxMessages: pooled ? (maxMessages ?? 100) : 1,
      rate: rateLimit === undefined ? undefined : { messages: rateLimit, perMs: rateDelta ?? 1000 },
    },
    send: dkim === undefined ? {} : { dkim: readDkim(dkim) },
  };
}

function readDkim(given: Loose): DkimSignOptions {
  return {
    domain: given['domainName'] as string,
    selector: given['keySelector'] as string,
    privateKey: given['privateKey'] as string,
  };
}

/** A path or address, given as text or as a URL. */
function placeOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof URL) return value.href;
  throw new UsageError(`${name} must be a string or a URL; got ${typeof value}`);
}

const sameNames = [
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'replyTo',
  'inReplyTo',
  'references',
  'subject',
  'messageId',
  'priority',
];
function readMail(mail: Loose): { readonly draft: MessageDraft | RawDraft; readonly options: SendMailOptions } {
  const left: Record<string, unknown> = { ...mail };
  const take = (name: string): unknown => {
    const value = left[name];
    delete left[name];
    return value;
  };
  const options: Record<string, unknown> = {};
  if (take('disableFileAccess') === true) options['allowFiles'] = false;
  if (take('disableUrlAccess') === true) options['allowUrls'] = false;
  const dkim = take('dkim') as Loose | undefined;
  if (dkim !== undefined) options['dkim'] = readDkim(dkim);
  const dsn = take('dsn') as Loose | undefined;
  if (dsn !== undefined) options['dsn'] = readDsn(dsn);
  const envelope = take('envelope') as { from: string; to: string | readonly string[] } | undefined;
  const raw = take('raw');
  let draft: MessageDraft | RawDraft;
  if (raw === undefined) {
    const made: Record<string, unknown> = envelope === undefined ? {} : { envelope };
    for (const name of sameNames) if (left[name] !== undefined) made[name] = take(name);
    for (const name of ['text', 'html']) if (left[name] !== undefined) made[name] = readText(name, take(name));
    const date = take('date') as string | Date | undefined;
    if (date !== undefined) made['date'] = new Date(date);
    const headers = readHeaders(take('headers'));
    const list = take('list') as Loose | undefined;
    if (list !== undefined) headers.push(...readList(list));
    if (headers.length > 0) made['headers'] = headers;
    const encoding = take('textEncoding') as string | undefined;
    if (encoding !== undefined) made['encoding'] = encoding;
    const attachments = take('attachments') as readonly Loose[] | undefined;
    if (attachments !== undefined) made['attachments'] = attachments.map(readAttachment);
    const event = take('icalEvent');
    if (event !== undefined) made['calendar'] = readCalendar(event);
    const alternatives = readAlternatives(take);
    if (alternatives.length > 0) made['alternatives'] = alternatives;
    if (take('attachDataUrls') === true) options['prepare'] = attachDataUris;
    draft = made;
  } else {
    if (envelope === undefined) throw new UsageError('a raw message needs an envelope: { from, to }');
    for (const name of sameNames) take(name);
    draft = { raw: readRaw(raw), envelope };
  }
  const unknown = Object.keys(left).filter((name) => left[name] !== undefined);
  if (unknown.length > 0)
    throw new UsageError(`the message option ${unknown.join(', ')} of nodemailer is not taken over`, {
      hint: 'build that part with compose() and its part builders',
    });
  return { draft, options };
}

/** Invitations are text here, or bytes; their method is what the text says where none is given. */
function readCalendar(event: unknown): CalendarInput {
  if (typeof event === 'string' || event instanceof Uint8Array) return { content: readText('icalEvent', event) };
  const { content, method, filename, ...rest } = event as Loose;
  if (Object.keys(rest).length > 0)
    throw new UsageError(`icalEvent.${Object.keys(rest).join(', ')} of nodemailer is not taken over: give its content`);
  return {
    content: readText('icalEvent.content', content),
    method: method as string | undefined,
    filename: filename === false ? undefined : (filename as string | undefined),
    attach: filename !== false,
  };
}

const formTypes = { watchHtml: 'text/watch-html', amp: 'text/x-amp-html' } as const;

function readAlternatives(take: (name: string) => unknown): { type: string; text: string }[] {
  const made: { type: string; text: string }[] = [];
  for (const [name, type] of Object.entries(formTypes)) {
    const given = take(name);
    if (given !== undefined) made.push({ type, text: readText(name, given) });
  }
  for (const { contentType, content, ...rest } of (take('alternatives') as readonly Loose[] | undefined) ?? []) {
    if (Object.keys(rest).length > 0)
      throw new UsageError(`the alternative option ${Object.keys(rest).join(', ')} of nodemailer is not taken over`);
    made.push({ type: String(contentType), text: readText('alternatives', content) });
  }
  return made;
}

/** nodemailer's list: each a URL or address, `{ url, comment }`, or lists of them; id alone is not a link. */
function readList(list: Loose): (readonly [string, string])[] {
  return Object.entries(list).flatMap(([name, given]) =>
    [given].flat().map((each): [string, string] => {
      const { url, comment } = typeof each === 'object' && each !== null ? (each as Loose) : { url: each, comment: '' };
      const text = String(url);
      const link = name === 'id' ? text : /^[^\s:@]+@[^\s:@]+$/.test(text) ? `mailto:${text}` : text;
      const note = typeof comment === 'string' ? comment : '';
      const field = `List-${name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())}`;
      return [field, name === 'id' ? `${note} <${link}>`.trim() : `<${link}>${note === '' ? '' : ` (${note})`}`];
    }),
  );
}

function readDsn(given: Loose): SendMailOptions['dsn'] {
  const notify = [given['notify']].flat().filter((each) => each !== undefined) as string[];
  const lower = notify.flatMap((each) => each.toLowerCase().split(','));
  const wanted = given['return'] ?? given['ret'];
  return {
    envelopeId: given['id'] as string | undefined,
    return:
      wanted === undefined ? undefined : typeof wanted === 'string' && /^full$/i.test(wanted) ? 'full' : 'headers',
    notify:
      lower.length === 0 ? undefined : lower[0] === 'never' ? 'never' : (lower as ('success' | 'failure' | 'delay')[]),
    originalRecipient:
      given['recipient'] === undefined ? undefined : () => String(given['recipient']).replace(/^rfc822;/i, ''),
  };
}

function readText(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  throw new UsageError(`${name} must be a string or bytes here; read it first`);
}

function readHeaders(given: unknown): (readonly [string, string])[] {
  if (given === undefined) return [];
  const list = Array.isArray(given)
    ? given.map((each: Loose) => [each['key'], each['value']] as const)
    : Object.entries(given as Loose);
  return list.flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => {
      const text = typeof each === 'object' && each !== null ? (each as Loose)['value'] : each;
      return [String(name), String(text)];
    }),
  );
}

function readAttachment(given: Loose): FilePartOptions {
  const { filename, content, path, href, cid, contentType, contentDisposition, headers, encoding, ...rest } = given;
  const unknown = Object.keys(rest).filter((name) => rest[name] !== undefined && name !== 'contentTransferEncoding');
  if (unknown.length > 0)
    throw new UsageError(`the attachment option ${unknown.join(', ')} of nodemailer is not taken over`);
  const made: Record<string, unknown> = {
    ...(filename === undefined || filename === false ? {} : { filename }),
    ...(cid === undefined ? {} : { cid }),
    ...(contentType === undefined ? {} : { type: contentType }),
    ...(contentDisposition === undefined ? {} : { disposition: contentDisposition }),
    ...(headers === undefined ? {} : { headers }),
  };
  const place = href ?? path;
  if (place === undefined) {
    if (typeof content === 'string') made['content'] = Buffer.from(content, (encoding ?? 'utf8') as BufferEncoding);
    else made[content instanceof Uint8Array ? 'content' : 'stream'] = content;
    return made;
  }
  const where = placeOf('path', place);
  const data = /^data:([^,;]*)((?:;[^,;]*)*?)(;base64)?,(.*)$/s.exec(where);
  if (data !== null) {
    made['content'] =
      data[3] === undefined ? decodeURIComponent(data[4] as string) : Buffer.from(data[4] as string, 'base64');
    if (made['type'] === undefined && data[1] !== '') made['type'] = data[1];
  } else made[/^https?:/i.test(where) ? 'url' : 'file'] = where;
  return made;
}

function readRaw(raw: unknown): RawInput {
  if (typeof raw === 'string' || raw instanceof Uint8Array) return { content: raw };
  const { path, href, content } = raw as Loose;
  if (href !== undefined) return { url: placeOf('raw.href', href) };
  if (path !== undefined) {
    const where = placeOf('raw.path', path);
    return /^https?:/i.test(where) ? { url: where } : { file: where };
  }
  return content === undefined ? { stream: raw as Readable } : readRaw(content);
}
