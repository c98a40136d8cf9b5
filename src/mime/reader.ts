import { LimitError } from '../errors.ts';
import { CR, EMPTY, LF, allocateBytes, encodeText, indexOfByte, indexOfBytes, latin1 } from '../wire/bytes.ts';
import type { ReportDefect } from './defect.ts';
import {
  type HeaderContext,
  type HeaderField,
  type HeaderFields,
  ROOT_LOOK,
  scanHeaderFields,
} from './header-fields.ts';
import { octetsOf } from './octets.ts';
import { type ParameterReading, type ParameterizedValue, parseParameterized } from './parameters.ts';
import type { ParseLimits } from './parse-limits.ts';

/** What is known of a part when its header has been read. */
export interface PartHead {
  /** Place in the tree as IMAP numbers it: '' for the root, '1', '2.1'; a nested message's root adds one level. */
  readonly path: string;
  readonly depth: number;
  /** Bytes from the start of the message to the first header field. */
  readonly offset: number;
  /** Bytes from the start of the message to the body. */
  readonly bodyOffset: number;
  readonly headers: HeaderFields;
  readonly contentType: ParameterizedValue;
  /** In lower case; '7bit' where none is given. */
  readonly encoding: string;
  readonly parent: PartHead | undefined;
  /** 'leaf' has a body, 'multipart' has parts, 'message' has one: the root of the message inside. */
  readonly kind: 'leaf' | 'multipart' | 'message';
}

/** Receives what the reader finds, in the order of the bytes. */
export interface MimeHandler {
  /** A header block was read. Containers come before what they hold. */
  part(head: PartHead): void;
  /** Encoded body bytes of the leaf that is open. Valid until the next push. */
  body(bytes: Uint8Array, offset: number): void;
  /** The part ends: `endOffset` is behind its last byte; the line break before a delimiter is the delimiter's. */
  end(head: PartHead, endOffset: number): void;
}

interface OpenMultipart {
  readonly head: PartHead;
  /** '--' and the boundary. */
  readonly needle: Uint8Array;
  readonly needleText: string;
  children: number;
  closed: boolean;
  /** Where its next delimiter line is; -1 when that is not known. */
  next: number;
  /** No delimiter of it starts before this. */
  scanned: number;
}

interface Delimiter {
  readonly at: number;
  readonly close: boolean;
  /** Behind its line end. */
  readonly lineEnd: number;
}

/** White space that mail software may have added behind a boundary. */
const MAX_PADDING = 1000;
/** First look for the end of a header. */
const FIRST_LOOK = 2048;

const textPlain: ParameterizedValue = { value: 'text/plain', parameters: new Map([['charset', 'us-ascii']]) };
const rfc822: ParameterizedValue = { value: 'message/rfc822', parameters: new Map() };
const identity = new Set(['7bit', '8bit', 'binary', '']);

/**
 * The event reader: takes a message in pieces of any size and reports parts and bodies with their byte offsets. The events do not depend
 * on how the bytes were cut. Memory: one header block, or one line. LimitError for depth, parts, header bytes and header count.
 */
export class MimeReader {
  readonly #handler: MimeHandler;
  readonly #limits: ParseLimits;
  readonly #report: ReportDefect;
  readonly #reading: ParameterReading;
  /** Of the field whose parameters are being read. */
  #fieldOffset = 0;
  readonly #context: HeaderContext;
  #window: Uint8Array = EMPTY;
  /** Holds the window once a piece had to wait for the next. */
  #grown: Uint8Array = EMPTY;
  /** Offset of the window's first byte. */
  #base = 0;
  #at = 0;
  /** The last offset known to start a line within the present body. */
  #lineStart = 0;
  #final = false;
  #state: 'header' | 'body' | 'skip' | 'done' = 'header';
  readonly #multiparts: OpenMultipart[] = [];
  readonly #open: PartHead[] = [];
  #parts = 0;
  #headerBytes = 0;
  #blankScanned = 0;

