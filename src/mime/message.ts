import type { Address } from './address.ts';
import { type Attachment, partAttachment } from './attachment.ts';
import { type AuthenticationResults, parseAuthenticationResults } from './authentication-results.ts';
import { type BodyParts, sortParts } from './body-parts.ts';
import { resolveCids } from './cid.ts';
import type { Defect } from './defect.ts';
import { unflow } from './flowed.ts';
import type { HeaderFields } from './header-fields.ts';
import { type HtmlToTextOptions, htmlToText, textToHtml } from './html-text.ts';
import { type ListFields, readListFields } from './list-fields.ts';
import { parseMessageIds } from './message-ids.ts';
import type { MimePart } from './mime-part.ts';
import { parseDate } from './parse-date.ts';
import { makePreview } from './preview.ts';
import { readAddresses } from './read-addresses.ts';
import { type Received, parseReceived } from './received.ts';
import { expandFiles } from './embedded-files.ts';
import { type BaseSubject, baseSubject } from './base-subject.ts';

/** An invitation or another calendar object: RFC 5545, RFC 6047. */
export interface CalendarView {
  /** The method in upper case: 'REQUEST', 'REPLY', 'CANCEL'; undefined where the message names none. */
  readonly method: string | undefined;
  readonly text: string;
  readonly part: MimePart;
}

export type Priority = 'high' | 'normal' | 'low';

/** Fields that may come once. @see RFC 5322 section 3.6 */
const singular = [
  'date',
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'message-id',
  'in-reply-to',
  'references',
  'subject',
];

/**
 * A message that was read. Address fields are always lists, with groups kept; a field that is absent gives an empty list, an empty subject,
 * or undefined. Each property is decoded when it is first read, and kept.
 */
export class Message {
  /** The root of the tree. */
  readonly root: MimePart;
  readonly #cache = new Map<string, unknown>();

  /** @internal */
  constructor(root: MimePart) {
    this.root = root;
  }

  get headers(): HeaderFields {
    return this.root.headers;
  }

  /** The message's bytes as they were read: what writing it back unchanged writes. */
  get bytes(): Uint8Array {
    return this.root.raw;
  }

  /** '' where there is none. */
  get subject(): string {
    return this.root.headers.get('subject') ?? '';
  }

  /** The subject without 'Re:', 'Fwd:', '[list]' and the like, and whether it was a reply or forward. @see RFC 5256 section 2.1 */
  get baseSubject(): BaseSubject {
    return this.#keep('baseSubject', () => baseSubject(this.subject));
  }

  get from(): readonly Address[] {
    return this.#addresses('from');
  }
  get to(): readonly Address[] {
    return this.#addresses('to');
  }
  get cc(): readonly Address[] {
    return this.#addresses('cc');
  }
  get bcc(): readonly Address[] {
    return this.#addresses('bcc');
  }
  get replyTo(): readonly Address[] {
    return this.#addresses('reply-to');
  }
  get sender(): readonly Address[] {
    return this.#addresses('sender');
  }

