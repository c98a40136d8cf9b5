import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LimitError, ReplyError, UnsupportedError, UsageError } from '../../src/errors.ts';
import { type OpenOptions, OpenedUrl, open } from '../../src/open/index.ts';
import { ByteStream } from '../../src/wire/byte-stream.ts';
import { fakeFtp, fakeGopher, fakeHttp, fakeImap, fakeNntp, fakePop3 } from '../../src/testing/index.ts';

const users = { ann: 'pass word' };
/** Larger than what the kernel's buffers and the client's take in without a reader. */
const lines = `${'0123456789'.repeat(7)}\r\n`.repeat(200_000);
const message = `Subject: large\r\nMessage-ID: <big@x>\r\nNewsgroups: misc.test\r\nFrom: a@x\r\n\r\n${lines}`;

interface Place {
  /** The document of the suite. */
  readonly url: string;
  readonly missing: string;
  readonly options: OpenOptions;
  readonly expected: string;
  readonly type: string;
  readonly size: number | undefined;
  connections(): number;
  close(): unknown;
}

/** A server's URL with a path put before its query. */
function at(server: string, path: string): string {
  const [place, query] = server.split('?', 2) as [string, string?];
  return `${place}/${path}${query === undefined ? '' : `?${query}`}`;
}

const places: Record<string, () => Promise<Place>> = {
  'https:': async () => {
    const server = await fakeHttp({
      tls: 'implicit',
      routes: { '/a': { headers: { 'Content-Type': 'text/plain' }, body: lines } },
    });
    const common = { options: { tls: { ca: server.ca } }, expected: lines, type: 'text/plain', size: lines.length };
    return { ...common, ...watch(server), url: `${server.url}/a`, missing: `${server.url}/none` };
  },
  'ftp:': async () => {
    const server = await fakeFtp({ users });
    server.files.write('/dir/a file.txt', lines);
    const common = { options: {}, expected: lines, type: 'text/plain', size: lines.length };
    return {
      ...common,
      ...watch(server),
      url: at(server.url, 'dir/a%20file.txt;type=i'),
      missing: at(server.url, 'none'),
    };
  },
  'ftps:': async () => {
    const server = await fakeFtp({ users, tls: 'implicit', features: { MLST: false } });
    server.files.write('/a.bin', lines);
    const common = {
      options: { tls: { ca: server.ca } },
      expected: lines,
      type: 'application/octet-stream',
      size: lines.length,
    };
    return { ...common, ...watch(server), url: at(server.url, 'a.bin'), missing: at(server.url, 'none') };
  },
  'pop3:': async () => {
    const server = await fakePop3({ users });
    server.store.add({
      envelope: { from: 'b@x', to: ['ann'], parameters: new Map() },
      raw: Buffer.from(message),
      receivedAt: new Date(),
    } as never);
    const common = { options: {}, expected: message, type: 'message/rfc822', size: undefined };
    return { ...common, ...watch(server), url: at(server.url, '1'), missing: at(server.url, '9') };
  },
  'imap:': async () => {
    const server = await fakeImap({ users });
    server.deliver(message);
    const common = { options: {}, expected: message, type: 'message/rfc822', size: message.length };
    return {
      ...common,
      ...watch(server),
      url: at(server.url, 'INBOX/;UID=1'),
      missing: at(server.url, 'INBOX/;UID=77'),
    };
  },
  'gopher:': async () => {
    const server = await fakeGopher({ files: { '/a.txt': lines } });
    const common = { options: {}, expected: lines, type: 'text/plain', size: undefined };
    return { ...common, ...watch(server), url: `${server.url}/0/a.txt`, missing: 'gopher://127.0.0.1:1/9/x' };
  },
  'nntp:': async () => {
    const server = await fakeNntp({ users });
    server.store.addGroup('misc.test');
    const expected = Buffer.from(server.store.add(message).raw).toString('latin1');
    const common = { options: {}, expected, type: 'message/rfc822', size: undefined };
    return {
      ...common,
      ...watch(server),
      url: at(server.url, `misc.test/1`),
      missing: at(server.url, 'misc.test/99'),
    };
  },
  'file:': async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postwire-open-'));
    writeFileSync(join(folder, 'a b.html'), lines);
    const url = pathToFileURL(join(folder, 'a b.html')).href;
    const common = { options: {}, expected: lines, type: 'text/html', size: lines.length };
    return { ...common, url, missing: `${url}.none`, connections: () => 0, close: () => undefined };
  },
};

const watch = (server: { readonly connectionCount: number; close(): Promise<void> }) => ({
  connections: () => server.connectionCount,
  close: () => server.close(),
});

