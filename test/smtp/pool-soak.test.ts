import { type Socket, connect, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { SmtpPool, SmtpSendError } from '../../src/smtp/index.ts';
import { ByteStream } from '../../src/wire/byte-stream.ts';
import { fakeSmtp } from '../../src/testing/index.ts';

/** More on request: SOAK_MESSAGES=100000. */
const COUNT = Number(process.env['SOAK_MESSAGES'] ?? 1500);

/** Numbers from 0 to 1, the same in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** Leads to the port, and cuts, stalls and slows connections as it likes. */
async function badNetwork(
  port: number,
  next: () => number,
): Promise<{ port: number; cuts: () => number; close(): void }> {
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    const pass = (from: Socket, to: Socket): void => {
      from.on('data', (chunk: Buffer) => {
        const chance = next();
        if (chance < 0.02) {
          cuts++;
          // A part of it may still arrive.
          to.write(chunk.subarray(0, Math.floor(next() * chunk.length)));
          if (next() < 0.5) from.resetAndDestroy();
          else to.end(() => from.destroy());
        } else if (chance < 0.04) {
          from.pause();
          setTimeout(() => {
            to.write(chunk);
            from.resume();
          }, next() * 20);
        } else to.write(chunk);
      });
      from.on('end', () => to.end());
    };
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    cuts: () => cuts,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test(
  `${COUNT} messages over a bad network: each arrives once, or is reported`,
  { timeout: 60_000 + COUNT * 20 },
  async () => {
    const arrived = new Map<string, number>();
    await using fake = await fakeSmtp({
      receive: async (body) => {
        const subject = /^Subject: (\S+)/m.exec(await new ByteStream(body).text())?.[1] ?? '';
        arrived.set(subject, (arrived.get(subject) ?? 0) + 1);
      },
    });
    const network = await badNetwork(fake.port, generator(42));
    const pool = new SmtpPool(
      `smtp://127.0.0.1:${network.port}?tls=none`,
      { maxConnections: 10, retries: 5 },
      { timeouts: { commandMs: 5_000 } },
    );
    const outcomes = new Map<string, 'sent' | 'unknown' | 'failed'>();
    let at = 0;
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        for (let index = at++; index < COUNT; index = at++) {
          const body = `Subject: ${index}\r\n\r\n${'x'.repeat(index % 3000)}\r\n`;
          const outcome = await pool.send({ from: 'a@example.com', to: 'b@example.com' }, Buffer.from(body)).then(
            () => 'sent' as const,
            (error: unknown) => (error instanceof SmtpSendError && error.deliveryUnknown ? 'unknown' : 'failed'),
          );
          outcomes.set(String(index), outcome);
        }
      }),
    );
    await pool.close();
    const wrong: string[] = [];
    for (const [subject, outcome] of outcomes) {
      const times = arrived.get(subject) ?? 0;
      if (times > 1 || (outcome === 'sent' && times !== 1) || (outcome === 'failed' && times !== 0))
        wrong.push(`${subject}: ${outcome}, arrived ${times} times`);
    }
    network.close();
    expect(wrong).toEqual([]);
    expect(outcomes.size).toBe(COUNT);
    expect(network.cuts()).toBeGreaterThan(3);
    const sent = [...outcomes.values()].filter((each) => each === 'sent').length;
    expect(sent).toBeGreaterThan(COUNT * 0.9);
  },
);
