import { type Address, type Message, type MimePart, encodeHeader, parseSync } from '../mime/index.ts';
import { encodeText, latin1 } from '../wire/bytes.ts';
import type { FolderMessage } from './imap-account.ts';

/** Collects a response: text and literals. */
export class ResponseWriter {
  readonly chunks: Uint8Array[] = [];
  #text = '';

  text(text: string): this {
    this.#text += text;
    return this;
  }

  /** A string: quoted where that can hold it, else a literal. */
  string(text: string | null): this {
    if (text === null) return this.text('NIL');
    if (text.length < 1000 && /^[\u0020-\u007e]*$/.test(text)) return this.text(`"${text.replace(/["\\]/g, '\\$&')}"`);
    return this.literal(encodeText(text));
  }

  literal(bytes: Uint8Array, binary = false): this {
    this.#text += `${binary ? '~' : ''}{${bytes.length}}\r\n`;
    this.#flush();
    if (bytes.length > 0) this.chunks.push(bytes);
    return this;
  }

  line(): Uint8Array[] {
    this.#text += '\r\n';
    this.#flush();
    return this.chunks;
  }

  #flush(): void {
    this.chunks.push(encodeText(this.#text));
    this.#text = '';
  }
}

const parsed = new WeakMap<Uint8Array, Message>();

export function messageOf(raw: Uint8Array): Message {
  let message = parsed.get(raw);
  if (message === undefined) {
    message = parseSync(raw, { limits: { messageBytes: Number.POSITIVE_INFINITY } });
    parsed.set(raw, message);
  }
  return message;
}

export function writeEnvelope(writer: ResponseWriter, message: Message): void {
  const { headers } = message;
  const raw = (name: string): string | null => headers.field(name)?.octets ?? null;
  const text = (name: string): string | null => {
    const value = raw(name);
    return value === null
      ? null
      : /[^\u0020-\u007e]/.test(value)
        ? encodeHeader(message.headers.get(name) ?? '').replace(/\r\n/g, '')
        : value;
  };
  const from = message.from;
  writer.text('(').string(text('date')).text(' ').string(text('subject'));
  const orFrom = (list: readonly Address[]): readonly Address[] => (list.length === 0 ? from : list);
  for (const list of [from, orFrom(message.sender), orFrom(message.replyTo), message.to, message.cc, message.bcc]) {
    writer.text(' ');
    writeAddresses(writer, list);
  }
  writer.text(' ').string(text('in-reply-to')).text(' ').string(text('message-id')).text(')');
}

function writeAddresses(writer: ResponseWriter, list: readonly Address[]): void {
  if (list.length === 0) {
    writer.text('NIL');
    return;
  }
  writer.text('(');
  const encoded = (name: string): string => encodeHeader(name).replace(/\r\n/g, '');
  const write = (entry: Address): void => {
    if (entry.group !== undefined) {
      writer.text('(NIL NIL ').string(encoded(entry.name)).text(' NIL)');
      for (const member of entry.group) write(member);
      writer.text('(NIL NIL NIL NIL)');
      return;
    }
    const at = entry.address.lastIndexOf('@');
    writer
      .text('(')
      .string(entry.name === '' ? null : encoded(entry.name))
      .text(' NIL ');
    writer
      .string(at < 0 ? entry.address : entry.address.slice(0, at))
      .text(' ')
      .string(at < 0 ? '' : entry.address.slice(at + 1))
      .text(')');
  };
  for (const entry of list) write(entry);
  writer.text(')');
}

export function writeBodyStructure(writer: ResponseWriter, part: MimePart, extended: boolean): void {
  const [main = 'text', sub = 'plain'] = part.type.split('/');
  writer.text('(');
  if (part.kind === 'multipart' && part.parts.length > 0) {
    for (const child of part.parts) writeBodyStructure(writer, child, extended);
    writer.text(' ').string(sub.toUpperCase());
    if (extended) {
      writer.text(' ');
      writeParameters(writer, part.parameters);
      writeExtensions(writer, part);
    }
    writer.text(')');
    return;
  }
  const inner = part.kind === 'message' ? part.parts[0] : undefined;
  // A multipart without parts has no form of its own in BODYSTRUCTURE.
  const [type, subtype] = part.kind === 'multipart' ? ['text', 'plain'] : [main, sub];
  writer.string(type.toUpperCase()).text(' ').string(subtype.toUpperCase()).text(' ');
  writeParameters(writer, part.parameters);
  const id = part.headers.field('content-id')?.value ?? null;
  writer
    .text(' ')
    .string(id)
    .text(' ')
    .string(ascii(part.headers.get('content-description') ?? null))
    .text(' ');
  writer.string((part.encoding || '7bit').toUpperCase()).text(` ${part.encodedBody.length}`);
  if (inner !== undefined) {
    writer.text(' ');
    writeEnvelope(writer, messageOf(part.encodedBody));
    writer.text(' ');
    writeBodyStructure(writer, inner, extended);
    writer.text(` ${countLines(part.encodedBody)}`);
  } else if (type === 'text') writer.text(` ${countLines(part.encodedBody)}`);
  if (extended) {
    writer.text(' ').string(part.headers.get('content-md5') ?? null);
    writeExtensions(writer, part);
  }
  writer.text(')');
}

function writeExtensions(writer: ResponseWriter, part: MimePart): void {
  if (part.disposition === undefined) writer.text(' NIL');
  else {
    writer.text(' (').string(part.disposition.toUpperCase()).text(' ');
    writeParameters(writer, part.dispositionParameters);
    writer.text(')');
  }
  const language = part.headers.get('content-language') ?? null;
  writer
    .text(' ')
    .string(ascii(language))
    .text(' ')
    .string(ascii(part.headers.get('content-location') ?? null));
}

function writeParameters(writer: ResponseWriter, parameters: ReadonlyMap<string, string>): void {
  if (parameters.size === 0) {
    writer.text('NIL');
    return;
  }
  writer.text('(');
  let first = true;
  for (const [name, value] of parameters) {
    if (!first) writer.text(' ');
    first = false;
    writer.string(name.toUpperCase()).text(' ').string(ascii(value));
  }
  writer.text(')');
}

const ascii = (text: string | null): string | null =>
  text === null || /^[\u0020-\u007e]*$/.test(text) ? text : encodeHeader(text).replace(/\r\n/g, '');

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (const byte of bytes) if (byte === 10) lines++;
  return lines;
}