for (const [scheme, start] of Object.entries(places)) {
  describe(`open ${scheme}`, () => {
    let place: Place;
    beforeAll(async () => {
      place = await start();
    });
    afterAll(() => place?.close());
    const nothingLeft = () => expect.poll(() => place.connections()).toBe(0);

    test('all of it, its type and size; nothing stays open', async () => {
      const progress: number[] = [];
      const opened = await open(place.url, { ...place.options, onProgress: ({ bytes }) => progress.push(bytes) });
      expect([opened.contentType, opened.sizeBytes]).toEqual([place.type, place.size]);
      if (place.size !== undefined) expect(opened.headers.get('content-length')).toBe(String(place.size));
      expect(opened.url).not.toContain('pass');
      expect((await opened.text()) === place.expected).toBe(true);
      expect(progress.at(-1)).toBe(place.expected.length);
      await nothingLeft();
    });

    test('chunks on loan', async () => {
      const opened = await open(place.url, place.options);
      let bytes = 0;
      expect(
        await opened.forEach((chunk) => {
          bytes += chunk.length;
        }),
      ).toBe(place.expected.length);
      expect(bytes).toBe(place.expected.length);
      await nothingLeft();
    });

    test('a reader that leaves early leaves nothing open, nor one that never began', async () => {
      const opened = await open(place.url, place.options);
      for await (const chunk of opened) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      await nothingLeft();
      {
        await using _unread = await open(place.url, place.options);
      }
      await nothingLeft();
      const web = (await open(place.url, place.options)).toWeb();
      await web.cancel();
      await nothingLeft();
    });

    test('a signal ends the reading, whenever it comes', async () => {
      const reason = new Error('enough');
      await expect(open(place.url, { ...place.options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      const controller = new AbortController();
      const opened = await open(place.url, { ...place.options, signal: controller.signal });
      const reading = (async () => {
        for await (const _chunk of opened) controller.abort(reason);
      })();
      await expect(reading).rejects.toBe(reason);
      await nothingLeft();
      const idle = new AbortController();
      const unread = await open(place.url, { ...place.options, signal: idle.signal });
      idle.abort(reason);
      await nothingLeft();
      await expect(unread.bytes()).rejects.toBe(reason);
    });

    test('a cap on its bytes, a failing reader, and what is not there', async () => {
      const capped = await open(place.url, { ...place.options, maxBytes: 1000 });
      await expect(capped.bytes()).rejects.toThrow(LimitError);
      await nothingLeft();
      const failing = await open(place.url, place.options);
      await expect(
        failing.forEach(() => {
          throw new Error('disk full');
        }),
      ).rejects.toThrow('disk full');
      await nothingLeft();
      await expect(open(place.missing, place.options)).rejects.toMatchObject({
        code: expect.stringMatching(/REPLY|PROTOCOL|CONNECT|USAGE/),
      });
      await nothingLeft();
    });
  });
}

test('lists: folders, mailboxes, groups', async () => {
  await using ftp = await fakeFtp({ users });
  ftp.files.mkdir('/dir/sub');
  ftp.files.write('/dir/a.txt', 'a');
  for (const path of ['dir/', 'dir;type=d'])
    expect((await (await open(at(ftp.url, path))).text()).split('\r\n').sort()).toEqual(['', 'a.txt', 'sub/']);
  await using pop3 = await fakePop3({ users });
  pop3.store.add({
    envelope: { from: 'b@x', to: ['ann'], parameters: new Map() },
    raw: Buffer.from('Subject: x\r\n\r\nx\r\n'),
    receivedAt: new Date(),
  } as never);
  expect(await (await open(pop3.url)).text()).toMatch(/^1 17 \S+\r\n$/);
  await using imap = await fakeImap({ users });
  imap.deliver('Subject: a\r\n\r\na\r\n');
  imap.deliver('Subject: b\r\n\r\nb\r\n', { folder: 'Entwürfe' });
  imap.deliver('Subject: c\r\n\r\nc\r\n');
  expect((await (await open(imap.url)).text()).split('\r\n')).toEqual(expect.arrayContaining(['INBOX', 'Entwürfe']));
  expect(await (await open(at(imap.url, 'INBOX'))).text()).toBe('1\r\n2\r\n');
  expect(await (await open(at(imap.url, 'Entw%C3%BCrfe/;UID=1'))).text()).toContain('Subject: b');
  await using news = await fakeNntp();
  news.store.addGroup('misc.test');
  news.store.add('Newsgroups: misc.test\r\nMessage-ID: <a/b@x>\r\nSubject: s\r\n\r\nbody\r\n');
  const server = `nntp://127.0.0.1:${news.port}`;
  expect(await (await open(`${server}/misc.test?tls=none`)).text()).toBe('1\r\n');
  expect(await (await open(`${server}/?tls=none`)).text()).toContain('misc.test\r\n');
  expect(await (await open('news:a/b@x', { newsServer: news.url })).text()).toContain('body');
  await expect(open('news:a/b@x')).rejects.toThrow(UsageError);
  const folder = mkdtempSync(join(tmpdir(), 'postwire-open-'));
  writeFileSync(join(folder, 'a'), '');
  mkdirSync(join(folder, 'b'));
  expect(await (await open(pathToFileURL(folder))).text()).toBe('a\r\nb/\r\n');
  expect(await (await open(`file://localhost${pathToFileURL(join(folder, 'a')).pathname}`)).text()).toBe('');
  await expect(open('file://elsewhere/a')).rejects.toThrow(UsageError);
  await expect(open('file:///dev/null')).rejects.toThrow('neither a file nor a folder');
});

test('IMAP URLs: sections, parts of them, UIDVALIDITY, AUTH', async () => {
  await using server = await fakeImap({ users });
  server.deliver(
    'Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nfirst\r\n--b\r\nContent-Type: application/pdf; name="x.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n',
  );
  const first = await open(at(server.url, 'INBOX/;UID=1/;SECTION=1'));
  expect([first.contentType?.toLowerCase(), await first.text()]).toEqual(['text/plain; charset="iso-8859-1"', 'first']);
  const second = await open(at(server.url, 'INBOX/;UID=1/;SECTION=2'));
  expect([second.contentType, second.headers.get('content-transfer-encoding'), await second.text()]).toEqual([
    'application/pdf; name="x.pdf"',
    'base64',
    'aGVsbG8=',
  ]);
  const header = await open(at(server.url, 'INBOX/;UID=1/;SECTION=HEADER/;PARTIAL=9.5'));
  expect([header.contentType, header.sizeBytes, await header.text()]).toEqual(['text/rfc822-headers', 5, 'parts']);
  const rest = await open(at(server.url, 'INBOX/;UID=1/;SECTION=2/;PARTIAL=6'));
  expect(await rest.text()).toBe('8=');
  const validity = server.folder('INBOX')?.uidValidity ?? 0;
  expect((await (await open(at(server.url, `INBOX;UIDVALIDITY=${validity}/;UID=1`))).text()).length).toBeGreaterThan(0);
  await expect(open(at(server.url, `INBOX;UIDVALIDITY=${validity + 1}/;UID=1`))).rejects.toThrow('UIDVALIDITY');
  const port = server.port;
  const auth = await open(`imap://ann;AUTH=PLAIN@127.0.0.1:${port}/INBOX/;UID=1?tls=none`, {
    password: 'pass word',
    allowInsecureAuth: true,
  });
  expect(await auth.text()).toContain('first');
  expect(server.transcript.join('\n')).toMatch(/AUTHENTICATE PLAIN/i);
  for (const path of ['INBOX/;UID=x', ';UID=1', 'INBOX;X=1', '%zz'])
    await expect(open(at(server.url, path)), path).rejects.toThrow(UsageError);
  await expect(open(`imap://127.0.0.1:${port}/INBOX?SUBJECT%20x`)).rejects.toThrow(UnsupportedError);
  await expect.poll(() => server.connectionCount).toBe(0);
});

test('POP URLs: AUTH, and what is none', async () => {
  await using server = await fakePop3({ users });
  server.store.add({
    envelope: { from: 'b@x', to: ['ann'], parameters: new Map() },
    raw: Buffer.from('Subject: x\r\n\r\nx\r\n'),
    receivedAt: new Date(),
  } as never);
  const options = { password: 'pass word', allowInsecureAuth: true };
  const opened = await open(`pop://ann;AUTH=+APOP@127.0.0.1:${server.port}/1?tls=none`, options);
  expect(await opened.text()).toContain('Subject: x');
  expect(server.transcript.join('\n')).toMatch(/APOP ann/);
  for (const path of ['1;x', 'INBOX', '0', '1/2'])
    await expect(open(at(server.url, path)), path).rejects.toThrow(UsageError);
});

const dataCases: readonly (readonly [url: string, type: string, text: string])[] = [
  ['data:,A%20brief%20note', 'text/plain;charset=US-ASCII', 'A brief note'],
  ['data:text/plain;charset=iso-8859-1,%e4', 'text/plain;charset=iso-8859-1', 'ä'],
  ['data:;charset=utf-8,ä%C3%A4', 'text/plain;charset=utf-8', 'ää'],
  ['data:image/png;base64,aGVs bG8=', 'image/png', 'hello'],
  ['DATA:image/png;BASE64,aGVsbG8', 'image/png', 'hello'],
  ['data:text/plain;base64,aGVs%62G8%3D#fragment', 'text/plain', 'hello'],
  ['data:text/html,100%,a,b', 'text/html', '100%,a,b'],
  ['data:,', 'text/plain;charset=US-ASCII', ''],
];
for (const [url, type, text] of dataCases)
  test(`open ${url}`, async () => {
    const opened = await open(url);
    expect([opened.contentType, await opened.text()]).toEqual([type, text]);
  });
test('data URLs that are none', async () => {
  for (const url of [
    'data:text/plain',
    'data:;base64,a',
    'data:;base64,a*b=',
    'data:;base64,abc=='.replace('==', '==='),
  ])
    await expect(open(url), url).rejects.toThrow(UsageError);
});

test('HTTP: a status is an error, redirects are followed and held to the schemes allowed', async () => {
  await using server = await fakeHttp({
    routes: {
      '/old': { status: 302, headers: { Location: '/new' } },
      '/new': (request) => ({
        headers: { 'Content-Type': 'text/plain; charset=utf-8' },
        body: `ä ${request.headers.get('x-mine') ?? ''}`,
      }),
      '/local': { status: 302, headers: { Location: 'file:///etc/hostname' } },
      '/private': (request) => {
        const given = request.headers.get('authorization');
        return given ?? { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="x"' } };
      },
    },
  });
  const opened = await open(`${server.url}/old`, { headers: { 'X-Mine': 'yes' } });
  expect([opened.url, await opened.text()]).toEqual([`${server.url}/new`, 'ä yes']);
  await expect(open(`${server.url}/none`)).rejects.toThrow(ReplyError);
  await expect(open(`${server.url}/local`)).rejects.toMatchObject({
    code: expect.stringMatching(/UNSUPPORTED|PROTOCOL/),
  });
  await expect(open(`${server.url}/old`, { schemes: ['https'] })).rejects.toThrow(UsageError);
  const login = { user: 'ann', password: 'pw', allowInsecureAuth: true };
  expect(await (await open(`${server.url}/private`, login)).text()).toMatch(/^Basic /);
  await using secure = await fakeHttp({
    tls: 'implicit',
    routes: { '/down': { status: 302, headers: { Location: `${server.url}/new` } } },
  });
  const options = { tls: { ca: secure.ca }, schemes: ['https'] };
  await expect(open(`${secure.url}/down`, options)).rejects.toThrow('not among the schemes');
  await expect.poll(() => server.connectionCount + secure.connectionCount).toBe(0);
});

test('openers of one own: a scheme, a cache before the rest, another URL', async () => {
  const asked: string[] = [];
  const options: OpenOptions = {
    openers: [
      async (url, given, next) => {
        asked.push(url);
        if (!url.startsWith('memory:')) return next(url, { ...given, maxBytes: 3 });
        return new OpenedUrl({
          url,
          headers: { 'Content-Type': 'text/plain' },
          source: ByteStream.of([Buffer.from(url)]),
        });
      },
      (url, _given, next) => next(url.replace('short:', 'data:,')),
    ],
  };
  expect(await (await open('memory:x', options)).text()).toBe('memory:x');
  expect(await (await open('short:abc', options)).text()).toBe('abc');
  expect(asked).toEqual(['memory:x', 'short:abc']);
  await expect(open('memory:x', { ...options, schemes: ['https'] })).rejects.toThrow(UsageError);
  await expect(open('short:x', { ...options, schemes: ['short'] })).rejects.toThrow(UsageError);
});

test('URLs and options that are none', async () => {
  await expect(open('tn3270://x/')).rejects.toThrow(UnsupportedError);
  for (const url of ['', '/path', 'example.com', 'https://x/\r\nHost: y'])
    await expect(open(url), url).rejects.toThrow(UsageError);
  await expect(open('data:,x', { tmeoutMs: 1 } as never)).rejects.toThrow(UsageError);
  await expect(open('data:,x', { maxBytes: -1 })).rejects.toThrow(UsageError);
  const never = new Promise<never>(() => undefined);
  const stalled = async (url: string): Promise<OpenedUrl> =>
    new OpenedUrl({
      url,
      source: { [Symbol.asyncIterator]: () => ({ next: () => never }) },
    });
  const late = open('memory:x', { timeoutMs: 20, openers: [stalled] });
  await expect(late.then((opened) => opened.bytes())).rejects.toMatchObject({ code: 'TIMEOUT' });
});
