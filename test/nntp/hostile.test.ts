import { createServer } from 'node:net';
import { deflateSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { ClosedError, LimitError, PostwireError, ProtocolError, UsageError } from '../../src/errors.ts';
import { NntpClient, type NntpOptions } from '../../src/nntp/index.ts';
import { type FakeNntp, type FakeNntpOptions, fakeNntp } from '../../src/testing/index.ts';
import { scriptedServer } from '../smtp/scripted-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const articles = [
  'Newsgroups: misc.test\r\nMessage-ID: <1@x>\r\nSubject: one\r\n\r\nfirst\r\n',
  'Newsgroups: misc.test\r\nMessage-ID: <2@x>\r\nSubject: two\r\n\r\n.\r\n..x\r\n',
];
const fake = async (options: FakeNntpOptions = {}): Promise<FakeNntp> => {
  const server = await fakeNntp(options);
  server.store.addGroup('misc.test');
  for (const article of articles) server.store.add(article);
  open.push(server);
  return server;
};
const connected = async (server: FakeNntp, options: NntpOptions = {}): Promise<NntpClient> => {
  const client = await NntpClient.connect(server.url, options);
  open.push({ close: () => client.destroy() });
  return client;
};
/** A server of bytes, without CAPABILITIES, which answers each line with the next step. */
const scripted = async (steps: readonly (string | null)[], options: NntpOptions = {}) => {
  const server = await scriptedServer(['200 hi\r\n', '500 what?\r\n', '200 reader\r\n', ...steps]);
  open.push(server);
  const client = await NntpClient.connect(`nntp://127.0.0.1:${server.port}?tls=none`, options);
  open.push({ close: () => client.destroy() });
  return { server, client };
};
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

describe('hostile callers', () => {
  test('NN-01: nothing leaves for an argument that would end the line, in any verb', async () => {
    const server = await fake();
    const client = await connected(server);
    const before = server.transcript.length;
    const evil = 'x\r\nQUIT';
    const id = '<a@b>\r\nQUIT';
    const calls: (() => Promise<unknown>)[] = [
      () => client.group(evil),
      () => client.group('a b'),
      () => client.listGroup(evil),
      () => client.article(id),
      () => client.body('no-brackets'),
      () => client.head('<a b@c>'),
      () => client.stat(-1),
      () => client.over(id),
      () => client.over({ from: 1.5 }),
      () => client.hdr('Subject\r\nQUIT', 1),
      () => client.hdr('Sub ject', 1),
      () => client.xpat('Subject', 1, [evil]),
      () => client.list(evil),
      () => client.newNews('a b', new Date()),
      () => client.newGroups(new Date(Number.NaN)),
      () => client.check(id),
      () => client.takeThis(id, 'x'),
      () => client.ihave(id, 'x'),
      () => client.command('NOOP', [evil]),
      () => client.fetch([id]).next(),
    ];
    for (const call of calls) expect(await caught((async () => call())())).toBeInstanceOf(UsageError);
    for (const login of [
      { user: evil, password: 'x' },
      { user: 'a', password: evil },
    ])
      await expect(NntpClient.connect(server.url, { ...login, allowInsecureAuth: true }))
        .resolves.toBeDefined()
        .catch(() => undefined);
    await client.date();
    expect(server.transcript.slice(before).filter((line) => line.includes('QUIT'))).toEqual([]);
  });
});

