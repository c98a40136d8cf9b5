import { afterEach, expect, test } from 'vitest';
import { LimitError, PostwireError, ProtocolError, TlsError } from '../../src/errors.ts';
import { TelnetClient } from '../../src/telnet/index.ts';
import { fakeTelnet } from '../../src/testing/index.ts';
import { byteServer, raw } from './byte-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const WILL = '\xff\xfb\x2e';
const DO = '\xff\xfd\x2e';
const DONT = '\xff\xfe\x2e';
const FOLLOWS = '\xff\xfa\x2e\x01\xff\xf0';

const against = async (bytes: string) => {
  const server = await byteServer((socket) => socket.write(raw(bytes)));
  open.push(server);
  const error = await TelnetClient.connect(server.url, {
    tls: 'starttls',
    timeouts: { greetingMs: 300, connectMs: 2000 },
  }).then(
    (client) => {
      client.destroy();
      throw new Error('it connected');
    },
    (caught: unknown) => caught as PostwireError,
  );
  return { error, sent: server.received() };
};

test('TLS is agreed on, and nothing else is said in the clear', async () => {
  const server = await fakeTelnet({ tls: 'starttls', users: { ann: 'hunter22' } });
  open.push(server);
  await using client = await TelnetClient.connect(server.url, {
    tls: { ca: server.ca as string },
    terminalTypes: ['vt100'],
  });
  expect(client.secure).toBe(true);
  await client.login({ user: 'ann', password: 'hunter22', prompt: '$ ' });
  expect((await client.exec('echo safe', { prompt: '$ ' })).output).toBe('safe\r\n');
  const upgrade = server.transcript.findIndex((line) => line.includes('TLS begun'));
  expect(upgrade).toBeGreaterThan(0);
  expect(server.transcript.slice(0, upgrade).join('\n')).not.toMatch(/TTYPE|ECHO|login/);
});

test('a client that was not told to leaves the option alone, and the server lets it go', async () => {
  const server = await fakeTelnet({ tls: 'starttls' });
  open.push(server);
  await using client = await TelnetClient.connect(server.url.replace('telnet+starttls', 'telnet'));
  expect(await client.readAll()).toBe('This server begins TLS, or nothing.\r\n');
});

test('a certificate that nobody vouches for ends it', async () => {
  const server = await fakeTelnet({ tls: 'starttls' });
  open.push(server);
  const error = await TelnetClient.connect(server.url).catch((caught: unknown) => caught);
  expect((error as PostwireError).code).toBe('TLS');
});

test('a refusal is an error that says what to do; nothing is said in the clear', async () => {
  const { error, sent } = await against(`${DONT}login: `);
  expect(error).toBeInstanceOf(TlsError);
  expect(error.hint).toContain('telnets://');
  expect(WILL.startsWith(sent)).toBe(true);
});

test('TN-07: what comes behind FOLLOWS in the clear is not read as part of the secure session', async () => {
  const { error } = await against(`${DO}${FOLLOWS}evil`);
  expect(error).toBeInstanceOf(ProtocolError);
  expect(error.reason).toBe('STARTTLS_INJECTION');
});

test('a server that never begins, floods, or hangs up', async () => {
  expect((await against('login: ')).error.code).toBe('TIMEOUT');
  expect((await against('x'.repeat(200_000))).error).toBeInstanceOf(LimitError);
  expect((await against(FOLLOWS.repeat(70_000))).error).toBeInstanceOf(LimitError);
  expect((await against(`${FOLLOWS}${'\xff\xf1'.repeat(70_000)}`)).error).toBeInstanceOf(LimitError);
});

test('TN-01: a server that asks over and over gets a few answers', async () => {
  const { sent } = await against('\xff\xfd\x18\xff\xfb\x01'.repeat(20_000));
  expect(sent.length).toBeLessThan(4096);
});
