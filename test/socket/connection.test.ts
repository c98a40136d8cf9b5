import { createServer as createNetServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ClosedError,
  ConnectError,
  LimitError,
  PostwireError,
  ProtocolError,
  TimeoutError,
  UsageError,
  escapeControls,
} from '../../src/errors.ts';
import {
  Connection,
  type Transport,
  anyBytes,
  dial,
  dottedDecoder,
  exactDecoder,
  lineDecoder,
  listen,
  memoryPair,
} from './socket.ts';
import { bytesOf, textOf } from '../decoder-cases.ts';

const servers: (Server | { close(): unknown })[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) await server.close();
});

/** A bare TCP server, to misbehave as no codec would. */
async function rawServer(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createNetServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const pair = (options = {}): [Connection, Transport] => {
  const [left, right] = memoryPair();
  return [new Connection(left, { host: 'peer', ...options }), right];
};
const line = lineDecoder(1000);

describe('Connection', () => {
  test('read runs a decoder until it yields, tryRead never waits', async () => {
    const [connection, peer] = pair();
    expect(connection.tryRead(line)).toBeUndefined();
    const reading = connection.read(line);
    await peer.write([bytesOf('hel'), bytesOf('lo\r\nnext\r\n')]);
    expect(textOf(await reading)).toBe('hello');
    expect(textOf(connection.tryRead(line) as Uint8Array)).toBe('next');
    connection.destroy();
  });

  test('the writes of one turn leave in one piece', async () => {
    const chunks: string[] = [];
    const port = await rawServer((socket) => socket.on('data', (chunk: Buffer) => chunks.push(chunk.toString())));
    const connection = await dial({ host: '127.0.0.1', port });
    void connection.write([bytesOf('a'), bytesOf('b')]);
    void connection.write([bytesOf('c')]);
    await connection.write([bytesOf('d')]);
    await expect.poll(() => chunks.join('')).toBe('abcd');
    expect(chunks).toEqual(['abcd']);
    await connection.close();
  });

  test('a body streams, holds the connection, and leaves it usable', async () => {
    const [connection, peer] = pair();
    void peer.write([bytesOf('one\r\n..two\r\n.\r\n+OK\r\n')]);
    const body = connection.body(dottedDecoder());
    expect(connection.bodyOpen).toBe(true);
    expect(await body.text()).toBe('one\r\n.two\r\n');
    expect(connection.bodyOpen).toBe(false);
    expect(textOf(await connection.read(line))).toBe('+OK');
    connection.destroy();
  });

  test('leaving a short body early drains it; a long one closes the connection', async () => {
    const [connection, peer] = pair();
    void peer.write([bytesOf(`${'x'.repeat(1000)}\r\n.\r\nnext\r\n`)]);
    for await (const chunk of connection.body(dottedDecoder())) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(textOf(await connection.read(line))).toBe('next');
    void peer.write([bytesOf('x'.repeat(2_000_000))]).catch(() => {});
    for await (const _chunk of connection.body(dottedDecoder())) break;
    expect(connection.open).toBe(false);
    await expect(connection.read(line)).rejects.toThrow(ClosedError);
  });

  test('SOCK-02: a silent peer meets the phase’s deadline, and the error names the phase', async () => {
    const port = await rawServer(() => {});
    const connection = await dial(
      { host: '127.0.0.1', port, protocol: 'SMTP' },
      { timeouts: { greetingMs: 60, commandMs: 40 } },
    );
    await expect(connection.read(line, { phase: 'greeting' })).rejects.toMatchObject({
      code: 'TIMEOUT',
      phase: 'greeting',
      host: '127.0.0.1',
      port,
      temporary: true,
    });
    expect(connection.open).toBe(false);
    expect((await connection.closed).by).toBe('error');
  });

  test('SOCK-03: a slow reply succeeds, one that only drips does not', async () => {
    const port = await rawServer((socket) => {
      let at = 0;
      const timer = setInterval(() => socket.write(at < 11 ? ('hello\r\nwait'[at++] as string) : 'z'), 5);
      socket.on('close', () => clearInterval(timer));
    });
    const connection = await dial({ host: '127.0.0.1', port }, { timeouts: { commandMs: 400 } });
    expect(textOf(await connection.read(line))).toBe('hello');
    const started = performance.now();
    await expect(connection.read(line)).rejects.toThrow(TimeoutError);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('SOCK-04 SOCK-08: an endless line meets the cap, and nothing after it is parsed', async () => {
    const port = await rawServer((socket) => {
      const chunk = Buffer.alloc(65_536, 97);
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk)) continue;
      };
      socket.on('drain', more);
      more();
    });
    const connection = await dial({ host: '127.0.0.1', port });
    const before = process.memoryUsage().rss;
    await expect(connection.read(lineDecoder(connection.limits.lineBytes))).rejects.toMatchObject({
      code: 'LIMIT',
      reason: 'LINE_TOO_LONG',
    });
    expect(connection.open).toBe(false);
    await expect(connection.read(line)).rejects.toThrow(PostwireError);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  });

  test('SOCK-08: after a limit error the bytes behind it are not read as replies', async () => {
    const [connection, peer] = pair();
    await peer.write([bytesOf(`${'x'.repeat(50)}\r\n250 forged\r\n`)]);
    await expect(connection.read(lineDecoder(20))).rejects.toThrow(LimitError);
    await expect(connection.read(line)).rejects.toThrow(ClosedError);
  });

  test('SOCK-10: a reset in mid-reply rejects once, with what was there', async () => {
    const port = await rawServer((socket) => {
      socket.write('250-half');
      setTimeout(() => socket.resetAndDestroy(), 20);
    });
    const connection = await dial({ host: '127.0.0.1', port, protocol: 'SMTP' });
    await expect(connection.read(line)).rejects.toMatchObject({ code: 'CLOSED', protocol: 'SMTP' });
    await expect(connection.closed).resolves.toMatchObject({ by: 'error' });
  });

  test('SOCK-10: the end of input names the half of a reply that had come', async () => {
    const port = await rawServer((socket) => socket.end('421 going'));
    const connection = await dial({ host: '127.0.0.1', port });
    await expect(connection.read(line)).rejects.toThrow(/421 going/);
  });

  test('SOCK-11: a peer that ended is noticed before the next use', async () => {
    const port = await rawServer((socket) => socket.end('bye\r\n'));
    const connection = await dial({ host: '127.0.0.1', port });
    expect(textOf(await connection.read(line))).toBe('bye');
    await expect.poll(() => connection.ended).toBe(true);
    connection.destroy();
  });

  test('SOCK-12: a peer that stops reading meets the write deadline, and memory stays bounded', async () => {
    const port = await rawServer((socket) => socket.pause());
    const connection = await dial({ host: '127.0.0.1', port }, { timeouts: { bodyIdleMs: 150 } });
    const chunk = new Uint8Array(64 * 1024);
    const before = process.memoryUsage().rss;
    let written = 0;
    await expect(
      (async () => {
        for (;;) {
          await connection.write([chunk]);
          written += chunk.length;
        }
      })(),
    ).rejects.toMatchObject({ code: 'TIMEOUT', phase: 'bodyIdle' });
    expect(written).toBeLessThan(50e6);
    expect(process.memoryUsage().rss - before).toBeLessThan(60e6);
  });

  test('SOCK-13: steady progress meets no deadline', async () => {
    let received = 0;
    const port = await rawServer((socket) => socket.on('data', (chunk: Buffer) => (received += chunk.length)));
    const connection = await dial({ host: '127.0.0.1', port }, { timeouts: { bodyIdleMs: 60, commandMs: 60 } });
    for (let step = 0; step < 30; step++) {
      await connection.write([new Uint8Array(50_000)]);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await expect.poll(() => received).toBe(1_500_000);
    expect(connection.open).toBe(true);
    await connection.close();
  });

  test('SOCK-15: an abort while connecting opens nothing, and rejects with its reason', async () => {
    const reason = new Error('changed my mind');
    const before = AbortSignal.abort(reason);
    await expect(dial({ host: '127.0.0.1', port: 9 }, { signal: before })).rejects.toBe(reason);
    const controller = new AbortController();
    let release!: (addresses: { address: string; family: number }[]) => void;
    const looking = dial(
      { host: 'slow.test', port: 9 },
      { signal: controller.signal, lookup: () => new Promise((resolve) => (release = resolve)) },
    );
    controller.abort(reason);
    await expect(looking).rejects.toBe(reason);
    let accepted = 0;
    const port = await rawServer(() => accepted++);
    release([{ address: '127.0.0.1', family: 4 }]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(accepted).toBe(0);
    const live = new AbortController();
    const connection = await dial({ host: '127.0.0.1', port }, { signal: live.signal });
    await connection.close();
    await expect(connection.read(line)).rejects.toThrow(ClosedError);
    await expect(connection.write([bytesOf('x')])).rejects.toThrow(ClosedError);
    await connection.close();
  });

  test('SOCK-16 SOCK-17: error, close, timeout and abort in one tick settle a call once', async () => {
    const [connection, peer] = pair({ timeouts: { commandMs: 10 } });
    const controller = new AbortController();
    let settled = 0;
    const reading = connection.read(line, { signal: controller.signal }).then(
      () => settled++,
      () => settled++,
    );
    controller.abort(new Error('abort'));
    connection.destroy(new Error('destroy'));
    peer.destroy(new Error('peer'));
    connection.destroy();
    await reading;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(settled).toBe(1);
    expect((await connection.closed).by).toBe('error');
  });

  test('SOCK-18: nothing becomes an unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', onUnhandled);
    const port = await rawServer((socket) => setTimeout(() => socket.resetAndDestroy(), 10));
    const connection = await dial({ host: '127.0.0.1', port });
    const reading = connection.read(line).catch((error: unknown) => error);
    void connection.write([new Uint8Array(10_000_000)]).catch(() => {});
    expect(await reading).toBeInstanceOf(PostwireError);
    await connection.close();
    const idle = await dial({ host: '127.0.0.1', port });
    await idle.closed;
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });

  test('SOCK-19: one signal shared by 1000 calls keeps no listener', async () => {
    const [connection, peer] = pair();
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    for (let round = 0; round < 1000; round++) {
      const reading = connection.read(line, { signal });
      await peer.write([bytesOf('x\r\n')]);
      await reading;
      await connection.write([bytesOf('y')], { signal });
    }
    expect(listeners).toBe(0);
    connection.destroy();
  });

  test('SOCK-22: an abort in any state leaves no bytes for the next call', async () => {
    const [connection, peer] = pair();
    const reason = new Error('stop');
    const aborted = AbortSignal.abort(reason);
    // Nothing has left: only this call is refused.
    await expect(connection.write([bytesOf('x')], { signal: aborted })).rejects.toBe(reason);
    expect(connection.open).toBe(true);
    const controller = new AbortController();
    const reading = connection.read(line, { signal: controller.signal });
    await peer.write([bytesOf('half')]);
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(connection.open).toBe(false);
  });

  test('SOCK-23: a new connection knows nothing of the old one’s bytes', async () => {
    let count = 0;
    const port = await rawServer((socket) => (count++ === 0 ? socket.end('stale half') : socket.end('fresh\r\n')));
    const first = await dial({ host: '127.0.0.1', port });
    await expect(first.read(line)).rejects.toThrow(ClosedError);
    const second = await dial({ host: '127.0.0.1', port });
    expect(textOf(await second.read(line))).toBe('fresh');
  });

  test('SOCK-26: a trace function that throws, or rejects, does not stop the conversation', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', onWarning);
    for (const trace of [
      () => {
        throw new Error('full disk');
      },
      () => Promise.reject(new Error('async full disk')) as unknown as void,
    ]) {
      const [connection, peer] = pair({ trace });
      await connection.write([{ bytes: bytesOf('a\r\n'), shown: 'a' }]);
      void peer.write([bytesOf('b\r\n')]);
      expect(textOf(await connection.read(line))).toBe('b');
      connection.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    process.off('warning', onWarning);
    expect(warnings.join()).toMatch(/full disk/);
  });

  test('SOCK-31: errors and traces escape control and bidirectional characters, and are capped', async () => {
    const lines: string[] = [];
    const [connection, peer] = pair({ trace: (entry: { text: string }) => lines.push(entry.text) });
    await peer.write([bytesOf('\u001b[2J\0\rx\r\n')]);
    await connection.read(line);
    expect(lines[0]).toBe('\\u001b[2J\\u0000\\u000dx');
    const message = new ProtocolError(`bad \u001b[2J \u202e ${'y'.repeat(5000)}`).message;
    expect(message).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(message.length).toBeLessThan(1200);
    expect(escapeControls('a\nb')).toBe('a\\nb');
  });

  test('the last lines of the conversation ride on the error', async () => {
    const [connection, peer] = pair();
    await connection.write([{ bytes: bytesOf('LOGIN x\r\n'), shown: 'LOGIN ***' }, bytesOf('body')]);
    await peer.write([bytesOf('hi\r\n')]);
    await connection.read(line);
    await peer.end();
    const error = (await connection.read(line).catch((caught: unknown) => caught)) as PostwireError;
    expect(error.transcript?.slice(0, 3)).toEqual(['C: LOGIN ***', 'C: [4 bytes of body]', 'S: hi']);
  });

  test('wrap puts a layer in, and refuses when bytes are waiting', async () => {
    const [connection, peer] = pair();
    connection.wrap((inner) => ({
      ...facade(inner),
      write: (chunks) => inner.write(chunks.map((chunk) => chunk.map((byte) => byte ^ 1))),
    }));
    await connection.write([bytesOf('b')]);
    expect(textOf((await peer.read()) as Uint8Array)).toBe('c');
    await peer.write([bytesOf('early')]);
    await expect.poll(() => connection.pendingBytes).toBe(5);
    expect(() => connection.wrap((inner) => inner)).toThrow(ProtocolError);
  });

  test('totalMs ends the whole conversation', async () => {
    const [connection] = pair({ timeouts: { totalMs: 40 } });
    await expect(connection.read(anyBytes)).rejects.toMatchObject({ code: 'TIMEOUT', phase: 'total' });
  });

  test('timeouts are checked', () => {
    expect(() => pair({ timeouts: { commandMs: -1 } })).toThrow(UsageError);
    expect(() => pair({ timeouts: { comandMs: 1 } })).toThrow(/did you mean commandMs/);
  });
});

