import { afterEach, describe, expect, test } from 'vitest';
import { ClosedError, LimitError, TimeoutError, UnsupportedError, UsageError } from '../../src/errors.ts';
import {
  UdpSocket,
  TcpSocket,
  UnixSocket,
  createSocket,
  getAddrInfo,
  getHostByName,
  getNameInfo,
  getServByName,
  getServByPort,
} from './socket.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const open: UdpSocket[] = [];
const keep = (socket: UdpSocket): UdpSocket => {
  open.push(socket);
  return socket;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((socket) => socket.close()));
});

describe.each(['127.0.0.1', '::1'])('UDP on %s', (host) => {
  const family = host === '::1' ? 6 : 4;

  test('datagrams with their sender, cut and whole, empty ones too', async () => {
    const server = keep(await UdpSocket.bind({ host }));
    const client = keep(new UdpSocket({ family }));
    await client.sendTo('time?', server.getSockName());
    const { data, address, truncated } = await server.recvFrom();
    expect([text(data), address.family, truncated]).toEqual(['time?', family, false]);
    await server.sendTo('noon', address);
    expect(text(await client.recv())).toBe('noon');
    await client.sendTo('0123456789', server.getSockName());
    expect(await server.recvFrom(4)).toMatchObject({ data: Buffer.from('0123'), truncated: true });
    await client.sendTo(new Uint8Array(0), server.getSockName());
    expect(await server.recv()).toHaveLength(0);
  });

  test('a connected socket hears its peer alone', async () => {
    const server = keep(await UdpSocket.bind({ host }));
    const client = keep(await UdpSocket.connect(server.getSockName()));
    const stranger = keep(new UdpSocket({ family }));
    expect(client.getPeerName()).toEqual(server.getSockName());
    await client.send('hello');
    const { address } = await server.recvFrom();
    await stranger.sendTo('forged', address);
    await server.sendTo('true', address);
    expect(text(await client.recv())).toBe('true');
    await expect(client.sendTo('x', address)).rejects.toMatchObject({ code: 'USAGE', reason: 'EISCONN' });
    client.disconnect();
    await expect(client.send('x')).rejects.toMatchObject({ code: 'USAGE', reason: 'ENOTCONN' });
  });
});

