import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type FetchedMessage,
  ImapClient,
  type ImapOptions,
  SAVED,
  type Uid,
  sequences,
  uid,
  uids,
} from '../../src/imap/index.ts';

/** A server that this suite can run against: the fake, or a real one, with an account that may be changed. */
export interface ImapServerUnderTest {
  readonly target: string;
  readonly options: ImapOptions;
  close(): Promise<void>;
}

const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('latin1');

/** Messages that show what a server or client could get wrong. */
export const imapMessages: readonly string[] = [
  'Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nFrom: Fred Foobar <foobar@Blurdybloop.example>\r\nSubject: afternoon meeting\r\nTo: mooch@owatagu.example\r\nMessage-ID: <1@x.example>\r\n\r\nHello Joe, do you think we can meet?\r\n',
  'Date: Tue, 8 Feb 1994 09:00:00 +0000\r\nFrom: =?utf-8?Q?J=C3=BCrgen?= <j@x.example>\r\nSubject: =?utf-8?Q?Re:_Montr=C3=A9al?=\r\nTo: a@x.example, "Doe, J." <b@x.example>\r\nMessage-ID: <2@x.example>\r\nIn-Reply-To: <1@x.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nMontr\u00e9al\r\n',
  'Date: Wed, 9 Feb 1994 09:00:00 +0000\r\nFrom: a@x.example\r\nSubject: parts\r\nTo: Team: c@x.example, d@x.example;\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nfirst\r\n--b\r\nContent-Type: application/octet-stream; name="x.bin"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="x.bin"\r\n\r\naGVsbG8=\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: z@x.example\r\n\r\ninner body\r\n--b--\r\n',
  `Subject: large\r\nFrom: a@x.example\r\nReferences: <1@x.example> <2@x.example>\r\n\r\n${`${'z'.repeat(70)}\r\n`.repeat(10_000)}`,
];

const raw = (message: string): Uint8Array => Buffer.from(message, 'utf8');

