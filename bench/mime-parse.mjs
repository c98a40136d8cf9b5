import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import { parseSync } from '../dist/mime/index.js';
import { largeMessage, message10mb } from './data.mjs';
import { child, compare, here, repeatFor } from './harness.mjs';
import { parse as lean } from './limits/parse.mjs';

/** Real messages: the shared collection where it is there, else the fixtures of the tests. */
const folder = [`${here}../../shared/corpus/`, `${here}../test/fixtures/mime/`].find((path) => existsSync(path));
const real = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith('.eml'))
  .sort()
  .map((name) => readFileSync(folder + name));

/** Everything decoded: every field of every part, text, html, the bytes of every attachment. */
export function readAll(bytes) {
  const mail = parseSync(bytes);
  let seen = 0;
  for (const part of mail.root.walk()) for (const field of part.headers) seen += field.text.length;
  seen += (mail.text?.length ?? 0) + (mail.html?.length ?? 0) + mail.from.length + mail.to.length;
  for (const file of mail.attachments) seen += file.bytes().length;
  for (const file of mail.inline) seen += file.bytes().length;
  return seen;
}

const skip = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true, skipImageLinks: true };

export async function* run(wanted) {
  const sets = { small: real.filter(({ length }) => length <= 65_536), all: real, '10mb': [message10mb] };
  for (const [workload, messages] of Object.entries(sets)) {
    if (!wanted(workload)) continue;
    const bulk = workload !== 'small';
    const amount = bulk ? messages.reduce((sum, { length }) => sum + length, 0) / 1e6 : messages.length;
    const measure = (act) =>
      repeatFor(Number(process.env.MS ?? 500), async () => {
        for (const message of messages) await act(message);
        return amount;
      });
    yield await compare('mime-parse', workload, bulk ? 'MB/s' : 'messages/s', {
      postwire: measure(readAll),
      'mailparser, conversions off': measure((message) => simpleParser(message, skip)),
      'postal-mime': measure((message) => PostalMime.parse(message)),
      limit: measure(lean),
    });
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
