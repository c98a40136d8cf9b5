import { connect as netConnect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { TimeoutError } from '../../src/errors.ts';
import { sendMail } from '../../src/mail/index.ts';
import { type FakeSmtp, type FakeSmtpOptions, fakeSmtp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const start = async (options?: FakeSmtpOptions): Promise<FakeSmtp> => {
  const server = await fakeSmtp(options);
  open.push(server);
  return server;
};

/** A client that says exactly what it is told. */
class RawClient {
  readonly socket: Socket;
  text = '';
  ended = false;
  constructor(port: number) {
    this.socket = netConnect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => (this.text += chunk.toString('latin1')));
    this.socket.on('close', () => (this.ended = true));
    open.push({ close: () => this.socket.destroy() });
  }
  /** Sends the bytes and waits until what comes back matches. */
  async say(bytes: string, wanted: RegExp): Promise<string> {
    const before = this.text.length;
    if (bytes !== '') this.socket.write(bytes, 'latin1');
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (wanted.test(this.text.slice(before))) finish(resolve);
      };
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.socket.off('data', check);
        act();
      };
      const timer = setTimeout(
        () =>
          finish(() => reject(new Error(`wanted ${String(wanted)}, got ${JSON.stringify(this.text.slice(before))}`))),
        15_000,
      );
      this.socket.on('data', check);
      check();
    });
    return this.text.slice(before);
  }
  async hello(): Promise<void> {
    await this.say('', /^220/);
    await this.say('EHLO x\r\n', /^250 .*\r\n$/m);
  }
}
const session = async (server: FakeSmtp): Promise<RawClient> => {
  const client = new RawClient(server.port);
  await client.hello();
  return client;
};

