import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { describe, expect, test } from 'vitest';
import { LimitError, UsageError } from '../../src/errors.ts';
import {
  type MessageDraft,
  compose,
  decodeHeader,
  encodeHeader,
  filePart,
  formatAddress,
  formatDate,
  multipart,
  parseAddresses,
  rawMessage,
  textPart,
} from '../../src/mime/index.ts';
import { encodeWords } from '../../src/mime/encoded-word.ts';
import { base64LinesLength, encodeBase64Lines, encodeBase64Stream } from '../../src/mime/encodings/base64.ts';
import { encodeQuotedPrintable } from '../../src/mime/encodings/quoted-printable.ts';
import { formatParameter } from '../../src/mime/content-type.ts';

const base: MessageDraft = { from: 'me@example.com', to: 'you@example.com' };
const bytesOf = async (draft: MessageDraft, options = {}): Promise<Buffer> =>
  Buffer.from(await compose(draft, options).bytes());
const textOf = async (draft: MessageDraft, options = {}): Promise<string> =>
  (await bytesOf(draft, options)).toString('utf8');
const headerOf = (text: string): string => text.slice(0, text.indexOf('\r\n\r\n') + 2);
const fieldsOf = (text: string): string[] =>
  headerOf(text)
    .replace(/\r\n(?=[ \t])/g, '')
    .split('\r\n')
    .filter(Boolean);
const field = (text: string, name: string): string | undefined =>
  fieldsOf(text)
    .find((each) => each.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    ?.slice(name.length + 1)
    .trim();
const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '',
    ' ',
    '=?utf-8?Q?x?=',
    'ÄÖÜ',
    '数据 letter',
    'x'.repeat(1200),
    '👩‍👩‍👧 family',
    '\ud800',
    'a"b\\c',
    'a,b;c:d<e>f@g',
  ),
);
const headerText = anyText.map((text) => text.replace(/[\u0000-\u001f\u007f]/g, ''));

