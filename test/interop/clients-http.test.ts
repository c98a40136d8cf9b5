import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Agent, request } from 'undici';
import { type FakeHttp, type FakeHttpOptions, fakeHttp } from '../../src/testing/index.ts';
import { largeFile, sha1 } from '../suites/http.ts';
import { XmlRpcFault, type XmlRpcValue, xmlRpc, xmlRpcDispatcher } from '../../src/http/index.ts';
import { run, stop } from './process.ts';

async function* words(): AsyncIterable<Uint8Array> {
  for (const word of ['one ', 'two ', 'three']) yield Buffer.from(word);
}

const routes: FakeHttpOptions['routes'] = {
  '/hello': 'hello',
  '/chunked': () => ({ body: words(), trailers: { 'X-Sum': '7' } }),
  '/echo': (got) => ({ body: got.body }),
  '/redirect': { status: 302, headers: { Location: '/hello' } },
};

describe('independent clients speak to fakeHttp', () => {
  let server: FakeHttp;
  let secure: FakeHttp;
  let digest: FakeHttp;
  const folder = mkdtempSync(join(tmpdir(), 'postwire-clients-http-'));
  const ca = join(folder, 'ca.pem');
  const curl = (...args: string[]) => run('curl', ['-sS', '--cacert', ca, ...args]);
  beforeAll(async () => {
    server = await fakeHttp({ routes });
    server.file('/large', { bytes: largeFile, etag: '"1"' });
    secure = await fakeHttp({ tls: 'implicit', routes });
    digest = await fakeHttp({ users: { ann: 'pw' }, auth: 'digest', algorithm: 'SHA-256', routes });
    writeFileSync(ca, secure.ca as string);
  });
  afterAll(() => Promise.all([server, secure, digest].map((each) => each.close())));

  test('curl: keep-alive, chunks, TLS, redirect, range, Digest, upload, 100-continue', async () => {
    const twice = await curl(`${server.url}/hello`, `${server.url}/chunked`);
    expect(twice).toMatchObject({ code: 0, out: 'helloone two three' });
    const [first, second] = server.requests.slice(-2);
    expect(first?.connection).toBe(second?.connection);
    expect((await curl(`https://localhost:${secure.port}/hello`)).out).toBe('hello');
    expect((await curl('-L', `${server.url}/redirect`)).out).toBe('hello');
    expect((await curl('-r', '7-20', `${server.url}/large`)).out).toBe(largeFile.subarray(7, 21).toString());
    expect((await curl('--digest', '-u', 'ann:pw', `${digest.url}/hello`)).out).toBe('hello');
    expect((await curl('--digest', '-u', 'ann:no', `${digest.url}/hello`)).out).toBe('login needed\n');
    const file = join(folder, 'large');
    writeFileSync(file, largeFile);
    const up = await curl(
      '-T',
      file,
      '-X',
      'POST',
      '-H',
      'Expect: 100-continue',
      '-o',
      `${file}.back`,
      `${server.url}/echo`,
    );
    expect([up.code, sha1(server.requests.at(-1)?.body ?? Buffer.alloc(0))]).toEqual([0, sha1(largeFile)]);
    const chunks = await curl('-H', 'Transfer-Encoding: chunked', '-d', 'in chunks', `${server.url}/echo`);
    expect(chunks.out).toBe('in chunks');
  });

  test('curl through the fake as a proxy', async () => {
    const proxy = await fakeHttp({ proxy: true, proxyUsers: { p: 'q' } });
    const via = ['-x', proxy.url, '--proxy-user', 'p:q', '--noproxy', ''];
    expect((await curl(...via, `${server.url}/hello`)).out).toBe('hello');
    expect((await curl(...via, `https://localhost:${secure.port}/hello`)).out).toBe('hello');
    expect(
      (await curl('-x', proxy.url, '--noproxy', '', '-o', '/dev/null', '-w', '%{http_code}', `${server.url}/hello`))
        .out,
    ).toBe('407');
    await proxy.close();
  });

  test('Python http.client', async () => {
    const script = `
import http.client, json, ssl, sys
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
out = []
for method, path, body in [('GET', '/hello', None), ('GET', '/chunked', None), ('POST', '/echo', b'x' * 100000), ('HEAD', '/hello', None), ('POST', '/echo', iter([b'a', b'b']))]:
    c.request(method, path, body=body)
    r = c.getresponse()
    out.append([r.status, len(r.read())])
s = http.client.HTTPSConnection('localhost', int(sys.argv[2]), context=ssl.create_default_context(cafile=sys.argv[3]))
s.request('GET', '/hello')
out.append(s.getresponse().read().decode())
print(json.dumps(out))
`;
    const result = await run('python3', ['-c', script, String(server.port), String(secure.port), ca]);
    expect(result.err).toBe('');
    expect(JSON.parse(result.out)).toEqual([[200, 5], [200, 13], [200, 100_000], [200, 0], [200, 2], 'hello']);
  });

  test('Python xmlrpc: its client at our dispatcher, our client at its server', async () => {
    const dispatch = xmlRpcDispatcher({
      echo: (value) => value as XmlRpcValue,
      fail: () => {
        throw new XmlRpcFault(7, 'on purpose');
      },
    });
    server.route('POST /RPC2', async (got) => ({
      headers: { 'Content-Type': 'text/xml' },
      body: await dispatch(got.text),
    }));
    const script = `
import sys, json, datetime, xmlrpc.client
p = xmlrpc.client.ServerProxy(sys.argv[1] + '/RPC2', allow_none=True, use_builtin_types=True)
values = [1, -5, 1.5, 1e-300, True, None, 'ä <&>', b'\\x00\\xff', datetime.datetime(2026, 1, 2, 3, 4, 5), [1, ['x']], {'a': {'b': 2}}]
out = [p.echo(v) == v for v in values]
try:
    p.fail()
except xmlrpc.client.Fault as e:
    out.append([e.faultCode, e.faultString])
m = xmlrpc.client.MultiCall(p)
m.echo(1)
m.echo('two')
out.append(list(m()))
print(json.dumps(out))
`;
    const result = await run('python3', ['-c', script, server.url]);
    expect(result.err).toBe('');
    expect(JSON.parse(result.out)).toEqual([...Array.from({ length: 11 }, () => true), [7, 'on purpose'], [1, 'two']]);
    const serverScript = `
import sys
from xmlrpc.server import SimpleXMLRPCServer
s = SimpleXMLRPCServer(('127.0.0.1', 0), allow_none=True, logRequests=False)
s.register_introspection_functions()
s.register_multicall_functions()
s.register_function(lambda v: v, 'echo')
print(s.server_address[1], flush=True)
s.serve_forever()
`;
    const python = spawn('python3', ['-c', serverScript], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = (await once(python.stdout, 'data')) as [Buffer];
      await using client = xmlRpc(`http://127.0.0.1:${Number(String(line))}/RPC2`);
      for (const value of [1, 1.5, 1e-300, 'ä <&>', null, true, [1, ['x']], new Date('2026-01-02T03:04:05Z')])
        expect(await client.call('echo', [value])).toEqual(value);
      expect(await client.listMethods()).toContain('echo');
      expect(await client.multicall([['echo', 1], ['none']])).toMatchObject([1, { code: 'REPLY' }]);
      await expect(client.call('none')).rejects.toMatchObject({ code: 'REPLY' });
    } finally {
      await stop(python);
    }
  });

  test('undici: keep-alive, trailers, streamed upload, TLS', async () => {
    const dispatcher = new Agent({ connections: 1, connect: { ca: secure.ca as string } });
    const text = async (url: string, options = {}): Promise<string> =>
      (await request(url, { dispatcher, ...options })).body.text();
    expect(await text(`${server.url}/hello`)).toBe('hello');
    const response = await request(`${server.url}/chunked`, { dispatcher });
    expect([await response.body.text(), response.trailers]).toEqual(['one two three', { 'x-sum': '7' }]);
    expect(await text(`${server.url}/echo`, { method: 'POST', body: words() })).toBe('one two three');
    expect(await text(`https://localhost:${secure.port}/hello`)).toBe('hello');
    await dispatcher.close();
  });
});
