import { decodeHeader } from '../../mime/decode-header.ts';
import { Envelope, readEnvelope } from './envelope.ts';
import { type ImapReader, type ImapValue } from './reader.ts';

/** A part of a message as the server parsed it. @see RFC 9051 section 7.5.2, BODYSTRUCTURE */
export interface BodyStructure {
  /** The section that fetches it: '' for the root of a multipart, '1', '2.1'. */
  readonly path: string;
  /** In lower case: 'text/plain', 'multipart/mixed'. */
  readonly type: string;
  /** Content-Type's parameters by name in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly contentId: string | null;
  readonly description: string | null;
  /** Content-Transfer-Encoding in lower case; null on a multipart. */
  readonly encoding: string | null;
  /** In its transfer encoding; 0 on a multipart. */
  readonly sizeBytes: number;
  /** Of text and message/rfc822 parts. */
  readonly lines: number | null;
  readonly md5: string | null;
  /** 'inline' or 'attachment' in lower case; null where the part says nothing. */
  readonly disposition: string | null;
  readonly dispositionParameters: ReadonlyMap<string, string>;
  readonly language: readonly string[];
  readonly location: string | null;
  /** Of a message/rfc822 part. */
  readonly envelope: Envelope | null;
  readonly parts: readonly BodyStructure[];
}

const NONE: ReadonlyMap<string, string> = new Map();

/** A body structure; null for NIL or for what is none. */
export function readBodyStructure(reader: ImapReader, path = ''): BodyStructure | null {
  reader.spaces();
  if (!reader.open()) {
    reader.skipValue();
    return null;
  }
  return reader.peek() === 40 ? multipart(reader, path) : leaf(reader, path === '' ? '1' : path);
}

const child = (path: string, number: number): string => (path === '' ? String(number) : `${path}.${number}`);

function multipart(reader: ImapReader, path: string): BodyStructure {
  const parts: BodyStructure[] = [];
  while (reader.peek() === 40) {
    const part = readBodyStructure(reader, child(path, parts.length + 1));
    if (part !== null) parts.push(part);
    reader.spaces();
  }
  const subtype = text(reader) ?? 'mixed';
  return {
    path,
    type: `multipart/${subtype.toLowerCase()}`,
    parameters: parameters(reader),
    contentId: null,
    description: null,
    encoding: null,
    sizeBytes: 0,
    lines: null,
    md5: null,
    ...extensions(reader),
    envelope: null,
    parts,
  };
}

function leaf(reader: ImapReader, path: string): BodyStructure {
  const main = (text(reader) ?? 'text').toLowerCase();
  const type = `${main}/${(text(reader) ?? 'plain').toLowerCase()}`;
  const fields = parameters(reader);
  const contentId = text(reader);
  const description = text(reader);
  const encoding = text(reader)?.toLowerCase() ?? null;
  const sizeBytes = number(reader) ?? 0;
  let lines: number | null = null;
  let envelope: Envelope | null = null;
  const parts: BodyStructure[] = [];
  reader.spaces();
  if ((type === 'message/rfc822' || type === 'message/global') && reader.peek() === 40) {
    envelope = readEnvelope(reader);
    reader.spaces();
    // A multipart inside has the path of the message; a leaf is its part 1.
    const inner = readBodyStructure(reader, reader.text.charCodeAt(reader.at + 1) === 40 ? path : child(path, 1));
    if (inner !== null) parts.push(inner);
    lines = number(reader);
  } else if (main === 'text') lines = number(reader);
  const md5 = text(reader);
  return {
    path,
    type,
    parameters: fields,
    contentId,
    description: description === null ? null : decodeHeader(description),
    encoding,
    sizeBytes,
    lines,
    md5,
    ...extensions(reader),
    envelope,
    parts,
  };
}

type Extensions = Pick<BodyStructure, 'disposition' | 'dispositionParameters' | 'language' | 'location'>;

/** What BODYSTRUCTURE has and BODY lacks, up to the end of the list. */
function extensions(reader: ImapReader): Extensions {
  let disposition: string | null = null;
  let dispositionParameters = NONE;
  reader.spaces();
  if (reader.open()) {
    disposition = text(reader)?.toLowerCase() ?? null;
    dispositionParameters = parameters(reader);
    while (!reader.close()) reader.skipValue();
  } else {
    // QUIRK(some servers): the disposition as a bare string.
    disposition = text(reader)?.toLowerCase() ?? null;
  }
  const language = atEnd(reader) ? null : reader.value();
  const location = text(reader);
  while (!reader.close()) reader.skipValue();
  return { disposition, dispositionParameters, language: strings(language), location };
}

const strings = (value: ImapValue): string[] =>
  (Array.isArray(value) ? value : [value]).filter((each): each is string => typeof each === 'string');

function atEnd(reader: ImapReader): boolean {
  reader.spaces();
  return reader.peek() === 41 || reader.ended;
}

const text = (reader: ImapReader): string | null => (atEnd(reader) ? null : reader.nstring());

function number(reader: ImapReader): number | null {
  if (atEnd(reader)) return null;
  const value = reader.nstring();
  // QUIRK(Exchange): -1 lines, or a size as a quoted string.
  return value !== null && /^[0-9]{1,15}$/.test(value) ? Number(value) : null;
}

function parameters(reader: ImapReader): ReadonlyMap<string, string> {
  if (atEnd(reader)) return NONE;
  if (!reader.open()) {
    reader.skipValue();
    return NONE;
  }
  const found = new Map<string, string>();
  while (!reader.close()) {
    const name = reader.nstring()?.toLowerCase() ?? '';
    const value = text(reader);
    if (name !== '' && value !== null && !found.has(name)) found.set(name, decodeHeader(value));
  }
  return found;
}

/** The name of a part's file, decoded; undefined where it has none. RFC 2231 continuations that the server left are joined. */
export function fileNameOf(part: BodyStructure): string | undefined {
  return joined(part.dispositionParameters, 'filename') ?? joined(part.parameters, 'name');
}

function joined(fields: ReadonlyMap<string, string>, name: string): string | undefined {
  const plain = fields.get(name);
  const extended = fields.get(`${name}*`) ?? sections(fields, name);
  if (extended === undefined) return plain;
  const match = /^([^']{0,40})'[^']{0,40}'(.*)$/s.exec(extended);
  if (match === null) return plain ?? extended;
  try {
    const bytes = Uint8Array.from(
      (match[2] as string).replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      ),
      (each) => each.charCodeAt(0),
    );
    return new TextDecoder(match[1] === '' ? 'utf-8' : match[1]).decode(bytes);
  } catch {
    return plain ?? match[2];
  }
}

function sections(fields: ReadonlyMap<string, string>, name: string): string | undefined {
  let whole = '';
  for (let index = 0; index < 100; index++) {
    const section = fields.get(`${name}*${index}*`) ?? fields.get(`${name}*${index}`);
    if (section === undefined) break;
    whole += section;
  }
  return whole === '' ? undefined : whole;
}

/** The part and all below it, outer ones first. */
export function* partsOf(part: BodyStructure): Iterable<BodyStructure> {
  yield part;
  for (const inner of part.parts) yield* partsOf(inner);
}