describe('structure', () => {
  test('text alone, html alone, both, with images, with attachments', async () => {
    const html = '<p>hi <img src="cid:logo"></p>';
    const image = { content: Uint8Array.of(1, 2, 3), filename: 'l.png', cid: 'logo' };
    const shape = (text: string): string[] =>
      [...text.matchAll(/^Content-Type: ([^;\r]+)/gm)].map((match) => match[1] as string);
    expect(shape(await textOf({ ...base, text: 'hi' }))).toEqual(['text/plain']);
    expect(shape(await textOf({ ...base }))).toEqual(['text/plain']);
    expect(shape(await textOf({ ...base, html: '<p>' }))).toEqual(['text/html']);
    expect(shape(await textOf({ ...base, text: 'hi', html: '<p>' }))).toEqual([
      'multipart/alternative',
      'text/plain',
      'text/html',
    ]);
    expect(shape(await textOf({ ...base, html, attachments: [image] }))).toEqual([
      'multipart/related',
      'text/html',
      'image/png',
    ]);
    expect(
      shape(await textOf({ ...base, text: 'hi', html, attachments: [image, { content: 'x', filename: 'x.pdf' }] })),
    ).toEqual([
      'multipart/mixed',
      'multipart/alternative',
      'text/plain',
      'multipart/related',
      'text/html',
      'image/png',
      'application/pdf',
    ]);
    expect(shape(await textOf({ ...base, attachments: [{ content: 'x', filename: 'm.eml' }] }))).toEqual([
      'multipart/mixed',
      'application/octet-stream',
    ]);
  });

  test('bytes and stream are the same, and as long as was said', async () => {
    const path = file('data.bin', Buffer.alloc(200_000, 'abc'));
    const draft: MessageDraft = {
      ...base,
      text: 'ü'.repeat(500),
      html: '<b>x</b>',
      messageId: '<a@b>',
      date: new Date(0),
      attachments: [{ file: path }, { content: 'held' }],
    };
    for (const stable of [draft, { ...draft, text: 'plain' }]) {
      const composed = compose(stable, { boundary: (index) => `fixed${index}` });
      const bytes = await composed.bytes();
      const streamed = await composed.stream().bytes();
      expect(Buffer.from(streamed).equals(Buffer.from(bytes))).toBe(true);
      expect(composed.sizeBytes).toBe(bytes.length);
      expect(
        Buffer.from(await compose(stable, { boundary: (index) => `fixed${index}` }).bytes()).equals(Buffer.from(bytes)),
      ).toBe(true);
    }
    const web = composedWeb(compose(draft));
    expect((await new Response(web).arrayBuffer()).byteLength).toBe(compose(draft).sizeBytes);
  });

  test('a stream’s size is unknown, and it is read once', async () => {
    const composed = compose({
      ...base,
      attachments: [{ stream: Readable.from([Buffer.from('abc')]), filename: 's.bin' }],
    });
    expect(composed.sizeBytes).toBeUndefined();
    expect(Buffer.from(await composed.bytes()).toString()).toContain('YWJj');
    await expect(composed.bytes()).rejects.toThrow(/is a stream and was read already/);
  });

  test('part builders make any structure', async () => {
    const body = multipart(
      'mixed',
      [
        textPart('one'),
        multipart('parallel', [filePart({ content: 'x', filename: 'a.txt' }), textPart('<i>', { subtype: 'html' })], {
          boundary: 'inner',
        }),
      ],
      { boundary: 'outer' },
    );
    const parsed = await simpleParser(await bytesOf({ ...base, body }));
    expect(parsed.text?.trim()).toContain('one');
    expect(parsed.attachments[0]?.content.toString()).toBe('x');
    expect(() => multipart('mixed', [])).toThrow(UsageError);
    expect(() => compose({ ...base, text: 'x', body })).toThrow(/text cannot be given beside it/);
    expect(() => compose(base, { allowFile: false } as never)).toThrow(/did you mean allowFiles/);
    expect(() =>
      compose({ ...base, text: 'x', html: 'y', attachments: [{ content: 'z' }] }, { boundary: () => 'same' }),
    ).toThrow(/given twice/);
    expect(() => compose({ ...base, date: '2020' as never })).toThrow(UsageError);
    expect(
      await textOf({
        ...base,
        body: textPart('BEGIN:VCALENDAR', { subtype: 'calendar', parameters: { method: 'REQUEST' } }),
      }),
    ).toContain('text/calendar; charset=utf-8; method=REQUEST');
  });

  test('identity fields', async () => {
    const text = await textOf({
      ...base,
      inReplyTo: '<a@b>',
      references: ['<x@y>', 'z@w'],
      replyTo: 'r@example.com',
      sender: 's@example.com',
      cc: 'c@example.com',
    });
    expect(
      fieldsOf(text)
        .slice(0, 10)
        .map((each) => each.split(':')[0]),
    ).toEqual([
      'From',
      'Sender',
      'Reply-To',
      'To',
      'Cc',
      'Date',
      'Message-ID',
      'In-Reply-To',
      'References',
      'MIME-Version',
    ]);
    expect(field(text, 'References')).toBe('<x@y> <z@w>');
    expect(compose(base).messageId).toMatch(/^<[0-9a-f]{32}@example\.com>$/);
    expect(() => compose({ ...base, inReplyTo: 'no id' })).toThrow(UsageError);
    expect(() => compose({ ...base, from: 'a@b.example, c@d.example' })).toThrow(/sender must say who sends/);
    expect(() => compose({ to: 'a@b.example' })).toThrow(/from is missing/);
    expect(() => compose({ ...base, subjet: 'x' } as never)).toThrow(/did you mean subject/);
    expect(() => compose({ ...base, date: new Date(Number.NaN) })).toThrow(UsageError);
    expect(formatDate(new Date(Date.UTC(2026, 10, 7, 1, 2, 3)))).toBe('Sat, 07 Nov 2026 01:02:03 +0000');
  });

  test('groups', async () => {
    const composed = compose({
      ...base,
      to: { name: 'team', group: ['a@b.example', { name: 'Ü', address: 'c@d.example' }] },
      cc: 'undisclosed-recipients:;',
    });
    const text = Buffer.from(await composed.bytes()).toString();
    expect(field(text, 'To')).toBe('team: a@b.example, =?UTF-8?B?w5w=?= <c@d.example>;');
    expect(field(text, 'Cc')).toBe('undisclosed-recipients: ;');
    expect(composed.envelope.to).toEqual(['a@b.example', 'c@d.example']);
  });
});

function composedWeb(composed: ReturnType<typeof compose>): ReadableStream<Uint8Array> {
  return composed.stream().toWeb();
}

