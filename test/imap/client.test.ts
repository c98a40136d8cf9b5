import { expect, test } from 'vitest';
import { UnsupportedError, UsageError } from '../../src/errors.ts';
import {
  type FetchedMessage,
  ImapClient,
  getJmapAccess,
  type ImapOptions,
  type Uid,
  sequences,
  uid,
} from '../../src/imap/index.ts';
import { type FakeImap, type FakeImapOptions, fakeImap, fakeMailHost } from '../../src/testing/index.ts';
import { imapMessages } from '../suites/imap.ts';

const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('latin1');

async function pair(
  options: FakeImapOptions = {},
  client: ImapOptions = {},
): Promise<{ server: FakeImap; client: ImapClient } & AsyncDisposable> {
  const server = await fakeImap({ users: { ann: 'pw' }, ...options });
  for (const message of imapMessages.slice(0, 3)) server.deliver(Buffer.from(message, 'utf8'));
  const connected = await ImapClient.connect(server.url, client);
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

/** A server that offers no more than these. */
const only = (...capabilities: string[]): FakeImapOptions => ({
  greeting: `* OK [CAPABILITY IMAP4rev1 ${capabilities.join(' ')}] hi`,
  capabilities: Object.fromEntries(
    [
      'IMAP4rev2',
      'MOVE',
      'UIDPLUS',
      'SORT',
      'THREAD=REFERENCES',
      'THREAD=ORDEREDSUBJECT',
      'ESEARCH',
      'LIST-EXTENDED',
      'SPECIAL-USE',
      'UNSELECT',
      'IDLE',
      'LITERAL+',
      'LIST-STATUS',
      'CONDSTORE',
      'QRESYNC',
      'COMPRESS=DEFLATE',
    ].map((name) => [name, capabilities.includes(name)]),
  ),
});

test('independent commands travel together; ambiguous ones wait', async () => {
  await using both = await pair();
  const { client, server } = both;
  server.reset();
  await Promise.all([
    client.noop(),
    client.status('INBOX'),
    client.list(),
    client.search({}),
    client.search({ seen: true }),
  ]);
  const lines = client.connection.transcript.last(24);
  const from = lines.findIndex((line) => line.endsWith(' NOOP'));
  const verbs = lines.slice(from).filter((line) => line.startsWith('C:') || /^S: \S+ OK/.test(line));
  // Four leave before the first is answered; the second search waits for the answer of the first.
  const answered = verbs.findIndex((line) => line.startsWith('S:'));
  expect(verbs.slice(0, answered).map((line) => line.split(' ')[2])).toEqual(['NOOP', 'STATUS', 'LIST', 'UID']);
  const searches = verbs.map((line, index) => (/UID SEARCH/.test(line) ? index : -1)).filter((index) => index >= 0);
  expect(searches.length).toBe(2);
  expect(searches[1]).toBeGreaterThan(answered);
});

test('a FETCH by sequence number waits for what could renumber; by disjoint UIDs none waits', async () => {
  await using both = await pair();
  const { client } = both;
  const answers = await Promise.all([
    client.noop(),
    client.fetchAll(sequences(1), { flags: true }),
    client.fetchAll(uid(1), { envelope: true }),
    client.fetchAll(uid(2), { envelope: true }),
  ]);
  expect(answers.slice(1).map((found) => (found as readonly FetchedMessage[])[0]?.uid)).toEqual([1, 1, 2]);
  const lines = client.connection.transcript.last(60);
  const at = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line));
  expect(at(/C: \S+ FETCH 1/)).toBeGreaterThan(at(/S: \S+ OK/));
  expect(at(/C: \S+ UID FETCH 2/)).toBeGreaterThan(-1);
});

test('without MOVE and UIDPLUS exactly the named messages go, and the result says how', async () => {
  for (const [capabilities, way] of [
    [['UIDPLUS'], 'COPY+UID EXPUNGE'],
    [[], 'COPY+EXPUNGE'],
  ] as const) {
    await using both = await pair(only(...capabilities));
    const { client, server } = both;
    await client.store(uid(3), { add: ['\\Deleted'] });
    expect(await client.move(sequences(1), 'Archive')).toMatchObject({ way });
    expect(server.folder('INBOX')?.messages.map((message) => [message.uid, message.flags.has('\\Deleted')])).toEqual([
      [2, false],
      [3, true],
    ]);
    expect(server.folder('Archive')?.messages.length).toBe(1);
    expect(await client.expunge(uid(3))).toBe(way.slice(5));
    await client.store(uid(2), { add: ['\\Deleted'] });
    await client.unselect();
    expect(server.folder('INBOX')?.messages.length).toBe(1);
  }
});

