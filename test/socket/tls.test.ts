import { connect as netConnect, createServer as createNetServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { ProtocolError, TlsError, UsageError } from '../../src/errors.ts';
import { TestAuthority, testTls } from '../../src/testing/index.ts';
import { Connection, type ListenOptions, dial, lineDecoder, listen, memoryPair } from './socket.ts';
import { bytesOf, textOf } from '../decoder-cases.ts';

const line = lineDecoder(1000);
const greet = async (connection: Connection): Promise<void> => {
  await connection.write([bytesOf('hello\r\n')]);
  await connection.closed;
};
const listenTls = async (kind: Parameters<typeof testTls>[0], options: ListenOptions = {}) => {
  const { ca, server } = await testTls(kind);
  return { ca, listener: await listen({ ...options, tls: { ...server, ...options.tls } }, greet) };
};
const dialTls = (port: number, tls: object, host = '127.0.0.1') =>
  dial(
    { protocol: 'SMTP', host, port, implicitTls: true, tls },
    { lookup: async () => [{ address: '127.0.0.1', family: 4 }], timeouts: { connectMs: 3000 } },
  );

describe('TLS', () => {
  test('a certificate of a given authority is accepted, by address and by name', async () => {
    const { ca, listener } = await listenTls('valid');
    for (const host of ['127.0.0.1', 'localhost', 'localhost.']) {
      const connection = await dialTls(listener.port, { ca }, host);
      expect(connection.secure).toBe(true);
      expect(connection.tls?.protocol).toBe('TLSv1.3');
      expect(textOf(await connection.read(line))).toBe('hello');
      await connection.close();
    }
    await listener.close();
  });

  test.each([
    ['expired', 'CERT_HAS_EXPIRED', /expired/],
    ['wrong-host', 'ERR_TLS_CERT_ALTNAME_INVALID', /another name/],
    ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT', /self-signed/],
  ] as const)(
    'TLS-01: %s is refused, and the error shows the certificate and the pin to paste',
    async (kind, reason, text) => {
      const { ca, listener } = await listenTls(kind);
      const error = (await dialTls(listener.port, { ca }).catch((caught: unknown) => caught)) as TlsError;
      expect(error).toBeInstanceOf(TlsError);
      expect(error).toMatchObject({ code: 'TLS', phase: 'tls', reason, protocol: 'SMTP' });
      expect(error.message).toMatch(text);
      expect(error.certificate?.pin).toMatch(/^sha256\/[0-9A-F:]{95}$/);
      const pinned = await dialTls(listener.port, { pin: error.certificate?.pin });
      expect(textOf(await pinned.read(line))).toBe('hello');
      await pinned.close();
      await listener.close();
    },
  );

  test('an unknown authority is refused; a pin trusts one certificate and no other', async () => {
    const { listener } = await listenTls('valid');
    await expect(dialTls(listener.port, {})).rejects.toMatchObject({ code: 'TLS' });
    await expect(dialTls(listener.port, { pin: `sha256/${'AB'.repeat(32)}` })).rejects.toMatchObject({
      reason: 'PIN_MISMATCH',
    });
    await expect(dialTls(listener.port, { pin: 'md5/abc' })).rejects.toThrow(UsageError);
    await listener.close();
  });

  test('TLS-02 TLS-03: names must match whole labels, addresses only address entries', async () => {
    const authority = await TestAuthority.create();
    for (const [names, host] of [
      [['*.0.0.1'], '127.0.0.1'],
      [['x*.test.example'], 'xn--abc.test.example'],
      [['*'], 'localhost'],
      [['*.*.example'], 'a.b.example'],
    ] as const) {
      const listener = await listen({ tls: await authority.issue('valid', names) }, greet);
      await expect(dialTls(listener.port, { ca: authority.ca }, host), `${names[0]} for ${host}`).rejects.toMatchObject(
        { code: 'TLS' },
      );
      await listener.close();
    }
    const listener = await listen({ tls: await authority.issue('valid', ['*.test.example']) }, greet);
    await (await dialTls(listener.port, { ca: authority.ca }, 'mail.test.example')).close();
    await listener.close();
  });

  test('TLS-05: the name checked is the one the user gave, or serverName', async () => {
    const { ca, listener } = await listenTls('valid');
    await expect(dialTls(listener.port, { ca }, 'cname.test')).rejects.toMatchObject({
      reason: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    await (await dialTls(listener.port, { ca, serverName: 'localhost' }, 'cname.test')).close();
    await listener.close();
  });

  test('TLS-07: the settings of one connection do not touch another', async () => {
    const { ca, listener } = await listenTls('self-signed');
    const first = (await dialTls(listener.port, { ca }).catch((error: unknown) => error)) as TlsError;
    const [pinned, strict] = await Promise.allSettled([
      dialTls(listener.port, { pin: first.certificate?.pin }),
      dialTls(listener.port, { ca }),
    ]);
    expect([pinned.status, strict.status]).toEqual(['fulfilled', 'rejected']);
    await listener.close();
  });

  test('TLS-08: TLS 1.1 and older are refused; minVersion can ask for more', async () => {
    const { ca, server } = await testTls();
    const old = createTlsServer(
      { ...server, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as never,
      (socket) => socket.on('error', () => {}),
    );
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    await expect(dialTls((old.address() as { port: number }).port, { ca })).rejects.toMatchObject({ code: 'TLS' });
    old.close();
    const { listener } = await listenTls('valid', { tls: { ...server, maxVersion: 'TLSv1.2' } });
    await (await dialTls(listener.port, { ca })).close();
    await expect(dialTls(listener.port, { ca, minVersion: 'TLSv1.3' })).rejects.toMatchObject({ code: 'TLS' });
    await expect(
      dialTls(listener.port, { minVersion: 'TLSv1.1' }).catch((error: unknown) => Promise.reject(error)),
    ).rejects.toMatchObject({ code: expect.stringMatching(/TLS/) as string });
    await listener.close();
  });

  test('TLS-09: a handshake that stalls meets the deadline, in the phase tls', async () => {
    const server = createNetServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await expect(
      dial(
        { host: '127.0.0.1', port: (server.address() as { port: number }).port, implicitTls: true },
        { timeouts: { connectMs: 100 } },
      ),
    ).rejects.toMatchObject({ code: 'TIMEOUT', phase: 'tls' });
    server.close();
  });

  test('TLS-10: garbage or a close instead of the handshake rejects once, and nothing goes on in the clear', async () => {
    for (const answer of [
      (socket: import('node:net').Socket) => socket.end('garbage that is no TLS\r\n'),
      (socket: import('node:net').Socket) => socket.destroy(),
    ]) {
      const received: string[] = [];
      const server = createNetServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => {
          socket.on('data', (chunk) => received.push(String(chunk)));
          answer(socket);
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const connection = await dial({
        protocol: 'SMTP',
        host: '127.0.0.1',
        port: (server.address() as { port: number }).port,
      });
      await expect(connection.startTls({})).rejects.toMatchObject({ code: 'TLS' });
      expect(connection.open).toBe(false);
      await expect(connection.write([bytesOf('AUTH secret\r\n')])).rejects.toMatchObject({ code: 'CLOSED' });
      expect(received.join('')).not.toContain('AUTH');
      server.close();
    }
  });

  test('TLS-11: plaintext on the TLS port is recognised', async () => {
    const server = createNetServer((socket) => {
      socket.on('error', () => {});
      socket.end('220 mail.example ESMTP\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expect(dialTls(port, {})).rejects.toMatchObject({
      code: 'TLS',
      reason: 'TLS_MODE_MISMATCH',
      hint: expect.stringContaining("tls: 'starttls'") as string,
    });
    server.close();
  });

  test('TLS-12: TLS over a given socket is a real handshake', async () => {
    const { ca, listener } = await listenTls('valid');
    const plain = await listen({}, greet);
    const via = (port: number) => ({ connect: () => netConnect(port, '127.0.0.1') });
    const connection = await dial({ host: 'localhost', port: 465, implicitTls: true, tls: { ca } }, via(listener.port));
    expect(connection.secure).toBe(true);
    await connection.close();
    await expect(
      dial({ host: 'localhost', port: 465, implicitTls: true, tls: { ca } }, via(plain.port)),
    ).rejects.toMatchObject({ code: 'TLS' });
    await expect(
      dial({ host: 'other.example', port: 465, implicitTls: true, tls: { ca } }, via(listener.port)),
    ).rejects.toMatchObject({ reason: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await listener.close();
    await plain.close();
  });

  test('TLS-15: text of the peer in a TLS error is escaped', async () => {
    const authority = await TestAuthority.create();
    const listener = await listen({ tls: await authority.issue('valid', ['evil.example']) }, greet);
    const error = (await dialTls(listener.port, { ca: authority.ca }, 'a\u202eb.example').catch(
      (caught: unknown) => caught,
    )) as Error;
    expect(error.message).not.toMatch(/\u202e/);
    await listener.close();
  });

  test('a client certificate is shown when it is asked for', async () => {
    const authority = await TestAuthority.create();
    const listener = await listen(
      { tls: { ...(await authority.issue()), ca: authority.ca, requestCert: true } },
      greet,
    );
    const mine = await authority.issue('valid', ['client.example']);
    const connection = await dialTls(listener.port, { ca: authority.ca, certificate: mine.cert, key: mine.key });
    expect(textOf(await connection.read(line))).toBe('hello');
    await connection.close();
    const without = await dialTls(listener.port, { ca: authority.ca })
      .then(
        (each) => each.read(line),
        (error: unknown) => Promise.reject(error),
      )
      .catch((error: unknown) => error);
    expect(without).toBeInstanceOf(Error);
    await listener.close();
  });

  test('both roles upgrade in mid-conversation, in memory too', async () => {
    const { ca, server } = await testTls();
    const [left, right] = memoryPair();
    const client = new Connection(left, { host: 'localhost', port: 25 });
    const other = new Connection(right, { role: 'server' });
    await Promise.all([client.startTls({ ca }), other.startTls(server)]);
    await client.write([bytesOf('over TLS\r\n')]);
    expect(textOf(await other.read(line))).toBe('over TLS');
    expect([client.secure, other.secure]).toEqual([true, true]);
    client.destroy();
    other.destroy();
  });

  test('plaintext behind the upgrade’s answer closes the connection', async () => {
    const [left, right] = memoryPair();
    const client = new Connection(left, { host: 'localhost', port: 25 });
    await right.write([bytesOf('220 go\r\n250 forged\r\n')]);
    await client.read(line);
    const error = (await client.startTls({}).catch((caught: unknown) => caught)) as ProtocolError;
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error.reason).toBe('STARTTLS_INJECTION');
    expect(client.open).toBe(false);
  });
});

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('resuming a session of %s', (version) => {
  test('only for the options and the name that were checked', async () => {
    const { ca, listener } = await listenTls('valid', {
      tls: { ...(await testTls('valid')).server, maxVersion: version },
    });
    const tls = { ca };
    const target = { protocol: 'FTP', host: '127.0.0.1', port: listener.port, implicitTls: true, tls };
    const first = await dial(target);
    await first.read(line);
    expect(first.tls).toMatchObject({ protocol: version, sessionReused: false });
    // TLS 1.3 sends it some time after the handshake.
    const resume = await vi.waitUntil(() => first.tlsSession);
    const reused = async (change: object): Promise<boolean | undefined> => {
      await using connection = await dial({ ...target, ...change, resume });
      return connection.tls?.sessionReused;
    };
    expect(await reused({})).toBe(true);
    expect(await reused({ tls: { ca } })).toBe(false);
    expect(await reused({ host: 'localhost' })).toBe(false);
    await first.close();
    await listener.close();
  });
});

test('a reset over TLS closes the connection and throws nothing', async () => {
  const { ca, listener } = await listenTls('valid');
  const connection = await dialTls(listener.port, { ca });
  connection.reset();
  expect(await connection.closed).toMatchObject({ by: 'us' });
  await vi.waitUntil(() => listener.connections.size === 0);
  await listener.close();
});