describe('headers', () => {
  test('MB-01: line breaks, NUL and controls are refused wherever text becomes a header', () => {
    for (const bad of ['a\r\nBcc: x@y.example', 'a\nb', 'a\rb', 'a\0b', 'a\u0001b', 'a\u007fb']) {
      const drafts: Record<string, unknown>[] = [
        { subject: bad },
        { messageId: `<${bad}@b>` },
        { references: `<${bad}@b>` },
        { inReplyTo: [`<${bad}@b>`] },
        { headers: { 'X-A': bad } },
        { headers: [['X-A', bad]] },
        { headers: { 'X-A': ['ok', bad] } },
        { attachments: [{ content: 'x', cid: bad }] },
        { attachments: [{ content: 'x', type: bad }] },
        { attachments: [{ content: 'x', headers: { 'X-B': bad } }] },
      ];
      for (const draft of drafts)
        expect(() => compose({ ...base, ...draft }), JSON.stringify(draft)).toThrow(UsageError);
    }
    for (const bad of ['a\r\nb', 'a\nb', 'a\0b'])
      for (const key of ['from', 'to', 'cc', 'bcc', 'replyTo', 'sender']) {
        for (const value of [
          `${bad} <a@b.example>`,
          `a@b.example${bad}`,
          { name: bad, address: 'a@b.example' },
          { name: 'x', address: `a${bad}@b.example` },
          { name: bad, group: [] },
        ]) {
          expect(() => compose({ ...base, [key]: value }), `${key} ${JSON.stringify(value)}`).toThrow(UsageError);
        }
      }
  });

  test('MB-01: no text can add a field (property)', async () => {
    await fc.assert(
      fc.asyncProperty(headerText, headerText, headerText, async (subject, name, custom) => {
        const text = await textOf({
          from: { name, address: 'me@example.com' },
          to: 'you@example.com',
          subject,
          headers: { 'X-Custom': custom },
          text: 'x',
        });
        expect(fieldsOf(text).map((each) => each.split(':')[0])).toEqual([
          'From',
          'To',
          'Subject',
          'Date',
          'Message-ID',
          'X-Custom',
          'MIME-Version',
          'Content-Type',
          'Content-Transfer-Encoding',
        ]);
        for (const line of headerOf(text).split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
        expect(decodeHeader(field(text, 'Subject') as string)).toBe(
          subject.toWellFormed().trim() === subject.toWellFormed()
            ? subject.toWellFormed()
            : decodeHeader(field(text, 'Subject') as string),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('MB-02: names are tokens', () => {
    for (const bad of ['X: a\r\nBcc', '', 'X Y', 'X:', 'Ü', 'X\0', 'x'.repeat(300)])
      expect(() => compose({ ...base, headers: [[bad, 'v']] }), bad).toThrow(UsageError);
    for (const own of [
      'Bcc',
      'bcc',
      'Content-Type',
      'Resent-Bcc',
      'Return-Path',
      'Content-ID',
      'MIME-Version',
      'From',
      'subject',
      'Date',
    ])
      expect(() => compose({ ...base, headers: { [own]: 'x' } }), own).toThrow(/is set by the option|cannot be given/);
  });

  test('MB-03: every option that ends in a header', async () => {
    const bad = 'a\r\nX-Evil: 1';
    const options: Partial<MessageDraft>[] = [
      { from: bad },
      { sender: bad },
      { replyTo: bad },
      { to: bad },
      { cc: bad },
      { bcc: bad },
      { subject: bad },
      { headers: { 'X-A': bad } },
      { inReplyTo: bad },
      { references: bad },
      { messageId: bad },
      { envelope: { from: bad } },
      { envelope: { to: bad } },
      { encoding: bad as never },
      { text: 'x', attachments: [{ content: 'x', type: bad }] },
      { attachments: [{ content: 'x', cid: bad }] },
      { attachments: [{ content: 'x', disposition: bad as never }] },
      { attachments: [{ content: 'x', headers: { [bad]: 'x' } }] },
    ];
    for (const option of options)
      expect(() => compose({ ...base, text: 'x', ...option }), JSON.stringify(option)).toThrow(UsageError);
    expect(() => textPart('x', { subtype: bad })).toThrow(UsageError);
    expect(() => textPart('x', { parameters: { method: bad } })).toThrow(UsageError);
    expect(() => textPart('x', { parameters: { [bad]: 'x' } })).toThrow(UsageError);
    expect(() => multipart(bad, [textPart('x')])).toThrow(UsageError);
    expect(() => multipart('mixed', [textPart('x')], { boundary: bad })).toThrow(UsageError);
    expect(await textOf({ ...base, attachments: [{ content: 'x', filename: bad }] })).not.toMatch(/^X-Evil/m);
  });

  test('MB-06: encoded-words are whole, short, and lose nothing', () => {
    fc.assert(
      fc.property(headerText, (text) => {
        const words = encodeWords(text);
        for (const word of words) {
          expect(word.length).toBeLessThanOrEqual(75);
          expect(decodeHeader(word)).not.toContain('\ufffd'.repeat(2));
        }
        expect(words.map((word) => decodeHeader(word)).join('')).toBe(text.toWellFormed());
        expect(decodeHeader(words.join(' '))).toBe(text.toWellFormed());
      }),
      { numRuns: 500 },
    );
    for (let offset = 0; offset < 100; offset++)
      expect(decodeHeader(encodeHeader(`${'a'.repeat(offset)}😀é${'b'.repeat(50)}`))).toBe(
        `${'a'.repeat(offset)}😀é${'b'.repeat(50)}`,
      );
    expect(decodeHeader(encodeHeader('x\ud800y'))).toBe('x\ufffdy');
    expect(encodeHeader('plain text')).toBe('plain text');
    expect(decodeHeader(encodeHeader('=?utf-8?Q?not?='))).toBe('=?utf-8?Q?not?=');
    expect(decodeHeader(encodeHeader('w'.repeat(10_000)))).toBe('w'.repeat(10_000));
  });

  test('MB-05: file names, in both forms, read by other software', async () => {
    const names = [
      'a"; name="x',
      'a\\b',
      'tab\there',
      'cr\r\nlf.txt',
      'del\u007f.txt',
      `${'long'.repeat(75)}.txt`,
      '😀 emoji.png',
      '汇总数据.xlsx',
      'ünï.txt',
      "it's.txt",
      'a;b=c.txt',
      'a%20b.txt',
      'x*y.txt',
      ' space .txt',
      'a,b (c).txt',
      "utf-8''x.txt",
      ' lead trail ',
    ];
    for (const filename of names) {
      const text = await textOf({ ...base, text: 'x', attachments: [{ content: 'data', filename }] });
      const parsed = await simpleParser(text);
      expect(parsed.attachments[0]?.filename, filename).toBe(filename.replace(/[\r\n]/g, ''));
      for (const line of text.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
    }
    expect(formatParameter('filename', 'ü'.repeat(40))).toMatch(
      /^; filename\*0\*=utf-8''(%C3%BC){10}; filename\*1\*=(%C3%BC){10}/,
    );
  });
});

describe('addresses', () => {
  test('MB-04: what is written is read back as the same one address (property)', () => {
    const local = fc.constantFrom('me', 'a.b+c', '"quoted local"', '"a@b"', "o'neil");
    fc.assert(
      fc.property(headerText, local, (name, part) => {
        const address = `${part}@example.com`;
        const written = formatAddress({ name, address });
        const [read, ...rest] = parseAddresses(written, { strict: true });
        expect(rest).toEqual([]);
        expect(read?.address).toBe(address);
        expect(
          decodeHeader(read?.name ?? '')
            .trim()
            .replace(/\s+/g, ' '),
        ).toBe(name.toWellFormed().trim().replace(/\s+/g, ' '));
      }),
      { numRuns: 500 },
    );
    for (const bad of ['a@b,c', 'a@b;c', 'a b@c', '<a@b>', 'a@b@c'])
      expect(() => formatAddress({ address: bad })).toThrow(UsageError);
  });

  test.each([
    ['a@b.example', [{ name: '', address: 'a@b.example' }]],
    [
      'Ann <a@b.example>, "Doe, J." <j@c.example>',
      [
        { name: 'Ann', address: 'a@b.example' },
        { name: 'Doe, J.', address: 'j@c.example' },
      ],
    ],
    ['a@b.example (Ann (nested) Smith)', [{ name: 'Ann (nested) Smith', address: 'a@b.example' }]],
    ['(x@evil.example) good@d.example', [{ name: 'x@evil.example', address: 'good@d.example' }]],
    [
      'team: a@b.example, Bob <c@d.example>;, e@f.example',
      [
        {
          name: 'team',
          address: '',
          group: [
            { name: '', address: 'a@b.example' },
            { name: 'Bob', address: 'c@d.example' },
          ],
        },
        { name: '', address: 'e@f.example' },
      ],
    ],
    ['none:;', [{ name: 'none', address: '', group: [] }]],
    ['<@route.example,@other.example:a@b.example>', [{ name: '', address: 'a@b.example' }]],
    ['"x@evil.com y"@good.com', [{ name: '', address: '"x@evil.com y"@good.com' }]],
    ['a@[IPv6:::1]', [{ name: '', address: 'a@[IPv6:::1]' }]],
    ['John "the \\"man\\"" Doe <j@d.example>', [{ name: 'John the "man" Doe', address: 'j@d.example' }]],
    [
      '=?utf-8?B?dGVzdEBldmlsLmNv?= <real@good.example>',
      [{ name: '=?utf-8?B?dGVzdEBldmlsLmNv?=', address: 'real@good.example' }],
    ],
    ['', []],
    [' , ,', []],
  ])('%s', (text, expected) => expect(parseAddresses(text, { strict: true })).toEqual(expected));

  test.each([
    'a@evil@good',
    'alice@x(<bob@y>',
    '<a@b>c@d',
    '<a@b> <c@d>',
    '"a"@evil.com"@good.com',
    'name only',
    '<a@b',
    '"open <a@b.example>',
    'a b@c.example',
    'x: y: z@a.example;',
    'a@b.example; c@d.example',
    'name <>',
  ])('MP-24 strict refuses %j', (text) => expect(() => parseAddresses(text, { strict: true })).toThrow(UsageError));

  test('lenient never throws, and never takes an address from quoted text or a name', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('"', '\\', '(', ')', '<', '>', ',', ';', ':', '@', '[', ']', ' ', 'a', 'b', '.'),
        }),
        (text) => void parseAddresses(text),
      ),
      { numRuns: 2000 },
    );
    expect(parseAddresses('"a@evil.example" <b@good.example>')[0]?.address).toBe('b@good.example');
    expect(parseAddresses('a@evil@good')[0]?.address).toBe('');
  });

  test('the common forms are read as the whole grammar reads them', () => {
    const plain = ['a', "o'n", 'B.c', '-', '"x y"', '" z"', ' ', '  ', '>', '@', 'a@b', 'd.example', '.', ',', ':'];
    const odd = [';', '(c)', '=?', '<a@b.example>', '<.a@b>', '<a b@c>', '<@r:a@b>', '<>', '<a@-b>'];
    const piece = fc.constantFrom(...plain, ...odd);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const text = pieces.join('');
        // An empty comment at the end of each part keeps the short way from being taken, and says nothing.
        const long = text.replace(/,|$/g, '()$&');
        expect(parseAddresses(text)).toEqual(parseAddresses(long));
      }),
      { numRuns: 5000 },
    );
  });

  test('MP-27: hostile shapes cost linear time', () => {
    for (const shape of ['(', '<', '"', ',', 'g:', '[', '\\', 'a@b.example,', '<a@b>,', '((a))']) {
      const cost = (count: number): number => {
        const started = process.hrtime.bigint();
        parseAddresses(shape.repeat(count));
        return Number(process.hrtime.bigint() - started);
      };
      cost(1000);
      // Quadratic cost would be 10,000 times as much; noise is not.
      expect(cost(100_000) / Math.max(cost(1000), 50_000)).toBeLessThan(1500);
    }
  });

  test('IDN domains become A-labels, in the header and the envelope', async () => {
    const composed = compose({ from: 'me@bücher.example', to: 'Ä <you@例え.example>' });
    expect(composed.envelope).toEqual({ from: 'me@xn--bcher-kva.example', to: ['you@xn--r8jz45g.example'] });
    expect(composed.needsSmtpUtf8).toBe(false);
    expect(compose({ from: '用户@example.com', to: 'a@b.example' }).needsSmtpUtf8).toBe(true);
  });
});

