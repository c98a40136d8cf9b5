import { type Socket, connect, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { PostwireError } from '../../src/errors.ts';
import { addressFilter } from '../../src/socket/address-filter.ts';
import { parseProxy, resolveProxies } from '../../src/socket/proxy.ts';
import { SmtpClient } from '../../src/smtp/index.ts';
import { fakeSmtp, testTls } from '../../src/testing/index.ts';
import { dial, lineDecoder } from './socket.ts';
import { textOf } from '../decoder-cases.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};

/** A server that hands each socket to `talk`; what it was sent is kept. */
async function server(
  talk: (socket: Socket) => void,
  tls?: Parameters<typeof createTlsServer>[0],
): Promise<{ port: number; sockets: Set<Socket>; received: () => string }> {
  let text = '';
  const sockets = new Set<Socket>();
  const onSocket = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    talk(socket);
  };
  const listener = tls === undefined ? createServer(onSocket) : createTlsServer(tls, onSocket);
  listener.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  });
  return { port: (listener.address() as { port: number }).port, sockets, received: () => text };
}

/** Exactly so many bytes at a time. */
function reader(socket: Socket): (count: number) => Promise<Buffer> {
  let held = Buffer.alloc(0);
  let wake = (): void => {};
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    wake();
  });
  return async (count) => {
    while (held.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    return taken;
  };
}

/** A SOCKS 4, 4a and 5 server that looks names up in a table of its own: 'inside.test' is this machine, and nothing else is known. */
async function socksServer(login?: { user: string; password: string }): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const tunnel = (socket: Socket, host: string, port: number, good: Buffer, bad: Buffer): void => {
    asked.push(`${host}:${port}`);
    const upstream = connect(port, host === 'inside.test' ? '127.0.0.1' : host);
    upstream.on('error', () => socket.end(bad));
    socket.on('close', () => upstream.destroy());
    upstream.on('connect', () => {
      socket.write(good);
      socket.pipe(upstream).pipe(socket);
    });
  };
  const talk = async (socket: Socket): Promise<void> => {
    const take = reader(socket);
    const [version] = await take(1);
    if (version === 4) {
      const head = await take(7);
      const text = async (): Promise<string> => {
        let found = '';
        for (let [byte] = await take(1); byte !== 0; [byte] = await take(1))
          found += String.fromCharCode(byte as number);
        return found;
      };
      const user = await text();
      const numeric = !(head[3] === 0 && head[4] === 0 && head[5] === 0);
      const host = numeric ? [...head.subarray(3)].join('.') : await text();
      const answer = (code: number): Buffer => Buffer.from([0, code, 0, 0, 0, 0, 0, 0]);
      if (login !== undefined && user !== login.user) socket.end(answer(93));
      else tunnel(socket, host, head.readUInt16BE(1), answer(90), answer(91));
      return;
    }
    const [count = 0] = await take(1);
    const methods = await take(count);
    if (login === undefined) socket.write(Buffer.from([5, 0]));
    else if (!methods.includes(2)) return void socket.end(Buffer.from([5, 255]));
    else {
      socket.write(Buffer.from([5, 2]));
      const read = async (): Promise<string> => String(await take((await take(1))[0] as number));
      await take(1);
      const good = (await read()) === login.user && (await read()) === login.password;
      socket.write(Buffer.from([1, good ? 0 : 1]));
      if (!good) return;
    }
    const kind = (await take(4))[3];
    const address =
      kind === 3
        ? String(await take((await take(1))[0] as number))
        : kind === 1
          ? [...(await take(4))].join('.')
          : (await take(16)).toString('hex').replace(/(....)(?=.)/g, '$1:');
    const answer = (code: number): Buffer => Buffer.from([5, code, 0, 3, 4, ...Buffer.from('here'), 0, 9]);
    tunnel(socket, address, (await take(2)).readUInt16BE(), answer(0), answer(5));
  };
  const { port } = await server((socket) => void talk(socket));
  return { port, asked };
}

