import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll } from 'vitest';
import { telnetClientSuite } from '../suites/telnet.ts';
import { run } from './process.ts';

const user = `pw${randomBytes(4).toString('hex')}`;
const password = randomBytes(9).toString('base64url');

// A user of its own, who is gone afterwards: `login` knows only the system's.
beforeAll(async () => {
  await run('useradd', ['-m', '-s', '/bin/sh', user]);
  const { code } = await run('chpasswd', [], { input: `${user}:${password}\n` });
  if (code !== 0) throw new Error('the user could not be made');
});
afterAll(async () => {
  await run('userdel', ['-r', '-f', user]);
});

telnetClientSuite('inetutils-telnetd, with its login and shell', async () => {
  // The server of inetd: each connection is a process's standard input.
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    const child = spawn('/usr/sbin/telnetd', ['-E', '/bin/login -p -h %h'], { stdio: [socket, socket, 'ignore'] });
    child.on('exit', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => child.kill());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    target: `telnet://127.0.0.1:${(server.address() as { port: number }).port}`,
    options: { terminalTypes: ['dumb'], window: { columns: 200, rows: 50 } },
    user,
    password,
    prompt: '$ ',
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
});
