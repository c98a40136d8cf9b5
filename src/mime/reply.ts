import { type Address, type AddressInput, flattenAddresses, readAddressInput } from './address.ts';
import { type Attachment } from './attachment.ts';
import { baseSubject } from './base-subject.ts';
import type { MessageDraft } from './compose.ts';
import { formatDate } from './date.ts';
import { escapeHtml, textToHtml } from './html-text.ts';
import { messagePart } from './message-part.ts';
import type { Message } from './message.ts';
import type { FilePartOptions } from './part.ts';

export interface ReplyOptions {
  /** Who answers. */
  readonly from: AddressInput;
  /** Answer everybody: the other recipients go into cc. Default false. */
  readonly all?: boolean | undefined;
  /** Addresses of one's own, which get no copy. Default: those of `from`. */
  readonly own?: AddressInput | undefined;
  /** The answer, above what is quoted. */
  readonly text?: string | undefined;
  /** The answer as html; what is quoted follows with its images. */
  readonly html?: string | undefined;
  /** False quotes nothing. Default true. */
  readonly quote?: boolean | undefined;
  /** The line above the quote. Default: 'On <date>, <name> wrote:'. */
  readonly attribution?: ((message: Message) => string) | undefined;
}

/**
 * The draft of an answer: to whom the message says answers go, in its thread, quoting it. A message of one's own is answered to its
 * recipients. Change it as you like, then `compose` or `sendMail` it. @see RFC 5322 section 3.6.4
 */
export function reply(message: Message, options: ReplyOptions): MessageDraft {
  const from = readAddressInput('from', options.from);
  const own = new Set(
    flattenAddresses([...from, ...readAddressInput('own', options.own)]).map(({ address }) => address.toLowerCase()),
  );
  const mine = (entry: Address): boolean => own.has(entry.address.toLowerCase());
  const authors = usable(message.replyTo.length > 0 ? message.replyTo : message.from);
  const to = authors.length > 0 && authors.every(mine) ? usable(message.to) : authors;
  const seen = new Set([...own, ...to.map(({ address }) => address.toLowerCase())]);
  const cc =
    options.all === true
      ? usable([...message.to, ...message.cc]).filter(({ address }) => {
          const key = address.toLowerCase();
          return !seen.has(key) && seen.add(key) !== undefined;
        })
      : [];
  const quote = options.quote !== false;
  const attribution = options.attribution?.(message) ?? attributionOf(message);
  const { text = '', html } = options;
  return {
    from,
    to,
    ...(cc.length > 0 && { cc }),
    subject: prefixed('Re', message.subject),
    ...threadOf(message),
    text: quote ? `${text}\n\n${attribution}\n${quoteText(message)}\n` : text,
    ...(html !== undefined && (quote ? quotedHtml(message, html, attribution) : { html })),
  };
}

export interface ForwardOptions {
  readonly from: AddressInput;
  readonly to: AddressInput;
  readonly cc?: AddressInput | undefined;
  /** What is said above it. */
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  /** 'inline' repeats text and files in a message of one's own; 'attachment' attaches it unchanged. Default 'inline'. */
  readonly as?: 'inline' | 'attachment' | undefined;
}

/** The draft of a message that hands this one on: as it was, or with its text and files within one's own. */
export function forward(message: Message, options: ForwardOptions): MessageDraft {
  const { text = '', html } = options;
  const { references } = threadOf(message);
  const draft: MessageDraft = {
    from: options.from,
    to: options.to,
    ...(options.cc !== undefined && { cc: options.cc }),
    subject: prefixed('Fwd', message.subject),
    ...(references !== undefined && { references }),
  };
  if (options.as === 'attachment') {
    const name = `${
      baseSubject(message.subject)
        .text.replace(/[^\p{L}\p{N} ._-]/gu, '_')
        .slice(0, 60) || 'message'
    }.eml`;
    return {
      ...draft,
      text,
      ...(html !== undefined && { html }),
      attachments: [messagePart(message.bytes, { filename: name })],
    };
  }
  const fields = summaryOf(message);
  const body = `${text}\n\n---------- Forwarded message ----------\n${fields.map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${message.text ?? ''}`;
  const files = message.attachments.map(fileOf);
  if (html === undefined && message.html === undefined) return { ...draft, text: body, attachments: files };
  const head = fields.map(([name, value]) => `<b>${name}:</b> ${escapeHtml(value)}<br>`).join('\n');
  const own = html ?? textToHtml(text);
  const shown = shownHtml(message);
  return {
    ...draft,
    text: body,
    html: `${own}\n<div><br>---------- Forwarded message ----------<br>\n${head}</div>\n${shown.html}`,
    attachments: [...files, ...shown.images],
  };
}

