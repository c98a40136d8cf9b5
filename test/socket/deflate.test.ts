import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { deflateLayer } from '../../src/socket/deflate.ts';
import { Connection, memoryPair } from '../../src/socket/index.ts';
import { exactDecoder } from '../../src/wire/line.ts';

test.each([0, 1, 16 * 1024, 100_000, 500_000])(
  'one write of %d bytes that do not compress arrives whole',
  async (size) => {
    const [near, far] = memoryPair().map((transport) => new Connection(transport)) as [Connection, Connection];
    near.wrap(deflateLayer);
    far.wrap(deflateLayer);
    const bytes = Buffer.concat([randomBytes(size), Buffer.from('!')]);
    const written = near.write([bytes]);
    expect(Buffer.compare(await far.read(exactDecoder(bytes.length), { timeoutMs: 5000 }), bytes)).toBe(0);
    await written;
    near.destroy();
    far.destroy();
  },
);
