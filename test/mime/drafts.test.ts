import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import {
  type MessageDraft,
  addTextFromHtml,
  attachDataUris,
  bounce,
  compose,
  deliveryStatus,
  deliveryStatusBody,
  dispositionNotification,
  dispositionNotificationBody,
  feedbackReport,
  feedbackReportBody,
  flow,
  forward,
  messagePart,
  parseSync,
  reply,
  resend,
  unflow,
} from '../../src/mime/index.ts';
import { sendMail } from '../../src/mail/index.ts';
import { fakeSmtp } from '../../src/testing/index.ts';

const base = { from: 'Ann <ann@a.example>', to: 'bob@b.example', subject: 'Plan' } as const;
const built = async (draft: MessageDraft) => parseSync(await compose(draft).bytes());
const png = Buffer.from('iVBORw0KGgo=', 'base64');

test('a calendar goes as an alternative and as a file, with its method', async () => {
  const content = 'BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:REQUEST\nEND:VCALENDAR\n';
  const bytes = await compose({ ...base, text: 'come', html: '<p>come</p>', calendar: { content } }).bytes();
  const mail = parseSync(bytes);
  expect(mail.root.type).toBe('multipart/mixed');
  expect(mail.root.parts[0]?.parts.map(({ type }) => type)).toEqual(['text/plain', 'text/html', 'text/calendar']);
  // The file is one too.
  expect(mail.calendar.map(({ method, text }) => [method, text])).toEqual([
    ['REQUEST', content],
    ['REQUEST', content],
  ]);
  expect(mail.attachments.map(({ filename, contentType }) => [filename, contentType])).toEqual([
    [undefined, 'text/calendar'],
    ['invite.ics', 'application/ics'],
  ]);
  const theirs = await simpleParser(Buffer.from(bytes));
  expect(theirs.attachments.map(({ contentType }) => contentType)).toEqual(['text/calendar', 'application/ics']);
  const alone = await built({ ...base, calendar: { content, attach: false } });
  expect([alone.root.type, alone.root.parameters.get('method')]).toEqual(['text/calendar', 'REQUEST']);
});

test.each([
  [{ content: 'hello' }, /BEGIN:VCALENDAR/],
  [{ content: 'BEGIN:VCALENDAR\nMETHOD:CANCEL\n', method: 'REQUEST' }, /METHOD:CANCEL/],
  [{ content: 'BEGIN:VCALENDAR\nEND:VCALENDAR\n', method: 'REQUEST' }, /no METHOD/],
])('a calendar that would not be understood is refused: %j', (calendar, why) => {
  expect(() => compose({ ...base, calendar })).toThrow(why);
});

test('List fields, and one click', async () => {
  const { list, headers } = await built({
    ...base,
    text: 'x',
    list: {
      id: { id: 'news.example.com', name: 'Our news, weekly' },
      unsubscribe: ['https://example.com/u?a=1,2&b=<x>', 'leave@example.com'],
      post: false,
      help: new URL('https://example.com/hélp'),
      oneClick: true,
    },
  });
  expect(list).toMatchObject({
    id: 'news.example.com',
    name: 'Our news, weekly',
    oneClick: true,
    unsubscribe: { url: 'https://example.com/u?a=1%2C2&b=%3Cx%3E', mail: 'leave@example.com' },
    help: { url: 'https://example.com/h%C3%A9lp' },
  });
  expect(headers.get('list-post')).toBe('NO');
  for (const [bad, why] of [
    [{ oneClick: true, unsubscribe: 'leave@example.com' }, /exactly one https/],
    [{ oneClick: true, unsubscribe: ['https://a.example/', 'https://b.example/'] }, /exactly one https/],
    [{ id: 'two words' }, /list\.id/],
    [{ help: 'javascript:alert(1)' }, /mail address or a URL/],
    [{ help: 'https://a.example/\r\nBcc: x@y.example' }, /mail address or a URL|line break/],
    [{ unknown: 'x' }, /unknown option list\.unknown/],
  ] as const) {
    try {
      const { headers: made } = await built({ ...base, text: 'x', list: bad as never });
      // What the URL parser mends is no injection.
      expect(made.has('bcc')).toBe(false);
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      expect(String(error)).toMatch(why);
    }
  }
  expect(() => compose({ ...base, text: 'x', list: { id: 'a.b' }, headers: { 'List-Id': '<c.d>' } })).toThrow(
    /set by the option list/,
  );
});

