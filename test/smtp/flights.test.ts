import { expect, test } from 'vitest';
import { UnsupportedError, UsageError } from '../../src/errors.ts';
import { SmtpClient, SmtpPool, SmtpSendError, retryable } from '../../src/smtp/index.ts';
import { fakeSmtp } from '../../src/testing/index.ts';
import { scriptedServer } from './scripted-server.ts';

const envelope = (name: string) => ({ from: 'a@example.com', to: `${name}@example.com` });
const text = (name: string) => `Subject: ${name}\r\n\r\n${name}\r\n`;
const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test('short messages by BDAT leave together, and each gets its own answer', async () => {
  await using server = await fakeSmtp();
  await using client = await SmtpClient.connect(server.url);
  const names = Array.from({ length: 100 }, (_, index) => `user${index}`);
  const results = await Promise.all(names.map((name) => client.send(envelope(name), text(name), { transfer: 'bdat' })));
  expect(server.messages.map(({ envelope: { to }, text: body }) => [to[0], body.split('\r\n').at(-2)])).toEqual(
    names.map((name) => [`${name}@example.com`, name]),
  );
  expect(results.map(({ queueId }) => queueId)).toEqual(
    server.messages.map(({ id }) => `fake${String(id).padStart(6, '0')}`),
  );
  // Thirty-two leave while the first is not answered.
  const lines = server.transcript.filter((line) => /^[CS]: (?:MAIL|250 2\.0\.0 OK)/.test(line));
  const first = lines.findIndex((line) => line.startsWith('S:'));
  expect(first).toBeGreaterThan(0);
});

test('a refusal in the middle is its own alone', async () => {
  await using server = await fakeSmtp();
  server.on('RCPT', { argument: /user3@/ }).reply(550, '5.1.1 no such user');
  server.on('MAIL', { argument: /SIZE/ }).skip(5).once().reply(452, '4.3.1 disk full');
  server.on('MESSAGE', { to: 'user7@example.com' }).reply(554, '5.6.0 spam');
  await using client = await SmtpClient.connect(server.url);
  const names = Array.from({ length: 12 }, (_, index) => `user${index}`);
  const outcomes = await Promise.all(
    names.map((name) => caught(client.send(envelope(name), text(name), { transfer: 'bdat' }))),
  );
  expect(outcomes.map((outcome) => (outcome as SmtpSendError | undefined)?.reply?.code)).toEqual(
    names.map((_, index) => ({ 3: 550, 5: 452, 7: 554 })[index]),
  );
  expect(server.messages.length).toBe(9);
  expect(client.open).toBe(true);
  await client.send(envelope('last'), text('last'));
});

test('a connection lost with messages under way leaves each unknown, and none as refused', async () => {
  await using server = await fakeSmtp();
  server.on('MESSAGE', { to: 'user2@example.com' }).close();
  await using client = await SmtpClient.connect(server.url);
  const names = Array.from({ length: 6 }, (_, index) => `user${index}`);
  const outcomes = await Promise.all(
    names.map((name) => caught(client.send(envelope(name), text(name), { transfer: 'bdat' }))),
  );
  expect(outcomes.slice(0, 2)).toEqual([undefined, undefined]);
  for (const outcome of outcomes.slice(2)) expect(outcome).toMatchObject({ deliveryUnknown: true });
  expect(outcomes.flatMap((outcome) => retryable(outcome))).toEqual([]);
});

test('a message with a bare line feed keeps it in a binary transaction, and only there', async () => {
  await using server = await fakeSmtp();
  await using client = await SmtpClient.connect(server.url);
  const bytes = Buffer.from('Subject: x\r\n\r\n\0bare\nfeed\rreturn\r\n.\r\nno end', 'latin1');
  await client.send(envelope('b'), bytes, { binary: true });
  await client.send(
    envelope('b'),
    (async function* () {
      yield bytes;
    })(),
    { binary: true },
  );
  await client.send(envelope('b'), bytes.subarray(0, 14), { transfer: 'bdat' });
  expect(server.messages.slice(0, 2).map(({ raw }) => Buffer.from(raw))).toEqual([bytes, bytes]);
  expect(server.transcript.join('\n')).toMatch(/BODY=BINARYMIME/);
  await expect(client.send(envelope('b'), bytes, { binary: true, transfer: 'data' })).rejects.toThrow(UsageError);
  await using old = await fakeSmtp({ capabilities: { BINARYMIME: false } });
  await using other = await SmtpClient.connect(old.url);
  await expect(other.send(envelope('b'), bytes, { binary: true })).rejects.toBeInstanceOf(UnsupportedError);
});

