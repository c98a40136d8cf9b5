import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HttpCache, HttpClient, type HttpClientOptions, type HttpRequestOptions } from '../../src/http/index.ts';
import { type FakeHttp, type FakeHttpReply, type FakeHttpRequest, fakeHttp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const each of open.splice(0).reverse()) await each.close();
});
beforeEach(() => {
  // Ages are counted by the clock; nothing else stands still.
  vi.useFakeTimers({ toFake: ['Date'] });
});
const later = (seconds: number): void => {
  vi.setSystemTime(Date.now() + seconds * 1000);
};

/** A server that says at `/` what it is told to, with how often it was asked as its body. */
async function counting(
  reply: (request: FakeHttpRequest, count: number) => FakeHttpReply,
  options: HttpClientOptions = {},
): Promise<{ server: FakeHttp; client: HttpClient; get(options?: HttpRequestOptions): Promise<string> }> {
  let count = 0;
  const server = await fakeHttp({
    routes: {
      '/': (request) => {
        count++;
        return { body: `body ${count}`, ...reply(request, count) };
      },
      'POST /': () => 'done',
      'POST /other': () => ({ headers: { Location: '/' }, status: 201 }),
      'POST /wrong': () => ({ status: 500 }),
      '/redirect': { status: 301, headers: { Location: '/', 'Cache-Control': 'max-age=60' } },
    },
  });
  const client = new HttpClient({ baseUrl: server.url, cache: true, ...options });
  open.push(server, client);
  const get = async (given?: HttpRequestOptions): Promise<string> => (await client.get('/', given)).text();
  return { server, client, get };
}
const fresh = { 'Cache-Control': 'max-age=60' };

test('RFC 9111 section 4: a fresh response is answered from here with its age, a stale one is asked for again', async () => {
  const { client, get, server } = await counting(() => ({
    headers: { ...fresh, 'X-Two': ['a', 'b'], 'Content-Type': 'text/plain' },
  }));
  expect(await get()).toBe('body 1');
  later(20);
  const again = await client.get('/');
  expect([again.status, again.headers.get('age'), again.headers.get('x-two'), await again.text()]).toEqual([
    200,
    '20',
    'a, b',
    'body 1',
  ]);
  expect(server.requests).toHaveLength(1);
  later(41);
  expect(await get()).toBe('body 2');
});

const notStored: Record<string, FakeHttpReply> = {
  'no-store': { headers: { 'Cache-Control': 'no-store, max-age=60', ETag: '"1"' } },
  'private, in a shared cache': { headers: { 'Cache-Control': 'private, max-age=60' } },
  'Vary: *': { headers: { ...fresh, Vary: '*' } },
  'nothing said that would make it fresh or tell it apart': {},
  'a status that may not be stored': { status: 500, headers: fresh },
  'a part of it': { status: 206, headers: { ...fresh, 'Content-Range': 'bytes 0-5/9' } },
};
for (const [name, reply] of Object.entries(notStored))
  test(`RFC 9111 section 3: not stored: ${name}`, async () => {
    const { client, get, server } = await counting(() => reply);
    await (await client.get('/')).bytes();
    expect(await get()).toBe('body 2');
    expect(server.requests[1]?.headers.has('if-none-match')).toBe(false);
  });

test('RFC 9111 section 3: nor for a request that says no-store, a HEAD, a POST, a body not read to its end, or one too long', async () => {
  const cache = new HttpCache({ maxBytes: 10_000, maxEntryBytes: 1000 });
  const { client, get, server } = await counting(
    (_request, count) => ({ headers: fresh, ...(count > 3 ? { body: 'x'.repeat(1001) } : {}) }),
    { cache },
  );
  expect(await get({ headers: { 'Cache-Control': 'no-store' } })).toBe('body 1');
  await client.head('/');
  await (await client.post('/')).text();
  await (await client.get('/')).dispose();
  expect(cache.sizeBytes).toBe(0);
  await get();
  expect(cache.sizeBytes).toBe(0);
  expect(server.requests).toHaveLength(5);
});

