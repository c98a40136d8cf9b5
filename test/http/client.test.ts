import { mkdtempSync, writeFileSync } from 'node:fs';
import { request as nodeRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { gzipSync } from 'node:zlib';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { PostwireError } from '../../src/errors.ts';
import { HttpClient, type HttpClientOptions, HttpFields, request } from '../../src/http/index.ts';
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
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};

test('request, without a client of one’s own', async () => {
  const server = await fake({ routes: { '/a': (got) => ({ json: { q: got.query.get('q'), method: got.method } }) } });
  expect(await (await request(`${server.url}/a?q=1`)).json()).toEqual({ q: '1', method: 'GET' });
  const response = await request(`${server.url}/a`, { query: { q: 'ä & b', none: undefined } });
  expect(await response.json()).toEqual({ q: 'ä & b', method: 'GET' });
});

test('TLS, and one connection for several requests', async () => {
  const server = await fake({ tls: 'implicit', routes: { '/': (got) => String(got.secure) } });
  const client = clientOf({ tls: { ca: server.ca } });
  for (let turn = 0; turn < 3; turn++) expect(await (await client.request(server.url)).text()).toBe('true');
  expect(new Set(server.requests.map(({ connection }) => connection)).size).toBe(1);
});

test('text by its charset, JSON, and what is none', async () => {
  const server = await fake({
    routes: {
      '/latin1': { headers: { 'Content-Type': 'text/plain; charset=iso-8859-1' }, body: Buffer.from('é', 'latin1') },
      '/utf8': { headers: { 'Content-Type': 'text/plain' }, body: 'é中' },
      '/html': { headers: { 'Content-Type': 'text/html' }, body: '<html>' },
    },
  });
  const client = clientOf({ baseUrl: server.url });
  expect(await (await client.get('/latin1')).text()).toBe('é');
  expect(await (await client.get('/utf8')).text()).toBe('é中');
  expect(await caught((await client.get('/html')).json())).toMatchObject({ code: 'PROTOCOL', reason: 'BAD_JSON' });
});

test('trailers both ways', async () => {
  const server = await fake({
    routes: { '/': (got) => ({ body: 'x', trailers: { 'X-Sum': got.trailers?.get('x-sum') ?? 'none' } }) },
  });
  const client = clientOf({ baseUrl: server.url });
  const response = await client.post('/', { body: 'data', trailers: () => new HttpFields({ 'X-Sum': 'abc' }) });
  await response.text();
  expect([response.trailers?.get('x-sum'), response.headers.has('x-sum')]).toEqual(['abc', false]);
});

describe('logins', () => {
  test('Basic waits to be asked, and then is remembered', async () => {
    const server = await fake({ users: { ann: 'pä:w' }, routes: { '/': 'in' } });
    const client = clientOf({ baseUrl: server.url, allowInsecureAuth: true, auth: { user: 'ann', password: 'pä:w' } });
    for (let turn = 0; turn < 2; turn++) expect(await (await client.get('/')).text()).toBe('in');
    expect(server.requests.map((each) => each.headers.has('authorization'))).toEqual([false, true, true]);
    const wrong = clientOf({ baseUrl: server.url, allowInsecureAuth: true, auth: { user: 'ann', password: 'x' } });
    expect((await wrong.get('/')).status).toBe(401);
  });

  test('Basic and tokens are not sent without TLS unless allowed', async () => {
    const server = await fake({ users: { ann: 'pw' }, routes: { '/': 'in' } });
    for (const auth of [{ user: 'ann', password: 'pw' }, { token: 'secret' }]) {
      const client = clientOf({ baseUrl: server.url, auth });
      expect(await caught(client.get('/'))).toMatchObject({ code: 'AUTH', reason: 'INSECURE_AUTH' });
    }
    expect(server.requests.some((each) => each.headers.has('authorization'))).toBe(false);
  });

  test.each<FakeHttpOptions>([
    { algorithm: 'MD5' },
    { algorithm: 'MD5-sess' },
    { algorithm: 'SHA-256' },
    { algorithm: 'SHA-256-sess' },
    { algorithm: 'SHA-512-256' },
    { qop: 'auth-int' },
    { userHash: true },
    { nonceUses: 2 },
  ])('Digest: %j', async (options) => {
    const server = await fake({ users: { 'ann o"h': 'pw' }, auth: 'digest', routes: { '/a': 'in' }, ...options });
    const client = clientOf({ baseUrl: server.url, auth: { user: 'ann o"h', password: 'pw' } });
    for (let turn = 0; turn < 5; turn++)
      expect(await (await client.post('/a?b=c', { body: 'body' })).text()).toBe('in');
    const wrong = clientOf({ baseUrl: server.url, auth: { user: 'ann o"h', password: 'no' } });
    expect((await wrong.get('/a')).status).toBe(401);
    expect(server.transcript.join('\n')).not.toMatch(/response="/);
  });

  test('.netrc', async () => {
    const server = await fake({ users: { ann: 'pw' }, routes: { '/': 'in' } });
    const file = join(mkdtempSync(join(tmpdir(), 'postwire-netrc-')), 'netrc');
    writeFileSync(file, 'machine 127.0.0.1 login ann password pw\n');
    const client = clientOf({ netrc: file, allowInsecureAuth: true });
    expect((await client.get(server.url)).status).toBe(200);
    expect((await client.get(server.url.replace('127.0.0.1', 'localhost'))).status).toBe(401);
  });
});

describe('retries', () => {
  const quick = { count: 3, delayMs: 1 };

  test('what passes is asked again, if it may be asked twice', async () => {
    const server = await fake({ routes: { '/': 'ok' } });
    const client = clientOf({ baseUrl: server.url, retries: quick });
    server.on('GET').once().reply(503, 'later');
    server.on('GET').once().reset();
    expect(await (await client.get('/')).text()).toBe('ok');
    server.on('POST').once().reply(503, 'later');
    expect((await client.post('/', { body: 'x' })).status).toBe(503);
    server.on('GET').reply(404, 'no');
    expect((await client.get('/')).status).toBe(404);
  });

  test('SOCK-35: Retry-After is obeyed up to the cap, and a wait ends with the signal or the client', async () => {
    const server = await fake();
    server.on('GET').raw('HTTP/1.1 503 Later\r\nRetry-After: 999999999\r\nContent-Length: 0\r\n\r\n');
    const patient = clientOf({ baseUrl: server.url, retries: { count: 2, maxDelayMs: 5 } });
    expect((await patient.get('/')).status).toBe(503);
    const client = clientOf({ baseUrl: server.url, retries: { count: 2 } });
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 30);
    expect(await caught(client.get('/', { signal: controller.signal }))).toBe(reason);
    setTimeout(() => void client.close(), 30);
    expect((await caught(client.get('/'))).code).toBe('CLOSED');
  });
});

