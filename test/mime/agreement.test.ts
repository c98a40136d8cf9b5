import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { type AddressObject, simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { type Message, parseSync } from '../../src/mime/index.ts';

// The shared collection of real messages where it is there; the suite runs in a clone without it.
const folders = ['test/fixtures/mime', '../shared/corpus'].filter((path) => existsSync(path));
const files = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.eml'))
    .map((name) => `${folder}/${name}`),
);

/** Line ends, and white space at line ends and the end, are written differently by each. */
const loose = (text: string | undefined | false | null): string =>
  (text || '')
    .replace(/\r\n?/g, '\n')
    .replace(/<br\/>\n?/g, '\n')
    .replace(/[ \t\u00a0]*\n[\s\u00a0]*/g, '\n')
    .replace(/[ \t\u00a0]+$/gm, '')
    .trim();

const addresses = (mail: Message): string[] =>
  [...mail.from, ...mail.to, ...mail.cc]
    .flatMap((entry) => entry.group ?? [entry])
    .map(({ address }) => address.toLowerCase());

const bySize = (list: readonly Uint8Array[]): string[] =>
  list.map((bytes) => Buffer.from(bytes).toString('hex')).toSorted();

/** Why a message reads otherwise than in a peer. */
const settled: readonly (readonly [files: RegExp, rule: string])[] = [
  [
    /legacy-0(?:09|10|15|16|18|2[02-7]|5[0-2])\./,
    'eight-bit header text that is not UTF-8 has the fallback charset: RFC 6532 section 3.1',
  ],
  [/legacy-0(?:01|05|34)\./, 'UTF-7 is decoded: RFC 2152'],
  [/legacy-0(?:17|26|48|49)\./, 'uuencoded files are files'],
  [
    /rfc-00[2479]\.|delivery-status|arf|bounce|mimetorture/,
    'a message or report inside is a part of its own: RFC 2046 section 5.2.1',
  ],
  [/mixed/, 'html is not made of plain text unasked'],
  [/rfc-000\./, 'padding ends a group of base64, dirt is skipped: RFC 2045 section 6.8'],
  [/decoderended/, 'an empty message inside is a file too'],
  [/spam/, 'only a multipart has delimiters: RFC 2046 section 5.1'],
];

type Peer = { address?: string | undefined; group?: readonly { address?: string | undefined }[] | undefined };
const flat = (list: readonly Peer[] | undefined): string[] =>
  (list ?? []).flatMap((entry) => entry.group ?? [entry]).map(({ address }) => (address ?? '').toLowerCase());
const many = (field: AddressObject | AddressObject[] | undefined): string[] =>
  (field === undefined ? [] : Array.isArray(field) ? field : [field]).flatMap((each) => flat(each.value));

test.each(files)('%s reads as in mailparser and postal-mime', async (file) => {
  const bytes = readFileSync(file);
  const mail = parseSync(bytes);
  const theirs = await simpleParser(bytes, {
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
  });
  const postal = await PostalMime.parse(bytes);
  const seen = { subject: mail.subject, text: loose(mail.text), html: loose(mail.html), addresses: addresses(mail) };
  const bodies = bySize([...mail.attachments, ...mail.inline].map((each) => each.bytes()));
  const differences: string[] = [];
  const compare = (what: string, ours: unknown, other: unknown): void => {
    if (JSON.stringify(ours) !== JSON.stringify(other)) differences.push(what);
  };
  compare('mailparser subject', seen.subject, theirs.subject ?? '');
  compare('mailparser text', seen.text, loose(theirs.text));
  compare('mailparser html', seen.html, loose(theirs.html));
  compare('mailparser addresses', seen.addresses, [...many(theirs.from), ...many(theirs.to), ...many(theirs.cc)]);
  if (mail.date !== null) compare('mailparser date', mail.date.toISOString(), theirs.date?.toISOString());
  compare('mailparser files', bodies, bySize(theirs.attachments.map((each) => each.content)));
  compare('postal-mime subject', seen.subject, postal.subject ?? '');
  compare('postal-mime text', seen.text, loose(postal.text));
  compare('postal-mime html', seen.html, loose(postal.html));
  compare('postal-mime addresses', seen.addresses, [
    ...flat(postal.from === undefined ? [] : [postal.from]),
    ...flat(postal.to),
    ...flat(postal.cc),
  ]);
  // postal-mime writes the line ends of text files anew, and keeps the one that belongs to the delimiter (RFC 2046 section 5.1.1).
  const lines = (list: readonly string[]): string[] =>
    list.map((hex) => loose(Buffer.from(hex, 'hex').toString('latin1'))).toSorted();
  compare(
    'postal-mime files',
    lines(bodies),
    lines(
      bySize(
        postal.attachments.map(({ content }) =>
          typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content),
        ),
      ),
    ),
  );
  const rule = settled.find(([names]) => names.test(file.replace(/^.*(?:mime|corpus)\//, '').replace('/', '-')))?.[1];
  if (rule === undefined) expect(differences).toEqual([]);
});