test('RFC 9111 section 3.5: what was asked for with a login is stored only where the server says that all may have it', async () => {
  const login = { auth: { user: 'ann', password: 'pw' }, allowInsecureAuth: true };
  for (const [control, count] of [
    ['max-age=60', 2],
    ['public, max-age=60', 1],
  ] as const) {
    const { get, server } = await counting(() => ({ headers: { 'Cache-Control': control } }), login);
    await get();
    await get();
    expect(server.requests, control).toHaveLength(count);
  }
  const own = await counting(() => ({ headers: fresh }), { ...login, cache: new HttpCache({ shared: false }) });
  await own.get();
  await own.get();
  expect(own.server.requests).toHaveLength(1);
});

test('RFC 9111 section 4.1: Vary: each form of its own', async () => {
  const { get, server } = await counting(() => ({ headers: { ...fresh, Vary: 'Accept-Language, X-Mine' } }));
  const de = { headers: { 'Accept-Language': 'de' } };
  const en = { headers: { 'Accept-Language': 'en' } };
  expect([await get(de), await get(en), await get(de), await get(en)]).toEqual([
    'body 1',
    'body 2',
    'body 1',
    'body 2',
  ]);
  expect(await get()).toBe('body 3');
  expect(server.requests).toHaveLength(3);
});

test('RFC 9111 section 4.1: what varies by cookies or by the login is never mixed up', async () => {
  const { client, server } = await counting(
    (request, count) => ({
      headers: [
        ['Cache-Control', 'public, max-age=60'],
        ['Vary', 'Cookie, Authorization'],
        ...(count === 1 ? [['Set-Cookie', 'a=1'] as const] : []),
      ],
      body: request.headers.get('cookie') ?? 'none',
    }),
    { cookies: true, allowInsecureAuth: true },
  );
  const get = async (options?: HttpRequestOptions): Promise<string> => (await client.get('/', options)).text();
  expect([await get(), await get(), await get()]).toEqual(['none', 'a=1', 'a=1']);
  expect(server.requests).toHaveLength(2);
  for (const user of ['ann', 'bob', 'ann']) await get({ auth: { user, password: 'pw' } });
  expect(server.requests).toHaveLength(5);
});

test('RFC 9111 section 4.3: a stale response is validated by its ETag, and by its date; 304 makes it fresh again', async () => {
  const date = 'Mon, 07 Feb 2022 21:52:25 GMT';
  for (const [validator, condition] of [
    [{ ETag: '"1"' }, ['if-none-match', '"1"']],
    [{ ETag: 'W/"1"' }, ['if-none-match', 'W/"1"']],
    [{ 'Last-Modified': date }, ['if-modified-since', date]],
  ] as const) {
    const { client, get, server } = await counting((request, count) => {
      const headers = { ...fresh, ...validator, 'X-Count': String(count) };
      return request.headers.has(condition[0]) ? { status: 304, headers, body: '' } : { headers };
    });
    expect(await get()).toBe('body 1');
    later(61);
    const validated = await client.get('/');
    expect([validated.status, validated.headers.get('x-count'), await validated.text()]).toEqual([200, '2', 'body 1']);
    expect(server.requests[1]?.headers.get(condition[0])).toBe(condition[1]);
    later(59);
    expect(await get()).toBe('body 1');
    expect(server.requests).toHaveLength(2);
  }
});

test('RFC 9111 section 4.3: what has changed takes the place of what was stored; a 304 of something else is not believed', async () => {
  const { get, server } = await counting((request, count) => {
    if (count === 3) return { status: 304, headers: { ETag: '"other"' }, body: '' };
    return {
      headers: { ...fresh, ETag: `"${count}"` },
      body: `${count} ${request.headers.get('if-none-match') ?? ''}`,
    };
  });
  expect(await get()).toBe('1 ');
  later(61);
  expect(await get()).toBe('2 "1"');
  expect(await get()).toBe('2 "1"');
  later(61);
  expect(await get()).toBe('4 ');
  expect(server.requests).toHaveLength(4);
});