function usable(list: readonly Address[]): Address[] {
  return flattenAddresses(list).filter(({ address }) => address !== '');
}

function prefixed(mark: 'Re' | 'Fwd', subject: string): string {
  const there = mark === 'Re' ? /^\s*re\s*(?:\[\d{1,4}\])?\s*:/i : /^\s*fwd?\s*:/i;
  return there.test(subject) ? subject : `${mark}: ${subject}`;
}

/** References grow by the message; those of a message without any begin with what it answers. @see RFC 5322 section 3.6.4 */
function threadOf(message: Message): Pick<MessageDraft, 'inReplyTo' | 'references'> {
  const { messageId } = message;
  const valid = (id: string): boolean => /^<[!-;=?-~]+@[!-;=?-~]+>$/.test(id);
  if (messageId === undefined || !valid(messageId)) return {};
  const earlier =
    message.references.length > 0 ? message.references : message.inReplyTo.length === 1 ? message.inReplyTo : [];
  return { inReplyTo: messageId, references: [...earlier.filter(valid).slice(-MAX_REFERENCES), messageId] };
}

/** A thread's field may not grow for ever. */
const MAX_REFERENCES = 50;

function attributionOf(message: Message): string {
  const [author] = message.from;
  const who = author === undefined ? 'somebody' : author.name || author.address;
  return message.date === null ? `${oneLine(who)} wrote:` : `On ${formatDate(message.date)}, ${oneLine(who)} wrote:`;
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** The text with '> ' before each line, the signature left out. */
function quoteText(message: Message): string {
  const lines = (message.text ?? message.preview(10_000)).replace(/\n+$/, '').split('\n');
  const signature = lines.indexOf('-- ');
  return (signature > 0 ? lines.slice(0, signature) : lines)
    .map((line) => (line.startsWith('>') ? `>${line}` : `> ${line}`.trimEnd()))
    .join('\n');
}

function quotedHtml(message: Message, html: string, attribution: string): Pick<MessageDraft, 'html' | 'attachments'> {
  const shown = shownHtml(message);
  return {
    html: `${html}\n<div><br>${escapeHtml(attribution)}</div>\n<blockquote type="cite">${shown.html}</blockquote>`,
    ...(shown.images.length > 0 && { attachments: shown.images }),
  };
}

/** What is between body tags, with the images that it shows; a link to one that is not there leads nowhere. */
function shownHtml(message: Message): { html: string; images: FilePartOptions[] } {
  const html = bodyOf(message.html ?? message.htmlFromText() ?? '');
  const images = new Map<string, FilePartOptions>();
  const files = [...message.inline, ...message.attachments];
  const resolved = html.replace(/(["'(=]\s*)cid:([^"'\s>)]{1,500})/gi, (_whole, before: string, id: string) => {
    const file = files.find(({ contentId }) => contentId === id || contentId === decoded(id));
    const cid = file?.contentId;
    if (file === undefined || cid === undefined || !/^[!-;=?-~]{1,200}$/.test(cid)) return `${before}about:blank#`;
    images.set(cid, { ...fileOf(file), cid });
    return `${before}cid:${encodeURI(cid)}`;
  });
  return { html: resolved, images: [...images.values()] };
}

function bodyOf(html: string): string {
  const lower = html.toLowerCase();
  const open = lower.indexOf('<body');
  const start = open < 0 ? 0 : html.indexOf('>', open) + 1;
  const end = lower.lastIndexOf('</body');
  return html.slice(open < 0 ? 0 : start, end < start ? html.length : end);
}

function fileOf(file: Attachment): FilePartOptions {
  return { content: file.bytes(), filename: file.filename ?? file.safeName, type: mediaType(file.contentType) };
}

const mediaType = (type: string): string =>
  /^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}$/.test(type) ? type : 'application/octet-stream';

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function summaryOf(message: Message): [string, string][] {
  const list = (entries: readonly Address[]): string =>
    usable(entries)
      .map((entry) => formatLoose(entry))
      .join(', ');
  const fields: [string, string][] = [
    ['From', list(message.from)],
    ['Date', message.date === null ? '' : formatDate(message.date)],
    ['Subject', message.subject],
    ['To', list(message.to)],
    ['Cc', list(message.cc)],
  ];
  return fields.filter(([, value]) => value !== '').map(([name, value]) => [name, oneLine(value)]);
}

/** For people: names as they are, not as a header encodes them. */
function formatLoose({ name, address }: Address): string {
  return name === '' ? address : `${name} <${address}>`;
}