/** An HTTP proxy that knows CONNECT. With `greeting` it sends that in the same segment as its answer, as a server that speaks first may. */
async function httpProxy(options: { answer?: string; tls?: Parameters<typeof createTlsServer>[0] } = {}): Promise<{
  port: number;
  received: () => string;
}> {
  return server((socket) => {
    socket.once('data', (chunk: Buffer) => {
      if (options.answer !== undefined) return void socket.write(options.answer);
      const [, host = '', port = ''] = /^CONNECT (\S+):(\d+) /.exec(String(chunk)) ?? [];
      const upstream = connect(Number(port), host === 'inside.test' ? '127.0.0.1' : host.replace(/^\[|\]$/g, ''));
      upstream.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
      upstream.on('connect', () => {
        socket.write('HTTP/1.1 200 Connection established\r\nX-A: b\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      socket.on('close', () => upstream.destroy());
    });
  }, options.tls);
}

const lineServer = () => server((socket) => socket.write('220 hello\r\n'));
const readLine = async (port: number, proxy: string | string[], host = 'inside.test'): Promise<string> => {
  const connection = await dial({ host, port }, { proxy });
  const line = textOf(await connection.read(lineDecoder(100)));
  await connection.close();
  return line;
};

describe('through a proxy', () => {
  test.each(['socks5', 'socks5h', 'socks4a'])('%s: names are looked up by the proxy', async (scheme) => {
    const target = await lineServer();
    const proxy = await socksServer();
    expect(await readLine(target.port, `${scheme}://127.0.0.1:${proxy.port}`)).toBe('220 hello');
    expect(proxy.asked).toEqual([`inside.test:${target.port}`]);
  });
  test('socks4 takes addresses, and says so of names; IPv6 goes by SOCKS 5 alone', async () => {
    const target = await lineServer();
    const proxy = await socksServer();
    expect(await readLine(target.port, `socks4://127.0.0.1:${proxy.port}`, '127.0.0.1')).toBe('220 hello');
    expect(await caught(readLine(1, `socks4://127.0.0.1:${proxy.port}`))).toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('socks4a://') as string,
    });
    expect(await caught(readLine(1, `socks4a://127.0.0.1:${proxy.port}`, '::1'))).toMatchObject({ code: 'USAGE' });
    expect(await readLine(target.port, `socks5://127.0.0.1:${proxy.port}`, '::ffff:127.0.0.1')).toBe('220 hello');
    expect(proxy.asked.at(-1)).toBe(`0000:0000:0000:0000:0000:ffff:7f00:0001:${target.port}`);
  });
  test('a login, right, wrong and missing; the password is in no error', async () => {
    const target = await lineServer();
    const login = { user: 'ann@x', password: 'p:w S3cret' };
    const proxy = await socksServer(login);
    const url = (user: string, password: string): string =>
      `socks5://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${proxy.port}`;
    expect(await readLine(target.port, url(login.user, login.password))).toBe('220 hello');
    const wrong = await caught(readLine(target.port, url(login.user, 'other-S3cret')));
    expect(wrong).toMatchObject({ code: 'CONNECT', reason: 'PROXY_AUTH' });
    expect(`${wrong.message}${wrong.hint ?? ''}${JSON.stringify(wrong)}${wrong.stack ?? ''}`).not.toContain('S3cret');
    expect(await caught(readLine(target.port, `socks5://127.0.0.1:${proxy.port}`))).toMatchObject({
      reason: 'PROXY_AUTH',
      hint: expect.stringContaining('socks5://user:password@') as string,
    });
  });
  test('a refusal names the proxy and where it was to lead', async () => {
    const proxy = await socksServer();
    const error = await caught(readLine(1, `socks5://127.0.0.1:${proxy.port}`, '127.0.0.1'));
    expect(error.message).toBe(
      `the socks5 proxy 127.0.0.1:${proxy.port} did not connect to 127.0.0.1:1: connection refused`,
    );
    expect(await caught(readLine(1, 'socks5://127.0.0.1:1'))).toMatchObject({
      code: 'CONNECT',
      reason: 'ECONNREFUSED',
    });
  });
  test('SOCK-33: HTTP CONNECT; what comes with the answer is the tunnel’s', async () => {
    const target = await lineServer();
    const proxy = await httpProxy();
    expect(await readLine(target.port, `http://ann:s%40c@127.0.0.1:${proxy.port}`)).toBe('220 hello');
    expect(proxy.received()).toContain(
      `CONNECT inside.test:${target.port} HTTP/1.1\r\nHost: inside.test:${target.port}\r\n`,
    );
    expect(proxy.received()).toContain(`Basic ${Buffer.from('ann:s@c').toString('base64')}`);
    const early = await httpProxy({ answer: 'HTTP/1.0 200 OK\r\n\r\n220 early\r\nmore' });
    expect(await readLine(9, `http://127.0.0.1:${early.port}`)).toBe('220 early');
  });
  test.each([
    ['HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', 'PROXY_AUTH'],
    ['HTTP/1.1 403 Forbidden\r\n\r\n', 'PROXY_REFUSED'],
    ['SSH-2.0-OpenSSH\r\n\r\n', 'NOT_HTTP'],
    [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(70_000)}`, 'PROXY'],
  ])('SOCK-33: an answer of %j is an error that says so', async (answer, reason) => {
    const proxy = await httpProxy({ answer });
    expect(await caught(readLine(9, `http://127.0.0.1:${proxy.port}`))).toMatchObject({ code: 'CONNECT', reason });
  });
  test('SOCK-33: what no proxy may be told is refused before a byte leaves', async () => {
    const proxy = await httpProxy();
    for (const host of ['a\r\nX: y', 'a b', 'a'.repeat(300), `${'a'.repeat(60)}.`.repeat(6), '', 'x/../y'])
      for (const scheme of ['http', 'socks5', 'socks4a'])
        expect((await caught(dial({ host, port: 9 }, { proxy: `${scheme}://127.0.0.1:${proxy.port}` }))).code).toBe(
          'USAGE',
        );
    expect(proxy.received()).toBe('');
  });
  test('a chain of three, one of them over TLS', async () => {
    const target = await lineServer();
    const { ca, server: tls } = await testTls('valid');
    const [first, last] = [await socksServer(), await httpProxy()];
    const middle = await httpProxy({ tls: tls as Parameters<typeof createTlsServer>[0] & object });
    const proxy = [
      `socks5://127.0.0.1:${first.port}`,
      `https://127.0.0.1:${middle.port}`,
      `http://127.0.0.1:${last.port}`,
    ];
    const connection = await dial({ host: 'inside.test', port: target.port }, { proxy, proxyTls: { ca } });
    expect(textOf(await connection.read(lineDecoder(100)))).toBe('220 hello');
    await connection.close();
    expect(middle.received()).toContain(`CONNECT 127.0.0.1:${last.port} `);
  });
  test('TLS-14: an https:// proxy whose certificate is wrong, or that speaks no TLS, is not spoken to in the clear', async () => {
    const target = await lineServer();
    const { server: tls } = await testTls('valid');
    const untrusted = await httpProxy({ tls: tls as Parameters<typeof createTlsServer>[0] & object });
    const plain = await httpProxy();
    for (const proxy of [untrusted, plain]) {
      const error = await caught(
        dial(
          { host: 'inside.test', port: target.port },
          { proxy: `https://u:S3cret@127.0.0.1:${proxy.port}`, timeouts: { connectMs: 1000 } },
        ),
      );
      expect(['TLS', 'TIMEOUT']).toContain(error.code);
      expect(proxy.received()).not.toContain('CONNECT');
    }
  });
  test('TLS-05: the name that is checked is the target’s; a whole protocol goes through', async () => {
    await using smtp = await fakeSmtp({ tls: 'starttls', users: { u: 'p' } });
    const proxy = await socksServer();
    const client = await SmtpClient.connect(
      {
        host: '127.0.0.1',
        port: smtp.port,
        tls: { mode: 'starttls', ca: smtp.ca as string },
        user: 'u',
        password: 'p',
      },
      { proxy: `socks5://127.0.0.1:${proxy.port}` },
    );
    expect(client.secure).toBe(true);
    await client.quit();
    expect(proxy.asked).toEqual([`127.0.0.1:${smtp.port}`]);
  });
  test('SOCK-01: one deadline covers a proxy that says nothing, and an abort ends it at once', async () => {
    const silent = await server(() => {});
    const target = { host: 'inside.test', port: 9 };
    const proxy = `socks5://127.0.0.1:${silent.port}`;
    expect(await caught(dial(target, { proxy, timeouts: { connectMs: 60 } }))).toMatchObject({ code: 'TIMEOUT' });
    const controller = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 20);
    await expect(dial(target, { proxy, signal: controller.signal })).rejects.toBe(reason);
    await expect.poll(() => silent.sockets.size).toBe(0);
  });
});

