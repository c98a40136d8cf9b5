import {
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  chmodSync,
  existsSync,
} from 'node:fs';
import { type Server, type Socket, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ClosedError, LimitError, PostwireError, ProtocolError, ReplyError, UsageError } from '../../src/errors.ts';
import { FtpClient, type FtpOptions } from '../../src/ftp/index.ts';
import { refuseName } from '../../src/ftp/names.ts';
import { type FakeFtp, type FakeFtpOptions, fakeFtp } from '../../src/testing/index.ts';
import { scriptedServer } from '../smtp/scripted-server.ts';
import { sampleBytes } from '../suites/ftp.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'postwire-ftp-'));
  open.push({ close: () => rmSync(path, { recursive: true, force: true }) });
  return path;
};
const both = async (
  options: FakeFtpOptions = {},
  clientOptions: FtpOptions = {},
): Promise<{ server: FakeFtp; client: FtpClient }> => {
  const server = await fakeFtp(options);
  open.push(server);
  const tls = server.ca === undefined ? {} : { tls: { ca: server.ca } };
  const client = await FtpClient.connect(server.url, { ...tls, ...clientOptions });
  open.push({ close: () => client.destroy() });
  return { server, client };
};
/** A server of bytes, past the login. */
const scripted = async (steps: readonly (string | null)[], options: FtpOptions = {}) => {
  const server = await scriptedServer(['220 hi\r\n', '331 x\r\n', '230 in\r\n', '500 no FEAT\r\n', ...steps]);
  open.push(server);
  const client = await FtpClient.connect(`ftp://127.0.0.1:${server.port}?tls=none`, options);
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
const sink = (): void => {};

describe('arguments and addresses', () => {
  test('FT-01: nothing that would end the line leaves, whatever the command', async () => {
    const { server, client } = await both();
    const before = server.transcript.length;
    const bad = 'x\r\nDELE y';
    for (const call of [
      () => client.cd(bad),
      () => client.delete(bad),
      () => client.rename('a', bad),
      () => client.rename(bad, 'a'),
      () => client.list(bad),
      () => client.download(bad, sink),
      () => client.upload(new Uint8Array(1), bad),
      () => client.append(new Uint8Array(1), bad),
      () => client.site([bad]),
      () => client.mkdir(bad),
      () => client.command('STAT', [bad]),
      () => client.command('STAT\r\nDELE', []),
      () => client.chmod(bad, 0o644),
      () => client.removeDir(bad),
      () => client.hash(bad),
    ])
      expect(await caught((async () => call())())).toMatchObject({ code: 'USAGE' });
    expect(server.transcript.slice(before).join('\n')).not.toMatch(/DELE/);
    for (const url of [
      'ftp://a%0d%0ab:c@127.0.0.1?tls=none',
      'ftp://a:c%0d%0aDELE@127.0.0.1?tls=none&allowInsecureAuth=true',
    ])
      expect(await caught(FtpClient.connect(url.replace('127.0.0.1', `127.0.0.1:${server.port}`)))).toMatchObject({
        code: 'USAGE',
      });
    expect(await caught(FtpClient.connect(server.url, { account: 'a\nb' }))).toMatchObject({ code: 'USAGE' });
  });

  test('FT-02: a PASV address of another host is not gone to, or is an error when asked', async () => {
    for (const address of ['10,1,2,3', '192,0,2,1', '0,0,0,0', '224,0,0,1', '127,0,0,2']) {
      const { server, client } = await both({ features: { EPSV: false }, passiveHost: address.replaceAll(',', '.') });
      server.files.write('/x', 'here');
      expect(await (await client.read('x')).text()).toBe('here');
    }
    const { server, client } = await both(
      { features: { EPSV: false }, passiveHost: '127.0.0.2' },
      { foreignAddress: 'follow' },
    );
    server.files.write('/x', 'here');
    expect(await caught(client.read('x'))).toBeInstanceOf(PostwireError);
  });

  test('FT-03: EPSV is given up for PASV once, and then no further', async () => {
    const { server, client } = await scripted(['200 TYPE\r\n', '500 no EPSV\r\n', '500 no PASV\r\n', '227 (1,2)\r\n']);
    expect(await caught(client.download('x', sink, { expectedBytes: 1 }))).toBeInstanceOf(ReplyError);
    expect(server.lines.slice(3)).toEqual(['TYPE I', 'EPSV', 'PASV']);
    expect(await caught(client.download('x', sink, { expectedBytes: 1 }))).toBeInstanceOf(ProtocolError);
    expect(server.lines.slice(6)).toEqual(['PASV']);
    expect(client.connection.open).toBe(false);
  });

  test('FT-04: in active mode only the server may connect, once, and in time', async () => {
    const { server, client } = await scripted(['200 TYPE\r\n', '200 EPRT\r\n', '150 go\r\n'], {
      dataMode: 'active',
      timeouts: { connectMs: 300, commandMs: 600 },
    });
    const error = caught(client.download('x', sink, { expectedBytes: 4 }));
    expect(await error).toMatchObject({ code: 'TIMEOUT' });
    expect(server.lines.some((line) => line.startsWith('EPRT |1|127.0.0.1|'))).toBe(true);

    const second = await both({}, { dataMode: 'active' });
    second.server.files.write('/x', 'from the server');
    const ports: number[] = [];
    second.server.on('EPRT', ({ argument }) => {
      ports.push(Number(argument?.split('|')[3]));
      return false;
    });
    expect(await (await second.client.read('x')).text()).toBe('from the server');
    // The door is closed behind it.
    const late = createConnection(ports[0] as number, '127.0.0.1');
    expect(await new Promise((resolve) => late.once('error', resolve).once('close', resolve))).toMatchObject({
      code: 'ECONNREFUSED',
    });
  });
});

describe('names of the server', () => {
  test('FT-05: names that are paths, or none, are skipped and reported', async () => {
    const names = ['..', '.', '../x', '/abs', 'a/../../b', 'C:\\x', 'C:x', 'a\\..\\b', 'a\u0001b'];
    for (const name of names) expect(refuseName(name), name).toBeDefined();
    expect(['con', 'x.', 'a:b', 'NUL.txt'].map((name) => refuseName(name, 'win32') !== undefined)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(refuseName('con', 'linux')).toBeUndefined();
    const root = folder();
    const facts = [...names, 'good'].map((name) => `type=file;size=4; ${name}\r\n`).join('');
    const real = await scriptedListing(facts, 'good');
    open.push(real);
    const evil = await FtpClient.connect(`ftp://127.0.0.1:${real.port}?tls=none`);
    open.push({ close: () => evil.destroy() });
    const result = await evil.downloadDir('d', join(root, 'in'), { concurrency: 1 });
    expect(result.transferred).toEqual(['good']);
    expect(readdirSync(root)).toEqual(['in']);
    expect(readdirSync(join(root, 'in'))).toEqual(['good']);
    expect(result.skipped.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['../x', '/abs', 'a/../../b', 'C:\\x', 'C:x', 'a\\..\\b', 'a\u0001b']),
    );
  });

  test('FT-06: links of the server are not made, and local ones are not written through', async () => {
    const { server, client } = await both();
    server.files.symlink('/d/link', '/etc');
    server.files.write('/d/inside/x', 'x');
    server.files.write('/d/file', 'f');
    const root = folder();
    const outside = folder();
    writeFileSync(join(outside, 'target'), 'mine');
    symlinkSync(outside, join(root, 'inside'));
    symlinkSync(join(outside, 'target'), join(root, 'file'));
    const result = await client.downloadDir('d', root);
    expect(result.transferred).toEqual([]);
    expect(result.skipped.map(({ path }) => path).sort()).toEqual(['file', 'inside', 'inside/x', 'link']);
    expect(readdirSync(outside)).toEqual(['target']);
    expect(readFileSync(join(outside, 'target'), 'utf8')).toBe('mine');
    expect(lstatSync(join(root, 'file')).isSymbolicLink()).toBe(true);
  });

  test('FT-07: a folder that holds itself ends at a depth, and many entries take linear time', async () => {
    const { server, client } = await both({ features: { MLST: false } });
    let path = '/loop';
    for (let depth = 0; depth < 120; depth++) path += '/d';
    server.files.mkdir(path);
    const walking = (async () => {
      for await (const _entry of client.walk('loop')) continue;
    })();
    expect(await caught(walking)).toMatchObject({ code: 'LIMIT', reason: 'TOO_DEEP' });
    let seen = 0;
    for await (const _entry of client.walk('loop', { maxDepth: 1000 })) seen++;
    expect(seen).toBe(120);
    expect(await caught(drain(client, 10))).toBeInstanceOf(LimitError);
  });

  test('FT-08: a listing without an end is cut, and the session lives on', async () => {
    const { server, client } = await both();
    for (let index = 0; index < 300; index++) server.files.write(`/many/${'n'.repeat(200)}${index}`, '');
    expect(await caught(client.list('many', { maxBytes: 10_000 }))).toMatchObject({
      code: 'LIMIT',
      reason: 'LISTING_TOO_LONG',
    });
    expect(await client.list('many')).toHaveLength(300);
  });
});

describe('replies', () => {
  test('FT-09: an endless greeting is refused before any credential leaves', async () => {
    const server = await scriptedServer([`${'220-x\r\n'.repeat(20_000)}`]);
    open.push(server);
    expect(
      await caught(FtpClient.connect(`ftp://u:secret@127.0.0.1:${server.port}?tls=none&allowInsecureAuth=true`)),
    ).toMatchObject({ code: 'LIMIT' });
    expect(server.lines).toEqual([]);
  });

  test('FT-10: what is no path, size or time closes the session', async () => {
    for (const [reply, call] of [
      ['257 "/unclosed\r\n', (client: FtpClient) => client.pwd()],
      ['257 "/a\u0001b"\r\n', (client: FtpClient) => client.pwd()],
      ['213 12x\r\n', (client: FtpClient) => client.modifiedAt('x')],
      ['213 19991332000000\r\n', (client: FtpClient) => client.modifiedAt('x')],
    ] as const) {
      const { client } = await scripted([reply]);
      expect(await caught(call(client)), reply).toBeInstanceOf(ProtocolError);
      expect(await caught(client.noop())).toBeInstanceOf(ClosedError);
    }
    const { client } = await scripted(['200 TYPE\r\n', '213 -1\r\n']);
    expect(await caught(client.size('x'))).toBeInstanceOf(ProtocolError);
  });

  test('FT-11: success needs the end of the data and the server’s word', async () => {
    for (const [text, reply] of [
      ['426 broken', 426],
      ['451 disk', 451],
      ['552 quota', 552],
    ] as const) {
      const lying = await lyingServer(`${text}\r\n`);
      const client = await FtpClient.connect(`ftp://127.0.0.1:${lying.port}?tls=none`);
      open.push({ close: () => client.destroy() });
      const target = join(folder(), 'x');
      expect(await caught(client.download('x', target, { expectedBytes: 4 }))).toMatchObject({
        code: 'REPLY',
        reply: { code: reply },
      });
      expect(existsSync(target)).toBe(false);
    }
    const silent = await lyingServer('');
    const waiting = await FtpClient.connect(`ftp://127.0.0.1:${silent.port}?tls=none`, {
      timeouts: { commandMs: 200 },
    });
    open.push({ close: () => waiting.destroy() });
    expect(await caught(waiting.download('x', sink, { expectedBytes: 4 }))).toMatchObject({ code: 'TIMEOUT' });
    expect(waiting.connection.open).toBe(false);
    const twice = await lyingServer('226 ok\r\n226 ok again\r\n');
    const next = await FtpClient.connect(`ftp://127.0.0.1:${twice.port}?tls=none`);
    open.push({ close: () => next.destroy() });
    await next.download('x', sink, { expectedBytes: 4 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await caught(next.noop())).toMatchObject({ reason: 'OUT_OF_STEP' });
  });

  test('FT-12: a cut or a short file is an error, and never the file', async () => {
    const { server, client } = await both();
    server.files.write('/x', sampleBytes(300_000));
    const target = join(folder(), 'x');
    server.on('DATA', { verb: 'RETR' }).afterBytes(100_000).once().reset();
    expect(await caught(client.download('x', target))).toMatchObject({ reusable: true });
    expect(existsSync(target)).toBe(false);
    server.on('DATA', { verb: 'RETR' }).afterBytes(100_000).once().close();
    expect(await caught(client.download('x', target))).toMatchObject({ code: 'PROTOCOL', reason: 'TRUNCATED' });
    expect(existsSync(target)).toBe(false);
    expect(existsSync(`${target}.part`)).toBe(false);
    server.on('DATA', { verb: 'RETR' }).afterBytes(100_000).once().close();
    expect(await caught(client.download('x', target, { resume: true }))).toMatchObject({ reason: 'TRUNCATED' });
    expect(statSync(`${target}.part`).size).toBe(100_000);
    expect(await client.download('x', target, { resume: true })).toMatchObject({ resumedBytes: 100_000 });
    expect(readFileSync(target).equals(sampleBytes(300_000))).toBe(true);
  });

  test('FT-13: what is injected behind 234, a refused AUTH, and a greeting that says logged in', async () => {
    const injected = await fakeFtp({ tls: 'starttls' });
    open.push(injected);
    injected.on('AUTH').inject('230 logged in\r\n');
    expect(await caught(FtpClient.connect(injected.url, { tls: { ca: injected.ca } }))).toMatchObject({
      reason: 'STARTTLS_INJECTION',
    });
    const refusing = await scriptedServer(['220 hi\r\n', '500 no AUTH\r\n']);
    open.push(refusing);
    expect(await caught(FtpClient.connect(`ftp://u:secret@127.0.0.1:${refusing.port}`))).toMatchObject({
      code: 'TLS',
      reason: 'STARTTLS_UNAVAILABLE',
    });
    expect(refusing.lines).toEqual(['AUTH TLS']);
    const greeted = await scriptedServer(['230 you are in\r\n']);
    open.push(greeted);
    expect(await caught(FtpClient.connect(`ftp://u:secret@127.0.0.1:${greeted.port}`))).toBeInstanceOf(ProtocolError);
    expect(greeted.lines).toEqual([]);
    const plain = await scriptedServer(['220 hi\r\n']);
    open.push(plain);
    expect(await caught(FtpClient.connect(`ftp://u:secret@127.0.0.1:${plain.port}?tls=none`))).toMatchObject({
      code: 'USAGE',
    });
    expect(plain.lines).toEqual([]);
  });

  test('FT-14: data is never clear once protection was asked for', async () => {
    const refused = await fakeFtp({ tls: 'starttls' });
    open.push(refused);
    refused.on('PROT').reply(534, 'no');
    expect(await caught(FtpClient.connect(refused.url, { tls: { ca: refused.ca } }))).toMatchObject({
      code: 'REPLY',
      reply: { code: 534 },
    });
    // A session that is not resumed is told in words that help.
    const { server, client } = await both({ tls: 'starttls' });
    server.on('RETR').reply(522, 'SSL connection failed; session reuse required');
    server.files.write('/x', 'x');
    expect((await caught(client.read('x'))).hint).toMatch(/resume the TLS session/);
    // Its data connection is checked as the control connection is: a clear one is no TLS.
    const clear = await both({ tls: 'starttls' });
    clear.server.files.write('/x', 'x');
    clear.server.on('PROT').reply(200, 'PROT now P, or so it says');
    const again = await FtpClient.connect(clear.server.url, {
      tls: { ca: clear.server.ca },
      timeouts: { connectMs: 500, commandMs: 1000 },
    });
    open.push({ close: () => again.destroy() });
    expect(await caught(again.read('x'))).toBeInstanceOf(PostwireError);
  });

  test('FT-15: 421 at any time is a typed temporary error, and the end', async () => {
    for (const verb of ['CWD', 'RETR'] as const) {
      const { server, client } = await both();
      server.files.write('/x', 'x');
      server.on(verb).raw('421 going\r\n');
      const call = verb === 'CWD' ? client.cd('x') : client.download('x', sink);
      expect(await caught(call)).toMatchObject({ code: 'REPLY', temporary: true, reusable: false });
      expect(client.connection.open).toBe(false);
    }
    const { server, client } = await both();
    server.files.write('/x', sampleBytes(500_000));
    server.on('RETR').afterBytes(100_000).raw('421 going in the middle\r\n').close();
    expect(await caught(client.download('x', sink))).toMatchObject({ temporary: true });
    expect(client.connection.open).toBe(false);
    const idle = await scripted(['200 ok\r\n421 idle too long\r\n']);
    await idle.client.noop();
    expect(await caught(idle.client.noop())).toBeInstanceOf(PostwireError);
    expect(idle.client.connection.open).toBe(false);
  });

  test('FT-16: an abort in mid-transfer, either way, leaves the next command its own reply', async () => {
    const { server, client } = await both();
    server.files.write('/x', sampleBytes(3_000_000));
    const stopper = new AbortController();
    const down = client.download('x', sink, {
      signal: stopper.signal,
      onProgress: () => stopper.abort(new Error('stop')),
    });
    expect(await caught(down)).toMatchObject({ message: 'stop' });
    expect(await client.pwd()).toBe('/');
    const second = new AbortController();
    async function* source(): AsyncIterable<Uint8Array> {
      yield sampleBytes(100_000);
      second.abort(new Error('stop too'));
      yield sampleBytes(100_000);
      await new Promise(() => {});
    }
    expect(await caught(client.upload(source(), 'up', { signal: second.signal }))).toMatchObject({
      message: 'stop too',
    });
    expect(await client.pwd()).toBe('/');
    const waiting = new AbortController();
    const queued = client.download('x', sink);
    const dropped = caught(client.download('x', sink, { signal: waiting.signal }));
    waiting.abort(new Error('not begun'));
    expect(await dropped).toMatchObject({ message: 'not begun' });
    await queued;
    // A server that does not answer ABOR loses the connection, not the caller his time.
    const mute = await both({}, { timeouts: { commandMs: 300 } });
    // More than the system takes at once: the transfer is under way when it is aborted.
    mute.server.files.write('/x', sampleBytes(30_000_000));
    mute.server.on('ABOR').silence();
    const third = new AbortController();
    const call = mute.client.download('x', sink, {
      signal: third.signal,
      onProgress: () => third.abort(new Error('stop')),
    });
    expect(await caught(call)).toMatchObject({ message: 'stop' });
    expect(mute.client.connection.open).toBe(false);
  });

  test('FT-17: calls at once queue; a call from inside a transfer is refused at once', async () => {
    const { server, client } = await both();
    server.files.write('/a', 'a');
    server.files.write('/b', 'b');
    const results = await Promise.all([
      client.size('a'),
      client.list(),
      client.size('b'),
      caught(client.size('none')),
      client.pwd(),
    ]);
    expect([results[0], results[1].length, results[2], results[4]]).toEqual([1, 2, 1, '/']);
    async function* source(): AsyncIterable<Uint8Array> {
      await client.noop();
      yield new Uint8Array(1);
    }
    expect(await caught(client.upload(source(), 'c'))).toBeInstanceOf(UsageError);
    expect(await caught(client.download('a', async () => client.noop()))).toBeInstanceOf(UsageError);
    const stream = await client.read('a');
    expect(await caught(client.noop())).toBeInstanceOf(UsageError);
    expect(await stream.text()).toBe('a');
    await client.noop();
  });
});

describe('files', () => {
  test('FT-18: REST refused, or a part that is longer than the file, is an error; nothing is appended at a wrong place', async () => {
    const { server, client } = await both({ features: { REST: false } });
    server.files.write('/x', sampleBytes(200_000));
    const target = join(folder(), 'x');
    writeFileSync(`${target}.part`, sampleBytes(100_000));
    expect(await caught(client.download('x', target, { resume: true }))).toMatchObject({ reason: 'REST_REFUSED' });
    expect(readFileSync(`${target}.part`).equals(sampleBytes(100_000))).toBe(true);
    writeFileSync(`${target}.part`, sampleBytes(200_001));
    expect(await caught(client.download('x', target, { resume: true }))).toMatchObject({ reason: 'CHANGED' });
    const other = await both();
    other.server.files.write('/x', sampleBytes(200_000));
    writeFileSync(`${target}.part`, Buffer.alloc(100_000, 1));
    expect(await caught(other.client.download('x', target, { resume: true }))).toMatchObject({ reason: 'CHANGED' });
    const local = join(folder(), 'up');
    writeFileSync(local, sampleBytes(1000));
    other.server.files.write('/up.part', sampleBytes(1001));
    expect(await caught(other.client.upload(local, 'up', { resume: true }))).toMatchObject({ reason: 'CHANGED' });
    other.server.files.write('/up.part', Buffer.alloc(500, 9));
    expect(await caught(other.client.upload(local, 'up', { resume: true }))).toMatchObject({ reason: 'CHANGED' });
    other.server.files.write('/up.part', sampleBytes(500));
    expect(await other.client.upload(local, 'up', { resume: true })).toMatchObject({
      resumedBytes: 500,
      verified: 'hash',
    });
    expect(Buffer.from(other.server.files.read('/up') as Uint8Array).equals(sampleBytes(1000))).toBe(true);
  });

  test('FT-19: what was there before stays after a failure, and its rights are not widened', async () => {
    const { server, client } = await both();
    server.files.write('/x', sampleBytes(200_000));
    const target = join(folder(), 'x');
    writeFileSync(target, 'precious');
    chmodSync(target, 0o600);
    for (const after of [1, 100_000]) {
      server.on('DATA', { verb: 'RETR' }).afterBytes(after).once().reset();
      await caught(client.download('x', target));
      expect(readFileSync(target, 'utf8')).toBe('precious');
    }
    await caught(client.download('none', target));
    expect(readFileSync(target, 'utf8')).toBe('precious');
    await client.download('x', target);
    expect(statSync(target).mode & 0o777).toBe(0o600);
    server.files.write('/there', 'precious');
    const local = join(folder(), 'up');
    writeFileSync(local, sampleBytes(200_000));
    server.on('DATA', { verb: 'STOR' }).afterBytes(1000).once().reset();
    await caught(client.upload(local, 'there'));
    expect(server.files.text('/there')).toBe('precious');
  });

  test('FT-20: binary unless asked; ASCII converts', async () => {
    const { server, client } = await both();
    const text = 'a\nb\r\nc\n';
    await client.upload(Buffer.from(text), 'binary');
    expect(server.files.text('/binary')).toBe(text);
    await client.upload(Buffer.from(text), 'ascii', { type: 'ascii' });
    expect(server.files.text('/ascii')).toBe('a\nb\nc\n');
    const chunks: Uint8Array[] = [];
    await client.download('ascii', (chunk) => void chunks.push(chunk), { type: 'ascii' });
    expect(Buffer.concat(chunks).toString()).toBe('a\nb\nc\n');
  });
});

const portOf = (server: Server): number => (server.address() as { port: number }).port;

async function drain(client: FtpClient, maxEntries: number): Promise<void> {
  for await (const _entry of client.walk('loop', { maxDepth: 1000, maxEntries })) continue;
}

/** A server of one file of four bytes, whose word at the end of a transfer is given. */
async function lyingServer(last: string): Promise<{ port: number; close(): void }> {
  return miniServer(() => 'data', last);
}

/** A server whose MLSD gives these bytes, and whose files all hold `content`. */
async function scriptedListing(listing: string, content: string): Promise<{ port: number; close(): void }> {
  return miniServer(
    (verb) => (verb === 'MLSD' ? listing : content),
    '226 done\r\n',
    '211-F\r\n MLST type*;\r\n211 End\r\n',
  );
}

async function miniServer(
  content: (verb: string) => string,
  last: string,
  features = '500 no FEAT\r\n',
): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.on('error', sink);
    socket.write('220 hi\r\n');
    let data: ReturnType<typeof createServer> | undefined;
    let buffer = '';
    let sending: string | undefined;
    const waiting: Socket[] = [];
    const flush = (): void => {
      const connection = sending === undefined ? undefined : waiting.shift();
      if (connection === undefined || sending === undefined) return;
      connection.end(content(sending));
      sending = undefined;
      connection.on('close', () => socket.write(last));
      data?.close();
    };
    socket.on('data', (chunk) => {
      buffer += chunk.toString('latin1');
      for (let at = buffer.indexOf('\r\n'); at >= 0; at = buffer.indexOf('\r\n')) {
        const line = buffer.slice(0, at);
        buffer = buffer.slice(at + 2);
        const verb = line.split(' ', 1)[0] as string;
        if (verb === 'USER') socket.write('230 in\r\n');
        else if (verb === 'FEAT') socket.write(features);
        else if (verb === 'TYPE' || verb === 'NOOP') socket.write('200 ok\r\n');
        else if (verb === 'EPSV') {
          data = createServer((connection) => {
            connection.on('error', sink);
            connection.resume();
            waiting.push(connection);
            flush();
          });
          data.listen(0, '127.0.0.1', () => {
            socket.write(`229 ok (|||${portOf(data as Server)}|)\r\n`);
          });
        } else if (verb === 'RETR' || verb === 'MLSD') {
          socket.write('150 go\r\n');
          sending = verb;
          flush();
        } else socket.write('500 what\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const result = { port: portOf(server), close: () => void server.close() };
  open.push(result);
  return result;
}
