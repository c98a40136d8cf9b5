import { mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { LimitError, type PostwireError, UsageError } from '../../src/errors.ts';
import {
  type GopherOptions,
  formatGopherItem,
  formatGopherUrl,
  gopher,
  gopherAttributes,
  parseGopherMenu,
  parseGopherUrl,
  serveGopher,
} from '../../src/gopher/index.ts';
import {
  encodeGopherRequest,
  gopherBinaryDecoder,
  gopherPlusDecoder,
  gopherRequestDecoder,
  gopherTextDecoder,
  parseGopherAttributes,
  parseGopherItem,
} from '../../src/gopher/codec.ts';
import { renderGophermap } from '../../src/gopher/site.ts';
import { fakeGopher } from '../../src/testing/index.ts';
import { ByteQueue } from '../../src/wire/byte-queue.ts';
import { assertDecodes, assertLimit, bytesOf, deliveries, textOf } from '../decoder-cases.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};
/** A server that answers every request with these bytes. */
const answering = async (bytes: string | Uint8Array): Promise<string> => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  return `gopher://127.0.0.1:${(server.address() as { port: number }).port}`;
};

/** A document that arrives in these pieces, and then the end. */
function decodeText(chunks: readonly Uint8Array[]): { text: string; truncated: boolean } {
  const queue = new ByteQueue();
  let truncated = false;
  let text = '';
  const decode = gopherTextDecoder(() => {
    truncated = true;
  });
  const drain = (): void => {
    for (let span = decode(queue); span !== undefined; span = decode(queue)) text += textOf(span.bytes);
  };
  for (const chunk of chunks) {
    queue.push(Uint8Array.from(chunk));
    drain();
  }
  queue.end();
  drain();
  return { text, truncated };
}

describe('URLs', () => {
  test.each([
    ['gopher://h', { server: 'gopher://h', type: '1', selector: '', search: undefined, plus: undefined }],
    ['gopher://h:7070/', { server: 'gopher://h:7070', type: '1', selector: '', search: undefined, plus: undefined }],
    [
      'gophers://[::1]/0/a%20b',
      { server: 'gophers://[::1]', type: '0', selector: '/a b', search: undefined, plus: undefined },
    ],
    [
      'gopher://h/7/find%09two%20words',
      { server: 'gopher://h', type: '7', selector: '/find', search: 'two words', plus: undefined },
    ],
    ['gopher://h/0/a%09%09+', { server: 'gopher://h', type: '0', selector: '/a', search: undefined, plus: '+' }],
    [
      'gopher://h/1/a?b=c#frag',
      { server: 'gopher://h', type: '1', selector: '/a?b=c', search: undefined, plus: undefined },
    ],
  ])('%s', (url, parsed) => {
    expect(parseGopherUrl(url)).toEqual(parsed);
  });

  test('written, they are read', () => {
    const item = { type: '0', selector: '/a b/ü?', host: '::1', port: 7070 };
    const url = formatGopherUrl(item, { search: 'x y', secure: true });
    expect(url).toBe('gophers://[::1]:7070/0/a%20b/%C3%BC%3F%09x%20y');
    expect(parseGopherUrl(url)).toMatchObject({ type: '0', selector: '/a b/ü?', search: 'x y' });
    expect(() => formatGopherUrl({ ...item, host: '' })).toThrow(UsageError);
    expect(() => formatGopherUrl({ ...item, host: 'h/x' })).toThrow(UsageError);
  });

  test.each([
    'http://h/',
    'gopher:///x',
    'gopher://h/0/%zz',
    'gopher://h/0/a\r\nb',
    'gopher://h/0a%09b%09c%09d',
    '/1/x',
  ])('GO-01: %j is refused', (url) => {
    expect(() => parseGopherUrl(url)).toThrow(UsageError);
  });
});

test('GO-01: no CR, LF, NUL or tab of the caller reaches the wire', async () => {
  await using server = await fakeGopher({ files: { 'a.txt': 'a' } });
  for (const [url, options] of [
    ['/0/a.txt%0d%0aQUIT', {}],
    ['/0/a%0ab', {}],
    ['/0/a%00b', {}],
    ['/7/a%09x%0d%0ay', {}],
    ['/7/a', { search: 'x\r\ny' }],
    ['/7/a', { search: 'x\ty' }],
    ['/0/a', { plus: 'text/plain\r\n' }],
    ['/0/a', { answers: ['x\r\n.'] }],
  ] as [string, GopherOptions][])
    expect(await caught(gopher(`${server.url}${url}`, options)), url).toBeInstanceOf(UsageError);
  expect(() => encodeGopherRequest({ selector: 'a\tb' })).toThrow(UsageError);
  expect(server.transcript).toEqual([]);
  expect(textOf(encodeGopherRequest({ selector: '/s', search: 'x y' }).bytes)).toBe('/s\tx y\r\n');
  expect(textOf(encodeGopherRequest({ selector: '/s', answers: ['a', '.b'] }).bytes)).toBe(
    '/s\t+\t1\r\n+-1\r\na\r\n..b\r\n.\r\n',
  );
  assertDecodes(gopherRequestDecoder, '/s\twords\r\n', {
    selector: '/s',
    search: 'words',
    plus: undefined,
    hasData: false,
  });
  assertDecodes(gopherRequestDecoder, '/s\t+text/plain\t1\r\n', {
    selector: '/s',
    search: undefined,
    plus: '+text/plain',
    hasData: true,
  });
  assertLimit(() => gopherRequestDecoder(20), `${'x'.repeat(40)}\r\n`);
});

