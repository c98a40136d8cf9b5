import { UsageError } from '../errors.ts';
import { allocateBytes, encodeText, latin1, utf8Length, writeUtf8 } from '../wire/bytes.ts';
import type { Content } from './content.ts';
import { base64LinesLength, encodeBase64Lines, encodeBase64Stream, writeBase64Lines } from './encodings/base64.ts';
import { quotedPrintableBound, writeQuotedPrintable } from './encodings/quoted-printable.ts';
import type { Part, TransferEncoding } from './part.ts';

/** A piece of the message: text that is there, or content that is encoded as it is written. */
export type Segment = string | { readonly content: Content; readonly encoding: TransferEncoding };

/** The pieces of a part, its header included, in order. Adjacent text is joined. */
export function segmentsOf(header: string, part: Part): Segment[] {
  const segments: Segment[] = [];
  let text = '';
  const push = (more: Part): void => {
    text += `${more.header}\r\n`;
    if (more.body.kind === 'content') {
      segments.push(text, { content: more.body.content, encoding: more.body.encoding });
      text = '';
      return;
    }
    for (const child of more.body.parts) {
      // The CRLF before a delimiter belongs to it (RFC 2046 section 5.1.1), so a body keeps its own end.
      text += `${text.endsWith('\r\n\r\n') ? '' : '\r\n'}--${more.body.boundary}\r\n`;
      push(child);
    }
    text += `\r\n--${more.body.boundary}--\r\n`;
  };
  text = header;
  push(part);
  if (text !== '') segments.push(text);
  return segments;
}

/** Length of the whole in bytes; undefined when a stream's length is not known. */
export function sizeOf(segments: readonly Segment[]): number | undefined {
  let size = 0;
  for (const segment of segments) {
    if (typeof segment === 'string') size += utf8Length(segment);
    else if (segment.encoding === 'base64') {
      if (segment.content.sizeBytes === undefined) return undefined;
      size += base64LinesLength(segment.content.sizeBytes);
    } else {
      size += encodeHeld(segment.content, segment.encoding).length;
    }
  }
  return size;
}

/** True when everything is in memory. */
export function isHeld(segments: readonly Segment[]): boolean {
  return segments.every((segment) => typeof segment === 'string' || segment.content.bytes !== undefined);
}

/** The whole in one array, encoded straight into it. All content must be held. */
export function renderHeld(segments: readonly Segment[]): Uint8Array {
  let bound = 0;
  for (const segment of segments) {
    if (typeof segment === 'string') bound += segment.length * 3;
    else bound += boundOf((segment.content.bytes as Uint8Array).length, segment.encoding);
  }
  const target = allocateBytes(bound);
  let at = 0;
  for (const segment of segments) {
    if (typeof segment === 'string') at = writeUtf8(target, segment, at);
    else at = writeEncoded(segment.content.bytes as Uint8Array, segment.encoding, target, at);
  }
  return target.subarray(0, at);
}

function boundOf(length: number, encoding: TransferEncoding): number {
  if (encoding === 'base64') return base64LinesLength(length);
  return encoding === 'quoted-printable' ? quotedPrintableBound(length) : length * 2;
}

function writeEncoded(bytes: Uint8Array, encoding: TransferEncoding, target: Uint8Array, offset: number): number {
  if (encoding === 'base64') return writeBase64Lines(bytes, target, offset);
  if (encoding === 'quoted-printable') return writeQuotedPrintable(bytes, target, offset);
  return writeCrlf(bytes, target, offset);
}

/** Text with every LF as CRLF. */
function writeCrlf(bytes: Uint8Array, target: Uint8Array, offset: number): number {
  let at = offset;
  let from = 0;
  for (let lf = bytes.indexOf(10); lf >= 0; lf = bytes.indexOf(10, from)) {
    const end = lf > from && bytes[lf - 1] === 13 ? lf - 1 : lf;
    target.set(bytes.subarray(from, end), at);
    at += end - from;
    target[at++] = 13;
    target[at++] = 10;
    from = lf + 1;
  }
  target.set(bytes.subarray(from), at);
  return at + bytes.length - from;
}

const encoded = new WeakMap<Content, Uint8Array>();

/** Held text, encoded once: its size is asked for before it is written. */
function encodeHeld(content: Content, encoding: TransferEncoding): Uint8Array {
  const bytes = content.bytes;
  if (bytes === undefined) throw new UsageError(`${content.name} is a stream; it can only be sent as base64`);
  let result = encoded.get(content);
  if (result === undefined) {
    const target = allocateBytes(boundOf(bytes.length, encoding));
    result = target.subarray(0, writeEncoded(bytes, encoding, target, 0));
    encoded.set(content, result);
  }
  return result;
}

/** Pieces of held content that are encoded at a time when streaming. */
const HELD_CHUNK = 57 * 1150;

/**
 * The whole as chunks, with bounded memory. The bytes are the same as `renderHeld` gives. When reading stops early, or fails, sources that
 * were not read are let go.
 */
export async function* streamSegments(
  segments: readonly Segment[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  try {
    for (const segment of segments) {
      signal?.throwIfAborted();
      if (typeof segment === 'string') {
        yield encodeText(segment);
        continue;
      }
      const { content, encoding } = segment;
      if (encoding !== 'base64') yield encodeHeld(content, encoding);
      else if (content.bytes === undefined) yield* encodeBase64Stream(content.open(signal));
      else
        for (let at = 0; at < content.bytes.length; at += HELD_CHUNK)
          yield encodeBase64Lines(content.bytes.subarray(at, at + HELD_CHUNK));
    }
  } finally {
    for (const segment of segments) if (typeof segment !== 'string') segment.content.discard();
  }
}

/** For error messages and tests: the header text of the first segment. */
export function headerText(segments: readonly Segment[]): string {
  const [first] = segments;
  return typeof first === 'string' ? first : latin1(new Uint8Array(0));
}