test('without SORT and THREAD both are done here, with the same result', async () => {
  await using server = await pair();
  await using plain = await pair(only());
  for (const keys of [['subject'], ['-date'], ['from', 'sizeBytes'], ['-arrival', 'to']] as const) {
    const [there, here] = [await server.client.sort(keys), await plain.client.sort(keys)];
    expect([there.by, here.by]).toEqual(['server', 'client']);
    expect(here.uids).toEqual(there.uids);
  }
  for (const algorithm of ['REFERENCES', 'ORDEREDSUBJECT'] as const) {
    const here = await plain.client.thread({}, algorithm);
    expect(here).toEqual({ threads: (await server.client.thread({}, algorithm)).threads, by: 'client' });
  }
  await expect(plain.client.thread({}, 'REFS')).rejects.toThrow(UnsupportedError);
});

test('a server with nothing but IMAP4rev1: lists, counts, searches, waits', async () => {
  await using both = await pair(only());
  const { client, server } = both;
  const listed = await client.list('*', { status: ['messages'] });
  expect(listed.find((mailbox) => mailbox.name === 'INBOX')?.status).toEqual({ messages: 3 });
  expect((await client.list('*', { subscribed: true })).length).toBe(6);
  expect(await client.search({ subject: 'parts' })).toMatchObject({ count: 1, min: 3, max: 3 });
  await expect(client.search({}, { save: true })).rejects.toThrow(UnsupportedError);
  await expect(client.compress()).rejects.toThrow(UnsupportedError);
  const events = client.idle({ pollMs: 10 });
  const next = events.next();
  server.deliver('Subject: polled\r\n\r\n');
  expect((await next).value).toMatchObject({ type: 'exists', count: 4 });
  await events.return();
  expect((await client.append('INBOX', 'Subject: slow\r\n\r\n')).uid).toBeUndefined();
  expect(server.folder('INBOX')?.messages.length).toBe(5);
});

test('quota, rights, annotations', async () => {
  await using both = await pair({ quotaBytes: 100 * 1024 });
  const { client } = both;
  expect(await client.getQuotaRoot('INBOX')).toMatchObject([
    { root: '', resources: [{ name: 'STORAGE', limit: 100 }] },
  ]);
  expect(await client.setQuota('', { STORAGE: 1 })).toMatchObject({ resources: [{ limit: 1 }] });
  await expect(client.append('INBOX', 'x'.repeat(2000))).rejects.toMatchObject({ code: 'REPLY', reason: 'OVERQUOTA' });
  expect((await client.getQuota('')).resources[0]?.limit).toBe(1);
  await client.setAcl('INBOX', 'bob', 'lr');
  await client.setAcl('INBOX', 'bob', '+s');
  expect((await client.getAcl('INBOX')).get('bob')).toBe('lrs');
  expect(await client.myRights('INBOX')).toContain('l');
  expect((await client.listRights('INBOX', 'bob')).optional).toContain('w');
  await client.deleteAcl('INBOX', 'bob');
  expect((await client.getAcl('INBOX')).has('bob')).toBe(false);
  expect((await client.list('INBOX', { rights: true }))[0]?.rights).toContain('l');
  await client.setMetadata('INBOX', { '/private/comment': 'größe\r\nzwei', '/shared/comment': 'x' });
  expect(await client.getMetadata('INBOX', ['/private/comment', '/none'])).toEqual(
    new Map([
      ['/private/comment', 'größe\r\nzwei'],
      ['/none', null],
    ]),
  );
  await client.setMetadata('', { '/shared/admin': 'mailto:x@example.com' });
  expect(
    (await client.getMetadata('', ['/shared/admin'], { maxBytes: 1000, depth: 'infinity' })).get('/shared/admin'),
  ).toBe('mailto:x@example.com');
});

