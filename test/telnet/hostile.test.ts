import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { AuthError, LimitError, PostwireError, UsageError } from '../../src/errors.ts';
import { ExpectTimeout, TelnetClient, type TelnetOptions, telnetEnd } from '../../src/telnet/index.ts';
import { byteServer, raw } from './byte-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const against = async (talk: (socket: Socket) => void, options: TelnetOptions = {}) => {
  const server = await byteServer(talk);
  open.push(server);
  const client = await TelnetClient.connect(server.url, options);
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
/** The server's bytes come, then what the client answers, up to the mark that it types behind them. */
const answersTo = async (bytes: string, options: TelnetOptions = {}): Promise<string> => {
  const { server, client } = await against((socket) => socket.write(raw(`${bytes}ready`)), options);
  await client.expect('ready');
  await client.write('#end');
  await server.until('#end');
  return server.received().slice(0, -4);
};

describe('hostile servers', () => {
  test.each([
    ['WILL repeated', '\xff\xfb\x63'],
    ['DONT repeated', '\xff\xfe\x01'],
    ['opposing toggles of what is accepted', '\xff\xfb\x01\xff\xfc\x01'],
    ['opposing toggles of what is refused', '\xff\xfd\x22\xff\xfe\x22'],
  ])('TN-01: %s, 10^5 times', async (_name, bytes) => {
    expect((await answersTo(bytes.repeat(100_000))).length).toBeLessThan(4096);
  });

  test('TN-01: a server that echoes everything comes to rest', async () => {
    const { server, client } = await against((socket) => socket.pipe(socket), { binary: true, terminalTypes: ['a'] });
    await client.enable('them', 'ECHO');
    await client.write('round');
    await client.expect('round');
    expect(server.received().length).toBeLessThan(100);
  });

  test('TN-02: commands anywhere in the data, in pieces of a byte', async () => {
    const bytes = raw('a\xff\xf1b\xff\xfb\x01c\xff\xf2\xff\xefd\xff\xffe\xff\x05f\xff\xfa\x18\x01\xff\xf0\r\0g');
    const { client } = await against(
      (socket) => {
        socket.setNoDelay(true);
        const next = (at: number): void => {
          if (at === bytes.length) socket.end();
          else socket.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1));
        };
        next(0);
      },
      { encoding: 'latin1' },
    );
    expect(await client.readAll()).toBe('abcd\xffef\rg');
  });

  test('TN-03: each option gets its own answer; a subnegotiation is neither echoed nor data', async () => {
    const bytes = '\xff\xfb\xfb\xff\xfd\xfd\xff\xfb\x01\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0\xff\xfa\x63\x01\xff\xf0';
    expect(await answersTo(bytes, { terminalTypes: ['xterm'] })).toBe(
      '\xff\xfe\xfb\xff\xfc\xfd\xff\xfd\x01\xff\xfb\x18\xff\xfa\x18\0xterm\xff\xf0',
    );
  });

  test('TN-04: a subnegotiation without end closes the session with a LimitError', async () => {
    const { client } = await against((socket) => {
      socket.write(raw('\xff\xfa\x18'));
      socket.write(Buffer.alloc(1024 * 1024, 'x'));
    });
    const error = await caught(client.expect('never'));
    expect(error).toBeInstanceOf(LimitError);
    expect((await client.closed).by).toBe('error');
  });

  /** 100 MiB, as much of it as the client takes. */
  const pour = (socket: Socket, first: string, piece: Buffer, last = ''): { readonly bytes: number } => {
    const poured = { bytes: 0 };
    const more = (): void => {
      while (!socket.destroyed && poured.bytes < 100 * 1024 * 1024) {
        poured.bytes += piece.length;
        if (!socket.write(piece)) return;
      }
      if (!socket.destroyed) socket.end(raw(last));
    };
    socket.write(raw(first));
    socket.on('drain', more);
    more();
    return poured;
  };

  test.each([
    ['plain', 'x'.repeat(65_536)],
    ['with 255s in it', 'x\xff\xff'.repeat(20_000)],
  ])('TN-04: 100 MiB of a subnegotiation without end, %s: the session is closed at the cap', async (_name, piece) => {
    const before = process.memoryUsage.rss();
    let poured = { bytes: 0 };
    const { client } = await against((socket) => {
      poured = pour(socket, '\xff\xfa\x18', raw(piece)) as typeof poured;
    });
    const error = await caught(client.expect('never'));
    expect([error.code, error.reason]).toEqual(['LIMIT', 'SUBNEGOTIATION_TOO_LONG']);
    expect(poured.bytes).toBeLessThan(50 * 1024 * 1024);
    expect(process.memoryUsage.rss() - before).toBeLessThan(128 * 1024 * 1024);
    expect(await caught(client.readAll())).toBeInstanceOf(LimitError);
  });

  test.each([
    ['nested', `\xff\xfa\x18${'x'.repeat(8000)}`],
    ['cut short by a command', `\xff\xfa\x18${'x'.repeat(8000)}\xff\xf1`],
    ['cut short by one that nobody knows', `\xff\xfa\x18${'x'.repeat(8000)}\xff\x05`],
  ])('TN-04: 100 MiB of subnegotiations, %s, are dropped in flat memory', async (_name, piece) => {
    const before = process.memoryUsage.rss();
    const { client } = await against((socket) => void pour(socket, '', raw(piece), '\xff\xf0ready'), {
      terminalTypes: ['x'],
    });
    expect((await client.expect('ready', { timeoutMs: 30_000 })).before).toBe('');
    expect(process.memoryUsage.rss() - before).toBeLessThan(128 * 1024 * 1024);
  });

  test('TN-05: nothing of the environment is told that was not listed', async () => {
    const ask = '\xff\xfd\x27\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x17';
    const send = '\xff\xfa\x27\x01\xff\xf0\xff\xfa\x18\x01\xff\xf0\xff\xfa\x20\x01\xff\xf0\xff\xfa\x23\x01\xff\xf0';
    expect(await answersTo(ask + send)).toBe('\xff\xfc\x27\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfc\x17');
    const listed = { environment: { USER: 'ann', LANG: 'C' } };
    const asked = async (content: string): Promise<string> =>
      (await answersTo(`\xff\xfd\x27\xff\xfa\x27\x01${content}\xff\xf0`, listed)).slice(3);
    expect(await asked('')).toBe('\xff\xfa\x27\0\0USER\x01ann\x03LANG\x01C\xff\xf0');
    expect(await asked('\0')).toBe('\xff\xfa\x27\0\0USER\x01ann\xff\xf0');
    expect(await asked('\x03')).toBe('\xff\xfa\x27\0\x03LANG\x01C\xff\xf0');
    expect(await asked('\0PATH')).toBe('\xff\xfa\x27\0\0PATH\xff\xf0');
    expect(await asked('\0PA\x02\x01TH')).toBe('\xff\xfa\x27\0\0PA\x02\x01TH\xff\xf0');
    expect(await asked('\0USER'.repeat(2000))).toBe('\xff\xfa\x27\0\0USER\x01ann\xff\xf0');
  });

  test('TN-06: what the caller gives cannot become a command', async () => {
    const { server, client } = await against(() => {}, { encoding: 'latin1' });
    await client.write('\xff\xf4');
    await client.write(Uint8Array.of(255, 250, 24));
    await client.writeLine('end');
    await server.until('end\r\n');
    expect(server.received()).toBe('\xff\xff\xf4\xff\xff\xfa\x18end\r\n');
    for (const options of [
      { terminalTypes: ['a\xff\xf0'] },
      { environment: { A: '\x01' } },
      { environment: { 'A\n': 'b' } },
      { xDisplay: '\xff' },
      { terminalSpeed: '1,2\xff' },
      { window: { columns: -1, rows: 1 } },
    ])
      expect(await caught(TelnetClient.connect(server.url, options))).toBeInstanceOf(UsageError);
    expect(await caught(client.exec('a\r\nb'))).toBeInstanceOf(UsageError);
    expect(await caught(client.login({ user: 'a\r\nb' }))).toBeInstanceOf(UsageError);
  });

  test('TN-07: LINEMODE, authentication, encryption and compression are refused', async () => {
    const slc = `\xff\xfa\x22\x03${'\x01\x02\x03'.repeat(5000)}\xff\xf0`;
    expect(await answersTo(`\xff\xfd\x22${slc}\xff\xfd\x25\xff\xfb\x26\xff\xfb\x55\xff\xfb\x56\xff\xfd\x2e`)).toBe(
      '\xff\xfc\x22\xff\xfc\x25\xff\xfe\x26\xff\xfe\x55\xff\xfe\x56\xff\xfc\x2e',
    );
  });

  test('TN-08: output without the prompt meets a cap', async () => {
    const flood = (socket: Socket): void => {
      const chunk = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk)) continue;
      };
      socket.on('drain', more);
      more();
    };
    const { client } = await against(flood, { maxBufferBytes: 1024 * 1024 });
    const error = await caught(client.expect(['$ ', /# $/]));
    expect(error).toBeInstanceOf(LimitError);
    expect(error.reason).toBe('BUFFER_FULL');
    expect(await caught(client.expect('x'.repeat(10)).then(() => client.expect('never')))).toBeInstanceOf(
      PostwireError,
    );
  });

  test('TN-08: nobody reads, and the server is held back', async () => {
    let written = 0;
    const { client } = await against((socket) => {
      const chunk = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (!socket.destroyed && written < 64 * 1024 * 1024) {
          written += chunk.length;
          if (!socket.write(chunk)) return;
        }
      };
      socket.on('drain', more);
      more();
    });
    // A round trip of something else on the same loop, until the socket stands still.
    for (let before = -1; before !== written;) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(written).toBeLessThan(32 * 1024 * 1024);
    expect((await client.readSome()).length).toBeGreaterThan(1000);
  });

  test('TN-08: byte by byte, the search stays linear', async () => {
    const count = 200_000;
    const { client } = await against((socket) => {
      const text = Buffer.from(`${'ab '.repeat(count / 3)}> `);
      let at = 0;
      const next = (): void => {
        if (at >= text.length) return;
        socket.write(text.subarray(at, at + 1000));
        at += 1000;
        setImmediate(next);
      };
      next();
    });
    const { before } = await client.expect(['$ ', /[a-z ]{1,5}> $/], { timeoutMs: 30_000 });
    expect(before.length).toBeGreaterThan(count - 10);
  });

  test('TN-08: a pager that never ends is given up', async () => {
    const { client } = await against((socket) => socket.on('data', () => socket.write('--More--')));
    expect(await caught(client.exec('show', { maxPages: 20 }))).toBeInstanceOf(LimitError);
  });

  test('TN-09: a secret is typed once, however often it is asked for', async () => {
    const { server, client } = await against((socket) => {
      socket.write('login: ');
      socket.on('data', () => socket.write('Password: '));
    });
    const error = await caught(client.login({ user: 'ann', password: 'hunter22', timeoutMs: 2000 }));
    expect(error).toBeInstanceOf(AuthError);
    expect(server.received()).toBe('ann\r\nhunter22\r\n');
    expect(JSON.stringify([error, error.transcript, String(error)])).not.toContain('hunter22');
  });

  test('TN-09: a password is not typed where the user was not asked for first', async () => {
    const { server, client } = await against((socket) => socket.write('Welcome\r\nPassword: '));
    const error = await caught(client.login({ user: 'ann', password: 'hunter22' }));
    expect([error.code, error.reason]).toEqual(['AUTH', 'OUT_OF_ORDER']);
    expect(server.received()).toBe('');
  });

  test('TN-09: a password that is echoed is not in errors', async () => {
    const { client } = await against((socket) => {
      socket.write('login: ');
      socket.on('data', (chunk) => socket.write(chunk.toString() === 'ann\r\n' ? 'Password: ' : chunk));
    });
    const error = (await caught(client.login({ user: 'ann', password: 'hunter22', timeoutMs: 300 }))) as ExpectTimeout;
    expect(error).toBeInstanceOf(ExpectTimeout);
    expect(JSON.stringify([error, error.lastText, error.transcript, String(error)])).not.toContain('hunter22');
  });

  test('TN-09: "Last login:" in a greeting is no prompt', async () => {
    const { client } = await against((socket) => {
      socket.write('login: ');
      const answers = ['Password: ', 'Last login: '];
      socket.on('data', () => {
        socket.write(answers.shift() ?? '');
        if (answers.length === 0) setTimeout(() => socket.write('Mon\r\nbox$ '), 50);
      });
    });
    expect(await client.login({ user: 'ann', password: 'hunter22', prompt: 'box$ ' })).toContain('Last login: Mon');
  });

  test('TN-11: endless output is streamed in bounded memory, and ends when it is enough', async () => {
    const { client } = await against((socket) => {
      const chunk = Buffer.alloc(64 * 1024, '\u001b[2J');
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk)) continue;
      };
      socket.on('drain', more);
      more();
    });
    let length = 0;
    while (length < 8 * 1024 * 1024) {
      const text = await client.readSome();
      expect(text.length).toBeLessThan(4 * 1024 * 1024);
      length += text.length;
    }
  });

  test('a server that hangs up, in the middle of a command too, ends what waits', async () => {
    const { client } = await against((socket) => socket.end(raw('bye\xff\xfa\x18')));
    const error = await caught(client.expect('never'));
    expect([error.code, error.reason]).toEqual(['CLOSED', 'END_OF_OUTPUT']);
    expect((await client.expect(telnetEnd)).before).toBe('bye');
    expect(await caught(client.timingMark())).toBeInstanceOf(PostwireError);
    expect(await client.readSome()).toBe('');
  });
});
