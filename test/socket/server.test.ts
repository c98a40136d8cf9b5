import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { LimitError, TimeoutError, UsageError } from '../../src/errors.ts';
import { testTls } from '../../src/testing/certificates.ts';
import {
  type DatagramRequest,
  type ServeStreamOptions,
  type StreamClient,
  StreamServer,
  type StreamSocket,
  TcpSocket,
  UdpSocket,
  UnixSocket,
  dial,
  encodeLengthPrefix,
  encodeNetstring,
  encodeProxyHeader,
  lengthPrefixDecoder,
  lineDecoder,
  netstringDecoder,
  serve,
  serveInMemory,
  systemdSockets,
} from './socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const open: { close(): Promise<void> }[] = [];
function keep<T extends { close(): Promise<void> }>(thing: T): T {
  open.push(thing);
  return thing;
}
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

const tcp = async (options: Partial<ServeStreamOptions> & Pick<ServeStreamOptions, 'handler'>): Promise<StreamServer> =>
  keep(await serve({ protocol: 'tcp', address: ':0', ...options }));
const connect = async (server: { port: number }): Promise<TcpSocket> => keep(await TcpSocket.connect(server));

async function shout(client: StreamClient): Promise<void> {
  for await (const line of client) await client.writeLine(line.toUpperCase());
}

