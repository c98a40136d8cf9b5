import { describe, expect, test } from 'vitest';
import { SmtpClient, type SmtpSendError } from '../../src/smtp/index.ts';
import { fakeSmtp } from '../../src/testing/index.ts';

const envelope = { from: 'a@example.com', to: ['ann@example.com', 'bob@example.com', 'cid@example.com'] };
const message = 'Subject: x\r\n\r\ny\r\n';

describe.each([
  ['one flight of BDAT', {}],
  ['DATA', { CHUNKING: false }],
  ['DATA without pipelining', { CHUNKING: false, PIPELINING: false }],
])('LMTP by %s', (_name, capabilities) => {
  test('a reply a recipient: some take it, some do not, some may later', async () => {
    await using server = await fakeSmtp({ lmtp: true, capabilities });
    server.on('RCPT', { to: 'ann' }).reply(550, '5.1.1 nobody');
    server.on('MESSAGE', { to: 'bob' }).reply(452, '4.2.2 full');
    await using client = await SmtpClient.connect(server.url);
    const result = await client.send(envelope, message);
    expect(result.accepted).toEqual(['cid@example.com']);
    expect(result.recipients.map(({ address, status, temporary }) => [address, status, temporary])).toEqual([
      ['ann@example.com', 'refused', false],
      ['bob@example.com', 'refused', true],
      ['cid@example.com', 'accepted', false],
    ]);
    expect(result.refused.map(({ reply }) => reply?.enhanced)).toEqual(['5.1.1', '4.2.2']);
    expect(server.messages.map((mail) => mail.envelope.to)).toEqual([['cid@example.com']]);
    // In step: the next message is answered as itself.
    server.reset();
    expect((await client.send(envelope, message)).accepted).toHaveLength(3);
  });
  test('nobody takes it', async () => {
    await using server = await fakeSmtp({ lmtp: true, capabilities });
    server.on('MESSAGE').reply(552, '5.2.2 over quota');
    await using client = await SmtpClient.connect(server.url);
    const error: SmtpSendError = await client.send(envelope, message).then(
      () => Promise.reject(new Error('it was taken')),
      (thrown: SmtpSendError) => thrown,
    );
    expect(error.recipients.map(({ status }) => status)).toEqual(['refused', 'refused', 'refused']);
    server.reset();
    expect((await client.send(envelope, message)).accepted).toHaveLength(3);
  });
});

test('a reply that is lost leaves its recipient unknown, and those before it as they are', async () => {
  await using server = await fakeSmtp({ lmtp: true });
  server.on('MESSAGE', { to: 'ann' }).reply(452, '4.2.2 full');
  server.on('MESSAGE', { to: 'cid' }).close();
  const client = await SmtpClient.connect(server.url);
  const error = await client.send(envelope, message).catch((thrown: SmtpSendError) => thrown);
  expect(error).toMatchObject({
    deliveryUnknown: true,
    recipients: [{ status: 'refused' }, { status: 'accepted' }, { status: 'unknown' }],
  });
});

test('an SMTP server is not taken for LMTP, nor the other way round', async () => {
  await using smtp = await fakeSmtp();
  await expect(SmtpClient.connect(smtp.url, { lmtp: true })).rejects.toMatchObject({ code: 'USAGE' });
  await expect(SmtpClient.connect({ host: '127.0.0.1', port: smtp.port, tls: 'none', lmtp: true })).rejects.toThrow(
    /LHLO refused/,
  );
  await using lmtp = await fakeSmtp({ lmtp: true });
  await expect(SmtpClient.connect(`smtp://127.0.0.1:${lmtp.port}?tls=none`)).rejects.toThrow(/HELO refused/);
});
