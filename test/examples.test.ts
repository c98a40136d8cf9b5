import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { TcpSocket } from '../src/socket/index.ts';
import { TelnetClient } from '../src/telnet/index.ts';
import { fakeSmtp } from '../src/testing/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

/** Starts a server and gives its port, once it says it. */
async function start(
  name: string,
  ...args: string[]
): Promise<{ port: string; child: ChildProcess; out: () => string }> {
  const child = spawn(process.execPath, [`examples/sockets/${name}.mjs`, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  let out = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  await expect.poll(() => out, { timeout: 10_000 }).toMatch(/listening on \d+\n/);
  return { port: /listening on (\d+)/.exec(out)?.[1] as string, child, out: () => out };
}

function run(name: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`examples/sockets/${name}.mjs`, ...args], {
      env: { ...process.env, ...env },
    });
    let out = '';
    child.stdout.on('data', (chunk) => (out += String(chunk)));
    child.stderr.on('data', (chunk) => (out += String(chunk)));
    child.on('close', (code) => resolve({ code, out }));
  });
}

test.each(['tcp', 'udp'])('the time over %s', async (kind) => {
  const { port } = await start(`time-server-${kind}`);
  for (let count = 0; count < 2; count++) {
    const { code, out } = await run(`time-client-${kind}`, [port]);
    expect([code, Math.abs(Date.parse(out.trim()) - Date.now()) < 60_000]).toEqual([0, true]);
  }
});

test('an echo, for several at once, drained', async () => {
  const { port, child, out } = await start('echo-server');
  const results = await Promise.all([1, 2, 3].map((index) => run('echo-client', [port, 'hello', `grüße ${index}`])));
  expect(results).toEqual([1, 2, 3].map((index) => ({ code: 0, out: `hello\ngrüße ${index}\n` })));
  child.stdin?.write('stop\n');
  await expect.poll(() => child.exitCode).toBe(0);
  expect(out().match(/came/g)).toHaveLength(3);
  expect(out()).toContain('{ finished: 0, aborted: 0 }');
});

test('a chat', async () => {
  const { port } = await start('chat-server');
  const join_ = async (name: string): Promise<ReturnType<TcpSocket['makeFile']>> => {
    const socket = await TcpSocket.connect({ port });
    const file = socket.makeFile();
    expect(await file.readLine()).toBe('What is your name?');
    await file.writeLine(name);
    return file;
  };
  const ann = await join_('Ann');
  expect(await ann.readLine()).toBe('* Ann is here, among 1');
  const bob = await join_('Bob\u0007');
  expect(await ann.readLine()).toBe('* Bob is here, among 2');
  expect(await bob.readLine()).toBe('* Bob is here, among 2');
  await ann.writeLine('hello \u001b[2J');
  expect(await bob.readLine()).toBe('<Ann> hello [2J');
  await bob.writeLine('/quit');
  expect(await ann.readLine()).toBe('* Bob has gone');
});

test('a file is transferred; what is no file is not', async () => {
  const content = Buffer.alloc(3_000_000, 'file transfer ');
  writeFileSync(join(folder, 'big.bin'), content);
  const { port } = await start('file-server', folder);
  expect(await run('file-client', [port, 'big.bin', join(folder, 'copy')])).toEqual({
    code: 0,
    out: '3000000 bytes\n',
  });
  expect(readFileSync(join(folder, 'copy')).equals(content)).toBe(true);
  for (const name of ['../../etc/passwd', 'nothing', ''])
    expect((await run('file-client', [port, name, join(folder, 'none')])).code).toBe(1);
});

test('a port scanner', async () => {
  const { port } = await start('time-server-tcp');
  const first = Math.max(1, Number(port) - 2);
  const { out } = await run('port-scanner', [String(first), String(Number(port) + 2)]);
  expect(out).toContain(`${port} is open`);
});

test('a message with two attachments', async () => {
  await using server = await fakeSmtp();
  const files = ['examples/files/hello.txt', 'examples/files/month-data.xlsx'];
  const result = await run('send-mail', ['you@example.com', ...files], { SMTP_URL: server.url });
  expect(result).toEqual({ code: 0, out: 'accepted for 1, refused for 0\n' });
  expect(server.messages).toHaveLength(1);
});

test('a server for telnet programs', async () => {
  const { port } = await start('telnet-server');
  await using client = await TelnetClient.connect(`telnet://127.0.0.1:${port}`);
  await client.expect('> ');
  await client.writeLine('whoami');
  expect((await client.expect('> ')).before).toContain('127.0.0.1, port');
  await client.writeLine('__proto__');
  expect((await client.expect('> ')).before).toContain('I do not know');
  await client.writeLine('quit');
  expect(await client.readAll()).toContain('Bye.');
});
