import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ProtocolError, UsageError } from '../../src/errors.ts';
import { crc32, encodeYenc } from '../../src/mime/index.ts';
import {
  type Nzb,
  type NzbSegment,
  NntpPool,
  cancelKeyOpens,
  cancelLock,
  downloadNzb,
  formatNzb,
  nameInSubject,
  parseNzb,
  readNewsUrl,
} from '../../src/nntp/index.ts';
import { type FakeNntp, type FakeNntpOptions, fakeNntp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const folder = (): string => mkdtempSync(join(tmpdir(), 'postwire-nzb-'));
const fake = async (options: FakeNntpOptions = {}): Promise<FakeNntp> => {
  const server = await fakeNntp(options);
  server.store.addGroup('alt.binaries.test');
  open.push(server);
  return server;
};
const pooled = (servers: readonly FakeNntp[], retries = 2): NntpPool => {
  const pool = new NntpPool(
    servers.map((server, priority) => ({ target: server.url, priority, maxConnections: 3 })),
    { retries },
  );
  open.push(pool);
  return pool;
};

const PART = 5000;
/** A file of several parts, posted to the servers that `where` names for each part. */
function post(
  file: Uint8Array,
  name: string,
  tag: string,
  where: (number: number) => readonly FakeNntp[],
): NzbSegment[] {
  const total = Math.ceil(file.length / PART);
  return Array.from({ length: total }, (_, index) => {
    const number = index + 1;
    const begin = index * PART;
    const bytes = file.subarray(begin, begin + PART);
    const messageId = `<${tag}.${number}@x>`;
    const options =
      total === 1 ? { name } : { name, sizeBytes: file.length, part: { number, total, begin }, fileCrc32: crc32(file) };
    const article = Buffer.concat([
      Buffer.from(
        `Newsgroups: alt.binaries.test\r\nMessage-ID: ${messageId}\r\nSubject: "${name}" yEnc (${number}/${total})\r\n\r\n`,
      ),
      encodeYenc(bytes, options),
    ]);
    for (const server of where(number)) server.store.add(article);
    return { number, sizeBytes: article.length, messageId };
  });
}
const nzbOf = (files: Record<string, readonly NzbSegment[]>): Nzb => ({
  meta: new Map([['title', ['a & b']]]),
  files: Object.entries(files).map(([subject, segments]) => ({
    subject,
    poster: 'Ánn <ann@example.com>',
    date: new Date('2024-01-31T00:00:00Z'),
    groups: ['alt.binaries.test'],
    segments,
  })),
});
const random = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * index * 31 + (index >> 7)) & 255);

describe('NZB', () => {
  test('what is written is read', () => {
    const nzb = nzbOf({
      '[1/1] "a <&> \'b\'.bin" yEnc (1/2)': [{ number: 1, sizeBytes: 5, messageId: '<a&b@x>' }],
      empty: [],
    });
    expect(parseNzb(formatNzb(nzb))).toEqual(nzb);
    expect(parseNzb(Buffer.from(formatNzb(nzb)))).toEqual(nzb);
    expect(nameInSubject('[1/1] "a b.bin" yEnc (1/2)')).toBe('a b.bin');
    expect(nameInSubject('file.rar yEnc (1/2)')).toBe('file.rar');
    expect(nameInSubject('nothing')).toBeUndefined();
    expect(() => formatNzb(nzbOf({ x: [{ number: 1, sizeBytes: 1, messageId: 'a b' }] }))).toThrow(UsageError);
  });

  test('what is no NZB is told; entities are not expanded; segments without an id are left out', () => {
    for (const bad of ['', 'x', '<html></html>', '<nzb>', '<nzb>&unknown;</nzb>', `${'<a>'.repeat(50)}`])
      expect(() => parseNzb(bad), bad).toThrow(ProtocolError);
    const bomb =
      '<!DOCTYPE nzb [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><nzb><head><meta type="t">&b;</meta></head></nzb>';
    expect(() => parseNzb(bomb)).toThrow(ProtocolError);
    const nzb = parseNzb(
      '<nzb><file subject="s"><segments><segment number="2" bytes="x">b@x</segment><segment number="1">a@x</segment>' +
        '<segment number="0">z@x</segment><segment number="3">not an id</segment><segment number="1">c@x</segment></segments></file></nzb>',
    );
    expect(nzb.files[0]?.segments).toEqual([
      { number: 1, sizeBytes: 0, messageId: '<c@x>' },
      { number: 2, sizeBytes: 0, messageId: '<b@x>' },
    ]);
    expect(nzb.files[0]?.date).toBeNull();
  });
});