test('priority', async () => {
  for (const priority of ['high', 'normal', 'low'] as const)
    expect((await built({ ...base, text: 'x', priority })).priority).toBe(priority);
  expect(() => compose({ ...base, text: 'x', priority: 'urgent' as never })).toThrow(/high, normal or low/);
});

test('further forms of the text stand between text and html', async () => {
  const mail = await built({
    ...base,
    text: 'x',
    html: '<p>x</p>',
    alternatives: [{ type: 'text/x-amp-html', text: '<html amp4email></html>' }],
  });
  expect(mail.root.parts.map(({ type }) => type)).toEqual(['text/plain', 'text/x-amp-html', 'text/html']);
  expect(() => compose({ ...base, text: 'x', alternatives: [{ type: 'image/png', text: '' }] })).toThrow(
    /must be text/,
  );
});

test('format=flowed comes back as it was, whatever the text', async () => {
  const word = fc.string({ unit: fc.constantFrom(...'abcdefgh.,->'), minLength: 1, maxLength: 90 });
  const line = fc.oneof(
    fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
    fc.constantFrom('', '-- ', ' indented', 'From here', '> quoted', '>> deep', '--', 'a  b   c'),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = lines.join('\n');
      // Quote marks come back in one form, and trailing spaces never.
      const plain = lines
        .map((each) => (each === '-- ' ? each : each.replace(/ +$/, '')))
        .map((each) => {
          const marks = /^(?:> ?)*/.exec(each)?.[0] ?? '';
          const depth = marks.split('>').length - 1;
          const rest = each.slice(marks.length);
          return depth === 0 ? each : `${'>'.repeat(depth)} ${rest}`;
        })
        .join('\n');
      const flowed = flow(text);
      expect(unflow(flowed)).toBe(plain);
      for (const each of flowed.split('\n')) expect(each.length <= 78 || /\S{60}/.test(each)).toBe(true);
    }),
    { numRuns: 500 },
  );
  const text = `${'word '.repeat(60).trim()}\n> ${'quoted '.repeat(40).trim()}\n-- \nme\n`;
  const bytes = await compose({ ...base, text, flowed: true }).bytes();
  expect(parseSync(bytes).text).toBe(text);
  expect(parseSync(bytes).root.parameters.get('format')).toBe('flowed');
});

test('data: URIs become attachments, each once', async () => {
  const uri = `data:image/png;base64,${png.toString('base64')}`;
  const html = `<img src="${uri}"><img src='${uri}'><p style="background:url(data:image/svg+xml,%3Csvg%2F%3E)">data:image/png</p><a href="data:text/html,x">y</a>`;
  const mail = await built(attachDataUris({ ...base, html }));
  expect(mail.inline.map(({ contentType, filename }) => [contentType, filename])).toEqual([
    ['image/png', 'image-1.png'],
    ['image/svg+xml', 'image-2.svg'],
  ]);
  expect(Buffer.from(mail.inline[0]?.bytes() ?? [])).toEqual(png);
  expect(mail.html?.match(/cid:/g)?.length).toBe(3);
  expect(mail.html).toContain('href="data:text/html,x"');
  const none = { ...base, html: '<p>data: none</p>' };
  expect(attachDataUris(none)).toBe(none);
});

test('a reply goes to whom it should, in its thread, quoting', async () => {
  const original = parseSync(
    Buffer.from(
      [
        'From: Ann <ann@a.example>',
        'Reply-To: desk@a.example',
        'To: Me <ME@x.example>, carl@c.example',
        'Cc: Dora <dora@d.example>, carl@c.example',
        'Subject: Plan',
        'Date: Mon, 01 Jan 2024 10:00:00 +0000',
        'Message-ID: <3@a.example>',
        'References: <1@a.example> <2@a.example>',
        'Content-Type: text/plain; charset=utf-8',
        '',
        'Grüße',
        '> earlier',
        '',
        '-- ',
        'Ann',
        '',
      ].join('\r\n'),
    ),
  );
  const draft = reply(original, { from: 'me@x.example', all: true, text: 'Yes.' });
  const mail = await built(draft);
  expect(mail.to.map(({ address }) => address)).toEqual(['desk@a.example']);
  expect(mail.cc.map(({ address }) => address)).toEqual(['carl@c.example', 'dora@d.example']);
  expect(mail.subject).toBe('Re: Plan');
  expect(mail.inReplyTo).toEqual(['<3@a.example>']);
  expect(mail.references).toEqual(['<1@a.example>', '<2@a.example>', '<3@a.example>']);
  expect(mail.text).toBe('Yes.\n\nOn Mon, 01 Jan 2024 10:00:00 +0000, Ann wrote:\n> Grüße\n>> earlier\n>\n');
  expect(reply(await built({ ...draft, subject: 'RE: Plan' }), { from: 'x@y.example' }).subject).toBe('RE: Plan');
  // One's own message is answered to its recipients, not to oneself.
  expect(reply(original, { from: 'desk@a.example' }).to).toEqual([
    { name: 'Me', address: 'ME@x.example' },
    { name: '', address: 'carl@c.example' },
  ]);
});