describe('hostile servers', () => {
  test.each([1, 2, 3, 5, 7])('NN-02: dots come back as they went, cut after every %i bytes', async (splitEvery) => {
    const server = await fake({ wire: { splitEvery } });
    const client = await connected(server);
    const article =
      'Newsgroups: misc.test\r\n.Dotted: x\r\nMessage-ID: <d@x>\r\nSubject: d\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n';
    await client.post(article);
    expect(text(server.store.article('<d@x>')?.raw ?? new Uint8Array())).toContain(article);
    expect(text((await client.read('article', '<d@x>')).bytes)).toContain(article);
    expect(text((await client.read('article', '<2@x>')).bytes)).toContain('\r\n\r\n.\r\n..x\r\n');
  });

  test('NN-03: only CRLF.CRLF ends an article', async () => {
    const { client } = await scripted(['220 1 <a@b>\r\nS: x\r\n\r\na\n.\nb\r\n.\nc\n.\r\nd\r\n.\r\n']);
    expect(text((await client.read('article', 1)).bytes)).toBe('S: x\r\n\r\na\n.\nb\r\n\nc\n.\r\nd\r\n');
  });

  test('NN-04: a status of 5 KB, a wrong code, a body that was not asked for', async () => {
    for (const [answer, error] of [
      [`211 ${'x'.repeat(5000)}\r\n`, LimitError],
      ['099 x\r\n', ProtocolError],
      ['abc\r\n', ProtocolError],
      ['224 overview follows\r\n', ProtocolError],
      ['211 1 1 1 g\r\n', undefined],
    ] as const) {
      const { client } = await scripted([answer]);
      if (error === undefined) await client.group('g');
      else {
        expect(await caught(client.group('g'))).toBeInstanceOf(error);
        expect((await client.closed).by).toBe('error');
      }
    }
    const { client } = await scripted(['503 no format\r\n', `224 x\r\n1\t${'s'.repeat(20_000)}\r\n.\r\n`]);
    expect((await client.over(1))[0]?.subject.length).toBe(20_000);
  });

  test('NN-05: an answer to something else closes the connection', async () => {
    for (const [answer, call] of [
      ['220 1 <other@x>\r\nx\r\n.\r\n', (client: NntpClient) => client.read('article', '<a@x>')],
      ['220 7 <a@x>\r\nx\r\n.\r\n', (client: NntpClient) => client.read('article', 5)],
      ['200 hi again\r\n', (client: NntpClient) => client.read('article', 5)],
      ['238 <other@x>\r\n', (client: NntpClient) => client.check('<a@x>')],
      ['220 x\r\n', (client: NntpClient) => client.read('article', 5)],
    ] as const) {
      const { client } = await scripted([answer]);
      expect(await caught(call(client)), answer).toMatchObject({
        code: 'PROTOCOL',
        reason: 'OUT_OF_STEP',
        reusable: false,
      });
      expect(await caught(client.date())).toBeInstanceOf(ClosedError);
    }
  });

  test('NN-05: what nobody asked for is seen before the next command; a 400 is named', async () => {
    const extra = await scripted(['111 20240101000000\r\n220 1 <a@x>\r\n']);
    await extra.client.date();
    expect(await caught(extra.client.date())).toBeInstanceOf(PostwireError);
    expect((await extra.client.closed).error).toMatchObject({ code: 'PROTOCOL', reason: 'OUT_OF_STEP' });
    expect(extra.server.lines.filter((line) => line === 'DATE').length).toBe(1);
    const leave = await scripted(['111 20240101000000\r\n400 idle too long\r\n']);
    await leave.client.date();
    const error = await caught(leave.client.date());
    expect(error).toBeInstanceOf(ClosedError);
    expect(error.message).toContain('400 idle too long');
  });

  test('NN-08: articles without a blank line or a header; groups that make no sense', async () => {
    const { client } = await scripted([
      '220 1 <a@x>\r\nno blank line\r\n.\r\n',
      '220 1 <a@x>\r\n.\r\n',
      '211 -1 5 1 g\r\n',
      '211 5 9 1 g\r\n',
      '211 1 1 18446744073709551616 g\r\n',
    ]);
    expect(text((await client.read('article', 1)).bytes)).toBe('no blank line\r\n');
    expect((await client.read('article', 1)).bytes.length).toBe(0);
    expect(await caught(client.group('g'))).toMatchObject({ code: 'PROTOCOL', reusable: true });
    expect(await client.group('g')).toMatchObject({ count: 0 });
    expect(await caught(client.group('g'))).toMatchObject({ code: 'PROTOCOL' });
  });

  test('an empty range is empty by 423 and by 420; for the current article 420 is an error', async () => {
    const { client } = await scripted([
      '503 no format\r\n',
      '423 none\r\n',
      '420 none\r\n',
      '420 none\r\n',
      '420 none\r\n',
      '420 none\r\n',
    ]);
    expect([await client.over({ from: 1 }), await client.over({ from: 1 }), await client.hdr('Subject', 5)]).toEqual([
      [],
      [],
      [],
    ]);
    expect(await caught(client.over())).toMatchObject({ code: 'REPLY', reply: { code: 420 } });
    expect(await caught(client.hdr('Subject'))).toMatchObject({ code: 'REPLY' });
  });

  test('NN-08: no loop over what a server says is there', async () => {
    const { client } = await scripted([
      '211 9007199254740990 1 9007199254740990 g\r\n',
      '503 no format\r\n',
      '400 enough\r\n',
    ]);
    expect(await caught(client.articles('g').next())).toMatchObject({ code: 'REPLY', temporary: true });
  });
});

