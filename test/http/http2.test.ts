import {
  type IncomingHttpHeaders,
  type Http2SecureServer,
  type ServerHttp2Stream,
  constants,
  createSecureServer,
} from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { HttpClient, type HttpClientOptions, HttpFields } from '../../src/http/index.ts';
import { fakeHttp, testTls } from '../../src/testing/index.ts';
import { httpClientSuite, largeFile } from '../suites/http.ts';

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, count: number) => void;
interface Served {
  readonly server: Http2SecureServer;
  readonly url: string;
  readonly options: HttpClientOptions;
  /** Sessions that began. */
  sessions(): number;
  close(): Promise<void>;
}

/** node:http2, answering each stream by the handler. */
async function serve(handler: Handler): Promise<Served> {
  const { ca, server: tls } = await testTls('valid');
  const server = createSecureServer({ cert: tls.cert, key: tls.key });
  const open = new Set<{ destroy(): void }>();
  let sessions = 0;
  let count = 0;
  server.on('session', (session) => {
    sessions++;
    open.add(session);
    session.on('close', () => open.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    handler(stream, headers, ++count);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    server,
    url: `https://127.0.0.1:${port}`,
    options: { http2: true, tls: { ca } },
    sessions: () => sessions,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of open) session.destroy();
      }),
  };
}

const suiteHandler: Handler = (stream, headers) => {
  const path = headers[':path'];
  if (path === '/hello') {
    stream.respond({ ':status': 200, 'content-length': 5 });
    stream.end('hello');
  } else if (path === '/chunked') {
    stream.respond({ ':status': 200, 'transfer-encoding-of-old': 'chunked' });
    stream.write('one ');
    stream.write('two ');
    stream.end('three');
  } else if (path === '/gzip') {
    stream.respond({ ':status': 200, 'content-encoding': 'gzip' });
    stream.end(gzipSync('hello'));
  } else if (path === '/redirect') {
    stream.respond({ ':status': 302, location: '/hello' });
    stream.end();
  } else if (path === '/large') {
    const match = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
    stream.respond({ ':status': match === null ? 200 : 206 });
    stream.end(match === null ? largeFile : largeFile.subarray(Number(match[1]), Number(match[2]) + 1));
  } else if (path === '/echo') {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  } else {
    stream.respond({ ':status': 404 });
    stream.end('no');
  }
};
httpClientSuite('node:http2', () => serve(suiteHandler), { echo: true, chunked: false });

const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});
async function pair(
  handler: Handler,
  options: HttpClientOptions = {},
): Promise<{ served: Served; client: HttpClient }> {
  const served = await serve(handler);
  const client = new HttpClient({ ...served.options, baseUrl: served.url, ...options });
  closing.push(served, client);
  return { served, client };
}
const text = (stream: ServerHttp2Stream, body: string): void => {
  stream.respond({ ':status': 200 });
  stream.end(body);
};

test('many requests at once share one connection; what comes out of order is told apart', async () => {
  const waiting: (() => void)[] = [];
  const { served, client } = await pair((stream, headers) => {
    waiting.push(() => text(stream, headers[':path'] ?? ''));
    if (waiting.length === 30) for (const answer of waiting.reverse()) answer();
  });
  const paths = Array.from({ length: 30 }, (_, index) => `/${index}`);
  const texts = await Promise.all(paths.map(async (path) => (await client.get(path)).text()));
  expect(texts).toEqual(paths);
  expect([served.sessions(), client.connectionCount]).toEqual([1, 1]);
});

test('what is sent: pseudo-fields, names in lower case, nothing of a connection', async () => {
  const { client, served } = await pair(
    (stream, headers) => {
      stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'], 'x-two': ['c', 'd'] });
      stream.end(JSON.stringify(headers));
    },
    { cookies: true },
  );
  const response = await client.get('/a?b=c', {
    headers: { 'X-Mine': ['1', '2'], Connection: 'close', Constructor: 'x' },
  });
  const headers = await response.json<Record<string, string>>();
  expect(headers).toMatchObject({
    ':method': 'GET',
    ':path': '/a?b=c',
    ':scheme': 'https',
    ':authority': new URL(served.url).host,
    'x-mine': '1, 2',
    constructor: 'x',
    'user-agent': 'postwire',
  });
  expect(Object.keys(headers)).not.toContain('connection');
  expect([response.headers.all('set-cookie'), response.headers.get('x-two'), response.statusText]).toEqual([
    ['a=1', 'b=2'],
    'c, d',
    '',
  ]);
  expect(await (await client.get('/')).json()).toMatchObject({ cookie: 'a=1; b=2' });
});

