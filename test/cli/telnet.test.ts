import { expect, test } from 'vitest';
import { fakeTelnet } from '../../src/testing/index.ts';
import { byteServer } from '../telnet/byte-server.ts';
import { postwire } from './postwire.ts';

test('postwire telnet: a script logs in, runs a command, and never shows the password', async () => {
  await using server = await fakeTelnet({
    users: { ann: 'hunter22' },
    commands: { colour: '\u001b[31mred\u001b[0m\u0007\r\n' },
  });
  const at = ['telnet', '127.0.0.1', String(server.port)];
  const login = [
    '--expect',
    'login: ',
    '--send',
    'ann',
    '--expect',
    '/pass(word)?: /i',
    '--send-env',
    'SECRET',
    '--expect',
    '$ ',
  ];
  const run = await postwire([...at, ...login, '--send', 'colour', '--expect', '$ '], { env: { SECRET: 'hunter22' } });
  expect(run).toMatchObject({ code: 0, err: '' });
  expect(run.out).toContain('Welcome, ann');
  expect(run.out).toContain('\r\nred\r\n$ ');
  expect(run.out).not.toContain('hunter22');
  expect(await postwire([...at, '--expect', 'never', '--timeout', '0.2'])).toMatchObject({
    code: 8,
    err: expect.stringContaining('login: ') as string,
  });
  expect(await postwire([...at, '--send-env', 'NO_SUCH_THING'])).toMatchObject({ code: 2 });
  expect(await postwire([...at, '--timeout', 'soon'])).toMatchObject({ code: 2 });
});

test('postwire telnet --raw: standard input to a TCP server', async () => {
  const server = await byteServer((socket) => socket.on('data', (chunk) => socket.end(`got ${String(chunk)}`)));
  const { port } = new URL(server.url);
  const run = await postwire(['telnet', '127.0.0.1', port, '--raw'], { input: 'hello\n' });
  expect(run).toMatchObject({ code: 0, out: 'got hello\n', err: '' });
  server.close();
});
