import { type CharsetInfo, type DecodedText, decodeCharset } from './charset.ts';
import type { DefectList } from './defect.ts';
import { decodeTransfer } from './encodings/transfer-decoding.ts';
import type { HeaderFields } from './header-fields.ts';
import { type ParameterizedValue, parseParameterized } from './parameters.ts';
import type { ParseLimits } from './parse-limits.ts';
import type { PartHead } from './reader.ts';

/** What the parts of one message share. */
export interface MessageContext {
  readonly source: Uint8Array;
  readonly defects: DefectList;
  readonly limits: ParseLimits;
  readonly fallback: string | undefined;
}

const unset: unique symbol = Symbol('unset');

/** A node of a message that was read. A view: its bytes are those of the message, and nothing is decoded before it is asked for. */
export class MimePart {
  /** Place in the tree: '' for the root, '1', '2.1'. */
  readonly path: string;
  readonly kind: 'leaf' | 'multipart' | 'message';
  readonly headers: HeaderFields;
  /** In lower case: 'text/plain'. */
  readonly type: string;
  /** Parameters of Content-Type, by name in lower case, decoded. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Content-Transfer-Encoding in lower case. */
  readonly encoding: string;
  /** Bytes from the start of the message: to the header, to the body, and behind the part. */
  readonly offset: number;
  readonly bodyOffset: number;
  readonly endOffset: number;
  readonly parts: readonly MimePart[];
  readonly #context: MessageContext;
  #disposition: ParameterizedValue | undefined | typeof unset = unset;
  #decoded: DecodedText | undefined;

  /** @internal */
  constructor(head: PartHead, endOffset: number, parts: readonly MimePart[], context: MessageContext) {
    this.path = head.path;
    this.kind = head.kind;
    this.headers = head.headers;
    this.type = head.contentType.value;
    this.parameters = head.contentType.parameters;
    this.encoding = head.encoding;
    this.offset = head.offset;
    this.bodyOffset = head.bodyOffset;
    this.endOffset = endOffset;
    this.parts = parts;
    this.#context = context;
  }

  /** @internal */
  get context(): MessageContext {
    return this.#context;
  }

  /** The part as it was read: header and body. */
  get raw(): Uint8Array {
    return this.#context.source.subarray(this.offset, this.endOffset);
  }

  /** The body as it was read, in its transfer encoding. */
  get encodedBody(): Uint8Array {
    return this.#context.source.subarray(this.bodyOffset, this.endOffset);
  }

  /** 'inline', 'attachment', or another word; undefined where there is no Content-Disposition. */
  get disposition(): string | undefined {
    return this.#dispositionField()?.value;
  }

  /** Parameters of Content-Disposition, decoded. */
  get dispositionParameters(): ReadonlyMap<string, string> {
    return this.#dispositionField()?.parameters ?? new Map();
  }

  /** The name as the message gives it, decoded; it may be a path, or hostile. `safeFileName` makes it fit to be written. */
  get filename(): string | undefined {
    return this.#dispositionField()?.parameters.get('filename') ?? this.parameters.get('name');
  }

  /** Content-ID without angle brackets. */
  get contentId(): string | undefined {
    const text = this.headers.field('content-id')?.value;
    if (text === undefined) return undefined;
    const id = text.replace(/^[\s<]+/, '').replace(/[\s>]+$/, '');
    return id === '' ? undefined : id;
  }

  /** The body with its transfer encoding undone. Decoded at each call. */
  bytes(): Uint8Array {
    const { defects } = this.#context;
    if (this.kind !== 'leaf') return this.encodedBody;
    return decodeTransfer(this.encoding, this.encodedBody, (code) => defects.report(code, this.bodyOffset));
  }

  /** The body as text with '\n' line ends. For text parts; others are read as if they were. */
  text(): string {
    return this.#decode().text;
  }

  /** How `text` was decoded. */
  get charset(): CharsetInfo {
    return this.#decode().charset;
  }

  #decode(): DecodedText {
    if (this.#decoded !== undefined) return this.#decoded;
    const { fallback, defects } = this.#context;
    const label = this.headers.has('content-type') ? this.parameters.get('charset') : undefined;
    const decoded = decodeCharset(this.bytes(), label, { fallback, html: this.type === 'text/html' });
    if (decoded.charset.hadErrors)
      defects.report(decoded.text.includes('\ufffd') ? 'invalid-characters' : 'unknown-charset', this.bodyOffset);
    const text = decoded.text.includes('\r') ? decoded.text.replace(/\r\n/g, '\n') : decoded.text;
    this.#decoded = { text, charset: decoded.charset };
    return this.#decoded;
  }

  #dispositionField(): ParameterizedValue | undefined {
    if (this.#disposition !== unset) return this.#disposition;
    const { limits, fallback, defects } = this.#context;
    const field = this.headers.field('content-disposition');
    this.#disposition =
      field === undefined
        ? undefined
        : parseParameterized(field.octets, {
            maxParameters: limits.parameters,
            fallback,
            complain: (code) => defects.report(code, field.offset),
          });
    return this.#disposition;
  }

  /** Itself and every part below, in the order of the message. */
  *walk(): Iterable<MimePart> {
    const stack: MimePart[] = [this];
    for (let part = stack.pop(); part !== undefined; part = stack.pop()) {
      yield part;
      for (let index = part.parts.length - 1; index >= 0; index--) stack.push(part.parts[index] as MimePart);
    }
  }
}