class Shouter {
  static readonly seen: string[] = [];
  readonly #client: StreamClient;
  constructor(client: StreamClient) {
    this.#client = client;
  }
  setup(): void {
    Shouter.seen.push('setup');
  }
  async handle(): Promise<void> {
    Shouter.seen.push('handle');
    await shout(this.#client);
    throw new Error('on purpose');
  }
  finish(): void {
    Shouter.seen.push('finish');
  }
}

async function talk(socket: StreamSocket, question: string): Promise<string> {
  await socket.sendAll(question);
  await socket.shutdown('write');
  const file = socket.makeFile();
  return file.read();
}

describe('handlers', () => {
  test('a function serves lines over TCP, the last one without its end', async () => {
    const server = await tcp({ handler: shout });
    expect(await talk(await connect(server), 'one\r\ntwo\nthree')).toBe('ONE\r\nTWO\r\nTHREE\r\n');
    expect(server.address).toEqual({ host: '127.0.0.1', port: server.port, family: 4 });
  });

  test('a class is made for each client, set up, and finished though it throws', async () => {
    const errors: unknown[] = [];
    const server = await tcp({ handler: Shouter, onError: (error) => errors.push(error) });
    expect(await talk(await connect(server), 'hello\n')).toBe('HELLO\r\n');
    expect(Shouter.seen).toEqual(['setup', 'handle', 'finish']);
    await expect.poll(() => errors).toEqual([expect.objectContaining({ message: 'on purpose' })]);
    expect(server.connectionCount).toBe(0);
  });

  test('a Unix socket, by path and by abstract name', async () => {
    for (const path of [join(folder, 'served'), `\0postwire-served-${process.pid}`]) {
      const server = keep(await serve({ protocol: 'unix', address: path, handler: shout }));
      expect(server.address).toBe(path);
      expect(await talk(keep(await UnixSocket.connect(path)), 'hi\n')).toBe('HI\r\n');
    }
  });

  test('datagrams, by function and by class, answered to their sender', async () => {
    class Upper {
      readonly request: DatagramRequest;
      constructor(request: DatagramRequest) {
        this.request = request;
      }
      async handle(): Promise<void> {
        await this.request.reply(text(this.request.data).toUpperCase());
      }
    }
    for (const handler of [(request: DatagramRequest) => new Upper(request).handle(), Upper])
      for (const host of ['127.0.0.1', '::1']) {
        const server = keep(await serve({ protocol: 'udp', address: { host, port: 0 }, handler }));
        const client = keep(await UdpSocket.connect(server.address));
        await client.send('hello');
        expect(text(await client.recv())).toBe('HELLO');
      }
  });

  test('TLS, STARTTLS, and a client that is no TLS client', async () => {
    const { ca, server: certificate } = await testTls('valid');
    const errors: unknown[] = [];
    const tls = keep(
      await serve({
        protocol: 'tls',
        address: ':0',
        tls: certificate,
        handler: shout,
        onError: (error) => errors.push(error),
      }),
    );
    const line = lineDecoder(100);
    const target = { host: '127.0.0.1', port: tls.port };
    const secure = keep(await dial({ ...target, implicitTls: true, tls: { ca } }));
    await secure.write([Buffer.from('quiet\n')]);
    expect(text(await secure.read(line))).toBe('QUIET');
    const plain = await connect(tls);
    await plain.sendAll('GET / HTTP/1.0\r\n\r\n');
    await expect.poll(() => errors).toEqual([expect.objectContaining({ code: 'TLS' })]);

    const upgrading = await tcp({
      startTls: certificate,
      async handler(client) {
        for await (const word of client) {
          await client.writeLine(client.secure ? `secret ${word}` : 'go ahead');
          if (!client.secure) await client.startTls();
        }
      },
    });
    const upgraded = keep(await dial({ host: '127.0.0.1', port: upgrading.port }));
    await upgraded.write([Buffer.from('STARTTLS\r\n')]);
    expect(text(await upgraded.read(line))).toBe('go ahead');
    await upgraded.startTls({ ca });
    await upgraded.write([Buffer.from('word\r\n')]);
    expect(text(await upgraded.read(line))).toBe('secret word');
  });

  test('SV-03: plaintext behind the wish for TLS is no part of the session', async () => {
    const { server: certificate } = await testTls('valid');
    const errors: unknown[] = [];
    const lines: string[] = [];
    const server = await tcp({
      startTls: certificate,
      onError: (error) => errors.push(error),
      async handler(client) {
        for await (const line of client) {
          lines.push(line);
          await client.startTls();
        }
      },
    });
    const socket = await connect(server);
    await socket.sendAll('STARTTLS\r\nEVIL\r\n');
    await expect.poll(() => errors).toEqual([expect.objectContaining({ reason: 'STARTTLS_INJECTION' })]);
    expect(lines).toEqual(['STARTTLS']);
  });

  test('frames: netstrings and length prefixes, whole and split', async () => {
    const server = await tcp({
      async handler(client) {
        const decode = netstringDecoder(100);
        for (let frame = await client.readFrame(decode); frame !== undefined; frame = await client.readFrame(decode))
          await client.write(encodeLengthPrefix({ bytes: 2 }, frame));
      },
    });
    const connection = keep(await dial({ host: '127.0.0.1', port: server.port }));
    const wire = Buffer.concat([encodeNetstring('hello'), encodeNetstring(''), encodeNetstring('wörld')]);
    for (const byte of wire) {
      await connection.write([Uint8Array.of(byte)]);
      connection.flush();
    }
    const decode = lengthPrefixDecoder({ bytes: 2 }, 100);
    const frames = [];
    for (let count = 0; count < 3; count++) frames.push(text(await connection.read(decode)));
    expect(frames).toEqual(['hello', '', 'wörld']);
  });

  test('a handler runs in memory, with TLS and without, and no port', async () => {
    const { ca, server: certificate } = await testTls('valid');
    const plain = keep(serveInMemory(shout));
    await plain.write([Buffer.from('psst\n')]);
    expect(text(await plain.read(lineDecoder(100)))).toBe('PSST');
    const secure = keep(serveInMemory(shout, { tls: certificate }));
    await secure.startTls({ ca, serverName: 'localhost' });
    await secure.write([Buffer.from('psst\n')]);
    expect(text(await secure.read(lineDecoder(100)))).toBe('PSST');
    const errors: unknown[] = [];
    serveInMemory(() => Promise.reject(new Error('no')), { onError: (error) => errors.push(error) });
    await expect.poll(() => errors.length).toBe(1);
  });

  test.each<[string, object]>([
    ['no protocol', { protocol: 'tpc', address: ':0', handler: shout }],
    ['no handler', { protocol: 'tcp', address: ':0' }],
    ['an option that is none', { protocol: 'tcp', address: ':0', handler: shout, maxConections: 1 }],
    ['a limit that is none', { protocol: 'tcp', address: ':0', handler: shout, maxConnections: Number.NaN }],
    ['a rate that is none', { protocol: 'tcp', address: ':0', handler: shout, ratePerPeer: { perSecond: 0 } }],
    ['concurrency of nobody', { protocol: 'tcp', address: ':0', handler: shout, concurrency: 0 }],
    ['threads with a function', { protocol: 'tcp', address: ':0', handler: shout, concurrency: { threads: 1 } }],
    ['TLS without a certificate', { protocol: 'tls', address: ':0', handler: shout }],
    ['datagrams in threads', { protocol: 'udp', address: ':0', handler: shout, concurrency: { threads: 1 } }],
    ['a module for one process', { protocol: 'tcp', address: ':0', handler: { module: 'x' } }],
  ])('%s is a UsageError', async (_name, options) => {
    await expect(serve(options as never)).rejects.toThrow(UsageError);
  });

  test('an address that cannot be had', async () => {
    const server = await tcp({ handler: shout });
    await expect(tcp({ address: server.address as never, handler: shout })).rejects.toMatchObject({
      code: 'CONNECT',
      reason: 'EADDRINUSE',
    });
  });
});

describe('concurrency', () => {
  test.each([
    ['serial', 1],
    [3, 3],
    ['unbounded', 6],
  ] as const)('%s: that many at once, all in the end', async (concurrency, most) => {
    let now = 0;
    let peak = 0;
    const releases: (() => void)[] = [];
    const server = await tcp({
      concurrency,
      async handler(client) {
        peak = Math.max(peak, ++now);
        await new Promise<void>((resolve) => releases.push(resolve));
        await client.write('done');
        now--;
      },
    });
    const sockets = await Promise.all(Array.from({ length: 6 }, () => connect(server)));
    await expect.poll(() => server.connectionCount).toBe(6);
    const answers = Promise.all(sockets.map((socket) => socket.recv()));
    for (let done = 0; done < 6; done++) {
      await expect.poll(() => releases.length).toBeGreaterThan(0);
      releases.shift()?.();
    }
    expect((await answers).map(text)).toEqual(Array(6).fill('done'));
    expect(peak).toBe(most);
  });

  test('one request at a time, by hand', async () => {
    const server = await tcp({ autoStart: false, handler: shout });
    await expect(server.handleRequest({ timeoutMs: 10 })).rejects.toThrow(TimeoutError);
    const [first, second] = [await connect(server), await connect(server)];
    const answers = Promise.all([talk(first, 'a\n'), talk(second, 'b\n')]);
    await server.handleRequest();
    await server.handleRequest();
    expect(await answers).toEqual(['A\r\n', 'B\r\n']);
    server.start();
    expect(await talk(await connect(server), 'c\n')).toBe('C\r\n');
    await expect(server.handleRequest()).rejects.toThrow(UsageError);
    const datagrams = keep(
      await serve({ protocol: 'udp', address: ':0', autoStart: false, handler: (request) => request.reply('ok') }),
    );
    await expect(datagrams.handleRequest({ timeoutMs: 10 })).rejects.toThrow(TimeoutError);
    const client = keep(await UdpSocket.connect(datagrams.address));
    await client.send('?');
    await datagrams.handleRequest();
    expect(text(await client.recv())).toBe('ok');
  });

  test('datagrams one after the other', async () => {
    let now = 0;
    let peak = 0;
    const server = keep(
      await serve({
        protocol: 'udp',
        address: ':0',
        concurrency: 'serial',
        async handler(request) {
          peak = Math.max(peak, ++now);
          await new Promise((resolve) => setImmediate(resolve));
          now--;
          await request.reply(request.data);
        },
      }),
    );
    const client = keep(await UdpSocket.connect(server.address));
    for (let index = 0; index < 10; index++) await client.send(String(index));
    const answers = [];
    for (let index = 0; index < 10; index++) answers.push(text(await client.recv()));
    expect(answers.join('')).toBe('0123456789');
    expect(peak).toBe(1);
  });
});

describe('limits', () => {
  test('SV-02: connections in all and per peer; the others go on', async () => {
    const errors: unknown[] = [];
    const server = await tcp({
      maxConnections: 3,
      maxConnectionsPerPeer: 2,
      handler: shout,
      onError: (error) => errors.push(error),
    });
    const from = async (host: string): Promise<TcpSocket> => {
      const socket = keep(new TcpSocket());
      socket.bind({ host });
      await socket.connect(server);
      return socket;
    };
    const first = await from('127.0.0.1');
    await from('127.0.0.1');
    await expect.poll(() => server.connectionCount).toBe(2);
    await from('127.0.0.1').catch(() => undefined);
    await expect.poll(() => errors).toEqual([expect.objectContaining({ reason: 'MAX_CONNECTIONS_PER_PEER' })]);
    await from('127.0.0.2');
    await expect.poll(() => server.connectionCount).toBe(3);
    await from('127.0.0.3').catch(() => undefined);
    await expect.poll(() => errors.length).toBe(2);
    expect(errors[1]).toMatchObject({ code: 'LIMIT', reason: 'MAX_CONNECTIONS' });
    expect(await talk(first, 'fine\n')).toBe('FINE\r\n');
    await expect.poll(() => server.connectionCount).toBe(2);
    expect(await talk(await from('127.0.0.1'), 'again\n')).toBe('AGAIN\r\n');
  });

  test('rates, in all and per peer, of datagrams too', async () => {
    const errors: LimitError[] = [];
    const onError = (error: unknown): void => void errors.push(error as LimitError);
    const server = await tcp({ rate: { perSecond: 0.001, burst: 2 }, handler: shout, onError });
    for (let count = 0; count < 3; count++) await connect(server).catch(() => undefined);
    await expect.poll(() => errors.map(({ reason }) => reason)).toEqual(['RATE']);
    const datagrams = keep(
      await serve({
        protocol: 'udp',
        address: ':0',
        ratePerPeer: { perSecond: 0.001, burst: 1 },
        handler: (request) => request.reply('ok'),
        onError,
      }),
    );
    const client = keep(await UdpSocket.connect(datagrams.address));
    await client.send('1');
    expect(text(await client.recv())).toBe('ok');
    await client.send('2');
    await expect.poll(() => errors.map(({ reason }) => reason)).toEqual(['RATE', 'RATE_PER_PEER']);
  });

  test('bytes of one connection, and an endless line', async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const server = await tcp({ maxBytesPerConnection: 1000, handler: shout, onError });
    void (await connect(server)).sendAll('x\n'.repeat(100_000)).catch(() => undefined);
    await expect.poll(() => errors).toEqual([expect.objectContaining({ code: 'LIMIT', reason: 'CONNECTION_BYTES' })]);
    const lines = await tcp({ limits: { lineBytes: 1000 }, handler: shout, onError });
    void (await connect(lines)).sendAll('x'.repeat(100_000)).catch(() => undefined);
    await expect.poll(() => errors.length).toBe(2);
    expect(errors[1]).toMatchObject({ code: 'LIMIT', reason: 'LINE_TOO_LONG' });
  });

  test('a fast client is held back, and loses nothing', async () => {
    let total = 0;
    const server = await tcp({
      bytesPerConnection: { perSecond: 1_000_000, burst: 100_000 },
      async handler(client) {
        for (let bytes = await client.read(); bytes.length > 0; bytes = await client.read()) total += bytes.length;
        await client.write('all');
      },
    });
    expect(await talk(await connect(server), 'x'.repeat(300_000))).toBe('all');
    expect(total).toBe(300_000);
  });

  test('SOCK-02: a client that says nothing is let go', async () => {
    const errors: unknown[] = [];
    const server = await tcp({ timeouts: { idleMs: 20 }, handler: shout, onError: (error) => errors.push(error) });
    expect(await (await connect(server)).recv()).toHaveLength(0);
    expect(errors).toEqual([expect.objectContaining({ code: 'TIMEOUT', phase: 'idle' })]);
  });

  test('SOCK-12: a client that reads nothing is let go', async () => {
    const errors: unknown[] = [];
    const server = await tcp({
      timeouts: { bodyIdleMs: 50 },
      onError: (error) => errors.push(error),
      async handler(client) {
        for (;;) await client.write(new Uint8Array(1_000_000));
      },
    });
    await connect(server);
    await expect.poll(() => errors, { timeout: 20_000 }).toEqual([expect.objectContaining({ code: 'TIMEOUT' })]);
  });

  test('verifyRequest refuses, and may throw', async () => {
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    const server = await tcp({
      verifyRequest: (address) => {
        seen.push(address);
        if (seen.length === 2) throw new Error('cannot say');
        return seen.length > 2;
      },
      onError: (error) => errors.push(error),
      handler: shout,
    });
    for (let count = 0; count < 2; count++) expect(await (await connect(server)).recv()).toHaveLength(0);
    expect(await talk(await connect(server), 'me\n')).toBe('ME\r\n');
    expect(seen[0]).toMatchObject({ host: '127.0.0.1', family: 4 });
    expect(errors).toEqual([expect.objectContaining({ message: 'cannot say' })]);
  });

  test('SOCK-10 SOCK-18: resets and half-closes in any state leave the server as it was', async () => {
    const server = await tcp({ handler: shout });
    for (let count = 0; count < 50; count++) {
      const socket = await connect(server);
      if (count % 5 > 0) await socket.sendAll('half a li');
      if (count % 5 === 1) socket.reset();
      if (count % 5 === 2) await socket.shutdown('write');
      if (count % 5 === 3) await socket.sendAll('ne\n'.repeat(1000));
      if (count % 5 !== 2) socket.reset();
    }
    await expect.poll(() => server.connectionCount).toBe(0);
    expect(await talk(await connect(server), 'still here\n')).toBe('STILL HERE\r\n');
  });
});