test('LIMITS: more recipients than the server takes at a time go in parts', async () => {
  await using server = await fakeSmtp({ capabilities: { LIMITS: 'RCPTMAX=2 MAILMAX=3' } });
  server.on('RCPT', { argument: /d@/ }).reply(450, '4.2.1 later');
  await using client = await SmtpClient.connect(server.url);
  const to = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@example.com`);
  const result = await client.send({ from: 'x@example.com', to }, text('x'));
  expect(server.messages.map(({ envelope: each }) => each.to.length)).toEqual([2, 1, 1]);
  expect(result.accepted).toEqual(['a', 'b', 'c', 'e'].map((name) => `${name}@example.com`));
  expect(retryable(result)).toEqual(['d@example.com']);
  // A pool takes another connection behind the third message.
  await using pool = new SmtpPool(server.url, { maxConnections: 1 });
  for (let count = 0; count < 7; count++) await pool.send(envelope('a'), text('x'));
  expect(server.transcript.filter((line) => line.startsWith('C: EHLO')).length).toBe(1 + 3);
});

test('retryable: who may be tried again', async () => {
  await using server = await fakeSmtp();
  server.on('RCPT', { argument: /gone@/ }).reply(550, '5.1.1 no');
  server.on('RCPT', { argument: /busy@/ }).reply(451, '4.3.0 later');
  await using client = await SmtpClient.connect(server.url);
  const to = ['ok@example.com', 'gone@example.com', 'busy@example.com'];
  expect(retryable(await client.send({ from: 'x@example.com', to }, text('x')))).toEqual(['busy@example.com']);
  const aborted = await caught(client.send({ from: 'x@example.com', to }, text('x'), { onPartial: 'abort' }));
  expect(retryable(aborted)).toEqual(['ok@example.com', 'busy@example.com']);
  expect(retryable(new Error('x'))).toEqual([]);
  expect(retryable(undefined)).toEqual([]);
});

test('preflight tells everything at once, and sends nothing', async () => {
  await using server = await fakeSmtp({
    capabilities: { SMTPUTF8: false, '8BITMIME': false, SIZE: '20', LIMITS: 'RCPTMAX=1' },
  });
  await using client = await SmtpClient.connect(server.url);
  const before = server.transcript.length;
  const findings = client.preflight(
    { from: 'jörg@example.com', to: ['a@example.com', 'b@example.com'] },
    'Subject: a long one\r\n\r\nä\r\n',
    { requireTls: true },
  );
  expect(findings.map(({ effect, reason }) => [effect, reason])).toEqual([
    ['refused', 'SMTPUTF8'],
    ['refused', '8BITMIME'],
    ['refused', 'MESSAGE_TOO_LARGE'],
    ['refused', 'REQUIRETLS'],
    ['downgraded', 'RCPTMAX'],
  ]);
  expect(client.preflight(envelope('a'), 'short')).toEqual([]);
  const stream = { stream: async function* () {} };
  expect(client.preflight(envelope('a'), stream).map(({ reason }) => reason)).toEqual(['SIZE', '8BITMIME']);
  expect(server.transcript.length).toBe(before);
});

test('EXPN, ETRN, XCLIENT and XFORWARD', async () => {
  const ehlo = '250-x\r\n250-XCLIENT NAME ADDR\r\n250-XFORWARD NAME\r\n250 ETRN\r\n';
  const list = '250-Ann <ann@example.com>\r\n250 Bob <bob@example.com>\r\n';
  const server = await scriptedServer(['220 x\r\n', ehlo, list, '250 OK\r\n', '220 x again\r\n', ehlo, '250 OK\r\n']);
  const said = server.lines;
  const client = await SmtpClient.connect(`smtp://127.0.0.1:${server.port}?tls=none`);
  expect((await client.expn('staff')).lines).toEqual(['Ann <ann@example.com>', 'Bob <bob@example.com>']);
  await client.etrn('@example.com');
  await client.xclient({ ADDR: '192.0.2.1', NAME: undefined });
  await client.xforward({ name: 'spike.example+x' });
  expect(said.filter((line) => !line.startsWith('EHLO'))).toEqual([
    'EXPN staff',
    'ETRN @example.com',
    'XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]',
    'XFORWARD NAME=spike.example+2Bx',
  ]);
  expect(said.filter((line) => line.startsWith('EHLO')).length).toBe(2);
  await expect(client.xclient({ LOGIN: 'x' })).rejects.toThrow(/XCLIENT with LOGIN/);
  client.destroy();
  server.close();
});

test('RRVS goes with the recipients that it is given for', async () => {
  await using server = await fakeSmtp({ capabilities: { RRVS: true } });
  await using client = await SmtpClient.connect(server.url);
  const validSince = (address: string) => (address.startsWith('a') ? new Date('2020-01-02T03:04:05.678Z') : undefined);
  await client.send({ from: 'x@example.com', to: ['a@example.com', 'b@example.com'] }, text('x'), { validSince });
  expect(server.transcript.filter((line) => line.startsWith('C: RCPT'))).toEqual([
    'C: RCPT TO:<a@example.com> RRVS=2020-01-02T03:04:05Z',
    'C: RCPT TO:<b@example.com>',
  ]);
});
