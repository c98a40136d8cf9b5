import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import nodemailer from 'nodemailer';
import { afterEach, describe, expect, test } from 'vitest';
import { parseSync } from '../../src/mime/index.ts';
import { createTransport, postwireTransport } from '../../src/mail/nodemailer.ts';
import { SmtpPool } from '../../src/smtp/index.ts';
import { type FakeSmtp, fakeSmtp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const start = async (options: Parameters<typeof fakeSmtp>[0] = {}): Promise<FakeSmtp> => {
  const fake = await fakeSmtp(options);
  open.push(fake);
  return fake;
};

describe('the transport for nodemailer', () => {
  test('nodemailer builds the message, postwire sends it', async () => {
    const fake = await start({ users: { u: 'p' }, tls: 'starttls' });
    const transporter = nodemailer.createTransport(
      postwireTransport(fake.url, { tls: { mode: 'starttls', ca: fake.ca as string } }),
    );
    open.push(transporter);
    expect(await transporter.verify()).toBe(true);
    const info = await transporter.sendMail({
      from: '王大锤 <a@example.com>',
      to: 'b@example.com',
      cc: 'nobody@example.com',
      subject: '数据',
      text: 'hello',
      attachments: [{ filename: 'a.txt', content: 'abc' }],
    });
    expect(info).toMatchObject({ accepted: ['b@example.com', 'nobody@example.com'], rejected: [] });
    expect(info.messageId).toBe(fake.messages[0]?.header('message-id'));
    expect(fake.messages[0]?.header('subject')).toBe('数据');
    fake.on('RCPT').reply(550, '5.1.1 no');
    await expect(transporter.sendMail({ from: 'a@example.com', to: 'c@example.com', text: 'x' })).rejects.toMatchObject(
      {
        code: 'REPLY',
      },
    );
  });
  test('over a pool of one’s own', async () => {
    const fake = await start();
    const pool = new SmtpPool(fake.url);
    open.push(pool);
    const transporter = nodemailer.createTransport(postwireTransport(pool));
    await transporter.sendMail({ from: 'a@example.com', to: 'b@example.com', text: 'x' });
    transporter.close();
    await pool.send({ from: 'a@example.com', to: 'b@example.com' }, 'Subject: y\r\n\r\n');
    expect(fake.messages).toHaveLength(2);
  });
});

describe('createTransport in nodemailer’s place', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'postwire-')), 'note.txt');
  writeFileSync(file, 'from a file');
  // nodemailer writes into what it is given.
  const mail = () => ({
    from: '"Ann Ä" <a@example.com>',
    to: ['b@example.com', 'Cid <c@example.com>'],
    bcc: 'hidden@example.com',
    replyTo: 'r@example.com',
    subject: 'Grüße',
    text: 'text\n',
    html: '<p>html <img src="cid:logo"></p>',
    headers: { 'X-One': '1', 'X-Two': ['2', '3'] },
    priority: 'high',
    date: '2024-01-02T03:04:05Z',
    messageId: '<x@example.com>',
    inReplyTo: '<y@example.com>',
    references: ['<y@example.com>'],
    attachments: [
      { filename: 'a.txt', content: 'abc' },
      { filename: 'b.bin', content: '/w==', encoding: 'base64' },
      { path: file },
      { path: 'data:text/csv;base64,YSxi', filename: 'c.csv' },
      { filename: 'logo.png', content: Buffer.from([1, 2]), cid: 'logo' },
    ],
  });
  test('the same message, read by mailparser, as nodemailer sends', async () => {
    const fake = await start();
    await nodemailer.createTransport({ host: '127.0.0.1', port: fake.port, ignoreTLS: true }).sendMail(mail() as never);
    const transport = createTransport({ host: '127.0.0.1', port: fake.port, ignoreTLS: true });
    open.push(transport);
    const info = await transport.sendMail(mail());
    expect(info).toMatchObject({
      messageId: '<x@example.com>',
      accepted: ['b@example.com', 'c@example.com', 'hidden@example.com'],
    });
    const [theirs, ours] = await Promise.all(
      fake.messages.map(async ({ raw, envelope }) => {
        const read = await simpleParser(Buffer.from(raw));
        return {
          envelope: [envelope.from, [...envelope.to].toSorted()],
          from: read.from?.value,
          to: [read.to].flat().map((each) => each?.value),
          replyTo: read.replyTo?.value,
          bcc: read.bcc,
          fields: ['subject', 'date', 'message-id', 'in-reply-to', 'references', 'x-one', 'x-two', 'x-priority'].map(
            (name) => String(read.headers.get(name)),
          ),
          text: read.text?.trim(),
          html: read.html,
          files: read.attachments
            .map((each) => [each.filename, each.contentType, each.cid, each.content.toString('hex')].join(' '))
            .toSorted(),
        };
      }),
    );
    expect(ours).toEqual(theirs);
  });
  test('a pool, a callback, DSN, a raw message', async () => {
    const fake = await start({ capabilities: { DSN: true } });
    const transport = createTransport({
      host: '127.0.0.1',
      port: fake.port,
      ignoreTLS: true,
      pool: true,
      maxConnections: 2,
    });
    open.push(transport);
    expect(await transport.verify()).toBe(true);
    const connects = fake.on('CONNECT');
    await Promise.all(
      Array.from({ length: 10 }, () => transport.sendMail({ from: 'a@example.com', to: 'b@example.com', text: 'x' })),
    );
    expect(connects.count).toBeLessThanOrEqual(2);
    const viaCallback = await new Promise((resolve, reject) =>
      transport.sendMail(
        {
          envelope: { from: 'e@example.com', to: ['f@example.com'] },
          raw: 'Subject: raw\r\n\r\nas it is\r\n',
          dsn: { id: 'Q1', return: 'headers', notify: ['failure', 'delay'], recipient: 'o@example.com' },
        },
        (error, info) => (error === null ? resolve(info) : reject(error)),
      ),
    );
    expect(viaCallback).toMatchObject({ envelope: { from: 'e@example.com', to: ['f@example.com'] } });
    expect(Buffer.from(fake.messages.at(-1)?.raw ?? []).toString()).toBe('Subject: raw\r\n\r\nas it is\r\n');
    expect(fake.transcript.join('\n')).toContain('RET=HDRS ENVID=Q1');
    expect(fake.transcript.join('\n')).toContain('NOTIFY=FAILURE,DELAY ORCPT=rfc822;o@example.com');
    const failed = await new Promise((resolve) => transport.sendMail({ to: 'b@example.com' }, resolve));
    expect(failed).toMatchObject({ code: 'USAGE' });
  });
  test.each([
    [{ host: 'h', tls: { rejectUnauthorized: false } }, /accepts anybody/],
    [{ service: 'nosuch' }, /not known here/],
    [{ host: 'h', sendmail: true }, /sendmail/],
  ])('the server %j is refused', (server, message) => {
    expect(() => createTransport(server)).toThrow(message);
  });
  test.each([
    [{ icalEvent: { content: 'x' } }, /BEGIN:VCALENDAR/],
    [{ icalEvent: { href: 'x' } }, /icalEvent\.href/],
    [{ alternatives: [{ path: 'x' }] }, /alternative option path/],
    [{ attachments: [{ raw: 'x' }] }, /attachment option raw/],
    [{ attachments: [{ path: file }], disableFileAccess: true }, /allowFiles|file/],
  ])('the message %j is refused, not sent without it', async (part, message) => {
    const fake = await start();
    const transport = createTransport({ host: '127.0.0.1', port: fake.port, ignoreTLS: true });
    open.push(transport);
    await expect(
      transport.sendMail({ from: 'a@example.com', to: 'b@example.com', text: 'x', ...part }),
    ).rejects.toThrow(message);
    expect(fake.messages).toHaveLength(0);
  });
  test('invitations, further forms, lists and data: images are taken over', async () => {
    const fake = await start();
    const transport = createTransport({ host: '127.0.0.1', port: fake.port, ignoreTLS: true });
    open.push(transport);
    await transport.sendMail({
      from: 'a@example.com',
      to: 'b@example.com',
      text: 'x',
      html: '<img src="data:image/png;base64,iVBORw0KGgo=">',
      amp: '<html amp4email></html>',
      icalEvent: { method: 'request', content: 'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n' },
      list: {
        unsubscribe: { url: 'https://example.com/u', comment: 'leave' },
        id: { url: 'news.example.com', comment: 'News' },
      },
      attachDataUrls: true,
      priority: 'high',
    });
    const mail = parseSync(fake.messages[0]?.raw ?? new Uint8Array(0));
    expect(mail.calendar[0]?.method).toBe('REQUEST');
    expect(mail.inline.map(({ contentType }) => contentType)).toContain('image/png');
    expect(mail.list).toMatchObject({ id: 'news.example.com', unsubscribe: { url: 'https://example.com/u' } });
    expect(mail.priority).toBe('high');
    expect([...mail.root.walk()].map(({ type }) => type)).toContain('text/x-amp-html');
  });
  test('services by name', async () => {
    const transport = createTransport({ service: 'Gmail', auth: { user: 'u', pass: 'p' } });
    await transport.close();
  });
});