test('parts of results, previews, ids, replaced messages, other users', async () => {
  await using both = await pair();
  const { client, server } = both;
  expect([...(await client.search({}, { partial: [-1, -2] })).uids]).toEqual([2, 3]);
  expect((await client.fetchAll('1:*', { flags: true, partial: [1, 2] })).map((message) => message.uid)).toEqual([
    1, 2,
  ]);
  const message = await client.fetchOne(uid(1), { preview: true, objectIds: true, saveDate: true, modSeq: true });
  expect(message).toMatchObject({
    preview: 'Hello Joe, do you think we can meet?',
    emailId: expect.any(String) as unknown,
    threadId: null,
    modSeq: expect.any(BigInt) as unknown,
  });
  expect(message?.saveDate).toBeInstanceOf(Date);
  expect([...(await client.search({ emailId: message?.emailId ?? '', youngerSeconds: 3600 })).uids]).toEqual([1]);
  const replaced = await client.replace(uid(1), 'INBOX', 'Subject: better\r\n\r\n', { flags: ['\\Seen'] });
  expect(replaced.uid).toBe(4);
  expect(client.mailbox?.exists).toBe(3);
  await client.create('Outgoing', { specialUse: 'sent' });
  expect(server.folder('Outgoing')?.specialUse).toBe('\\Sent');
  await client.unauthenticate();
  await expect(client.select('INBOX')).rejects.toThrow(UsageError);
  await client.login({ user: 'ann', password: 'pw' });
  expect((await client.select('INBOX')).state.exists).toBe(3);
});

test('UTF8=ACCEPT and IMAP4rev2: names and strings as they are', async () => {
  for (const extension of ['UTF8=ACCEPT', 'IMAP4rev2']) {
    await using both = await pair({}, { enable: [extension] });
    const { client, server } = both;
    expect([...client.enabled]).toEqual([extension.toUpperCase()]);
    await client.create('Größe & 台北');
    expect(server.folder('Größe & 台北')).toBeDefined();
    expect((await client.list()).map((mailbox) => mailbox.name)).toContain('Größe & 台北');
    expect([...(await client.search({ subject: 'Montréal' })).uids]).toEqual([2]);
    expect(server.transcript.some((line) => line.includes('SUBJECT "Montréal"'))).toBe(true);
  }
});

test('what the fake does not do is written as the RFCs have it, and its answers are read', async () => {
  const extra = [
    'NOTIFY',
    'LANGUAGE',
    'I18NLEVEL=2',
    'URLAUTH',
    'CATENATE',
    'MULTISEARCH',
    'CONTEXT=SEARCH',
    'X-GM-EXT-1',
  ];
  await using both = await pair({ capabilities: Object.fromEntries(extra.map((name) => [name, true])) });
  const { client, server } = both;
  const last = (): string =>
    server.transcript
      .filter((line) => line.startsWith('C:'))
      .at(-1)
      ?.replace(/^C: \S+ /, '') ?? '';
  const answer = (verb: string, data: string): void =>
    void server
      .on(verb)
      .once()
      .raw(`${data}${data === '' ? '' : '\r\n'}<tag> OK done\r\n`);
  answer('NOTIFY', '');
  await client.notify(
    [
      { of: 'selected', events: ['MessageNew', 'MessageExpunge'] },
      { of: { subtree: ['Lists'] }, events: [] },
    ],
    { status: true },
  );
  expect(last()).toBe('NOTIFY SET STATUS (SELECTED (MessageNew MessageExpunge)) (SUBTREE (Lists) NONE)');
  answer('NOTIFY', '');
  await client.notify(null);
  expect(last()).toBe('NOTIFY NONE');
  answer('LANGUAGE', '* LANGUAGE (de "fr")');
  expect(await client.language()).toEqual(['de', 'fr']);
  answer('COMPARATOR', '* COMPARATOR i;unicode-casemap');
  expect(await client.comparator(['i;unicode-casemap'])).toBe('i;unicode-casemap');
  answer('GENURLAUTH', '* GENURLAUTH "imap://x/1;urlauth=submit+a:internal:91"');
  expect(await client.generateUrlAuth(['imap://x/1;urlauth=submit+a'])).toEqual([
    'imap://x/1;urlauth=submit+a:internal:91',
  ]);
  answer('RESETKEY', '');
  await client.resetKey('INBOX');
  answer('URLFETCH', '* URLFETCH imap://x/1 {5}\r\nhello imap://x/2 NIL');
  expect(
    [...(await client.urlFetch(['imap://x/1', 'imap://x/2']))].map(([url, bytes]) => [
      url,
      bytes === null ? null : text(bytes),
    ]),
  ).toEqual([
    ['imap://x/1', 'hello'],
    ['imap://x/2', null],
  ]);
  server.on('APPEND').once().raw('<tag> OK [APPENDUID 9 44] done\r\n');
  expect(await client.catenate('Drafts', [{ url: '/INBOX;UID=1' }, { text: Buffer.from('tail') }])).toMatchObject({
    uid: 44,
    uidValidity: 9,
  });
  expect(
    server.transcript.some(
      (line) =>
        line.includes('APPEND Drafts CATENATE (URL "/INBOX;UID=1" TEXT {4+}') ||
        line.includes('APPEND Drafts CATENATE (URL /INBOX;UID=1 TEXT {4+}'),
    ),
  ).toBe(true);
  answer(
    'ESEARCH',
    '* ESEARCH (TAG "<tag>" MAILBOX "A" UIDVALIDITY 7) UID ALL 1:2\r\n* ESEARCH (TAG "other" MAILBOX "B") UID ALL 9',
  );
  expect(
    (await client.multiSearch(['inboxes', { mailboxes: ['A'] }], { seen: false })).map((each) => [
      each.mailbox,
      each.uidValidity,
      String(each.uids),
    ]),
  ).toEqual([['A', 7, '1:2']]);
  expect(last()).toBe('ESEARCH IN (INBOXES mailboxes (A)) RETURN (ALL) UNSEEN');
  answer('UID SEARCH', '* ESEARCH (TAG "<tag>") UID PARTIAL (1:2 4,9) COUNT 7');
  const found = await client.search({ gmailRaw: 'has:attachment' }, { partial: [1, 2], update: true });
  expect([String(found.uids), found.count]).toEqual(['4,9', 7]);
  answer('CANCELUPDATE', '');
  await client.cancelUpdate([found.tag]);
  expect(last()).toBe(`CANCELUPDATE "${found.tag}"`);
});

