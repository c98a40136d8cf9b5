import { afterEach, expect, test } from 'vitest';
import { HttpClient } from '../../src/http/index.ts';
import { type FakeHttpReply, fakeHttp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

const multipart = (body: string, boundary = 'B'): FakeHttpReply => ({
  status: 206,
  headers: { 'Content-Type': `multipart/byteranges; boundary=${boundary}` },
  body,
});
async function read(reply: FakeHttpReply, splitEvery?: number): Promise<string[]> {
  const server = await fakeHttp({
    routes: { '/': reply },
    ...(splitEvery === undefined ? {} : { wire: { splitEvery } }),
  });
  const client = new HttpClient({ baseUrl: server.url });
  open.push(server, client);
  const found: string[] = [];
  for await (const { range, totalBytes, headers, stream } of (await client.get('/')).ranges())
    found.push(
      `${range.start}-${range.end}/${totalBytes ?? '*'} ${headers.get('content-type') ?? ''} ${await stream.text()}`,
    );
  expect(client.connectionCount).toBe(1);
  return found;
}
const part = (range: string, bytes: string): string =>
  `--B\r\nContent-Type: text/plain\r\nContent-Range: bytes ${range}\r\n\r\n${bytes}\r\n`;
const two = `${part('0-4/99', 'first')}${part('10-15/*', 'second')}--B--\r\n`;

for (const splitEvery of [undefined, 1, 7])
  test(`parts, the response in pieces of ${splitEvery ?? 'any size'}`, async () => {
    const expected = ['0-5/99 text/plain first', '10-16/* text/plain second'];
    expect(await read(multipart(two), splitEvery)).toEqual(expected);
    // A preamble, an epilogue, blanks behind a boundary, a last line without its end, a quoted boundary.
    expect(await read(multipart(`before\r\n${two.replaceAll('--B\r\n', '--B \r\n')}after`, '"B"'), splitEvery)).toEqual(
      expected,
    );
    expect(await read(multipart(two.slice(0, -2)), splitEvery)).toEqual(expected);
    expect(await read(multipart('--B--\r\n'), splitEvery)).toEqual([]);
  });

test('what looks like a boundary within a part is part of it', async () => {
  const bytes = '\r\n--B--\r\n--B\r\n';
  expect(await read(multipart(`${part(`0-${bytes.length - 1}/99`, bytes)}--B--`))).toEqual([
    `0-${bytes.length}/99 text/plain ${bytes}`,
  ]);
});

test('one range, and none', async () => {
  const headers = { 'Content-Range': 'bytes 5-9/20', 'Content-Type': 'text/plain' };
  expect(await read({ status: 206, headers, body: 'range' })).toEqual(['5-10/20 text/plain range']);
  expect(await read({ headers: { 'Content-Type': 'text/plain' }, body: 'all' })).toEqual(['0-3/3 text/plain all']);
  await expect(read({ status: 416 })).rejects.toMatchObject({ code: 'USAGE' });
});

const broken: Record<string, FakeHttpReply> = {
  'no boundary': { status: 206, headers: { 'Content-Type': 'multipart/byteranges' }, body: two },
  'no last boundary': multipart(part('0-4/99', 'first')),
  'an end within a part': multipart('--B\r\nContent-Range: bytes 0-9/99\r\n\r\nfirst'),
  'no Content-Range': multipart('--B\r\nA: b\r\n\r\nfirst\r\n--B--'),
  'a range backwards': multipart(part('4-0/99', 'first')),
  'a range beyond the file': multipart(part('0-4/3', 'first')),
  'a range beyond counting': multipart(part('0-99999999999999999999/*', 'first')),
  'a range in other units': multipart('--B\r\nContent-Range: lines 0-4/99\r\n\r\nfirst\r\n--B--'),
  'header fields that never end': multipart(`--B\r\n${'A: b\r\n'.repeat(10_000)}`),
  'a line that never ends': multipart('x'.repeat(100_000)),
  'no part, and text without end': multipart('x\r\n'.repeat(100_000)),
  'text without end behind the last part': multipart(`${two}${'x'.repeat(100_000)}`),
  'a single range without its place': { status: 206, body: 'x' },
};
for (const [name, reply] of Object.entries(broken))
  test(`ranges that are none: ${name}`, async () => {
    await expect(read(reply)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

test('a part not read is passed by; leaving early leaves the client usable; a part that is over says so', async () => {
  const server = await fakeHttp({ routes: { '/': multipart(two), '/a': 'a' } });
  const client = new HttpClient({ baseUrl: server.url });
  open.push(server, client);
  const streams = [];
  for await (const { stream } of (await client.get('/')).ranges()) streams.push(stream);
  expect(streams).toHaveLength(2);
  expect(await streams[0]?.bytes()).toHaveLength(0);
  for await (const { range } of (await client.get('/')).ranges()) {
    expect(range.start).toBe(0);
    break;
  }
  expect(await (await client.get('/a')).text()).toBe('a');
});
