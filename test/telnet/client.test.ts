import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { TelnetClient, type TelnetOptions, telnetEnd } from '../../src/telnet/index.ts';
import { type FakeTelnet, type FakeTelnetOptions, fakeTelnet } from '../../src/testing/index.ts';
import { byteServer, raw } from './byte-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const start = async (
  options: FakeTelnetOptions = {},
  ours: TelnetOptions = {},
): Promise<{ server: FakeTelnet; client: TelnetClient }> => {
  const server = await fakeTelnet(options);
  open.push(server);
  const client = await TelnetClient.connect(server.url, ours);
  open.push({ close: () => client.destroy() });
  return { server, client };
};

describe('what the server is told', () => {
  test('terminal types in turn, the window and its changes, the environment, a charset', async () => {
    const { server, client } = await start(
      { charsets: ['US-ASCII', 'ISO-8859-1'] },
      {
        terminalTypes: ['POSTWIRE', 'XTERM', 'MTTS 137'],
        window: { columns: 255, rows: 24 },
        environment: { USER: 'ann', TERM_THEME: 'dark' },
        charsets: ['iso-8859-1'],
      },
    );
    await client.expect('$ ');
    // Each of them waits for the answer before.
    for (let round = 0; round < 6; round++) await client.timingMark();
    const [terminal] = server.terminals;
    expect(terminal).toEqual({
      terminalTypes: ['POSTWIRE', 'XTERM', 'MTTS 137'],
      columns: 255,
      rows: 24,
      environment: new Map([
        ['USER', 'ann'],
        ['TERM_THEME', 'dark'],
      ]),
      charset: 'ISO-8859-1',
      gmcp: [],
      comPort: undefined,
    });
    expect(client.encoding).toBe('iso-8859-1');
    client.resize({ columns: 300, rows: 50 });
    await client.exec('true');
    expect([terminal?.columns, terminal?.rows]).toEqual([300, 50]);
  });

  test('options are asked for and ended, and timing marks answered', async () => {
    const { client } = await start();
    await client.timingMark();
    expect(await client.enable('them', 'BINARY')).toBe(true);
    expect(await client.enable('us', 'BINARY')).toBe(true);
    expect(client.options.us).toContain('BINARY');
    expect(await client.disable('us', 'BINARY')).toBe(false);
    expect(await client.enable('them', 'STATUS')).toBe(false);
    await expect(client.enable('us', 'NAWS')).rejects.toThrow(UsageError);
  });

  test('keepalive', async () => {
    const server = await byteServer(() => {});
    open.push(server);
    const client = await TelnetClient.connect(server.url, { keepalive: { intervalMs: 20 } });
    open.push({ close: () => client.destroy() });
    await server.until('\xff\xf1\xff\xf1');
  });
});

describe('reading', () => {
  test('the earliest of several patterns, with what came before it, and groups', async () => {
    const { client } = await start({ dialogue: [{ send: 'one two three four' }], negotiate: { us: [], them: [] } });
    const match = await client.expect(['three', /t(w)o/, telnetEnd]);
    expect([match.index, match.text, match.before, match.match?.[1]]).toEqual([1, 'two', 'one ', 'w']);
    expect(await client.readUntil('three')).toBe(' three');
    const end = await client.expect(['never', telnetEnd]);
    expect([end.index, end.before]).toEqual([1, ' four']);
  });

  test('readVeryEager, readSome, readAll', async () => {
    const { client } = await start({
      dialogue: [{ send: 'abc' }, { line: 'go' }, { send: 'def' }],
      negotiate: { us: [], them: [] },
    });
    expect(client.readVeryEager()).toBe('');
    expect(await client.readSome()).toBe('abc');
    await client.writeLine('go');
    expect(await client.readAll()).toBe('def');
    expect(client.readVeryEager()).toBe('');
  });

  test('one call reads at a time', async () => {
    const { client } = await start();
    const waiting = client.expect('never', { timeoutMs: 100 });
    await expect(client.readSome()).rejects.toThrow(UsageError);
    expect(() => client.readVeryEager()).toThrow(UsageError);
    await expect(waiting).rejects.toThrow('did not send');
    expect(await client.readSome()).toContain('$ ');
  });

  test('an abort ends the wait and nothing else', async () => {
    const { client } = await start();
    const controller = new AbortController();
    const waiting = client.expect('never', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await client.expect('$ ');
    expect((await client.exec('echo still')).output).toBe('still\r\n');
  });

  test.each([
    ['utf-8', 'Grüße 日本 🎉', Buffer.from('Grüße 日本 🎉')],
    ['shift_jis', '日本ソ', Buffer.from([0x93, 0xfa, 0x96, 0x7b, 0x83, 0x5c])],
    ['latin1', 'Grüße', Buffer.from('Grüße', 'latin1')],
  ])('%s, cut anywhere', async (encoding, text, bytes) => {
    const server = await fakeTelnet({
      dialogue: [{ send: bytes }, { send: '\r\n' }],
      wire: { splitEvery: 1 },
      negotiate: { us: [], them: [] },
    });
    open.push(server);
    await using client = await TelnetClient.connect(server.url, { encoding });
    expect((await client.expect('\r\n')).before).toBe(text);
  });

  test('^ is where the output begins, not where the search goes on', async () => {
    const long = 'x'.repeat(20_000);
    const server = await byteServer((socket) => {
      socket.write(`${long}`);
      socket.on('data', () => socket.end('y'));
    });
    open.push(server);
    await using client = await TelnetClient.connect(server.url);
    const waiting = client.expect([/^x{0,9}y/, /xy$/]);
    await client.write('go');
    expect((await waiting).index).toBe(1);
  });
});

describe('the shell', () => {
  test('pages are asked for, and what the pager puts between is not output', async () => {
    const { client } = await start();
    await client.expect('$ ');
    expect((await client.exec('more 3')).output).toBe('page 1\r\npage 2\r\npage 3\r\n');
    expect((await client.exec('lines 2', { prompt: '$ ' })).output).toBe('line 1\r\nline 2\r\n');
  });

  test('streams', async () => {
    const { client } = await start();
    const input = new PassThrough();
    const output = new PassThrough();
    const ended = client.interact(input, output);
    input.write('echo through\nexit\n');
    expect(await ended).toBe('server');
    expect(String(output.read())).toContain('through\r\n');
  });
});

test('raw mode knows no commands', async () => {
  const server = await byteServer((socket) => {
    socket.on('data', (chunk) => socket.end(chunk));
  });
  open.push(server);
  await using client = await TelnetClient.connect(server.url, { mode: 'raw', encoding: 'latin1' });
  await client.write(raw('\xff\xfb\x01\r'));
  expect(await client.readAll()).toBe('\xff\xfb\x01\r');
  await expect(client.command('AYT')).rejects.toThrow(UsageError);
});

test('targets', async () => {
  for (const target of ['', 'http://x', { host: 'x', tls: 'starttls', mode: 'raw' }])
    await expect(TelnetClient.connect(target as string)).rejects.toThrow(UsageError);
  await expect(TelnetClient.connect('telnet://127.0.0.1', { encoding: 'klingon' })).rejects.toThrow(UsageError);
});
