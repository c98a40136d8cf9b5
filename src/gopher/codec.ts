import { LimitError, ProtocolError, UsageError } from '../errors.ts';
import { type ShownBytes, checkArgument } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { CR, DOT, EMPTY, LF, decodeText, encodeText } from '../wire/bytes.ts';
import type { BodySpan } from '../wire/dotted.ts';
import { parseDecimal } from '../wire/limits.ts';
import { lineDecoder } from '../wire/line.ts';

/** What an item is, by its type character. @see RFC 1436 section 3.8, and what came into use since */
export type GopherKind =
  | 'text'
  | 'menu'
  | 'phonebook'
  | 'error'
  | 'binhex'
  | 'archive'
  | 'uuencoded'
  | 'search'
  | 'telnet'
  | 'binary'
  | 'duplicate'
  | 'tn3270'
  | 'gif'
  | 'image'
  | 'html'
  | 'info'
  | 'sound'
  | 'document'
  | 'xml'
  | 'mime'
  | 'video'
  | 'calendar'
  | 'invalid'
  | 'unknown';

const kinds: Readonly<Record<string, GopherKind>> = {
  0: 'text',
  1: 'menu',
  2: 'phonebook',
  3: 'error',
  4: 'binhex',
  5: 'archive',
  6: 'uuencoded',
  7: 'search',
  8: 'telnet',
  9: 'binary',
  '+': 'duplicate',
  T: 'tn3270',
  g: 'gif',
  I: 'image',
  ':': 'image',
  p: 'image',
  h: 'html',
  i: 'info',
  s: 'sound',
  '<': 'sound',
  d: 'document',
  P: 'document',
  r: 'document',
  X: 'xml',
  x: 'xml',
  M: 'mime',
  ';': 'video',
  c: 'calendar',
};

/** The name of a type character; 'unknown' for one that nobody uses. */
export const gopherKind = (type: string): GopherKind =>
  Object.hasOwn(kinds, type) ? (kinds[type] as GopherKind) : 'unknown';

/** Types whose documents are text, and end with a line of one dot. */
export const isTextType = (type: string): boolean => ['0', '1', '2', '3', '4', '6', '7', 'M', 'c', 'm'].includes(type);
/** Types whose documents are menus. */
export const isMenuType = (type: string): boolean => type === '1' || type === '7';

/** One line of a menu. What a server says of places is data: nothing is ever followed by itself. */
export interface GopherItem {
  /** One character. */
  readonly type: string;
  /** 'invalid' for a line that is no item: its text is in `title`. */
  readonly kind: GopherKind;
  readonly title: string;
  readonly selector: string;
  readonly host: string;
  readonly port: number;
  /** True for an item with Gopher+ attributes. */
  readonly plus: boolean;
  /** Where an item with a `URL:` selector leads, as it is: any scheme, `javascript:` too. Check it before anybody follows it. */
  readonly url: string | undefined;
}

/** One menu line as an item. What cannot be understood is an item of kind 'invalid', never an error. */
export function parseGopherItem(line: string): GopherItem {
  const [first = '', selector, host, portText, plus] = line.split('\t');
  const type = first.slice(0, 1);
  const title = first.slice(1);
  const port = parseDecimal((portText ?? '').trim());
  // Information has no place: its fields are whatever the server fills in.
  const isInfo = type === 'i' || type === '3';
  const valid =
    type !== '' &&
    !/[\u0000-\u001f]/.test(line.replace(/\t/g, '')) &&
    (isInfo || (selector !== undefined && host !== undefined && port !== undefined && port >= 1 && port <= 65_535));
  if (!valid)
    return {
      type,
      kind: 'invalid',
      title: line,
      selector: selector ?? '',
      host: host ?? '',
      port: 0,
      plus: false,
      url: undefined,
    };
  const url = /^\/?URL:(.+)$/is.exec(selector ?? '')?.[1];
  return {
    type,
    kind: gopherKind(type),
    title,
    selector: selector ?? '',
    host: host ?? '',
    port: port !== undefined && port <= 65_535 ? port : 0,
    plus: plus?.trim() === '+' || plus?.trim() === '?',
    url,
  };
}

/** What an item is made of, for a server. */
export interface NewGopherItem {
  readonly type: string;
  readonly title: string;
  readonly selector?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly plus?: boolean | undefined;
}

/** One menu line with its end. UsageError for a tab or a line break in a field. */
export function formatGopherItem(item: NewGopherItem): string {
  const { type, title, selector = '', host = 'error.host', port = 1, plus = false } = item;
  if (!/^[\u0021-\u007e]$/.test(type))
    throw new UsageError(`an item's type is one character; got ${JSON.stringify(type)}`);
  for (const [name, value] of Object.entries({ title, selector, host }))
    if (checkArgument(`the ${name}`, value).includes('\t')) throw new UsageError(`the ${name} contains a tab`);
  return `${type}${title}\t${selector}\t${host}\t${port}${plus ? '\t+' : ''}\r\n`;
}

