import { once } from 'node:events';
import { createServer, connect as nodeConnect } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ClosedError, ConnectError, LimitError, TimeoutError, UnsupportedError, UsageError } from '../../src/errors.ts';
import {
  type StreamSocket,
  TcpListener,
  TcpSocket,
  UnixListener,
  UnixSocket,
  errorCode,
  errorNumber,
  lineDecoder,
} from './socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
let names = 0;

interface Pair extends AsyncDisposable {
  readonly ours: StreamSocket;
  readonly theirs: StreamSocket;
}

async function tcpPair(host = '127.0.0.1'): Promise<Pair> {
  const listener = await TcpListener.listen({ host });
  const { port } = listener.getSockName();
  const [ours, theirs] = await Promise.all([TcpSocket.connect({ host, port }), listener.accept()]);
  await listener.close();
  return closing(ours, theirs);
}

async function unixPair(path: string): Promise<Pair> {
  const listener = await UnixListener.listen(path);
  const [ours, theirs] = await Promise.all([UnixSocket.connect(path), listener.accept()]);
  await listener.close();
  return closing(ours, theirs);
}

const closing = (ours: StreamSocket, theirs: StreamSocket): Pair => ({
  ours,
  theirs,
  [Symbol.asyncDispose]: async () => {
    await Promise.all([ours.close(), theirs.close()]);
  },
});

const kinds: Readonly<Record<string, () => Promise<Pair>>> = {
  'TCP over IPv4': () => tcpPair(),
  'TCP over IPv6': () => tcpPair('::1'),
  'Unix, by path': () => unixPair(join(folder, `s${names++}`)),
  'Unix, by abstract name': () => unixPair(`\0postwire-${process.pid}-${names++}`),
};