describe('envelope', () => {
  test('MB-10: Bcc is in the envelope and never in the message', async () => {
    const composed = compose({
      ...base,
      cc: 'c@example.com',
      bcc: ['Secret <s@example.com>', 'you@example.com'],
      text: 'x',
    });
    expect(composed.envelope).toEqual({
      from: 'me@example.com',
      to: ['you@example.com', 'c@example.com', 's@example.com'],
    });
    expect(Buffer.from(await composed.bytes()).toString()).not.toMatch(/bcc|s@example/i);
    expect(compose({ ...base, sender: 'bounce@example.com' }).envelope.from).toBe('bounce@example.com');
    expect(compose({ ...base, envelope: { from: '', to: 'x@y.example' } }).envelope).toEqual({
      from: '',
      to: ['x@y.example'],
    });
  });

  test('MB-10: a raw message loses its Bcc, at any chunking, and nothing else', async () => {
    const raw =
      'From: a@b.example\r\nbcc: x@y.example,\r\n z@w.example\r\nBcc : q@r.example\r\nBcc-Not: stays\r\nTo: c@d.example\r\nBCC:\r\nResent-Bcc: h@i.example\r\n\r\nBcc: in the body stays\r\n';
    const wanted = 'From: a@b.example\r\nBcc-Not: stays\r\nTo: c@d.example\r\n\r\nBcc: in the body stays\r\n';
    for (let at = 1; at < raw.length; at++) {
      const stream = (async function* () {
        yield Buffer.from(raw.slice(0, at));
        yield Buffer.from(raw.slice(at));
      })();
      expect(await (await rawMessage({ stream })).stream().text()).toBe(wanted);
    }
    expect(await (await rawMessage({ content: 'Bcc: only\n\nbody' })).stream().text()).toBe('\nbody');
    expect(await (await rawMessage({ content: 'Subject: no end' })).stream().text()).toBe('Subject: no end');
    await expect(rawMessage({ content: '' })).rejects.toThrow(UsageError);
    await expect(rawMessage({ content: 'x'.repeat(3_000_000) })).rejects.toThrow(LimitError);
  });
});