describe('the mailbox', () => {
  const draft = { from: 'me@example.com', to: 'you@example.com', subject: 'Grüße', text: 'hello' };

  test('keeps bytes, envelope and header; inboxes are apart', async () => {
    const server = await start();
    await sendMail(server.url, { ...draft, cc: 'c@example.com', bcc: 'b@example.com' });
    expect(server.messages).toHaveLength(1);
    expect(server.inbox('B@example.com')[0]?.header('subject')).toBe('Grüße');
    expect(server.inbox('nobody@example.com')).toEqual([]);
    server.reset();
    expect(server.messages).toEqual([]);
    expect(server.transcript).toEqual([]);
  });

  test('waitForMail takes what is here or comes, and tells near misses', async () => {
    const server = await start();
    const waiting = server.waitForMail({ to: /you@/, subject: 'grüße', header: { from: 'me@' } });
    await sendMail(server.url, draft);
    expect((await waiting).text).toContain('hello');
    expect((await server.waitForMail((mail) => mail.raw.length > 10)).id).toBe(1);
    const error = (await server
      .waitForMail({ to: 'someone', subject: 'Grüße' }, { timeoutMs: 20 })
      .catch((caught: unknown) => caught)) as Error;
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.message).toMatch(
      /no mail matched to someone, subject Grüße within 20 ms; 1 came, nearest: #1 from me@example.com to you@example.com: Grüße \(to is "you@example.com"\)/,
    );
    await expect((await start()).waitForMail({}, { timeoutMs: 10 })).rejects.toThrow(
      /no mail came within 10 ms; wanted any mail/,
    );
    await expect(server.waitForMail({ to: 'zzz' }, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow(
      'stop',
    );
    await server.expectNoMail({ to: 'nobody' }, { withinMs: 20 });
    await expect(server.expectNoMail({ to: 'you' })).rejects.toThrow(/should not have/);
  });

  test('on: times, skip, delay, match by field, newest first', async () => {
    const server = await start();
    const rule = server.on('RCPT', { to: /you/ }).times(2).reply(451, '4.2.1 later');
    for (const status of ['rejected', 'rejected', 'fulfilled'])
      expect((await Promise.allSettled([sendMail(server.url, draft)]))[0]?.status).toBe(status);
    expect(rule.count).toBe(3);
    server.on('MAIL').skip(1).once().delay(30).reply(450, '4.3.0 busy');
    await sendMail(server.url, draft);
    await expect(sendMail(server.url, draft)).rejects.toMatchObject({ reply: { enhanced: '4.3.0' }, temporary: true });
    server.on('MAIL').raw('550 raw\r\n');
    await expect(sendMail(server.url, draft)).rejects.toMatchObject({ reply: { code: 550, text: 'raw' } });
    server.on('MAIL', (fields) => fields['from'] === 'nobody').reply(500, 'never');
    await expect(sendMail(server.url, draft)).rejects.toMatchObject({ reply: { text: 'raw' } });
  });

  test('receive takes a body as a stream', async () => {
    let length = 0;
    const server = await start({
      receive: async (body) => {
        for await (const chunk of body) length += chunk.length;
      },
    });
    await sendMail(server.url, { ...draft, attachments: [{ content: new Uint8Array(5_000_000), filename: 'x' }] });
    expect(length).toBeGreaterThan(6_800_000);
    expect(server.messages).toEqual([]);
  });
});

describe('safety', () => {
  test('SV-01: loopback, a free port', async () => {
    const [one, two] = [await start(), await start()];
    expect(one.host).toBe('127.0.0.1');
    expect(one.port).not.toBe(two.port);
  });

  test('SV-02: endless lines and messages, and a lying SIZE, are answered and cost no memory', async () => {
    const server = await start({ maxMessageBytes: 100_000 });
    const client = await session(server);
    await client.say('MAIL FROM:<a@b.example> SIZE=100001\r\n', /^552 5\.3\.4/);
    await client.say('MAIL FROM:<a@b.example> SIZE=10\r\nRCPT TO:<c@d.example>\r\nDATA\r\n', /354/);
    const before = process.memoryUsage().rss;
    const line = `${'x'.repeat(998)}\r\n`.repeat(100);
    for (let count = 0; count < 300; count++)
      if (!client.socket.write(line)) await new Promise((resolve) => client.socket.once('drain', resolve));
    await client.say('.\r\n', /^552 5\.3\.4/);
    await client.say('NOOP\r\n', /^250/);
    expect(server.messages).toEqual([]);
    const chunk = Buffer.alloc(65_536, 97);
    for (let count = 0; count < 400 && !client.ended; count++) client.socket.write(chunk);
    await expect.poll(() => client.ended).toBe(true);
    expect(client.text).toMatch(/500 5\.5\.2 Line too long\r\n$/);
    expect(process.memoryUsage().rss - before).toBeLessThan(120e6);
  });

  test('SV-03: what is behind STARTTLS in the clear is not read as secure; parameters are refused', async () => {
    const server = await start({ tls: 'starttls' });
    const client = await session(server);
    await client.say('STARTTLS now\r\n', /^501/);
    client.socket.write('STARTTLS\r\nMAIL FROM:<a@b.example>\r\n');
    await expect.poll(() => client.ended).toBe(true);
    expect(server.transcript.join('\n')).not.toMatch(/Sender OK/);
  });

  test('SV-04 SMTP-07: a strict server and a lenient one see one message from our client', async () => {
    for (const endOfData of ['strict', 'lenient'] as const) {
      for (const ending of ['\n.\n', '\n.\r\n', '\r.\r', '\r\n.\n', '\r\n.\r', '\n.\r', '\r.\r\n', '\r\n\0.\r\n']) {
        const server = await start({ endOfData });
        const raw = `Subject: one\r\n\r\nfirst${ending}MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\nsmuggled`;
        await sendMail(
          server.url,
          { raw: { content: raw }, envelope: { from: 'a@b.example', to: 'c@d.example' } },
          { transfer: 'data' },
        );
        expect(server.messages, JSON.stringify(ending)).toHaveLength(1);
        expect(server.messages[0]?.text).toContain('smuggled');
      }
    }
    // The strict server takes only CRLF.CRLF for the end; the lenient one is the flaw to test against.
    for (const [endOfData, count] of [
      ['strict', 1],
      ['lenient', 2],
    ] as const) {
      const server = await start({ endOfData });
      const client = await session(server);
      await client.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n', /354/);
      client.socket.write('x\n.\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\ny\r\n.\r\n');
      await expect.poll(() => server.messages.length).toBe(count);
    }
  });

  test('SV-05: what it echoes cannot break its reply', async () => {
    const server = await start();
    server.on('VRFY').reply(550, 'no\r\n250 injected');
    const client = await session(server);
    expect(await client.say('VRFY x\r\n', /\r\n$/)).toMatch(/^550-no ?\r\n550 250 injected\r\n$|^550.*\r\n$/);
    const reply = await client.say('EHLO a\rb\r\n', /^250 /m);
    expect(reply.replace(/\r\n/g, '')).not.toMatch(/[\r\n]/);
  });

  test('SV-06: dots of a body are unstuffed once', async () => {
    const server = await start();
    const client = await session(server);
    await client.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n', /354/);
    await client.say('..\r\n...x\r\n.y\r\n\r\n.\r\n', /^250/);
    expect(server.messages[0]?.text).toBe('.\r\n..x\r\ny\r\n\r\n');
  });

  test('SV-07: every byte in an address: only what the grammar allows is taken', async () => {
    const server = await start();
    const client = await session(server);
    for (let byte = 0; byte < 256; byte++) {
      if (byte === 10) continue;
      const character = String.fromCharCode(byte);
      const legal = /[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]/.test(character);
      // In the middle of the local part; a lone high byte is read as Latin-1 and needs SMTPUTF8.
      await client.say(`RSET\r\nMAIL FROM:<a${character}a@b.example>\r\n`, legal ? /^250.*\r\n250/ : /^250.*\r\n5\d\d/);
    }
  });

  test('SV-08: close ends everything within a second, twice', async () => {
    const server = await fakeSmtp({ tls: 'implicit' });
    const clients = Array.from({ length: 10 }, () => new RawClient(server.port));
    await new Promise((resolve) => setTimeout(resolve, 30));
    const started = performance.now();
    await Promise.all([server.close(), server.close()]);
    expect(performance.now() - started).toBeLessThan(1000);
    await expect.poll(() => clients.every((client) => client.ended)).toBe(true);
  });

  test('SV-09: the script can say, split, delay, close, reset, end, fall silent, inject and cut', async () => {
    const server = await start({ wire: { splitEvery: 1 } });
    const client = await session(server);
    server.on('NOOP').once().delay(20).reply(250, 'late');
    expect(await client.say('NOOP\r\n', /late\r\n/)).toBe('250 late\r\n');
    server.on('NOOP').once().inject('250 extra\r\n');
    await client.say('NOOP\r\n', /250 .*OK\r\n250 extra\r\n/);
    server.on('HELP').silence();
    client.socket.write('HELP\r\n');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(client.ended).toBe(false);
    for (const action of ['close', 'reset', 'end'] as const) {
      const other = await session(server);
      server.on('VRFY').once()[action]();
      other.socket.write('VRFY x\r\n');
      await expect.poll(() => other.ended || other.socket.readableEnded).toBe(true);
    }
  });

  test('the order of commands is watched', async () => {
    const server = await start({ users: { u: 'p' } });
    const client = new RawClient(server.port);
    await client.say('', /^220/);
    await client.say('MAIL FROM:<a@b.example>\r\n', /^503/);
    await client.say('EHLO x\r\n', /^250 /m);
    await client.say('MAIL FROM:<a@b.example>\r\n', /^530/);
    await client.say(`AUTH PLAIN ${Buffer.from('\0u\0wrong').toString('base64')}\r\n`, /^535/);
    await client.say('AUTH PLAIN !!\r\n', /^501/);
    await client.say('AUTH NONE\r\n', /^504/);
    await client.say('AUTH PLAIN\r\n', /^334/);
    await client.say('*\r\n', /^501/);
    await client.say('AUTH PLAIN =\r\n', /^535|^334/);
    await client.say(`AUTH PLAIN ${Buffer.from('\0u\0p').toString('base64')}\r\n`, /^235/);
    await client.say('AUTH PLAIN x\r\n', /^503/);
    await client.say('RCPT TO:<a@b.example>\r\nDATA\r\nBDAT 3 LAST\r\nabc', /^503.*\r\n503.*\r\n503/);
    await client.say(
      'MAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\nDATA\r\nRCPT TO:<>\r\nRCPT TO:<postmaster>\r\n',
      /^250.*\r\n503.*\r\n554.*\r\n501.*\r\n250/,
    );
    await client.say('BDAT 2\r\nhiDATA\r\n', /^250.*\r\n503/);
    await client.say('BDAT 0 LAST\r\n', /^250/);
    expect(server.messages[0]?.text).toBe('hi');
    await client.say(
      'FOO\r\nEHLO\r\nHELP\r\nEXPN x\r\nVRFY\r\nQUIT\r\n',
      /^500.*\r\n501.*\r\n214.*\r\n550.*\r\n501.*\r\n221/,
    );
    expect(server.transcript.join('\n')).not.toMatch(/AHUAcA/);
  });
});