test('interceptors stand around each hop', async () => {
  const server = await fake({
    routes: { '/a': { status: 302, headers: { Location: '/b' } }, '/b': (got) => got.headers.get('x-id') ?? 'none' },
  });
  const seen: string[] = [];
  const client = clientOf({
    baseUrl: server.url,
    interceptors: [
      async (asked, next) => {
        seen.push(`${asked.method} ${new URL(asked.url).pathname}`);
        const response = await next({ ...asked, headers: new HttpFields(asked.headers).set('X-Id', '7') });
        seen.push(String(response.status));
        return response;
      },
    ],
  });
  expect(await (await client.get('/a')).text()).toBe('7');
  expect(seen).toEqual(['GET /a', '302', 'GET /b', '200']);
});

describe('time', () => {
  test('each phase, and the whole, has its end', async () => {
    const server = await fake({ routes: { '/': 'x'.repeat(1000) } });
    const client = clientOf({ baseUrl: server.url, timeouts: { commandMs: 50, bodyIdleMs: 50 } });
    server.on('GET').once().silence();
    expect(await caught(client.get('/'))).toMatchObject({ code: 'TIMEOUT', phase: 'command' });
    server.on('GET').once().afterBytes(10).silence();
    expect(await caught((await client.get('/')).text())).toMatchObject({ code: 'TIMEOUT', phase: 'bodyIdle' });
    const slow = clientOf({ baseUrl: server.url });
    server.on('GET').once().silence();
    expect(await caught(slow.get('/', { timeoutMs: 50 }))).toMatchObject({ code: 'TIMEOUT', phase: 'total' });
    server.on('GET').once().afterBytes(10).silence();
    const response = await slow.get('/', { timeoutMs: 100 });
    expect(await caught(response.bytes())).toMatchObject({ code: 'TIMEOUT', phase: 'total' });
  });

  test('a signal ends the request, its reason as it is', async () => {
    const server = await fake({ routes: { '/': 'x' } });
    const client = clientOf({ baseUrl: server.url });
    const reason = new Error('enough');
    expect(await caught(client.get('/', { signal: AbortSignal.abort(reason) }))).toBe(reason);
    server.on('GET').once().silence();
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    expect(await caught(client.get('/', { signal: controller.signal }))).toBe(reason);
    expect(await (await client.get('/')).text()).toBe('x');
  });

  test('responses that nobody reads do not hold others up for ever', async () => {
    const server = await fake({ routes: { '/': { body: Buffer.alloc(8 * 1024 * 1024) } } });
    const client = clientOf({ baseUrl: server.url, maxConnections: 1, timeouts: { connectMs: 100 } });
    const held = await client.get('/');
    expect(await caught(client.get('/'))).toMatchObject({ code: 'TIMEOUT' });
    await held.dispose();
    expect((await client.head('/')).status).toBe(200);
  });

  test('a body that is given up before its first byte frees its connection', async () => {
    const bytes = gzipSync(randomBytes(1_000_000));
    const server = await fake({ routes: { '/': { headers: { 'Content-Encoding': 'gzip' }, body: bytes } } });
    const client = clientOf({ baseUrl: server.url, maxConnections: 1, timeouts: { connectMs: 500 } });
    for (const options of [{}, { decompress: false, onProgress: () => {} }])
      for (let turn = 0; turn < 3; turn++) await (await client.get('/', options)).dispose();
    expect((await (await client.get('/')).bytes()).length).toBe(1_000_000);
  });

  test('close ends what is under way', async () => {
    const server = await fake();
    const client = clientOf({ baseUrl: server.url });
    server.on('GET').silence();
    const pending = caught(client.get('/'));
    await delay(20);
    await client.close();
    expect((await pending).code).toBe('CLOSED');
    expect((await caught(client.get('/'))).code).toBe('CLOSED');
    await client.closed;
  });
});

