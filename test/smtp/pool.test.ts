import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { PostwireError } from '../../src/errors.ts';
import { sendMail } from '../../src/mail/index.ts';
import { SmtpPool, type SmtpPoolOptions } from '../../src/smtp/index.ts';
import { type FakeSmtp, fakeSmtp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
async function start(
  options: SmtpPoolOptions = {},
  server: Parameters<typeof fakeSmtp>[0] = {},
): Promise<{ fake: FakeSmtp; pool: SmtpPool; connects: () => number }> {
  const fake = await fakeSmtp(server);
  open.push(fake);
  const connects = fake.on('CONNECT');
  const pool = new SmtpPool(fake.url, options);
  open.push(pool);
  return { fake, pool, connects: () => connects.count };
}
const envelope = { from: 'a@example.com', to: 'b@example.com' };
const message = (index: number | string): Uint8Array => Buffer.from(`Subject: ${index}\r\n\r\nbody ${index}\r\n`);
const subjects = (fake: FakeSmtp): string[] => fake.messages.map((mail) => mail.header('subject') ?? '').toSorted();
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};

describe('SmtpPool', () => {
  test('shares its connections, and no more than are allowed', async () => {
    const { fake, pool, connects } = await start({ maxConnections: 3 });
    await Promise.all(numbers(60).map((index) => pool.send(envelope, message(index))));
    expect(subjects(fake)).toEqual(numbers(60).map(String).toSorted());
    expect(connects()).toBe(3);
    expect([pool.connections, pool.pending]).toEqual([3, 0]);
    await pool.send(envelope, message('again'));
    expect(connects()).toBe(3);
  });
  test('replaces a connection after so many messages', async () => {
    const { fake, pool, connects } = await start({ maxConnections: 1, maxMessages: 4 });
    await Promise.all(numbers(10).map((index) => pool.send(envelope, message(index))));
    expect(fake.messages).toHaveLength(10);
    expect(connects()).toBe(3);
  });
  test('a lost connection is retried while nothing of the message had left; each arrives once', async () => {
    const { fake, pool } = await start({ maxConnections: 2, retries: 3 }, { capabilities: { PIPELINING: false } });
    fake.on('MAIL').skip(3).times(2).reset();
    fake.on('RCPT').skip(9).times(1).close();
    await Promise.all(numbers(20).map((index) => pool.send(envelope, message(index))));
    expect(subjects(fake)).toEqual(numbers(20).map(String).toSorted());
  });
  test('what may have been delivered is never sent twice', async () => {
    const { fake, pool, connects } = await start({ retries: 5 });
    fake.on('MESSAGE').once().close();
    expect(await caught(pool.send(envelope, message(1)))).toMatchObject({ deliveryUnknown: true });
    expect(connects()).toBe(1);
  });
  test('a refusal is the sender’s, and the connection goes on', async () => {
    const { fake, pool, connects } = await start({ maxConnections: 1 });
    fake.on('RCPT').once().reply(550, '5.1.1 nobody');
    const [first, second] = await Promise.allSettled([
      pool.send(envelope, message(1)),
      pool.send(envelope, message(2)),
    ]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
    expect(connects()).toBe(1);
  });
  test('421 is waited out: at the greeting, and before a message', async () => {
    const { fake, pool, connects } = await start({ maxConnections: 4 });
    await pool.send(envelope, message('first'));
    fake.on('CONNECT').times(2).reply(421, '4.7.0 too many connections').close();
    fake.on('MAIL').skip(2).once().reply(421, '4.3.2 shutting down').close();
    await Promise.all(numbers(12).map((index) => pool.send(envelope, message(index))));
    expect(fake.messages).toHaveLength(13);
    expect(connects()).toBeGreaterThan(1);
  });
  test('when there is no server, each send says so', async () => {
    const pool = new SmtpPool('smtp://127.0.0.1:1?tls=none');
    open.push(pool);
    for (const error of await Promise.all(numbers(3).map((index) => caught(pool.send(envelope, message(index))))))
      expect(error).toMatchObject({ code: 'CONNECT', reason: 'ECONNREFUSED' });
    expect(await caught(pool.verify())).toMatchObject({ code: 'CONNECT' });
  });
  test('SOCK-11: an idle connection that the server closed is not used', async () => {
    const { fake, pool, connects } = await start({ probeAfterMs: 0, maxConnections: 1 });
    await pool.send(envelope, message(1));
    fake.on('NOOP').once().close();
    await pool.send(envelope, message(2));
    expect(fake.messages).toHaveLength(2);
    expect(connects()).toBe(2);
  });
  test('SOCK-27: pools of other credentials share nothing', async () => {
    const fake = await fakeSmtp({ users: { u: 'p', v: 'q' } });
    open.push(fake);
    const server = { host: '127.0.0.1', port: fake.port, tls: 'none', allowInsecureAuth: true } as const;
    const pools = [
      new SmtpPool({ ...server, user: 'u', password: 'p' }),
      new SmtpPool({ ...server, user: 'v', password: 'q' }),
      new SmtpPool({ ...server, user: 'u', password: 'P' }),
    ];
    open.push(...pools);
    await pools[0]?.send(envelope, message(1));
    await pools[1]?.send(envelope, message(2));
    expect(await caught(pools[2]?.send(envelope, message(3)) as Promise<unknown>)).toMatchObject({ code: 'AUTH' });
    expect(fake.messages.map((mail) => mail.user)).toEqual(['u', 'v']);
  });
  test('SOCK-28: the server hangs up in the tick in which a message comes', async () => {
    const fake = await fakeSmtp();
    const sockets = new Set<Socket>();
    const between = createServer((near) => {
      const far = connect(fake.port, '127.0.0.1');
      sockets.add(near).add(far);
      for (const socket of [near, far]) socket.on('error', () => {}).on('close', () => sockets.delete(socket));
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const pool = new SmtpPool(`smtp://127.0.0.1:${(between.address() as AddressInfo).port}?tls=none`, {
      maxConnections: 1,
    });
    open.push(fake, between, pool);
    for (let round = 0; round < 30; round++) {
      await pool.send(envelope, message(`a${round}`));
      const sent = pool.send(envelope, message(`b${round}`));
      for (const socket of sockets) socket.destroy();
      // One that was on its way may be lost, and says so; none hangs.
      await sent.catch((error: PostwireError) => expect(error).toMatchObject({ deliveryUnknown: true }));
    }
    expect([pool.pending, pool.connections <= 1]).toEqual([0, true]);
    await pool.send(envelope, message('last'));
  });
  test('SOCK-29: a server that drops every connection is not tried for ever', async () => {
    const { fake, pool, connects } = await start({ retries: 2 }, { capabilities: { PIPELINING: false } });
    fake.on('MAIL').delay(15).close();
    const started = performance.now();
    expect(await caught(pool.send(envelope, message(1)))).toMatchObject({ code: 'CLOSED' });
    expect(connects()).toBe(3);
    expect(performance.now() - started).toBeGreaterThan(100);
  });
  test('an idle connection is closed after its time', async () => {
    const { pool } = await start({ idleMs: 30 });
    await pool.send(envelope, message(1));
    expect(pool.connections).toBe(1);
    await expect.poll(() => pool.connections).toBe(0);
  });
  test('the rate holds', async () => {
    const { fake, pool } = await start({ rate: { messages: 5, perMs: 200 } });
    const started = performance.now();
    await Promise.all(numbers(12).map((index) => pool.send(envelope, message(index))));
    expect(performance.now() - started).toBeGreaterThanOrEqual(395);
    expect(fake.messages).toHaveLength(12);
  });
  test('an abort ends the wait for a connection, and only that', async () => {
    const { fake, pool } = await start({ maxConnections: 1 }, { capabilities: { PIPELINING: false } });
    fake.on('MAIL').once().delay(60);
    const first = pool.send(envelope, message(1));
    const reason = new Error('enough');
    const controller = new AbortController();
    const second = pool.send(envelope, message(2), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 10);
    await expect(second).rejects.toBe(reason);
    await first;
    expect(subjects(fake)).toEqual(['1']);
  });
  test('close waits for what is under way, and takes no more', async () => {
    const { fake, pool } = await start({ maxConnections: 1 });
    const sent = numbers(5).map((index) => pool.send(envelope, message(index)));
    await Promise.all([pool.close(), ...sent]);
    expect(fake.messages).toHaveLength(5);
    expect(pool.connections).toBe(0);
    expect(await caught(pool.send(envelope, message(9)))).toMatchObject({ code: 'CLOSED' });
  });
  test('close does not wait for ever', async () => {
    const { fake, pool } = await start({ maxConnections: 1 }, { capabilities: { PIPELINING: false } });
    fake.on('MAIL').silence();
    const sent = [pool.send(envelope, message(1)), pool.send(envelope, message(2))].map(caught);
    await pool.close({ graceMs: 50 });
    for (const error of await Promise.all(sent)) expect(error).toMatchObject({ code: 'CLOSED' });
  });
  test('sendMail takes a pool, or anything that sends', async () => {
    const { fake, pool, connects } = await start({ maxConnections: 1 });
    const draft = { from: 'a@example.com', to: 'b@example.com', subject: 'x', text: 'y' };
    const { messageId, accepted } = await sendMail(pool, draft);
    await sendMail(pool, draft);
    expect([connects(), fake.messages.length, accepted]).toEqual([1, 2, ['b@example.com']]);
    expect(messageId).toMatch(/^<.*>$/);
    expect(await caught(sendMail(pool, draft, { user: 'u', password: 'p' }))).toMatchObject({ code: 'USAGE' });
  });
  test('verify finds out whether it would work', async () => {
    const { fake, pool } = await start({}, { users: { u: 'p' }, tls: 'none' });
    await pool.verify();
    const wrong = new SmtpPool({
      host: '127.0.0.1',
      port: fake.port,
      tls: 'none',
      user: 'u',
      password: 'no',
      allowInsecureAuth: true,
    });
    open.push(wrong);
    expect(await caught(wrong.verify())).toMatchObject({ code: 'AUTH' });
  });
  test.each([
    { maxConnections: 0 },
    { maxMessages: 1.5 },
    { idleMs: -1 },
    { rate: { messages: 0, perMs: 1 } },
    { maxConections: 3 } as SmtpPoolOptions,
  ])('%j is refused at once', (options) => {
    expect(() => new SmtpPool('smtp://h', options)).toThrow(expect.objectContaining({ code: 'USAGE' }) as Error);
  });
});