test('timeouts, signals, and what does not wait', async () => {
  const socket = keep(await UdpSocket.bind({}));
  await expect(socket.recvFrom(10, { timeoutMs: 5 })).rejects.toMatchObject({ code: 'TIMEOUT', reason: 'ETIMEDOUT' });
  expect(socket.tryRecvFrom()).toBeUndefined();
  socket.setTimeout(0);
  await expect(socket.recvFrom()).rejects.toMatchObject({ reason: 'EAGAIN' });
  socket.setTimeout(0.005);
  await expect(socket.recvFrom()).rejects.toThrow(TimeoutError);
  await expect(socket.recvFrom(10, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
});

test('what nobody receives is dropped at the cap, and counted', async () => {
  const server = keep(await UdpSocket.bind({}, { maxQueuedBytes: 1000 }));
  const client = keep(new UdpSocket());
  for (let index = 0; index < 20; index++) await client.sendTo(new Uint8Array(100), server.getSockName());
  await expect.poll(() => server.dropped).toBe(14);
  for (let index = 0; index < 6; index++) await server.recv();
  expect(server.tryRecvFrom()).toBeUndefined();
});

test('a peer that does not listen is an error of the next call, and the socket goes on', async () => {
  const gone = await UdpSocket.bind({});
  const address = gone.getSockName();
  await gone.close();
  const client = keep(await UdpSocket.connect(address));
  await client.send('anyone?');
  await expect(client.recv(10, { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'CONNECT', reason: 'ECONNREFUSED' });
  const server = keep(await UdpSocket.bind(address));
  await client.send('again');
  expect(text(await server.recv())).toBe('again');
});

test('SOCK-15: after close every call fails at once, and twice is fine', async () => {
  const socket = await UdpSocket.bind({});
  const waiting = socket.recvFrom();
  await socket.close();
  await socket.close();
  await expect(waiting).rejects.toThrow(ClosedError);
  await expect(socket.recvFrom()).rejects.toThrow(ClosedError);
  await expect(socket.sendTo('x', { port: 9 })).rejects.toThrow(ClosedError);
  const early = new UdpSocket();
  await early.close();
  await expect(early.sendTo('x', { port: 9 })).rejects.toThrow(ClosedError);
});

test('multicast on the loopback, by join and by option', async () => {
  const receivers = [];
  for (let index = 0; index < 2; index++) {
    const receiver = keep(new UdpSocket({ reuseAddress: true }));
    await receiver.bind({ host: '0.0.0.0', port: index === 0 ? 0 : receivers[0]?.getSockName().port });
    receiver.joinGroup('239.1.2.3', '127.0.0.1');
    receivers.push(receiver);
  }
  const port = receivers[0]?.getSockName().port;
  const sender = keep(new UdpSocket());
  sender.setSockOpt('IP_MULTICAST_TTL', 1);
  await sender.bind({});
  sender.setSockOpt('IP_MULTICAST_IF', '127.0.0.1');
  sender.setSockOpt('IP_MULTICAST_LOOP', true);
  await sender.sendTo('all', { host: '239.1.2.3', port });
  expect((await Promise.all(receivers.map((socket) => socket.recv()))).map(text)).toEqual(['all', 'all']);
  receivers[0]?.leaveGroup('239.1.2.3', '127.0.0.1');
});

test('broadcast must be asked for', async () => {
  const receiver = keep(await UdpSocket.bind({ host: '0.0.0.0' }));
  const { port } = receiver.getSockName();
  const sender = keep(await UdpSocket.bind({}));
  await expect(sender.sendTo('x', { host: '127.255.255.255', port })).rejects.toMatchObject({ reason: 'EACCES' });
  sender.setBroadcast(true);
  await sender.sendTo('everybody', { host: '127.255.255.255', port });
  expect(text(await receiver.recv())).toBe('everybody');
});

test('errors and options', async () => {
  const socket = keep(await UdpSocket.bind({}));
  await expect(UdpSocket.bind(socket.getSockName())).rejects.toMatchObject({ code: 'CONNECT', reason: 'EADDRINUSE' });
  await expect(socket.bind({})).rejects.toThrow(UsageError);
  await expect(socket.sendTo(new Uint8Array(70_000), { port: 9 })).rejects.toThrow(LimitError);
  await expect(socket.sendTo('x', { port: 0 })).rejects.toThrow(UsageError);
  socket.setSockOpt('SO_RCVBUF', 100_000);
  expect(socket.getSockOpt('SO_RCVBUF')).toBeGreaterThanOrEqual(100_000);
  expect(() => socket.setSockOpt('SO_REUSEADDR', true)).toThrow(UsageError);
  expect(() => socket.setSockOpt('IP_HDRINCL', true)).toThrow(UnsupportedError);
  expect(() => socket.setSockOpt('SO_BROADCAST', 'yes')).toThrow(UsageError);
  expect(() => socket.joinGroup('nowhere')).toThrow(UsageError);
  await expect(UdpSocket.bind({}, { family: 5 as never })).rejects.toThrow(UsageError);
});

describe('names', () => {
  test('services by name and by port', () => {
    expect(getServByName('smtp')).toBe(25);
    expect(getServByName('domain', 'udp')).toBe(53);
    expect(getServByPort(80, 'tcp')).toBe('http');
    expect(() => getServByName('no-such-service')).toThrow(UsageError);
    expect(() => getServByName('smtp', 'udp')).toThrow(UsageError);
    expect(() => getServByPort(65_535)).toThrow(UsageError);
  });

  test('addresses of a name', async () => {
    expect(await getAddrInfo('127.0.0.1', 'smtp')).toEqual([
      { family: 4, type: 'stream', host: '127.0.0.1', port: 25 },
      { family: 4, type: 'datagram', host: '127.0.0.1', port: 25 },
    ]);
    expect(await getAddrInfo('::1', 80, { type: 'stream' })).toEqual([
      { family: 6, type: 'stream', host: '::1', port: 80 },
    ]);
    expect(await getHostByName('localhost')).toBe('127.0.0.1');
    expect(await getNameInfo('127.0.0.1', 25)).toMatchObject({ host: expect.any(String) });
    await expect(getAddrInfo('no-such-host.invalid')).rejects.toMatchObject({ code: 'CONNECT' });
  });

  test('sockets by family and type; those that Node has none of say what to use', () => {
    expect(createSocket('inet')).toBeInstanceOf(TcpSocket);
    expect(createSocket('inet6', 'datagram')).toBeInstanceOf(UdpSocket);
    expect(createSocket('unix')).toBeInstanceOf(UnixSocket);
    for (const [family, type] of [
      ['unix', 'datagram'],
      ['inet', 'raw'],
      ['unix', 'seqpacket'],
      ['ipx', 'stream'],
    ] as const) {
      expect(() => createSocket(family, type)).toThrow(UnsupportedError);
      expect(() => createSocket(family, type)).toThrow(expect.objectContaining({ hint: expect.any(String) }));
    }
  });
});
