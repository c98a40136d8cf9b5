import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FtpClient } from '../../src/ftp/index.ts';
import { type FakeFtp, fakeFtp } from '../../src/testing/index.ts';

/** FTP_SOAK=full runs with 1 GiB and 2,000 files; otherwise it is scaled down. The connection is cut 50 times either way. */
const full = process.env['FTP_SOAK'] === 'full';
const MEGABYTE = 1024 * 1024;
const SIZE = full ? 1024 * MEGABYTE : 32 * MEGABYTE;
const FILES = full ? 2000 : 200;
const CUTS = 50;
const timeout = full ? 1_200_000 : 120_000;

/** A megabyte that differs with its place. */
const piece = (index: number): Buffer => {
  const bytes = Buffer.alloc(MEGABYTE, createHash('sha256').update(String(index)).digest());
  bytes.writeUInt32LE(index);
  return bytes;
};

describe(`a soak: ${SIZE / MEGABYTE} MiB each way and ${FILES} files, cut ${CUTS} times each`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-soak-'));
  const local = join(folder, 'large');
  let wanted = '';
  let server: FakeFtp;
  let client: FtpClient;
  beforeAll(async () => {
    server = await fakeFtp({ users: { ann: 'pw' }, tls: 'starttls', requireSessionReuse: true });
    client = await FtpClient.connect(server.url, { tls: { ca: server.ca } });
    const hash = createHash('sha256');
    const out = createWriteStream(local);
    for (let index = 0; index < SIZE / MEGABYTE; index++) {
      const bytes = piece(index);
      hash.update(bytes);
      if (!out.write(bytes)) await once(out, 'drain');
    }
    out.end();
    await finished(out);
    wanted = hash.digest('hex');
  }, timeout);
  afterAll(async () => {
    client.destroy();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    'upload',
    async () => {
      const rule = server
        .on('STOR')
        .afterBytes(SIZE / (CUTS + 4))
        .times(CUTS)
        .reset();
      expect(await client.upload(local, 'large', { retries: 3 })).toMatchObject({ bytes: SIZE, verified: 'hash' });
      expect(rule.count).toBeGreaterThanOrEqual(CUTS);
      const hash = createHash('sha256');
      for (const chunk of server.files.get('/large')?.chunks ?? []) hash.update(chunk);
      expect(hash.digest('hex')).toBe(wanted);
    },
    timeout,
  );

  test(
    'download',
    async () => {
      server.reset();
      const target = join(folder, 'back');
      // In order, so that what was sent counts: a reset loses what is under way, and with little between cuts that is all.
      const rule = server
        .on('RETR')
        .afterBytes(SIZE / (CUTS + 4))
        .times(CUTS)
        .close();
      expect(await client.download('large', target, { retries: 3 })).toMatchObject({ bytes: SIZE });
      expect(rule.count).toBeGreaterThanOrEqual(CUTS);
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(target)) hash.update(chunk as Uint8Array);
      expect(hash.digest('hex')).toBe(wanted);
    },
    timeout,
  );

  test(
    'sync',
    async () => {
      server.reset();
      const root = join(folder, 'tree');
      for (let index = 0; index < FILES; index++) {
        const below = join(root, `d${index % 20}`);
        mkdirSync(below, { recursive: true });
        writeFileSync(join(below, `f${index}`), piece(index).subarray(0, (index * 37) % 20_000));
      }
      let seen = 0;
      const rule = server
        .on('STOR', () => ++seen % Math.floor(FILES / CUTS) === 0)
        .times(CUTS)
        .reset();
      const result = await client.sync(root, 'tree', { retries: 5, concurrency: 3 });
      expect(result).toMatchObject({ failed: [], skipped: [] });
      expect(result.transferred).toHaveLength(FILES);
      expect(rule.count).toBeGreaterThanOrEqual(CUTS);
      for (let index = 0; index < FILES; index++)
        expect(
          Buffer.from(server.files.read(`/tree/d${index % 20}/f${index}`) as Uint8Array).equals(
            readFileSync(join(root, `d${index % 20}`, `f${index}`)),
          ),
        ).toBe(true);
      expect(await client.sync(root, 'tree')).toMatchObject({ transferred: [], unchanged: FILES });
    },
    timeout,
  );
});
