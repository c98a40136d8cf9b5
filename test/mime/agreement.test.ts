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

interface Rule {
  /** The messages in which a peer reads otherwise because of it. */
  readonly files: RegExp;
  /** What of them reads otherwise. */
  readonly differs: readonly string[];
  readonly rule: string;
  /** The rule on a message of its own. */
  readonly shows: readonly [message: string, read: (mail: Message) => unknown, wanted: unknown];
}

const both = (...fields: string[]): string[] =>
  fields.flatMap((field) => [`mailparser ${field}`, `postal-mime ${field}`]);
const inMultipart = (parts: string): string => `Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts}--b--\r\n`;

/** Why a message reads otherwise than in a peer: every disagreement, settled by the RFC. */
const settled: readonly Rule[] = [
  {
    files: /legacy-0(?:09|10|15|16|18|2[02-7]|5[0-2])\./,
    differs: both('subject'),
    rule: 'eight-bit header text that is not UTF-8 has the fallback charset: RFC 6532 section 3.1',
    shows: ['Subject: caf\xe9\r\n\r\n', (mail) => mail.subject, 'café'],
  },
  {
    files: /legacy-052\./,
    differs: both('text'),
    rule: 'text without a charset that is not UTF-8 has the fallback charset: RFC 6657 section 4',
    shows: ['Subject: x\r\n\r\ncaf\xe9\r\n', (mail) => mail.text, 'café\n'],
  },
  {
    files: /legacy-0(?:01|05|34)\./,
    differs: ['postal-mime subject', 'postal-mime text'],
    rule: 'UTF-7 is decoded: RFC 2152',
    shows: ['Content-Type: text/plain; charset=utf-7\r\n\r\nHi Mom -+Jjo--!', (mail) => mail.text, 'Hi Mom -☺-!'],
  },
  {
    files: /legacy-0(?:17|26|48|49)\./,
    differs: both('files'),
    rule: 'a part in x-uuencode is the file that it encodes: RFC 2045 section 6.3, POSIX uuencode',
    shows: [
      'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n#0V%T\r\n`\r\nend\r\n',
      (mail) => mail.attachments.map((each) => Buffer.from(each.bytes()).toString()),
      ['Cat'],
    ],
  },
  {
    files: /rfc-00[2479]\.|delivery-status|arf|bounce|mimetorture/,
    differs: both('text', 'html', 'files'),
    rule: 'a message inside is a part of its own, and its text is not the text of the one around it: RFC 2046 section 5.2.1',
    shows: [
      inMultipart('--b\r\n\r\nouter\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n'),
      (mail) => [mail.text, mail.messages.map((each) => [each.subject, each.text])],
      ['outer', [['in', 'inner']]],
    ],
  },
  {
    files: /mixed|decoderended/,
    differs: ['postal-mime html'],
    rule: 'html is not made of plain text unasked, nor text of an empty part',
    shows: [
      inMultipart('--b\r\nContent-Type: text/html\r\n\r\n<p>a\r\n--b\r\n\r\nb\r\n'),
      (mail) => [mail.html, mail.text],
      ['<p>a', 'b'],
    ],
  },
  {
    files: /rfc-000\./,
    differs: ['mailparser files', 'postal-mime text', 'postal-mime files'],
    rule: 'padding ends a group of base64, and what is no base64 is skipped: RFC 2045 section 6.8',
    shows: ['Content-Transfer-Encoding: base64\r\n\r\nQQ==\r\n!Qg==', (mail) => mail.text, 'AB'],
  },
  {
    files: /decoderended/,
    differs: ['postal-mime files'],
    rule: 'an empty message inside is a file too: RFC 2046 section 5.2.1 asks for none of its fields',
    shows: [
      inMultipart('--b\r\nContent-Type: message/rfc822\r\n\r\n\r\n'),
      (mail) => mail.attachments.map((each) => each.contentType),
      ['message/rfc822'],
    ],
  },
  {
    files: /spam/,
    differs: ['mailparser html'],
    rule: 'only a multipart has delimiters: RFC 2046 section 5.1',
    shows: ['Content-Type: text/plain; boundary=b\r\n\r\n--b\r\n\r\nx\r\n', (mail) => mail.text, '--b\n\nx\n'],
  },
];

test.each(settled)('$rule', ({ shows: [message, read, wanted] }) => {
  expect(read(parseSync(Buffer.from(message, 'latin1')))).toEqual(wanted);
});

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
  const name = file.replace(/^.*(?:mime|corpus)\//, '').replace('/', '-');
  const excused = settled.filter(({ files: names }) => names.test(name)).flatMap(({ differs }) => differs);
  expect(differences.filter((difference) => !excused.includes(difference))).toEqual([]);
});