function facade(inner: Transport): Transport {
  return {
    secure: inner.secure,
    tls: inner.tls,
    remoteAddress: inner.remoteAddress,
    localAddress: inner.localAddress,
    closed: inner.closed,
    tryRead: () => inner.tryRead(),
    read: () => inner.read(),
    flush: () => inner.flush(),
    write: (chunks) => inner.write(chunks),
    end: () => inner.end(),
    detach: () => inner.detach(),
    destroy: (reason) => inner.destroy(reason),
    reset: () => inner.reset(),
    ref: () => inner.ref(),
    unref: () => inner.unref(),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

describe('dial', () => {
  test('SOCK-01: one deadline covers name lookup and connecting, and the error names the phase', async () => {
    const started = performance.now();
    await expect(
      dial(
        { host: 'slow.test', port: 25, protocol: 'SMTP' },
        { timeouts: { connectMs: 80 }, lookup: () => new Promise(() => {}) },
      ),
    ).rejects.toMatchObject({
      code: 'TIMEOUT',
      phase: 'connect',
      host: 'slow.test',
      port: 25,
    });
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test('SOCK-14: addresses race, the dead ones are passed over', async () => {
    const port = await rawServer((socket) => socket.write('hi\r\n'));
    // 127.0.0.2 refuses: the server listens on 127.0.0.1 alone.
    const lookup = async () => [
      { address: '::1', family: 6 },
      { address: '127.0.0.2', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ];
    const connection = await dial({ host: 'many.test', port }, { lookup });
    expect(connection.remoteAddress).toBe('127.0.0.1');
    expect(textOf(await connection.read(line))).toBe('hi');
    await connection.close();
  });

  test('SOCK-14: an address that never answers does not hold up the next, and its attempt is closed', async () => {
    let accepted = 0;
    const port = await rawServer(() => accepted++);
    // A listener whose backlog is full drops further SYNs: the attempt hangs.
    const connection = await dial(
      { host: 'many.test', port },
      {
        lookup: async () => [
          { address: '127.0.0.1', family: 4 },
          { address: '127.0.0.1', family: 4 },
        ],
      },
    );
    expect(connection.open).toBe(true);
    await connection.close();
    expect(accepted).toBeLessThanOrEqual(2);
  });

  test('SOCK-14: when all fail, one error lists every address tried', async () => {
    const port = await rawServer(() => {});
    await (servers.pop() as Server).close();
    const error = (await dial(
      { host: 'many.test', port, protocol: 'POP3' },
      { lookup: async () => ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((address) => ({ address, family: 4 })) },
    ).catch((caught: unknown) => caught)) as ConnectError;
    expect(error).toBeInstanceOf(ConnectError);
    expect(error.attempts.map((attempt) => attempt.address)).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.3']);
    expect(error.message).toMatch(/POP3 server many.test:\d+: 127.0.0.1: connection refused; 127.0.0.2/);
    expect(error.hint).toMatch(/nothing listens/);
  });

  test('SOCK-14: lookup failures are explained, and a flood of addresses is capped', async () => {
    const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
    await expect(dial({ host: 'no.test', port: 1 }, { lookup: failing('ENOTFOUND') })).rejects.toMatchObject({
      code: 'CONNECT',
      temporary: false,
      message: expect.stringContaining('not known') as string,
    });
    await expect(dial({ host: 'no.test', port: 1 }, { lookup: failing('EAI_AGAIN') })).rejects.toMatchObject({
      temporary: true,
    });
    await expect(dial({ host: 'no.test', port: 1 }, { lookup: async () => [] })).rejects.toThrow(/no address/);
    await expect(
      dial({ host: 'no.test', port: 1 }, { family: 6, lookup: async () => [{ address: '127.0.0.1', family: 4 }] }),
    ).rejects.toThrow(/no IPv6 address/);
    const port = await rawServer(() => {});
    await (servers.pop() as Server).close();
    const flood = (await dial(
      { host: 'flood.test', port },
      { lookup: async () => Array.from({ length: 10_000 }, () => ({ address: '127.0.0.1', family: 4 })) },
    ).catch((error: unknown) => error)) as ConnectError;
    expect(flood.attempts).toHaveLength(10);
  });

  test('SOCK-19: 300 connections come and go without a trace', async () => {
    const port = await rawServer((socket) => socket.on('end', () => socket.end()));
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    for (let round = 0; round < 300; round++) await (await dial({ host: '127.0.0.1', port })).close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});

describe('listen', () => {
  test('TCP and Unix, both ends over one Connection', async () => {
    for (const where of [{}, { path: `/tmp/postwire-test-${process.pid}.sock` }]) {
      await using listener = await listen({ protocol: 'echo', ...where }, async (connection) => {
        const received = await connection.read(exactDecoder(3));
        await connection.write([received]);
      });
      const connection = await dial(
        { host: 'localhost', port: listener.port, path: listener.path },
        { lookup: async () => [{ address: '127.0.0.1', family: 4 }] },
      );
      await connection.write([bytesOf('abc')]);
      expect(textOf(await connection.read(exactDecoder(3)))).toBe('abc');
      await connection.close();
    }
  });

  test('SV-01: loopback and a free port by default', async () => {
    await using listener = await listen({}, async () => {});
    expect(listener.host).toBe('127.0.0.1');
    expect(listener.port).toBeGreaterThan(0);
    await expect(listen({ port: listener.port }, async () => {})).rejects.toThrow(
      /cannot listen on 127.0.0.1:\d+: it is in use/,
    );
  });

  test('SV-08: close ends open, half-open and idle connections within a second, twice over', async () => {
    const listener = await listen({}, async (connection) => {
      await connection.closed;
    });
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => dial({ host: '127.0.0.1', port: listener.port })),
    );
    await clients[0]?.halfClose();
    const started = performance.now();
    await Promise.all([listener.close(), listener.close()]);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(listener.connections.size).toBe(0);
    for (const client of clients) client.destroy();
  });
});

test('SOCK-13: a peer that takes its time is not one that stalls', async () => {
  const port = await rawServer((socket) => {
    socket.on('data', () => {
      socket.pause();
      setTimeout(() => socket.resume(), 2);
    });
  });
  const connection = await dial({ host: '127.0.0.1', port }, { timeouts: { bodyIdleMs: 150 } });
  const started = performance.now();
  await connection.write([new Uint8Array(16 * 1024 * 1024)]);
  // Else this says nothing.
  expect(performance.now() - started).toBeGreaterThan(150);
  connection.destroy();
});
