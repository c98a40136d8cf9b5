import { readFileSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { createTransport } from 'nodemailer';
import { expect, test } from 'vitest';
import {
  baseSubject,
  bounce,
  compose,
  decodeYenc,
  deliveryStatus,
  dispositionNotification,
  dkimSignatures,
  feedbackReport,
  joinPartial,
  parse,
  parseSync,
  readParts,
} from '../../src/mime/index.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const lines = (...given: readonly string[]): string => given.join('\r\n');
const read = (...given: readonly string[]) => parseSync(lines(...given));
const fixture = (name: string): Buffer => readFileSync(`test/fixtures/mime/${name}.eml`);
const fixtures = readdirSync('test/fixtures/mime').filter((name) => name.endsWith('.eml'));

test('the view of an ordinary message', () => {
  const mail = read(
    'Received: from client (host [192.0.2.1]) by mx.example.com (Postfix)',
    ' with ESMTPS id 4X for <you@example.com>; Mon, 1 Jan 2024 10:00:01 +0000',
    'Authentication-Results: mx.example.com; dkim=pass (good) header.d=example.com; spf=fail reason="not listed"',
    ' smtp.mailfrom=me@example.com',
    'From: "Doe, J." <me@example.com>',
    'Sender: office@example.com',
    'To: =?utf-8?B?546L5aSn6ZSk?= <you@example.com>, b@example.com',
    'Subject: Re: [list] Hello',
    'Date: Mon, 1 Jan 2024 10:00:00 +0000',
    'Message-ID: <1@example.com>',
    'In-Reply-To: <0@example.com>',
    'References: <a@example.com> <0@example.com>',
    'List-Id: "The list" <list.example.com>',
    'List-Unsubscribe: <https://example.com/u>, <mailto:leave%40x@example.com?subject=no>',
    'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    'Importance: High',
    'Auto-Submitted: auto-generated',
    '',
    'Hello',
  );
  expect(mail.from).toEqual([{ name: 'Doe, J.', address: 'me@example.com' }]);
  expect(mail.sender).toEqual([{ name: '', address: 'office@example.com' }]);
  expect(mail.to[0]).toEqual({ name: '王大锤', address: 'you@example.com' });
  expect([mail.cc, mail.bcc, mail.replyTo]).toEqual([[], [], []]);
  expect(mail.baseSubject).toEqual({ text: 'Hello', isReplyOrForward: true });
  expect(mail.date?.toISOString()).toBe('2024-01-01T10:00:00.000Z');
  expect([mail.messageId, mail.inReplyTo, mail.references]).toEqual([
    '<1@example.com>',
    ['<0@example.com>'],
    ['<a@example.com>', '<0@example.com>'],
  ]);
  expect(mail.received[0]).toEqual({
    from: 'client',
    fromInfo: 'host [192.0.2.1]',
    by: 'mx.example.com',
    via: undefined,
    with: 'ESMTPS',
    id: '4X',
    for: 'you@example.com',
    date: new Date('2024-01-01T10:00:01Z'),
  });
  expect(mail.authenticationResults[0]?.server).toBe('mx.example.com');
  expect(mail.authenticationResults[0]?.results.map(({ method, result }) => `${method}=${result}`)).toEqual([
    'dkim=pass',
    'spf=fail',
  ]);
  expect(mail.authenticationResults[0]?.results[1]?.reason).toBe('not listed');
  expect(mail.list).toMatchObject({ id: 'list.example.com', name: 'The list', oneClick: true });
  expect(mail.list.unsubscribe).toMatchObject({ url: 'https://example.com/u', mail: 'leave@x@example.com' });
  expect([mail.priority, mail.autoSubmitted]).toEqual(['high', 'auto-generated']);
  expect(mail.text).toBe('Hello');
  expect(mail.html).toBeUndefined();
  expect(mail.preview()).toBe('Hello');
  expect(mail.htmlFromText()).toBe('<p>Hello</p>');
  expect(mail.defects).toEqual([]);
});

test('header fields keep their order, duplicates, folds and bytes', () => {
  const text = 'A: 1\r\nb:two\r\n words\r\nA : 3\r\n\r\nx';
  const mail = parseSync(text);
  expect([...mail.headers].map(({ name, value, offset }) => [name, value, offset])).toEqual([
    ['A', '1', 0],
    ['b', 'two words', 6],
    ['A', '3', 21],
  ]);
  expect(textOf(mail.headers.field('B')?.bytes as Uint8Array)).toBe('b:two\r\n words\r\n');
  expect(textOf(mail.headers.bytes) + mail.text).toBe(text);
  expect(parseSync('Subject: grüße\n\n').subject).toBe('grüße');
  expect(parseSync(bytesOf('Subject: gr\u00fc\u00dfe\n\n')).subject).toBe('grüße');
});

test.each(fixtures)('reading then writing %s is the identity, and its parts tile it', (name) => {
  const bytes = readFileSync(`test/fixtures/mime/${name}`);
  const mail = parseSync(bytes);
  expect(Buffer.compare(mail.bytes, bytes)).toBe(0);
  for (const part of mail.root.walk()) {
    expect(textOf(part.headers.bytes) + textOf(part.encodedBody)).toBe(textOf(part.raw));
    let at = part.bodyOffset;
    for (const child of part.parts) {
      expect(child.offset).toBeGreaterThanOrEqual(at);
      at = child.endOffset;
    }
    expect(at).toBeLessThanOrEqual(part.endOffset);
  }
});

test.each(fixtures)('%s is the same streamed in pieces and at every truncation of its start', async (name) => {
  const bytes = readFileSync(`test/fixtures/mime/${name}`);
  const expected = [...parseSync(bytes).root.walk()]
    .filter(({ kind }) => kind === 'leaf')
    .map((part) => [part.path, part.offset, textOf(part.bytes())]);
  for (const size of [1, 7, 1000]) {
    if (size === 1 && bytes.length > 10_000) continue;
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const parts: unknown[] = [];
    for await (const part of readParts(chunks)) parts.push([part.path, part.offset, textOf(await part.bytes())]);
    expect(parts).toEqual(expected);
  }
  const step = Math.ceil(bytes.length / 300);
  for (let end = 0; end < bytes.length; end += step) parseSync(bytes.subarray(0, end)).decodeAll();
});

test('parameters: comments, quotes, encoded-words, raw UTF-8', () => {
  const name = (field: string) => read(`Content-Disposition: attachment; ${field}`, '', '').attachments[0]?.filename;
  expect(name('filename="a \\"b\\".txt"')).toBe('a "b".txt');
  expect(name('filename=(comment)a.txt (more)')).toBe('a.txt');
  expect(name('filename="=?utf-8?B?w6Q=?=.txt"')).toBe('ä.txt');
  expect(name('filename="ä.txt"')).toBe('ä.txt');
  expect(name('filename=a b.txt')).toBe('a b.txt');
  expect(name("filename*0*=utf-8''%c3; filename*1*=%a4; filename*2=.txt")).toBe('ä.txt');
  expect(read('Content-Type: text/html (a comment); charset=(x)utf-8', '', 'x').html).toBe('x');
  expect(read('Content-Transfer-Encoding: (c) base64 (d)', '', 'aGk=').text).toBe('hi');
});

test('multipart: alternative, related, digest, a message inside', () => {
  const mail = read(
    'Content-Type: multipart/mixed; boundary=m',
    '',
    '--m',
    'Content-Type: multipart/related; boundary=r',
    '',
    '--r',
    'Content-Type: multipart/alternative; boundary=a',
    '',
    '--a',
    '',
    'plain',
    '--a',
    'Content-Type: text/html',
    '',
    '<img src="cid:x@y">',
    '--a',
    'Content-Type: text/calendar; method=request',
    '',
    'BEGIN:VCALENDAR',
    '--a--',
    '--r',
    'Content-Type: image/png',
    'Content-ID: <x@y>',
    '',
    'png',
    '--r--',
    '--m',
    'Content-Type: multipart/digest; boundary=d',
    '',
    '--d',
    '',
    'Subject: one',
    '',
    'first',
    '--d',
    'Content-Type: text/plain',
    'Content-Disposition: attachment; filename=note.txt',
    '',
    'note',
    '--d--',
    '--m--',
  );
  expect([mail.text, mail.html]).toEqual(['plain', '<img src="cid:x@y">']);
  expect(mail.inline.map(({ contentId }) => contentId)).toEqual(['x@y']);
  expect(mail.calendar.map(({ method, text }) => [method, text])).toEqual([['REQUEST', 'BEGIN:VCALENDAR']]);
  expect(mail.attachments.map(({ contentType, safeName }) => [contentType, safeName])).toEqual([
    ['text/calendar', 'attachment-1.1.3'],
    ['message/rfc822', 'attachment-2.1.eml'],
    ['text/plain', 'note.txt'],
  ]);
  expect(mail.messages.map(({ subject, text }) => [subject, text])).toEqual([['one', 'first']]);
});

test('uuencode and yEnc, as encodings and in the text', () => {
  expect(read('Content-Transfer-Encoding: x-uuencode', '', 'begin 644 cat.txt', '#0V%T', '`', 'end').text).toBe('Cat');
  const mail = read('Subject: x', '', 'look:', 'begin 644 cat.txt', '#0V%T', '`', 'end', '');
  expect(mail.attachments.map((file) => [file.filename, file.text()])).toEqual([['cat.txt', 'Cat']]);
  const data = Uint8Array.from('Cat', (character) => character.charCodeAt(0) + 42);
  const block = `=ybegin line=128 size=3 name=cat.txt\r\n${textOf(data)}\r\n=yend size=3 crc32=ad93a41e\r\n`;
  const heard: string[] = [];
  const { filename, bytes } = decodeYenc(bytesOf(block), (code) => heard.push(code));
  expect([filename, textOf(bytes)]).toEqual(['cat.txt', 'Cat']);
  const crc = decodeYenc(bytesOf(block.replace('ad93a41e', '00000000')), (code) => heard.push(code));
  expect(textOf(crc.bytes)).toBe('Cat');
  expect(heard).toContain('yenc-invalid');
});

test('format=flowed is undone in the text', () => {
  const mail = read('Content-Type: text/plain; format=flowed; delsp=yes', '', '> quo ', '> ted', 'own ', 'text', '');
  expect(mail.text).toBe('> quoted\nowntext\n');
});

test.each([
  ['Re: a', 'a', true],
  ['RE[2]: a', 'a', true],
  ['Fwd: Re: [x] a (fwd)', 'a', true],
  ['[x] a', 'a', false],
  ['[x]', '[x]', false],
  ['[Fwd: a]', 'a', true],
  ['AW: a', 'a', true],
  ['regarding: a', 'regarding: a', false],
])('base subject of %s', (subject, text, isReplyOrForward) => {
  expect(baseSubject(subject)).toEqual({ text, isReplyOrForward });
});

test('a delivery status, a complaint and a receipt are typed', () => {
  const status = deliveryStatus(parseSync(fixture('postal-mime-bounce')));
  expect(status?.recipients.length).toBeGreaterThan(0);
  expect(status?.recipients[0]).toMatchObject({ action: 'failed' });
  const failed = bounce(parseSync(fixture('mailparser-delivery-status')));
  expect(failed).toMatchObject({ kind: 'standard' });
  expect(failed?.recipients[0]).toMatchObject({ action: 'failed' });
  expect(failed?.recipients[0]?.status).toMatch(/^5\./);
  expect(feedbackReport(parseSync(fixture('postal-mime-arf')))).toMatchObject({ feedbackType: 'abuse' });
  const receipt = read(
    'Content-Type: multipart/report; report-type=disposition-notification; boundary=b',
    '',
    '--b',
    'Content-Type: message/disposition-notification',
    '',
    'Final-Recipient: rfc822; a@example.com',
    'Original-Message-ID: <1@example.com>',
    'Disposition: manual-action/MDN-sent-manually; displayed',
    '--b--',
  );
  expect(dispositionNotification(receipt)).toMatchObject({
    finalRecipient: 'a@example.com',
    originalMessageId: '<1@example.com>',
    type: 'displayed',
  });
  expect(bounce(receipt)).toBeUndefined();
});

test('bounces that follow no standard', () => {
  const qmail = read(
    'From: MAILER-DAEMON@example.com',
    'Subject: failure notice',
    '',
    'Hi. This is the qmail-send program.',
    '',
    '<gone@example.org>:',
    '192.0.2.1 does not like recipient.',
    'Remote host said: 550 5.1.1 no such user',
    '',
    '--- Below this line is a copy of the message.',
    '',
    'Message-ID: <orig@example.com>',
    'other@example.com',
  );
  expect(bounce(qmail)).toEqual({
    kind: 'text',
    recipients: [
      { recipient: 'gone@example.org', action: 'failed', status: '5.1.1', diagnostic: '550 5.1.1 no such user' },
    ],
    originalMessageId: '<orig@example.com>',
  });
  const exim = read(
    'From: Mail Delivery System <Mailer-Daemon@example.com>',
    'Subject: Mail delivery failed: returning message to sender',
    'X-Failed-Recipients: gone@example.org',
    '',
    '  gone@example.org',
    '    host mx.example.org: 552 mailbox full',
  );
  expect(bounce(exim)?.recipients).toEqual([
    { recipient: 'gone@example.org', action: 'failed', status: '5.0.0', diagnostic: '552 mailbox full' },
  ]);
  expect(bounce(read('From: friend@example.com', 'Subject: Undeliverable joke', '', 'a@b.example'))).toBeUndefined();
});

test('message/partial is joined, whatever the order', () => {
  const part = (number: number, body: readonly string[]) =>
    read(
      'From: a@example.com',
      `Subject: part ${number}`,
      'Message-ID: <x@example.com>',
      `Content-Type: message/partial; id="abc"; number=${number}; total=2`,
      '',
      ...body,
    );
  const mail = joinPartial([
    part(2, ['second half']),
    part(1, ['Subject: whole', 'Message-ID: <inner@example.com>', 'Content-Type: text/plain', '', 'first half ', '']),
  ]);
  expect(mail).toMatchObject({ subject: 'whole', messageId: '<inner@example.com>', text: 'first half \nsecond half' });
  expect(mail.from[0]?.address).toBe('a@example.com');
  expect(() => joinPartial([part(1, [''])])).toThrow(/fragment 2 of 2 is missing/);
});

test('DKIM-Signature fields are split', () => {
  const mail = read(
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=Example.com; s=sel; t=1700000000;',
    ' h=From:To:',
    '  Subject; bh=ab',
    ' cd=; b=xy z=',
    '',
    '',
  );
  expect(dkimSignatures(mail.headers)[0]).toMatchObject({
    algorithm: 'rsa-sha256',
    domain: 'example.com',
    selector: 'sel',
    signedFields: ['from', 'to', 'subject'],
    canonicalization: { header: 'relaxed', body: 'simple' },
    signedAt: new Date(1_700_000_000_000),
    expiresAt: null,
  });
});

test('html becomes text and a preview on request', async () => {
  const mail = read('Content-Type: text/html', '', '<style>p{}</style><p>Hello <b>you</b> &amp; me</p><p>Second</p>');
  expect(mail.text).toBeUndefined();
  expect(await mail.textFromHtml()).toBe('Hello you & me\n\nSecond');
  expect(mail.preview()).toBe('Hello you & me Second');
  expect(mail.preview(9)).toBe('Hello yo…');
});

test('parse collects any source', async () => {
  async function* source(): AsyncIterable<string> {
    yield 'Subject: a';
    yield '\r\n\r\nb';
  }
  expect(await parse(source())).toMatchObject({ subject: 'a', text: 'b' });
  expect((await parse(new Blob(['Subject: w\n\nb']).stream())).subject).toBe('w');
});

const word = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .map((text) => text.replace(/[\p{C}\p{Z}\s]+/gu, ' ').trim());
const body = fc
  .string({ unit: 'grapheme', maxLength: 300 })
  .map((text) => text.replace(/[\r\u2028\u2029]/g, '\n').replace(/\p{C}/gu, (c) => (c === '\n' ? c : '')));

test('what compose writes, parse reads equal', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        subject: word,
        name: word,
        text: body,
        html: body,
        files: fc.array(fc.record({ filename: word, content: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 3 }),
      }),
      async ({ subject, name, text, html, files }) => {
        const attachments = files.map(({ filename, content }) => ({ filename: filename || 'x', content }));
        const message = compose({
          from: { name, address: 'a@example.com' },
          to: 'b@example.com',
          subject,
          text: `t${text}`,
          html: `h${html}`,
          attachments,
        });
        const mail = parseSync(await message.bytes());
        expect(mail.subject).toBe(subject);
        expect(mail.from).toEqual([{ name, address: 'a@example.com' }]);
        expect(mail.messageId).toBe(message.messageId);
        expect(mail.text).toBe(`t${text}`);
        expect(mail.html).toBe(`h${html}`);
        expect(mail.attachments.map((file) => [file.filename, [...file.bytes()]])).toEqual(
          attachments.map(({ filename, content }) => [filename, [...content]]),
        );
        // The name parameter is written for clients that know nothing newer.
        const codes = mail.decodeAll().defects.map(({ code }) => code);
        expect(codes.filter((code) => code !== 'encoded-word-in-parameter')).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});