describe('login and TLS', () => {
  const users = { ann: 'S3cret-Marker' };
  // The server says nothing of logins before it wants one.
  const hidden = { AUTHINFO: '' };

  test('NN-09: no password over plaintext unless it is allowed', async () => {
    const server = await fake({ users, mechanisms: ['PLAIN'] });
    const target = `nntp://ann:S3cret-Marker@127.0.0.1:${server.port}?tls=none`;
    expect(await caught(NntpClient.connect(target))).toMatchObject({ code: 'AUTH', reason: 'INSECURE_AUTH' });
    expect(server.transcript.join('\n')).not.toMatch(/AUTHINFO (?:USER|PASS|SASL)/);
    const hashed = await fake({ users });
    await using client = await NntpClient.connect(target.replace(String(server.port), String(hashed.port)));
    expect(client.loggedIn).toBe(true);
    expect(hashed.transcript.join('\n')).toContain('AUTHINFO SASL SCRAM');
  });

  test('NN-09: a 480 in mid-session is answered by a login, once, and everything refused is asked again in order', async () => {
    const server = await fake({ users, loginFor: 'none', capabilities: hidden });
    const client = await connected(server, { user: 'ann', password: 'S3cret-Marker', allowInsecureAuth: true });
    expect(client.loggedIn).toBe(false);
    server.on('GROUP').once().reply(480, 'log in first');
    server.on('STAT').times(2).reply(480, 'log in first');
    const [group, one, two] = await Promise.all([client.group('misc.test'), client.stat(1), client.stat(2)]);
    expect([group.high, one.messageId, two.messageId, client.loggedIn]).toEqual([2, '<1@x>', '<2@x>', true]);
    expect(server.transcript.filter((line) => line.includes('AUTHINFO PASS')).length).toBe(1);
    server.on('POST').once().reply(480, 'log in first');
    server.on('AUTHINFO').reply(281, 'again');
    await client.post('Newsgroups: misc.test\r\nMessage-ID: <p@x>\r\nSubject: p\r\n\r\nx\r\n');
    expect(server.store.article('<p@x>')).toBeDefined();
  });

  test('NN-09: a server that goes on asking gets no second login for the same command', async () => {
    const server = await fake({ users, loginFor: 'none', capabilities: hidden });
    const client = await connected(server, { user: 'ann', password: 'S3cret-Marker', allowInsecureAuth: true });
    server.on('GROUP').reply(480, 'log in first');
    expect(await caught(client.group('misc.test'))).toMatchObject({
      code: 'AUTH',
      reason: 'LOGIN_REQUIRED',
      reusable: true,
    });
    expect(server.transcript.filter((line) => line.includes('AUTHINFO PASS')).length).toBe(1);
  });

  test('NN-09: without credentials a 480 says what is missing', async () => {
    const server = await fake({ users });
    const client = await NntpClient.connect(`nntp://127.0.0.1:${server.port}?tls=none`);
    open.push({ close: () => client.destroy() });
    expect(await caught(client.group('misc.test'))).toMatchObject({
      code: 'AUTH',
      reason: 'LOGIN_REQUIRED',
      hint: 'give user and password',
    });
  });

  test.each(['211 1 1 1 x\r\n', '2', '\0'])(
    'NN-09: what is injected behind 382 ends the connection: %j',
    async (evil) => {
      const server = await fake({ tls: 'starttls' });
      server.on('STARTTLS').inject(evil);
      expect(await caught(NntpClient.connect(server.url, { tls: { ca: server.ca as string } }))).toMatchObject({
        reason: 'STARTTLS_INJECTION',
      });
    },
  );

  test('NN-09: without STARTTLS no password leaves; a 483 says what to do', async () => {
    for (const answer of ['580 no\r\n', '502 no\r\n']) {
      const server = await fake({ tls: 'starttls', users });
      server.on('STARTTLS').raw(answer);
      expect(await caught(NntpClient.connect(server.url))).toMatchObject({
        code: 'TLS',
        reason: 'STARTTLS_UNAVAILABLE',
      });
      expect(server.transcript.join('\n')).not.toContain('AUTHINFO');
    }
    const strict = await fake();
    strict.on('GROUP').reply(483, 'encryption required');
    expect((await caught((await connected(strict)).group('misc.test'))).hint).toContain('nntps://');
  });

  test('NN-09: the password shows nowhere', async () => {
    for (const mechanisms of [undefined, ['PLAIN'], ['LOGIN'], ['SCRAM-SHA-256'], ['CRAM-MD5']]) {
      const server = await fake({ users });
      const lines: string[] = [];
      const client = await NntpClient.connect(server.url, {
        ...(mechanisms === undefined ? {} : { mechanisms }),
        trace: (entry) => lines.push(entry.text),
      });
      await client.quit();
      const seen = [...lines, ...server.transcript].join('\n');
      expect(seen).not.toContain('S3cret');
      expect(seen).not.toContain(Buffer.from('\0ann\0S3cret-Marker').toString('base64'));
    }
  });
});

