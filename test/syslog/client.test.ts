import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ClosedError, TimeoutError, UsageError } from '../../src/errors.ts';
import { StreamServer, TcpListener } from '../../src/socket/index.ts';
import {
  type ReceivedSyslog,
  SyslogClient,
  type SyslogTarget,
  closelog,
  openlog,
  serveSyslog,
  setLogUpTo,
  syslog,
  syslogConsole,
} from '../../src/syslog/index.ts';
import { testTls } from '../../src/testing/certificates.ts';

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

interface Place {
  readonly target: SyslogTarget;
  readonly got: ReceivedSyslog[];
}

let sockets = 0;
async function receiver(kind: string): Promise<Place> {
  const got: ReceivedSyslog[] = [];
  const receive = (message: ReceivedSyslog): void => void got.push(message);
  if (kind === 'UDP') {
    const server = keep(await serveSyslog({ protocol: 'udp', address: ':0' }, receive));
    return { got, target: `syslog://127.0.0.1:${server.port}` };
  }
  if (kind === 'Unix') {
    const path = join(folder, `log${sockets++}`);
    keep(await serveSyslog({ protocol: 'unix', address: path }, receive));
    return { got, target: { path } };
  }
  if (kind === 'TLS') {
    const { ca, server: tls } = await testTls('valid');
    const server = keep(await serveSyslog({ protocol: 'tls', address: ':0', tls }, receive));
    return { got, target: { transport: 'tls', host: '127.0.0.1', port: server.port, tls: { ca } } };
  }
  const server = keep(await serveSyslog({ protocol: 'tcp', address: ':0' }, receive));
  return { got, target: `syslog+tcp://127.0.0.1:${server.port}${kind === 'TCP, lines' ? '?framing=lf' : ''}` };
}

