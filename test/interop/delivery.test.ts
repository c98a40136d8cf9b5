import { afterAll, beforeAll, expect, test } from 'vitest';
import { mxSender, openMailbox } from '../../src/mail/index.ts';
import { compose, deliveryStatus, parseSync } from '../../src/mime/index.ts';
import { SmtpClient } from '../../src/smtp/index.ts';
import { startDovecot } from './dovecot.ts';
import { startPostfix } from './postfix.ts';

let postfix: Awaited<ReturnType<typeof startPostfix>>;
let dovecot: Awaited<ReturnType<typeof startDovecot>>;
beforeAll(async () => {
  [postfix, dovecot] = await Promise.all([startPostfix(), startDovecot([])]);
}, 60_000);
afterAll(async () => {
  await Promise.all([postfix?.close(), dovecot?.close()]);
});

const message = (subject: string): ReturnType<typeof compose> =>
  compose({ from: 'me@example.com', to: 'box@example.com', subject, text: `${subject}\n` });

test('Postfix as the mail exchanger of a domain', async () => {
  const sender = mxSender({
    resolver: { mx: async () => [{ exchange: 'mx.example.com', priority: 10 }] },
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
    blockAddresses: [],
    port: postfix.port,
    mtaSts: false,
  });
  const sent = message('straight to the exchanger');
  const result = await sender.send(sent.envelope, sent);
  expect(result.accepted).toEqual(['box@example.com']);
  // Its certificate is for localhost, and from nobody: still better than none.
  expect(result.secure).toBe(true);
  await postfix.received('straight to the exchanger');
  await expect(
    sender.send({ from: 'me@example.com', to: 'x@elsewhere.example' }, 'Subject: x\r\n\r\n'),
  ).rejects.toThrow(/[Rr]elay access denied/);
});

test('Postfix reports by DSN, and the report can be read', async () => {
  await using client = await SmtpClient.connect(postfix.target, postfix.options);
  const sent = message('asks for a report');
  await client.send(sent.envelope, sent, { dsn: { notify: ['success'], return: 'headers', envelopeId: 'order 66' } });
  const report = parseSync(await postfix.received('Successful Mail Delivery Report'));
  expect(deliveryStatus(report)).toMatchObject({
    originalEnvelopeId: 'order 66',
    recipients: [{ finalRecipient: 'box@example.com', action: 'delivered', status: '2.0.0' }],
  });
});

test('Postfix takes messages in one flight, XFORWARD and XCLIENT', async () => {
  await using client = await SmtpClient.connect(postfix.target, postfix.options);
  const names = Array.from({ length: 40 }, (_, index) => `flight ${index} `);
  const results = await Promise.all(
    names.map((name) => client.send(message(name).envelope, `Subject: ${name}\r\n\r\nx\r\n`, { transfer: 'bdat' })),
  );
  expect(new Set(results.map(({ queueId }) => queueId)).size).toBe(40);
  await postfix.received('flight 39 ');
  await client.xforward({ NAME: 'spike.example.com', ADDR: '192.0.2.1' });
  await using other = await SmtpClient.connect(`smtp://127.0.0.1:${postfix.port}?tls=none`);
  await other.xclient({ NAME: 'spike.example.com', ADDR: '192.0.2.1' });
  expect(other.capabilities.has('PIPELINING')).toBe(true);
});

test('LMTP into Dovecot: a reply for each recipient, and the mail is there', async () => {
  await using client = await SmtpClient.connect(`lmtp://127.0.0.1:${dovecot.lmtpPort}?tls=none`);
  const sent = message('by LMTP');
  const result = await client.send(
    { from: 'me@example.com', to: ['user', 'nobody-here'].map((name) => `${name}@example.com`) },
    sent,
  );
  expect(result.recipients.map(({ status }) => status)).toEqual(['accepted', 'refused']);
  await using mailbox = await openMailbox(`imap://user:pass%20word@127.0.0.1:${dovecot.imapPort}`, {
    tls: { ca: dovecot.ca },
  });
  const subjects: string[] = [];
  for await (const mail of mailbox.messages()) subjects.push(mail.message.subject);
  expect(subjects).toContain('by LMTP');
});
