import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { FtpClient, type FtpOptions } from '../../src/ftp/index.ts';
import { type FakeFtp, type FakeFtpOptions, fakeFtp } from '../../src/testing/index.ts';
import { sampleBytes } from '../suites/ftp.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'postwire-ftp-'));
  open.push({ close: () => rmSync(path, { recursive: true, force: true }) });
  return path;
};
const both = async (
  options: FakeFtpOptions = {},
  clientOptions: FtpOptions = {},
): Promise<{ server: FakeFtp; client: FtpClient }> => {
  const server = await fakeFtp(options);
  open.push(server);
  const client = await FtpClient.connect(server.url, {
    ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }),
    ...clientOptions,
  });
  open.push({ close: () => client.destroy() });
  return { server, client };
};
const paths = (server: FakeFtp): string[] =>
  server.files
    .paths()
    .filter((path) => server.files.get(path)?.kind === 'file')
    .sort();

test('a folder goes up and comes down, over several sessions', async () => {
  const { server, client } = await both({ users: { ann: 'pw' }, tls: 'starttls', requireSessionReuse: true });
  const local = folder();
  mkdirSync(join(local, 'a/b'), { recursive: true });
  mkdirSync(join(local, 'empty'));
  for (let index = 0; index < 30; index++)
    writeFileSync(join(local, index % 2 === 0 ? 'a' : 'a/b', `f${index}`), sampleBytes(index * 100));
  symlinkSync('/etc', join(local, 'link'));
  const up = await client.uploadDir(local, 'www/site', { concurrency: 4 });
  expect(up.transferred).toHaveLength(30);
  expect(up.skipped).toEqual([{ path: 'link', reason: 'it is a symbolic link' }]);
  expect(up.failed).toEqual([]);
  expect(paths(server)).toHaveLength(30);
  expect(server.files.get('/www/site/empty')?.kind).toBe('directory');
  const down = folder();
  expect(await client.downloadDir('www/site', down, { concurrency: 4 })).toMatchObject({ failed: [], skipped: [] });
  for (let index = 0; index < 30; index++)
    expect(readFileSync(join(down, index % 2 === 0 ? 'a' : 'a/b', `f${index}`)).equals(sampleBytes(index * 100))).toBe(
      true,
    );
  expect(existsSync(join(down, 'empty'))).toBe(true);
  expect(await client.removeDir('www')).toEqual({ removed: 35 });
  expect(server.files.paths()).toEqual([]);
});

test('sync: what differs goes over, what is surplus is removed when asked, a dry run only says so', async () => {
  const { server, client } = await both();
  const local = folder();
  mkdirSync(join(local, 'd'));
  for (const name of ['one', 'two', 'd/three']) writeFileSync(join(local, name), name);
  const plan = await client.sync(local, '/www', { dryRun: true });
  expect(plan.transferred.toSorted()).toEqual(['d/three', 'one', 'two']);
  expect(server.files.paths()).toEqual([]);
  expect((await client.sync(local, '/www')).transferred).toHaveLength(3);
  expect(await client.sync(local, '/www')).toMatchObject({ transferred: [], unchanged: 3 });
  writeFileSync(join(local, 'one'), 'one, longer');
  utimesSync(join(local, 'two'), new Date(), new Date(Date.now() + 10_000));
  server.files.write('/www/surplus/deep/x', 'x');
  server.files.write('/www/kept', 'x');
  const filter = ({ path }: { path: string }): boolean => path !== 'kept';
  const result = await client.sync(local, '/www', { delete: true, filter });
  expect(result.transferred.toSorted()).toEqual(['one', 'two']);
  expect(result.deleted).toEqual(['surplus/deep/x', 'surplus/deep', 'surplus']);
  expect(paths(server)).toEqual(['/www/d/three', '/www/kept', '/www/one', '/www/two']);
  const back = folder();
  writeFileSync(join(back, 'mine'), 'x');
  const down = await client.sync(back, '/www', { direction: 'download', delete: true });
  expect([down.transferred.length, down.deleted]).toEqual([4, ['mine']]);
  expect(await client.sync(back, '/www', { direction: 'download' })).toMatchObject({ transferred: [], unchanged: 4 });
  expect(readFileSync(join(back, 'd/three'), 'utf8')).toBe('d/three');
});

test('one refused file does not stop the others', async () => {
  const { server, client } = await both();
  const local = folder();
  for (const name of ['a', 'b', 'c']) writeFileSync(join(local, name), name);
  server.on('STOR', { argument: 'b.part' }).reply(553, 'not that one');
  const result = await client.uploadDir(local, 'd', { concurrency: 1 });
  expect(result.transferred).toEqual(['a', 'c']);
  expect(result.failed).toMatchObject([{ path: 'b', error: { code: 'REPLY' } }]);
});

test('a server that allows one session is served by one', async () => {
  const { server, client } = await both({ maxConnections: 1 });
  const local = folder();
  for (let index = 0; index < 10; index++) writeFileSync(join(local, `f${index}`), 'x');
  expect((await client.uploadDir(local, 'd', { concurrency: 4 })).transferred).toHaveLength(10);
  expect(paths(server)).toHaveLength(10);
});

