import { allocateBytes, encodeText, utf8Length, writeUtf8 } from '../wire/bytes.ts';
import type { Content } from './content.ts';
import { base64LinesLength, encodeBase64Lines, encodeBase64Stream, writeBase64Lines } from './encodings/base64.ts';
import { encodeQuotedPrintable, quotedPrintableBound, writeQuotedPrintable } from './encodings/quoted-printable.ts';
import type { Part, TransferEncoding } from './part.ts';

/** A piece of the message: text that is ready, text still to be encoded, or content that goes as base64. */
export type Segment =
  string | { readonly text: string; readonly encoding: TransferEncoding } | { readonly content: Content };

/** The pieces of a part, its header included, in order. Adjacent text is joined. */
export function segmentsOf(header: string, part: Part): Segment[] {
  const segments: Segment[] = [];
  let text = header;
  const push = (more: Part): void => {
    const { body } = more;
    text += `${more.header}\r\n`;
    if (body.kind === 'multipart') {
      for (const [index, child] of body.parts.entries()) {
        // The CRLF before a delimiter belongs to it (RFC 2046 section 5.1.1), so a body keeps its own end.
        text += `${index === 0 ? '' : '\r\n'}--${body.boundary}\r\n`;
        push(child);
      }
      text += `\r\n--${body.boundary}--\r\n`;
    } else if (body.kind === 'text' && (body.encoding === '7bit' || body.encoding === '8bit')) {
      text += withCrlf(body.text);
    } else {
      segments.push(text, body);
      text = '';
    }
  };
  push(part);
  if (text !== '') segments.push(text);
  return segments;
}

/** Every line end as CRLF: the canonical form of text, RFC 2049 section 4. */
const withCrlf = (text: string): string => (/(?:^|[^\r])\n/.test(text) ? text.replace(/\r?\n/g, '\r\n') : text);

/** Text that is to be base64: in its canonical form. */
const textBytes = (text: string): Uint8Array => encodeText(withCrlf(text).toWellFormed());

/** Length of the whole in bytes; undefined when a stream's length is not known. */
export function sizeOf(segments: readonly Segment[]): number | undefined {
  let size = 0;
  for (const segment of segments) {
    if (typeof segment === 'string') size += utf8Length(segment);
    else if ('text' in segment) size += encodeSegment(segment.text, segment.encoding).length;
    else if (segment.content.sizeBytes === undefined) return undefined;
    else size += base64LinesLength(segment.content.sizeBytes);
  }
  return size;
}

function encodeSegment(text: string, encoding: TransferEncoding): Uint8Array {
  return encoding === 'base64' ? encodeBase64Lines(textBytes(text)) : encodeQuotedPrintable(text);
}

/** True when everything is in memory. */
export function isHeld(segments: readonly Segment[]): boolean {
  for (const segment of segments) {
    if (typeof segment !== 'string' && 'content' in segment && segment.content.bytes === undefined) return false;
  }
  return true;
}

/** Written and read within one synchronous call, never handed out. */
const SCRATCH_BYTES = 1024 * 1024;
let scratch: Uint8Array | undefined;

/** The whole in one array, encoded straight into it. All content must be held. */
export function renderHeld(segments: readonly Segment[]): Uint8Array {
  let bound = 0;
  for (const segment of segments) {
    if (typeof segment === 'string') bound += segment.length * 3;
    else if ('content' in segment) bound += base64LinesLength((segment.content.bytes as Uint8Array).length);
    else if (segment.encoding === 'base64') bound += base64LinesLength(2 * utf8Length(segment.text));
    else bound += quotedPrintableBound(segment.text);
  }
  // The bound is several times what is written: short messages are made in a scratch array and copied out.
  const target = bound <= SCRATCH_BYTES ? (scratch ??= new Uint8Array(SCRATCH_BYTES)) : allocateBytes(bound);
  let at = 0;
  for (const segment of segments) {
    if (typeof segment === 'string') at = writeUtf8(target, segment, at);
    else if ('content' in segment) at = writeBase64Lines(segment.content.bytes as Uint8Array, target, at);
    else if (segment.encoding === 'base64') at = writeBase64Lines(textBytes(segment.text), target, at);
    else at = writeQuotedPrintable(segment.text, target, at);
  }
  if (target !== scratch) return target.subarray(0, at);
  const rendered = allocateBytes(at);
  rendered.set(target.subarray(0, at));
  return rendered;
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
      } else if ('text' in segment) {
        yield encodeSegment(segment.text, segment.encoding);
      } else {
        const { bytes } = segment.content;
        if (bytes === undefined) yield* encodeBase64Stream(segment.content.open(signal));
        else
          for (let at = 0; at < bytes.length; at += HELD_CHUNK)
            yield encodeBase64Lines(bytes.subarray(at, at + HELD_CHUNK));
      }
    }
  } finally {
    for (const segment of segments) if (typeof segment !== 'string' && 'content' in segment) segment.content.discard();
  }
}