/** Lines of a menu, and menus, that are read. */
const MAX_LINE_BYTES = 64 * 1024;
const MAX_ITEMS = 1_000_000;

/** The items of a menu that is held. LimitError for a line, or a menu, that is too long. */
export function parseGopherMenu(bytes: Uint8Array): GopherItem[] {
  const items: GopherItem[] = [];
  let from = 0;
  for (let at = 0; at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] !== LF) continue;
    const end = at > from && bytes[at - 1] === CR ? at - 1 : at;
    if (end - from > MAX_LINE_BYTES)
      throw new LimitError(`the server sent a menu line longer than ${MAX_LINE_BYTES} bytes`, {
        reason: 'LINE_TOO_LONG',
      });
    if (end > from) items.push(parseGopherItem(decodeText(bytes.subarray(from, end))));
    if (items.length > MAX_ITEMS) throw new LimitError(`the server sent a menu of more than ${MAX_ITEMS} items`);
    from = at + 1;
  }
  return items;
}

/** A selector as it may be sent; UsageError for a tab, CR, LF or NUL in it. */
export function checkSelector(value: unknown, name = 'the selector'): string {
  const text = checkArgument(name, value);
  if (text.includes('\t')) throw new UsageError(`${name} contains a tab, which would begin another field`);
  return text;
}

/** What is asked for. */
export interface GopherRequest {
  readonly selector: string;
  readonly search?: string | undefined;
  /** '+', '+application/pdf', '!' or '$', as Gopher+ has it. */
  readonly plus?: string | undefined;
  /** Answers to the questions of +ASK. */
  readonly answers?: readonly string[] | undefined;
}

/**
 * A request: selector, search words, what Gopher+ adds, separated by tabs.
 *
 *     C: /search TAB words CR LF
 *     C: /form TAB + TAB 1 CR LF +-1 CR LF answers . CR LF
 */
export function encodeGopherRequest(request: GopherRequest): ShownBytes {
  const { selector, search, plus, answers } = request;
  let line = checkSelector(selector);
  if (search !== undefined) line += `\t${checkSelector(search, 'the search')}`;
  if (plus !== undefined) line += `\t${checkSelector(plus, 'the Gopher+ field')}`;
  let data = '';
  if (answers !== undefined) {
    if (plus === undefined) line += '\t+';
    line += '\t1';
    const lines = answers.map((answer) => checkArgument('an answer', answer));
    data = `+-1\r\n${lines.map((answer) => (answer.startsWith('.') ? `.${answer}` : answer)).join('\r\n')}\r\n.\r\n`;
  }
  return { bytes: encodeText(`${line}\r\n${data}`), shown: line };
}

/** The server's side: one request line. LimitError when it is longer than `maxBytes`. */
export function gopherRequestDecoder(maxBytes = 8192): Decoder<GopherRequest & { readonly hasData: boolean }> {
  const decodeLine = lineDecoder(maxBytes);
  return (queue) => {
    const bytes = decodeLine(queue);
    if (bytes === undefined) return undefined;
    const [selector = '', ...fields] = decodeText(bytes).split('\t');
    const plusAt = fields.findIndex((field) => /^[+!$]/.test(field));
    const search = plusAt === 0 ? undefined : fields[0];
    return {
      selector,
      search,
      plus: plusAt < 0 ? undefined : fields[plusAt],
      hasData: plusAt >= 0 && fields[plusAt + 1] === '1',
    };
  };
}

const LF_DOT = encodeText('\n.');

/**
 * A text document: until a line of one dot, or until the server closes, which is told to `onTruncated`: nobody knows then whether it was
 * all. Of two dots at a line's start one is taken off. QUIRK(servers in use): a single dot before other text was never stuffed, and stays; lines
 * may end with a bare LF. @see RFC 1436 section 3.1
 */
export function gopherTextDecoder(onTruncated: () => void): Decoder<BodySpan> {
  let atLineStart = true;
  let done = false;
  const end = (): BodySpan => {
    done = true;
    return { bytes: EMPTY, last: true };
  };
  return (queue) => {
    if (done) return undefined;
    if (atLineStart && queue.at(0) === DOT) {
      const [second, third] = [queue.at(1), queue.at(2)];
      if (second === LF || (second === CR && third === LF)) {
        queue.take(second === LF ? 2 : 3);
        return end();
      }
      if (second === undefined || (second === CR && third === undefined)) {
        if (!queue.ended) return undefined;
        queue.take(queue.length);
        return end();
      }
      if (second === DOT) queue.take(1);
    }
    if (queue.length === 0) {
      if (!queue.ended) return undefined;
      onTruncated();
      return end();
    }
    const found = queue.indexOf(LF_DOT);
    const length = found < 0 ? queue.length : found + 1;
    atLineStart = queue.at(length - 1) === LF;
    return { bytes: queue.take(length), last: false };
  };
}

