import { LimitError, UsageError } from '../../errors.ts';
import { decodeHeader } from '../../mime/decode-header.ts';
import { parseMessageIds } from '../../mime/message-ids.ts';
import { parseDate } from '../../mime/parse-date.ts';
import { EMPTY, LF, concatBytes, decodeText, encodeText, indexOfByte } from '../../wire/bytes.ts';
import { parseDecimal } from '../../wire/limits.ts';
import { textLines } from './lists.ts';

const TAB = 9;
const CR = 13;
/** One line of data: long References and Xref fields are found in real groups. */
const MAX_LINE_BYTES = 1024 * 1024;

/** The fields that every server has, in this order. @see RFC 3977 section 8.4 */
const required = ['subject', 'from', 'date', 'message-id', 'references', ':bytes', ':lines'];

/** What the columns of overview lines are, behind the number. */
export class OverviewFormat {
  /** In lower case; metadata begin with a colon: ':bytes'. */
  readonly fields: readonly string[];
  /** Columns that hold the field's name too: 'Xref: ' before the value. */
  readonly #full: ReadonlySet<number>;
  readonly #columns = new Map<string, number>();

  constructor(fields: readonly string[] = required, full: Iterable<number> = []) {
    this.fields = fields;
    this.#full = new Set(full);
    fields.forEach((name, index) => {
      if (!this.#columns.has(name)) this.#columns.set(name, index);
    });
  }

  /**
   * Reads LIST OVERVIEW.FMT. QUIRK(servers before RFC 3977): `Bytes:` and `Lines:` are `:bytes` and `:lines`; the first seven are what they
   * must be, whatever is said.
   *
   * @see RFC 3977 section 8.4
   */
  static parse(bytes: Uint8Array): OverviewFormat {
    const names: string[] = [];
    const full: number[] = [];
    for (const line of textLines(bytes).slice(0, 1000)) {
      const match = /^(:?[^:\s]+):?(full)?\s*$/i.exec(line);
      if (match === null) continue;
      const name = (match[1] as string).toLowerCase();
      if (match[2] !== undefined) full.push(names.length);
      names.push(name === 'bytes' || name === 'lines' ? `:${name}` : name);
    }
    if (names.length < required.length) return new OverviewFormat();
    return new OverviewFormat([...required, ...names.slice(required.length)], full);
  }

  /** The lines of LIST OVERVIEW.FMT, for a server. */
  format(): string[] {
    const title = (name: string): string => name.replace(/(?:^|-)[a-z]/g, (part) => part.toUpperCase());
    return this.fields.map((name, index) => {
      if (name.startsWith(':')) return name;
      const shown = name === 'message-id' ? 'Message-ID' : title(name);
      return this.#full.has(index) ? `${shown}:full` : `${shown}:`;
    });
  }

  /** Which column, -1 for none. */
  columnOf(name: string): number {
    const wanted = name.toLowerCase();
    return this.#columns.get(wanted) ?? this.#columns.get(`:${wanted}`) ?? -1;
  }

  isFull(column: number): boolean {
    return this.#full.has(column);
  }
}

/** One article in an overview. It keeps the line's bytes and reads from them what is asked for. */
export class OverviewEntry {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #format: OverviewFormat;

  constructor(bytes: Uint8Array, start: number, end: number, format: OverviewFormat) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#format = format;
  }