test('XLIST, MYRIGHTS, METADATA and STATUS=SIZE in lists, SAVEDATE, REPLACE, ESORT, MESSAGELIMIT', async () => {
  await using old = await pair({ capabilities: { ...only().capabilities, XLIST: true } });
  old.server
    .on('XLIST')
    .once()
    .raw('* XLIST (\\HasNoChildren \\AllMail) "/" "[Gmail]/All"\r\n* XLIST (\\Inbox) "/" INBOX\r\n<tag> OK done\r\n');
  expect((await old.client.list()).map(({ name, specialUse }) => [name, specialUse])).toEqual([
    ['[Gmail]/All', 'all'],
    ['INBOX', undefined],
  ]);
  const extra = [
    'LIST-MYRIGHTS',
    'LIST-METADATA',
    'STATUS=SIZE',
    'SAVEDATE',
    'REPLACE',
    'ESORT',
    'SORT',
    'MESSAGELIMIT=1000',
  ];
  await using both = await pair({ capabilities: Object.fromEntries(extra.map((name) => [name, true])) });
  const { client, server } = both;
  const last = (): string =>
    server.transcript
      .filter((line) => line.startsWith('C:'))
      .at(-1)
      ?.replace(/^C: \S+ /, '') ?? '';
  server
    .on('LIST')
    .once()
    .raw(
      '* LIST (\\HasNoChildren) "/" A\r\n* MYRIGHTS A lrs\r\n* METADATA A (/shared/comment "hi" /private/x NIL)\r\n* STATUS A (MESSAGES 2 SIZE 17)\r\n<tag> OK done\r\n',
    );
  const [listed] = await client.list('*', {
    rights: true,
    metadata: ['/shared/comment', '/private/x'],
    status: ['messages', 'sizeBytes'],
  });
  expect(listed).toMatchObject({ name: 'A', rights: 'lrs', status: { messages: 2, sizeBytes: 17 } });
  expect([...(listed?.metadata ?? [])]).toEqual([
    ['/shared/comment', 'hi'],
    ['/private/x', null],
  ]);
  expect(last()).toMatch(
    /RETURN \(.*STATUS \(MESSAGES SIZE\) MYRIGHTS METADATA \("?\/shared\/comment"? "?\/private\/x"?\)\)$/,
  );
  server
    .on('FETCH')
    .once()
    .raw(
      '* 1 FETCH (UID 1 SAVEDATE "01-Jan-2024 10:00:00 +0000")\r\n* 2 FETCH (UID 2 SAVEDATE NIL)\r\n<tag> OK done\r\n',
    );
  const dates = await client.fetchAll(sequences('1:2'), { saveDate: true });
  expect(dates).toMatchObject([{ saveDate: new Date('2024-01-01T10:00:00Z') }, { saveDate: null }]);
  expect(last()).toMatch(/SAVEDATE/);
  server.on('UID REPLACE').once().raw('* OK [APPENDUID 7 9] new\r\n* 1 EXPUNGE\r\n<tag> OK done\r\n');
  expect(await client.replace(uid(1), 'INBOX', 'Subject: x\r\n\r\n')).toMatchObject({ uid: 9, uidValidity: 7 });
  server.on('UID SORT').once().raw('* ESEARCH (TAG "<tag>") UID ALL 3,2,5 COUNT 3\r\n<tag> OK done\r\n');
  expect((await client.sort(['subject'])).uids.map(Number)).toEqual([3, 2, 5]);
  server.on('UID COPY').once().raw('<tag> NO [MESSAGELIMIT 1000] too many\r\n');
  await expect(client.copy(uid(1), 'Trash')).rejects.toMatchObject({
    responseCode: { name: 'MESSAGELIMIT', limit: 1000 },
  });
});

