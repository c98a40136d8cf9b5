// Many connections, open and coming, among them those that stall, flood, reset and half-close. Small here; POSTWIRE_LOAD=1 runs the whole of it:
// 10,000 open and 1,000 new ones a second for a minute.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

const whole = process.env['POSTWIRE_LOAD'] === '1';
const OPEN = whole ? 10_000 : 500;
const PER_SECOND = whole ? 1000 : 200;
const SECONDS = whole ? 60 : 2;
/** What may be left of so many connections: the collector's slack, not one byte a connection. */
const SLACK_BYTES = 8 * 1024 * 1024;

interface Stats {
  readonly count: number;
  readonly heapUsed: number;
  readonly rss: number;
  readonly errors: Readonly<Record<string, number>>;
}

test(
  `${OPEN} open connections and ${PER_SECOND} new ones a second for ${SECONDS} s`,
  async () => {
    const server = spawn(process.execPath, ['--expose-gc', 'test/socket/handlers/load-server.mjs'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const ask = async <T>(word?: string): Promise<T> => {
      if (word !== undefined) server.stdin.write(`${word}\n`);
      return JSON.parse((await lines.next()).value as string) as T;
    };
    const { port } = await ask<{ port: number }>();
    let made = 0;
    // Ports that were used rest for a minute: many addresses have enough of them.
    const open = async (): Promise<Socket> => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (made++ % 16)}` });
      await once(socket, 'connect');
      socket.on('error', () => {});
      return socket;
    };
    const talk = async (): Promise<void> => {
      const socket = await open();
      socket.write('hello\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      if (String(answer) !== 'HELLO\r\n') throw new Error(`got ${String(answer)}`);
      socket.end();
      await once(socket, 'close');
    };
    const misbehave = async (kind: number): Promise<void> => {
      const socket = await open();
      if (kind === 0) socket.write('x'.repeat(100_000));
      if (kind === 1) socket.write('x\n'.repeat(600_000));
      if (kind === 2) socket.write('half a li');
      if (kind === 3) socket.end('half a li');
      if (kind < 2) socket.resume();
      else await sleep(100);
      if (kind < 3) socket.resetAndDestroy();
      else {
        socket.resume();
        await once(socket, 'close');
      }
    };
    const held: Socket[] = [];
    try {
      while (held.length < OPEN) held.push(...(await Promise.all(Array.from({ length: 50 }, open))));
      for (let count = 0; count < 2 * PER_SECOND; count++) await talk();
      const before = await ask<Stats>('stats');
      expect(before.count).toBe(OPEN);
      const pending: Promise<void>[] = [];
      const failures: unknown[] = [];
      const started = performance.now();
      for (let second = 0; second < SECONDS; second++) {
        for (let part = 0; part < 20; part++) {
          for (let count = 0; count < PER_SECOND / 20; count++)
            pending.push(talk().catch((error: unknown) => void failures.push(error)));
          if (part % 5 === 0) pending.push(misbehave(part / 5).catch(() => undefined));
          await sleep(Math.max(0, started + second * 1000 + (part + 1) * 50 - performance.now()));
        }
        await Promise.all(pending.splice(0));
      }
      expect(failures).toEqual([]);
      // Everybody else was served as before.
      for (const socket of held.slice(0, 100)) {
        socket.write('still here\n');
        expect(String(((await once(socket, 'data')) as [Buffer])[0])).toBe('STILL HERE\r\n');
      }
      await expect.poll(async () => (await ask<Stats>('stats')).count, { timeout: 10_000 }).toBe(OPEN);
      const after = await ask<Stats>('stats');
      if (whole)
        process.stderr.write(`${JSON.stringify({ before, after, seconds: (performance.now() - started) / 1000 })}\n`);
      expect(after.heapUsed - before.heapUsed).toBeLessThan(SLACK_BYTES);
      const drained = await ask<{ aborted: number; drainMs: number }>('drain');
      expect(drained.aborted).toBe(OPEN);
      if (whole) process.stderr.write(`${JSON.stringify(drained)}\n`);
    } finally {
      for (const socket of held) socket.destroy();
      server.kill();
    }
  },
  whole ? 200_000 : 60_000,
);