/** A document that is not text: until the server closes, or until so many bytes have come. */
export function gopherBinaryDecoder(byteCount?: number): Decoder<BodySpan> {
  let left = byteCount ?? Number.POSITIVE_INFINITY;
  let done = false;
  return (queue) => {
    if (done) return undefined;
    if (left === 0 || (queue.length === 0 && queue.ended && byteCount === undefined)) {
      done = true;
      return { bytes: EMPTY, last: true };
    }
    if (queue.length === 0) return undefined;
    const bytes = queue.take(Math.min(queue.length, left));
    left -= bytes.length;
    done = left === 0;
    return { bytes, last: done };
  };
}

/** The first line of a Gopher+ answer: what follows has so many bytes, ends with a dot, or with the connection; or an error. */
export type GopherPlusHead =
  | { readonly kind: 'bytes'; readonly sizeBytes: number }
  | { readonly kind: 'dot' | 'close' }
  | { readonly kind: 'error'; readonly code: number };

/**
 * `+42`, `+-1`, `+-2`, `--1`. ProtocolError for anything else: the server does not speak Gopher+.
 *
 * @see Gopher+ specification (1993), section 2.3
 */
export function gopherPlusDecoder(): Decoder<GopherPlusHead> {
  const decodeLine = lineDecoder(1024);
  return (queue) => {
    const bytes = decodeLine(queue);
    if (bytes === undefined) return undefined;
    const line = decodeText(bytes).trim();
    if (line === '+-1') return { kind: 'dot' };
    if (line === '+-2') return { kind: 'close' };
    const match = /^([+-])-?([0-9]{1,15})/.exec(line);
    const number = parseDecimal(match?.[2] ?? '');
    if (number === undefined || (match?.[1] === '+' && !/^\+[0-9]+$/.test(line)))
      throw new ProtocolError(`the server does not answer as Gopher+ does: ${line}`, { reason: 'NOT_GOPHER_PLUS' });
    return match?.[1] === '+' ? { kind: 'bytes', sizeBytes: number } : { kind: 'error', code: number };
  };
}

/** One form in which a document can be had. */
export interface GopherView {
  /** Media type, as it is asked for. */
  readonly type: string;
  readonly language: string | undefined;
  /** What the server says: '<20k>'. */
  readonly size: string | undefined;
}

/** One question of an +ASK block. */
export interface GopherQuestion {
  /** 'Ask', 'AskP', 'AskL', 'AskF', 'Select', 'Choose', 'ChooseF', 'Note'. */
  readonly kind: string;
  readonly text: string;
  /** What is offered, or the default. */
  readonly options: readonly string[];
}

/** What Gopher+ knows of an item. */
export interface GopherAttributes {
  readonly item: GopherItem | undefined;
  /** +ADMIN: 'Admin', 'Mod-Date' and others, as they stand. */
  readonly admin: ReadonlyMap<string, string>;
  readonly abstract: string | undefined;
  readonly views: readonly GopherView[];
  readonly questions: readonly GopherQuestion[];
  /** Every block by its name in upper case, without the +: its lines. */
  readonly blocks: ReadonlyMap<string, readonly string[]>;
}

/** Reads attribute blocks: one item for `!`, many for `$`. @see Gopher+ specification (1993), section 2.5 */
export function parseGopherAttributes(bytes: Uint8Array): GopherAttributes[] {
  const found: Map<string, string[]>[] = [];
  let lines: string[] | undefined;
  for (const line of decodeText(bytes).split(/\r?\n/)) {
    const head = /^\+([A-Za-z0-9_-]{1,100}):?[ \t]?(.*)$/.exec(line);
    if (head !== null) {
      const name = (head[1] as string).toUpperCase();
      if (name === 'INFO' || found.length === 0) found.push(new Map());
      if (found.length > MAX_ITEMS) throw new LimitError(`the server described more than ${MAX_ITEMS} items`);
      lines = head[2] === '' ? [] : [head[2] as string];
      found.at(-1)?.set(name, lines);
    } else if (line.trim() !== '') lines?.push(line.replace(/^ /, ''));
  }
  return found.map(readBlocks);
}

function readBlocks(blocks: ReadonlyMap<string, readonly string[]>): GopherAttributes {
  const info = blocks.get('INFO')?.[0];
  const admin = new Map<string, string>();
  for (const line of blocks.get('ADMIN') ?? []) {
    const colon = line.indexOf(':');
    if (colon > 0) admin.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const views = (blocks.get('VIEWS') ?? []).flatMap((line): GopherView[] => {
    const match = /^\s*([^\s:]+)(?:[ \t]+([^\s:]+))?[ \t]*:?[ \t]*(<[^>]*>)?/.exec(line);
    return match === null ? [] : [{ type: match[1] as string, language: match[2], size: match[3] }];
  });
  const questions = (blocks.get('ASK') ?? []).flatMap((line): GopherQuestion[] => {
    const match = /^\s*([A-Za-z]+):[ \t]?(.*)$/.exec(line);
    if (match === null) return [];
    const [text = '', ...options] = (match[2] as string).split('\t');
    return [{ kind: match[1] as string, text, options }];
  });
  const abstract = blocks.get('ABSTRACT')?.join('\n');
  return { item: info === undefined ? undefined : parseGopherItem(info), admin, abstract, views, questions, blocks };
}
