import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gzipSync } from 'node:zlib';
import { HttpClient, type HttpClientOptions } from '../../src/http/index.ts';
import { type FakeHttp, type FakeHttpOptions, fakeHttp } from '../../src/testing/index.ts';
import { serveFile } from '../../src/testing/http-messages.ts';

/** A server under test: it serves what the suite asks for. */
export interface HttpServerUnderTest {
  readonly url: string;
  /** How the client gets there. */
  readonly options?: HttpClientOptions | undefined;
  close(): Promise<void>;
}

/** Bytes that differ everywhere, so that a piece of another place shows. */
export const largeFile: Buffer = Buffer.from(
  Array.from({ length: 200_000 }, (_, index) => `line ${index}\r\n`).join(''),
);
export const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

/** The fake, serving what the suite asks for. */
export const fakeForSuite = (options: FakeHttpOptions = {}): Promise<FakeHttp> =>
  fakeHttp({
    ...options,
    routes: {
      '/hello': 'hello',
      '/large': (request) => serveFile({ bytes: largeFile, etag: '"1"' }, request),
      '/chunked': () => ({ body: words() }),
      '/gzip': { headers: { 'Content-Encoding': 'gzip' }, body: gzipSync('hello') },
      '/redirect': { status: 302, headers: { Location: '/hello' } },
      '/echo': (request) => ({ body: request.body }),
    },
  });

async function* words(): AsyncIterable<Uint8Array> {
  for (const word of ['one ', 'two ', 'three']) yield Buffer.from(word);
}

/**
 * What every HTTP server must do with our client. It serves `/hello` ('hello'), `/large` (`largeFile`), `/chunked` ('one two three', chunked),
 * `/gzip` ('hello' compressed, told so), `/redirect` (302 to /hello), `/missing` (404), and echoes what is sent to `/echo` where it can
 * (`echo`).
 */
export function httpClientSuite(
  name: string,
  start: () => Promise<HttpServerUnderTest>,
  can: { readonly echo: boolean; readonly chunked?: boolean } = { echo: true },
): void {
  describe(`HTTP client against ${name}`, () => {
    let server: HttpServerUnderTest;
    let client: HttpClient;
    beforeAll(async () => {
      server = await start();
      client = await HttpClient.connect(server.url, server.options);
    }, 60_000);
    afterAll(async () => {
      await client.close();
      await server.close();
    });

    test('GET, and its head', async () => {
      const response = await client.get('/hello');
      expect([response.status, response.ok, await response.text()]).toEqual([200, true, 'hello']);
    });

    test('one connection serves many requests', async () => {
      const single = new HttpClient({ ...server.options, baseUrl: server.url, maxConnections: 1 });
      const texts = await Promise.all(Array.from({ length: 20 }, async () => (await single.get('/hello')).text()));
      expect(new Set(texts)).toEqual(new Set(['hello']));
      expect(single.connectionCount).toBe(1);
      await single.close();
    });

    test('HEAD has no body, and the connection goes on', async () => {
      const response = await client.head('/hello');
      expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '5', '']);
      expect(await (await client.get('/hello')).text()).toBe('hello');
    });

    test('a large body: collected, iterated, lent', async () => {
      const wanted = sha1(largeFile);
      expect(sha1(await (await client.get('/large')).bytes())).toBe(wanted);
      const iterated = createHash('sha1');
      for await (const chunk of (await client.get('/large')).stream()) iterated.update(chunk);
      expect(iterated.digest('hex')).toBe(wanted);
      const lent = createHash('sha1');
      const response = await client.get('/large');
      expect(await response.stream().forEach((chunk) => void lent.update(chunk))).toBe(largeFile.length);
      expect(lent.digest('hex')).toBe(wanted);
    });

    test('chunked', async () => {
      const response = await client.get('/chunked');
      // HTTP/2 has no such field.
      expect(response.headers.get('transfer-encoding')).toBe(can.chunked === false ? undefined : 'chunked');
      expect(await response.text()).toBe('one two three');
    });

    test('gzip', async () => {
      expect(await (await client.get('/gzip')).text()).toBe('hello');
    });

    test('a redirect is followed, or handed over', async () => {
      const response = await client.get('/redirect');
      expect([response.status, new URL(response.url).pathname, response.redirects.length]).toEqual([200, '/hello', 1]);
      expect(await response.text()).toBe('hello');
      await using raw = await client.get('/redirect', { maxRedirects: 0 });
      expect(raw.status).toBe(302);
    });

    test('404 is an answer, or an error where it is to be one', async () => {
      const response = await client.get('/missing');
      expect([response.status, response.ok]).toEqual([404, false]);
      await response.dispose();
      await expect((await client.get('/missing')).expectOk()).rejects.toMatchObject({
        code: 'REPLY',
        reply: { code: 404 },
      });
    });

    test('a range', async () => {
      const response = await client.get('/large', { headers: { Range: 'bytes=7-20' } });
      expect([response.status, Buffer.from(await response.bytes())]).toEqual([206, largeFile.subarray(7, 21)]);
    });

    test('several ranges, or all of it', async () => {
      const response = await client.get('/large', { headers: { Range: 'bytes=0-9,1000-70000,-5' } });
      let count = 0;
      for await (const { range, totalBytes, stream } of response.ranges()) {
        expect(totalBytes ?? largeFile.length).toBe(largeFile.length);
        expect(sha1(await stream.bytes())).toBe(sha1(largeFile.subarray(range.start, range.end)));
        count++;
      }
      expect(count).toBe(response.status === 206 ? 3 : 1);
      expect(await (await client.get('/hello')).text()).toBe('hello');
    });

    test('a body given up leaves the client usable', async () => {
      for (let turn = 0; turn < 3; turn++) {
        const response = await client.get('/large');
        for await (const chunk of response.stream()) {
          expect(chunk.length).toBeGreaterThan(0);
          break;
        }
      }
      expect(await (await client.get('/hello')).text()).toBe('hello');
    });

    test.runIf(can.echo)('bodies: held, streamed, of known length, JSON, form, large', async () => {
      async function* pieces(): AsyncIterable<Uint8Array> {
        yield Buffer.from('one ');
        yield Buffer.from('two');
      }
      const echo = async (options: Parameters<HttpClient['post']>[1]): Promise<string> =>
        (await (await client.post('/echo', options)).expectOk()).text();
      expect(await echo({ body: 'held' })).toBe('held');
      expect(await echo({ body: '' })).toBe('');
      expect(await echo({ body: pieces() })).toBe('one two');
      expect(await echo({ body: pieces(), sizeBytes: 7 })).toBe('one two');
      expect(await echo({ json: { a: [1, 'é'] } })).toBe('{"a":[1,"é"]}');
      expect(await echo({ form: { a: 'x y', b: '&' } })).toBe('a=x+y&b=%26');
      expect(await echo({ body: 'waited', expectContinue: true })).toBe('waited');
      const back = await client.post('/echo', { body: largeFile });
      expect(sha1(await back.bytes())).toBe(sha1(largeFile));
    });
  });
}
