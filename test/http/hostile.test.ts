import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { PostwireError } from '../../src/errors.ts';
import { HttpClient, type HttpClientOptions, download } from '../../src/http/index.ts';
import { type FakeHttp, type FakeHttpOptions, fakeHttp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const fake = async (options?: FakeHttpOptions): Promise<FakeHttp> => {
  const server = await fakeHttp(options);
  open.push(server);
  return server;
};
const clientOf = (options?: HttpClientOptions): HttpClient => {
  const client = new HttpClient(options);
  open.push(client);
  return client;
};
/** A server of bytes: every request's head is answered with the next step; null hangs up. */
const scripted = async (
  ...steps: (string | null | ((socket: Socket) => void))[]
): Promise<{ url: string; connections: () => number; heads: string[] }> => {
  let connections = 0;
  const heads: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    let buffer = '';
    socket.on('data', (chunk) => {
      buffer += chunk.toString('latin1');
      for (let end = buffer.indexOf('\r\n\r\n'); end >= 0; end = buffer.indexOf('\r\n\r\n')) {
        heads.push(buffer.slice(0, end));
        buffer = buffer.slice(end + 4);
        const step = steps.shift();
        if (step === null) socket.destroy();
        else if (typeof step === 'function') step(socket);
        else if (step !== undefined) socket.write(step, 'latin1');
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    connections: () => connections,
    heads,
  };
};
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('what is asked', () => {
  test('HT-01: nothing of the caller’s ends a line', async () => {
    const server = await fake();
    const client = clientOf();
    const bad: Parameters<HttpClient['request']>[] = [
      [server.url, { method: 'GET / HTTP/1.1\r\nX: y' }],
      [server.url, { method: 'G T' }],
      [`${server.url}/a\r\nX: y`],
      [`${server.url}/a b`],
      [server.url, { headers: { 'X\r\nY': 'z' } }],
      [server.url, { headers: { X: 'y\r\nZ: 1' } }],
      [server.url, { headers: { X: ['y', 'z\n'] } }],
      [server.url, { headers: { X: (() => 'y') as never } }],
      [server.url, { headers: { X: { toString: () => 'y\r\nZ: 1' } as never } }],
      [server.url, { headers: { Host: 'a b' } }],
      [server.url, { multipart: [{ name: 'a', value: 'b', contentType: 'text/plain\r\nX: y' }] }],
    ];
    for (const args of bad) expect((await caught(client.request(...args))).code).toBe('USAGE');
    const error = await caught(client.upgrade(server.url, 'a\r\nb'));
    expect(error.code).toBe('USAGE');
    expect(server.requests).toHaveLength(0);
  });

  test('HT-02: with a base URL the origin never changes', async () => {
    const client = clientOf({ baseUrl: 'http://127.0.0.1:1/base/' });
    for (const path of [
      '//evil.example/x',
      'http://evil.example/',
      '\\\\evil.example',
      '/\\evil.example',
      'https://127.0.0.1:1/',
    ])
      expect((await caught(client.request(path))).code).toBe('USAGE');
  });

  test('HT-03: hosts are read once, by the URL standard', async () => {
    const client = clientOf();
    for (const url of [
      'http://a%2Fb/',
      'http://[::1%25x]/',
      'http://a\tb/',
      'http://a\n/',
      'ftp://a/',
      'nothing',
      'http://%zz@a/',
    ])
      expect((await caught(client.request(url))).code, url).toBe('USAGE');
  });

  test('HT-04: framing is ours, and a body of the wrong length closes the connection', async () => {
    const server = await fake({ routes: { '/': 'ok' } });
    const client = clientOf();
    for (const headers of [
      { 'Content-Length': '5' },
      { 'content-length': '5', 'Transfer-Encoding': 'chunked' },
      { Connection: 'upgrade' },
      { Expect: '100-continue' },
    ] as Record<string, string>[])
      expect((await caught(client.post(server.url, { headers, body: 'x' }))).code).toBe('USAGE');
    expect((await caught(client.request(server.url, { method: 'GET', body: 'x' }))).code).toBe('USAGE');
    async function* five(): AsyncIterable<Uint8Array> {
      yield Buffer.from('hello');
    }
    for (const sizeBytes of [4, 6])
      expect((await caught(client.post(server.url, { body: five(), sizeBytes }))).message).toMatch(/was to have/);
    expect(client.connectionCount).toBe(0);
    expect(await (await client.post(server.url, { body: five(), sizeBytes: 5 })).text()).toBe('ok');
    expect(server.requests.map((request) => request.text)).toEqual(['hello']);
  });
});

describe('what is answered', () => {
  test('HT-06: with a length and chunks the connection is not used again', async () => {
    const both = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n';
    const server = await scripted(both, OK);
    const client = clientOf();
    for (let turn = 0; turn < 2; turn++) expect(await (await client.request(server.url)).text()).toBe('ok');
    expect(server.connections()).toBe(2);
  });

  test('HT-09: an endless head ends at the cap', async () => {
    const server = await scripted((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const flood = (): void => {
        while (!socket.destroyed && socket.write(`X: ${'y'.repeat(10_000)}\r\n`));
        if (!socket.destroyed) socket.once('drain', flood);
      };
      flood();
    });
    expect(await caught(clientOf().request(server.url))).toMatchObject({ code: 'LIMIT', reason: 'HEAD_TOO_LONG' });
  });

  test('HT-10: interim responses have a cap, and 101 is not for those who did not ask', async () => {
    const flood = await scripted('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20));
    expect((await caught(clientOf().request(flood.url))).code).toBe('PROTOCOL');
    const switching = await scripted('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n');
    expect((await caught(clientOf().request(switching.url))).code).toBe('PROTOCOL');
    const hints: number[] = [];
    const hinted = await scripted(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`);
    await (await clientOf().request(hinted.url, { onInformation: ({ status }) => hints.push(status) })).text();
    expect(hints).toEqual([103]);
  });

  test('HT-10: the body is not sent when the final status comes instead of 100', async () => {
    const server = await fake({ routes: { '/': (request) => request.text } });
    server.on('EXPECT').once().reply(417, 'no');
    const client = clientOf();
    const refused = await client.post(server.url, { body: 'secret', expectContinue: 10_000 });
    expect(refused.status).toBe(417);
    await refused.dispose();
    expect(client.connectionCount).toBe(0);
    expect(await (await client.post(server.url, { body: 'go', expectContinue: 10_000 })).text()).toBe('go');
    expect(server.requests.map((request) => request.text)).toEqual(['go']);
  });

  test('HT-11: what comes behind a response is nobody’s answer', async () => {
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    for (const first of [`${OK}${evil}`, `HTTP/1.1 204 No Content\r\n\r\n${evil}`, `${OK.replace('ok', 'okay')}`]) {
      const server = await scripted(first, OK);
      const client = clientOf();
      await (await client.request(server.url)).text();
      expect(await (await client.request(server.url)).text()).toBe('ok');
      expect(server.connections()).toBe(2);
    }
    // And what comes later, while it is idle.
    const server = await scripted((socket) => {
      socket.write(OK);
      setTimeout(() => socket.write(evil), 20);
    }, OK);
    const client = clientOf();
    await (await client.request(server.url)).text();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await (await client.request(server.url)).text()).toBe('ok');
  });

  test('HT-12: an early refusal is delivered, and the upload stops', async () => {
    const server = await scripted((socket) => {
      socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge');
    });
    let sent = 0;
    async function* endless(): AsyncIterable<Uint8Array> {
      for (; sent < 100 * 1024 * 1024; sent += 65536) {
        yield Buffer.alloc(65536);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const response = await clientOf().post(server.url, { body: endless() });
    expect([response.status, await response.text()]).toEqual([413, 'large']);
    expect(sent).toBeLessThan(100 * 1024 * 1024);
  });

  test('HT-13: what breaks off is never whole', async () => {
    const half = gzipSync('x'.repeat(10_000)).subarray(0, 30);
    const cases: [string | ((socket: Socket) => void), string][] = [
      [(socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'), 'CLOSED'],
      [(socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'), 'CLOSED'],
      [
        (socket) => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
          setTimeout(() => socket.resetAndDestroy(), 20);
        },
        'CLOSED',
      ],
      [
        (socket) => {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${half.length}\r\n\r\n`);
          socket.write(half);
        },
        'PROTOCOL',
      ],
    ];
    for (const [step, code] of cases) {
      const server = await scripted(step);
      const client = clientOf();
      const error = await caught((async () => (await client.request(server.url)).bytes())());
      expect(error.code).toBe(code);
    }
  });

  test('HT-14: on a connection that the server had closed, GET is asked again and POST is not', async () => {
    const server = await scripted(OK, null, OK, OK, null);
    const client = clientOf();
    await (await client.request(server.url)).text();
    expect(await (await client.request(server.url)).text()).toBe('ok');
    await (await client.request(server.url)).text();
    expect((await caught(client.post(server.url, { body: '' }))).code).toBe('CLOSED');
    expect(server.heads.map((head) => head.split(' ')[0])).toEqual(['GET', 'GET', 'GET', 'GET', 'POST']);
  });
});

describe('compressed', () => {
  test('HT-15: codings within one another have a cap over all field lines', async () => {
    const server = await fake({
      routes: {
        '/one': { headers: { 'Content-Encoding': Array.from({ length: 1000 }, () => 'gzip').join(', ') }, body: 'x' },
        '/many': { headers: { 'Content-Encoding': Array.from({ length: 20 }, () => 'gzip') }, body: 'x' },
        '/two': { headers: { 'Content-Encoding': 'gzip, br' }, body: brotliCompressSync(gzipSync('twice')) },
      },
    });
    const client = clientOf({ baseUrl: server.url });
    for (const path of ['/one', '/many'])
      expect(await caught(client.request(path))).toMatchObject({ code: 'LIMIT', reason: 'CODING_CHAIN' });
    expect(await (await client.request('/two')).text()).toBe('twice');
  });

  test('HT-16: bombs end at the ratio or at the cap; every kind is undone; zeros behind are padding and garbage is an error', async () => {
    const zeros = Buffer.alloc(64 * 1024 * 1024);
    const forms: Record<string, (bytes: Uint8Array) => Uint8Array> = {
      gzip: gzipSync,
      br: (bytes) => brotliCompressSync(bytes),
      deflate: deflateSync,
    };
    const server = await fake();
    for (const [coding, make] of Object.entries(forms)) {
      const bomb = make(zeros);
      const plain = make(Buffer.from('plain'));
      server.route(`/${coding}/bomb`, { headers: { 'Content-Encoding': coding }, body: bomb });
      server.route(`/${coding}`, { headers: { 'Content-Encoding': coding }, body: plain });
    }
    const gzip = { 'Content-Encoding': 'gzip' };
    server.route('/raw', { headers: { 'Content-Encoding': 'deflate' }, body: deflateRawSync('plain') });
    server.route('/members', { headers: gzip, body: Buffer.concat([gzipSync('pl'), gzipSync('ain')]) });
    server.route('/garbage', { headers: gzip, body: Buffer.concat([gzipSync('plain'), Buffer.from('garbage')]) });
    server.route('/padded', { headers: gzip, body: Buffer.concat([gzipSync('plain'), Buffer.alloc(100)]) });
    server.route('/empty', { headers: gzip, body: '' });
    server.route('/none', { status: 204, headers: gzip });
    server.route('/broken', { headers: gzip, body: 'this is not gzip' });
    const client = clientOf({ baseUrl: server.url });
    for (const coding of Object.keys(forms)) {
      expect(await (await client.request(`/${coding}`)).text()).toBe('plain');
      const streamed = caught((await client.request(`/${coding}/bomb`)).stream().forEach(() => {}));
      expect(await streamed).toMatchObject({ code: 'LIMIT', reason: 'DECOMPRESSION_RATIO' });
      const capped = await client.request(`/${coding}/bomb`, { maxDecompressionRatio: Infinity, maxBytes: 1_000_000 });
      expect(await caught(capped.bytes())).toMatchObject({ code: 'LIMIT', reason: 'BODY_TOO_LONG' });
    }
    for (const path of ['/raw', '/members', '/padded'])
      expect(await (await client.request(path)).text(), path).toBe('plain');
    for (const path of ['/empty', '/none']) expect(await (await client.request(path)).text(), path).toBe('');
    for (const path of ['/broken', '/garbage'])
      expect((await caught((await client.request(path)).text())).code, path).toBe('PROTOCOL');
    expect(await (await client.head('/gzip')).text()).toBe('');
  }, 30_000);
});

describe('redirected', () => {
  test('HT-17: loops end', async () => {
    let count = 0;
    const server = await fake({
      routes: {
        '/a': { status: 302, headers: { Location: '/b' } },
        '/b': { status: 302, headers: { Location: '/a' } },
        '/none': { status: 302, body: 'here' },
        '/300': { status: 300, headers: { Location: '/a' }, body: 'choose' },
      },
    });
    server.route(/^\/n/, () => ({ status: 302, headers: { Location: `/n${count++}` } }));
    const client = clientOf({ baseUrl: server.url });
    expect(await caught(client.request('/a'))).toMatchObject({ code: 'PROTOCOL', reason: 'TOO_MANY_REDIRECTS' });
    expect((await caught(client.request('/n', { maxRedirects: 3 }))).message).toMatch(/4 redirects/);
    server.route('/none', { status: 302, body: 'here' });
    expect((await client.request('/none')).status).toBe(302);
    expect((await client.request('/300')).status).toBe(300);
    expect(client.connectionCount).toBeLessThanOrEqual(3);
  });

  test.each([301, 302, 303, 307, 308])('HT-18: by %i no credentials leave the origin', async (status) => {
    const other = await fake({ routes: { '/': 'there' } });
    const secure = await fake({ tls: 'implicit' });
    const to: Record<string, string> = {
      port: `${other.url}/`,
      host: `http://localhost:${other.port}/`,
    };
    secure.route('/', { status, headers: { Location: `${other.url}/` } });
    const first = await fake();
    for (const [name, location] of Object.entries(to))
      first.route(`/${name}`, { status, headers: { Location: location } });
    first.route('/own', { status, headers: { Location: '/' } }).route('/', 'here');
    const trace: string[] = [];
    const client = clientOf({
      allowInsecureAuth: true,
      tls: { ca: secure.ca },
      trace: ({ text }) => void trace.push(text),
    });
    const headers = {
      Authorization: 'Bearer secret',
      Cookie: 'a=secret',
      'Proxy-Authorization': 'Basic secret',
      'X-API-Key': 'secret',
      'X-Mine': 'secret',
      'X-Open': 'open',
    };
    const options = { headers, sensitiveHeaders: ['X-Mine'] };
    for (const url of [`${first.url}/port`, `${first.url}/host`, `${secure.url}/`]) {
      expect(await (await client.request(url, options)).text()).toBe('there');
      const got = JSON.stringify([...(other.requests.at(-1)?.headers ?? [])]);
      expect(got).not.toContain('secret');
      expect(got).toContain('open');
    }
    // By the URL, and by auth.
    const login = first.url.replace('://', '://user:secret@');
    await (await client.request(`${login}/port`)).text();
    await (await client.request(`${first.url}/port`, { auth: { token: 'secret' } })).text();
    expect(other.requests.at(-1)?.headers.has('authorization')).toBe(false);
    await (await client.request(`${first.url}/own`, options)).text();
    expect(first.requests.at(-1)?.headers.get('authorization')).toBe('Bearer secret');
    expect(trace.join('\n')).toContain('X-Mine: ***');
    expect(trace.join('\n')).not.toContain('secret');
  });

  test('HT-19: credentials that were dropped do not come back', async () => {
    const a = await fake();
    const b = await fake();
    a.route('/', { status: 302, headers: { Location: `${b.url}/` } }).route('/back', 'home');
    b.route('/', { status: 302, headers: { Location: `${b.url}/2` } });
    b.route('/2', { status: 302, headers: { Location: `${a.url}/back` } });
    const client = clientOf({ allowInsecureAuth: true });
    const auth = { token: 'secret' };
    expect(await (await client.request(a.url, { auth, headers: { 'X-Api-Key': 'secret' } })).text()).toBe('home');
    expect(a.requests.map((request) => request.headers.has('authorization'))).toEqual([true, false]);
    expect(a.requests.map((request) => request.headers.has('x-api-key'))).toEqual([true, false]);
    expect(b.requests.some((request) => request.headers.has('authorization'))).toBe(false);
  });

  test('HT-20: method and body after a redirect', async () => {
    const server = await fake({ routes: { '/end': (request) => `${request.method} ${request.text}` } });
    const client = clientOf({ baseUrl: server.url });
    for (const [status, method, wanted] of [
      [301, 'POST', 'GET '],
      [302, 'POST', 'GET '],
      [303, 'POST', 'GET '],
      [303, 'PUT', 'GET '],
      [307, 'POST', 'POST body'],
      [308, 'POST', 'POST body'],
      [301, 'PUT', 'PUT body'],
    ] as const) {
      server.route('/', { status, headers: { Location: '/end' } });
      expect(await (await client.request('/', { method, body: 'body' })).text()).toBe(wanted);
      const last = server.requests.at(-1);
      expect(last?.headers.has('content-type')).toBe(wanted.endsWith('body'));
    }
    async function* once_(): AsyncIterable<Uint8Array> {
      yield Buffer.from('body');
    }
    server.route('/', { status: 307, headers: { Location: '/end' } });
    expect(await caught(client.post('/', { body: once_() }))).toMatchObject({ code: 'USAGE', reason: 'BODY_USED_UP' });
    expect(await (await client.post('/', { body: once_ })).text()).toBe('POST body');
  });

  test('HT-21: only to http: and https:', async () => {
    const server = await fake();
    const client = clientOf({ baseUrl: server.url });
    for (const location of [
      'file:///etc/passwd',
      'gopher://a/',
      'imap://a/',
      'ftp://a/',
      'unix:/a',
      'data:,x',
      'javascript:1',
    ]) {
      server.route('/', { status: 302, headers: { Location: location } });
      expect(await caught(client.request('/')), location).toMatchObject({ reason: 'REDIRECT_SCHEME' });
    }
  });

  test('HT-22: nothing of one request is in the next', async () => {
    const server = await fake({ routes: { '/': 'ok' }, users: { ann: 'pw' }, auth: 'digest' });
    const other = await fake({ routes: { '/': 'ok' } });
    const client = clientOf();
    const auth = { user: 'ann', password: 'pw' };
    await (
      await client.request(server.url, { auth, headers: { Host: 'virtual.example', Referer: 'http://x/' } })
    ).text();
    await (await client.request(server.url)).text();
    await (await client.request(other.url)).text();
    for (const request of [server.requests.at(-1), other.requests.at(-1)]) {
      expect(request?.headers.has('authorization')).toBe(false);
      expect(request?.headers.has('referer')).toBe(false);
      expect(request?.headers.get('host')).toMatch(/^127\.0\.0\.1:/);
    }
  });
});

describe('cookies', () => {
  test('HT-23: a domain of others, of all, or of nobody is not taken', async () => {
    const server = await fake({ routes: { '/': 'ok' } });
    const set = ['com', 'co.UK', 'co.uk.', '..', '127.0.0.2', 'ample.com', 'other.example'].map(
      (domain, index) => `bad${index}=1; Domain=${domain}`,
    );
    server.route('/set', { headers: { 'Set-Cookie': [...set, 'good=1'] } });
    const client = clientOf({ cookies: true, baseUrl: server.url });
    await (await client.request('/set')).text();
    await (await client.request('/')).text();
    expect(server.requests.at(-1)?.headers.get('cookie')).toBe('good=1');
  });

  test('HT-24: Secure, prefixes, paths and times', async () => {
    const server = await fake();
    server.route('/set', {
      headers: {
        'Set-Cookie': [
          '__Host-a=1; Path=/',
          '__Secure-b=1',
          'path=1; Path=/a',
          'gone=1; Max-Age=-1',
          'old=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
          `far=1; Max-Age=${'9'.repeat(30)}`,
        ],
      },
    });
    const client = clientOf({ cookies: true, baseUrl: server.url });
    await (await client.request('/set')).text();
    for (const path of ['/ab', '/a/b']) await (await client.request(path)).dispose();
    expect(server.requests.slice(1).map((request) => request.headers.get('cookie'))).toEqual([
      'far=1',
      'path=1; far=1',
    ]);
  });

  test('HT-25: their count, length and bytes have caps', async () => {
    const server = await fake({ routes: { '/': 'ok' } });
    server.route('/set', {
      headers: { 'Set-Cookie': Array.from({ length: 500 }, (_, index) => `c${index}=${'x'.repeat(100)}`) },
    });
    server.route('/huge', { headers: { 'Set-Cookie': [`huge=${'x'.repeat(20_000)}`] } });
    const client = clientOf({ cookies: true, baseUrl: server.url });
    await (await client.request('/set')).text();
    await (await client.request('/huge')).text();
    await (await client.request('/')).text();
    const sent = server.requests.at(-1)?.headers.get('cookie') ?? '';
    expect([sent.split('; ').length, sent.includes('huge')]).toEqual([50, false]);
    expect(sent.length).toBeLessThan(8191);
  });
});

test('HT-27: names in forms cannot end their quotes', async () => {
  const server = await fake({ routes: { '/': (request) => request.text } });
  const response = await clientOf().post(server.url, {
    multipart: [{ name: 'a"\r\nX: y', filename: 'b"\r\n\r\nz', value: 'c' }],
  });
  const text = await response.text();
  expect(text).toContain('name="a%22%0D%0AX: y"; filename="b%22%0D%0A%0D%0Az"');
  expect(text.split('\r\n')[1]).toMatch(/^Content-Disposition: /);
});

describe('HT-29 HT-13: downloads', () => {
  const folder = (): string => mkdtempSync(join(tmpdir(), 'postwire-http-'));
  const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => `${index},`).join(''));

  test('whole, or not at all; nothing is overwritten unasked', async () => {
    const server = await fake();
    server.file('/f', { bytes: content, etag: '"1"' });
    const client = clientOf({ baseUrl: server.url });
    const directory = folder();
    const file = join(directory, 'f');
    const progress: number[] = [];
    const result = await download(client, '/f', file, { onProgress: ({ bytes }) => progress.push(bytes) });
    expect([result.sizeBytes, progress.at(-1)]).toEqual([content.length, content.length]);
    expect(readFileSync(file).equals(content)).toBe(true);
    expect((await caught(download(client, '/f', file))).code).toBe('USAGE');
    expect((await caught(download(client, '/none', join(directory, 'g')))).code).toBe('REPLY');
    server.on('GET').once().afterBytes(1000).reset();
    expect((await caught(download(client, '/f', join(directory, 'g')))).code).toBe('CLOSED');
    expect(readdirSync(directory)).toEqual(['f']);
  });

  test('resumed where it is the same, begun anew where it is not', async () => {
    const server = await fake();
    server.file('/f', { bytes: content, etag: '"1"' });
    const client = clientOf({ baseUrl: server.url });
    for (const etag of ['"1"', '"2"']) {
      const file = join(folder(), 'f');
      server.file('/f', { bytes: content, etag: '"1"' });
      server.on('GET').once().afterBytes(200_000).close();
      expect((await caught(download(client, '/f', file, { resume: true }))).code).toBe('CLOSED');
      const changed = Buffer.concat([Buffer.from('new'), content]);
      const now = etag === '"1"' ? content : changed;
      server.file('/f', { bytes: now, etag });
      const { resumedFrom } = await download(client, '/f', file, { resume: true });
      expect(resumedFrom > 0).toBe(etag === '"1"');
      expect(readFileSync(file).equals(now)).toBe(true);
    }
  });

  test('a range that was not asked for is refused', async () => {
    const server = await fake();
    const file = join(folder(), 'f');
    writeFileSync(`${file}.part`, 'hello');
    writeFileSync(`${file}.part.validator`, '"1"');
    server.route('/f', { status: 206, headers: { 'Content-Range': 'bytes 3-7/8' }, body: 'lo, x' });
    const client = clientOf({ baseUrl: server.url });
    expect(await caught(download(client, '/f', file, { resume: true }))).toMatchObject({ reason: 'BAD_RANGE' });
  });
});