describe('encodings', () => {
  test('MB-07: the encoding is chosen by content, and no line is too long', async () => {
    const cases: [string, string][] = [
      ['plain\r\ntext\n', '7bit'],
      ['ünïcödé with mostly ascii text around it, as in a letter', 'quoted-printable'],
      ['数据数据数据', 'base64'],
      [`${'x'.repeat(998)}`, '7bit'],
      [`${'x'.repeat(999)}`, 'quoted-printable'],
      ['trailing space \r\n', 'quoted-printable'],
      ['From here on\r\n', 'quoted-printable'],
      ['bare\rcr', 'quoted-printable'],
      ['nul\0 in a longer text', 'quoted-printable'],
    ];
    for (const [text, encoding] of cases) {
      const message = await textOf({ ...base, text });
      expect(field(message, 'Content-Transfer-Encoding'), JSON.stringify(text.slice(0, 30))).toBe(encoding);
      for (const line of message.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
      expect(message.replace(/\r\n/g, '')).not.toMatch(/[\r\n]/);
      const parsed = await simpleParser(message);
      if (!text.includes('\0') && !text.includes('\r'))
        expect(parsed.text?.replace(/\r\n/g, '\n').trimEnd()).toBe(text.replace(/\r\n/g, '\n').trimEnd());
    }
    expect(await textOf({ ...base, text: 'ü', encoding: '8bit' })).toMatch(/8bit\r\n\r\nü$/);
    expect(() => compose({ ...base, text: 'ü', encoding: '7bit' })).toThrow(UsageError);
  });

  test('MB-08: base64, every size by every chunk size', async () => {
    for (let size = 0; size <= 200; size += 1) {
      const data = Buffer.from(Array.from({ length: size }, (_, index) => (index * 7 + size) & 255));
      const whole = Buffer.from(encodeBase64Lines(data));
      expect(whole.length).toBe(base64LinesLength(size));
      expect(Buffer.from(whole.toString(), 'base64').equals(data)).toBe(true);
      expect(
        whole
          .toString()
          .split('\r\n')
          .every((line) => line.length <= 76),
      ).toBe(true);
      for (const chunk of [1, 2, 3, 5, 19, 56, 57, 58, 64]) {
        const pieces: Uint8Array[] = [];
        const scratch = new Uint8Array(chunk);
        const source = (async function* () {
          for (let at = 0; at < size; at += chunk) {
            const length = data.copy(scratch, 0, at, at + chunk);
            // The same memory each time: the encoder must copy what it keeps.
            yield scratch.subarray(0, length);
          }
        })();
        for await (const piece of encodeBase64Stream(source)) pieces.push(piece);
        expect(Buffer.concat(pieces).equals(whole)).toBe(true);
      }
    }
  });

  test('MB-08: quoted-printable comes back equal and keeps its lines (property)', () => {
    const decode = (text: string): string =>
      text
        .replace(/=\r\n/g, '')
        .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', ' ', '\t', '\r\n', '=', 'ü', '数', '.', 'From ', '\0', '\r', 'x'.repeat(70)),
      maxLength: 120,
    });
    fc.assert(
      fc.property(text, (input) => {
        const encoded = Buffer.from(encodeQuotedPrintable(input)).toString('latin1');
        for (const line of encoded.split('\r\n')) {
          expect(line.length).toBeLessThanOrEqual(76);
          expect(line).not.toMatch(/[ \t]$|^From |^\./);
        }
        expect(encoded).toMatch(/^[\x20-\x7e\r\n\t]*$/);
        expect(Buffer.from(decode(encoded), 'latin1').toString()).toBe(input.toWellFormed());
      }),
      { numRuns: 1000 },
    );
    expect(Buffer.from(encodeQuotedPrintable('a\nb')).toString()).toBe('a\r\nb');
  });

  test('MB-09: boundaries and ids are random, long, and cannot be in an encoded body', () => {
    const seen = new Set<string>();
    for (let round = 0; round < 10_000; round++) seen.add(compose(base).messageId);
    expect(seen.size).toBe(10_000);
    const boundary = (multipart('mixed', [textPart('x')]).body as { boundary: string }).boundary;
    expect(boundary).toMatch(/^=_[0-9a-f]{32}$/);
    expect(Buffer.from(encodeQuotedPrintable(boundary)).toString()).not.toContain(boundary);
  });
});