describe('a download over a pool', () => {
  test('files come whole, with what one server lacks or has damaged from the other', async () => {
    const [first, second] = [await fake({ users: { ann: 'pw' } }), await fake()];
    const [large, small] = [random(52_345), random(100)];
    const segments = post(large, '../large file.bin', 'large', (number) =>
      number % 3 === 0 ? [second] : [first, second],
    );
    const nzb = nzbOf({
      '"large file.bin" yEnc (1/11)': segments,
      small: post(small, 'small.bin', 'small', () => [first]),
    });
    // Damaged on the first server, by one byte.
    first
      .on('BODY', { argument: 'large.4@' })
      .times(9)
      .raw(
        '222 0 <large.4@x>\r\n=ybegin part=4 total=11 line=128 size=52345 name=x\r\n=ypart begin=15001 end=20000\r\nabc\r\n=yend size=5000\r\n.\r\n',
      );
    const to = folder();
    writeFileSync(join(to, 'small.bin'), 'mine');
    const told: number[] = [];
    const result = await downloadNzb(nzb, to, {
      pool: pooled([first, second]),
      onProgress: ({ bytes, totalBytes }) => told.push(bytes / totalBytes),
    });
    expect(result.files.map((file) => [file.name, file.complete, file.missing, file.problem])).toEqual([
      ['large file.bin', true, [], undefined],
      ['small.bin', true, [], undefined],
    ]);
    expect(readFileSync(join(to, 'large file.bin')).equals(Buffer.from(large))).toBe(true);
    expect(readFileSync(join(to, 'small (2).bin')).equals(Buffer.from(small))).toBe(true);
    expect(readFileSync(join(to, 'small.bin'), 'utf8')).toBe('mine');
    expect(readdirSync(to).length).toBe(3);
    expect(told.at(-1)).toBe(1);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  test('missing parts are reported, and no file bears the name', async () => {
    const server = await fake();
    const segments = post(random(20_000), 'f.bin', 'f', (number) => (number === 2 ? [] : [server]));
    const [to, kept] = [folder(), folder()];
    const pool = pooled([server]);
    const result = await downloadNzb(nzbOf({ '"f.bin"': segments }), to, { pool });
    expect(result.complete).toBe(false);
    expect(result.files[0]).toMatchObject({
      name: 'f.bin',
      path: undefined,
      complete: false,
      bytes: 15_000,
      missing: [{ number: 2, messageId: '<f.2@x>', reason: 'missing' }],
    });
    expect(readdirSync(to)).toEqual([]);
    const again = await downloadNzb(nzbOf({ '"f.bin"': segments }), kept, { pool, keepIncomplete: true });
    expect(again.files[0]?.path).toMatch(/f\.bin\.[0-9a-f]+\.part$/);
  });

  test('NN-05: a connection that breaks, or is out of step, is replaced and its articles asked again', async () => {
    const server = await fake();
    const file = random(60_000);
    const segments = post(file, 'f.bin', 'f', () => [server]);
    server.on('BODY', { argument: 'f.3@' }).once().close();
    server.on('BODY', { argument: 'f.5@' }).once().raw('222 0 <other@x>\r\nx\r\n.\r\n');
    server.on('BODY', { argument: 'f.7@' }).afterBytes(100).once().reset();
    const to = folder();
    const result = await downloadNzb(nzbOf({ '"f.bin"': segments }), to, { pool: pooled([server], 4) });
    expect(result.files[0]?.missing).toEqual([]);
    expect(readFileSync(join(to, 'f.bin')).equals(Buffer.from(file))).toBe(true);
  });

  test('NN-05: the tries are bounded, and what failed is told', async () => {
    const server = await fake();
    const segments = post(random(100), 'f.bin', 'f', () => [server]);
    const rule = server.on('BODY');
    rule.close();
    const result = await downloadNzb(nzbOf({ f: segments }), folder(), { pool: pooled([server], 1) });
    expect(result.files[0]?.missing[0]).toMatchObject({ reason: 'failed' });
    expect(rule.count).toBe(2);
  });

  test('NN-06: a place in the file that the articles could not fill is not believed', async () => {
    const server = await fake();
    const body =
      '=ybegin part=1 total=1 line=128 size=9007199254740000 name=x\r\n=ypart begin=9007199254730000 end=9007199254730002\r\nabc\r\n=yend size=3\r\n';
    server.store.add(`Newsgroups: alt.binaries.test\r\nMessage-ID: <e@x>\r\nSubject: e\r\n\r\n${body}`);
    const to = folder();
    const result = await downloadNzb(nzbOf({ e: [{ number: 1, sizeBytes: 300, messageId: '<e@x>' }] }), to, {
      pool: pooled([server]),
    });
    expect(result.files[0]?.missing[0]).toMatchObject({ reason: 'damaged' });
    expect(readdirSync(to)).toEqual([]);
  });

  test('an abort rejects with its reason, and leaves nothing', async () => {
    const server = await fake();
    const segments = post(random(40_000), 'f.bin', 'f', () => [server]);
    server.on('BODY', { argument: 'f.6@' }).silence();
    const controller = new AbortController();
    const reason = new Error('enough');
    const to = folder();
    const onProgress = (): void => {
      setTimeout(() => controller.abort(reason), 50);
    };
    await expect(
      downloadNzb(nzbOf({ f: segments }), to, { pool: pooled([server]), signal: controller.signal, onProgress }),
    ).rejects.toBe(reason);
    expect(readdirSync(to)).toEqual([]);
  });

  test('a pool says what is wrong before it connects, and closes', async () => {
    expect(() => new NntpPool([])).toThrow(UsageError);
    expect(() => new NntpPool('http://x')).toThrow(UsageError);
    expect(() => new NntpPool('nntp://x', { retries: -1 })).toThrow(UsageError);
    const server = await fake();
    server.store.add('Newsgroups: alt.binaries.test\r\nMessage-ID: <a@x>\r\n\r\nx\r\n');
    const pool = new NntpPool(server.url);
    expect((await pool.read('article', '<a@x>')).messageId).toBe('<a@x>');
    expect(await pool.use((client) => client.group('alt.binaries.test'))).toMatchObject({ count: 1 });
    await expect(pool.read('body', '<none@x>')).rejects.toMatchObject({ code: 'REPLY', reply: { code: 430 } });
    expect(pool.connections).toBe(1);
    await pool.close();
    await expect(pool.read('body', '<a@x>')).rejects.toMatchObject({ code: 'CLOSED' });
    expect(server.connectionCount).toBe(0);
  });
});

test('Cancel-Lock: the examples of RFC 8315, and who opens what', () => {
  const id = '<12345@mid.example>';
  expect(cancelLock(id, 'ExampleSecret')).toEqual({
    lock: 'sha256:s/pmK/3grrz++29ce2/mQydzJuc7iqHn1nqcJiQTPMc=',
    key: 'sha256:qv1VXHYiCGjkX/N1nhfYKcAeUn8bCVhrWhoKuBSnpMA=',
  });
  const [own, other] = [cancelLock(id, 'a', { user: 'ann' }), cancelLock(id, 'b')];
  const field = `${other.lock} (a comment)\r\n ${own.lock}`;
  expect(cancelKeyOpens(field, own.key)).toBe(true);
  expect(cancelKeyOpens(field, `sha1:xxxx ${other.key}:clue`)).toBe(true);
  for (const wrong of [cancelLock(id, 'c').key, own.lock, '', 'sha256:', own.key.replace('sha256', 'sha1')])
    expect(cancelKeyOpens(field, wrong)).toBe(false);
  const old = cancelLock(id, 'a', { scheme: 'sha1' });
  expect(cancelKeyOpens(old.lock, old.key)).toBe(true);
  expect(() => cancelLock('x', 'a')).toThrow(UsageError);
  expect(() => cancelLock(id, '')).toThrow(UsageError);
});

test('an article by its URL, over a connection of its own', async () => {
  const server = await fake();
  server.store.add('Newsgroups: alt.binaries.test\r\nMessage-ID: <a/b@x>\r\nSubject: s\r\n\r\nbody\r\n');
  const host = `127.0.0.1:${server.port}`;
  for (const url of [`nntp://${host}/alt.binaries.test/1?tls=none`, `news://${host}/a/b@x?tls=none`]) {
    const { messageId, stream } = await readNewsUrl(url);
    expect(await stream.text()).toContain('body');
    expect(messageId).toBe('<a/b@x>');
  }
  const { stream } = await readNewsUrl('news:a/b@x', { server: server.url });
  for await (const _chunk of stream) break;
  await expect.poll(() => server.connectionCount).toBe(0);
  {
    await using _unread = (await readNewsUrl('news:a/b@x', { server: server.url })).stream;
  }
  await expect.poll(() => server.connectionCount).toBe(0);
  await expect(readNewsUrl('news:a@x')).rejects.toThrow(UsageError);
  await expect(readNewsUrl(`nntp://${host}/alt.binaries.test`)).rejects.toThrow(UsageError);
  await expect(readNewsUrl(`nntp://${host}/alt.binaries.test/9?tls=none`)).rejects.toMatchObject({ code: 'REPLY' });
});