test('progress both ways', async () => {
  const server = await fake({ routes: { '/': (got) => ({ body: got.body }) } });
  const up: number[] = [];
  const down: number[] = [];
  const body = Buffer.alloc(300_000, 'x');
  const response = await clientOf().post(server.url, {
    body,
    onUploadProgress: ({ bytes, totalBytes }) => up.push(bytes / (totalBytes ?? 0)),
    onProgress: ({ bytes, totalBytes }) => down.push(bytes / (totalBytes ?? 0)),
  });
  expect((await response.bytes()).length).toBe(body.length);
  expect([up.at(-1), down.at(-1), up.length > 1]).toEqual([1, 1, true]);
});

test('a file, and a form with one, are streamed with their length', async () => {
  const server = await fake({ routes: { '/': (got) => ({ body: got.body }) } });
  const path = join(mkdtempSync(join(tmpdir(), 'postwire-form-')), 'a.txt');
  writeFileSync(path, 'from a file');
  const client = clientOf({ baseUrl: server.url });
  expect(await (await client.put('/', { body: { file: path } })).text()).toBe('from a file');
  const last = server.requests.at(-1);
  expect([last?.headers.get('content-length'), last?.headers.get('content-type')]).toEqual(['11', 'text/plain']);
  const response = await client.post('/', {
    multipart: [
      { name: 'field', value: 'välue' },
      { name: 'file', file: path },
    ],
  });
  const form = await new Response(Buffer.from(await response.bytes()), {
    headers: { 'Content-Type': server.requests.at(-1)?.headers.get('content-type') ?? '' },
  }).formData();
  const file = form.get('file') as File;
  expect([form.get('field'), file.name, file.type, await file.text()]).toEqual([
    'välue',
    'a.txt',
    'text/plain',
    'from a file',
  ]);
});

test('upgrade hands the connection over', async () => {
  const server = await fake();
  server.on('GET').raw('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi');
  const client = clientOf({ baseUrl: server.url });
  const { connection, headers } = await client.upgrade('/', 'echo');
  expect(headers.get('upgrade')).toBe('echo');
  expect(
    Buffer.from(await connection.read((queue) => (queue.length >= 2 ? queue.take(2) : undefined))).toString(),
  ).toBe('hi');
  connection.destroy();
  expect(client.connectionCount).toBe(0);
  server.reset();
  expect((await caught(client.upgrade('/', 'echo'))).code).toBe('UNSUPPORTED');
});

test('HT-26: through a proxy, with a login for it that the origin does not see', async () => {
  const origin = await fake({ tls: 'implicit', routes: { '/': 'origin' } });
  const proxy = await fake({ proxy: true, proxyUsers: { p: 'secret' } });
  const client = clientOf({ tls: { ca: origin.ca }, proxy: proxy.url.replace('://', '://p:secret@') });
  expect(await (await client.get(origin.url)).text()).toBe('origin');
  expect(JSON.stringify([...(origin.requests[0]?.headers ?? [])])).not.toMatch(/proxy/i);
  expect(proxy.requests).toHaveLength(0);
  // A plain request is passed on as it is, with its absolute URL.
  const plain = await fake({ routes: { '/a': (got) => JSON.stringify([...got.headers]) } });
  const told = await (await client.get(`${plain.url}/a?b`, { headers: { 'X-Mine': '1' } })).text();
  expect(told).toContain('X-Mine');
  expect(told).not.toMatch(/proxy-auth/i);
  expect(proxy.requests[0]?.target).toBe(`${plain.url}/a?b`);
  expect(proxy.transcript.join('\n')).not.toContain(Buffer.from('p:secret').toString('base64'));
  expect((await clientOf({ proxy: proxy.url }).get(plain.url)).status).toBe(407);
  const refused = clientOf({ tls: { ca: origin.ca }, proxy: proxy.url });
  expect((await caught(refused.get(origin.url))).code).toBe('CONNECT');
});

