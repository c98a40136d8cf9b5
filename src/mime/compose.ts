import { UsageError } from '../errors.ts';
import { needsSmtpUtf8, checkAddrSpec } from '../wire/addr-spec.ts';
import { checkArgument, checkOptions } from '../wire/arguments.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { concatBytes } from '../wire/bytes.ts';
import { type Address, type AddressInput, flattenAddresses, formatResolved, readAddressInput } from './address.ts';
import type { AccessOptions } from './content.ts';
import { type CalendarInput, calendarParts } from './calendar-part.ts';
import { checkMediaType } from './content-type.ts';
import { formatDate } from './date.ts';
import { encodeHeader } from './encoded-word.ts';
import { flow } from './flowed.ts';
import { checkFieldName, checkFieldValue, formatField } from './header-block.ts';
import { type ListInput, formatListFields } from './list-header.ts';
import {
  type FilePartOptions,
  type Part,
  type TransferEncoding,
  checkMessageId,
  filePart,
  multipart,
  randomBoundary,
  textPart,
} from './part.ts';
import { randomHex } from './random.ts';
import { type Segment, isHeld, renderHeld, segmentsOf, sizeOf, streamSegments } from './writer.ts';

/** Who gets the message, apart from what its header says. */
export interface EnvelopeInput {
  readonly from?: string | undefined;
  readonly to?: string | readonly string[] | undefined;
}

/** A message to be built. Only what is given is written; Date, Message-ID and MIME-Version are added. */
export interface MessageDraft {
  readonly from?: AddressInput | undefined;
  readonly sender?: AddressInput | undefined;
  readonly replyTo?: AddressInput | undefined;
  readonly to?: AddressInput | undefined;
  readonly cc?: AddressInput | undefined;
  /** In the envelope only: never in the message. */
  readonly bcc?: AddressInput | undefined;
  readonly subject?: string | undefined;
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  /** Files, or parts that are made already. A file with a `cid` is an image of the html, and the html must refer to it. */
  readonly attachments?: readonly (FilePartOptions | Part)[] | undefined;
  /** An invitation or its answer. */
  readonly calendar?: CalendarInput | undefined;
  /** Further forms of the text, such as `{ type: 'text/x-amp-html', text }`; readers take the last that they understand. */
  readonly alternatives?: readonly { readonly type: string; readonly text: string }[] | undefined;
  /** Long lines of `text` are wrapped so that the reader can fit them to the window (format=flowed). */
  readonly flowed?: boolean | undefined;
  readonly priority?: 'high' | 'normal' | 'low' | undefined;
  /** List-* fields. */
  readonly list?: ListInput | undefined;
  /** Further header fields, in order. Fields that have an option of their own are refused. */
  readonly headers?:
    Readonly<Record<string, string | readonly string[]>> | readonly (readonly [string, string])[] | undefined;
  readonly inReplyTo?: string | readonly string[] | undefined;
  readonly references?: string | readonly string[] | undefined;
  /** Default: random, at the sender's domain. */
  readonly messageId?: string | undefined;
  /** Default: now. */
  readonly date?: Date | undefined;
  /** The whole body as parts, instead of text, html and attachments. */
  readonly body?: Part | undefined;
  /** How text and html are encoded. Default 'auto'. */
  readonly encoding?: TransferEncoding | 'auto' | undefined;
  /** Overrides the envelope that follows from the addresses. */
  readonly envelope?: EnvelopeInput | undefined;
}

export interface ComposeOptions extends AccessOptions {
  /** Names the boundaries, outermost first, so that a test gets the same bytes each time. */
  readonly boundary?: ((index: number) => string) | undefined;
}

export interface Envelope {
  /** Where failure reports go; '' for none. */
  readonly from: string;
  readonly to: readonly string[];
}

/** A built message. Its bytes come whole or as a stream, and are the same. */
export interface ComposedMessage {
  /** Length in bytes; undefined when a part's stream or URL does not tell its own. */
  readonly sizeBytes: number | undefined;
  /** With angle brackets. */
  readonly messageId: string;
  readonly envelope: Envelope;
  /** True when an address in the header needs SMTPUTF8. */
  readonly needsSmtpUtf8: boolean;
  /** The whole message in memory. */
  bytes(signal?: AbortSignal): Promise<Uint8Array>;
  /** The message in chunks, with bounded memory. May be called again, unless a part is a stream. */
  stream(signal?: AbortSignal): ByteStream;
}