describe('posting', () => {
  const article = 'Newsgroups: misc.test\r\nMessage-ID: <p@x>\r\nSubject: p\r\n\r\nx\r\n';

  test('NN-10: a no in the middle of the upload stops it', async () => {
    const { client } = await scripted(['340 go\r\n441 too large\r\n']);
    let sent = 0;
    const endless = (async function* () {
      for (; sent < 2000; sent++) {
        yield Buffer.alloc(10_000, 'x\r\n');
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const error = await caught(client.post(endless));
    expect(error).toMatchObject({ code: 'REPLY', reply: { code: 441 }, deliveryUnknown: false, reusable: false });
    expect(sent).toBeLessThan(2000);
    expect(await caught(client.date())).toBeInstanceOf(ClosedError);
  });

  test('NN-10: a 340 that never comes, and a 440', async () => {
    const server = await fake({ timeouts: {} });
    const client = await connected(server);
    server.on('POST').once().reply(440, 'not you');
    expect(await caught(client.post(article))).toMatchObject({ code: 'REPLY', reply: { code: 440 }, reusable: true });
    server.on('POST').silence();
    expect(await caught(client.post(article, { timeoutMs: 100 }))).toMatchObject({ code: 'TIMEOUT' });
    expect(server.store.article('<p@x>')).toBeUndefined();
  });

  test.each([
    ['reset', (server: FakeNntp) => server.on('POSTED').reset()],
    ['closed', (server: FakeNntp) => server.on('POSTED').close()],
    ['silent', (server: FakeNntp) => server.on('POSTED').silence()],
  ])('NN-10: the connection is %s behind the article: nobody knows', async (_how, script) => {
    const server = await fake();
    const client = await connected(server);
    script(server);
    expect(await caught(client.post(article, { timeoutMs: 300 }))).toMatchObject({ deliveryUnknown: true });
  });

  test('NN-10: refused, and the connection goes on', async () => {
    const server = await fake();
    const client = await connected(server);
    await client.post(article);
    expect(await caught(client.post(article))).toMatchObject({
      reply: { code: 441 },
      reusable: true,
      deliveryUnknown: false,
    });
    expect((await client.group('misc.test')).high).toBe(3);
    expect(await caught(client.post(''))).toBeInstanceOf(UsageError);
  });
});

describe('compression', () => {
  test('NN-12: data between 206 and the switch, and what is no DEFLATE', async () => {
    const server = await fake();
    server.on('COMPRESS').inject('111 20240101000000\r\n');
    expect(await caught(NntpClient.connect(server.url, { compress: true }))).toMatchObject({ code: 'PROTOCOL' });
    // Whatever comes behind the switch is no DEFLATE.
    const raw = createServer((socket) => {
      const answers = [
        '101 x\r\nVERSION 2\r\nREADER\r\nCOMPRESS DEFLATE\r\n.\r\n',
        '206 go\r\n',
        'what is no DEFLATE at all\r\n',
      ];
      socket.on('error', () => {});
      socket.write('200 hi\r\n');
      socket.on('data', () => socket.write(answers.shift() ?? ''));
    });
    await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
    open.push(raw);
    const { port } = raw.address() as { port: number };
    expect(await caught(NntpClient.connect(`nntp://127.0.0.1:${port}?tls=none`, { compress: true }))).toMatchObject({
      code: 'PROTOCOL',
      reason: 'DEFLATE',
    });
  });

  test('NN-12: a bomb is stopped by what it makes, not by what it is', async () => {
    const server = await fake();
    const big = Buffer.alloc(80 * 1024 * 1024);
    const client = await connected(server);
    await client.xfeatureGzip();
    server
      .on('XOVER')
      .raw(Buffer.concat([Buffer.from('224 x [COMPRESS=GZIP]\r\n'), deflateSync(big), Buffer.from('.\r\n')]));
    server
      .on('OVER')
      .raw(Buffer.concat([Buffer.from('224 x [COMPRESS=GZIP]\r\n'), deflateSync(big), Buffer.from('.\r\n')]));
    await client.group('misc.test');
    expect(await caught(client.over({ from: 1 }))).toBeInstanceOf(LimitError);
    expect((await client.closed).by).toBe('error');
  });

  test('NN-12: XFEATURE GZIP: its end inside or behind; garbage closes', async () => {
    for (const words of [
      ['COMPRESS', 'GZIP'],
      ['COMPRESS', 'GZIP', 'TERMINATOR'],
    ]) {
      const server = await fake();
      const client = await connected(server);
      await client.xfeatureGzip();
      await client.command('XFEATURE', words);
      await client.group('misc.test');
      for (let count = 0; count < 3; count++)
        expect((await client.over({ from: 1 })).map((entry) => entry.messageId)).toEqual(['<1@x>', '<2@x>']);
      expect(await client.hdr('Subject', { from: 1 })).toEqual([
        { number: 1, value: 'one' },
        { number: 2, value: 'two' },
      ]);
      await client.date();
      server.on('OVER').raw('224 x [COMPRESS=GZIP]\r\nthis is no zlib stream at all\r\n.\r\n');
      expect(await caught(client.over({ from: 1 }))).toMatchObject({ code: 'PROTOCOL', reason: 'DEFLATE' });
      expect((await client.closed).by).toBe('error');
    }
  });

  test('XFEATURE GZIP: its end both inside and behind', async () => {
    const server = await fake();
    const client = await connected(server);
    await client.xfeatureGzip();
    await client.group('misc.test');
    const packed = deflateSync(Buffer.from('1\tone\t\t\t<1@x>\r\n.\r\n'));
    server.on('OVER').raw(Buffer.concat([Buffer.from('224 x [COMPRESS=GZIP]\r\n'), packed, Buffer.from('.\r\n')]));
    for (let count = 0; count < 2; count++) expect((await client.over(1))[0]?.messageId).toBe('<1@x>');
    await client.date();
  });

  test('NN-12: XZVER, and what is damaged in it', async () => {
    const server = await fake();
    const client = await connected(server);
    await client.group('misc.test');
    expect((await client.xzver({ from: 1 })).map((entry) => entry.subject)).toEqual(['one', 'two']);
    for (const body of ['nothing\r\n', '=ybegin line=128 size=3 name=x\r\nabc\r\n=yend size=3\r\n']) {
      server.on('XZVER').once().raw(`224 x\r\n${body}.\r\n`);
      expect(await caught(client.xzver({ from: 1 }))).toMatchObject({ code: 'PROTOCOL' });
    }
    await client.date();
  });
});

describe('nothing hangs', () => {
  test('a command while an article is streamed is refused at once; giving it up keeps the connection', async () => {
    const server = await fake();
    const client = await connected(server);
    await client.group('misc.test');
    const { stream } = await client.article(1);
    for (const attempt of [() => client.date(), () => client.article(2), () => client.post('x'), () => client.over(1)])
      expect(await caught((async () => attempt())())).toBeInstanceOf(UsageError);
    for await (const _chunk of stream) break;
    await client.date();
    expect(text(await (await client.body(1)).stream.bytes())).toBe('first\r\n');
  });

  test('an article that breaks off is never whole', async () => {
    const server = await fake();
    const client = await connected(server);
    await client.group('misc.test');
    server.on('ARTICLE').afterBytes(5).once().close();
    expect(await caught(client.read('article', 1))).toBeInstanceOf(ClosedError);
    const again = await connected(server);
    server.on('BODY').afterBytes(2).once().reset();
    expect(await caught((async () => (await again.body('<1@x>')).stream.bytes())())).toBeInstanceOf(PostwireError);
  });

  test('an abort before it is sent drops the command; afterwards it closes the connection', async () => {
    const server = await fake();
    const client = await connected(server);
    const reason = new Error('enough');
    expect(await caught(client.date({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    await client.date();
    server.on('DATE').silence();
    const controller = new AbortController();
    const waiting = caught(client.date({ signal: controller.signal }));
    const behind = caught(client.group('misc.test'));
    setImmediate(() => controller.abort(reason));
    expect(await waiting).toBe(reason);
    expect(await behind).toBeInstanceOf(PostwireError);
  });

  test('a loop over articles that is left early keeps the connection', async () => {
    const server = await fake();
    for (let count = 3; count < 200; count++)
      server.store.add(`Newsgroups: misc.test\r\nMessage-ID: <${count}@x>\r\nSubject: s\r\n\r\n${'x'.repeat(500)}\r\n`);
    server.store.addGroup('other.test');
    const client = await connected(server);
    for await (const _each of client.articles('misc.test')) break;
    expect((await client.group('misc.test')).high).toBe(199);
    const numbers: number[] = [];
    // Another group inside the loop does not lead it astray.
    for await (const { number, overview, bytes } of client.articles('misc.test')) {
      numbers.push(number);
      expect(text(bytes as Uint8Array)).toContain(`Message-ID: ${overview.messageId}`);
      if (number % 7 === 0) await client.group('other.test');
    }
    expect(numbers).toEqual(Array.from({ length: 199 }, (_, index) => index + 1));
  });

  test('a cursor of another server is told', async () => {
    const server = await fake();
    const client = await connected(server);
    const { NntpCursor } = await import('../../src/nntp/index.ts');
    const cursor = new NntpCursor('misc.test 5000\n');
    expect(await caught(client.articles('misc.test', { cursor }).next())).toMatchObject({ reason: 'RENUMBERED' });
    expect(() => new NntpCursor('a b c\n')).toThrow(/line 1/);
  });
});
