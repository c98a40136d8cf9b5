import { setTimeout as delay } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { LimitError, ProtocolError, UsageError } from '../../src/errors.ts';
import { CommandWriter } from '../../src/imap/codec/command.ts';
import { parseResponseCode } from '../../src/imap/codec/response-code.ts';
import { uids } from '../../src/imap/codec/sequence-set.ts';
import { decodeUtf7, encodeUtf7 } from '../../src/imap/codec/utf7.ts';
import { ImapClient, type ImapOptions, SequenceSet, sequences, uid } from '../../src/imap/index.ts';
import { type FakeImap, type FakeImapOptions, fakeImap } from '../../src/testing/index.ts';

const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('latin1');
const context = { literals: 'none', utf8: false, utf8Names: false } as const;

/** A logged-in client with INBOX selected, and its server with two messages. */
async function pair(
  options: FakeImapOptions = {},
  client: ImapOptions = {},
): Promise<{ server: FakeImap; client: ImapClient } & AsyncDisposable> {
  const server = await fakeImap({ users: { ann: 'secret password' }, ...options });
  server.deliver('Subject: one\r\n\r\nfirst\r\n');
  server.deliver('Subject: two\r\n\r\nsecond\r\n');
  const connected = await ImapClient.connect(server.url, {
    timeouts: { commandMs: 3000, bodyIdleMs: 3000 },
    ...client,
  });
  await connected.select('INBOX');
  return {
    server,
    client: connected,
    async [Symbol.asyncDispose]() {
      connected.destroy();
      await server.close();
    },
  };
}

const shown = (write: (writer: CommandWriter) => unknown): string => {
  const writer = new CommandWriter(context);
  write(writer);
  return writer
    .end()
    .map((part) => ('bytes' in part ? text(part.bytes) : `<${part.sizeBytes}>`))
    .join('');
};