/** The part that a section number names. @see RFC 9051 section 6.4.5.1 */
export function partAt(root: MimePart, numbers: readonly number[]): MimePart | undefined {
  let part: MimePart | undefined = root;
  let first = true;
  for (const number of numbers) {
    if (part === undefined) return undefined;
    // Below a message the numbers are those of the message inside it.
    const inside: MimePart | undefined = part.kind === 'message' && !first ? part.parts[0] : part;
    first = false;
    if (inside === undefined) return undefined;
    if (inside.kind === 'multipart' && inside.parts.length > 0) part = inside.parts[number - 1];
    else part = number === 1 ? inside : undefined;
  }
  return part;
}

/** The bytes of `BODY[section]`; undefined where there is no such section. */
export function sectionOf(message: FolderMessage, section: string): Uint8Array | undefined {
  if (section === '') return message.raw;
  const match = /^([0-9.]*?)\.?(HEADER\.FIELDS(?:\.NOT)?|HEADER|TEXT|MIME)?(?: \((.*)\))?$/i.exec(section);
  if (match === null) return undefined;
  const [, path = '', word = '', names = ''] = match;
  const { root } = messageOf(message.raw);
  const numbers = path === '' ? [] : path.split('.').map(Number);
  const part = partAt(root, numbers);
  if (part === undefined) return undefined;
  const upper = word.toUpperCase();
  if (upper === '') return part.encodedBody;
  if (upper === 'MIME') return header(part);
  const inner = numbers.length === 0 ? part : part.kind === 'message' ? part.parts[0] : undefined;
  if (inner === undefined) return undefined;
  if (upper === 'HEADER') return header(inner);
  if (upper === 'TEXT') return inner.encodedBody;
  const wanted = new Set(names.replace(/"/g, '').toLowerCase().split(' ').filter(Boolean));
  const not = upper.endsWith('.NOT');
  const fields = [...inner.headers].filter((field) => wanted.has(field.key) !== not);
  return encodeLatin1(`${fields.map((field) => latin1(field.bytes)).join('')}\r\n`);
}

const header = (part: MimePart): Uint8Array => part.raw.subarray(0, part.bodyOffset - part.offset);

function encodeLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