  constructor(handler: MimeHandler, limits: ParseLimits, report: ReportDefect, fallback?: string) {
    this.#handler = handler;
    this.#limits = limits;
    this.#report = report;
    this.#reading = {
      maxParameters: limits.parameters,
      fallback,
      complain: (code) => report(code, this.#fieldOffset),
    };
    this.#context = {
      limits,
      report,
      fallback,
      isDelimiter: (text, lineStart) =>
        this.#multiparts.some(({ needleText }) => {
          if (!text.startsWith(needleText, lineStart)) return false;
          delimiterRest.lastIndex = lineStart + needleText.length;
          return delimiterRest.test(text);
        }),
    };
  }

  /** Takes the next bytes. They must stay as they are until the next push. */
  push(chunk: Uint8Array): void {
    const kept = this.#at - this.#base;
    this.#window = kept >= this.#window.length ? chunk : this.#append(this.#window.subarray(kept), chunk);
    this.#base = this.#at;
    this.#run();
  }

  /** Both as one, in a buffer that grows geometrically: a header that comes byte by byte costs linear time. */
  #append(rest: Uint8Array, chunk: Uint8Array): Uint8Array {
    const length = rest.length + chunk.length;
    let start = rest.byteOffset - this.#grown.byteOffset;
    if (rest.buffer !== this.#grown.buffer || start < 0 || start + length > this.#grown.length) {
      this.#grown = allocateBytes(2 * length);
      this.#grown.set(rest);
      start = 0;
    }
    this.#grown.set(chunk, start + rest.length);
    return this.#grown.subarray(start, start + length);
  }

  /** The message is complete: closes what is open. */
  end(): void {
    this.#final = true;
    this.#run();
  }

  #run(): void {
    while (this.#state !== 'done') {
      if (this.#state === 'header' ? !this.#readHeader() : !this.#readBody()) return;
    }
  }

  /** False when more bytes are needed. */
  #readHeader(): boolean {
    const start = this.#at - this.#base;
    const available = this.#window.length - start;
    const came = this.#blankLineCame(start);
    if (!came && !this.#final) {
      if (available > this.#limits.headerBytes) throw this.#headerTooLong();
      return false;
    }
    const root = this.#open.length === 0;
    // Fields keep the text they were read from alive: as far as the blank line, no further.
    for (let look = came ? this.#blankScanned + 1 - this.#at : FIRST_LOOK; ; look = Math.max(4 * look, FIRST_LOOK)) {
      const length = Math.min(look, available);
      const text = latin1(this.#window, start, start + length);
      const scan = scanHeaderFields(text, this.#final && length === available, root, this.#at, this.#context);
      if ((scan?.length ?? length) > this.#limits.headerBytes) throw this.#headerTooLong();
      if (scan !== undefined) {
        this.#headerBytes += scan.length;
        if (this.#headerBytes > this.#limits.headerBytes * 8)
          throw new LimitError(`the headers of all parts are longer than ${this.#limits.headerBytes * 8} bytes`);
        this.#startPart(scan.fields, scan.length);
        return true;
      }
      if (length === available) {
        // The blank line that came was not the header's end; wait for another, unless more text may tell that there is no header.
        if (!root || available >= ROOT_LOOK) this.#blankScanned = this.#base + this.#window.length;
        return false;
      }
    }
  }

  #headerTooLong(): LimitError {
    return new LimitError(`a header is longer than ${this.#limits.headerBytes} bytes`);
  }

  /** A blank line, which ends a header, is somewhere in the window; looks at each byte once. */
  #blankLineCame(start: number): boolean {
    const window = this.#window;
    let at = Math.max(start, this.#blankScanned - this.#base);
    for (;;) {
      const lf = indexOfByte(window, LF, at);
      if (lf < 0) break;
      let before = lf;
      while (before > start && window[before - 1] === CR) before--;
      if (before === start || window[before - 1] === LF) {
        this.#blankScanned = this.#base + lf;
        return true;
      }
      at = lf + 1;
    }
    this.#blankScanned = this.#base + window.length;
    return false;
  }

  #startPart(headers: HeaderFields, length: number): void {
    const { parent, path } = this.#place();
    if (++this.#parts > this.#limits.parts)
      throw new LimitError(`the message has more than ${this.#limits.parts} parts`);
    const depth = this.#open.length;
    let typeField: HeaderField | undefined;
    let encodingField: HeaderField | undefined;
    for (const field of headers) {
      if (field.key === 'content-type') {
        if (typeField === undefined) typeField = field;
        else this.#report('duplicate-header', field.offset);
      } else if (field.key === 'content-transfer-encoding') {
        if (encodingField === undefined) encodingField = field;
        else this.#report('duplicate-header', field.offset);
      }
    }
    const contentType = this.#contentType(typeField, parent);
    const encoding = encodingField === undefined ? '7bit' : readEncoding(encodingField.octets);
    const type = contentType.value;
    const offset = this.#at;
    const bodyOffset = offset + length;
    let kind: PartHead['kind'] = 'leaf';
    let boundary: string | undefined;
    if (type.startsWith('multipart/')) {
      boundary = this.#boundary(contentType, typeField, offset);
      if (boundary !== undefined) kind = 'multipart';
    } else if (
      (type === 'message/rfc822' || type === 'message/global' || type === 'message/news') &&
      identity.has(encoding)
    )
      kind = 'message';
    if (kind !== 'leaf' && depth >= this.#limits.depth)
      throw new LimitError(`the message has parts nested deeper than ${this.#limits.depth}`);
    if (kind === 'multipart' && !identity.has(encoding)) this.#report('encoding-on-container', offset);
    const head: PartHead = { path, depth, offset, bodyOffset, headers, contentType, encoding, parent, kind };
    this.#open.push(head);
    this.#at = bodyOffset;
    this.#lineStart = bodyOffset;
    this.#blankScanned = bodyOffset;
    this.#handler.part(head);
    if (kind === 'message') return;
    if (boundary !== undefined) {
      const needleText = `--${boundary}`;
      const needle = octetsOf(needleText);
      this.#multiparts.push({ head, needle, needleText, children: 0, closed: false, next: -1, scanned: bodyOffset });
    }
    this.#state = kind === 'multipart' ? 'skip' : 'body';
  }

  #place(): { parent: PartHead | undefined; path: string } {
    const parent = this.#open.at(-1);
    if (parent === undefined) return { parent, path: '' };
    // A multipart that is a message's root shares the number of the message.
    const number = parent.kind === 'message' ? 1 : ++(this.#multiparts.at(-1) as OpenMultipart).children;
    return { parent, path: parent.path === '' ? String(number) : `${parent.path}.${number}` };
  }

  #contentType(field: HeaderField | undefined, parent: PartHead | undefined): ParameterizedValue {
    const fallback = parent?.contentType.value === 'multipart/digest' ? rfc822 : textPlain;
    if (field === undefined) return fallback;
    this.#fieldOffset = field.offset;
    const parsed = parseParameterized(field.octets, this.#reading);
    if (mediaType.test(parsed.value)) return parsed;
    this.#report('invalid-content-type', field.offset);
    // RFC 2045 section 5.2: what cannot be read is text/plain. 'text' alone is common enough to say what it means.
    if (parsed.value === 'text' || parsed.value === 'html')
      return { value: parsed.value === 'html' ? 'text/html' : 'text/plain', parameters: parsed.parameters };
    if (/^multipart\/[^\s/]+\//.test(parsed.value)) return { value: 'multipart/mixed', parameters: parsed.parameters };
    return { value: 'text/plain', parameters: parsed.parameters };
  }

  #boundary(type: ParameterizedValue, field: HeaderField | undefined, offset: number): string | undefined {
    let boundary = type.parameters.get('boundary')?.trimEnd();
    if (boundary === undefined || boundary === '') {
      this.#report('missing-boundary', field?.offset ?? offset);
      return undefined;
    }
    if (boundary.length > 70) this.#report('long-boundary', field?.offset ?? offset);
    // The delimiter lines hold the octets of the field, not its characters.
    if (/[^\u0000-\u007f]/.test(boundary)) boundary = latin1(encodeText(boundary));
    return boundary;
  }

  /** False when more bytes are needed. */
  #readBody(): boolean {
    let first: Delimiter | undefined;
    let level = -1;
    let limit = Number.POSITIVE_INFINITY;
    for (let index = this.#multiparts.length - 1; index >= 0; index--) {
      const multipart = this.#multiparts[index] as OpenMultipart;
      if (multipart.closed) continue;
      const found = this.#seek(multipart, limit);
      if (found < limit) {
        limit = found;
        level = index;
      }
    }
    if (level >= 0) first = this.#delimiterAt(this.#multiparts[level] as OpenMultipart, limit);
    if (first === undefined) {
      // Either none, or one whose line is not complete yet.
      const end = this.#final ? this.#base + this.#window.length : this.#safeEnd(limit);
      this.#emit(end);
      if (!this.#final) return false;
      this.#finish();
      return true;
    }
    this.#emit(this.#beforeLineBreak(first.at));
    this.#closeTo(level, first);
    return true;
  }

  /** Offset of the next delimiter line of `multipart`, or of one that may become one; Infinity when there is none in the window. */
  #seek(multipart: OpenMultipart, limit: number): number {
    if (multipart.next >= this.#at) return multipart.next;
    multipart.next = -1;
    const window = this.#window;
    let from = Math.max(multipart.scanned, this.#at) - this.#base;
    for (;;) {
      if (from + this.#base >= limit) return Number.POSITIVE_INFINITY;
      const found = indexOfBytes(window, multipart.needle, from);
      if (found < 0) {
        multipart.scanned = Math.max(multipart.scanned, this.#base + window.length - multipart.needle.length);
        return Number.POSITIVE_INFINITY;
      }
      const at = this.#base + found;
      if (at === this.#lineStart || (found > 0 && window[found - 1] === LF)) {
        const end = this.#lineEnd(found + multipart.needle.length);
        if (end === 'incomplete') {
          multipart.scanned = at;
          return at;
        }
        if (end !== undefined) {
          multipart.next = at;
          return at;
        }
      }
      from = found + 1;
      multipart.scanned = this.#base + from;
    }
  }

  #delimiterAt(multipart: OpenMultipart, at: number): Delimiter | undefined {
    const end = this.#lineEnd(at - this.#base + multipart.needle.length);
    return end === undefined || end === 'incomplete' ? undefined : { at, close: end.close, lineEnd: end.lineEnd };
  }

  /** What follows a boundary: '--' for the last, white space, the line end. Undefined when it is something else. */
  #lineEnd(start: number): { close: boolean; lineEnd: number } | 'incomplete' | undefined {
    const window = this.#window;
    const length = window.length;
    const close = window[start] === 45 && window[start + 1] === 45;
    let at = close ? start + 2 : start;
    if (!close && window[start] === 45) return start + 1 >= length && !this.#final ? 'incomplete' : undefined;
    const most = at + MAX_PADDING;
    while (at < length && at < most && (window[at] === 32 || window[at] === 9)) at++;
    while (at < length && at < most && window[at] === CR) at++;
    if (at >= length) return this.#final ? { close, lineEnd: this.#base + length } : 'incomplete';
    return window[at] === LF ? { close, lineEnd: this.#base + at + 1 } : undefined;
  }

  /** Up to here no later byte can change what the bytes are. */
  #safeEnd(pending: number): number {
    const window = this.#window;
    const end = this.#base + window.length;
    if (pending < end) return Math.max(this.#at, this.#beforeLineBreak(pending));
    if (this.#multiparts.every((multipart) => multipart.closed)) return end;
    const tail = Math.max(window.lastIndexOf(LF) + 1 + this.#base, this.#lineStart);
    const known = tail === this.#lineStart || window[tail - 1 - this.#base] === LF;
    if (known && tail >= this.#at && this.#mayBeDelimiter(tail)) return Math.max(this.#at, this.#beforeLineBreak(tail));
    // The last byte may be the CR of a line break before a delimiter.
    return Math.max(this.#at, window.at(-1) === CR ? end - 1 : end);
  }

  #mayBeDelimiter(lineStart: number): boolean {
    const line = this.#window.subarray(lineStart - this.#base);
    for (const { needle, closed } of this.#multiparts) {
      if (closed || line.length > needle.length + MAX_PADDING + 4) continue;
      const common = Math.min(line.length, needle.length);
      let at = 0;
      while (at < common && line[at] === needle[at]) at++;
      if (at === common) return true;
    }
    return false;
  }

  /** The line break before a delimiter belongs to it: RFC 2046 section 5.1.1. */
  #beforeLineBreak(at: number): number {
    const bodyStart = (this.#open.at(-1) as PartHead).bodyOffset;
    let end = at;
    if (end > bodyStart && this.#window[end - 1 - this.#base] === LF) {
      end--;
      if (end > bodyStart && this.#window[end - 1 - this.#base] === CR) end--;
    }
    return Math.max(end, this.#at);
  }

  #emit(end: number): void {
    if (end <= this.#at) return;
    if (this.#state === 'body')
      this.#handler.body(this.#window.subarray(this.#at - this.#base, end - this.#base), this.#at);
    this.#at = end;
  }

  /** A delimiter of the multipart at `level` ends everything inside it. */
  #closeTo(level: number, delimiter: Delimiter): void {
    const multipart = this.#multiparts[level] as OpenMultipart;
    const end = this.#at;
    while (this.#multiparts.length > level + 1) {
      const inner = this.#multiparts.pop() as OpenMultipart;
      if (!inner.closed) this.#reportUnclosed(inner);
    }
    while (this.#open.at(-1) !== multipart.head) this.#handler.end(this.#open.pop() as PartHead, end);
    this.#at = delimiter.lineEnd;
    this.#lineStart = delimiter.lineEnd;
    this.#blankScanned = delimiter.lineEnd;
    multipart.next = -1;
    multipart.scanned = delimiter.lineEnd;
    if (delimiter.close) multipart.closed = true;
    this.#state = delimiter.close ? 'skip' : 'header';
  }

  #reportUnclosed(multipart: OpenMultipart): void {
    this.#report(
      multipart.children === 0 ? 'missing-first-delimiter' : 'missing-close-delimiter',
      multipart.head.bodyOffset,
    );
  }

  #finish(): void {
    for (let multipart = this.#multiparts.pop(); multipart !== undefined; multipart = this.#multiparts.pop())
      if (!multipart.closed) this.#reportUnclosed(multipart);
    for (let head = this.#open.pop(); head !== undefined; head = this.#open.pop()) this.#handler.end(head, this.#at);
    this.#state = 'done';
  }
}

const mediaType = /^[^\s/]+\/[^\s/]+$/;
const delimiterRest = /(?:--)?[ \t]{0,1000}\r*(?:\n|$)/y;

/** The name of a transfer encoding, comments and dirt removed. */
function readEncoding(octets: string): string {
  const clean = octets.includes('(') ? octets.replace(/\([^()]*\)/g, '') : octets;
  return clean
    .replace(/^[\s"']+/, '')
    .replace(/["';,\s].*$/s, '')
    .toLowerCase();
}
