import { afterEach, describe, expect, test } from 'vitest';
// Threads and processes load the built package.
import { TcpSocket, serve } from '../../dist/socket/index.js';
import type { StreamServer } from '../../src/socket/server/stream-server.ts';
import { testTls } from '../../src/testing/certificates.ts';
import { dial, lineDecoder } from './socket.ts';

const module = new URL('./handlers/echo.mjs', import.meta.url);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const open: { close(): Promise<void> }[] = [];
const keep = <T extends { close(): Promise<void> }>(thing: T): T => {
  open.push(thing);
  return thing;
};
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

interface Line {
  readLine(): Promise<string | undefined>;
}
async function connect(server: StreamServer): Promise<{ socket: TcpSocket; file: Line; first: string | undefined }> {
  const socket = keep(await TcpSocket.connect(server));
  const file = socket.makeFile();
  return { socket, file, first: await file.readLine() };
}

describe.each([
  ['threads', { threads: 2 }],
  ['processes', { processes: 2 }],
] as const)('in %s', (kind, concurrency) => {
  const start = async (options: object = {}): Promise<StreamServer> =>
    keep(
      (await serve({
        protocol: 'tcp',
        address: ':0',
        concurrency,
        handler: { module },
        ...options,
      } as never)) as unknown as StreamServer,
    );

  test('connections are shared out, and each is served to its end', async () => {
    const server = await start();
    const clients = await Promise.all([connect(server), connect(server), connect(server), connect(server)]);
    expect(new Set(clients.map(({ first }) => first)).size).toBe(2);
    const here = clients.filter(({ first }) => first?.startsWith(`pid ${process.pid} `));
    expect(here).toHaveLength(kind === 'threads' ? 4 : 0);
    for (const { socket, file } of clients) {
      await socket.sendAll('hello\n');
      expect(await file.readLine()).toBe('HELLO');
      await socket.shutdown('write');
      expect(await file.readLine()).toBeUndefined();
    }
    await expect.poll(() => server.connectionCount).toBe(0);
  });

  test('megabytes both ways, with nobody’s memory filling up', async () => {
    const server = await start({ handler: { module, name: 'copy' } });
    const socket = keep(await TcpSocket.connect(server));
    const total = 20_000_000;
    let got = 0;
    const block = new Uint8Array(1_000_003).map((_, index) => index % 251);
    const sending = (async () => {
      for (let sent = 0; sent < total; sent += block.length) await socket.sendAll(block.subarray(0, total - sent));
      await socket.shutdown('write');
    })();
    for (let bytes = await socket.recv(); bytes.length > 0; bytes = await socket.recv()) {
      if (bytes[0] !== (got % block.length) % 251) throw new Error(`wrong byte at ${got}`);
      got += bytes.length;
    }
    await sending;
    expect(got).toBe(total);
  });

  test('what a handler says last arrives, though it has left and the client is slow', async () => {
    const server = await start({ handler: { module, name: 'parting' } });
    for (let count = 0; count < 5; count++) {
      const socket = keep(await TcpSocket.connect(server));
      let got = 0;
      for (let bytes = await socket.recv(100_000); bytes.length > 0; bytes = await socket.recv(100_000)) {
        got += bytes.length;
        if (got % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(got).toBe(3_000_000);
    }
  });

  test('errors come home, limits hold, STARTTLS and classes work', async () => {
    const { ca, server: certificate } = await testTls('valid');
    const errors: unknown[] = [];
    const server = await start({
      maxConnections: 1,
      startTls: certificate,
      onError: (error: unknown) => errors.push(error),
    });
    const { socket } = await connect(server);
    const refused = keep(await TcpSocket.connect(server));
    expect(await refused.recv().catch(() => new Uint8Array())).toHaveLength(0);
    await socket.sendAll('throw\n');
    await expect.poll(() => errors.length).toBe(2);
    expect(errors).toEqual([
      expect.objectContaining({ reason: 'MAX_CONNECTIONS' }),
      expect.objectContaining({ message: 'thrown on purpose' }),
    ]);
    await expect.poll(() => server.connectionCount).toBe(0);
    const secure = keep(await dial({ host: '127.0.0.1', port: server.port }));
    const line = lineDecoder(100);
    await secure.read(line);
    await secure.write([Buffer.from('tls\n')]);
    expect(text(await secure.read(line))).toBe('go');
    await secure.startTls({ ca });
    await secure.write([Buffer.from('inside\n')]);
    expect(text(await secure.read(line))).toBe('INSIDE');
    const classes = await start({ handler: { module, name: 'Counter' } });
    expect((await connect(classes)).first).toBe('class');
  });

  test('one that dies takes its connections along, and is replaced', async () => {
    const errors: unknown[] = [];
    const server = await start({ concurrency: { [kind]: 1 }, onError: (error: unknown) => errors.push(error) });
    const { socket, first } = await connect(server);
    await socket.sendAll('exit\n');
    expect(await socket.recv().catch(() => new Uint8Array())).toHaveLength(0);
    await expect.poll(() => errors).toEqual([expect.objectContaining({ code: 'CLOSED' })]);
    expect((await connect(server)).first).not.toBe(first);
  });

  test('a drain reaches the handlers', async () => {
    const server = await start();
    const { socket, file } = await connect(server);
    const stubborn = await connect(server);
    await socket.sendAll('wait\n');
    expect(await file.readLine()).toBe('waiting');
    await stubborn.socket.sendAll('a\n');
    expect(await stubborn.file.readLine()).toBe('A');
    const drained = server.drain({ deadlineMs: 1000 });
    expect(await file.readLine()).toBe('drained');
    expect(await drained).toEqual({ finished: 1, aborted: 1 });
  });

  test('a handler that cannot be loaded is known at once', async () => {
    await expect(start({ handler: { module: '/no/such/file.mjs' } })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(start({ handler: { module, name: 'nothing' } })).rejects.toMatchObject({ code: 'USAGE' });
  });
});