describe.each(Object.entries(kinds))('%s', (_name, pair) => {
  test('recv takes at most n, and nothing is lost between calls', async () => {
    await using sockets = await pair();
    await sockets.ours.sendAll('hello world');
    expect(text(await sockets.theirs.recv(4))).toBe('hell');
    expect(text(await sockets.theirs.recv(1))).toBe('o');
    expect(text(sockets.theirs.tryRecv(100))).toBe(' world');
    expect(sockets.theirs.tryRecv()).toBeUndefined();
    expect(await sockets.theirs.recv(0)).toHaveLength(0);
  });

  test('megabytes, both ways at once, through memory that is used again', async () => {
    await using sockets = await pair();
    const total = 5_000_000;
    const drive = async (socket: StreamSocket): Promise<number> => {
      const block = new Uint8Array(70_001);
      for (let sent = 0; sent < total; sent += block.length) {
        for (let at = 0; at < block.length; at++) block[at] = (sent + at) % 251;
        await socket.sendAll(block.subarray(0, Math.min(block.length, total - sent)));
      }
      await socket.shutdown('write');
      return total;
    };
    const check = async (socket: StreamSocket): Promise<number> => {
      const target = new Uint8Array(33_333);
      let got = 0;
      for (;;) {
        const count = await socket.recvInto(target);
        if (count === 0) return got;
        for (let at = 0; at < count; at++) if (target[at] !== (got + at) % 251) throw new Error(`byte ${got + at}`);
        got += count;
      }
    };
    const { ours, theirs } = sockets;
    expect(await Promise.all([drive(ours), check(ours), drive(theirs), check(theirs)])).toEqual(Array(4).fill(total));
  });

  test('one direction ends, the other goes on', async () => {
    await using sockets = await pair();
    await sockets.ours.sendAll('question');
    await sockets.ours.shutdown('write');
    expect(text(await sockets.theirs.recvExactly(8))).toBe('question');
    expect(await sockets.theirs.recv()).toHaveLength(0);
    expect(await sockets.theirs.recv()).toHaveLength(0);
    await sockets.theirs.sendAll('answer');
    expect(text(await sockets.ours.recv())).toBe('answer');
    await expect(sockets.ours.sendAll('more')).rejects.toMatchObject({ code: 'CLOSED', reason: 'EPIPE' });
    await sockets.theirs.close();
    expect(await sockets.ours.recv()).toHaveLength(0);
  });

  test('a call that is given up, by time or signal, loses nothing', async () => {
    await using sockets = await pair();
    const { ours, theirs } = sockets;
    await expect(theirs.recv(10, { timeoutMs: 5 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      reason: 'ETIMEDOUT',
      reusable: true,
    });
    const controller = new AbortController();
    const aborted = theirs.recv(10, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    theirs.setTimeout(0.01);
    expect(theirs.getTimeout()).toBe(0.01);
    await expect(theirs.recv()).rejects.toThrow(TimeoutError);
    theirs.setTimeout(0);
    await expect(theirs.recv()).rejects.toMatchObject({ code: 'TIMEOUT', reason: 'EAGAIN' });
    theirs.setBlocking(true);
    expect(theirs.getTimeout()).toBeNull();
    await ours.sendAll('still here');
    expect(text(await theirs.recv())).toBe('still here');
    expect(() => theirs.setTimeout(-1)).toThrow(UsageError);
    expect(() => theirs.setTimeout(Number.NaN)).toThrow(UsageError);
  });

  test('two calls of recv at once each get bytes, in order', async () => {
    await using sockets = await pair();
    const both = Promise.all([sockets.theirs.recv(3), sockets.theirs.recv(3)]);
    await sockets.ours.sendAll('abcdef');
    expect((await both).map(text)).toEqual(['abc', 'def']);
  });

  test('lines of text and of bytes', async () => {
    await using sockets = await pair();
    const ours = sockets.ours.makeFile();
    const theirs = sockets.theirs.makeFile({ encoding: 'binary' });
    await ours.writeLine('grüße');
    await ours.write('two\r\nthree');
    await sockets.ours.shutdown('write');
    expect(text(await theirs.readLine())).toBe('grüße');
    expect(text(await theirs.readLine())).toBe('two');
    expect(text(await theirs.readLine())).toBe('three');
    expect(await theirs.readLine()).toBeUndefined();
    await theirs.write('a\nb\n12345rest');
    await sockets.theirs.shutdown('write');
    const lines: string[] = [];
    for await (const line of ours) {
      lines.push(line);
      if (line === 'b') break;
    }
    expect(lines).toEqual(['a', 'b']);
    expect(await ours.read(5)).toBe('12345');
    expect(await ours.read()).toBe('rest');
    expect(await ours.read()).toBe('');
    await expect(ours.writeLine('a\nb')).rejects.toThrow(UsageError);
  });

  test('SOCK-04: an endless line ends at its cap', async () => {
    await using sockets = await pair();
    const file = sockets.theirs.makeFile({ maxLineBytes: 1000 });
    void sockets.ours.sendAll(new Uint8Array(100_000).fill(97)).catch(() => undefined);
    await expect(file.readLine()).rejects.toThrow(LimitError);
  });

  test('a Connection can be made of it, with what had come', async () => {
    await using sockets = await pair();
    await sockets.ours.sendAll('one\r\ntwo\r\n');
    expect(text(await sockets.theirs.recv(2))).toBe('on');
    await using connection = sockets.theirs.toConnection({ role: 'server' });
    const decode = lineDecoder(100);
    expect(text(await connection.read(decode))).toBe('e');
    expect(text(await connection.read(decode))).toBe('two');
    await connection.write([Buffer.from('bye')]);
    expect(text(await sockets.ours.recv())).toBe('bye');
    await expect(sockets.theirs.recv()).rejects.toThrow(ClosedError);
  });

  test('SOCK-15 SOCK-17: after close every call fails at once, and twice is fine', async () => {
    await using sockets = await pair();
    const waiting = sockets.ours.recv();
    await sockets.ours.close();
    await sockets.ours.close();
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(sockets.ours.recv()).rejects.toMatchObject({ code: 'CLOSED', reason: 'EBADF' });
    await expect(sockets.ours.sendAll('x')).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await sockets.theirs.recv()).toHaveLength(0);
  });

  test('what Node cannot do says so', async () => {
    await using sockets = await pair();
    await expect(sockets.ours.send('!', { outOfBand: true })).rejects.toThrow(UnsupportedError);
    expect(() => sockets.ours.setSockOpt('SO_RCVLOWAT', 1)).toThrow(UnsupportedError);
    expect(() => sockets.ours.setSockOpt('SO_KEEPALIVE', 'yes')).toThrow(UsageError);
    sockets.ours.setSockOpt('SO_KEEPALIVE', 1);
    sockets.ours.setSockOpt('TCP_NODELAY', true);
    expect(sockets.ours.getSockOpt('SO_KEEPALIVE')).toBe(1);
  });

  test('send takes a part of what is long', async () => {
    await using sockets = await pair();
    const data = new Uint8Array(100_000);
    let sent = 0;
    while (sent < data.length) sent += await sockets.ours.send(data.subarray(sent));
    expect(sent).toBe(100_000);
    expect(await sockets.theirs.recvExactly(100_000)).toHaveLength(100_000);
  });

  test('reading is shut down: what still comes is dropped, and writing goes on', async () => {
    await using sockets = await pair();
    await sockets.theirs.shutdown('read');
    await sockets.ours.sendAll(new Uint8Array(1_000_000));
    expect(await sockets.theirs.recv()).toHaveLength(0);
    await sockets.theirs.sendAll('hello');
    expect(text(await sockets.ours.recv())).toBe('hello');
  });
});

describe('TcpSocket', () => {
  test('names of both ends, and an address to come from', async () => {
    const listener = await TcpListener.listen(':0');
    const name = listener.getSockName();
    expect(name).toMatchObject({ host: '127.0.0.1', family: 4 });
    const socket = new TcpSocket();
    expect(() => socket.getSockName()).toThrow(UsageError);
    socket.bind({ host: '127.0.0.2', port: 0 });
    await socket.connect(`127.0.0.1:${name.port}`);
    const accepted = await listener.accept();
    expect(accepted.getPeerName()).toEqual(socket.getSockName());
    expect(socket.getPeerName()).toEqual(name);
    expect(socket.getSockName().host).toBe('127.0.0.2');
    await Promise.all([socket.close(), accepted.close(), listener.close()]);
    expect(socket.getPeerName()).toEqual(name);
  });

  test('errors have their classic codes, as names and as numbers', async () => {
    const listener = await TcpListener.listen(':0');
    const { port } = listener.getSockName();
    await expect(TcpListener.listen({ port })).rejects.toMatchObject({ code: 'CONNECT', reason: 'EADDRINUSE' });
    await expect(TcpListener.listen({ host: '192.0.2.1' })).rejects.toMatchObject({ reason: 'EADDRNOTAVAIL' });
    await listener.close();
    await expect(TcpSocket.connect({ port })).rejects.toMatchObject({ code: 'CONNECT', reason: 'ECONNREFUSED' });
    const socket = new TcpSocket();
    expect(await socket.connectEx({ port })).toBe(errorNumber('ECONNREFUSED'));
    expect(errorCode(errorNumber('ECONNREFUSED'))).toBe('ECONNREFUSED');
    expect(await socket.connectEx({ host: 'no-such-host.invalid', port: 1 })).not.toBe(0);
    expect(await socket.connectEx({ port: 99_999 })).toBe(errorNumber('EINVAL'));
    const unknown = new TcpSocket({
      lookup: () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
    });
    expect(errorCode(await unknown.connectEx({ host: 'nowhere.example', port: 1 }))).toBe('ENOTFOUND');
    await expect(unknown.connect({ host: 'nowhere.example', port: 1 })).rejects.toBeInstanceOf(ConnectError);
    const again = await TcpListener.listen({ port });
    expect(await socket.connectEx({ port })).toBe(0);
    await Promise.all([socket.close(), again.close()]);
  });

  test('SOCK-01 SOCK-15: a connect that does not come about is given up, and no socket is left', async () => {
    const never = new TcpSocket({ lookup: () => new Promise(() => {}) });
    expect(errorCode(await never.connectEx({ host: 'slow.example', port: 1 }, { timeoutMs: 20 }))).toBe('ETIMEDOUT');
    const controller = new AbortController();
    const connecting = never.connect({ host: 'slow.example', port: 1 }, { signal: controller.signal });
    await expect(never.connect({ host: 'slow.example', port: 1 })).rejects.toThrow(UsageError);
    controller.abort(new Error('stop'));
    await expect(connecting).rejects.toThrow('stop');
  });

  test('SOCK-10: a reset while receiving, and while sending', async () => {
    const listener = await TcpListener.listen(':0');
    const [ours, theirs] = await Promise.all([TcpSocket.connect(listener.getSockName()), listener.accept()]);
    const waiting = ours.recv();
    theirs.reset();
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED', reason: 'ECONNRESET' });
    await expect(ours.recv()).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(ours.sendAll('x')).rejects.toMatchObject({ code: 'CLOSED' });
    const [third, fourth] = await Promise.all([TcpSocket.connect(listener.getSockName()), listener.accept()]);
    const sending = third.sendAll(new Uint8Array(50_000_000));
    fourth.reset();
    await expect(sending).rejects.toMatchObject({ code: 'CLOSED' });
    await Promise.all([ours.close(), third.close(), listener.close()]);
  });

  test('SOCK-12: a peer that takes nothing: sending times out, closing does not hang', async () => {
    const listener = await TcpListener.listen(':0');
    const [ours, theirs] = await Promise.all([TcpSocket.connect(listener.getSockName()), listener.accept()]);
    await expect(ours.sendAll(new Uint8Array(50_000_000), { timeoutMs: 50 })).rejects.toThrow(TimeoutError);
    await ours.close();
    await Promise.all([theirs.close(), listener.close()]);
  });

  test('the listener: in order, given up, by loop, over its backlog', async () => {
    const listener = new TcpListener();
    await expect(listener.accept()).rejects.toThrow(UsageError);
    listener.bind({ port: 0 });
    await listener.listen(2);
    await expect(listener.accept({ timeoutMs: 5 })).rejects.toThrow(TimeoutError);
    expect(listener.tryAccept()).toBeUndefined();
    const sockets = [];
    for (let index = 0; index < 2; index++) {
      const socket = await TcpSocket.connect(listener.getSockName());
      await socket.sendAll(String(index));
      sockets.push(socket);
    }
    // The reset may come while it connects, or after.
    const third = TcpSocket.connect(listener.getSockName()).then((socket) => socket.recv());
    await expect(third).rejects.toMatchObject({ reason: 'ECONNRESET' });
    const seen: string[] = [];
    for await (const accepted of listener) {
      seen.push(text(await accepted.recv()));
      await accepted.close();
      if (seen.length === 2) await listener.close();
    }
    expect(seen).toEqual(['0', '1']);
    await expect(listener.accept()).rejects.toThrow(ClosedError);
    await Promise.all(sockets.map((socket) => socket.close()));
  });

  test('it talks to what Node itself makes, and takes one over', async () => {
    const server = createServer((socket) => socket.end('from node'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const plain = nodeConnect({ port, host: '127.0.0.1' });
    await once(plain, 'connect');
    const socket = TcpSocket.from(plain);
    expect(text(await socket.recvExactly(9))).toBe('from node');
    await expect(socket.recvExactly(1)).rejects.toThrow(ClosedError);
    await socket.close();
    server.close();
  });

  test.each(['nowhere', 'host:99999', '::1', 'a b:1', '[::1', { hots: 'x' }, 7])(
    '%j is no address',
    async (address) => {
      await expect(TcpSocket.connect(address as never)).rejects.toThrow(UsageError);
    },
  );
});

describe('UnixSocket', () => {
  test('errors and paths', async () => {
    const path = join(folder, 'named');
    await expect(UnixSocket.connect(path)).rejects.toMatchObject({ code: 'CONNECT', reason: 'ENOENT' });
    expect(errorCode(await new UnixSocket().connectEx(path))).toBe('ENOENT');
    const listener = await UnixListener.listen(path);
    expect(listener.getSockName()).toBe(path);
    await expect(UnixListener.listen(path)).rejects.toMatchObject({ reason: 'EADDRINUSE' });
    const socket = await UnixSocket.connect(path);
    expect(socket.getPeerName()).toBe(path);
    await socket.close();
    await listener.close();
    await expect(UnixSocket.connect('x'.repeat(108))).rejects.toThrow(UsageError);
    await expect(UnixSocket.connect('')).rejects.toThrow(UsageError);
    await expect(UnixSocket.connect('a\0b')).rejects.toThrow(UsageError);
  });
});