test('what nodemailer writes, parse reads equal', async () => {
  const transport = createTransport({ streamTransport: true, buffer: true });
  const content = Buffer.from(Array.from({ length: 1000 }, (_, index) => index & 255));
  for (const filename of ['a.bin', '汇总数据.xlsx', `${'lång '.repeat(30)}.txt`, 'a"b;c.txt']) {
    const sent = await transport.sendMail({
      from: '"Müller, Jürgen" <a@example.com>',
      to: ['b@example.com', { name: '王大锤', address: 'c@example.com' }],
      subject: '本月数据 with ünicode and a long line that is folded somewhere in the middle of it',
      text: 'Grüße\n\nfrom .here\n.\nFrom there',
      html: '<p>Grüße</p>',
      attachments: [{ filename, content }],
    });
    const mail = parseSync(sent.message as Buffer);
    expect(mail.subject).toBe('本月数据 with ünicode and a long line that is folded somewhere in the middle of it');
    expect(mail.from).toEqual([{ name: 'Müller, Jürgen', address: 'a@example.com' }]);
    expect(mail.to.map(({ name }) => name)).toEqual(['', '王大锤']);
    expect(mail.text?.trimEnd()).toBe('Grüße\n\nfrom .here\n.\nFrom there');
    expect(mail.html?.trimEnd()).toBe('<p>Grüße</p>');
    expect(mail.attachments[0]?.filename).toBe(filename);
    expect(Buffer.compare(mail.attachments[0]?.bytes() as Uint8Array, content)).toBe(0);
  }
});
