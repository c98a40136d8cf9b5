import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import { parseSync } from '../dist/mime/index.js';
import { largeMessage, message10mb } from './data.mjs';
import { child, compare, here, isolated, repeatFor } from './harness.mjs';
import { parse as lean } from './limits/parse.mjs';

/** Real messages: the shared collection where it is there, else the fixtures of the tests. */
const folder = [`${here}../../shared/corpus/`, `${here}../test/fixtures/mime/`].find((path) => existsSync(path));
const real = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith('.eml'))
  .sort()
  .map((name) => readFileSync(folder + name));

/** Everything decoded: every field of every part, text, html, the bytes of every attachment. */
export function readAll(bytes, options) {
  const mail = parseSync(bytes, options);
  let seen = 0;
  for (const part of mail.root.walk()) for (const field of part.headers) seen += field.text.length;
  seen += (mail.text?.length ?? 0) + (mail.html?.length ?? 0) + mail.from.length + mail.to.length;
  for (const file of mail.attachments) seen += file.bytes().length;
  for (const file of mail.inline) seen += file.bytes().length;
  return seen;
}

const skip = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true, skipImageLinks: true };

const COUNT = 100_000;
const many = (piece) => Array.from({ length: COUNT }, (_, index) => piece(index)).join('');
/** What an attacker sends, a hundred thousand of each; what a byte of it costs is measured against a byte of ordinary mail. */
const shapes = {
  headers: () => `${many((index) => `X-Field-${index}: some value\r\n`)}\r\nx`,
  parts: () =>
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n${many(() => '--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nA line of text.\r\n')}--b--\r\n`,
  addresses: () => `To: ${many((index) => `"A B" <a${index}@b.example>,\r\n `)}x@y.example\r\n\r\nx`,
  'encoded words': () => `Subject: ${many(() => '=?utf-8?Q?=C3=A4b?=\r\n ')}\r\n\r\nx`,
  comments: () => `From: ${'('.repeat(COUNT)}${')'.repeat(COUNT)} a@b.example\r\n\r\nx`,
  parameters: () => `Content-Type: text/plain${many((index) => `;\r\n name${index}=value`)}\r\n\r\nx`,
  continuations: () => `Content-Type: text/plain${many((index) => `;\r\n name*${index}=value`)}\r\n\r\nx`,
};
const unlimited = {
  limits: Object.fromEntries(
    ['headerBytes', 'headerCount', 'parts', 'parameters', 'addresses', 'messageBytes'].map((name) => [name, 1e9]),
  ),
};

async function* hostile() {
  const nanosecondsPerByte = (messages, act = (message) => readAll(message, unlimited)) => {
    const bytes = messages.reduce((sum, { length }) => sum + length, 0);
    let best = Number.POSITIVE_INFINITY;
    for (const until = performance.now() + 1500; performance.now() < until;) {
      const started = performance.now();
      for (const message of messages) act(message);
      best = Math.min(best, performance.now() - started);
    }
    return (best * 1e6) / bytes;
  };
  const ordinary = nanosecondsPerByte(real.filter(({ length }) => length <= 65_536));
  const row = (subject, value, limit) => ({
    bench: 'mime-parse',
    workload: 'hostile',
    subject,
    value: Number(value.toPrecision(4)),
    unit: 'ns/byte',
    rounds: 1,
    // Above 1: faster than the lean limit reads the same bytes.
    ratio_to_limit: limit && Number((limit / value).toPrecision(3)),
    ratio_to_ordinary: Number((value / ordinary).toPrecision(3)),
  });
  const rows = [row('ordinary mail', ordinary)];
  for (const [name, make] of Object.entries(shapes)) {
    const message = [Buffer.from(make())];
    rows.push(row(name, nanosecondsPerByte(message), nanosecondsPerByte(message, lean)));
  }
  // Linear: a byte of a long message costs no more than one of a short one.
  const part = `--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n`;
  for (const size of [1e3, 1e5, 1e7, 1e8]) {
    const body = `${'QUJD'.repeat(19)}\r\n`.repeat(Math.ceil(size / 78));
    rows.push(
      row(
        `${size / 1000} KB`,
        nanosecondsPerByte([Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${part}${body}--b--\r\n`)]),
      ),
    );
  }
  yield rows;
}

const sets = { small: real.filter(({ length }) => length <= 65_536), all: real, '10mb': [message10mb] };
const names = ['postwire', 'mailparser, conversions off', 'postal-mime', 'limit'];

/** What each process runs: see `isolated`. */
export function subjects(workload) {
  const messages = sets[workload];
  const amount = workload === 'small' ? messages.length : messages.reduce((sum, { length }) => sum + length, 0) / 1e6;
  const measure = (act) =>
    repeatFor(Number(process.env.MS ?? 500), async () => {
      for (const message of messages) await act(message);
      return amount;
    });
  return {
    postwire: measure((message) => readAll(message)),
    'mailparser, conversions off': measure((message) => simpleParser(message, skip)),
    'postal-mime': measure((message) => PostalMime.parse(message)),
    limit: measure(lean),
  };
}

export async function* run(wanted) {
  if (wanted('hostile')) yield* hostile();
  for (const workload of Object.keys(sets)) {
    if (!wanted(workload)) continue;
    for await (const each of isolated(import.meta.url, workload, names))
      yield await compare('mime-parse', workload, workload === 'small' ? 'messages/s' : 'MB/s', each);
  }
  if (wanted('137mb-stream')) {
    const path = largeMessage(100_000_000);
    const fresh = (subject) => child(process.execPath, [`${here}children/parse-stream.mjs`, subject, path]);
    yield await compare(
      'mime-parse',
      '137mb-stream',
      'MB/s',
      { postwire: fresh('postwire'), mailparser: fresh('mailparser'), limit: fresh('limit') },
      { warmUp: 0 },
    );
  }
}
