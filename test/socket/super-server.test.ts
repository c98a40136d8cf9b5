import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { UnsupportedError, UsageError } from '../../src/errors.ts';
import { SuperServer, type SuperService, TcpSocket, UdpSocket, UnixSocket, parseInetd } from './socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const open: { close(): Promise<void> }[] = [];
const keep = <T extends { close(): Promise<void> }>(thing: T): T => {
  open.push(thing);
  return thing;
};
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});
const me = userInfo().username;
const shell = (script: string): Pick<SuperService, 'program' | 'args'> => ({
  program: '/bin/sh',
  args: ['-c', script],
});

describe('the file', () => {
  test('is read', () => {
    const text = `
# a comment
127.0.0.1:2000 stream tcp nowait.3 nobody /bin/cat cat -u   # another
smtp           stream tcp6 nowait  root:wheel /usr/sbin/x x a b
*:2001         dgram  udp  wait    root   /usr/bin/y y
/run/z         stream unix nowait  root   /bin/cat
`;
    expect(parseInetd(text)).toEqual([
      {
        name: '127.0.0.1:2000',
        protocol: 'tcp',
        host: '127.0.0.1',
        port: 2000,
        wait: false,
        user: 'nobody',
        program: '/bin/cat',
        args: ['-u'],
        maxInstances: 3,
      },
      {
        name: 'smtp',
        protocol: 'tcp',
        host: '::1',
        port: 25,
        wait: false,
        user: 'root',
        program: '/usr/sbin/x',
        args: ['a', 'b'],
        maxInstances: undefined,
      },
      {
        name: '*:2001',
        protocol: 'udp',
        host: '0.0.0.0',
        port: 2001,
        wait: true,
        user: 'root',
        program: '/usr/bin/y',
        args: [],
        maxInstances: undefined,
      },
      {
        name: '/run/z',
        protocol: 'unix',
        path: '/run/z',
        wait: false,
        user: 'root',
        program: '/bin/cat',
        args: [],
        maxInstances: undefined,
      },
    ]);
  });

  test.each([
    'echo stream tcp nowait root',
    'echo dgram tcp nowait root /bin/cat',
    'echo stream sctp nowait root /bin/cat',
    'echo stream tcp sometimes root /bin/cat',
    'no-such-service stream tcp nowait root /bin/cat',
  ])('%j is refused, with its line', (line) => {
    expect(() => parseInetd(`\n${line}`)).toThrow(/^line 2: /);
  });
});

test('a program for each connection, over TCP and Unix, from a file', async () => {
  const path = join(folder, 'cat');
  const server = keep(
    await SuperServer.start(
      `127.0.0.1:0 stream tcp nowait ${me} /bin/cat cat\n${path} stream unix nowait ${me} /bin/cat cat`,
    ),
  );
  const tcp = keep(await TcpSocket.connect({ port: server.services[0]?.port ?? 0 }));
  const again = keep(await TcpSocket.connect({ port: server.services[0]?.port ?? 0 }));
  const unix = keep(await UnixSocket.connect(path));
  for (const socket of [tcp, unix, again]) {
    await socket.sendAll('hello\n');
    expect(Buffer.from(await socket.recvExactly(6)).toString()).toBe('hello\n');
  }
  expect(server.running).toBe(3);
  for (const socket of [tcp, unix, again]) {
    await socket.shutdown('write');
    expect(await socket.recv()).toHaveLength(0);
  }
  await expect.poll(() => server.running).toBe(0);
});

test('in code, with its environment, its limit, and a program that fails', async () => {
  const errors: string[] = [];
  const server = keep(
    await SuperServer.start(
      [
        { name: 'who', protocol: 'tcp', port: 0, wait: false, ...shell('echo $REMOTE_HOST $GREETING'), user: me },
        { name: 'one', protocol: 'tcp', port: 0, wait: false, maxInstances: 1, program: '/bin/cat' },
        { name: 'bad', protocol: 'tcp', port: 0, wait: false, ...shell('exit 3') },
        { name: 'gone', protocol: 'tcp', port: 0, wait: false, program: '/no/such/program' },
      ],
      { env: { GREETING: 'hello' }, onError: (error, { name }) => errors.push(`${name} ${(error as Error).message}`) },
    ),
  );
  const connect = async (at: number): Promise<TcpSocket> =>
    keep(await TcpSocket.connect({ port: server.services[at]?.port ?? 0 }));
  expect(await (await connect(0)).makeFile().read()).toBe('127.0.0.1 hello\n');
  const first = await connect(1);
  await first.sendAll('x');
  await first.recv();
  expect(await (await connect(1)).recv().catch(() => new Uint8Array())).toHaveLength(0);
  for (const at of [2, 3]) expect(await (await connect(at)).recv().catch(() => new Uint8Array())).toHaveLength(0);
  await expect.poll(() => errors).toHaveLength(3);
  expect(errors.sort()).toEqual([
    'bad bad: /bin/sh ended with 3',
    expect.stringContaining('gone gone: /no/such/program cannot be run'),
    'one one runs 1 times already',
  ]);
});

test('a program that waits gets the listening socket, and is started again', async () => {
  const python = (script: string): Pick<SuperService, 'program' | 'args'> => ({
    program: '/usr/bin/env',
    args: ['python3', '-c', script],
  });
  const server = keep(
    await SuperServer.start([
      {
        name: 'tcp',
        protocol: 'tcp',
        port: 0,
        wait: true,
        ...python(
          'import socket; s = socket.socket(fileno=0); s.setblocking(True); c, _ = s.accept(); c.sendall(b"accepted"); c.close()',
        ),
      },
      {
        name: 'udp',
        protocol: 'udp',
        port: 0,
        wait: true,
        ...python(
          'import socket; s = socket.socket(fileno=0); s.setblocking(True); d, a = s.recvfrom(100); s.sendto(d.upper(), a)',
        ),
      },
    ]),
  );
  const [tcp, udp] = server.services;
  for (let count = 0; count < 2; count++) {
    const client = keep(await UdpSocket.connect({ port: udp?.port }));
    await client.send('hello');
    expect(Buffer.from(await client.recv(100, { timeoutMs: 10_000 })).toString()).toBe('HELLO');
  }
  for (let count = 0; count < 2; count++) {
    const connected = async (): Promise<TcpSocket> => keep(await TcpSocket.connect({ port: tcp?.port }));
    // Between two programs nobody listens.
    await expect
      .poll(
        () =>
          connected()
            .then((socket) => socket.makeFile().read())
            .catch(() => ''),
        { timeout: 10_000 },
      )
      .toBe('accepted');
  }
});

test('what cannot be is refused before anything listens', async () => {
  const service: SuperService = { name: 'x', protocol: 'tcp', port: 0, wait: false, program: '/bin/cat' };
  await expect(SuperServer.start([{ ...service, program: 'cat' }])).rejects.toThrow(UsageError);
  await expect(SuperServer.start([{ ...service, user: 'no-such-user' }])).rejects.toThrow(UsageError);
  await expect(SuperServer.start([{ ...service, protocol: 'udp' }])).rejects.toThrow(UnsupportedError);
  await expect(SuperServer.start([{ ...service, port: 99_999 }])).rejects.toThrow(UsageError);
  const taken = keep(await SuperServer.start([service]));
  await expect(SuperServer.start([service, { ...service, port: taken.services[0]?.port }])).rejects.toMatchObject({
    reason: 'EADDRINUSE',
  });
});