describe('IMAP, hostile', () => {
  test('IMAP-01: line breaks travel in literals or not at all; NUL never', () => {
    expect(shown((writer) => writer.mailbox('a\r\nA2 DELETE b'))).toBe('"a&AA0ACg-A2 DELETE b"\r\n');
    expect(shown((writer) => writer.string('x', 'a\r\nb'))).toBe('{4}\r\n<4>\r\n');
    expect(shown((writer) => writer.secret('x', 'p\nq'))).toBe('{3}\r\n<3>\r\n');
    for (const write of [
      (writer: CommandWriter) => writer.string('x', 'a\0b'),
      (writer: CommandWriter) => writer.secret('x', 'a\0b'),
      (writer: CommandWriter) => writer.word('a\r\nb'),
      (writer: CommandWriter) => writer.flags(['\\Seen\r\n']),
      (writer: CommandWriter) => writer.atom('x', 'a b'),
    ])
      expect(() => shown(write)).toThrow(UsageError);
  });

  test('IMAP-01: sections, header names and dates are checked before a byte leaves', async () => {
    await using both = await pair();
    const { client } = both;
    const before = both.server.transcript.length;
    await expect(client.fetchAll('1:*', { sections: ['1]\r\nA2 DELETE x'] })).rejects.toThrow(UsageError);
    await expect(client.fetchAll('1:*', { headers: ['X\r\nY'] })).rejects.toThrow(UsageError);
    await expect(client.search({ header: { 'A B': 'x' } })).rejects.toThrow(UsageError);
    await expect(client.append('INBOX', 'x', { internalDate: new Date(Number.NaN) })).rejects.toThrow(UsageError);
    await expect(client.login({ user: 'a\0', password: 'b' })).rejects.toThrow();
    expect(both.server.transcript.length).toBe(before);
    await client.noop();
  });

  test('IMAP-02: sets are checked element by element, and never widened', () => {
    for (const bad of [
      '1\r\nA2 DELETE x',
      '1:2:3',
      '*,',
      '0',
      '',
      '1,,2',
      '4294967296',
      '-1',
      '1e3',
      ' 1',
      '1:',
      ':1',
      Array(200_000).fill('1').join(','),
    ])
      expect(() => uids(bad), bad.slice(0, 20)).toThrow(UsageError);
    expect(() => uids([])).toThrow(UsageError);
    expect(() => uids([1.5])).toThrow(UsageError);
    expect(String(uids('1:4,7,9:*'))).toBe('1:4,7,9:*');
    expect(String(uids([1, 2, 3, 7]))).toBe('1:3,7');
    expect(uids('5:2').has(3)).toBe(true);
  });

  test('IMAP-03: flags are one word', async () => {
    await using both = await pair();
    for (const flag of ['\\Deleted) X', 'a b', '\\*', 'é', 'a\r\nb', '', '\\', '\\Recent', 'a"b'])
      await expect(both.client.store(uid(1), { add: [flag] }), flag).rejects.toThrow(UsageError);
    await both.client.store(uid(1), { add: ['$Junk', '\\Seen'] });
  });

  test('IMAP-04: names of capabilities, mechanisms and ID fields', async () => {
    await using both = await pair();
    await both.client.unselect();
    await expect(both.client.enable(['A B'])).rejects.toThrow(UsageError);
    await expect(both.client.enable(['A\r\nB'])).rejects.toThrow(UsageError);
    await expect(both.client.id({ name: 'a\r\nb' })).rejects.toThrow(UsageError);
    await both.client.id({ name: 'quo"te\\d' });
    expect(both.server.transcript.some((line) => line.includes('ID ("name" "quo\\"te\\\\d")'))).toBe(true);
  });

  test('IMAP-05: no text becomes protocol: search strings that look like literals stay strings', async () => {
    await using both = await pair();
    for (const tricky of ['{0}', 'x {5+}', '~{1}'])
      expect([...(await both.client.search({ subject: tricky })).uids]).toEqual([]);
    await both.client.noop();
  });

  test('IMAP-06: literals that do not wait, only as the server offers them', async () => {
    const write = (literals: 'any' | 'small' | 'none', size: number): string => {
      const writer = new CommandWriter({ ...context, literals }).literal(new Uint8Array(size));
      return text((writer.end()[0] as { bytes: Uint8Array }).bytes);
    };
    expect(write('none', 1)).toBe('{1}\r\n');
    expect(write('small', 4096)).toBe('{4096+}\r\n');
    expect(write('small', 4097)).toBe('{4097}\r\n');
    expect(write('any', 10_000)).toBe('{10000+}\r\n');
    await using both = await pair({ capabilities: { 'LITERAL+': false, IMAP4rev2: false } });
    await both.client.append('INBOX', 'Subject: x\r\n\r\n');
    expect(both.server.transcript.some((line) => line.endsWith('{14}'))).toBe(true);
  });

  test('IMAP-07, IMAP-08: names with anything in them can be listed and selected', async () => {
    await using both = await pair();
    const { client, server } = both;
    const names = ['a\tb', 'q"u\\o', '%*({', '[]', ' lead', 'trail ', 'ü ñ', 'a\u0007b', '&', 'NIL', 'a&-b', '{5}'];
    for (const name of names) server.account().create(name);
    const listed = (await client.list()).map((mailbox) => mailbox.name);
    for (const name of names) {
      expect(listed).toContain(name);
      expect((await client.select(name)).state.name).toBe(name);
    }
  });

  test('IMAP-09: an announced size costs nothing; over the cap it is an error at once', async () => {
    for (const size of ['9999999999', '4294967295']) {
      await using both = await pair();
      both.server.on('UID FETCH').raw(`* 1 FETCH (UID 1 BODY[] {${size}}\r\nsome`);
      const before = process.memoryUsage().rss;
      await expect(both.client.fetchAll('1:*', { source: true })).rejects.toMatchObject({
        code: 'LIMIT',
        reason: 'LITERAL_TOO_LONG',
      });
      expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
      expect(both.client.connection.open).toBe(false);
    }
  });

  test('IMAP-10: odd markers of literals', async () => {
    await using both = await pair();
    const { client, server } = both;
    server
      .on('UID FETCH')
      .once()
      .raw('* 1 FETCH (UID 1 BODY[] {0}\r\n BODY[1] {0003}\r\nabc BODY[2] {1}\r\nx)\r\n<tag> OK done\r\n');
    const [message] = await client.fetchAll(uid(1), { source: true, sections: ['1', '2'] });
    expect([text(message?.source), text(message?.section('1')), text(message?.section('2'))]).toEqual(['', 'abc', 'x']);
    for (const marker of ['{-1}', '{1e3}', '{+}', '{}']) {
      server.on('UID FETCH').once().raw(`* 1 FETCH (UID 1 BODY[] ${marker}\r\n<tag> OK done\r\n`);
      await expect(client.fetchAll(uid(1), { source: true }), marker).rejects.toMatchObject({
        code: 'PROTOCOL',
        reusable: true,
      });
    }
    await client.noop();
    server
      .on('UID FETCH')
      .once()
      .raw(`* 1 FETCH (UID 1 BODY[] {${'0'.repeat(1_000_000)}1}\r\nx)\r\n<tag> OK done\r\n`);
    await expect(client.fetchAll(uid(1), { source: true })).rejects.toThrow(ProtocolError);
  });

  test('IMAP-11: a hundred thousand small literals', async () => {
    await using both = await pair();
    both.server
      .on('ID')
      .once()
      .raw(`* ID (${'"k" {1}\r\nx '.repeat(100_000)}"l" "m")\r\n<tag> OK done\r\n`);
    expect((await both.client.id()).size).toBe(2);
    const small = await ImapClient.connect(both.server.url, { limits: { replyBytes: 10_000 } });
    both.server
      .on('ID')
      .once()
      .raw(`* ID (${'"k" {1}\r\nx '.repeat(100_000)}"l" "m")\r\n<tag> OK done\r\n`);
    await expect(small.id()).rejects.toThrow(LimitError);
  });

  test('IMAP-12: deep nesting', async () => {
    const deep = '('.repeat(100_000);
    for (const response of [
      `* 1 FETCH (UID 1 BODYSTRUCTURE ${deep}`,
      `* 1 FETCH (UID 1 ENVELOPE ${deep}`,
      `* 1 FETCH (UID 1 X-NEW ${deep}`,
    ]) {
      await using both = await pair();
      both.server.on('UID FETCH').once().raw(`${response}\r\n<tag> OK done\r\n`);
      await expect(both.client.fetchAll(uid(1), { bodyStructure: true })).rejects.toMatchObject({
        code: expect.stringMatching(/LIMIT|PROTOCOL/) as unknown,
      });
      await both.client.noop();
    }
    await using both = await pair();
    both.server.on('UID THREAD').once().raw(`* THREAD ${deep}\r\n<tag> OK done\r\n`);
    await expect(both.client.thread()).rejects.toMatchObject({
      code: expect.stringMatching(/LIMIT|PROTOCOL/) as unknown,
    });
    const legal = `${'('.repeat(60)}"TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1${' "MIXED")'.repeat(60).replace(' "MIXED"', '')}`;
    both.server.on('UID FETCH').once().raw(`* 1 FETCH (UID 1 BODYSTRUCTURE ${legal})\r\n<tag> OK done\r\n`);
    let part = (await both.client.fetchOne(uid(1), { bodyStructure: true }))?.bodyStructure;
    let depth = 1;
    while (part?.parts[0] !== undefined) {
      part = part.parts[0];
      depth++;
    }
    expect(depth).toBe(60);
  });

  test('IMAP-13: ranges stay ranges', async () => {
    const copied = parseResponseCode('[COPYUID 1 1:4294967295 1:4294967295] ok').code as { source: { size: number } };
    expect(copied.source.size).toBe(4294967295);
    expect(parseResponseCode('[COPYUID 1 1:3 1:2] ok').code).toEqual({ name: 'COPYUID', argument: '1 1:3 1:2' });
    await using both = await pair();
    both.server
      .on('UID SEARCH')
      .once()
      .raw('* ESEARCH (TAG "<tag>") UID ALL 1:4294967295 COUNT 4294967295\r\n<tag> OK done\r\n');
    const found = await both.client.search({});
    expect(found.uids.size).toBe(4294967295);
    expect(() => found.uids.toArray()).toThrow(UsageError);
    both.server.push('* VANISHED 1:4294967295');
    await both.client.noop();
    expect(both.client.mailbox?.exists).toBeLessThanOrEqual(2);
  });

  test('IMAP-14: numbers that are none leave the state alone', async () => {
    await using both = await pair();
    for (const line of [
      '* 1e5 EXISTS',
      '* -1 EXPUNGE',
      '* 99999999999999999999 EXISTS',
      '* 4294967296 EXISTS',
      `* OK [HIGHESTMODSEQ ${2n ** 64n}] x`,
      '* OK [UIDVALIDITY 0] x',
      '* 0 EXPUNGE',
      '*',
      '* ',
      '* 5',
    ])
      both.server.push(line);
    await both.client.noop();
    const { exists, uidValidity, highestModSeq } = both.client.mailbox as {
      exists: number;
      uidValidity?: number;
      highestModSeq?: bigint;
    };
    expect(exists).toBe(2);
    expect([
      uidValidity === undefined || uidValidity > 0,
      highestModSeq === undefined || highestModSeq < 2n ** 63n,
    ]).toEqual([true, true]);
  });

  test('IMAP-15, IMAP-16: an answer to a command that was not sent ends the session', async () => {
    for (const line of ['A1 OK done', 'ZZZ9 OK', 'a1 NO x']) {
      await using server = await fakeImap({ greeting: `* OK [CAPABILITY IMAP4rev1] hi\r\n${line}` });
      await expect(ImapClient.connect(server.url).then((client) => client.noop())).rejects.toMatchObject({
        reason: 'OUT_OF_STEP',
      });
    }
    await using both = await pair();
    both.server.on('NOOP').raw(`${'X1 OK x\r\n'.repeat(1000)}<tag> OK\r\n`);
    await expect(both.client.noop()).rejects.toMatchObject({ reason: 'OUT_OF_STEP' });
  });

  test('IMAP-15: STARTTLS is only over when TLS is', async () => {
    await using server = await fakeImap({ tls: 'starttls' });
    server.on('STARTTLS').raw('<tag> OK begin\r\n').silence();
    await expect(
      ImapClient.connect(server.url, { tls: { ca: server.ca }, timeouts: { connectMs: 300 } }),
    ).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('IMAP-17: plaintext behind the answer to STARTTLS', async () => {
    for (const injected of ['* CAPABILITY X\r\n', 'A2 OK x\r\n', 'half a li']) {
      await using server = await fakeImap({ tls: 'starttls', users: { ann: 'secret password' } });
      server.on('STARTTLS').inject(injected);
      await expect(ImapClient.connect(server.url, { tls: { ca: server.ca } })).rejects.toMatchObject({
        reason: 'STARTTLS_INJECTION',
      });
      expect(server.transcript.join('\n')).not.toMatch(/LOGIN|AUTHENTICATE/);
    }
  });

  test('IMAP-18: PREAUTH where TLS is required', async () => {
    await using server = await fakeImap({ tls: 'starttls', greeting: '* PREAUTH [CAPABILITY IMAP4rev1] hi' });
    await expect(ImapClient.connect(server.url, { tls: { ca: server.ca } })).rejects.toMatchObject({
      reason: 'STARTTLS_UNAVAILABLE',
    });
    expect(server.transcript.some((line) => line.startsWith('C:'))).toBe(false);
  });

  test('IMAP-18: PREAUTH in the clear, where that is accepted', async () => {
    await using server = await fakeImap({ greeting: '* PREAUTH [CAPABILITY IMAP4rev1] hi' });
    await using client = await ImapClient.connect(server.url);
    expect(client.state).toBe('authenticated');
  });

  test('IMAP-19: STARTTLS required and not to be had', async () => {
    const cases: ((server: FakeImap) => void)[] = [
      (server) => void server.on('CAPABILITY').reply('BAD', 'what?'),
      (server) => void server.on('CAPABILITY').raw('* CAPABILITY\r\n<tag> OK\r\n'),
      (server) => void server.on('CAPABILITY').raw('* CAPABILITY IMAP4rev1\r\n<tag> OK\r\n'),
      (server) => void server.on('STARTTLS').reply('NO', 'not now'),
      (server) => void server.on('STARTTLS').reply('BAD', 'what?'),
    ];
    for (const arrange of cases) {
      await using server = await fakeImap({ tls: 'starttls', users: { ann: 'secret password' }, greeting: '* OK hi' });
      arrange(server);
      await expect(ImapClient.connect(server.url, { tls: { ca: server.ca } })).rejects.toThrow();
      expect(server.transcript.join('\n')).not.toMatch(/C: .*(?:LOGIN|AUTHENTICATE)/);
    }
  });

  test('IMAP-20: what was offered before TLS is forgotten', async () => {
    await using server = await fakeImap({
      tls: 'starttls',
      users: { ann: 'secret password' },
      greeting: '* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN X-BEFORE] hi',
    });
    await using client = await ImapClient.connect(server.url, { tls: { ca: server.ca } });
    expect(client.has('X-BEFORE')).toBe(false);
    server.on('CAPABILITY').reply('BAD', 'what?');
    await expect(ImapClient.connect(server.url, { tls: { ca: server.ca } })).rejects.toThrow();
  });

  test('IMAP-21: LOGINDISABLED', async () => {
    await using server = await fakeImap({
      users: { ann: 'secret password' },
      greeting: '* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi',
    });
    await expect(ImapClient.connect(server.url)).rejects.toMatchObject({ reason: 'LOGINDISABLED' });
    expect(server.transcript.join('\n')).not.toMatch(/LOGIN (?:ann|"ann)/);
  });

  test('IMAP-22: referrals and alerts are data', async () => {
    await using both = await pair();
    both.server.on('SELECT').once().reply('NO', '[REFERRAL imap://evil.example/] moved');
    await expect(both.client.select('x')).rejects.toMatchObject({ code: 'REPLY', reason: 'REFERRAL' });
    both.server.on('NOOP').once().reply('NO', '[ALERT <html>\u001b[2J');
    await expect(both.client.noop()).rejects.toThrow(/\\u001b/);
    expect(parseResponseCode('[ALERT unclosed')).toEqual({ code: undefined, text: '[ALERT unclosed' });
    const events = both.client.events();
    both.server.push('* OK [ALERT] <b>hello</b>');
    expect((await events.next()).value).toEqual({ type: 'alert', text: '<b>hello</b>' });
  });

  test('IMAP-23: BYE, whenever it comes', async () => {
    await using refusing = await fakeImap({ greeting: '* BYE go away' });
    await expect(ImapClient.connect(refusing.url)).rejects.toMatchObject({
      code: 'CLOSED',
      reply: { code: 'BYE', text: 'go away' },
    });
    for (const verb of ['NOOP', 'UID FETCH', 'IDLE']) {
      await using both = await pair();
      both.server
        .on(verb)
        .raw(verb === 'UID FETCH' ? '* 1 FETCH (UID 1 BODY[] {1000}\r\nhalf' : '* BYE too late\r\n')
        .close();
      const call =
        verb === 'NOOP'
          ? both.client.noop()
          : verb === 'IDLE'
            ? both.client
                .idle()
                .next()
                .then(() => both.client.noop())
            : both.client.fetchAll(uid(1), { source: true });
      await expect(call, verb).rejects.toMatchObject({ code: 'CLOSED' });
      await both.client.logout();
    }
    for (const answer of ['* BYE x\r\n<tag> OK\r\n', '<tag> BYE x\r\n', '<tag> OK\r\n', '* BYE x\r\n', '']) {
      await using both = await pair();
      both.server.on('LOGOUT').raw(answer).close();
      await both.client.logout();
    }
  });

  test('IMAP-24: counts that make no sense are noted, and UIDs stay right', async () => {
    await using both = await pair();
    both.server
      .on('UID FETCH')
      .once()
      .raw(
        '* 7 EXPUNGE\r\n* 1 EXPUNGE\r\n* 0 FETCH (UID 9)\r\n* 0 EXISTS\r\n* 1 FETCH (UID 2 FLAGS () RFC822.SIZE 4)\r\n<tag> OK done\r\n',
      );
    const found = await both.client.fetchAll('1:*', { flags: true, sizeBytes: true });
    expect(found.map((message) => message.uid)).toEqual([2]);
    expect(both.client.mailbox?.anomalies.length).toBeGreaterThanOrEqual(3);
  });

  test('IMAP-25: a change by somebody else does not get into a FETCH', async () => {
    await using both = await pair();
    const events = both.client.events();
    both.server
      .on('UID FETCH')
      .once()
      .raw(
        '* 1 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (FLAGS (\\Flagged))\r\n* 2 FETCH (UID 2 BODY[] {3}\r\nabc)\r\n* 2 FETCH (UID 77 BODY[] {3}\r\nxyz)\r\n<tag> OK done\r\n',
      );
    const found = await both.client.fetchAll(uid(2), { source: true });
    expect(found.map((message) => [message.uid, text(message.source)])).toEqual([[2, 'abc']]);
    expect((await events.next()).value).toMatchObject({ type: 'fetch', message: { sequence: 1, flags: ['\\Seen'] } });
  });

  test('IMAP-26: sections that nobody asked for', async () => {
    await using both = await pair();
    both.server
      .on('UID FETCH')
      .once()
      .raw(
        '* 1 FETCH (UID 1 BODY[2] {3}\r\ntwo BODY[1]<5> {3}\r\none BODY[1] {1}\r\n! RFC822.SIZE 1)\r\n<tag> OK done\r\n',
      );
    const [message] = await both.client.fetchAll(uid(1), { sections: ['1'], sizeBytes: true });
    expect(message?.sections.map((section) => [section.item, section.origin, text(section.bytes)])).toEqual([
      ['BODY[2]', undefined, 'two'],
      ['BODY[1]', 5, 'one'],
      ['BODY[1]', undefined, '!'],
    ]);
    both.server
      .on('UID FETCH')
      .once()
      .raw(
        '* 2 FETCH (UID 2 BODY[] {5}\r\nwrong)\r\n* 1 FETCH (UID 1 BODY[TEXT] {3}\r\nbad BODY[] {5}\r\nright)\r\n<tag> OK done\r\n',
      );
    expect(await (await both.client.download(uid(1))).text()).toBe('right');
  });

  test('IMAP-27: a reset in the middle of a streamed literal', async () => {
    await using both = await pair();
    both.server
      .on('UID FETCH')
      .raw(`* 1 FETCH (UID 1 BODY[] {10000000}\r\n${'x'.repeat(100_000)}`)
      .delay(50)
      .reset();
    const stream = await both.client.download(uid(1));
    await expect(stream.bytes()).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(both.client.noop()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('IMAP-28: a stream that is left, or never read, blocks nobody', async () => {
    await using both = await pair();
    const large = Buffer.alloc(3_000_000, 'x');
    both.server.deliver(Buffer.concat([Buffer.from('Subject: large\r\n\r\n'), large]));
    await both.client.noop();
    const unread = await both.client.download(uid(3));
    await both.client.noop();
    expect((await unread.bytes()).length).toBe(3_000_018);
    await expect(
      (async () => {
        for await (const _ of await both.client.download(uid(3))) throw new Error('mine');
      })(),
    ).rejects.toThrow('mine');
    await both.client.noop().catch((error: unknown) => expect(error).toMatchObject({ code: 'CLOSED' }));
  });

  test('IMAP-28: lent chunks stay as they are while their reader waits for other commands', async () => {
    await using both = await pair();
    const pattern = Buffer.from(
      Array.from({ length: 1_000_000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join(''),
    );
    both.server.deliver(pattern);
    both.server.deliver(Buffer.alloc(1_000_000, '#'));
    await both.client.noop();
    const read: Buffer[] = [];
    await (
      await both.client.download(uid(3))
    ).forEach(async (chunk) => {
      if (read.length === 1) {
        await both.client.noop();
        await (await both.client.download(uid(4))).forEach(() => undefined);
      } else await delay(0);
      read.push(Buffer.from(chunk));
    });
    expect(Buffer.concat(read).equals(pattern)).toBe(true);
    await expect((await both.client.download(uid(3))).forEach(() => Promise.reject(new Error('mine')))).rejects.toThrow(
      'mine',
    );
    await both.client.noop();
  });

  test('IMAP-28: a stream that is too long to be held refuses others at once', async () => {
    await using both = await pair({}, { limits: { messageBytes: 100_000 } });
    both.server.deliver(Buffer.alloc(2_000_000, 'x'));
    await both.client.noop();
    const stream = await both.client.download(uid(3));
    await expect(both.client.noop()).rejects.toThrow(UsageError);
    expect((await stream.bytes()).length).toBe(2_000_000);
    await both.client.noop();
  });

  test('IMAP-29: go-aheads', async () => {
    const capabilities = { 'LITERAL+': false, IMAP4rev2: false };
    await using both = await pair({ capabilities });
    const { client, server } = both;
    server.on('NOOP').once().raw('+ stray\r\n+\r\n<tag> OK\r\n');
    await client.noop();
    server.on('APPEND').once().reply('NO', '[TRYCREATE] no');
    server.push('* OK still here');
    await expect(client.append('none', 'Subject: x\r\n\r\nbody')).rejects.toMatchObject({ code: 'REPLY' });
    await client.noop();
    await using limited = await pair({ capabilities, maxMessageBytes: 10 });
    await limited.client.noop();
    limited.client.capabilities.parameters('APPENDLIMIT');
    await expect(limited.client.append('INBOX', 'Subject: longer than ten\r\n\r\n')).rejects.toMatchObject({
      code: 'LIMIT',
      reusable: true,
    });
    await limited.client.noop();
  });

  test('IMAP-29: a go-ahead that never comes', async () => {
    const { createServer } = await import('node:net');
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write('* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const client = await ImapClient.connect(`imap://127.0.0.1:${port}?tls=none`, { timeouts: { bodyIdleMs: 200 } });
    await expect(client.append('INBOX', 'Subject: x\r\n\r\n')).rejects.toMatchObject({ code: 'TIMEOUT' });
    server.close();
  });

  test('IMAP-30: a source that is shorter or longer than announced, fails, or is aborted', async () => {
    async function* chunks(...parts: (string | Error)[]): AsyncIterable<Uint8Array> {
      for (const part of parts) {
        await delay(0);
        if (part instanceof Error) throw part;
        yield Buffer.from(part);
      }
    }
    for (const parts of [['Subject: x\r\n'], ['Subject: x\r\n', 'y'.repeat(100)], ['Sub', new Error('disk')]]) {
      await using both = await pair();
      await expect(both.client.append('INBOX', chunks(...parts), { sizeBytes: 20 })).rejects.toThrow(
        /of the 20|20 bytes|disk/,
      );
      expect(both.client.connection.open).toBe(false);
      expect(both.server.folder('INBOX')?.messages.length).toBe(2);
    }
    await using both = await pair();
    const controller = new AbortController();
    const appended = both.client.append('INBOX', chunks('Sub', 'ject'), { sizeBytes: 20, signal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(appended).rejects.toThrow(/enough|of the 20/);
    expect(both.server.folder('INBOX')?.messages.length).toBe(2);
  });

  test('IMAP-31: a completion that cannot be read rejects at once', async () => {
    for (const answer of ['<tag> WHAT\r\n', '<tag>\r\n', '<tag> \r\n', '\0\0\r\n']) {
      await using both = await pair();
      both.server.on('NOOP').raw(answer);
      await expect(both.client.noop(), answer).rejects.toThrow(ProtocolError);
    }
    await using both = await pair();
    both.server.on('NOOP').once().raw('<tag> OK\r\n');
    await both.client.noop();
    both.server.on('NOOP').once().raw('<tag> OK [UNCLOSED x\r\n');
    await both.client.noop();
    both.server.on('NOOP').once().raw('<tag> OK done\0\0\r\n');
    await both.client.noop();
  });

  test('IMAP-32: a wrong argument costs its own command alone', async () => {
    await using both = await pair();
    const [bad, first, second] = await Promise.allSettled([
      both.client.store(uid(1), { add: ['a b'] }),
      both.client.noop(),
      both.client.search({}),
    ]);
    expect([bad.status, first.status, second.status]).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  });

  test('IMAP-33: IDLE that ends by itself, is flooded, or never ends', async () => {
    await using both = await pair();
    both.server.on('IDLE').times(2).raw('+ idling\r\n* 3 EXISTS\r\n<tag> OK over\r\n');
    const events = both.client.idle();
    expect((await events.next()).value).toMatchObject({ type: 'exists', count: 3 });
    await both.client.noop();
    await events.return();
    await using flooded = await pair();
    flooded.server.on('IDLE').raw(`+ idling\r\n${'* 1 FETCH (FLAGS (\\Seen))\r\n'.repeat(100_000)}`);
    const flood = flooded.client.idle();
    let heard = 0;
    for await (const event of flood) if (event.type === 'fetch' && ++heard === 5000) break;
    expect(heard).toBe(5000);
    await using stuck = await pair({}, { timeouts: { commandMs: 200 } });
    stuck.server.on('IDLE').raw('+ idling\r\n').silence();
    const waiting = stuck.client.idle();
    const next = waiting.next();
    next.catch(() => undefined);
    await delay(20);
    await expect(stuck.client.noop()).rejects.toMatchObject({
      code: expect.stringMatching(/TIMEOUT|ABORTED/) as unknown,
    });
  });

  test('IMAP-33: IDLE is begun anew before the server would give up', async () => {
    await using both = await pair();
    const events = both.client.idle({ renewMs: 30 });
    const next = events.next();
    const idles = (): number => both.server.transcript.filter((line) => /C: \S+ IDLE/.test(line)).length;
    while (idles() < 3) await delay(10);
    both.server.deliver('Subject: news\r\n\r\n');
    expect((await next).value).toMatchObject({ type: 'exists' });
    await events.return();
    await both.client.noop();
  });

  test('IMAP-34: compression that is attacked', async () => {
    await using early = await pair();
    early.server.on('COMPRESS').inject('* 9 EXISTS\r\n');
    await expect(early.client.compress()).rejects.toThrow(ProtocolError);
    await using garbage = await pair();
    garbage.server.on('COMPRESS').raw('<tag> OK\r\n').delay(30).raw('this is no deflate data at all').silence();
    await garbage.client.compress();
    await expect(garbage.client.noop()).rejects.toMatchObject({ code: 'PROTOCOL', reason: 'DEFLATE' });
    await using bomb = await pair({}, { limits: { lineBytes: 100_000 } });
    const bytes = deflateRawSync(Buffer.alloc(50_000_000, 'x'));
    bomb.server.on('COMPRESS').raw('<tag> OK\r\n').delay(30).raw(bytes).silence();
    await bomb.client.compress();
    await expect(bomb.client.noop()).rejects.toThrow(LimitError);
  });

  test('IMAP-35: NIL and other types where they should not be', async () => {
    await using both = await pair();
    const { client, server } = both;
    server
      .on('LIST')
      .once()
      .raw('* LIST NIL NIL INBOX\r\n* LIST (\\HasNoChildren) "" {3}\r\nabc\r\n* LIST () "/" NIL\r\n<tag> OK\r\n');
    expect((await client.list()).map((mailbox) => [mailbox.name, mailbox.delimiter])).toEqual([
      ['INBOX', null],
      ['abc', null],
      ['', '/'],
    ]);
    server
      .on('UID FETCH')
      .once()
      .raw(
        '* 1 FETCH (UID 1 FLAGS NIL ENVELOPE (NIL NIL NIL (NIL) ((NIL NIL NIL NIL)) "x" (("a" NIL {1}\r\nm "h")) NIL NIL) BODYSTRUCTURE ("text" NIL ("charset") NIL NIL NIL "12" NIL) RFC822.SIZE NIL INTERNALDATE NIL)\r\n* 2 FETCH (UID 2 ENVELOPE NIL BODYSTRUCTURE NIL)\r\n<tag> OK\r\n',
      );
    const [first, second] = await client.fetchAll('1:*', { envelope: true, bodyStructure: true, flags: true });
    expect(first?.envelope).toMatchObject({
      subject: null,
      from: [],
      to: [],
      cc: [{ name: 'a', address: 'm@h' }],
      messageId: null,
    });
    expect(first).toMatchObject({
      flags: [],
      internalDate: null,
      bodyStructure: { type: 'text/plain', sizeBytes: 12 },
    });
    expect(second).toMatchObject({ envelope: null, bodyStructure: null });
    server.on('STATUS').once().raw('* STATUS INBOX (MESSAGES 3 X-NEW (1 2) UIDNEXT 9)\r\n<tag> OK\r\n');
    expect(await client.status('INBOX')).toEqual({ messages: 3, uidNext: 9 });
    server.on('NAMESPACE').once().raw('* NAMESPACE NIL NIL (("#s" NIL "X" ("y")))\r\n<tag> OK\r\n');
    expect(await client.namespace()).toEqual({
      personal: [],
      otherUsers: [],
      shared: [{ prefix: '#s', delimiter: null }],
    });
  });

  test('IMAP-36: names in modified UTF-7', () => {
    for (const [wire, name] of [
      ['~peter/mail/&U,BTFw-/&ZeVnLIqe-', '~peter/mail/台北/日本語'],
      ['&-', '&'],
      ['a&-b', 'a&b'],
      ['&AOk-', 'é'],
    ] as const) {
      expect(decodeUtf7(wire)).toBe(name);
      expect(encodeUtf7(name)).toBe(wire);
    }
    const invalid = ['&', '&AAA-', '&2AA-', '&Jjo!', '&AGEAYg-', 'caf\u00e9', '&AOk', 'a&b', '&&-', '&AOk-&AOk-'];
    const decoded = invalid.map(decodeUtf7);
    expect(new Set(decoded).size).toBe(invalid.length);
    expect(decoded.map(encodeUtf7)).toEqual(invalid);
  });

  test('IMAP-37: the lock of a mailbox', async () => {
    await using both = await pair();
    const { client } = both;
    const first = await client.lock('INBOX');
    let granted = 0;
    const second = client.lock('INBOX').then((lock) => {
      granted++;
      return lock;
    });
    first.release();
    const held = await second;
    first.release();
    const third = client.lock('INBOX').then(() => granted++);
    third.catch(() => undefined);
    await client.noop();
    expect(granted).toBe(1);
    client.destroy();
    await expect(third).rejects.toMatchObject({ code: 'CLOSED' });
    held.release();
  });

  test('IMAP-38: another UIDVALIDITY', async () => {
    await using both = await pair();
    const { client, server } = both;
    const events = client.events();
    const { state } = await client.select('INBOX');
    expect(state.uidValidityChanged).toBe(false);
    server.folder('INBOX')?.bumpUidValidity();
    const again = await client.select('INBOX');
    expect(again.state).toMatchObject({ uidValidityChanged: true, uidValidity: (state.uidValidity as number) + 1 });
    expect((await events.next()).value).toMatchObject({ type: 'uidvalidity', mailbox: 'INBOX' });
    await expect(client.select('INBOX', { uidValidity: state.uidValidity as number })).rejects.toMatchObject({
      reason: 'UIDVALIDITY_CHANGED',
    });
    server.on('SELECT').once().raw('* 1 EXISTS\r\n* NO [UIDNOTSTICKY] x\r\n<tag> OK [READ-WRITE]\r\n');
    expect((await client.select('INBOX')).state.uidsNotSticky).toBe(true);
  });

  test('no secret in transcripts and errors', async () => {
    await using both = await pair();
    expect(both.server.transcript.join('\n')).not.toContain('secret password');
    expect(both.client.connection.transcript.last().join('\n')).not.toContain('secret password');
    await using plain = await fakeImap({ users: { ann: 'secret password' }, capabilities: { 'AUTH=PLAIN': false } });
    await using client = await ImapClient.connect(plain.url);
    expect(client.connection.transcript.last().join('\n')).not.toContain('secret password');
    void [SequenceSet, sequences];
  });
});