describe('the end', () => {
  test('SV-08: a drain lets handlers finish, and closes what goes on too long', async () => {
    const server = await tcp({
      concurrency: 2,
      async handler(client) {
        await client.writeLine('hello');
        const line = await client.readLine();
        if (line === 'polite')
          await new Promise<void>((resolve) => client.draining.addEventListener('abort', () => resolve()));
        else await new Promise(() => {});
        await client.writeLine('goodbye');
      },
    });
    const [polite, stubborn] = [await connect(server), await connect(server)];
    for (const socket of [polite, stubborn]) expect(text(await socket.recv())).toBe('hello\r\n');
    await polite.sendAll('polite\n');
    await stubborn.sendAll('stubborn\n');
    const late = await connect(server);
    await expect.poll(() => server.connectionCount).toBe(3);
    const drained = server.drain({ deadlineMs: 50 });
    expect(await polite.makeFile().read()).toBe('goodbye\r\n');
    expect(await late.recv().catch(() => 'reset')).toSatisfy((end) => end === 'reset' || end.length === 0);
    await expect(TcpSocket.connect(server)).rejects.toMatchObject({ reason: 'ECONNREFUSED' });
    expect(await stubborn.recv()).toHaveLength(0);
    expect(await drained).toEqual({ finished: 1, aborted: 2 });
  });

  test('a drain counts, and closed settles', async () => {
    const server = await tcp({
      async handler(client) {
        for await (const line of client) await client.writeLine(line);
      },
    });
    const sockets = await Promise.all([connect(server), connect(server)]);
    for (const socket of sockets) await socket.sendAll('x\n');
    for (const socket of sockets) await socket.recv();
    const drained = server.drain({ deadlineMs: 30 });
    await sockets[0]?.close();
    expect(await drained).toEqual({ finished: 1, aborted: 1 });
    await server.closed;
    await server.close();
  });

  test('a datagram server drains too', async () => {
    let release!: () => void;
    const server = await serve({
      protocol: 'udp',
      address: ':0',
      async handler(request) {
        await new Promise<void>((resolve) => (release = resolve));
        await request.reply('late');
      },
    });
    const client = keep(await UdpSocket.connect(server.address));
    await client.send('?');
    await expect.poll(() => release).toBeDefined();
    const drained = server.drain({ deadlineMs: 5000 });
    release();
    expect(await drained).toEqual({ finished: 1, aborted: 0 });
    expect(text(await client.recv())).toBe('late');
  });
});