const draftKeys = [
  'from',
  'sender',
  'replyTo',
  'to',
  'cc',
  'bcc',
  'subject',
  'text',
  'html',
  'attachments',
  'calendar',
  'alternatives',
  'flowed',
  'priority',
  'list',
  'headers',
  'inReplyTo',
  'references',
  'messageId',
  'date',
  'body',
  'encoding',
  'envelope',
];

const bodyKeys = ['text', 'html', 'attachments', 'calendar', 'alternatives', 'flowed', 'encoding'] as const;
const NO_OPTIONS: ComposeOptions = {};
const composeKeys = ['boundary', 'allowFiles', 'allowUrls', 'maxUrlBytes'];

/** Fields that are made from options of the draft. */
const ownFields = new Map([
  ['from', 'from'],
  ['sender', 'sender'],
  ['reply-to', 'replyTo'],
  ['to', 'to'],
  ['cc', 'cc'],
  ['bcc', 'bcc'],
  ['subject', 'subject'],
  ['in-reply-to', 'inReplyTo'],
  ['references', 'references'],
  ['message-id', 'messageId'],
  ['date', 'date'],
  ['mime-version', ''],
  ['content-type', 'body'],
  ['content-transfer-encoding', 'encoding'],
  ['content-id', ''],
  ['content-disposition', ''],
  ['return-path', ''],
  ['resent-bcc', ''],
]);

/**
 * Builds a message. Nothing is read from a file, stream or URL until the bytes are asked for; files must exist now.
 *
 * UsageError, before anything is sent, for a malformed address, a line break where none may be, an unreadable file, an image that the
 * html does not show, or an option that does not exist.
 *
 * @see RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 2387
 */
export function compose(draft: MessageDraft, options: ComposeOptions = NO_OPTIONS): ComposedMessage {
  if (typeof draft !== 'object' || draft === null)
    throw new UsageError(`a message must be an object such as { from, to, subject, text }; got ${typeof draft}`);
  for (const key in draft) if (!draftKeys.includes(key)) checkOptions('message', draft, draftKeys);
  if (options !== NO_OPTIONS) checkOptions('compose', options, composeKeys);
  if (draft.body !== undefined) {
    const other = bodyKeys.find((key) => draft[key] !== undefined);
    if (other !== undefined) throw new UsageError(`body is the whole body: ${other} cannot be given beside it`);
  }
  if (draft.date !== undefined && !(draft.date instanceof Date))
    throw new UsageError(`date must be a Date; got ${typeof draft.date}`);
  const from = readAddressInput('from', draft.from);
  const sender = readAddressInput('sender', draft.sender);
  const to = readAddressInput('to', draft.to);
  const cc = readAddressInput('cc', draft.cc);
  const bcc = readAddressInput('bcc', draft.bcc);
  const replyTo = readAddressInput('replyTo', draft.replyTo);
  if (from.length === 0) throw new UsageError('from is missing: say who sends the message');
  if (sender.length > 1) throw new UsageError('sender must be one address');
  // RFC 5322 section 3.6.2: several authors need one who sends.
  if (from.length > 1 && sender.length === 0)
    throw new UsageError('with several from addresses, sender must say who sends');
  const envelope = buildEnvelope(draft.envelope, sender[0] ?? flattenAddresses(from)[0], [...to, ...cc, ...bcc]);
  const messageId =
    draft.messageId === undefined
      ? newMessageId(flattenAddresses(from)[0])
      : checkMessageId('messageId', draft.messageId);

  let header = '';
  header += addressField('From', from);
  header += addressField('Sender', sender);
  header += addressField('Reply-To', replyTo);
  header += addressField('To', to);
  header += addressField('Cc', cc);
  if (draft.subject !== undefined)
    header += formatField('Subject', encodeHeader(checkFieldValue('Subject', draft.subject)));
  header += `Date: ${formatDate(draft.date ?? new Date())}\r\n`;
  header += formatField('Message-ID', messageId);
  header += idField('In-Reply-To', draft.inReplyTo);
  header += idField('References', draft.references);
  if (draft.priority !== undefined) header += priorityFields(draft.priority);
  if (draft.list !== undefined) header += formatListFields(draft.list);
  if (draft.headers !== undefined) {
    for (const [name, value] of customFields(draft.headers)) {
      const option = draft.list !== undefined && /^list-/i.test(name) ? 'list' : undefined;
      if (option !== undefined) throw new UsageError(`header ${name} is set by the option ${option}`);
      header += formatField(name, encodeHeader(value));
    }
  }
  header += 'MIME-Version: 1.0\r\n';

  const addresses = [from, sender, replyTo, to, cc];
  return new Composed(segmentsOf(header, draft.body ?? buildBody(draft, options)), messageId, envelope, addresses);
}

