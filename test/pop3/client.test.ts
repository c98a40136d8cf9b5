import { expect, test } from 'vitest';
import { Pop3Client, Pop3Cursor } from '../../src/pop3/index.ts';
import { type FakeMailHost, fakeMailHost } from '../../src/testing/index.ts';

const users = { 'ann@example.com': 'pw' };

async function host(options: Parameters<typeof fakeMailHost>[0] = {}): Promise<FakeMailHost> {
  const servers = await fakeMailHost({ users, ...options });
  for (const text of ['one', '.two\r\n..', 'three']) {
    servers.store.add({
      envelope: { from: 'bob@example.com', to: ['ann@example.com'], parameters: new Map() },
      raw: new TextEncoder().encode(`Subject: x\r\n\r\n${text}\r\n`),
      receivedAt: new Date(),
      secure: false,
      user: undefined,
    });
  }
  return servers;
}

test('reads, deletes inside the loop, and reports the deletions committed', async () => {
  await using servers = await host();
  const client = await Pop3Client.connect(servers.pop3.url);
  expect((await client.stat()).count).toBe(3);
  const texts: string[] = [];
  for await (const message of client.messages({ skip: new Set(['postwire-1']) })) {
    texts.push(new TextDecoder().decode(message.bytes));
    await client.dele(message.number);
  }
  expect(texts).toEqual(['Subject: x\r\n\r\n.two\r\n..\r\n', 'Subject: x\r\n\r\nthree\r\n']);
  expect(await client.quit()).toEqual({ numbers: [2, 3], state: 'committed' });
  await using again = await Pop3Client.connect(servers.pop3.url);
  expect((await again.stat()).count).toBe(1);
});

test('retr streams, and a command meanwhile throws at once', async () => {
  await using servers = await host({ tls: 'starttls' });
  await using client = await Pop3Client.connect(servers.pop3.url, { tls: { ca: servers.pop3.ca as string } });
  expect(client.secure).toBe(true);
  const stream = await client.retr(1);
  await expect(client.noop()).rejects.toThrow('being streamed');
  expect(await stream.text()).toBe('Subject: x\r\n\r\none\r\n');
  await client.noop();
});