/** What a client must do on any IMAP server with STARTTLS and a login. */
export function imapClientSuite(name: string, factory: () => Promise<ImapServerUnderTest>): void {
  describe(`IMAP against ${name}`, () => {
    let server: ImapServerUnderTest;
    beforeAll(async () => {
      server = await factory();
    }, 60_000);
    afterAll(() => server?.close());
    const connect = (options: ImapOptions = {}): Promise<ImapClient> =>
      ImapClient.connect(server.target, { ...server.options, ...options });

    /** A fresh mailbox with the messages, selected. */
    async function withMessages(mailbox: string, options: ImapOptions = {}): Promise<ImapClient> {
      const client = await connect(options);
      await client.delete(mailbox).catch(() => undefined);
      await client.create(mailbox);
      await client.appendAll(
        mailbox,
        imapMessages.map((message) => ({ source: raw(message) })),
      );
      await client.select(mailbox);
      return client;
    }

    test('STARTTLS, login, what the server offers', async () => {
      await using client = await connect();
      expect(client.secure).toBe(true);
      expect(client.state).toBe('authenticated');
      expect(client.has('IDLE')).toBe(true);
      expect((await client.id({ name: 'postwire' })).size).toBeGreaterThan(0);
      expect((await client.namespace()).personal.length).toBeGreaterThan(0);
    });

    test('a wrong password', async () => {
      const url = new URL(server.target);
      url.password = 'wrong';
      await expect(ImapClient.connect(url.href, server.options)).rejects.toMatchObject({ code: 'AUTH' });
    });

    test('mailboxes: make, list, subscribe, rename, remove; names in any script', async () => {
      await using client = await connect();
      for (const mailbox of ['Entwürfe & Co', '台北', 'two words']) {
        await client.delete(mailbox).catch(() => undefined);
        await client.create(mailbox);
        const [listed] = await client.list(mailbox);
        expect(listed).toMatchObject({ name: mailbox, selectable: true });
        await client.subscribe(mailbox);
        expect((await client.list('*', { subscribed: true })).map((each) => each.name)).toContain(mailbox);
        await client.unsubscribe(mailbox);
        const { state } = await client.select(mailbox);
        expect(state).toMatchObject({ name: mailbox, exists: 0, readOnly: false });
        await client.unselect();
        await client.rename(mailbox, `${mailbox}2`);
        await client.delete(`${mailbox}2`);
      }
      const names = (await client.list()).map((each) => each.name);
      expect(names).toContain('INBOX');
      expect(names).not.toContain('台北2');
      await expect(client.select('no such mailbox')).rejects.toMatchObject({ code: 'REPLY', reusable: true });
      expect(client.state).toBe('authenticated');
    });

    test('counts come with the list', async () => {
      await using client = await withMessages('counted');
      const [listed] = await client.list('counted', { status: ['messages', 'unseen', 'sizeBytes'] });
      expect(listed?.status).toEqual({
        messages: 4,
        unseen: 4,
        sizeBytes: imapMessages.reduce((sum, each) => sum + raw(each).length, 0),
      });
      expect(await client.status('counted', ['uidNext'])).toMatchObject({ uidNext: 5 });
    });

    test('envelope, structure, sections, dates: typed, and nothing is marked as seen', async () => {
      await using client = await withMessages('typed');
      const found = await client.fetchAll('1:*', {
        envelope: true,
        bodyStructure: true,
        flags: true,
        internalDate: true,
        sizeBytes: true,
        source: true,
      });
      expect(found.map((each) => each.uid)).toEqual([1, 2, 3, 4]);
      expect(found.map((each) => text(each.source))).toEqual(imapMessages.map((each) => raw(each)).map(text));
      expect(found.map((each) => each.sizeBytes)).toEqual(imapMessages.map((each) => raw(each).length));
      const [first, second, third] = found as [FetchedMessage, FetchedMessage, FetchedMessage];
      expect(first.envelope).toMatchObject({
        subject: 'afternoon meeting',
        from: [{ name: 'Fred Foobar', address: 'foobar@Blurdybloop.example' }],
        messageId: '<1@x.example>',
      });
      expect(first.envelope?.date?.toISOString()).toBe('1994-02-08T05:52:25.000Z');
      expect(second.envelope).toMatchObject({
        subject: 'Re: Montréal',
        from: [{ name: 'Jürgen' }],
        to: [{ address: 'a@x.example' }, { name: 'Doe, J.', address: 'b@x.example' }],
        inReplyTo: '<1@x.example>',
      });
      expect(third.envelope?.to).toEqual([
        {
          name: 'Team',
          address: '',
          group: [
            { name: '', address: 'c@x.example' },
            { name: '', address: 'd@x.example' },
          ],
        },
      ]);
      expect(third.bodyStructure).toMatchObject({
        type: 'multipart/mixed',
        parts: [
          { path: '1', type: 'text/plain', sizeBytes: 5 },
          { path: '2', type: 'application/octet-stream', encoding: 'base64', disposition: 'attachment' },
          {
            path: '3',
            type: 'message/rfc822',
            envelope: { subject: 'inner' },
            parts: [{ path: '3.1', type: 'text/plain' }],
          },
        ],
      });
      expect(first.internalDate).toBeInstanceOf(Date);
      const parts = await client.fetchOne(uid(3), {
        sections: ['1', '2', '2.MIME', '3.HEADER', '3.TEXT', 'HEADER'],
        headers: ['Subject', 'To'],
      });
      expect(text(parts?.section('1'))).toBe('first');
      expect(text(parts?.section('2'))).toBe('aGVsbG8=');
      expect(text(parts?.section('2.MIME'))).toMatch(/^Content-Type: application\/octet-stream/);
      expect(text(parts?.section('3.HEADER'))).toBe('Subject: inner\r\nFrom: z@x.example\r\n\r\n');
      expect(text(parts?.section('3.TEXT'))).toBe('inner body');
      expect(text(parts?.section('HEADER.FIELDS (SUBJECT TO)'))).toMatch(/^Subject: parts\r\nTo: Team: /);
      const slice = await client.fetchOne(uid(4), { source: { start: 3, maxBytes: 5 } });
      expect(slice?.sections[0]).toMatchObject({ origin: 3 });
      expect(text(slice?.source)).toBe('ject:');
      const after = await client.fetchAll('1:*', { flags: true });
      expect(after.every((each) => each.flags?.includes('\\Seen') === false)).toBe(true);
      expect(await client.fetchOne(uid(999), { flags: true })).toBeUndefined();
    });

    test('decoded parts, where the server has BINARY', async () => {
      await using client = await withMessages('binary');
      if (!client.has('BINARY')) return;
      const message = await client.fetchOne(uid(3), { binary: ['2'], binarySizes: ['2'] });
      expect(text(message?.section('BINARY[2]'))).toBe('hello');
      expect(message?.binarySizes?.get('BINARY.SIZE[2]')).toBe(5);
      expect(await (await client.download(uid(3), '2', { binary: true })).text()).toBe('hello');
    });

    test('flags, and searches that find by them', async () => {
      await using client = await withMessages('flagged');
      const { messages } = await client.store([uid(1), uid(2)], { add: ['\\Seen', '$Label1'] });
      expect(messages.map((each) => each.flags?.includes('\\Seen'))).toEqual([true, true]);
      await client.store(uid(2), { remove: ['$Label1'], silent: true });
      const find = async (...query: Parameters<ImapClient['search']>): Promise<Uid[]> => [
        ...(await client.search(...query)).uids,
      ];
      expect(await find({ seen: false })).toEqual([3, 4]);
      expect(await find({ keyword: '$Label1' })).toEqual([1]);
      expect(await find({ subject: 'Montréal' })).toEqual([2]);
      expect(await find({ body: 'Montréal', not: { seen: false } })).toEqual([2]);
      expect(await find({ or: [{ from: 'foobar' }, { subject: 'parts' }, { largerBytes: 100_000 }] })).toEqual([
        1, 3, 4,
      ]);
      expect(await find({ not: [{ uid: '1:2' }, { header: { subject: 'large' } }] })).toEqual([3]);
      expect(await find({ sentSince: '1994-02-08', sentBefore: new Date('1994-02-09T12:00:00Z') })).toEqual([2]);
      expect(await find({ subject: 'nothing like it' })).toEqual([]);
      expect(await client.search({}, { only: ['count', 'min', 'max'] })).toMatchObject({ count: 4, min: 1, max: 4 });
      if (client.has('SEARCHRES')) {
        await client.search({ seen: true }, { save: true });
        expect((await client.fetchAll(SAVED, { flags: true })).map((each) => each.uid)).toEqual([1, 2]);
      }
      await client.store(sequences(3), { set: ['\\Flagged'] });
      expect(await find({ flagged: true })).toEqual([3]);
    });

    test('copy, move and removal of just those', async () => {
      await using client = await withMessages('moved');
      await client.delete('target').catch(() => undefined);
      await client.create('target');
      const copied = await client.copy('1:2', 'target');
      expect([...(copied?.destination ?? [])]).toEqual([1, 2]);
      const moved = await client.move(uid(3), 'target');
      expect(moved).toMatchObject({ way: 'MOVE' });
      expect([...(moved.copied?.source ?? [])]).toEqual([3]);
      await client.store('1:2', { add: ['\\Deleted'] });
      expect(await client.expunge(uid(1))).toBe('UID EXPUNGE');
      expect((await client.fetchAll('1:*', { flags: true })).map((each) => each.uid)).toEqual([2, 4]);
      expect(client.mailbox?.exists).toBe(2);
      await client.closeMailbox();
      expect(await client.status('moved', ['messages'])).toEqual({ messages: 1 });
      expect(await client.status('target', ['messages'])).toEqual({ messages: 3 });
    });

    test('sorted and threaded', async () => {
      await using client = await withMessages('sorted');
      expect(await client.sort(['-sizeBytes'])).toEqual({ uids: [4, 3, 2, 1], by: 'server' });
      expect((await client.sort(['from', '-date'], { uid: '1:3' })).uids).toEqual([3, 1, 2]);
      const { threads, by } = await client.thread({});
      expect(by).toBe('server');
      const flat = JSON.stringify(threads.map((each) => each.number));
      expect(flat).toBe('[1,3]');
      expect(threads[0]?.children[0]?.number).toBe(2);
    });

    test('a large message is streamed; other commands work in between', async () => {
      await using client = await withMessages('streamed');
      const stream = await client.download(uid(4));
      expect(stream.sizeBytes).toBe(raw(imapMessages[3] as string).length);
      const chunks: Uint8Array[] = [];
      for await (const chunk of stream) {
        chunks.push(chunk);
        if (chunks.length === 1) await client.noop();
      }
      expect(Buffer.concat(chunks).equals(raw(imapMessages[3] as string))).toBe(true);
      for await (const _ of await client.download(uid(4))) break;
      expect((await client.fetchOne(uid(1), { flags: true }))?.uid).toBe(1);
      await expect(client.download(uid(77))).rejects.toMatchObject({ reason: 'NO_SUCH_MESSAGE' });
    });

    test('a source is streamed into APPEND, with flags and a date', async () => {
      await using client = await withMessages('appended');
      const internalDate = new Date('2020-02-03T04:05:06Z');
      async function* source(): AsyncIterable<Uint8Array> {
        yield raw('Subject: from a');
        await new Promise((resolve) => setImmediate(resolve));
        yield raw(' stream\r\n\r\nbody\r\n');
      }
      const result = await client.append('appended', source(), { sizeBytes: 32, flags: ['\\Draft'], internalDate });
      expect(result.uid).toBe(5);
      const message = await client.fetchOne(uid(5), { internalDate: true, flags: true, envelope: true });
      expect(message?.internalDate).toEqual(internalDate);
      expect(message?.flags).toContain('\\Draft');
      expect(message?.envelope?.subject).toBe('from a stream');
      await expect(client.append('no such mailbox', 'Subject: x\r\n\r\n')).rejects.toMatchObject({
        code: 'REPLY',
        reason: 'TRYCREATE',
      });
      await client.noop();
    });

    test('many commands at once, commands inside loops, leaving loops', async () => {
      await using client = await withMessages('busy');
      const answers = await Promise.all([
        client.noop(),
        client.status('INBOX'),
        client.search({ seen: false }),
        client.fetchOne(uid(1), { envelope: true }),
        client.fetchOne(uid(2), { envelope: true }),
        client.list('*'),
        client.search({ from: 'foobar' }),
      ]);
      expect([...answers[2].uids]).toEqual([1, 2, 3, 4]);
      expect(answers[3]?.envelope?.subject).toBe('afternoon meeting');
      expect(answers[4]?.envelope?.subject).toBe('Re: Montréal');
      expect([...answers[6].uids]).toEqual([1]);
      const seen: number[] = [];
      for await (const message of client.fetch('1:*', { envelope: true, source: true })) {
        await client.store(message.uid as Uid, { add: ['\\Seen'] });
        seen.push(message.uid as number);
      }
      expect(seen).toEqual([1, 2, 3, 4]);
      for await (const _ of client.fetch('1:*', { source: true })) break;
      expect([...(await client.search({ seen: true })).uids]).toEqual([1, 2, 3, 4]);
    });

    test('IDLE hears of new messages and changed flags, and makes way for commands', async () => {
      await using client = await withMessages('watched');
      await using other = await connect();
      const stop = new AbortController();
      const events = client.idle({ signal: stop.signal });
      const first = events.next();
      await other.append('watched', 'Subject: news\r\n\r\n');
      let news = (await first).value;
      while (news?.type !== 'exists') news = (await events.next()).value;
      expect(news.count).toBe(5);
      const message = await client.fetchOne(uid(5), { envelope: true });
      expect(message?.envelope?.subject).toBe('news');
      await other.select('watched');
      await other.store(uid(1), { add: ['\\Flagged'] });
      for await (const event of events)
        if (event.type === 'fetch' && event.message.flags?.includes('\\Flagged') === true) stop.abort();
      await client.noop();
    }, 20_000);

    test('what changed is told: mod-sequences, and QRESYNC where it is enabled', async () => {
      await using client = await withMessages('resync', { enable: ['QRESYNC'] });
      if (!client.enabled.has('QRESYNC')) return;
      const { state } = await client.select('resync');
      const { uidValidity, highestModSeq } = state as { uidValidity: number; highestModSeq: bigint };
      await client.unselect();
      {
        await using other = await connect();
        await other.select('resync');
        await other.store(uid(2), { add: ['\\Flagged'] });
        await other.store(uid(1), { add: ['\\Deleted'] });
        await other.expunge(uid(1));
      }
      const again = await client.select('resync', { since: { uidValidity, modSeq: highestModSeq, uids: uids('1:4') } });
      expect(String(again.vanished)).toBe('1');
      expect(again.changed.map((each) => each.uid)).toEqual([2]);
      expect(again.changed[0]?.flags).toContain('\\Flagged');
      const changed = await client.fetchAll('1:*', { flags: true, changedSince: highestModSeq });
      expect(changed.map((each) => each.uid)).toEqual([2]);
      const refused = await client.store(uid(2), { add: ['\\Seen'], unchangedSince: 1n });
      expect(String(refused.modified)).toBe('2');
    });

    test('compression', async () => {
      await using client = await connect();
      if (!client.has('COMPRESS=DEFLATE')) return;
      await client.compress();
      await client.select('INBOX');
      await client.noop();
    });

    test('an abort before anything was sent leaves the connection usable; a lock is held by one', async () => {
      await using client = await connect();
      await expect(client.noop({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
      const first = await client.lock('INBOX');
      await expect(client.lock('INBOX', { timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMEOUT', reusable: true });
      first.release();
      await using second = await client.lock('INBOX', { timeoutMs: 1000 });
      expect(second.mailbox).toBe('INBOX');
    });
  });
}
