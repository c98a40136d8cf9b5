import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

/** What a program does that is told to reset what it is ending already: `ftp sync` was one, in one run of ten. */
const program = `
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Connection, StreamTransport } from ${JSON.stringify(resolve('dist/socket/index.js'))};
const server = createServer({ pauseOnConnect: true }, () => {}).listen(0, '127.0.0.1');
await once(server, 'listening');
const socket = connect(server.address().port, '127.0.0.1');
await once(socket, 'connect');
const connection = new Connection(new StreamTransport(socket));
// At the moment when the system has been asked to end the connection, and has not done so.
const shutdown = socket._handle.shutdown.bind(socket._handle);
socket._handle.shutdown = (request) => {
  const result = shutdown(request);
  connection.reset();
  return result;
};
socket.end();
socket.unref();
server.unref();
`;

test('a connection that is reset while it is being ended does not keep the process at its exit', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const code = await new Promise((done) => child.on('close', (status, signal) => done(status ?? signal)));
  clearTimeout(timer);
  expect([code, errors]).toEqual([0, '']);
}, 30_000);