describe.each(['UDP', 'TCP', 'TCP, lines', 'TLS', 'Unix'])('%s', (kind) => {
  test.each(['rfc5424', 'rfc3164'] as const)('%s arrives, in order, with its fields', async (format) => {
    const { target, got } = await receiver(kind);
    const client = keep(
      await SyslogClient.connect(target, { format, appName: 'shop', hostname: 'here', facility: 'local3' }),
    );
    for (let index = 0; index < 50; index++) client.log('info', `message ${index}`);
    client.log('err', 'größer\nzweite Zeile', { facility: 'mail', procId: '7' });
    await client.flush({ timeoutMs: 5000 });
    await expect.poll(() => got.length).toBe(51);
    expect(got.slice(0, 50).map(({ message }) => message)).toEqual(
      Array.from({ length: 50 }, (_, index) => `message ${index}`),
    );
    const escaped = format === 'rfc3164' || kind === 'TCP, lines' || kind === 'Unix';
    expect(got[0]).toMatchObject({ format, facility: 'local3', severity: 'info', hostname: 'here', appName: 'shop' });
    expect(got[50]).toMatchObject({
      facility: 'mail',
      severity: 'err',
      procId: '7',
      message: escaped ? 'größer#012zweite Zeile' : 'größer\nzweite Zeile',
    });
    expect(Math.abs((got[0]?.timestamp?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    expect([client.sent, client.dropped, client.queued]).toEqual([51, 0, 0]);
  });
});

describe('the queue', () => {
  test.each(['newest', 'oldest'] as const)('bounded: the %s is dropped', async (drop) => {
    const dropped: string[] = [];
    const free = await TcpListener.listen(':0');
    const { port } = free.getSockName();
    await free.close();
    const client = keep(
      SyslogClient.open(`syslog+tcp://127.0.0.1:${port}`, {
        maxQueued: 3,
        drop,
        onDrop: ({ message }) => dropped.push(message),
      }),
    );
    const taken = ['a', 'b', 'c', 'd', 'e'].map((text) => client.log('info', text));
    expect(taken).toEqual(drop === 'newest' ? [true, true, true, false, false] : Array(5).fill(true));
    expect(dropped).toEqual(drop === 'newest' ? ['d', 'e'] : ['a', 'b']);
    await expect(client.flush({ timeoutMs: 10 })).rejects.toThrow(TimeoutError);
    await client.close({ timeoutMs: 10 });
    expect([client.dropped, client.queued]).toEqual([5, 0]);
    expect(() => client.log('info', 'late')).toThrow(ClosedError);
  });

  test('SOCK-29: a server that comes late, goes and comes back gets what waits; attempts keep their distance', async () => {
    const got: string[] = [];
    const receive = ({ message }: ReceivedSyslog): void => void got.push(message);
    const place = await TcpListener.listen(':0');
    const { port } = place.getSockName();
    await place.close();
    const errors: unknown[] = [];
    const client = keep(
      SyslogClient.open(`syslog+tcp://127.0.0.1:${port}`, {
        retryMs: { first: 20, most: 40 },
        onError: (error) => errors.push(error),
      }),
    );
    client.log('info', 'one');
    await expect.poll(() => errors.length).toBeGreaterThanOrEqual(2);
    const start = (): Promise<StreamServer> => serveSyslog({ protocol: 'tcp', address: { port } }, receive);
    const first = await start();
    await expect.poll(() => got).toEqual(['one']);
    await first.close();
    const before = errors.length;
    client.log('info', 'two');
    await expect.poll(() => errors.length).toBeGreaterThan(before);
    keep(await start());
    await expect.poll(() => got).toEqual(['one', 'two']);
    expect(errors[0]).toMatchObject({ code: 'CONNECT', reason: 'ECONNREFUSED' });
  });

  test('SOCK-30 SOCK-21: an idle client does not keep the process alive, and what was logged before the end arrives', async () => {
    const { target, got } = await receiver('TCP');
    const program = `
      import { SyslogClient } from ${JSON.stringify(join(process.cwd(), 'dist/syslog/index.js'))};
      const client = await SyslogClient.connect(${JSON.stringify(target)});
      client.log('info', 'last words');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
    await expect.poll(() => got.map(({ message }) => message)).toEqual(['last words']);
  });

  test('connect says why a server cannot be reached; fields are checked at once', async () => {
    const place = await TcpListener.listen(':0');
    const { port } = place.getSockName();
    await place.close();
    await expect(SyslogClient.connect(`syslog+tcp://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'CONNECT' });
    expect(() => SyslogClient.open('syslog://localhost', { appName: 'my app' })).toThrow(UsageError);
    expect(() => SyslogClient.open('http://localhost')).toThrow(UsageError);
    expect(() => SyslogClient.open('')).toThrow(UsageError);
    expect(() => SyslogClient.open({ transport: 'tls', framing: 'lf' })).toThrow(UsageError);
    expect(() => SyslogClient.open({ path: '/x', transport: 'udp' })).toThrow(UsageError);
    expect(() => SyslogClient.open('syslog://localhost', { maxQueued: Number.NaN })).toThrow(UsageError);
    expect(() => SyslogClient.open('syslog://localhost', { maxQueue: 1 } as never)).toThrow(UsageError);
  });

  test('a datagram socket in the file system says what to use', async () => {
    const path = join(folder, 'dgram');
    const python = spawn('python3', [
      '-c',
      `import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(${JSON.stringify(path)})\nprint('up',flush=True)\nsys.stdin.read()`,
    ]);
    await once(python.stdout, 'data');
    await expect(SyslogClient.connect({ path })).rejects.toMatchObject({ code: 'UNSUPPORTED', hint: /imptcp/ });
    python.kill();
  });
});

describe('what tutorials use', () => {
  test('openlog, syslog, closelog', async () => {
    const { target, got } = await receiver('UDP');
    openlog('my prog', { target, facility: 'daemon', pid: true });
    syslog('warning', 'first');
    syslog('second');
    expect(setLogUpTo('warning')).toBe('debug');
    syslog('info', 'not wanted');
    setLogUpTo('debug');
    expect(() => syslog('fatal' as never, 'x')).toThrow(UsageError);
    await closelog();
    await expect.poll(() => got.length).toBe(2);
    expect(got[0]).toMatchObject({
      facility: 'daemon',
      severity: 'warning',
      appName: 'my_prog',
      procId: String(process.pid),
      message: 'first',
    });
    expect(got[1]).toMatchObject({ severity: 'info', message: 'second' });
  });

  test('a console', async () => {
    const { target, got } = await receiver('TCP');
    const client = keep(await SyslogClient.connect(target));
    const log = syslogConsole(client, { appName: 'web' });
    log.error('failed %d times', 3);
    log.warn({ a: 1 });
    log.info('i');
    log.debug('d');
    log.assert(true, 'not said');
    log.assert(false, 'said');
    await expect.poll(() => got.length).toBe(5);
    expect(got.map(({ severity, message }) => `${severity} ${message}`)).toEqual([
      'err failed 3 times',
      'warning { a: 1 }',
      'info i',
      'debug d',
      'err Assertion failed said',
    ]);
    expect(got[0]?.appName).toBe('web');
  });
});

test('SV-02: a receiver survives floods, endless messages and resets', async () => {
  const got: ReceivedSyslog[] = [];
  const errors: unknown[] = [];
  const server = keep(
    await serveSyslog(
      { protocol: 'tcp', address: ':0', maxMessageBytes: 1000, onError: (error) => errors.push(error) },
      (message) => void got.push(message),
    ),
  );
  const { TcpSocket } = await import('../../src/socket/index.ts');
  for (const wire of ['<1>'.padEnd(100_000, 'x'), '999999999 <1>', '12x']) {
    const socket = keep(await TcpSocket.connect(server));
    await socket.sendAll(wire).catch(() => undefined);
    await socket.recv().catch(() => undefined);
  }
  expect(errors).toHaveLength(3);
  const cut = keep(await TcpSocket.connect(server));
  await cut.sendAll('100 <1>half');
  cut.reset();
  const last = keep(await TcpSocket.connect(server));
  await last.sendAll('<1>no line end');
  await last.shutdown('write');
  await expect.poll(() => got.map(({ message }) => message)).toEqual(['no line end']);
});