test('GO-02: lines that are no items are told as such, and are not too many', async () => {
  const lines = [
    'no tabs',
    '0a\t/a\th\t0',
    '0a\t/a\th\t99999',
    '0a\t/a\th\tx',
    '0a\t/a\th',
    '',
    '0a\0b\t/a\th\t70',
    '\t\t\t',
  ];
  expect(parseGopherMenu(bytesOf(lines.join('\r\n'))).map((item) => item.kind)).toEqual(
    lines.filter((line) => line !== '').map(() => 'invalid'),
  );
  expect(parseGopherItem('0Title\t/s\th\t70')).toEqual({
    type: '0',
    kind: 'text',
    title: 'Title',
    selector: '/s',
    host: 'h',
    port: 70,
    plus: false,
    url: undefined,
  });
  expect(parseGopherItem('iJust text').kind).toBe('info');
  expect(parseGopherItem('1m\t/s\th\t70\t+').plus).toBe(true);
  expect(parseGopherItem('?x\t/s\th\t70').kind).toBe('unknown');
  for (const type of '0123456789+TgIhispdPrXxM;c:<')
    expect(parseGopherItem(`${type}x\t/s\th\t70`).kind).not.toBe('unknown');
  const started = performance.now();
  expect(parseGopherMenu(bytesOf('0a\t/a\th\t70\r\n'.repeat(200_000))).length).toBe(200_000);
  expect(performance.now() - started).toBeLessThan(5000);
  expect(() => parseGopherMenu(new Uint8Array(10_000_000).fill(97))).toThrow(LimitError);
  // The last dot may be missing; the menu is what there was.
  const menu = await gopher(`${await answering('0a\t/a\th\t70\r\n1b\t/b\th\t70')}/1/`);
  expect((await menu.items()).map((item) => item.title)).toEqual(['a', 'b']);
  expect(menu.truncated).toBe(true);
  const endless = await gopher(`${await answering('x'.repeat(300_000))}/1/`, { maxBytes: 100_000 });
  expect(await caught(endless.items())).toBeInstanceOf(LimitError);
});

