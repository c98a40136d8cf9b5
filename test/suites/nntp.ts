import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compose, parseSync } from '../../src/mime/index.ts';
import { NntpClient, NntpCursor, type NntpOptions, type ThreadNode, threadArticles } from '../../src/nntp/index.ts';

/** A server that this suite can run against: the fake, or a real one. It has the group, which may be posted to. */
export interface NntpServerUnderTest {
  readonly target: string;
  readonly options: NntpOptions;
  readonly group: string;
  /** What the server is known not to have. */
  readonly lacks?: readonly string[];
  /** Puts articles into the group, where posting does not at once. */
  seed?(articles: readonly Uint8Array[]): Promise<void>;
  close(): Promise<void>;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const run = randomBytes(4).toString('hex');
const idOf = (name: string): string => `<${name}.${run}@suite.postwire.test>`;

/** An article as somebody's newsreader would make it. */
async function article(
  group: string,
  name: string,
  body: string,
  references: readonly string[] = [],
): Promise<Uint8Array> {
  return compose({
    from: 'Ánn Example <ann@example.com>',
    subject: references.length > 0 ? `Re: thread ${run}` : `${name} über ${run}`,
    text: body,
    messageId: idOf(name),
    references: references.map(idOf),
    headers: { Newsgroups: group },
  }).bytes();
}

const bodies = [
  ['one', 'plain\r\n'],
  ['dots', '.\r\n..\r\n.x\r\nend\r\n'],
  ['long', `${'y'.repeat(900)}\r\n`],
  ['large', `${`${'z'.repeat(70)}\r\n`.repeat(5_000)}`],
] as const;

/** What a client must do on any NNTP server that it may read and post on. */
export function nntpClientSuite(name: string, factory: () => Promise<NntpServerUnderTest>): void {
  describe(`NNTP against ${name}`, () => {
    let server: NntpServerUnderTest;
    let first = 0;
    beforeAll(async () => {
      server = await factory();
      await using client = await connect();
      first = (await client.group(server.group)).high + 1;
      const articles = [
        ...bodies.map(([id, body]) => [id, article(server.group, id, body)] as const),
        ['reply', article(server.group, 'reply', 'I agree\r\n', ['one'])] as const,
        ['reply2', article(server.group, 'reply2', 'I too\r\n', ['one', 'reply'])] as const,
      ];
      if (server.seed !== undefined) return server.seed(await Promise.all(articles.map(([, made]) => made)));
      for (const [id, made] of articles) expect((await client.post(await made)).messageId).toBe(idOf(id));
    }, 60_000);
    afterAll(() => server?.close());
    const connect = (more: NntpOptions = {}): Promise<NntpClient> =>
      NntpClient.connect(server.target, { ...server.options, ...more });
    const has = (what: string): boolean => server.lacks?.includes(what) !== true;

    test('what the server offers', async () => {
      await using client = await connect();
      if (has('CAPABILITIES')) expect(client.capabilities.has('READER')).toBe(true);
      expect(client.postingAllowed).toBe(true);
      expect(Math.abs((await client.date()).getTime() - Date.now())).toBeLessThan(24 * 3600_000);
      expect((await client.help()).length).toBeGreaterThan(0);
    });

    test('groups: listed, described, selected', async () => {
      await using client = await connect();
      const found = (await client.list(server.group))[0];
      expect(found).toMatchObject({ name: server.group, status: 'y' });
      const group = await client.group(server.group);
      expect(group).toMatchObject({ name: server.group, high: first + 5 });
      expect(client.selected).toBe(server.group);
      await expect(client.group('no.such.group')).rejects.toMatchObject({ code: 'REPLY', reply: { code: 411 } });
      expect(client.selected).toBe(server.group);
      expect((await client.listNewsgroups(server.group)).map((each) => each.name)).toEqual([server.group]);
      if (has('LIST COUNTS')) expect((await client.listCounts(server.group))[0]).toMatchObject({ count: group.count });
      if (has('LISTGROUP range')) {
        const { numbers } = await client.listGroup(server.group, { from: first, to: first + 2 });
        expect(numbers).toEqual([first, first + 1, first + 2]);
      }
      expect((await client.newGroups(new Date(0))).map((each) => each.name)).toContain(server.group);
    });

    test('articles come as they were posted: by number, by id, streamed, read ahead', async () => {
      await using client = await connect();
      await client.group(server.group);
      for (const [index, [id, body]] of bodies.entries()) {
        const { number, messageId, stream } = await client.article(first + index);
        const whole = parseSync(await stream.bytes());
        expect([number, messageId, whole.messageId, whole.text]).toEqual([
          first + index,
          idOf(id),
          idOf(id),
          body.replace(/\r\n/g, '\n'),
        ]);
        expect((await client.stat(idOf(id))).messageId).toBe(idOf(id));
        const head = await client.head(idOf(id));
        expect(text(head.bytes)).toContain(`Message-ID: ${idOf(id)}`);
        expect((await (await client.body(first + index)).stream.bytes()).length).toBe(
          (await client.read('body', idOf(id))).bytes.length,
        );
      }
      const read: string[] = [];
      const asked = [...bodies.map(([id]) => idOf(id)), idOf('missing'), idOf('reply')];
      for await (const each of client.fetch(asked)) {
        read.push(each.bytes === undefined ? `${each.error.reply?.code}` : (parseSync(each.bytes).messageId ?? ''));
        await client.date();
      }
      expect(read).toEqual([...bodies.map(([id]) => idOf(id)), '430', idOf('reply')]);
    });

    test('going through a group', async () => {
      await using client = await connect();
      await client.group(server.group);
      await client.stat(first + 4);
      expect(await client.next()).toEqual({ number: first + 5, messageId: idOf('reply2') });
      expect(await client.next()).toBeUndefined();
      expect(await client.last()).toEqual({ number: first + 4, messageId: idOf('reply') });
    });

    test('overviews, fields, threads', async () => {
      await using client = await connect();
      await client.group(server.group);
      const entries = await client.over({ from: first });
      expect(entries.map((entry) => [entry.number, entry.messageId])).toEqual(
        [...bodies.map(([id]) => id), 'reply', 'reply2'].map((id, index) => [first + index, idOf(id)]),
      );
      const [one] = entries;
      expect([one?.subject, one?.from]).toEqual([`one über ${run}`, 'Ánn Example <ann@example.com>']);
      expect(Math.abs((one?.date?.getTime() ?? 0) - Date.now())).toBeLessThan(3600_000);
      expect(entries[3]?.sizeBytes).toBeGreaterThan(300_000);
      expect(entries[5]?.references).toEqual([idOf('one'), idOf('reply')]);
      const shape = (nodes: readonly ThreadNode[]): unknown[] =>
        nodes.map(({ number, children }) => [number, shape(children)]);
      expect(shape(threadArticles([0, 4, 5].map((index) => entries[index] as (typeof entries)[number])))).toEqual([
        [0, [[1, [[2, []]]]]],
      ]);
      expect((await client.over({ from: first + 1000, to: first + 2000 })).length).toBe(0);
      expect(await client.hdr('Message-ID', { from: first, to: first + 1 })).toEqual([
        { number: first, value: idOf('one') },
        { number: first + 1, value: idOf('dots') },
      ]);
      if (has('XPAT'))
        expect((await client.xpat('Message-ID', { from: first }, ['*reply*'])).map((each) => each.number)).toEqual([
          first + 4,
          first + 5,
        ]);
    });

    test('what is new: by cursor, by date, and commands inside the loop', async () => {
      await using client = await connect();
      const cursor = new NntpCursor(`${server.group} ${first - 1}\n`);
      const ids: string[] = [];
      for await (const each of client.articles(server.group, { cursor })) {
        ids.push(each.messageId);
        expect(parseSync(each.bytes ?? new Uint8Array()).messageId).toBe(each.messageId);
        if (ids.length === 2) await client.group(server.group);
        if (ids.length === 4) break;
      }
      // The fourth was under way.
      expect(cursor.get(server.group)).toBe(first + 2);
      for await (const each of client.articles(server.group, { cursor, part: 'overview' })) ids.push(each.messageId);
      expect(ids).toEqual(['one', 'dots', 'long', 'large', 'large', 'reply', 'reply2'].map(idOf));
      expect(new NntpCursor(cursor.save()).get(server.group)).toBe(first + 5);
      const since = new Date(Date.now() - 3600_000);
      const dated: string[] = [];
      for await (const each of client.articles(server.group, { since, part: 'head' })) dated.push(each.messageId);
      expect(dated).toContain(idOf('reply2'));
      if (has('NEWNEWS')) expect(await client.newNews(server.group, since)).toContain(idOf('one'));
    });

    test('many commands at once travel together and keep their order', async () => {
      await using client = await connect();
      await client.group(server.group);
      const names = await Promise.all(Array.from({ length: 300 }, (_, index) => client.stat(first + (index % 6))));
      expect(names.map((each) => each.number)).toEqual(names.map((_, index) => first + (index % 6)));
    });

    test('a wrong password is refused', async () => {
      if (!has('login')) return;
      const url = new URL(server.target);
      url.password = 'wrong';
      await expect(NntpClient.connect(url.href, server.options)).rejects.toMatchObject({ code: 'AUTH' });
    });

    test('compressed both ways', async () => {
      if (!has('COMPRESS')) return;
      await using client = await connect({ compress: true });
      expect(client.compressed).toBe(true);
      await client.group(server.group);
      expect((await client.over({ from: first })).length).toBe(6);
      expect((await client.read('article', first + 3)).bytes.length).toBeGreaterThan(300_000);
    });
  });
}