test('RFC 9111 section 5.2.1: what the request says: no-cache, max-age, only-if-cached; its own conditions pass the cache by', async () => {
  const { client, get, server } = await counting(() => ({ headers: { ...fresh, ETag: '"1"' } }));
  const ask = (value: string): HttpRequestOptions => ({ headers: { 'Cache-Control': value } });
  expect((await client.get('/', ask('only-if-cached'))).status).toBe(504);
  expect(server.requests).toHaveLength(0);
  expect(await get()).toBe('body 1');
  expect(await get(ask('only-if-cached'))).toBe('body 1');
  expect(await get(ask('no-cache'))).toBe('body 2');
  later(10);
  expect(await get(ask('max-age=20'))).toBe('body 2');
  expect(await get(ask('max-age=5'))).toBe('body 3');
  await get({ headers: { 'If-None-Match': '"9"' } });
  await get({ headers: { Range: 'bytes=0-1' } });
  expect(server.requests).toHaveLength(5);
  expect(await get()).toBe('body 3');
});

test('RFC 9111 section 4.4: a change by POST forgets the place, and what Location names; one that failed does not', async () => {
  const { client, get } = await counting(() => ({ headers: fresh }));
  await get();
  await (await client.post('/wrong')).text();
  expect(await get()).toBe('body 1');
  await (await client.post('/')).text();
  expect(await get()).toBe('body 2');
  await (await client.post('/other')).text();
  expect(await get()).toBe('body 3');
  await (await client.post('/')).text();
  // Asked for before the change, and read behind it: it is of before.
  const early = await client.get('/');
  await (await client.post('/')).text();
  expect(await early.text()).toBe('body 4');
  expect(await get()).toBe('body 5');
});

test('RFC 5861: stale-if-error: an old answer for a server that fails', async () => {
  const { get } = await counting((_request, count) =>
    count === 1 ? { headers: { 'Cache-Control': 'max-age=60, stale-if-error=600', ETag: '"1"' } } : { status: 503 },
  );
  expect(await get()).toBe('body 1');
  later(61);
  expect(await get()).toBe('body 1');
});

test('the cap: what was used longest ago goes first; redirects are followed into it; options of the call hold', async () => {
  const cache = new HttpCache({ maxBytes: 3000, maxEntryBytes: 2000 });
  const server = await fakeHttp({ routes: { '/redirect': { status: 302, headers: { Location: '/1' } } } });
  server.route(/^\/[0-9]$/, { headers: fresh, body: 'x'.repeat(800) });
  const client = new HttpClient({ baseUrl: server.url, cache });
  open.push(server, client);
  const get = async (path: string): Promise<void> => {
    await (await client.get(path)).bytes();
  };
  await get('/1');
  await get('/2');
  await get('/3');
  expect(cache.sizeBytes).toBeLessThanOrEqual(3000);
  const before = server.requests.length;
  await (await client.get('/1')).bytes();
  await (await client.get('/4')).bytes();
  await (await client.get('/1')).bytes();
  expect(server.requests.length).toBe(before + 1);
  await (await client.get('/2')).bytes();
  expect(server.requests.length).toBe(before + 2);
  const redirected = await client.get('/redirect');
  expect([redirected.redirects.length, (await redirected.bytes()).length]).toEqual([1, 800]);
  await expect((await client.get('/1', { maxBytes: 10 })).bytes()).rejects.toMatchObject({ code: 'LIMIT' });
  const bytes = await (await client.get('/1')).bytes();
  bytes.fill(0);
  expect(await (await client.get('/1')).text()).toBe('x'.repeat(800));
  cache.clear();
  expect(cache.sizeBytes).toBe(0);
});

test('a cache of one own serves several clients; bodies lent are stored too', async () => {
  const cache = new HttpCache();
  const { server, client } = await counting(() => ({ headers: fresh, body: 'y'.repeat(300_000) }), { cache });
  let bytes = 0;
  await (await client.get('/')).stream().forEach((chunk) => {
    bytes += chunk.length;
  });
  const other = new HttpClient({ cache });
  open.push(other);
  expect(await (await other.get(server.url)).text()).toBe('y'.repeat(bytes));
  expect(server.requests).toHaveLength(1);
  expect(() => new HttpClient({ cache: {} as never })).toThrow('cache must be');
  expect(() => new HttpCache({ maxBytes: -1 })).toThrow('maxBytes');
});
