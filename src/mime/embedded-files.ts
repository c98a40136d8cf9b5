import { encodeText, indexOfBytes, latin1, utf8 } from '../wire/bytes.ts';
import { type Attachment, makeAttachment, partAttachment } from './attachment.ts';
import type { BodyParts } from './body-parts.ts';
import { decodeUuencode } from './encodings/uuencode.ts';
import { decodeYenc } from './encodings/yenc.ts';
import { mediaTypeOf } from './media-types.ts';
import type { MimePart } from './mime-part.ts';
import { readTnef } from './tnef.ts';

/** The attachments of a message, containers opened: the files of a winmail.dat, and of uuencode and yEnc blocks in plain text. */
export function expandFiles(sorted: BodyParts): Attachment[] {
  const files: Attachment[] = [];
  for (const part of sorted.attachments) {
    const inner = isTnef(part) ? tnefFiles(part) : [];
    if (inner.length > 0) files.push(...inner);
    else files.push(partAttachment(part));
  }
  for (const part of sorted.plain) files.push(...textFiles(part));
  return files;
}

function isTnef(part: MimePart): boolean {
  return (
    part.type === 'application/ms-tnef' ||
    part.type === 'application/vnd.ms-tnef' ||
    (part.type === 'application/octet-stream' && /^winmail\.dat$/i.test(part.filename ?? ''))
  );
}

function tnefFiles(part: MimePart): Attachment[] {
  const { files, valid } = readTnef(part.bytes());
  if (!valid) part.context.defects.report('tnef-invalid', part.bodyOffset);
  return files.map(({ filename, bytes }) => fileAttachment(part, filename, bytes));
}

const uuBegin = encodeText('\nbegin ');
const yencBegin = encodeText('=ybegin ');

/** Files that stand in the text itself. The text is left as it is. */
function textFiles(part: MimePart): Attachment[] {
  const body = part.encodedBody;
  if (part.encoding === 'base64' || part.encoding === 'quoted-printable' || part.kind !== 'leaf') return [];
  const complain = (code: 'uuencode-invalid' | 'yenc-invalid'): void =>
    part.context.defects.report(code, part.bodyOffset);
  const files: Attachment[] = [];
  const yenc = indexOfBytes(body, yencBegin);
  if (yenc === 0 || (yenc > 0 && body[yenc - 1] === 10)) {
    const { filename, bytes } = decodeYenc(body.subarray(yenc), () => complain('yenc-invalid'));
    if (bytes.length > 0) files.push(fileAttachment(part, filename, bytes));
  }
  for (
    let at = startsWithBegin(body) ? 0 : indexOfBytes(body, uuBegin);
    at >= 0;
    at = indexOfBytes(body, uuBegin, at + 1)
  ) {
    const start = body[at] === 10 ? at + 1 : at;
    if (
      !/^begin [0-7]{3,4} \S[^\r\n]*\r?\n[\x20-\x60]{2}/.test(latin1(body, start, Math.min(body.length, start + 300)))
    )
      continue;
    const { filename, bytes } = decodeUuencode(body.subarray(start), () => complain('uuencode-invalid'));
    if (bytes.length > 0) files.push(fileAttachment(part, filename, bytes));
    if (files.length >= 100) break;
  }
  return files;
}

function startsWithBegin(body: Uint8Array): boolean {
  return latin1(body, 0, Math.min(6, body.length)) === 'begin ';
}

function fileAttachment(part: MimePart, filename: string | undefined, bytes: Uint8Array): Attachment {
  return makeAttachment(
    part,
    filename,
    mediaTypeOf(filename ?? ''),
    () => bytes,
    () => utf8(bytes).replace(/\r\n/g, '\n'),
  );
}
