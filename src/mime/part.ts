import { UsageError } from '../errors.ts';
import { checkAddrSpec } from '../wire/addr-spec.ts';
import { checkArgument } from '../wire/arguments.ts';
import { type AccessOptions, type Content, type ContentInput, readContent } from './content.ts';
import { checkMediaType, checkToken, formatLegacyName, formatParameter, quote } from './content-type.ts';
import { checkFieldName, checkFieldValue, formatField } from './header-block.ts';
import { encodeHeader } from './encoded-word.ts';
import { mediaTypeOf } from './media-types.ts';
import { randomHex } from './random.ts';

export type TransferEncoding = '7bit' | '8bit' | 'quoted-printable' | 'base64';

/** A node of a message being built: its own header fields, and a body or children. */
export interface Part {
  /** Formatted fields with CRLF; no blank line. */
  readonly header: string;
  readonly body:
    | { readonly kind: 'text'; readonly text: string; readonly encoding: TransferEncoding }
    | { readonly kind: 'content'; readonly content: Content }
    | { readonly kind: 'multipart'; readonly boundary: string; readonly parts: readonly Part[] };
}

export interface TextPartOptions {
  /** 'plain' by default. */
  readonly subtype?: string | undefined;
  /** 'auto' takes 7bit, quoted-printable or base64, whichever carries the text unharmed and shortest. */
  readonly encoding?: TransferEncoding | 'auto' | undefined;
  /** Further Content-Type parameters, such as `method` of a calendar. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

/** A text part in UTF-8. Line ends become CRLF. */
export function textPart(text: string, options: TextPartOptions = {}): Part {
  if (typeof text !== 'string') throw new UsageError(`a text part must be text; got ${typeof text}`);
  const subtype = checkToken('the subtype', options.subtype ?? 'plain');
  const encoding = chooseEncoding(text, options.encoding ?? 'auto');
  let type = `text/${subtype}; charset=utf-8`;
  if (options.parameters !== undefined)
    for (const [name, value] of Object.entries(options.parameters))
      type += formatParameter(checkToken('a parameter name', name), checkArgument(name, value));
  return {
    header: `${formatField('Content-Type', type)}Content-Transfer-Encoding: ${encoding}\r\n`,
    body: { kind: 'text', text, encoding },
  };
}

/** RFC 5322 section 2.1.1: characters of a line without its CRLF. */
const MAX_LINE = 998;
/** How much of a long text is looked at to choose between quoted-printable and base64. */
const SAMPLE = 512;

const plainAscii = /^[\t\n\r\u0020-\u007e]*$/;
/** What mail software changes on the way: lone CR, white space before a line end, a line that begins with 'From '. */
const delicate = /\r(?!\n)|[ \t]\r?(?:\n|$)|(?:^|\n)From /;

function chooseEncoding(text: string, wanted: TransferEncoding | 'auto'): TransferEncoding {
  const ascii = (wanted === 'auto' || wanted === '7bit') && plainAscii.test(text);
  const clean = (ascii || wanted === '8bit') && !delicate.test(text) && !text.includes('\0') && !hasLongLine(text);
  if (wanted === '7bit' && !clean)
    throw new UsageError(
      'the text cannot be sent as 7bit: it has other characters than ASCII, or lines that mail software would change',
    );
  if (wanted === '8bit' && !clean)
    throw new UsageError('the text cannot be sent as 8bit: a line is too long, or mail software would change it');
  if (wanted !== 'auto') {
    if (!['7bit', '8bit', 'quoted-printable', 'base64'].includes(wanted))
      throw new UsageError(
        `encoding must be auto, 7bit, 8bit, quoted-printable or base64; got ${JSON.stringify(wanted)}`,
      );
    return wanted;
  }
  if (clean) return '7bit';
  // A special byte costs three characters against the four thirds of base64: base64 is shorter beyond a sixth.
  let special = 0;
  let bytes = 0;
  const end = Math.min(text.length, SAMPLE);
  for (let at = 0; at < end; at++) {
    const code = text.charCodeAt(at);
    const width = code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 2 : 3;
    bytes += width;
    if (width > 1 || code === 0) special += width;
  }
  return special * 6 > bytes ? 'base64' : 'quoted-printable';
}

function hasLongLine(text: string): boolean {
  for (let from = 0; from <= text.length;) {
    const lf = text.indexOf('\n', from);
    const end = lf < 0 ? text.length : lf;
    if (end - from - (text.charCodeAt(end - 1) === 13 ? 1 : 0) > MAX_LINE) return true;
    if (lf < 0) return false;
    from = lf + 1;
  }
  return false;
}

export interface FilePartOptions extends ContentInput {
  /** Shown to the reader. Default: the last part of the file's path or the URL's; none for content and streams. */
  readonly filename?: string | undefined;
  /** Media type. Default: by the file name. */
  readonly type?: string | undefined;
  readonly disposition?: 'attachment' | 'inline' | undefined;
  /** Content-ID without angle brackets: `cid:` in the html refers to it. */
  readonly cid?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const filePartKeys = ['content', 'file', 'stream', 'url', 'filename', 'type', 'disposition', 'cid', 'headers'];

/** A file as a part: base64, with its name in the form of RFC 2231 and in the one that old clients read. */
export function filePart(options: FilePartOptions, access: AccessOptions = {}): Part {
  if (typeof options !== 'object' || options === null)
    throw new UsageError(`an attachment must be an object such as { file: 'report.pdf' }; got ${typeof options}`);
  for (const key of Object.keys(options)) {
    if (!filePartKeys.includes(key))
      throw new UsageError(
        `an attachment has no option ${key}; there are ${filePartKeys.join(', ')}${key === 'path' ? ' (use file)' : key === 'href' ? ' (use url)' : ''}`,
      );
  }
  const filename = options.filename === undefined ? nameOf(options) : checkFileName(options.filename);
  const content = readContent(`attachment ${filename ?? '(without a name)'}`, options, access);
  const disposition = options.disposition ?? (options.cid === undefined ? 'attachment' : 'inline');
  if (disposition !== 'attachment' && disposition !== 'inline')
    throw new UsageError(`disposition must be attachment or inline; got ${JSON.stringify(disposition)}`);
  let type = options.type === undefined ? mediaTypeOf(filename ?? '') : checkMediaType(options.type);
  // A message may only be sent as 7bit, 8bit or binary (RFC 2046 section 5.2.1); as octets it arrives unharmed.
  if (type.startsWith('message/') || type.startsWith('multipart/')) type = 'application/octet-stream';
  let header = formatField('Content-Type', type + (filename === undefined ? '' : formatLegacyName(filename)));
  header += 'Content-Transfer-Encoding: base64\r\n';
  header += formatField(
    'Content-Disposition',
    disposition + (filename === undefined ? '' : formatParameter('filename', filename)),
  );
  if (options.cid !== undefined) header += formatField('Content-ID', `<${checkContentId(options.cid)}>`);
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (/^content-(type|transfer-encoding|disposition|id)$/i.test(name))
      throw new UsageError(`attachment header ${name} is made from the attachment's other options`);
    header += formatField(checkFieldName(name), encodeHeader(checkFieldValue(name, value)));
  }
  return { header, body: { kind: 'content', content } };
}

function nameOf(options: FilePartOptions): string | undefined {
  const path = options.file ?? options.url;
  if (path === undefined) return undefined;
  const text = path instanceof URL ? path.pathname : options.url === undefined ? path : new URL(path).pathname;
  const last = text.split(/[/\\]/).at(-1) ?? '';
  return last === '' ? undefined : path instanceof URL || options.url !== undefined ? safeDecode(last) : last;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function checkFileName(name: unknown): string {
  if (typeof name !== 'string') throw new UsageError(`filename must be text; got ${typeof name}`);
  return name;
}

/** A Content-ID or Message-ID without brackets: `left@right`, or a word where there is no @. UsageError otherwise. */
export function checkContentId(cid: unknown): string {
  const text = checkArgument('cid', cid).replace(/^<(.*)>$/, '$1');
  if (!/^[!-;=?-~]+$/.test(text) || text.length > 200)
    throw new UsageError(`cid must be one word of printable ASCII without angle brackets: ${JSON.stringify(text)}`);
  return text;
}

/** `<left@right>`, with or without brackets given. UsageError otherwise. */
export function checkMessageId(field: string, value: unknown): string {
  const text = checkArgument(field, value)
    .trim()
    .replace(/^<(.*)>$/, '$1');
  if (!/^[!-;=?-~]+@[!-;=?-~]+$/.test(text) && !isAddressLike(text))
    throw new UsageError(`${field} must have the form <left@right>: ${JSON.stringify(value)}`);
  return `<${text}>`;
}

function isAddressLike(text: string): boolean {
  try {
    return checkAddrSpec('', text) !== '';
  } catch {
    return false;
  }
}

export interface MultipartOptions {
  /** Fixed boundary, for tests. Default: random. */
  readonly boundary?: string | undefined;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

/** A boundary that neither quoted-printable nor base64 can contain: '=_' cannot come out of either. */
export function randomBoundary(): string {
  return `=_${randomHex(16)}`;
}

/** Parts under one header: 'mixed', 'alternative', 'related'. */
export function multipart(subtype: string, parts: readonly Part[], options: MultipartOptions = {}): Part {
  if (parts.length === 0) throw new UsageError(`multipart/${subtype} needs at least one part`);
  const boundary = options.boundary ?? randomBoundary();
  // bchars of RFC 2046 section 5.1.1.
  if (!/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary)) {
    throw new UsageError(`${JSON.stringify(boundary)} is not a boundary: 1 to 70 letters, digits and '()+_,-./:=?`);
  }
  let type = `multipart/${checkToken('the subtype', subtype)}; boundary=${quote(boundary)}`;
  for (const [name, value] of Object.entries(options.parameters ?? {}))
    type += formatParameter(checkToken('a parameter name', name), checkArgument(name, value));
  return { header: formatField('Content-Type', type), body: { kind: 'multipart', boundary, parts } };
}
