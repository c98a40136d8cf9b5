import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendMail } from '../../src/mail/index.ts';
import { Pop3Client } from '../../src/pop3/index.ts';
import { HttpClient } from '../../src/http/index.ts';
import { TelnetClient } from '../../src/telnet/index.ts';
import { type FakeMailHost, fakeMailHost, fakeTelnet } from '../../src/testing/index.ts';
import { fakeForSuite, httpClientSuite } from '../suites/http.ts';
import { freePort, stop, untilListening } from './process.ts';

const children: ChildProcess[] = [];
const start = async (command: string, args: readonly string[], port: number): Promise<void> => {
  children.push(spawn(command, args, { stdio: 'ignore' }));
  await untilListening(port);
};

/** dante: SOCKS 4 and 5 on loopback, with and without a login by the system's users. */
async function startDante(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-dante-'));
  const port = await freePort();
  writeFileSync(
    join(folder, 'danted.conf'),
    `logoutput: ${folder}/log
internal: 127.0.0.1 port = ${port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks block { from: 0.0.0.0/0 to: 127.0.0.3/32 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
`,
  );
  await start('/usr/sbin/danted', ['-f', join(folder, 'danted.conf')], port);
  return port;
}

/** squid, that lets anybody on loopback CONNECT anywhere. */
async function startSquid(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-squid-'));
  chmodSync(folder, 0o777);
  const port = await freePort();
  writeFileSync(
    join(folder, 'squid.conf'),
    `http_port 127.0.0.1:${port}
pid_filename ${folder}/squid.pid
access_log none
cache_log ${folder}/cache.log
cache deny all
coredump_dir ${folder}
acl here src 127.0.0.0/8
acl forbidden dst 127.0.0.3
http_access deny forbidden
http_access allow here
http_access deny all
`,
  );
  await start('/usr/sbin/squid', ['-N', '-f', join(folder, 'squid.conf')], port);
  return port;
}

let servers: FakeMailHost;
let dante = 0;
let squid = 0;
beforeAll(async () => {
  [dante, squid] = [await startDante(), await startSquid()];
  servers = await fakeMailHost({ users: { 'ann@example.com': 'pw' }, tls: 'starttls' });
}, 60_000);
afterAll(async () => {
  for (const child of children) await stop(child);
  await servers.close();
});

describe.each([
  ['dante, SOCKS 5', () => `socks5://127.0.0.1:${dante}`],
  ['dante, SOCKS 4a', () => `socks4a://127.0.0.1:${dante}`],
  ['dante, SOCKS 4', () => `socks4://127.0.0.1:${dante}`],
  ['squid, CONNECT', () => `http://127.0.0.1:${squid}`],
  ['dante and then squid', () => [`socks5://127.0.0.1:${dante}`, `http://127.0.0.1:${squid}`]],
])('through %s', (_name, proxy) => {
  test('a message is sent over STARTTLS with login, and read back', async () => {
    const tls = { ca: servers.smtp.ca as string };
    const text = `by ${JSON.stringify(proxy())} `.repeat(5000);
    await sendMail(
      servers.smtp.url,
      { from: 'ann@example.com', to: 'ann@example.com', subject: 'x', text },
      { tls, proxy: proxy() },
    );
    await using client = await Pop3Client.connect(servers.pop3.url, { tls, proxy: proxy() });
    const { count } = await client.stat();
    expect((await (await client.retr(count)).text()).length).toBeGreaterThan(text.length);
    await client.dele(count);
  });
  test('a Telnet session, in the clear and with TLS begun by its option', async () => {
    for (const tls of ['none', 'starttls'] as const) {
      await using server = await fakeTelnet({ tls, users: { ann: 'pw' } });
      await using client = await TelnetClient.connect(server.url, {
        proxy: proxy(),
        ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }),
      });
      await client.login({ user: 'ann', password: 'pw', prompt: '$ ' });
      expect((await client.exec('echo through', { prompt: '$ ' })).output).toBe('through\r\n');
      expect(client.secure).toBe(tls === 'starttls');
    }
  });
  test('what it will not lead to is refused in words', async () => {
    await expect(
      Pop3Client.connect({ host: '127.0.0.3', port: servers.pop3.port }, { proxy: proxy() }),
    ).rejects.toMatchObject({
      code: 'CONNECT',
      message: expect.stringMatching(/proxy .* did not connect to 127\.0\.0\.3/) as string,
    });
  });
});

for (const [name, proxy] of [
  ['dante, SOCKS 5', () => `socks5h://127.0.0.1:${dante}`],
  ['squid', () => `http://127.0.0.1:${squid}`],
  ['dante and then squid', () => [`socks5://127.0.0.1:${dante}`, `http://127.0.0.1:${squid}`]],
] as const)
  for (const tls of ['none', 'implicit'] as const)
    httpClientSuite(`the fake, ${tls === 'none' ? 'http' : 'https'} through ${name}`, async () => {
      const server = await fakeForSuite({ tls });
      const options = { proxy: proxy(), ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }) };
      return { url: server.url, options, close: () => server.close() };
    });

test('HTTP by squid: absolute-form for http, a tunnel for https', async () => {
  await using plain = await fakeForSuite();
  await using secure = await fakeForSuite({ tls: 'implicit' });
  await using client = new HttpClient({ proxy: `http://127.0.0.1:${squid}`, tls: { ca: secure.ca as string } });
  expect(await (await client.get(`${plain.url}/hello`)).text()).toBe('hello');
  expect(await (await client.get(`${secure.url}/hello`)).text()).toBe('hello');
  // What squid passes on it signs; it sees nothing of what is in a tunnel.
  expect(plain.requests[0]?.headers.get('via')).toMatch(/squid/);
  expect(secure.requests[0]?.headers.has('via')).toBe(false);
});

test('HTTP to where the proxies do not lead: squid answers for http, and refuses a tunnel; dante refuses', async () => {
  await using client = new HttpClient({ proxy: `http://127.0.0.1:${squid}` });
  await using refused = await client.get('http://127.0.0.3/');
  expect(refused.status).toBe(403);
  await expect(client.get('https://127.0.0.3/')).rejects.toMatchObject({ code: 'CONNECT' });
  await using socks = new HttpClient({ proxy: `socks5://127.0.0.1:${dante}` });
  await expect(socks.get('http://127.0.0.3/')).rejects.toMatchObject({ code: 'CONNECT' });
});