describe('PROXY protocol', () => {
  const source = { host: '203.0.113.7', port: 4321, family: 4 as const };
  const destination = { host: '192.0.2.1', port: 25, family: 4 as const };
  const who = async (client: StreamClient): Promise<void> => {
    await client.writeLine(`${JSON.stringify(client.address)} ${String(await client.readLine())}`);
  };

  test.each([1, 2] as const)('version %d says where a client is, with its first bytes behind it', async (version) => {
    const server = await tcp({ proxyProtocol: true, handler: who });
    const socket = await connect(server);
    await socket.sendAll(Buffer.concat([encodeProxyHeader({ version, source, destination }), Buffer.from('hi\n')]));
    expect(text(await socket.recv())).toBe(`${JSON.stringify(source)} hi\r\n`);
  });

  test('in front of TLS, in one segment', async () => {
    const { ca, server: certificate } = await testTls('valid');
    const server = keep(
      await serve({ protocol: 'tls', address: ':0', tls: certificate, proxyProtocol: true, handler: who }),
    );
    const connection = keep(await dial({ host: '127.0.0.1', port: server.port }));
    await connection.write([encodeProxyHeader({ version: 2, source, destination })]);
    await connection.startTls({ ca });
    await connection.write([Buffer.from('hi\n')]);
    expect(text(await connection.read(lineDecoder(200)))).toBe(`${JSON.stringify(source)} hi`);
  });

  test('a client without a header, or with one that never ends, is refused', async () => {
    const errors: unknown[] = [];
    const server = await tcp({
      proxyProtocol: true,
      timeouts: { greetingMs: 30 },
      handler: who,
      onError: (error) => errors.push(error),
    });
    const direct = await connect(server);
    await direct.sendAll('EHLO me\r\n');
    await expect.poll(() => errors.length).toBe(1);
    expect(errors[0]).toMatchObject({ code: 'PROTOCOL', reason: 'PROXY_HEADER' });
    const slow = await connect(server);
    await slow.sendAll('PROXY TCP4 ');
    await expect.poll(() => errors.length).toBe(2);
    expect(errors[1]).toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('systemd', () => {
  test('sockets by name, and none that are for another process', () => {
    const env = { LISTEN_PID: String(process.pid), LISTEN_FDS: '2', LISTEN_FDNAMES: 'web:mail' };
    expect(systemdSockets(env)).toEqual([
      { fd: 3, name: 'web' },
      { fd: 4, name: 'mail' },
    ]);
    expect(systemdSockets({ ...env, LISTEN_PID: '1' })).toEqual([]);
    expect(systemdSockets({ ...env, LISTEN_FDS: 'x' })).toEqual([]);
  });

  test('a program serves on the socket that it was started with', async () => {
    const listening = createServer();
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const { port } = listening.address() as { port: number };
    const program = `
      import { serve } from ${JSON.stringify(join(process.cwd(), 'dist/socket/index.js'))};
      process.env.LISTEN_PID = String(process.pid);
      await serve({ protocol: 'tcp', address: 'systemd:echo', handler: (client) => client.writeLine('activated') });
      console.log('ready');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'echo' },
      // Node has no public way to ask for it.
      stdio: ['ignore', 'pipe', 'inherit', (listening as unknown as { _handle: { fd: number } })._handle.fd],
    });
    await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
    listening.close();
    const socket = await connect({ port });
    expect(text(await socket.recv())).toBe('activated\r\n');
    child.kill();
    await once(child, 'exit');
  });
});