test.each([
  { MOVE: false, IMAP4rev2: false },
  { MOVE: false, UIDPLUS: false, IMAP4rev2: false },
])('a move in steps stops where another mailbox was selected meanwhile: %j', async (capabilities) => {
  await using both = await pair({ capabilities });
  const { client, server } = both;
  await client.append('Sent', 'Subject: keep\r\n\r\nx\r\n');
  const [moved, selected] = await Promise.allSettled([client.move(uid(1), 'Archive'), client.select('Sent')]);
  expect(selected.status).toBe('fulfilled');
  expect(moved).toMatchObject({ status: 'rejected', reason: expect.any(UsageError) as unknown });
  // Nothing of the other mailbox was marked, or removed.
  expect(server.folder('Sent')?.messages.length).toBe(1);
  expect(
    (await client.fetchAll(sequences('1:*'), { flags: true })).map(({ flags }) => [...(flags ?? [])]),
  ).not.toContainEqual(expect.arrayContaining(['\\Deleted']));
  const [sorted] = await Promise.allSettled([client.sort(['subject'])]);
  expect(sorted.status).toBe('fulfilled');
});

test('IMAP-01 NUL in the name of a mailbox is refused, not encoded', async () => {
  await using both = await pair();
  await expect(both.client.select('a\0b')).rejects.toThrow(/NUL/);
  await expect(both.client.create('a\0b')).rejects.toThrow(/NUL/);
});

test('UNAUTHENTICATE gives the connection to another user', async () => {
  await using both = await pair({ users: { ann: 'pw', bob: 'pw' }, capabilities: { UNAUTHENTICATE: true } });
  both.server.on('UNAUTHENTICATE').once().raw('<tag> OK done\r\n');
  await both.client.unauthenticate();
  expect(both.client.mailbox).toBeUndefined();
});

test('a command that the client has no method for is run as it is', async () => {
  await using both = await pair({ capabilities: { JMAPACCESS: true } });
  both.server
    .on('GETJMAPACCESS')
    .once()
    .raw('* JMAPACCESS "https://example.com/.well-known/jmap"\r\n<tag> OK done\r\n');
  expect(await both.client.run(getJmapAccess())).toBe('https://example.com/.well-known/jmap');
});

test('Gmail: labels, ids, XLIST; Exchange: STORE without UIDs', async () => {
  await using gmail = await pair({ profile: 'gmail' });
  const { client } = gmail;
  expect((await client.list()).find((mailbox) => mailbox.specialUse === 'all')?.name).toBe('[Gmail]/All Mail');
  await client.store(uid(1), { add: ['Work items', 'ü'], labels: true });
  expect((await client.fetchOne(uid(1), { gmail: true }))?.gmail).toMatchObject({
    labels: ['Work items', 'ü'],
    threadId: expect.any(String) as unknown,
  });
  await using exchange = await pair({ profile: 'exchange' });
  expect((await exchange.client.store(uid(2), { add: ['\\Seen'] })).messages).toMatchObject([
    { sequence: 2, uid: undefined },
  ]);
  await using dovecot = await pair({ profile: 'dovecot' });
  expect((await dovecot.client.namespace()).personal).toEqual([{ prefix: '', delimiter: '.' }]);
});

