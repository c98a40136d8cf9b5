// The synthetic inputs, made once: the same every time, from a fixed seed.
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { here } from './harness.mjs';

const folder = `${here}.data/`;
mkdirSync(folder, { recursive: true });

function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

const words =
  'meeting notes delivery größe naïve über straße report quarterly figures 数据 письмо attachment queue relay header boundary the and with from subject next week please find'.split(
    ' ',
  );
function prose(bytes, seed) {
  const next = generator(seed);
  let text = '';
  let line = '';
  while (Buffer.byteLength(text) < bytes) {
    const word = words[next() % words.length];
    if (line.length + word.length > 70) {
      text += `${line}\r\n`;
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return text;
}

function cached(name, make) {
  const path = folder + name;
  if (!existsSync(path)) writeFileSync(path, make());
  return readFileSync(path);
}

export const text2kb = cached('text-2kb.txt', () => prose(1100, 1)).toString();
export const text12kb = cached('text-12kb.txt', () => prose(12_000, 2)).toString();
export const html24kb = cached(
  'html-24kb.html',
  () =>
    `<html><body>${prose(24_000, 3)
      .split('\r\n')
      .map((line) => `<p style="margin:0">${line}</p>`)
      .join('\r\n')}</body></html>`,
).toString();
export const binary10mb = cached('binary-10mb.bin', () => {
  const next = generator(4);
  const bytes = Buffer.allocUnsafe(10_000_000);
  for (let at = 0; at < bytes.length; at++) bytes[at] = next() & 255;
  return bytes;
});

/** A sparse file of that size. */
export function sparseFile(bytes) {
  const path = `${folder}sparse-${bytes}.bin`;
  if (!existsSync(path)) {
    const handle = openSync(path, 'w');
    ftruncateSync(handle, bytes);
    closeSync(handle);
  }
  return path;
}

export const head = {
  from: 'Алиса Müller <alice@example.org>',
  to: ['Bob Größe <bob@example.com>', '"Carol, Dr." <carol@example.com>'],
  subject: 'Übergrößenträger — 数据 письмо und noch eine zweite Zeile',
};

const word = (text) => `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`;
const header = (type) =>
  [
    `From: ${word('Алиса Müller')} <alice@example.org>`,
    `To: ${word('Bob Größe')} <bob@example.com>`,
    `Subject: ${word('Übergrößenträger')}`,
    'Date: Tue, 17 Nov 2026 10:11:12 +0000',
    'Message-ID: <0123456789abcdef@example.org>',
    'MIME-Version: 1.0',
    ...type,
  ].join('\r\n') + '\r\n\r\n';

export const message2kb = cached(
  'message-2kb.eml',
  () => `${header(['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit'])}${text2kb}\r\n`,
);
export const message10mb = cached('message-10mb.eml', () =>
  Buffer.concat([
    Buffer.from(
      `${header(['Content-Type: multipart/mixed; boundary="b1"'])}--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${text2kb}\r\n--b1\r\nContent-Type: application/octet-stream; name="big.bin"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="big.bin"\r\n\r\n`,
    ),
    Buffer.from(binary10mb.toString('base64').replace(/.{76}/g, '$&\r\n')),
    Buffer.from('\r\n--b1--\r\n'),
  ]),
);

/** The path of a message with one attachment of that many bytes, in base64. */
export function largeMessage(attachmentBytes) {
  const path = `${folder}message-${attachmentBytes}.eml`;
  if (existsSync(path)) return path;
  const handle = openSync(path, 'w');
  writeFileSync(
    handle,
    `${header(['Content-Type: multipart/mixed; boundary="b1"'])}--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text2kb}\r\n--b1\r\nContent-Type: application/octet-stream; name="big.bin"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="big.bin"\r\n\r\n`,
  );
  const piece = binary10mb
    .subarray(0, 57 * 17_500)
    .toString('base64')
    .replace(/.{76}/g, '$&\r\n');
  for (let written = 0; written < attachmentBytes; written += 57 * 17_500) writeFileSync(handle, piece);
  writeFileSync(handle, '--b1--\r\n');
  closeSync(handle);
  return path;
}
