// The leanest builder that plain JavaScript can be: no checks, one header string, bytes written once. A measure, not a library.
import { binary10mb, head, html24kb, text12kb, text2kb } from '../data.mjs';

const word = (text) => `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`;
const address = (text) =>
  text.replace(/^([^"<]+) </, (_, name) => `${/[^\x20-\x7e]/.test(name) ? word(name) : name} <`);
const HEX = '0123456789ABCDEF';

function quotedPrintable(text) {
  const bytes = Buffer.from(text);
  const out = Buffer.allocUnsafe(bytes.length * 3 + bytes.length / 8 + 32);
  let at = 0;
  let column = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === 13 && bytes[index + 1] === 10) {
      out[at++] = 13;
      out[at++] = 10;
      index++;
      column = 0;
      continue;
    }
    const plain =
      byte === 32 ? !(bytes[index + 1] === 13 && bytes[index + 2] === 10) : byte > 32 && byte < 127 && byte !== 61;
    if (column + (plain ? 1 : 3) > 75) {
      out[at++] = 61;
      out[at++] = 13;
      out[at++] = 10;
      column = 0;
    }
    if (plain) {
      out[at++] = byte;
      column++;
    } else {
      out[at++] = 61;
      out[at++] = HEX.charCodeAt(byte >> 4);
      out[at++] = HEX.charCodeAt(byte & 15);
      column += 3;
    }
  }
  return out.subarray(0, at);
}

/** One native base64 call, then each line moved to its place. */
export function base64Lines(bytes) {
  const characters = Math.ceil(bytes.length / 3) * 4;
  const lines = Math.ceil(characters / 76);
  const out = Buffer.allocUnsafe(characters + 2 * lines);
  let source = 2 * lines;
  out.latin1Write(bytes.base64Slice(0, bytes.length), source);
  let at = 0;
  while (source < out.length) {
    const end = Math.min(source + 76, out.length);
    out.copyWithin(at, source, end);
    at += end - source;
    source = end;
    out[at++] = 13;
    out[at++] = 10;
  }
  return out;
}

let count = 0;
export function build(workload) {
  const id = Date.now().toString(36) + (count++).toString(36);
  const top = `From: ${address(head.from)}\r\nTo: ${head.to.map(address).join(',\r\n ')}\r\nSubject: ${word(head.subject.slice(0, 18))}\r\n ${word(head.subject.slice(18))}\r\nMessage-ID: <${id}@example.org>\r\nDate: ${new Date().toUTCString().replace('GMT', '+0000')}\r\nMIME-Version: 1.0\r\n`;
  const type = (kind) =>
    `Content-Type: text/${kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n`;
  if (workload === '2kb') return Buffer.concat([Buffer.from(top + type('plain')), quotedPrintable(text2kb)]);
  const boundary = `--_${id}`;
  const open = `--${boundary}\r\n`;
  if (workload === '60kb') {
    return Buffer.concat([
      Buffer.from(`${top}Content-Type: multipart/alternative; boundary="${boundary}"\r\n\r\n${open}${type('plain')}`),
      quotedPrintable(text12kb),
      Buffer.from(`\r\n${open}${type('html')}`),
      quotedPrintable(html24kb),
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
  }
  return Buffer.concat([
    Buffer.from(`${top}Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n${open}${type('plain')}`),
    quotedPrintable(text2kb),
    Buffer.from(
      `\r\n${open}Content-Type: application/octet-stream; name="big.bin"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="big.bin"\r\n\r\n`,
    ),
    base64Lines(binary10mb),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
}