test('UIDONLY, referrals, progress, typed codes', async () => {
  await using both = await pair({
    ...only('MAILBOX-REFERRALS'),
    capabilities: { ...only().capabilities, 'MAILBOX-REFERRALS': true },
  });
  const { client, server } = both;
  server.on('UID FETCH').once().raw('* 2 UIDFETCH (FLAGS (\\Seen))\r\n<tag> OK done\r\n');
  expect(await client.fetchAll('1:*', { flags: true })).toMatchObject([{ sequence: 0, uid: 2, flags: ['\\Seen'] }]);
  server.on('RLIST').once().raw('* LIST () "/" far\r\n<tag> OK done\r\n');
  expect((await client.list('*', { remote: true })).map((mailbox) => mailbox.name)).toEqual(['far']);
  server.on('SELECT').once().reply('NO', '[REFERRAL imap://other.example/far] elsewhere');
  await expect(client.select('far')).rejects.toMatchObject({
    responseCode: { name: 'REFERRAL', urls: ['imap://other.example/far'] },
  });
  const events = client.events();
  server.on('NOOP').once().raw('* OK [INPROGRESS ("A" 3 10)] working\r\n<tag> OK\r\n');
  await client.noop();
  expect((await events.next()).value).toMatchObject({
    type: 'status',
    code: { name: 'INPROGRESS', done: 3, goal: 10 },
  });
});

test('BADCHARSET is an error, not an empty result', async () => {
  await using both = await pair();
  both.server.on('UID SEARCH').once().reply('NO', '[BADCHARSET (US-ASCII)] unknown');
  await expect(both.client.search({ subject: 'é' })).rejects.toMatchObject({ code: 'REPLY', reason: 'BADCHARSET' });
});

test('events: pushed lines, new mail over SMTP, BYE', async () => {
  await using host = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  const client = await ImapClient.connect(host.imap.url);
  await client.select('INBOX');
  const idle = client.idle();
  const first = idle.next();
  while (!host.imap.transcript.some((line) => line.endsWith(' IDLE')))
    await new Promise((resolve) => setImmediate(resolve));
  host.store.add({
    envelope: { from: 'b@c.example', to: ['ann@example.com'], parameters: new Map() },
    raw: Buffer.from('Subject: x\r\n\r\n'),
    receivedAt: new Date(),
    secure: false,
    user: undefined,
  });
  expect((await first).value).toMatchObject({ type: 'exists', count: 1, previous: 0 });
  const events = client.events();
  host.imap.push('* OK [ALERT] disk is full');
  expect((await events.next()).value).toEqual({ type: 'alert', text: 'disk is full' });
  await host.imap.bye('maintenance');
  expect((await events.next()).value).toMatchObject({ type: 'status', status: 'BYE', text: 'maintenance' });
  expect((await events.next()).done).toBe(true);
  await expect(client.noop()).rejects.toMatchObject({ code: 'CLOSED' });
  expect((await client.closed).by).toBe('error');
});

test('what is read by POP3 and IMAP is the same; what one deletes is gone for the other', async () => {
  await using host = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  host.imap.deliver('Subject: shared\r\n\r\n');
  await using client = await ImapClient.connect(host.imap.url);
  await client.append('INBOX', 'Subject: appended\r\n\r\n');
  expect(host.store.inbox('ann@example.com').length).toBe(2);
  await client.select('INBOX');
  await client.store(uid(1), { add: ['\\Deleted'] });
  await client.expunge();
  expect((await client.fetchAll('1:*', { envelope: true })).map((message) => message.envelope?.subject)).toEqual([
    'appended',
  ]);
});

test('a target: URL with a mailbox, object, mistakes', async () => {
  await using server = await fakeImap({ users: { ann: 'pw' } });
  await using client = await ImapClient.connect(server.url.replace('?', '/Sent%20Items?'));
  expect(client.targetMailbox).toBe('Sent Items');
  await using second = await ImapClient.connect({
    host: server.host,
    port: server.port,
    tls: 'none',
    user: 'ann',
    password: 'pw',
    allowInsecureAuth: true,
    clientId: { name: 'test' },
  });
  expect(second.state).toBe('authenticated');
  await expect(ImapClient.connect(undefined)).rejects.toThrow(UsageError);
  await expect(ImapClient.connect(server.url, { compres: true } as never)).rejects.toThrow(/did you mean compress/);
  await expect(
    ImapClient.connect(`imap://ann:pw@${server.host}:${server.port}?tls=none`, { mechanisms: ['PLAIN'] }),
  ).rejects.toMatchObject({
    code: 'AUTH',
    reason: 'INSECURE_AUTH',
  });
  await expect(client.download('1:2')).rejects.toThrow(UsageError);
  void (uid(1) satisfies Uid);
});