test('after a drop the transfer goes on by itself, with a new session in the same folder', async () => {
  const { server, client } = await both({ users: { ann: 'pw' } });
  server.files.mkdir('/deep');
  await client.cd('deep');
  const bytes = sampleBytes(8_000_000);
  const local = join(folder(), 'x');
  writeFileSync(local, bytes);
  server.on('STOR').afterBytes(6_000_000).once().reset();
  expect(await client.upload(local, 'x', { retries: 2 })).toMatchObject({ bytes: 8_000_000, verified: 'hash' });
  expect(Buffer.from(server.files.read('/deep/x') as Uint8Array).equals(bytes)).toBe(true);
  server.on('RETR').afterBytes(6_000_000).once().reset();
  const target = `${local}2`;
  const result = await client.download('x', target, { retries: 2 });
  expect(result.resumedBytes).toBeGreaterThan(0);
  expect(readFileSync(target).equals(bytes)).toBe(true);
  server.on('RETR').afterBytes(6_000_000).reset();
  await expect(client.download('x', `${local}3`)).rejects.toMatchObject({ code: 'CLOSED' });
  expect(readdirSync(join(local, '..')).sort()).toEqual(['x', 'x2']);
});

test('streams of every kind, progress with total, and NOOPs meanwhile', async () => {
  const { server, client } = await both({}, { noopMs: 5 });
  const bytes = sampleBytes(200_000);
  await client.upload(Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]), 'node');
  await client.upload(new Blob([Uint8Array.from(bytes)]).stream(), 'web');
  for (const name of ['node', 'web'])
    expect(Buffer.from(server.files.read(`/${name}`) as Uint8Array).equals(bytes)).toBe(true);
  const through = new PassThrough();
  const reading = through.toArray();
  await client.download('node', through);
  expect(Buffer.concat(await reading).equals(bytes)).toBe(true);
  const seen: (number | undefined)[] = [];
  const slow = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15));
  await client.download('web', slow, { onProgress: ({ totalBytes }) => seen.push(totalBytes) });
  expect(seen.at(-1)).toBe(200_000);
  expect(server.transcript.filter((line) => line === 'C: NOOP').length).toBeGreaterThan(0);
  await client.noop();
  expect(await client.uploadUnique(bytes)).toMatchObject({
    bytes: 200_000,
    name: expect.stringMatching(/^unique\./) as string,
  });
});

test('commands of all kinds', async () => {
  const { server, client } = await both(
    { account: 'acc', virtualHosts: ['example.test'] },
    { account: 'acc', virtualHost: 'example.test' },
  );
  server.files.write('/x', 'abc', new Date('2020-01-02T03:04:05Z'));
  expect(await client.stat('x')).toMatchObject({
    type: 'file',
    sizeBytes: 3,
    modifiedAt: new Date('2020-01-02T03:04:05Z'),
  });
  await client.setModifiedAt('x', new Date('2021-01-02T03:04:05.678Z'));
  expect(await client.modifiedAt('x')).toEqual(new Date('2021-01-02T03:04:05Z'));
  await client.chmod('x', 0o600);
  expect((await client.stat('x')).mode).toBe(0o600);
  expect(await client.hash('x', 'md5')).toEqual({ algorithm: 'md5', hex: '900150983cd24fb0d6963f7d28e17f72' });
  expect(await client.hash('x', 'crc32')).toEqual({ algorithm: 'crc32', hex: '352441c2' });
  expect((await client.hash('x')).algorithm).toBe('sha512');
  await client.allocate(100);
  expect(await client.system()).toMatch(/^UNIX/);
  expect((await client.status()).join('\n')).toContain('Logged in');
  expect((await client.status('/')).join('\n')).toContain(' x');
  expect(client.features.has('MDTM')).toBe(true);
  await expect(client.command('RETR', ['x'])).rejects.toMatchObject({ code: 'USAGE' });
  expect((await client.command('HELP')).code).toBe(214);
});

test('MODE Z, and names in a charset', async () => {
  const { server, client } = await both(
    { charset: 'gbk', features: { MLST: false } },
    { charset: 'gbk', compress: true },
  );
  const bytes = sampleBytes(100_000);
  await client.mkdir('数据');
  expect(await client.cd('数据')).toBe('/数据');
  await client.upload(bytes, '报告.txt');
  expect(server.transcript).toContain('C: MODE Z');
  expect((await client.list()).map(({ name }) => name)).toEqual(['报告.txt']);
  expect(Buffer.from(await (await client.read('报告.txt')).bytes()).equals(bytes)).toBe(true);
  expect(Buffer.from(server.files.read('/数据/报告.txt') as Uint8Array).equals(bytes)).toBe(true);
});

test.each(['none', 'starttls'] as const)('FXP from server to server, tls %s', async (tls) => {
  const one = await both({ allowForeignData: true, tls });
  const two = await both({ allowForeignData: true, tls, certificate: 'valid' });
  one.server.files.write('/x', sampleBytes(300_000));
  await one.client.copyTo('x', two.client, 'y');
  expect(Buffer.from(two.server.files.read('/y') as Uint8Array).equals(sampleBytes(300_000))).toBe(true);
  await expect(one.client.copyTo('none', two.client, 'z')).rejects.toMatchObject({ code: 'REPLY' });
  await one.client.noop();
});

test('the types of every listing of the fake', async () => {
  for (const listing of ['unix', 'dos', 'eplf', 'vms', 'mvs', 'os400', 'netware'] as const) {
    const { server, client } = await both(
      { listing, features: { MLST: false }, listingOffsetMinutes: 120 },
      { timeZone: '+02:00' },
    );
    server.files.write('/FILE', 'x');
    server.files.mkdir('/FOLDER');
    const entries = await client.list();
    expect(entries.dialect).toBe(listing);
    expect(entries.map(({ name, type }) => [name, type])).toEqual([
      ['FILE', 'file'],
      ['FOLDER', 'directory'],
    ]);
  }
});

test('IPv6', async () => {
  const { server, client } = await both({ host: '::1' });
  server.files.write('/x', 'six');
  expect(await (await client.read('x')).text()).toBe('six');
  const active = await FtpClient.connect(server.url, { dataMode: 'active' });
  open.push({ close: () => active.destroy() });
  expect(await (await active.read('x')).text()).toBe('six');
});