test('HT-30: no address inside, by name, by number or by redirect', async () => {
  const server = await fake({ routes: { '/': 'inside' } });
  const addresses = [
    '10.0.0.1',
    '::ffff:10.0.0.1',
    '100.64.0.1',
    '2002:7f00:1::',
    '64:ff9b::7f00:1',
    '2001:0:1::',
    'fe80::1',
  ];
  for (const address of addresses) {
    const lookup = async () => [{ address, family: address.includes(':') ? 6 : 4 }];
    const client = clientOf({ blockAddresses: 'private', lookup });
    expect(await caught(client.request('http://name.example/')), address).toMatchObject({ reason: 'BLOCKED_ADDRESS' });
  }
  const client = clientOf({ blockAddresses: 'private' });
  for (const host of ['127.1', '0', '0x7f000001', '[::ffff:127.0.0.1]', '[::1]', '169.254.169.254', 'localhost'])
    expect(await caught(client.request(`http://${host}:${server.port}/`)), host).toMatchObject({
      reason: 'BLOCKED_ADDRESS',
    });
  expect(server.requests).toHaveLength(0);
});

test('TLS-01: a certificate for another name fails', async () => {
  const server = await fake({ tls: 'implicit', certificate: 'wrong-host', routes: { '/': 'ok' } });
  const error = await caught(clientOf({ tls: { ca: server.ca } }).request(server.url));
  expect(error).toMatchObject({ code: 'TLS', reason: 'ERR_TLS_CERT_ALTNAME_INVALID' });
});