  /** 0 where it was asked for by its id, or the line has none. */
  get number(): number {
    let value = 0;
    for (let at = this.#start; at < this.#end; at++) {
      const digit = (this.#bytes[at] as number) - 48;
      if (digit < 0 || digit > 9) return this.#bytes[at] === TAB && Number.isSafeInteger(value) ? value : 0;
      value = value * 10 + digit;
    }
    return Number.isSafeInteger(value) ? value : 0;
  }

  /** A column as it is on the wire; undefined where the server does not have it. Names have no case; `:bytes` and `bytes` are the same. */
  field(name: string): string | undefined {
    const column = this.#format.columnOf(name);
    if (column < 0) return undefined;
    let at = this.#start;
    for (let left = column + 1; left > 0; left--) {
      const tab = indexOfByte(this.#bytes, TAB, at);
      if (tab < 0 || tab >= this.#end) return undefined;
      at = tab + 1;
    }
    const tab = indexOfByte(this.#bytes, TAB, at);
    const text = decodeText(this.#bytes.subarray(at, tab < 0 || tab > this.#end ? this.#end : tab));
    if (!this.#format.isFull(column)) return text;
    // An empty full column is one of an article without the field.
    const prefix = `${this.#format.fields[column] as string}:`;
    if (text === '') return undefined;
    return text.toLowerCase().startsWith(prefix) ? text.slice(prefix.length).trimStart() : text;
  }

  /** Decoded. */
  get subject(): string {
    return decodeHeader(this.field('subject') ?? '');
  }

  /** Decoded: 'Ann Example <ann@example.com>'. */
  get from(): string {
    return decodeHeader(this.field('from') ?? '');
  }

  /** Null where there is none that can be read. */
  get date(): Date | null {
    return parseDate(this.field('date') ?? '');
  }

  /** With angle brackets; '' where the line has none. */
  get messageId(): string {
    return (this.field('message-id') ?? '').trim();
  }

  /** Ids of the articles that it answers, oldest first. */
  get references(): readonly string[] {
    return parseMessageIds(this.field('references') ?? '', 1000).ids;
  }

  get sizeBytes(): number | undefined {
    return parseDecimal((this.field(':bytes') ?? '').trim());
  }

  get lineCount(): number | undefined {
    return parseDecimal((this.field(':lines') ?? '').trim());
  }

  /** The line as it came. */
  get line(): string {
    return decodeText(this.#bytes.subarray(this.#start, this.#end));
  }

  toJSON(): Record<string, unknown> {
    const { number, subject, from, date, messageId, references, sizeBytes, lineCount } = this;
    return { number, subject, from, date, messageId, references, sizeBytes, lineCount };
  }
}

/** Takes the spans of an overview as they come, and cuts them into entries. No line is copied but one that two spans share. */
export class OverviewReader {
  readonly #format: OverviewFormat;
  readonly #entries: OverviewEntry[] = [];
  /** The beginning of a line whose end has not come, in the pieces that it came in. */
  #begun: Uint8Array[] = [];
  #begunBytes = 0;

  constructor(format: OverviewFormat) {
    this.#format = format;
  }

  push(span: Uint8Array): void {
    let at = 0;
    if (this.#begunBytes > 0) {
      const lf = indexOfByte(span, LF);
      this.#begin(span.subarray(0, lf < 0 ? span.length : lf + 1));
      if (lf < 0) return;
      this.#finish();
      at = lf + 1;
    }
    const entries = this.#entries;
    const format = this.#format;
    for (let lf = indexOfByte(span, LF, at); lf >= 0; lf = indexOfByte(span, LF, at)) {
      const end = lf > at && span[lf - 1] === CR ? lf - 1 : lf;
      if (end > at) entries.push(new OverviewEntry(span, at, end, format));
      at = lf + 1;
    }
    if (at < span.length) this.#begin(span.subarray(at));
  }

  #begin(piece: Uint8Array): void {
    this.#begunBytes += piece.length;
    if (this.#begunBytes > MAX_LINE_BYTES)
      throw new LimitError(`the server sent an overview line longer than ${MAX_LINE_BYTES} bytes`, {
        reason: 'LINE_TOO_LONG',
      });
    this.#begun.push(piece);
  }

  #finish(): void {
    const line = concatBytes(this.#begun);
    this.#begun = [];
    this.#begunBytes = 0;
    let end = line.length;
    while (end > 0 && (line[end - 1] === LF || line[end - 1] === CR)) end--;
    if (end > 0) this.#entries.push(new OverviewEntry(line, 0, end, this.#format));
  }

  /** All of them. */
  end(): OverviewEntry[] {
    if (this.#begunBytes > 0) this.#finish();
    return this.#entries;
  }
}

/** What a server knows of an article for its overview: fields by lower-case name, ':bytes' and ':lines'. */
export type OverviewFields = Readonly<Record<string, string | undefined>>;

/** One line, without its end. Line breaks, tabs and NUL in a field become spaces. @see RFC 3977 section 8.3.2 */
export function encodeOverviewLine(number: number, fields: OverviewFields, format: OverviewFormat): Uint8Array {
  if (!Number.isSafeInteger(number) || number < 0) throw new UsageError('an article number is a whole number');
  const columns = format.fields.map((name, index) => {
    const value = (Object.hasOwn(fields, name) ? (fields[name] ?? '') : '')
      .replace(/\r\n/g, '')
      .replace(/[\0\t\r\n]/g, ' ');
    return value !== '' && format.isFull(index)
      ? `${name.replace(/^[a-z]/, (first) => first.toUpperCase())}: ${value}`
      : value;
  });
  return encodeText([number, ...columns].join('\t'));
}

/** The entries of an overview that is held. */
export function parseOverview(bytes: Uint8Array, format: OverviewFormat = new OverviewFormat()): OverviewEntry[] {
  const reader = new OverviewReader(format);
  reader.push(bytes);
  return bytes === EMPTY ? [] : reader.end();
}