test('an html reply and a forward carry the images that are shown, and the files', async () => {
  const original = await built({
    ...base,
    text: 'see',
    html: '<html><body class="x"><p>see <img src="cid:logo"></p></body></html>',
    attachments: [
      { content: png, filename: 'logo.png', cid: 'logo' },
      { content: 'data', filename: 'a.txt' },
    ],
  });
  const answer = await built(reply(original, { from: 'bob@b.example', html: '<p>ok</p>' }));
  expect(answer.html).toMatch(/<p>ok<\/p>[^]*<blockquote type="cite"><p>see <img src="cid:logo"><\/p><\/blockquote>/);
  expect(answer.inline.map(({ contentId }) => contentId)).toEqual(['logo']);
  const onward = await built(forward(original, { from: 'bob@b.example', to: 'eve@e.example', text: 'FYI' }));
  expect(onward.subject).toBe('Fwd: Plan');
  expect(onward.text).toContain('FYI\n\n---------- Forwarded message ----------\nFrom: Ann <ann@a.example>\n');
  expect(onward.attachments.map(({ filename }) => filename)).toEqual(['a.txt']);
  expect(onward.inline.map(({ contentId }) => contentId)).toEqual(['logo']);
  const whole = await built(forward(original, { from: 'b@b.example', to: 'e@e.example', as: 'attachment' }));
  expect(whole.messages[0]?.subject).toBe('Plan');
  expect(Buffer.from(whole.messages[0]?.bytes ?? []).toString()).toBe(Buffer.from(original.bytes).toString());
});

test('a reply to a message that shows an image it does not have can still be sent', async () => {
  const broken = parseSync(
    Buffer.from(
      'From: a@a.example\r\nMessage-ID: not valid\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n<img src="cid:gone">\r\n',
    ),
  );
  const answer = await built(reply(broken, { from: 'b@b.example', html: '<p>ok</p>' }));
  expect(answer.html).toContain('about:blank#');
  expect(answer.references).toEqual([]);
});

test('a message inside is kept byte for byte, or goes as octets where it cannot', async () => {
  for (const [bytes, type] of [
    [Buffer.from('Subject: a\r\n\r\nb\r\n'), 'message/rfc822'],
    [Buffer.from('Subject: ä\r\n\r\nö\r\n'), 'message/rfc822'],
    [Buffer.from('Subject: a\r\n\r\n\xff\xfe\r\n', 'latin1'), 'application/octet-stream'],
    [Buffer.from(`Subject: a\r\n\r\n${'x'.repeat(1200)}\r\n`), 'application/octet-stream'],
    [Buffer.from('Subject: a\r\n\r\nlone\rreturn\r\n'), 'application/octet-stream'],
  ] as const) {
    const mail = await built({ ...base, text: 'x', attachments: [messagePart(bytes, { filename: 'm.eml' })] });
    const [file] = mail.attachments;
    expect(file?.contentType).toBe(type);
    expect(file?.filename).toBe('m.eml');
    expect(Buffer.from(file?.bytes() ?? [])).toEqual(bytes);
  }
});

test('a message sent on keeps its bytes behind the Resent fields', async () => {
  const original = Buffer.from('From: a@a.example\r\nTo: b@b.example\r\nSubject: x\r\n\r\nbody\r\n');
  await using server = await fakeSmtp();
  const sent = resend({ content: original }, { from: 'c@c.example', to: 'd@d.example', bcc: 'e@e.example' });
  expect(sent.envelope).toEqual({ from: 'c@c.example', to: ['d@d.example', 'e@e.example'] });
  await sendMail(server.url, sent, { tls: { mode: 'none' } });
  const received = Buffer.from(server.messages[0]?.raw ?? []).toString();
  expect(received).toMatch(
    /^Resent-From: c@c\.example\r\nResent-To: d@d\.example\r\nResent-Date: .*\r\nResent-Message-ID: <.*@c\.example>\r\nFrom: a@a\.example\r\n/,
  );
  expect(received.endsWith(original.toString())).toBe(true);
  expect(() => resend({ content: original }, { from: 'c@c.example' })).toThrow(/no recipient/);
});

