import { createHash } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import {
  type BodySpan,
  Connection,
  type Decoder,
  type Listener,
  dial,
  dottedDecoder,
  lineDecoder,
  listen,
} from './socket.ts';
import { textOf } from '../decoder-cases.ts';

const open: Listener[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** Five megabytes of lines that differ, so that a piece of another place, or of another time, changes the hash. */
const body = Buffer.from(Array.from({ length: 400_000 }, (_, index) => `line ${index}\r\n`).join(''));
const wanted = createHash('sha1').update(body).digest('hex');
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function connect(pieces: (connection: Connection) => Promise<void>): Promise<Connection> {
  const server = await listen({ protocol: 'TEST' }, async (peer) => {
    await pieces(peer);
    await peer.closed;
  });
  open.push(server);
  return dial({ host: '127.0.0.1', port: server.port });
}

test.each(['at once', 'slowly'])('lent chunks hold what was sent, taken %s, and the reply behind them', async (how) => {
  const connection = await connect(async (peer) => {
    for (let at = 0, size = 1; at < body.length; at += size, size = ((size * 7) % 90_001) + 1) {
      await peer.write([body.subarray(at, at + size)]);
      if (size % 5 === 0) await pause();
    }
    await peer.write([Buffer.from('.\r\nthe next reply\r\n')]);
  });
  const hash = createHash('sha1');
  const byteCount = await connection.body(dottedDecoder()).forEach(async (chunk) => {
    // Held over a turn, while the socket goes on reading.
    if (how === 'slowly') await pause();
    hash.update(chunk);
  });
  expect([byteCount, hash.digest('hex')]).toEqual([body.length, wanted]);
  expect(textOf(await connection.read(lineDecoder(100)))).toBe('the next reply');
  await connection.close();
});

test('after lent chunks, those that are handed out are never overwritten', async () => {
  const connection = await connect(async (peer) => {
    await peer.write([body, Buffer.from('.\r\n'), body, Buffer.from('.\r\n')]);
  });
  await connection.body(dottedDecoder()).forEach(pause);
  const chunks: Uint8Array[] = [];
  for await (const chunk of connection.body(dottedDecoder())) chunks.push(chunk);
  expect(createHash('sha1').update(Buffer.concat(chunks)).digest('hex')).toBe(wanted);
  await connection.close();
});

test('the body has ended once its last lent chunk is no longer in use', async () => {
  const connection = await connect(async (peer) => {
    await peer.write([body]);
    await pause();
    await peer.write([Buffer.from('the next reply\r\n'.repeat(20_000))]);
  });
  let consumed = 0;
  let consumedAtEnd = -1;
  const hash = createHash('sha1');
  let left = body.length;
  const counted: Decoder<BodySpan> = (queue) => {
    if (queue.length === 0) return undefined;
    const bytes = queue.take(Math.min(left, queue.length));
    left -= bytes.length;
    return { bytes, last: left === 0 };
  };
  await connection.body(counted, { onEnd: () => void (consumedAtEnd = consumed) }).forEach(async (chunk) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    hash.update(chunk);
    consumed += chunk.length;
  });
  expect([consumedAtEnd, hash.digest('hex')]).toEqual([body.length, wanted]);
  await connection.close();
});

test('a consumer that throws ends the body, and the error is its own', async () => {
  const connection = await connect(async (peer) => {
    await peer.write([body, body, Buffer.from('.\r\n')]).catch(() => undefined);
  });
  const failure = new Error('disk full');
  await expect(
    connection.body(dottedDecoder()).forEach(() => {
      throw failure;
    }),
  ).rejects.toBe(failure);
  expect(connection.open).toBe(false);
});