test('a reader that is slow holds the server back, and other streams go on', async () => {
  let written = 0;
  const { client } = await pair((stream, headers) => {
    if (headers[':path'] !== '/endless') return text(stream, 'quick');
    stream.respond({ ':status': 200 });
    const more = (): void => {
      while (!stream.destroyed && !stream.writableNeedDrain) {
        stream.write(Buffer.alloc(16_384));
        written += 16_384;
      }
    };
    stream.on('drain', more);
    more();
  });
  const endless = await client.get('/endless');
  for (let turn = 0; turn < 10; turn++) expect(await (await client.get('/')).text()).toBe('quick');
  expect(written).toBeLessThan(1024 * 1024);
  const chunks = endless.stream()[Symbol.asyncIterator]();
  let bytes = 0;
  while (bytes < 2 * 1024 * 1024) bytes += ((await chunks.next()) as IteratorYieldResult<Uint8Array>).value.length;
  expect(written).toBeLessThan(bytes + 1024 * 1024);
  await endless.dispose();
  expect(await (await client.get('/')).text()).toBe('quick');
});

test('trailers both ways, and interim responses', async () => {
  const { client } = await pair((stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.resume();
    stream.on('trailers', (trailers) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-back': String(trailers['x-sum']) }));
      stream.end('body');
    });
  });
  const told: string[] = [];
  const response = await client.post('/', {
    body: 'sent',
    trailers: () => new HttpFields({ 'X-Sum': '42' }),
    onInformation: ({ status, headers }) => told.push(`${status} ${headers.get('link') ?? ''}`),
  });
  expect(response.trailers).toBeUndefined();
  expect(await response.text()).toBe('body');
  expect([response.trailers?.get('x-back'), response.headers.has('x-back'), told]).toEqual([
    '42',
    false,
    ['103 </a.css>'],
  ]);
});

test('a stream that is refused is sent once more, a POST too; a body that cannot be, or refusal for good, is an error', async () => {
  const { client } = await pair((stream, headers, count) => {
    if (headers[':path'] === '/never' || count % 2 === 1) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    stream.resume();
    stream.on('end', () => text(stream, `at ${count}`));
  });
  expect(await (await client.post('/', { body: 'x' })).text()).toBe('at 2');
  async function* once(): AsyncIterable<Uint8Array> {
    yield Buffer.from('x');
  }
  await expect(client.post('/', { body: once() })).rejects.toMatchObject({ code: 'CLOSED', reason: 'REFUSED' });
  await expect(client.get('/never')).rejects.toMatchObject({ code: 'CLOSED', reason: 'REFUSED' });
});

test('after GOAWAY a new connection is made; what is under way ends well', async () => {
  const held: ServerHttp2Stream[] = [];
  const { client, served } = await pair((stream, headers) => {
    if (headers[':path'] !== '/held') return text(stream, 'x');
    stream.respond({ ':status': 200 });
    stream.write('first');
    held.push(stream);
  });
  const response = await client.get('/held');
  held[0]?.session?.goaway();
  held[0]?.session?.close();
  await expect.poll(async () => ((await (await client.get('/')).text()) === 'x' ? served.sessions() : 0)).toBe(2);
  held[0]?.end(' and last');
  expect(await response.text()).toBe('first and last');
  await expect.poll(() => client.connectionCount).toBe(1);
});