describe('what a message reads', () => {
  test('MB-11: files and URLs only from their own keys, and not at all where they are forbidden', async () => {
    const path = file('private.txt', 'hidden value');
    const hostile = JSON.parse(
      JSON.stringify({
        ...base,
        text: path,
        html: `<img src="file://${path}">`,
        attachments: [{ content: path, filename: path }],
      }),
    ) as MessageDraft;
    expect(await textOf(hostile)).not.toContain(Buffer.from('hidden value').toString('base64'));
    expect(() => compose({ ...base, attachments: [{ path } as never] })).toThrow(/no option path.*\(use file\)/);
    expect(() => compose({ ...base, attachments: [{ href: 'http://x' } as never] })).toThrow(/use url/);
    expect(() => compose({ ...base, attachments: [{ file: path }] }, { allowFiles: false })).toThrow(
      expect.objectContaining({ reason: 'FILE_ACCESS' }) as Error,
    );
    expect(() => compose({ ...base, attachments: [{ url: 'http://127.0.0.1/' }] }, { allowUrls: false })).toThrow(
      expect.objectContaining({ reason: 'URL_ACCESS' }) as Error,
    );
    expect(() => compose({ ...base, attachments: [{ url: 'file:///etc/passwd' }] })).toThrow(/only http: and https:/);
    expect(() => compose({ ...base, attachments: [{ url: 'data:text/plain,x' }] })).toThrow(UsageError);
    expect(() => compose({ ...base, attachments: [{ content: 'x', file: path }] })).toThrow(/it has content and file/);
    expect(() => compose({ ...base, attachments: [{}] })).toThrow(/it has none/);
  });

  test('MB-12: a URL is fetched, with a cap, and its failures are explained', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/ok.bin') response.end(Buffer.alloc(1000, 'x'));
      else if (request.url === '/big') response.end(Buffer.alloc(200_000));
      else if (request.url === '/file') response.writeHead(302, { location: 'file:///etc/passwd' }).end();
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = (path: string): string => `http://127.0.0.1:${(server.address() as { port: number }).port}${path}`;
    const parsed = await simpleParser(await bytesOf({ ...base, attachments: [{ url: url('/ok.bin') }] }));
    expect(parsed.attachments[0]?.filename).toBe('ok.bin');
    expect(parsed.attachments[0]?.size).toBe(1000);
    await expect(bytesOf({ ...base, attachments: [{ url: url('/big') }] }, { maxUrlBytes: 100_000 })).rejects.toThrow(
      LimitError,
    );
    await expect(bytesOf({ ...base, attachments: [{ url: url('/none') }] })).rejects.toThrow(/404/);
    await expect(bytesOf({ ...base, attachments: [{ url: url('/file') }] })).rejects.toThrow(UsageError);
    await expect(bytesOf({ ...base, attachments: [{ url: 'http://127.0.0.1:1/' }] })).rejects.toThrow(
      /cannot be fetched/,
    );
    server.closeAllConnections();
    server.close();
  });

  test('MB-13: only own strings count', () => {
    const evil = { toString: () => 'x\r\nBcc: a@b.example' };
    for (const draft of [
      { subject: evil },
      { from: evil },
      { to: [evil] },
      { text: evil },
      { headers: { X: evil } },
      { headers: { X: [['a', 'b']] } },
      { messageId: evil },
      { attachments: [{ content: evil }] },
      { attachments: [{ content: 'x', filename: evil }] },
      { attachments: evil },
    ]) {
      expect(() => compose({ ...base, ...draft } as never), JSON.stringify(draft)).toThrow(UsageError);
    }
    expect(() =>
      compose(
        JSON.parse('{"from":"a@b.example","to":"c@d.example","__proto__":{"bcc":"x@y.example"}}') as MessageDraft,
      ),
    ).toThrow(UsageError);
    expect(({} as { bcc?: string }).bcc).toBeUndefined();
  });

  test('MB-14: a missing file, a late failure, a wrong type; the other sources are let go', async () => {
    expect(() => compose({ ...base, attachments: [{ file: '/no/such/file.pdf' }] })).toThrow(
      /attachment file.pdf cannot be read: no such file/,
    );
    expect(() => compose({ ...base, attachments: [{ file: folder }] })).toThrow(/it is not a file/);
    for (const content of [5, Symbol('x'), null, {}])
      expect(() => compose({ ...base, attachments: [{ content } as never] })).toThrow(UsageError);
    const other = new PassThrough();
    const failing = new Readable({
      read() {
        this.destroy(new Error('late failure'));
      },
    });
    await expect(
      bytesOf({
        ...base,
        attachments: [
          { stream: failing, filename: 'a' },
          { stream: other, filename: 'b' },
        ],
      }),
    ).rejects.toThrow('late failure');
    expect(other.destroyed).toBe(true);
    const early = new PassThrough();
    const composed = compose({ ...base, attachments: [{ stream: early, filename: 'b' }] });
    for await (const _chunk of composed.stream()) break;
    expect(early.destroyed).toBe(true);
    await expect(
      bytesOf({ ...base, attachments: [{ stream: Readable.from([5 as never]), filename: 'a' }] }),
    ).rejects.toThrow(UsageError);
    if (process.getuid?.() !== 0) {
      const locked = file('locked', 'x');
      chmodSync(locked, 0);
      expect(() => compose({ ...base, attachments: [{ file: locked }] })).toThrow(/permission denied/);
    }
  });

  test('a file that changes its length while it is sent is an error', async () => {
    const path = file('changing.bin', Buffer.alloc(300_000));
    for (const size of [200_000, 400_000]) {
      writeFileSync(path, Buffer.alloc(300_000));
      const composed = compose({ ...base, attachments: [{ file: path }] });
      writeFileSync(path, Buffer.alloc(size));
      await expect(composed.bytes()).rejects.toThrow(/became (shorter|longer) while it was being read/);
    }
  });

  test('images must be shown, and shown images attached', () => {
    const image = { content: 'x', filename: 'a.png', cid: 'a' };
    expect(() => compose({ ...base, html: '<img src="cid:a">' })).toThrow(
      /the html shows cid:a, and no attachment has that cid/,
    );
    expect(() => compose({ ...base, html: '<p>', attachments: [image] })).toThrow(/is not shown by the html/);
    expect(() => compose({ ...base, text: 'x', attachments: [image] })).toThrow(/is not shown/);
    expect(() => compose({ ...base, html: "<a style='background:url(cid:a)'>", attachments: [image, image] })).toThrow(
      /same cid/,
    );
    compose({ ...base, html: "<img src=cid:a><img src='cid:%61'>", attachments: [image] });
    compose({ ...base, html: 'the word cid:none in text', text: 'x' });
  });
});