test('POP-01: no argument can end the line or say more than its place, whatever the caller gives', async () => {
  await using servers = await host();
  await using client = await Pop3Client.connect(servers.pop3.url);
  const before = servers.pop3.transcript.length;
  const usage = { code: 'USAGE' };
  for (const evil of ['1\r\nDELE 2', '1 2', '1\0', '0', '-1', '1.5', ''] as unknown as number[]) {
    for (const call of [
      () => client.dele(evil),
      () => client.retr(evil),
      () => client.top(evil, 0),
      () => client.top(1, evil),
    ])
      await expect((async () => call())()).rejects.toMatchObject(usage);
  }
  for (const evil of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
    await expect((async () => client.retr(evil))()).rejects.toMatchObject(usage);
  for (const evil of ['a\r\nDELE 1', 'a\nDELE 1', 'a\0'])
    await expect((async () => client.command('NOOP', [evil]))()).rejects.toMatchObject(usage);
  await expect((async () => client.lang('en\r\nQUIT'))()).rejects.toMatchObject(usage);
  expect(servers.pop3.transcript.length).toBe(before);
  const { port } = servers.pop3;
  const server = { host: '127.0.0.1', port, tls: 'none', allowInsecureAuth: true } as const;
  for (const login of [
    { user: 'a\r\nQUIT', password: 'x' },
    { user: 'a', password: 'x\r\nQUIT' },
  ])
    for (const way of [{ apop: true }, { mechanisms: ['PLAIN'] }, {}])
      await Pop3Client.connect({ ...server, ...login, ...way }).catch(() => undefined);
  servers.pop3.on('CAPA').raw('-ERR no\r\n');
  for (const login of [
    { user: 'a\r\nQUIT', password: 'x' },
    { user: 'a', password: 'x\r\nQUIT' },
  ])
    await expect(Pop3Client.connect({ ...server, ...login })).rejects.toMatchObject(usage);
  expect(servers.pop3.transcript.filter((line) => line === 'C: QUIT')).toEqual([]);
});

test.each(['+OK fake\r\n', '+OK fa', '\0'])(
  'POP-02: what is injected behind +OK to STLS ends the connection: %j',
  async (evil) => {
    await using servers = await host({ tls: 'starttls' });
    servers.pop3.on('STLS').inject(evil);
    await expect(
      Pop3Client.connect(servers.pop3.url, { tls: { ca: servers.pop3.ca as string } }),
    ).rejects.toMatchObject({
      reason: 'STARTTLS_INJECTION',
    });
  },
);

test.each([
  ['CAPA', '-ERR no\r\n'],
  ['CAPA', '+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n'],
  ['STLS', '-ERR no\r\n'],
])('POP-03: without STLS no password leaves (%s answered %j)', async (verb, answer) => {
  await using servers = await host({ tls: 'starttls' });
  servers.pop3.on(verb).raw(answer);
  await expect(Pop3Client.connect(servers.pop3.url)).rejects.toMatchObject({ code: 'TLS' });
  expect(servers.pop3.transcript.join('\n')).not.toMatch(/C: (?:USER|PASS|AUTH|APOP)/);
});

test('POP-06: a listing of a million lines, or one that is refused behind its +OK', async () => {
  await using servers = await host();
  await using client = await Pop3Client.connect(servers.pop3.url);
  const lines = Array.from({ length: 1_000_000 }, (_, index) => `${index + 1} 10\r\n`).join('');
  servers.pop3.on('LIST').once().raw(`+OK\r\n${lines}1 11\r\nx\r\n.\r\n`);
  const { entries, skipped } = await client.list();
  expect([entries.size, skipped, entries.get(1)]).toEqual([1_000_000, 2, 10]);
  servers.pop3.on('UIDL').once().raw('+OK\r\n-ERR disk\r\n.\r\n');
  expect(await client.uidl()).toEqual({ entries: new Map(), skipped: 1 });
});

test.each([
  ['refused', (servers: FakeMailHost) => servers.pop3.on('QUIT').raw('-ERR some deleted messages not removed\r\n')],
  ['not answered', (servers: FakeMailHost) => servers.pop3.on('QUIT').close()],
])('POP-10: a QUIT that is %s leaves the deletions unknown', async (_how, script) => {
  await using servers = await host();
  script(servers);
  const client = await Pop3Client.connect(servers.pop3.url);
  await client.dele(1);
  expect(await client.quit()).toEqual({ numbers: [1], state: 'unknown' });
});

test('a cursor gives only what is new, and what was under way at a crash again', async () => {
  await using servers = await host();
  const cursor = new Pop3Cursor();
  const read = async (most: number): Promise<(string | undefined)[]> => {
    await using client = await Pop3Client.connect(servers.pop3.url);
    const uids: (string | undefined)[] = [];
    for await (const { uid } of client.messages({ cursor })) if (uids.push(uid) === most) break;
    return uids;
  };
  const [first, second] = await read(2);
  const again = await read(9);
  expect(again[0]).toBe(second);
  expect(again).toHaveLength(2);
  expect([await read(9), cursor.has(first as string), cursor.size]).toEqual([[], true, 3]);
  const kept = new Pop3Cursor(cursor.save());
  expect(kept.save()).toBe(cursor.save());
  kept.retain(['other', second as string]);
  expect(kept.save()).toBe(`${second}\n`);
  expect(() => new Pop3Cursor('a b\n')).toThrow(/line 1/);
});

test('a server without UIDL: messages without ids, and no cursor', async () => {
  await using servers = await host();
  servers.pop3.on('UIDL').raw('-ERR what?\r\n');
  await using client = await Pop3Client.connect(servers.pop3.url);
  const uids: unknown[] = [];
  for await (const { uid } of client.messages()) uids.push(uid);
  expect(uids).toEqual([undefined, undefined, undefined]);
  await expect(client.messages({ cursor: new Pop3Cursor() }).next()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('a script may act in the middle of a body', async () => {
  await using servers = await host();
  servers.pop3.on('RETR').afterBytes(5).once().close();
  const client = await Pop3Client.connect(servers.pop3.url);
  await expect(client.retr(1).then((stream) => stream.bytes())).rejects.toMatchObject({ code: 'CLOSED' });
  servers.pop3.on('RETR').afterBytes(5).once().delay(20);
  await using second = await Pop3Client.connect(servers.pop3.url);
  expect(await (await second.retr(1)).text()).toBe('Subject: x\r\n\r\none\r\n');
});

test('the wrong TLS mode is told from the first bytes', async () => {
  await using servers = await host({ tls: 'implicit' });
  await expect(
    Pop3Client.connect(`pop3://127.0.0.1:${servers.pop3.port}?tls=none`, { timeouts: { greetingMs: 300 } }),
  ).rejects.toThrow(expect.objectContaining({ hint: expect.stringContaining('pop3s://') }) as Error);
});