class Composed implements ComposedMessage {
  readonly #segments: readonly Segment[];
  readonly #addresses: readonly (readonly Address[])[];
  readonly messageId: string;
  readonly envelope: Envelope;

  constructor(
    segments: readonly Segment[],
    messageId: string,
    envelope: Envelope,
    addresses: readonly (readonly Address[])[],
  ) {
    this.#segments = segments;
    this.messageId = messageId;
    this.envelope = envelope;
    this.#addresses = addresses;
  }

  get sizeBytes(): number | undefined {
    return sizeOf(this.#segments);
  }

  get needsSmtpUtf8(): boolean {
    return flattenAddresses(this.#addresses.flat()).some((entry) =>
      needsSmtpUtf8(entry.address.slice(0, entry.address.lastIndexOf('@'))),
    );
  }

  async bytes(signal?: AbortSignal): Promise<Uint8Array> {
    if (isHeld(this.#segments)) return renderHeld(this.#segments);
    const chunks: Uint8Array[] = [];
    for await (const chunk of streamSegments(this.#segments, signal)) chunks.push(chunk);
    return concatBytes(chunks);
  }

  stream(signal?: AbortSignal): ByteStream {
    return new ByteStream(streamSegments(this.#segments, signal), this.sizeBytes);
  }
}

function addressField(name: string, list: readonly Address[]): string {
  return list.length === 0 ? '' : formatField(name, list.map(formatResolved).join(', '));
}

function idField(name: string, ids: string | readonly string[] | undefined): string {
  if (ids === undefined) return '';
  const list =
    typeof ids === 'string'
      ? checkArgument(name, ids)
          .split(/[\s,]+/)
          .filter((id) => id !== '')
      : ids;
  return list.length === 0 ? '' : formatField(name, list.map((id) => checkMessageId(name, id)).join(' '));
}

/** Two fields, because mail programs read one or the other. @see RFC 2156 section 5.3.6 (Importance) */
function priorityFields(priority: 'high' | 'normal' | 'low'): string {
  if (priority === 'normal') return '';
  if (priority !== 'high' && priority !== 'low')
    throw new UsageError(`priority must be high, normal or low; got ${JSON.stringify(priority)}`);
  return `Importance: ${priority}\r\nX-Priority: ${priority === 'high' ? '1 (Highest)' : '5 (Lowest)'}\r\n`;
}

function* customFields(headers: MessageDraft['headers']): Iterable<[string, string]> {
  if (headers === undefined) return;
  const entries: [unknown, unknown][] = Array.isArray(headers)
    ? headers.map((entry: unknown) =>
        Array.isArray(entry) && entry.length === 2 ? [entry[0], entry[1]] : [undefined, undefined],
      )
    : Object.entries(headers).flatMap(([name, value]) =>
        Array.isArray(value)
          ? value.map((each): [string, unknown] => [name, each])
          : [[name, value] as [string, unknown]],
      );
  for (const [given, value] of entries) {
    const name = checkFieldName(given);
    const option = ownFields.get(name.toLowerCase());
    if (option !== undefined)
      throw new UsageError(
        option === ''
          ? `header ${name} cannot be given: it is written by itself, or must not be in a message that is sent`
          : `header ${name} is set by the option ${option}`,
      );
    yield [name, checkFieldValue(name, value)];
  }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

export function newMessageId(author: Address | undefined): string {
  // The author's domain, never this machine's name.
  const domain = author === undefined ? 'localhost' : domainOf(author.address);
  return `<${randomHex(16)}@${domain}>`;
}

function buildEnvelope(
  given: EnvelopeInput | undefined,
  author: Address | undefined,
  recipients: readonly Address[],
): Envelope {
  const derivedTo = (): string[] => unique(flattenAddresses(recipients).map((entry) => entry.address));
  if (given === undefined) return { from: addressOf(author), to: derivedTo() };
  checkOptions('envelope', given, ['from', 'to']);
  const from =
    given.from === undefined ? addressOf(author) : given.from === '' ? '' : checkAddrSpec('envelope.from', given.from);
  if (given.to === undefined) return { from, to: derivedTo() };
  const listed = typeof given.to === 'string' ? [given.to] : given.to;
  return { from, to: unique(listed.map((address) => checkAddrSpec('a recipient', address))) };
}

function addressOf(author: Address | undefined): string {
  if (author === undefined) throw new UsageError('from has no address: a group without members cannot send');
  return author.address;
}

const unique = (list: readonly string[]): string[] => (list.length < 2 ? [...list] : [...new Set(list)]);

/** Text and html as alternatives, the html's images related to it, attachments beside: RFC 2046 section 5.1, RFC 2387. */
function buildBody(draft: MessageDraft, options: ComposeOptions): Part {
  let boundaries = 0;
  const used = new Set<string>();
  const nextBoundary = (): string => {
    const boundary = options.boundary === undefined ? randomBoundary() : options.boundary(boundaries++);
    if (used.has(boundary)) throw new UsageError(`boundary ${JSON.stringify(boundary)} is given twice`);
    used.add(boundary);
    return boundary;
  };
  const bounded = (subtype: string, parts: readonly Part[], parameters?: Record<string, string>): Part =>
    multipart(subtype, parts, {
      boundary: nextBoundary(),
      parameters,
    });
  const calendar = draft.calendar === undefined ? undefined : calendarParts(draft.calendar);
  const attachments = [...readAttachments(draft.attachments), ...(calendar?.file === undefined ? [] : [calendar.file])];
  const images = attachments.filter((each): each is FilePartOptions => !isPart(each) && each.cid !== undefined);
  const files = attachments.filter((each) => isPart(each) || each.cid === undefined);
  if (draft.html !== undefined || images.length > 0) checkImages(draft.html ?? '', images);
  let html = draft.html === undefined ? undefined : textPart(draft.html, { subtype: 'html', encoding: draft.encoding });
  if (html !== undefined && images.length > 0) {
    html = bounded('related', [html, ...images.map((image) => filePart(image, options))], {
      type: 'text/html',
    });
  }
  // From the plainest to the richest, RFC 2046 section 5.1.4; clients look for an invitation at the end.
  const forms = [bodyText(draft), ...(draft.alternatives ?? []).map(alternativePart), html, calendar?.part].filter(
    (form) => form !== undefined,
  );
  const readable = forms.length > 1 ? bounded('alternative', forms) : forms[0];
  if (files.length === 0) return readable ?? textPart('');
  const parts = files.map((file) => (isPart(file) ? file : filePart(file, options)));
  return bounded('mixed', readable === undefined ? parts : [readable, ...parts]);
}

function bodyText({ text, flowed, encoding }: MessageDraft): Part | undefined {
  if (text === undefined) return undefined;
  return flowed === true && typeof text === 'string'
    ? textPart(flow(text), { encoding, parameters: { format: 'flowed' } })
    : textPart(text, { encoding });
}

function alternativePart(given: { readonly type: string; readonly text: string }): Part {
  checkOptions('alternatives', given, ['type', 'text']);
  const type = checkMediaType(given.type);
  if (!type.startsWith('text/')) throw new UsageError(`an alternative must be text; ${type} belongs into attachments`);
  return textPart(given.text, { subtype: type.slice(5) });
}

function readAttachments(given: MessageDraft['attachments']): readonly (FilePartOptions | Part)[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw new UsageError('attachments must be a list');
  return given as readonly (FilePartOptions | Part)[];
}

const isPart = (attachment: FilePartOptions | Part): attachment is Part =>
  typeof attachment === 'object' && attachment !== null && 'header' in attachment && 'body' in attachment;

/** Each `cid:` of the html must be attached, and each image shown. */
function checkImages(html: string, images: readonly FilePartOptions[]): void {
  const used = new Set<string>();
  for (const match of html.matchAll(/["'(=]\s*cid:([^"'\s>)]+)/gi)) used.add(decodeCid(match[1] as string));
  const attached = new Set(images.map((image) => String(image.cid).replace(/^<(.*)>$/, '$1')));
  for (const cid of used)
    if (!attached.has(cid)) throw new UsageError(`the html shows cid:${cid}, and no attachment has that cid`);
  for (const cid of attached)
    if (!used.has(cid))
      throw new UsageError(
        `attachment with cid ${cid} is not shown by the html; refer to it as cid:${cid}, or leave the cid out`,
      );
  if (attached.size < images.length) throw new UsageError('two attachments have the same cid');
}

function decodeCid(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