describe('which proxy', () => {
  test.each([
    ['socks5://h', { scheme: 'socks5', host: 'h', port: 1080, login: undefined }],
    ['http://u:p%40@h:80', { scheme: 'http', host: 'h', port: 80, login: { user: 'u', password: 'p@' } }],
    ['http://h', { scheme: 'http', host: 'h', port: 8080, login: undefined }],
    ['https://[::1]', { scheme: 'https', host: '::1', port: 443, login: undefined }],
  ])('%s', (url, wanted) => {
    expect(parseProxy(url)).toEqual(wanted);
  });
  test.each(['', 'h:1080', 'ftp://h', 'socks5://', 'socks5://u:S3cret%zz@h', 'http://a\r\nb'])(
    '%j is refused',
    (url) => {
      expect(() => parseProxy(url)).toThrow(expect.objectContaining({ code: 'USAGE' }) as Error);
      expect(() => parseProxy(url)).not.toThrow(/S3cret/);
    },
  );
  const of = (environment: Record<string, string>, host = 'mail.example', protocol = 'SMTP', port = 25): string[] =>
    resolveProxies('environment', protocol, { host, port }, environment).map((each) => each.host);
  test('the environment', () => {
    expect(of({ all_proxy: 'socks5://a', ALL_PROXY: 'socks5://b' })).toEqual(['a']);
    expect(of({ ALL_PROXY: 'b:3128' })).toEqual(['b']);
    expect(of({ smtp_proxy: 'http://c', all_proxy: 'socks5://a' })).toEqual(['c']);
    expect(of({ HTTP_PROXY: 'http://c' }, 'x', 'HTTP', 80)).toEqual(['c']);
    expect(of({ HTTP_PROXY: 'http://c', REQUEST_METHOD: 'GET' }, 'x', 'HTTP', 80)).toEqual([]);
    expect(of({})).toEqual([]);
  });
  test.each([
    ['*', 'mail.example', true],
    ['example', 'mail.EXAMPLE.', true],
    ['.example', 'mail.example', true],
    ['*.example', 'mail.example', true],
    ['ample', 'mail.example', false],
    ['mail.example:25', 'mail.example', true],
    ['mail.example:26', 'mail.example', false],
    ['other, 10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['::1', '::1', true],
    ['[::1]:25', '::1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['0.0.1', '127.0.0.1', false],
    ['', 'mail.example', false],
  ])('HT-26: NO_PROXY %j and %s: %s', (list, host, excluded) => {
    expect(of({ all_proxy: 'socks5://a', NO_PROXY: list }, host)).toEqual(excluded ? [] : ['a']);
  });
});

describe('blocked addresses', () => {
  test.each([
    '127.0.0.1',
    '10.1.1.1',
    '192.168.0.1',
    '169.254.169.254',
    '172.31.0.1',
    '0.0.0.0',
    '100.64.0.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::10.0.0.1',
    '2002:7f00:1::',
    '::127.0.0.1',
    'fe80::1%lo',
  ])('private: %s', (address) => {
    expect(addressFilter('private')(address)).toBe(false);
  });
  test.each(['8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8'])(
    'public: %s',
    (address) => {
      expect(addressFilter('private')(address)).toBe(true);
    },
  );
  test('SOCK-34: checked after the name is looked up, whatever else it has; never through a proxy', async () => {
    const target = await lineServer();
    const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
    const to = { host: 'public.example', port: target.port };
    expect(await caught(dial(to, { lookup, blockAddresses: 'private' }))).toMatchObject({
      code: 'CONNECT',
      reason: 'BLOCKED_ADDRESS',
    });
    expect(await caught(dial({ ...to, host: '127.0.0.1' }, { blockAddresses: ['127.0.0.0/8'] }))).toMatchObject({
      reason: 'BLOCKED_ADDRESS',
    });
    expect(await caught(dial(to, { proxy: 'socks5://127.0.0.1', blockAddresses: 'private' }))).toMatchObject({
      code: 'USAGE',
    });
    expect(await caught(dial(to, { blockAddresses: ['10.0.0.0/99'] }))).toMatchObject({ code: 'USAGE' });
    expect(target.sockets.size).toBe(0);
    await (await dial(to, { lookup, blockAddresses: ['10.0.0.0/8'] })).close();
  });
});
