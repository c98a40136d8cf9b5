import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FtpClient, type FtpOptions } from '../../src/ftp/index.ts';

/** A server that this suite can run against: the fake, or a real one. The login leads to an empty folder that may be written to. */
export interface FtpServerUnderTest {
  readonly target: string;
  readonly options: FtpOptions;
  close(): Promise<void>;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
/** Not repeating within any buffer's size. */
export const sampleBytes = (length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) * 7 + (at >> 16)) & 255;
  return bytes;
};

/** What a client must do on any FTP server with a writable folder. */
export function ftpClientSuite(name: string, factory: () => Promise<FtpServerUnderTest>): void {
  describe(`FTP against ${name}`, () => {
    let server: FtpServerUnderTest;
    let folder: string;
    beforeAll(async () => {
      server = await factory();
      folder = mkdtempSync(join(tmpdir(), 'postwire-ftp-'));
    }, 60_000);
    afterAll(async () => {
      await server?.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const connect = (options: FtpOptions = {}): Promise<FtpClient> =>
      FtpClient.connect(server.target, { ...server.options, ...options });

    test('folders: made, entered, named, removed', async () => {
      await using client = await connect();
      const home = await client.pwd();
      await client.mkdir('a "quoted" name');
      expect(await client.cd('a "quoted" name')).toMatch(/\/a "quoted" name$/);
      expect(await client.cd('..')).toBe(home);
      await client.rmdir('a "quoted" name');
      await expect(client.cd('nothing here')).rejects.toMatchObject({
        code: 'REPLY',
        reusable: true,
        temporary: false,
      });
      await client.noop();
    });

    test('a file goes up and comes down, the same', async () => {
      await using client = await connect();
      const bytes = sampleBytes(300_001);
      const progress: number[] = [];
      expect(await client.upload(bytes, 'one.bin', { onProgress: (each) => progress.push(each.bytes) })).toMatchObject({
        bytes: bytes.length,
      });
      expect(progress.at(-1)).toBe(bytes.length);
      expect(await client.size('one.bin')).toBe(bytes.length);
      const local = join(folder, 'one.bin');
      expect(await client.download('one.bin', local)).toMatchObject({ bytes: bytes.length, verified: 'size' });
      expect(readFileSync(local).equals(bytes)).toBe(true);
      await client.upload(local, 'two.bin');
      const chunks: Uint8Array[] = [];
      await client.download('two.bin', (chunk) => void chunks.push(chunk));
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      expect(text(await (await client.read('two.bin', { startAt: 299_000 })).bytes())).toBe(
        text(bytes.subarray(299_000)),
      );
      await client.delete('one.bin');
      await client.delete('two.bin');
    });

    test('append, rename, time of change, and an empty file', async () => {
      await using client = await connect();
      await client.append(Buffer.from('one\n'), 'log');
      await client.append(Buffer.from('two\n'), 'log');
      await client.upload(new Uint8Array(0), 'empty');
      await client.rename('log', 'log 2');
      expect(await (await client.read('log 2')).text()).toBe('one\ntwo\n');
      expect(await (await client.read('empty')).text()).toBe('');
      expect(Math.abs((await client.modifiedAt('log 2')).getTime() - Date.now())).toBeLessThan(60_000);
      await expect(client.read('log')).rejects.toMatchObject({ code: 'REPLY' });
      await client.delete('log 2');
      await client.delete('empty');
    });

    test('a listing tells names, kinds, sizes and times, by MLSD and by LIST', async () => {
      await using client = await connect();
      await client.mkdir('listing');
      await client.mkdir('listing/folder');
      await client.upload(sampleBytes(1234), 'listing/file with spaces.txt');
      for (const command of ['mlsd', 'list'] as const) {
        if (command === 'mlsd' && !client.features.has('MLST')) continue;
        const entries = await client.list('listing', { command });
        expect(entries.skipped).toBe(0);
        expect(entries.map(({ name, type }) => `${type} ${name}`).sort()).toEqual([
          'directory folder',
          'file file with spaces.txt',
        ]);
        const file = entries.find((each) => each.type === 'file');
        expect(file?.sizeBytes).toBe(1234);
        expect(Math.abs((file?.modifiedAt?.getTime() ?? 0) - Date.now())).toBeLessThan(120_000);
      }
      expect((await client.names('listing')).map((each) => each.replace(/^.*\//, '')).sort()).toEqual([
        'file with spaces.txt',
        'folder',
      ]);
      await client.delete('listing/file with spaces.txt');
      await client.rmdir('listing/folder');
      await client.rmdir('listing');
    });

    test('calls at once are answered in order', async () => {
      await using client = await connect();
      const names = Array.from({ length: 10 }, (_, index) => `c${index}`);
      await Promise.all(names.map((each) => client.upload(Buffer.from(each), each)));
      const read = await Promise.all(
        names.map(async (each) => {
          const chunks: Uint8Array[] = [];
          await client.download(each, (chunk) => void chunks.push(chunk));
          return Buffer.concat(chunks).toString();
        }),
      );
      expect(read).toEqual(names);
      await Promise.all(names.map((each) => client.delete(each)));
    });

    test('active mode, and PASV without EPSV', async () => {
      await using client = await connect({ dataMode: 'active' });
      await client.upload(Buffer.from('active'), 'active');
      expect(await (await client.read('active')).text()).toBe('active');
      await client.delete('active');
    });

    test('an aborted download leaves the session alive', async () => {
      await using client = await connect();
      await client.upload(sampleBytes(4_000_000), 'large');
      const controller = new AbortController();
      const target = join(folder, 'never');
      const stop = (): void => controller.abort(new Error('enough'));
      await expect(client.download('large', target, { signal: controller.signal, onProgress: stop })).rejects.toThrow(
        'enough',
      );
      expect(() => readFileSync(target)).toThrow();
      expect(await client.size('large')).toBe(4_000_000);
      const stream = await client.read('large');
      for await (const _chunk of stream) break;
      expect(await client.size('large')).toBe(4_000_000);
      await client.delete('large');
    });

    test('a download is resumed where it stopped', async () => {
      await using client = await connect();
      const bytes = sampleBytes(500_000);
      await client.upload(bytes, 'resumed');
      const target = join(folder, 'resumed');
      writeFileSync(`${target}.part`, bytes.subarray(0, 200_000));
      expect(await client.download('resumed', target, { resume: true })).toMatchObject({
        bytes: 500_000,
        resumedBytes: 200_000,
      });
      expect(readFileSync(target).equals(bytes)).toBe(true);
      await client.delete('resumed');
    });
  });
}