test('reports are read back field by field', async () => {
  const original = Buffer.from('From: a@a.example\r\nMessage-ID: <1@a.example>\r\nSubject: x\r\n\r\nbody\r\n');
  const at = new Date('2024-01-01T10:00:00Z');
  const dsn = await built({
    ...base,
    envelope: { from: '' },
    body: deliveryStatusBody({
      text: 'It did not arrive.',
      reportingMta: 'mx.b.example',
      envelopeId: 'E1',
      arrivalDate: at,
      recipients: [
        {
          finalRecipient: 'gone@b.example',
          action: 'failed',
          status: '5.1.1',
          diagnostic: '550 5.1.1 no\r\nsuch user',
        },
      ],
      original,
    }),
  });
  expect(dsn.root.parameters.get('report-type')).toBe('delivery-status');
  expect(deliveryStatus(dsn)).toMatchObject({
    reportingMta: 'mx.b.example',
    originalEnvelopeId: 'E1',
    arrivalDate: at,
    recipients: [
      { finalRecipient: 'gone@b.example', action: 'failed', status: '5.1.1', diagnostic: '550 5.1.1 no such user' },
    ],
  });
  expect(bounce(dsn)?.recipients[0]).toMatchObject({ recipient: 'gone@b.example', status: '5.1.1' });
  const utf8 = await built({
    ...base,
    body: deliveryStatusBody({
      text: 'x',
      reportingMta: 'mx.b.example',
      recipients: [{ finalRecipient: 'jörg@b.example', action: 'delayed', status: '4.4.1' }],
      original: Buffer.from('Subject: only a header\r\n'),
    }),
  });
  expect(utf8.root.parts.map(({ type }) => type)).toEqual([
    'text/plain',
    'message/global-delivery-status',
    'text/rfc822-headers',
  ]);
  expect(deliveryStatus(utf8)?.recipients[0]?.finalRecipient).toBe('jörg@b.example');
  const mdn = await built({
    ...base,
    body: dispositionNotificationBody({
      text: 'It was shown.',
      finalRecipient: 'bob@b.example',
      originalMessageId: '<1@a.example>',
      type: 'displayed',
      manualAction: true,
      manuallySent: true,
    }),
  });
  expect(dispositionNotification(mdn)).toMatchObject({
    type: 'displayed',
    originalMessageId: '<1@a.example>',
    disposition: 'manual-action/MDN-sent-manually; displayed',
  });
  const arf = await built({
    ...base,
    body: feedbackReportBody({
      text: 'Spam.',
      feedbackType: 'abuse',
      userAgent: 'desk/1.0',
      originalMailFrom: 'a@a.example',
      originalRecipients: ['b@b.example', 'c@b.example'],
      sourceIp: '192.0.2.1',
      reportedDomains: ['a.example'],
      original,
    }),
  });
  expect(feedbackReport(arf)).toMatchObject({
    feedbackType: 'abuse',
    originalMailFrom: 'a@a.example',
    originalRecipients: ['b@b.example', 'c@b.example'],
    sourceIp: '192.0.2.1',
    reportedDomains: ['a.example'],
  });
  expect(arf.messages[0]?.messageId).toBe('<1@a.example>');
  expect(() =>
    deliveryStatusBody({
      text: 'x',
      reportingMta: 'a\r\nX: y',
      recipients: [{ finalRecipient: 'a@b.example', action: 'failed', status: '5.0.0' }],
    }),
  ).toThrow(UsageError);
});

test('prepare fills a template, adds the text and attaches the images, in order', async () => {
  await using server = await fakeSmtp();
  const fill = (draft: MessageDraft): MessageDraft => ({ ...draft, html: draft.html?.replace('{name}', 'Bob') });
  await sendMail(
    server.url,
    { ...base, html: `<p>Hello {name}</p><img src="data:image/png;base64,${png.toString('base64')}">` },
    { tls: { mode: 'none' }, prepare: [fill, addTextFromHtml, attachDataUris] },
  );
  const mail = parseSync(server.messages[0]?.raw ?? Buffer.of());
  expect(mail.text?.trim()).toBe('Hello Bob');
  expect(mail.inline.length).toBe(1);
  await expect(
    sendMail(server.url, { raw: { content: 'x' }, envelope: { from: '', to: 'a@b.example' } }, { prepare: fill }),
  ).rejects.toThrow(/built already/);
});