  /** Null where there is none, or it cannot be read; `headers.get('date')` has the text. */
  get date(): Date | null {
    return this.#keep('date', () => {
      const field = this.root.headers.field('date');
      if (field === undefined) return null;
      const date = parseDate(field.value);
      if (date === null) this.#defect('invalid-date', field.offset);
      return date;
    });
  }

  /** With its angle brackets. */
  get messageId(): string | undefined {
    return this.#ids('message-id')[0];
  }
  get inReplyTo(): readonly string[] {
    return this.#ids('in-reply-to');
  }
  get references(): readonly string[] {
    return this.#ids('references');
  }

  /** The plain text with '\n' line ends, format=flowed undone; undefined where the message has none. `textFromHtml` makes one. */
  get text(): string | undefined {
    return this.#keep('text', () => joinTexts(this.#sorted.plain));
  }

  /** The html with '\n' line ends; undefined where the message has none. Not made safe: clean it before it is shown. */
  get html(): string | undefined {
    return this.#keep('html', () => joinTexts(this.#sorted.html));
  }

  /** Every file that is not shown in the text; messages inside, and the files of a winmail.dat or a uuencoded block, too. */
  get attachments(): readonly Attachment[] {
    return this.#keep('attachments', () => expandFiles(this.#sorted));
  }

  /** Files that the text shows: disposition inline, or with a Content-ID beside html. */
  get inline(): readonly Attachment[] {
    return this.#keep('inline', () => this.#sorted.inline.map(partAttachment));
  }

  get calendar(): readonly CalendarView[] {
    return this.#keep('calendar', () =>
      this.#sorted.calendar.map((part) => {
        const text = part.text();
        const method = part.parameters.get('method') ?? /^METHOD:([A-Za-z-]{1,20})\s*$/m.exec(text.slice(0, 4096))?.[1];
        return { method: method?.toUpperCase(), text, part };
      }),
    );
  }

  /** List-* fields. @see RFC 2369, RFC 2919, RFC 8058 */
  get list(): ListFields {
    return this.#keep('list', () => readListFields(this.root.headers));
  }

  /** Trace fields, the latest hop first. */
  get received(): readonly Received[] {
    return this.#keep('received', () =>
      this.root.headers.fields('received').map((field) => parseReceived(field.value)),
    );
  }

  /** What receiving servers found out. Believe only those that your own server wrote. @see RFC 8601 */
  get authenticationResults(): readonly AuthenticationResults[] {
    return this.#keep('authenticationResults', () =>
      this.root.headers.fields('authentication-results').map((field) => parseAuthenticationResults(field.value)),
    );
  }

  /** From Importance, X-Priority or Priority; 'normal' where there is none. */
  get priority(): Priority {
    const { headers } = this.root;
    const text = (headers.get('importance') ?? headers.get('x-priority') ?? headers.get('priority') ?? '').trim();
    if (/^(?:high|urgent|[12]\b)/i.test(text)) return 'high';
    return /^(?:low|non-urgent|[45]\b)/i.test(text) ? 'low' : 'normal';
  }

  /** The keyword in lower case: 'auto-replied', 'auto-generated'; undefined for mail of a person. @see RFC 3834 section 5 */
  get autoSubmitted(): string | undefined {
    const keyword = /^\s*([a-z-]{1,40})/i.exec(this.root.headers.get('auto-submitted') ?? '')?.[1]?.toLowerCase();
    return keyword === 'no' ? undefined : keyword;
  }

  /** The messages inside this one, not those inside them. Those in a transfer encoding are not opened: parse their bytes. */
  get messages(): readonly Message[] {
    return this.#keep('messages', () => {
      const found: Message[] = [];
      const visit = (part: MimePart): void => {
        if (part.kind === 'message') {
          if (part.parts[0] !== undefined) found.push(new Message(part.parts[0]));
        } else for (const child of part.parts) visit(child);
      };
      if (this.root.kind === 'message' && this.root.parts[0] !== undefined) found.push(new Message(this.root.parts[0]));
      else for (const child of this.root.parts) visit(child);
      return found;
    });
  }

  /** What was repaired so far. What lies in bodies and fields shows when they have been decoded: `decodeAll` reads everything. */
  get defects(): readonly Defect[] {
    this.#keep('singular', () => {
      const seen = new Set<string>();
      for (const field of this.root.headers) {
        if (!singular.includes(field.key)) continue;
        if (seen.has(field.key)) this.#defect('duplicate-header', field.offset);
        seen.add(field.key);
      }
      return true;
    });
    return this.root.context.defects.list;
  }

  /** Decodes everything once, so that `defects` is complete. */
  decodeAll(): this {
    for (const key of ['from', 'to', 'cc', 'bcc', 'reply-to', 'sender']) this.#addresses(key);
    for (const key of ['message-id', 'in-reply-to', 'references']) this.#ids(key);
    void [this.date, this.text, this.html, this.calendar];
    for (const field of this.headers)
      if (/[\u0080-\u00ff]/.test(field.octets) && field.value !== utf8Of(field.octets))
        this.#defect('header-8bit-not-utf8', field.offset);
    for (const attachment of [...this.attachments, ...this.inline]) attachment.bytes();
    return this;
  }

  /** The text, or the html as text where there is no plain one. Loads the converter when it is first needed. */
  async textFromHtml(options?: HtmlToTextOptions): Promise<string | undefined> {
    const { text, html } = this;
    if (text !== undefined && text.trim() !== '') return text;
    return html === undefined ? text : htmlToText(html, options);
  }

  /** The html, or the plain text as html, escaped, with links for its addresses. */
  htmlFromText(): string | undefined {
    return this.html ?? (this.text === undefined ? undefined : textToHtml(this.text));
  }

  /** The first words of the text, in one line, quotes and signature left out; of at most `maxCharacters`. Default 200. */
  preview(maxCharacters = 200): string {
    return makePreview(this.text, this.html, maxCharacters);
  }

  /**
   * The html with its `cid:` links replaced: by default with the parts as data: URLs, else with what `resolve` answers; undefined leaves a
   * link as it is.
   */
  htmlWithCids(resolve?: (attachment: Attachment) => string | undefined): string | undefined {
    const { html } = this;
    return html === undefined ? undefined : resolveCids(html, [...this.inline, ...this.attachments], resolve);
  }

  get #sorted(): BodyParts {
    return this.#keep('sorted', () => sortParts(this.root));
  }

  #addresses(name: string): readonly Address[] {
    return this.#keep(name, () => {
      const field = this.root.headers.field(name);
      if (field === undefined) return [];
      const list = readAddresses(field.value);
      const { addresses } = this.root.context.limits;
      if (list.some(isFlawed)) this.#defect('invalid-address', field.offset);
      if (list.length <= addresses) return list;
      this.#defect('too-many-addresses', field.offset);
      return list.slice(0, addresses);
    });
  }

  #ids(name: string): readonly string[] {
    return this.#keep(name, () => {
      const field = this.root.headers.field(name);
      if (field === undefined) return [];
      const { ids, clean } = parseMessageIds(field.value, this.root.context.limits.addresses);
      if (!clean) this.#defect('invalid-message-id', field.offset);
      return ids;
    });
  }

  #defect(code: Defect['code'], offset: number): void {
    this.root.context.defects.report(code, offset);
  }

  #keep<T>(key: string, make: () => T): T {
    if (this.#cache.has(key)) return this.#cache.get(key) as T;
    const value = make();
    this.#cache.set(key, value);
    return value;
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8Of(octets: string): string | undefined {
  try {
    return strict.decode(Uint8Array.from(octets, (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

function isFlawed(entry: Address): boolean {
  return entry.group === undefined ? entry.address === '' : entry.group.some(isFlawed);
}

function joinTexts(parts: readonly MimePart[]): string | undefined {
  if (parts.length === 0) return undefined;
  const pieces: string[] = [];
  let open = false;
  for (const part of parts) {
    let text = part.text();
    if (part.type === 'text/plain' && part.parameters.get('format')?.toLowerCase() === 'flowed')
      text = unflow(text, part.parameters.get('delsp')?.toLowerCase() === 'yes');
    if (text === '') continue;
    // Looking at the end of what is joined so far would copy it each time.
    if (open) pieces.push('\n');
    pieces.push(text);
    open = !text.endsWith('\n');
  }
  return pieces.join('');
}
