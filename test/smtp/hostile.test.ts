import { connect as connectSocket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { spawn } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { ClosedError, PostwireError, UsageError } from '../../src/errors.ts';
import { sendMail } from '../../src/mail/index.ts';
import { SmtpClient, type SmtpOptions, SmtpSendError } from '../../src/smtp/index.ts';
import { type FakeSmtp, type FakeSmtpOptions, TestAuthority, fakeSmtp } from '../../src/testing/index.ts';
import { scriptedServer } from './scripted-server.ts';

// What a stranger broke, each with the bytes that showed it.

const open: { close?(): unknown; destroy?(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await (each.close ?? each.destroy)?.call(each);
});
const start = async (options?: FakeSmtpOptions): Promise<FakeSmtp> => {
  const server = await fakeSmtp(options);
  open.push(server);
  return server;
};
const connect = async (url: string, options: SmtpOptions = {}): Promise<SmtpClient> => {
  const client = await SmtpClient.connect(url, options);
  open.push(client);
  return client;
};
const scripted = async (steps: readonly (string | null)[]) => {
  const server = await scriptedServer(steps);
  open.push(server);
  return server;
};
const caught = async (promise: Promise<unknown>): Promise<SmtpSendError> => {
  try {
    await promise;
  } catch (error) {
    return error as SmtpSendError;
  }
  throw new Error('it did not fail');
};
const envelope = { from: 'a@b.example', to: 'c@d.example' };
const draft = { from: 'a@b.example', to: 'c@d.example', text: 'x' };
const never = (): Promise<never> => new Promise(() => undefined);

describe('what never comes', () => {
  test('a stalled source: the signal, the deadline, destroy, and a server that goes each end the wait, and free the source', async () => {
    const server = await start();
    const stalled = () => {
      let cancelled = false;
      const stream = new ReadableStream<Uint8Array>({ pull: () => never(), cancel: () => void (cancelled = true) });
      return { draft: { ...draft, attachments: [{ stream, filename: 'x' }] }, cancelled: () => cancelled };
    };
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    const one = stalled();
    expect(await caught(sendMail(server.url, one.draft, { signal: controller.signal }))).toBe(reason);
    for (const timeouts of [{ bodyIdleMs: 60 }, { totalMs: 80 }])
      expect(await caught(sendMail(server.url, stalled().draft, { timeouts }))).toMatchObject({ code: 'TIMEOUT' });
    for (const end of ['destroy', 'server'] as const) {
      const client = await connect(server.url);
      const sending = caught(
        client.send(envelope, {
          stream: () => ({ [Symbol.asyncIterator]: () => ({ next: never, return: never }) }) as never,
        }),
      );
      const queued = caught(client.noop());
      await delay(30);
      if (end === 'destroy') client.destroy(new Error('shutdown'));
      else await server.close();
      await sending;
      expect(await queued).toBeInstanceOf(ClosedError);
      expect(client.open).toBe(false);
      await client.quit();
    }
    expect(server.messages).toEqual([]);
  });

  test('a connect hook and a token function that never answer', async () => {
    const server = await start({ tls: 'none', tokens: { u: 't' } });
    expect(await caught(SmtpClient.connect(server.url, { connect: never, timeouts: { connectMs: 60 } }))).toMatchObject(
      { code: 'TIMEOUT', phase: 'connect' },
    );
    expect(await caught(SmtpClient.connect(server.url, { connect: () => ({}) as never }))).toBeInstanceOf(UsageError);
    const reason = new Error('no token');
    const login = { host: server.host, port: server.port, tls: 'none', user: 'u', allowInsecureAuth: true } as const;
    expect(await caught(SmtpClient.connect({ ...login, token: never, signal: AbortSignal.timeout(60) }))).toMatchObject(
      { name: 'TimeoutError' },
    );
    expect(await caught(SmtpClient.connect({ ...login, token: never, timeouts: { commandMs: 60 } }))).toMatchObject({
      code: 'TIMEOUT',
    });
    // SMTP-32: what the token function throws is the caller's own; the connection does not stay open.
    expect(await caught(SmtpClient.connect({ ...login, token: () => Promise.reject(reason) }))).toBe(reason);
    expect(await caught(SmtpClient.connect({ ...login, token: () => 5 as never }))).toBeInstanceOf(UsageError);
    await expect.poll(() => server.connectionCount).toBe(0);
  });

  test('SOCK-21: an idle client does not keep the process alive; a pending command does', async () => {
    const server = await start();
    const run = (after: string): Promise<{ code: number | null; out: string; ms: number }> =>
      new Promise((resolve) => {
        const started = performance.now();
        const child = spawn(process.execPath, [
          '--input-type=module',
          '-e',
          `import { SmtpClient } from './dist/smtp/index.js'; const client = await SmtpClient.connect(${JSON.stringify(server.url)}); ${after}`,
        ]);
        let out = '';
        child.stdout.on('data', (chunk) => (out += String(chunk)));
        child.on('close', (code) => resolve({ code, out, ms: performance.now() - started }));
      });
    expect(await run('await client.noop();')).toMatchObject({ code: 0 });
    server.on('VRFY').delay(300).reply(252, 'late');
    const waited = await run("client.vrfy('x').then((reply) => console.log(reply.code));");
    expect(waited.out).toBe('252\n');
  });

  test('timeouts longer than a timer can hold do not fire at once', async () => {
    const server = await start();
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    await sendMail(server.url, draft, {
      timeouts: { connectMs: 3e12, totalMs: 3e12, commandMs: 3e12, bodyIdleMs: 3e12 },
    });
    await delay(5);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});

describe('callbacks', () => {
  test('SOCK-26: a progress function that throws or rejects changes nothing; one that is none is refused', async () => {
    const server = await start();
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', onWarning);
    for (const onProgress of [
      () => {
        throw new Error('bar broke');
      },
      () => Promise.reject(new Error('bar broke later')) as unknown as void,
    ]) {
      for (const transfer of ['data', 'auto'] as const)
        expect((await sendMail(server.url, draft, { onProgress, transfer })).accepted).toHaveLength(1);
    }
    await delay(10);
    process.off('warning', onWarning);
    expect(warnings.join()).toMatch(/onProgress callback failed: bar broke.*bar broke later/);
    expect(await caught(sendMail(server.url, draft, { onProgress: 'x' as never }))).toBeInstanceOf(UsageError);
    expect(server.messages).toHaveLength(4);
  });
});

describe('replies', () => {
  test('only the second hundred is a yes', async () => {
    for (const replies of [
      ['150 maybe\r\n', '250 ok\r\n', '354 go\r\n'],
      ['250 ok\r\n', '199 soon\r\n', '354 go\r\n'],
    ]) {
      const server = await scripted([
        '220 hi\r\n',
        '250 x\r\n',
        ...replies,
        '554 no\r\n',
        '250 reset\r\n',
        '250 x\r\n',
      ]);
      const client = await connect(`smtp://127.0.0.1:${server.port}?tls=none`);
      expect(await caught(client.send(envelope, 'x'))).toBeInstanceOf(SmtpSendError);
    }
    const late = await scripted([
      '220 hi\r\n',
      '250 x\r\n',
      '250 a\r\n',
      '250 b\r\n',
      '354 go\r\n',
      '',
      '150 fine\r\n',
    ]);
    const client = await connect(`smtp://127.0.0.1:${late.port}?tls=none`);
    expect(await caught(client.send(envelope, 'x\r\n'))).toMatchObject({ code: 'REPLY' });
  });

  test('SOCK-24: an answer to a message that was not sent yet is out of step, not a yes', async () => {
    const early = await scripted([
      '220 hi\r\n',
      '250-x\r\n250 PIPELINING\r\n',
      '250 a\r\n250 b\r\n354 go\r\n250 queued\r\n',
    ]);
    const client = await connect(`smtp://127.0.0.1:${early.port}?tls=none`);
    expect(await caught(client.send(envelope, 'Subject: x\r\n\r\n'))).toMatchObject({
      code: 'PROTOCOL',
      reason: 'OUT_OF_STEP',
    });
    expect(client.open).toBe(false);
    expect(early.lines).not.toContain('Subject: x');
  });

  test('a lost reply names every recipient as unknown, however it was lost', async () => {
    const two = { from: 'a@b.example', to: ['c@d.example', 'e@f.example'] };
    const server = await start();
    server.on('MAIL').close();
    const flight = await caught((await connect(server.url)).send(two, 'x'));
    expect(flight).toMatchObject({ deliveryUnknown: true });
    expect(flight.recipients.map((each) => [each.address, each.status])).toEqual([
      ['c@d.example', 'unknown'],
      ['e@f.example', 'unknown'],
    ]);
    const silent = await start();
    silent.on('MESSAGE').silence();
    const client = await connect(silent.url);
    const sending = caught(client.send(two, 'x', { transfer: 'data' }));
    await delay(50);
    client.destroy(new Error('shutdown'));
    expect(await sending).toMatchObject({
      deliveryUnknown: true,
      recipients: [{ status: 'unknown' }, { status: 'unknown' }],
    });
    const gone = await start();
    gone.on('MAIL').reply(421, '4.3.2 going').close();
    expect(await caught((await connect(gone.url)).send(two, 'x'))).toMatchObject({
      message: expect.stringMatching(/SMTP MAIL FROM refused.*421/) as string,
      deliveryUnknown: false,
    });
  });

  test('SOCK-30: a login that the server echoes shows nowhere', async () => {
    const echo = Buffer.from('\0u\0S3cret-Marker').toString('base64');
    const server = await scripted(['220 hi\r\n', '250-x\r\n250 AUTH PLAIN\r\n', `535 bad: AUTH PLAIN ${echo}\r\n`]);
    const error = await caught(
      SmtpClient.connect({
        host: '127.0.0.1',
        port: server.port,
        tls: 'none',
        user: 'u',
        password: 'S3cret-Marker',
        allowInsecureAuth: true,
      }),
    );
    expect(error).toMatchObject({ code: 'AUTH', reply: { code: 535 } });
    expect(
      `${error.message} ${error.stack ?? ''} ${JSON.stringify(error)} ${error.transcript?.join() ?? ''}`,
    ).not.toContain(echo);
  });

  test('a wrong password is not tried by every mechanism', async () => {
    const server = await start({ tls: 'starttls', users: { u: 'p' } });
    await caught(
      SmtpClient.connect({
        host: server.host,
        port: server.port,
        tls: { mode: 'starttls', ca: server.ca },
        user: 'u',
        password: 'wrong',
      }),
    );
    expect(server.transcript.filter((line) => line.startsWith('C: AUTH'))).toEqual([
      'C: AUTH SCRAM-SHA-512-PLUS ***',
      'C: AUTH PLAIN ***',
    ]);
  });

  test('plaintext to a server that waits for TLS: the greeting times out with a hint', async () => {
    const server = await start({ tls: 'implicit' });
    expect(
      await caught(
        SmtpClient.connect({ host: server.host, port: server.port, tls: 'none', timeouts: { greetingMs: 60 } }),
      ),
    ).toMatchObject({ code: 'TIMEOUT', hint: expect.stringContaining("'implicit'") as string });
  });
});

describe('calls', () => {
  test('quit lets earlier calls finish and refuses later ones', async () => {
    const server = await start();
    const client = await connect(server.url);
    const before = client.send(envelope, 'x');
    const leaving = client.quit();
    const error = await caught(client.send(envelope, 'y'));
    expect(error).toBeInstanceOf(ClosedError);
    expect(error.message).toMatch(/quit was called/);
    expect((await before).accepted).toHaveLength(1);
    await leaving;
    expect(server.messages).toHaveLength(1);
  });

  test('options are checked, not ignored', async () => {
    const server = await start();
    const bad: SmtpOptions[] = [
      { family: 5 as never },
      { family: 6 },
      { keepAliveMs: -3 },
      { keepAliveMs: Number.NaN },
      { localAddress: 'junk' },
      { signal: 'x' as never },
      { trace: 5 as never },
      { lookup: async () => 'x' as never },
    ];
    for (const options of bad)
      expect(
        await caught(
          SmtpClient.connect({
            host: 'lookup' in options ? 'x.test' : server.host,
            port: server.port,
            tls: 'none',
            ...options,
          }),
        ),
        JSON.stringify(options),
      ).toBeInstanceOf(UsageError);
    const client = await connect(server.url);
    for (const timeoutMs of [-1, 0, Number.NaN, '5' as never])
      expect(await caught(client.send(envelope, 'x', { timeoutMs }))).toBeInstanceOf(UsageError);
    expect(server.messages).toEqual([]);
    for (const options of [
      { bogus: 1 },
      { auth: 'bogus' },
      { endOfData: 'x' },
      { maxMessageBytes: -1 },
      { mechanisms: ['BOGUS'] },
      { tls: true },
      { tls: 'auto' },
      { wire: { splitEveryByte: true } },
    ]) {
      await expect(fakeSmtp(options as never), JSON.stringify(options)).rejects.toThrow(UsageError);
    }
  });

  test('raw messages: SIZE and SMTPUTF8 are known before DATA, at any size', async () => {
    const small = await start({ maxMessageBytes: 1000, capabilities: { SMTPUTF8: false } });
    const raw = (content: string) => ({ raw: { content }, envelope: { from: 'a@b.example', to: 'c@d.example' } });
    expect(await caught(sendMail(small.url, raw(`Subject: x\r\n\r\n${'y'.repeat(400_000)}`)))).toMatchObject({
      reason: 'MESSAGE_TOO_LARGE',
    });
    const large = await start({ capabilities: { SMTPUTF8: false } });
    expect(await caught(sendMail(large.url, raw(`Subject: é\r\n\r\n${'y\r\n'.repeat(200_000)}`)))).toMatchObject({
      reason: 'SMTPUTF8',
    });
    const modern = await start();
    await sendMail(modern.url, raw(`Subject: é\r\nBcc: x@y.example\r\n\r\n${'y\r\n'.repeat(200_000)}`));
    expect(modern.messages[0]?.envelope.parameters.get('SMTPUTF8')).toBe(true);
    expect(Number(modern.messages[0]?.envelope.parameters.get('SIZE'))).toBe(modern.messages[0]?.raw.length);
    const client = await connect(modern.url);
    await client.send(envelope, `Subject: x\n\n${'a\n'.repeat(1000)}`);
    expect(Number(modern.messages[1]?.envelope.parameters.get('SIZE'))).toBe(modern.messages[1]?.raw.length);
    const streamed = {
      stream: async function* () {
        yield Buffer.from('Subject: é\r\n\r\nx');
      },
    };
    expect(await caught(client.send(envelope, streamed))).toMatchObject({ reason: 'SMTPUTF8' });
    await connect(modern.url).then((other) => other.send(envelope, { ...streamed, needsSmtpUtf8: true }));
    expect(modern.messages).toHaveLength(3);
  });

  test('a source that is shorter or longer than it said is not delivered', async () => {
    const server = await start();
    for (const sizeBytes of [2, 20]) {
      const client = await connect(server.url);
      expect(
        await caught(
          client.send(envelope, {
            sizeBytes,
            stream: async function* () {
              yield Buffer.from('ten bytes!');
            },
          }),
        ),
      ).toBeInstanceOf(UsageError);
      expect(client.open).toBe(false);
    }
    await delay(20);
    expect(server.messages).toEqual([]);
  });
});

describe('TLS', () => {
  test('TLS-06: no session is carried from one connection to another', async () => {
    const server = await start({ tls: 'implicit' });
    const client = await connect(server.url, { tls: { ca: server.ca } });
    await client.noop();
    const wrong = await start({ tls: 'implicit', certificate: 'wrong-host' });
    const session = await new Promise<Buffer>((resolve) => {
      const socket = connectTls({
        port: wrong.port,
        host: '127.0.0.1',
        ca: wrong.ca,
        checkServerIdentity: () => undefined,
      });
      socket.on('session', (each) => {
        resolve(each);
        socket.destroy();
      });
    });
    expect(await caught(SmtpClient.connect(wrong.url, { tls: { ca: wrong.ca, session } as never }))).toBeInstanceOf(
      UsageError,
    );
    expect(await caught(SmtpClient.connect(wrong.url, { tls: { ca: wrong.ca } }))).toMatchObject({
      reason: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  test('TLS-04: odd bytes in the names of a certificate match nothing', async () => {
    const authority = await TestAuthority.create();
    for (const name of [
      'localhost\0.evil.example',
      'evil.example, DNS:localhost',
      '"localhost"',
      "evil.example', IP Address:127.0.0.1",
    ]) {
      const server = await start({ tls: 'implicit', certificate: await authority.issue('valid', [name]) });
      for (const host of ['localhost', '127.0.0.1']) {
        const attempt = SmtpClient.connect({
          host,
          port: server.port,
          tls: { mode: 'implicit', ca: authority.ca },
          lookup: async () => [{ address: '127.0.0.1', family: 4 }],
        });
        expect(await caught(attempt), JSON.stringify(name)).toMatchObject({ code: 'TLS' });
      }
    }
  });
});

describe('fakeSmtp', () => {
  test('receive that reads nothing, throws, or gets too much: the next command is still a command', async () => {
    const body = `Subject: x\r\n\r\nMAIL FROM:<evil@e.example>\r\n${'y'.repeat(2000)}\r\n`;
    const lazy = await start({ receive: async () => {} });
    const client = await connect(lazy.url);
    expect((await client.send(envelope, body, { transfer: 'data' })).reply.code).toBe(250);
    expect((await client.send(envelope, body, { transfer: 'data' })).reply.code).toBe(250);
    expect(lazy.transcript.join()).not.toContain('C: MAIL FROM:<evil');
    const failing = await start({ receive: () => Promise.reject(new Error('disk full')) });
    expect(await caught(sendMail(failing.url, draft, { transfer: 'data' }))).toMatchObject({
      reply: { code: 451 },
      message: expect.stringContaining('disk full') as string,
    });
    const strict = await start({
      maxMessageBytes: 1000,
      capabilities: { SIZE: false },
      receive: async (each) => {
        for await (const _chunk of each);
      },
    });
    expect(
      await caught(sendMail(strict.url, { ...draft, text: 'z'.repeat(5000) }, { transfer: 'data' })),
    ).toMatchObject({ reply: { code: 552 } });
  });
});

test('a plain socket can be given', async () => {
  const server = await start();
  const client = await connect('smtp://mail.example?tls=none', {
    connect: () => connectSocket(server.port, '127.0.0.1'),
  });
  expect((await client.send(envelope, 'x')).accepted).toHaveLength(1);
  expect(client).not.toBeInstanceOf(PostwireError);
});