describe('GO-03: ends and dots', () => {
  test.each([
    ['a\r\n.\r\n', 'a\r\n', false],
    ['.\r\n', '', false],
    ['', '', true],
    ['a\r\n..b\r\n...\r\n.\r\n', 'a\r\n.b\r\n..\r\n', false],
    ['a\r\n.profile\r\n.\r\n', 'a\r\n.profile\r\n', false],
    ['a\r\nb', 'a\r\nb', true],
    ['a\r\n', 'a\r\n', true],
    ['a\r\n.', 'a\r\n', false],
    ['a\r\n.\r', 'a\r\n', false],
    ['a\n.\n', 'a\n', false],
    ['a.\r\n.\r\nbehind', 'a.\r\n', false],
    ['a\r.\r\n.\r\n', 'a\r.\r\n', false],
  ])('%j at every split', (wire, text, truncated) => {
    for (const chunks of deliveries(bytesOf(wire))) expect(decodeText(chunks)).toEqual({ text, truncated });
  });

  test('what is not text ends with the connection, whatever is in it', async () => {
    const bytes = Buffer.from('\r\n.\r\n..\r\n.\r\nmore');
    const url = await answering(bytes);
    for (const type of ['9', 'I', 'g', '5', 's', 'h'])
      expect(bytes.equals(await (await gopher(`${url}/${type}/x`)).bytes())).toBe(true);
    const text = await gopher(`${url}/0/x`);
    expect([await text.text(), text.truncated]).toEqual(['\r\n', false]);
    const cut = await gopher(`${await answering('half a text')}/0/x`);
    expect([await cut.text(), cut.truncated]).toEqual(['half a text', true]);
    const queue = new ByteQueue();
    queue.push(bytesOf('abcdef'));
    expect(gopherBinaryDecoder(3)(queue)).toEqual({ bytes: bytesOf('abc'), last: true });
    expect(textOf(queue.peek())).toBe('def');
  });

  test('a document over the cap, given up, read twice', async () => {
    const url = await answering(Buffer.alloc(1_000_000));
    expect(await caught((await gopher(`${url}/9/x`, { maxBytes: 1000 })).bytes())).toBeInstanceOf(LimitError);
    const folder = mkdtempSync(join(tmpdir(), 'postwire-gopher-'));
    expect(await caught((await gopher(`${url}/9/x`, { maxBytes: 1000 })).save(join(folder, 'x')))).toBeInstanceOf(
      LimitError,
    );
    expect(readdirSync(folder)).toEqual([]);
    const twice = await gopher(`${url}/9/x`);
    for await (const _chunk of twice.stream()) break;
    expect(() => twice.stream()).toThrow(UsageError);
    await (await gopher(`${url}/9/x`))[Symbol.asyncDispose]();
    const controller = new AbortController();
    const reason = new Error('enough');
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    open.push(silent);
    const port = (silent.address() as { port: number }).port;
    const waiting = await gopher(`gopher://127.0.0.1:${port}/0/x`, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    expect(await caught(waiting.text())).toBe(reason);
    expect(await caught((await gopher(`gopher://127.0.0.1:${port}/0/x`, { timeoutMs: 50 })).text())).toMatchObject({
      code: 'TIMEOUT',
    });
  });
});

test('GO-04: an item that points inwards is data; where it may lead can be limited', async () => {
  await using inner = await fakeGopher({ files: { a: 'secret' } });
  const url = await answering(`1in\t/a\t127.0.0.1\t${inner.port}\r\n.\r\n`);
  const [item] = await (await gopher(`${url}/1/`)).items();
  expect(inner.transcript).toEqual([]);
  const target = formatGopherUrl(item!);
  expect(await caught(gopher(target, { blockAddresses: 'private' }))).toMatchObject({ code: 'CONNECT' });
  expect(await caught(gopher(target, { allowPorts: [70] }))).toBeInstanceOf(UsageError);
  expect(inner.transcript).toEqual([]);
  expect(await caught(gopher('gopher://user:pw@127.0.0.1/1/'))).toBeInstanceOf(UsageError);
});

test('GO-05: URL: items are returned as they are', () => {
  for (const link of ['javascript:alert(1)', 'file:///etc/passwd', 'http://x/\u001b[2J'.replace('\u001b[2J', '%1b')])
    expect(parseGopherItem(`hLink\tURL:${link}\th\t70`)).toMatchObject({ kind: 'html', url: link });
  expect(parseGopherItem('hx\t/URL:http://x/\th\t70').url).toBe('http://x/');
  expect(parseGopherItem('hx\tURL:http://x/\u001b[2J\th\t70').kind).toBe('invalid');
});

describe('Gopher+', () => {
  test('attributes, views, questions', async () => {
    await using server = await fakeGopher({
      files: { 'doc.txt': 'plain\r\n' },
      attributes: {
        '/doc.txt': {
          blocks: {
            ADMIN: ['Admin: Ann <ann@example.com>', 'Mod-Date: today <20240131000000>'],
            ABSTRACT: ['What it is', 'about'],
            VIEWS: ['text/plain: <1k>', 'application/postscript En_US: <20k>'],
            ASK: ['Ask: Your name?\tnobody', 'Choose: Colour?\tred\tblue'],
          },
          views: { 'application/postscript': '%!PS' },
          ask: (answers) => `You said ${answers.join(' and ')}`,
        },
      },
    });
    const url = `${server.url}/0/doc.txt`;
    const [attributes] = await gopherAttributes(url);
    expect(attributes).toMatchObject({
      item: { title: '/doc.txt', plus: true },
      abstract: 'What it is\nabout',
      views: [
        { type: 'text/plain', language: undefined, size: '<1k>' },
        { type: 'application/postscript', language: 'En_US', size: '<20k>' },
      ],
      questions: [
        { kind: 'Ask', text: 'Your name?', options: ['nobody'] },
        { kind: 'Choose', text: 'Colour?', options: ['red', 'blue'] },
      ],
    });
    expect(attributes?.admin.get('Admin')).toBe('Ann <ann@example.com>');
    expect((await gopherAttributes(`${server.url}/1/`, { each: true })).length).toBe(1);
    const plain = await gopher(url, { plus: true });
    expect([plain.sizeBytes, await plain.text()]).toEqual([7, 'plain\r\n']);
    expect(await (await gopher(url, { plus: 'application/postscript' })).text()).toBe('%!PS');
    expect(await (await gopher(url, { answers: ['Ann', '.x'] })).text()).toBe('You said Ann and .x');
    expect(await caught(gopher(`${server.url}/0/none`, { plus: true }))).toMatchObject({
      code: 'REPLY',
      reply: { code: 1 },
    });
  });

  test('the first line of an answer, and a server that knows nothing of it', async () => {
    assertDecodes(gopherPlusDecoder, '+42\r\n', { kind: 'bytes', sizeBytes: 42 });
    assertDecodes(gopherPlusDecoder, '+-1\r\n', { kind: 'dot' });
    assertDecodes(gopherPlusDecoder, '+-2\r\n', { kind: 'close' });
    assertDecodes(gopherPlusDecoder, '--1 \r\n', { kind: 'error', code: 1 });
    for (const bad of ['iHello\t\t\t\r\n', '+x\r\n', '+-3\r\n', '\r\n']) {
      expect(await caught(gopher(`${await answering(bad)}/0/x`, { plus: true })), bad).toMatchObject({
        code: 'PROTOCOL',
      });
      expect(await caught(gopherAttributes(`${await answering(bad)}/0/x`)), bad).toMatchObject({ code: 'UNSUPPORTED' });
    }
    const short = await gopher(`${await answering('+10\r\nshort')}/9/x`, { plus: true });
    expect(await caught(short.bytes())).toMatchObject({ code: 'CLOSED' });
    expect(await (await gopher(`${await answering('+-1\r\na\r\n.\r\n')}/0/x`, { plus: true })).text()).toBe('a\r\n');
    expect(parseGopherAttributes(bytesOf('nothing'))).toEqual([]);
    expect(parseGopherAttributes(bytesOf(`+INFO: x\r\n${'+A:\r\n b\r\n'.repeat(10_000)}`)).length).toBe(1);
  });
});

test('a search, the charset, and errors of the script', async () => {
  await using server = await fakeGopher({
    files: {
      search: ({ search }) => formatGopherItem({ type: 'i', title: `for ${search ?? 'nothing'}` }),
      'old.txt': Buffer.from('caf\xe9', 'latin1'),
    },
  });
  expect((await (await gopher(`${server.url}/7/search`, { search: 'cats' })).items())[0]?.title).toBe('for cats');
  expect((await (await gopher(`${server.url}/7/search%09dogs`)).items())[0]?.title).toBe('for dogs');
  expect(await (await gopher(`${server.url}/0/old.txt`)).text()).toContain('café');
  expect(await (await gopher(`${server.url}/0/old.txt`, { charset: 'koi8-r' })).text()).toContain('cafИ');
  server.on('REQUEST', { selector: 'old' }).once().reset();
  expect(await caught((async () => (await gopher(`${server.url}/0/old.txt`)).text())())).toMatchObject({
    code: 'CLOSED',
  });
  expect(await caught((await gopher(`${server.url}/0/old.txt`)).items())).toBeInstanceOf(UsageError);
});

describe('the server side', () => {
  test('a gophermap', () => {
    const place = { host: 'h', port: 70 };
    expect(renderGophermap('Hi\n# no\n0File\ta.txt\n1Up\t/up\n1\tx\n0There\t/s\tother\t7\n.\nnot', 'dir/', place)).toBe(
      'iHi\t\terror.host\t1\r\n0File\t/dir/a.txt\th\t70\r\n1Up\t/up\th\t70\r\n1\t/dir/x\th\t70\r\n0There\t/s\tother\t7\r\n',
    );
    expect(() => renderGophermap('\tx', '', place)).toThrow(UsageError);
    for (const evil of [{ title: 'a\tb' }, { title: 'a\r\nb' }, { selector: 'a\nb' }])
      expect(() => formatGopherItem({ type: '0', title: 'x', ...evil })).toThrow(UsageError);
  });

  test('nothing outside the folder is served', async () => {
    const [root, outside] = [
      mkdtempSync(join(tmpdir(), 'postwire-site-')),
      mkdtempSync(join(tmpdir(), 'postwire-out-')),
    ];
    writeFileSync(join(root, 'a.txt'), 'inside');
    writeFileSync(join(root, '.hidden'), 'hidden');
    writeFileSync(join(outside, 'b.txt'), 'outside');
    symlinkSync(join(outside, 'b.txt'), join(root, 'link.txt'));
    await using server = await serveGopher({ root, caps: { ServerAdmin: 'ann@example.com' } });
    const url = `gopher://127.0.0.1:${server.port}`;
    expect(await (await gopher(`${url}/0/a.txt`)).text()).toBe('inside\r\n');
    for (const path of [
      '/../etc/passwd',
      '..%2f..%2fetc/passwd',
      '/.hidden',
      '/link.txt',
      '/a.txt/../.hidden',
      '/%5c..%5cx',
    ])
      expect(await (await gopher(`${url}/0${path}`)).text(), path).toContain('is not here');
    expect((await (await gopher(`${url}/1/`)).items()).map((item) => item.title)).toEqual(['a.txt']);
    expect(await (await gopher(`${url}/0/caps.txt`)).text()).toContain('ServerAdmin=ann@example.com');
  });
});