test('HT-13: a body that ends early is an error, never an end', async () => {
  const ways: Record<string, (stream: ServerHttp2Stream) => void> = {
    '/cancel': (stream) => stream.close(constants.NGHTTP2_CANCEL),
    '/error': (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    '/short': (stream) => stream.end(),
    '/gone': (stream) => stream.session?.destroy(),
  };
  const { client } = await pair((stream, headers) => {
    stream.respond({ ':status': 200, 'content-length': 100 });
    stream.write('ten bytes.', () => setImmediate(() => ways[headers[':path'] ?? '']?.(stream)));
  });
  for (const path of Object.keys(ways)) {
    const response = await client.get(path);
    await expect(response.bytes(), path).rejects.toMatchObject({ code: 'CLOSED' });
  }
});

test('no answer: the stream closed, the connection ended, a deadline, a signal', async () => {
  const { client } = await pair(
    (stream, headers) => {
      if (headers[':path'] === '/closed') stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      if (headers[':path'] === '/gone') stream.session?.destroy();
      if (headers[':path'] === '/hello') text(stream, 'hello');
      if (headers[':path'] === '/stalls') {
        stream.respond({ ':status': 200 });
        stream.write('a');
      }
    },
    { timeouts: { commandMs: 200, bodyIdleMs: 200 } },
  );
  await expect(client.get('/closed')).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(client.post('/gone', { body: 'x' })).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(client.get('/silent')).rejects.toMatchObject({ code: 'TIMEOUT', phase: 'command' });
  await expect((await client.get('/stalls')).bytes()).rejects.toMatchObject({ code: 'TIMEOUT', phase: 'bodyIdle' });
  const reason = new Error('enough');
  await expect(client.get('/silent', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const asked = client.get('/silent', { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await expect(asked).rejects.toBe(reason);
  const later = new AbortController();
  const stalled = await client.get('/stalls', { signal: later.signal });
  const chunks = stalled.stream()[Symbol.asyncIterator]();
  await chunks.next();
  setTimeout(() => later.abort(reason), 20);
  await expect(chunks.next()).rejects.toBe(reason);
  expect(await (await client.get('/hello')).text()).toBe('hello');
  expect(client.connectionCount).toBe(1);
});

test('HT-12: an answer before the body was sent; a body of the wrong length; a source that fails', async () => {
  const { client } = await pair((stream, headers) => {
    if (headers[':path'] !== '/early') {
      stream.resume();
      stream.on('end', () => text(stream, 'whole'));
      return;
    }
    stream.respond({ ':status': 413 });
    stream.end('too much');
    stream.close(constants.NGHTTP2_NO_ERROR);
  });
  let pieces = 0;
  async function* endless(): AsyncIterable<Uint8Array> {
    for (; pieces < 100_000; pieces++) yield Buffer.alloc(16_384);
  }
  const response = await client.post('/early', { body: endless() });
  expect(response.status).toBe(413);
  expect(pieces).toBeLessThan(1000);
  async function* short(): AsyncIterable<Uint8Array> {
    yield Buffer.from('abc');
  }
  for (const sizeBytes of [2, 4])
    await expect(client.post('/', { body: short(), sizeBytes })).rejects.toMatchObject({ code: 'USAGE' });
  async function* fails(): AsyncIterable<Uint8Array> {
    yield Buffer.from('abc');
    throw new Error('disk');
  }
  await expect(client.post('/', { body: fails() })).rejects.toThrow('disk');
  expect(await (await client.post('/', { body: short(), sizeBytes: 3 })).text()).toBe('whole');
  expect(client.connectionCount).toBe(1);
});

test('HT-09: fields without end are an error', async () => {
  const { client } = await pair((stream) => {
    stream.respond({
      ':status': 200,
      ...Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`x-${index}`, 'v'])),
    });
    stream.end();
  });
  await expect(client.get('/')).rejects.toMatchObject({ code: 'CLOSED' });
});

test('auto: whichever the server speaks; true: nothing else', async () => {
  await using old = await fakeHttp({ tls: 'implicit', routes: { '/': 'old' } });
  const { served } = await pair((stream) => text(stream, 'new'));
  await using client = new HttpClient({
    http2: 'auto',
    tls: { ca: [old.ca as string, (served.options.tls?.ca ?? '') as string] },
  });
  const both = await Promise.all(
    [old.url, served.url, old.url, served.url].map(async (url) => (await client.get(url)).text()),
  );
  expect(both).toEqual(['old', 'new', 'old', 'new']);
  expect(await (await client.get(old.url)).text()).toBe('old');
  await using strict = new HttpClient({ http2: true, tls: { ca: old.ca as string } });
  await expect(strict.get(old.url)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  await using plain = await fakeHttp({ routes: { '/': 'plain' } });
  expect(await (await client.get(plain.url)).text()).toBe('plain');
  expect(() => new HttpClient({ http2: 'yes' as never })).toThrow('http2 must be');
});

test('through a proxy, with a redirect and a login; closing ends all of it', async () => {
  const { served } = await pair((stream, headers) => {
    if (headers[':path'] === '/old') {
      stream.respond({ ':status': 302, location: '/new' });
      stream.end();
    } else if (headers.authorization === undefined) {
      stream.respond({ ':status': 401, 'www-authenticate': 'Basic realm="x"' });
      stream.end('who');
    } else text(stream, headers.authorization);
  });
  await using proxy = await fakeHttp({ proxy: true });
  const client = new HttpClient({
    ...served.options,
    baseUrl: served.url,
    proxy: proxy.url,
    auth: { user: 'ann', password: 'pw' },
  });
  expect(await (await client.get('/old')).text()).toMatch(/^Basic /);
  expect(proxy.transcript.join('\n')).toContain('CONNECT');
  const pending = client.get('/new');
  await client.close();
  await expect(pending).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(client.get('/new')).rejects.toMatchObject({ code: 'CLOSED' });
  await client.closed;
  expect(client.connectionCount).toBe(0);
});

test('an unused connection is closed in its time', async () => {
  const { client, served } = await pair((stream) => text(stream, 'x'), { keepIdleMs: 30 });
  await (await client.get('/')).text();
  await expect.poll(() => client.connectionCount).toBe(0);
  await (await client.get('/')).text();
  expect(served.sessions()).toBe(2);
});