test('the fake as a proxy passes absolute-form requests on', async () => {
  const origin = await fake({ routes: { '/a': (got) => `${got.path} ${got.headers.get('host') ?? ''}` } });
  const proxy = await fake({ proxy: true });
  const text = await new Promise<string>((resolve, reject) => {
    nodeRequest({ host: proxy.host, port: proxy.port, path: `${origin.url}/a` }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve(body));
    })
      .on('error', reject)
      .end();
  });
  expect(text).toBe(`/a 127.0.0.1:${origin.port}`);
});

test('wrong options are named', async () => {
  const client = clientOf();
  for (const [options, message] of [
    [{ metod: 'GET' }, /did you mean method/],
    [{ json: 1, form: {} }, /one of json and form/],
    [{ retries: -1 }, /retries.count/],
    [{ auth: { user: 'a' } }, /auth.password/],
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ body: 7 }, /body must be/],
  ] as const)
    expect((await caught(client.post('http://127.0.0.1:1/', options as never))).message).toMatch(message);
  expect(() => new HttpClient({ maxConnections: 0 })).toThrow(/maxConnections/);
  expect(() => new HttpClient({ auth: { token: 'x' } })).toThrow(/baseUrl/);
});

test('minBytesPerSecond: a server that is slower over ten seconds is given up', async () => {
  const pieces = { wake: (): void => {}, over: false };
  const server = await fake();
  server.route('/', () => ({
    body: (async function* () {
      while (!pieces.over) {
        yield Buffer.alloc(1000);
        await new Promise<void>((resolve) => {
          pieces.wake = resolve;
        });
      }
    })(),
  }));
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const client = clientOf({ baseUrl: server.url });
    const response = await client.get('/', { minBytesPerSecond: 100 });
    const chunks = response.stream()[Symbol.asyncIterator]();
    const next = async (seconds: number): Promise<unknown> => {
      vi.advanceTimersByTime(seconds * 1000);
      pieces.wake();
      return (await chunks.next()).value;
    };
    expect(await next(0)).toHaveLength(1000);
    // 2000 bytes in 10 seconds, and then 1000 in 11.
    expect(await next(10)).toHaveLength(1000);
    await expect(next(11)).rejects.toMatchObject({ code: 'TIMEOUT', reason: 'TOO_SLOW' });
    await expect.poll(() => client.connectionCount).toBe(0);
  } finally {
    pieces.over = true;
    pieces.wake();
    vi.useRealTimers();
  }
});

const zstdCompress = (zlib as { zstdCompressSync?: (bytes: Uint8Array) => Uint8Array }).zstdCompressSync;
test.skipIf(zstdCompress === undefined)('zstd (Node 22.15 and later have it)', async () => {
  const body = zstdCompress?.(Buffer.from('compressed '.repeat(1000)));
  const server = await fake({
    routes: { '/': { headers: { 'Content-Encoding': 'zstd' }, ...(body === undefined ? {} : { body }) } },
  });
  expect(await (await clientOf().get(server.url)).text()).toBe('compressed '.repeat(1000));
  expect(server.requests[0]?.headers.get('accept-encoding')).toBe('gzip, deflate, br, zstd');
});
test.runIf(zstdCompress === undefined)(
  'without zstd in Node it is not asked for, and handed over as it came',
  async () => {
    const server = await fake({ routes: { '/': { headers: { 'Content-Encoding': 'zstd' }, body: 'as it is' } } });
    const response = await clientOf().get(server.url);
    expect([response.headers.get('content-encoding'), await response.text()]).toEqual(['zstd', 'as it is']);
    expect(server.requests[0]?.headers.get('accept-encoding')).toBe('gzip, deflate, br');
  },
);

test('TLS-13: a body that ends with the connection says so; one that ends short of its length is an error', async () => {
  const server = await fake({
    tls: 'implicit',
    routes: { '/a': 'whole', '/chunks': { body: 'whole', chunked: true } },
  });
  const client = clientOf({ baseUrl: server.url, tls: { ca: server.ca } });
  for (const path of ['/a', '/chunks']) expect((await client.get(path)).delimited).toBe(true);
  const head = 'HTTP/1.1 200 OK\r\n\r\n';
  server.on('GET').once().raw(`${head}part`).close();
  const ended = await client.get('/a');
  expect([ended.delimited, await ended.text()]).toEqual([false, 'part']);
  server.on('GET').once().raw('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart').close();
  await expect(client.get('/a').then((response) => response.text())).rejects.toMatchObject({ code: 'CLOSED' });
});
