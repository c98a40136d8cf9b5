import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeFtp, fakeHttp } from '../../src/testing/index.ts';
import { postwire } from './postwire.ts';

test('postwire get', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-get-'));
  const bytes = Buffer.from(Array.from({ length: 50_000 }, (_, index) => `${index},`).join(''));
  await using server = await fakeHttp({
    routes: {
      '/hello': 'hello',
      'POST /echo': (request) => `${request.headers.get('content-type') ?? ''}|${request.text}`,
      '/head': (request) => request.headers.get('x-mine') ?? 'none',
    },
  });
  server.file('/dir/file.bin', { bytes, etag: '"1"' });
  const get = (...args: string[]) => postwire(['get', ...args]);
  expect(await get(`${server.url}/hello`)).toMatchObject({ code: 0, out: 'hello', err: '' });
  expect(await get(`${server.url}/hello`, '-o', '-')).toMatchObject({ code: 0, out: 'hello', err: '' });
  expect((await get(`${server.url}/hello`, '-i')).out).toMatch(/^HTTP\/1\.1 200 OK\nContent-Type: text\/plain\n/);
  expect(await get(`${server.url}/none`)).toMatchObject({ code: 7, out: 'not found\n' });
  expect((await get(`${server.url}/head`, '-H', 'X-Mine: yes')).out).toBe('yes');
  expect((await get(`${server.url}/echo`, '-d', 'a=b')).out).toBe('application/x-www-form-urlencoded|a=b');
  writeFileSync(join(folder, 'up.txt'), 'from a file');
  const form = await get(`${server.url}/echo`, '-F', 'a=b', '-F', `f=@${join(folder, 'up.txt')}`);
  expect(form.out).toMatch(/^multipart\/form-data; .*name="a"\r\n\r\nb\r\n.*filename="up\.txt".*from a file/s);
  const file = join(folder, 'down.bin');
  const down = await get(`${server.url}/dir/file.bin`, '-o', file);
  expect([down.code, readFileSync(file).equals(bytes)]).toEqual([0, true]);
  expect((await get(`${server.url}/dir/file.bin`, '-o', file)).code).toBe(2);
  server.on('GET').once().afterBytes(100_000).close();
  const partly = join(folder, 'part.bin');
  expect((await get(`${server.url}/dir/file.bin`, '-c', '-o', partly)).code).not.toBe(0);
  const resumed = await get(`${server.url}/dir/file.bin`, '-c', '-o', partly);
  expect(resumed.err).toMatch(/[1-9]\d* of them from before/);
  expect(readFileSync(partly).equals(bytes)).toBe(true);
  expect(readdirSync(folder).sort()).toEqual(['down.bin', 'part.bin', 'up.txt']);
  for (const args of [['-c'], ['-H', 'nothing'], ['-F', 'nothing'], ['--timeout', 'x']])
    expect((await get(`${server.url}/hello`, ...args)).code).toBe(2);
  expect((await get('http://user:pw@127.0.0.1/')).code).toBe(2);
}, 60_000);

test('postwire get of other schemes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-get-'));
  await using server = await fakeFtp();
  const bytes = Buffer.from(Array.from({ length: 50_000 }, (_, index) => `${index},`).join(''));
  server.files.write('/pub/a b.bin', bytes);
  const url = `ftp://127.0.0.1:${server.port}/pub/a%20b.bin?tls=none`;
  const get = (...args: string[]) => postwire(['get', ...args]);
  expect(await get(url)).toMatchObject({ code: 0, out: bytes.toString(), err: '' });
  expect(await get('data:,hello')).toMatchObject({ code: 0, out: 'hello' });
  const file = join(folder, 'a.bin');
  expect(await get(url, '-o', file)).toMatchObject({ code: 0, out: '' });
  expect(readFileSync(file).equals(bytes)).toBe(true);
  expect((await get(url, '-o', file)).code).toBe(2);
  expect((await get(url, '-f', '-o', file)).code).toBe(0);
  server.on('RETR').afterBytes(100).close();
  expect((await get(url, '-o', join(folder, 'part.bin'))).code).not.toBe(0);
  expect(readdirSync(folder)).toEqual(['a.bin']);
  for (const args of [['-c', '-O'], ['-H', 'A: b'], ['-i'], ['-d', 'x']])
    expect((await get(url, ...args)).code).toBe(2);
  expect((await get('tn3270://x/')).code).not.toBe(0);
}, 60_000);
