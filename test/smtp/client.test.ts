import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import {
  AuthError,
  ClosedError,
  LimitError,
  PostwireError,
  ProtocolError,
  ReplyError,
  TlsError,
  UsageError,
} from '../../src/errors.ts';
import { SmtpClient, type SmtpOptions, SmtpSendError } from '../../src/smtp/index.ts';
import { type FakeSmtp, type FakeSmtpOptions, fakeSmtp } from '../../src/testing/index.ts';
import { smtpClientSuite } from '../suites/smtp.ts';
import { bytesOf } from '../decoder-cases.ts';
import { scriptedServer } from './scripted-server.ts';

const open: { close?(): unknown; quit?(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await (each.quit ?? each.close)?.call(each);
});
const start = async (options?: FakeSmtpOptions): Promise<FakeSmtp> => {
  const server = await fakeSmtp(options);
  open.push(server);
  return server;
};
const connect = async (server: FakeSmtp, options: SmtpOptions = {}): Promise<SmtpClient> => {
  const client = await SmtpClient.connect(server.url, {
    ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }),
    ...options,
  });
  open.push(client);
  return client;
};
const scripted = async (steps: readonly (string | null)[]) => {
  const server = await scriptedServer(steps);
  open.push(server);
  return server;
};
const plain = (port: number, options: SmtpOptions = {}) =>
  SmtpClient.connect({ host: '127.0.0.1', port, tls: 'none', ...options });
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};
const envelope = { from: 'me@example.com', to: 'you@example.com' };
const message = 'Subject: hi\r\n\r\nHello\r\n';

smtpClientSuite('the fake server', async () => {
  const server = await fakeSmtp({ tls: 'starttls', users: { user: 'pass word' } });
  return {
    target: server.url,
    options: { tls: { ca: server.ca } },
    recipient: 'box@example.com',
    received: async (marker) => (await server.waitForMail({ text: marker })).raw,
    close: () => server.close(),
  };
});

describe('arguments', () => {
  test('SMTP-01: a name for EHLO that would inject is refused before connecting', async () => {
    const server = await start();
    for (const name of ['x\r\nMAIL FROM:<a@b>', 'x y', '', '<x>', 'x\0'])
      expect(await caught(SmtpClient.connect(server.url, { name })), name).toBeInstanceOf(UsageError);
    expect(server.transcript).toEqual([]);
    const client = await connect(server, { name: 'me.example' });
    await client.helo();
    expect(server.transcript.filter((line) => line.startsWith('C:'))).toEqual([
      'C: EHLO me.example',
      'C: HELO me.example',
    ]);
  });

  test('SMTP-02 SMTP-03: an address that would inject is refused, in every place', async () => {
    const server = await start();
    const client = await connect(server);
    const before = server.transcript.length;
    for (const bad of [
      'a@b\r\nRCPT TO:<x@y>',
      'a\r@b',
      'a\n@b',
      'a\0@b',
      '"a\r\n"@b',
      'a@b> SIZE=1 AUTH=<>',
      'a@b>\tNOTIFY=NEVER',
      '<a@b',
      'a b@c',
      'a@b\u2028',
      'a\u0085@b',
      '',
    ]) {
      expect(await caught(client.send({ from: 'me@example.com', to: bad }, message)), bad).toBeInstanceOf(UsageError);
      expect(await caught(client.rcpt(bad)), bad).toBeInstanceOf(UsageError);
      if (bad !== '') {
        expect(await caught(client.send({ from: bad, to: 'a@b.example' }, message)), bad).toBeInstanceOf(UsageError);
        expect(await caught(client.mail(bad)), bad).toBeInstanceOf(UsageError);
      }
    }
    expect(server.transcript.length).toBe(before);
  });

  test('SMTP-04: parameters are numbers or single words', async () => {
    const server = await start();
    const client = await connect(server);
    const bad = [
      { SIZE: '1\r\nDATA' },
      { SIZE: Number.NaN },
      { SIZE: -1 },
      { SIZE: 1.5 },
      { ENVID: 'a b' },
      { AUTH: '<>\n' },
      { 'X Y': '1' },
      { 'X\r\n': '1' },
      { X: 'a=b' },
      { X: { toString: () => 'a\r\nb' } as unknown as string },
    ];
    for (const mailParameters of bad)
      expect(
        await caught(client.send(envelope, message, { mailParameters })),
        JSON.stringify(mailParameters),
      ).toBeInstanceOf(UsageError);
    expect(server.messages).toEqual([]);
  });

  test('SMTP-05: what is refused here takes no turn: the next command gets its own reply', async () => {
    const server = await start();
    const client = await connect(server);
    const results = await Promise.allSettled([
      client.vrfy('a\r\nb'),
      client.send(envelope, message),
      client.command('X\n'),
      client.noop(),
    ]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect((results[3] as { value?: { lines: readonly string[] } }).value?.lines).toEqual(['OK']);
  });

  test('the target is checked, and says what to write', async () => {
    const cases: [unknown, RegExp][] = [
      [undefined, /is the environment variable set/],
      ['', /smtp:\/\/user:password@host:587/],
      ['mail.example.com', /not a URL|not a scheme/],
      ['http://x', /not a scheme for smtp; use smtp:\/\//],
      ['smtp://u@h', /without a password or token/],
      ['smtp://h?tsl=none', /unknown option URL.tsl; did you mean tls/],
      ['smtp://h?tls=yes', /tls must be one of/],
      ['smtp://u:p%@h', /stray %/],
      [{ host: 'h', port: 'abc' }, /port must be/],
      [{ host: 'h', port: 70_000 }, /port must be/],
      [{ host: 'h', secure: true }, /unknown option smtp.secure/],
      [{ host: 'h', tls: true }, /boolean does not say which/],
      [{ host: 'h', tls: { rejectUnauthorised: false } }, /unknown option tls.rejectUnauthorised/],
      [{ host: 'a b' }, /host must be/],
      [{ host: 'h', password: 'x' }, /without a user/],
      [5, /must be a URL or an object/],
    ];
    for (const [target, text] of cases) {
      const error = await caught(SmtpClient.connect(target as string));
      expect(error, String(target)).toBeInstanceOf(UsageError);
      expect(error.message).toMatch(text);
    }
    expect((await caught(SmtpClient.connect('smtp://user:hunter2\n@h'))).message).not.toContain('hunter2');
  });
});

describe('TLS', () => {
  test('SMTP-12 SMTP-13: plaintext behind the answer to STARTTLS is never read as secure', async () => {
    for (const inject of ['250-AUTH PLAIN\r\n250 OK\r\n', '250-X', '\r\n']) {
      const server = await start({ tls: 'starttls', users: { u: 'p' } });
      server.on('STARTTLS').inject(inject);
      const error = await caught(connect(server));
      expect(error.code, inject).toMatch(/PROTOCOL|TLS/);
      expect(server.transcript.join('\n')).not.toMatch(/C: AUTH/);
    }
    const late = await scripted(['220 hi\r\n', '250-x\r\n250 STARTTLS\r\n', '220 go\r\n250 forged\r\n']);
    expect(await caught(SmtpClient.connect({ host: '127.0.0.1', port: late.port, tls: 'starttls' }))).toMatchObject({
      reason: 'STARTTLS_INJECTION',
    });
  });

  test.each([
    ['keyword absent', ['220 hi\r\n', '250 x\r\n']],
    ['EHLO refused', ['220 hi\r\n', '502 no\r\n', '250 x\r\n']],
    ['454', ['220 hi\r\n', '250-x\r\n250 STARTTLS\r\n', '454 later\r\n']],
    ['501', ['220 hi\r\n', '250-x\r\n250 STARTTLS\r\n', '501 no\r\n']],
    ['502', ['220 hi\r\n', '250-x\r\n250 STARTTLS\r\n', '502 no\r\n']],
    ['several lines', ['220 hi\r\n', '250-x\r\n250 STARTTLS\r\n', '220-a\r\n220 b\r\n']],
    ['421', ['220 hi\r\n', '250-x\r\n250 STARTTLS\r\n', '421 bye\r\n']],
  ])('SMTP-14: required and not to be had (%s): nothing but EHLO and STARTTLS was said', async (_name, steps) => {
    const { port, lines } = await scripted(steps);
    const error = await caught(
      SmtpClient.connect({ host: '127.0.0.1', port, tls: 'starttls', user: 'u', password: 'p' }),
    );
    expect(error).toBeInstanceOf(TlsError);
    expect(error.reason).toBe('STARTTLS_UNAVAILABLE');
    expect(lines.every((line) => /^(EHLO|HELO|STARTTLS|QUIT)/.test(line))).toBe(true);
  });

  test('SMTP-14: garbage, or a close, instead of the answer', async () => {
    for (const step of ['garbage\r\n', null]) {
      const { port, lines } = await scripted(['220 hi\r\n', '250-x\r\n250 STARTTLS\r\n', step]);
      expect(
        await caught(SmtpClient.connect({ host: '127.0.0.1', port, tls: 'starttls', user: 'u', password: 'p' })),
      ).toBeInstanceOf(PostwireError);
      expect(lines.join()).not.toMatch(/AUTH|MAIL/);
    }
  });

  test('SMTP-15: a failing handshake is not followed by plaintext', async () => {
    const server = await start({ tls: 'starttls', certificate: 'expired', users: { u: 'p' } });
    expect(await caught(SmtpClient.connect(server.url, { tls: { ca: server.ca as string } }))).toMatchObject({
      code: 'TLS',
      reason: 'CERT_HAS_EXPIRED',
    });
    expect(server.transcript.join('\n')).not.toMatch(/AUTH|MAIL/);
  });

  test('SMTP-16: what was offered before TLS does not count after it', async () => {
    const server = await start({ tls: 'starttls', users: { u: 'p' }, capabilities: { 'X-PLAIN': true } });
    server.on('EHLO').skip(1).reply(502, '5.5.1 no');
    const error = await caught(connect(server));
    expect(error.message).toMatch(/EHLO after STARTTLS refused/);
    expect(server.transcript.join('\n')).not.toMatch(/AUTH/);
  });

  test('SMTP-17: without TLS no password is sent, whatever the server offers', async () => {
    const server = await start({ users: { u: 'p' }, mechanisms: ['PLAIN', 'LOGIN'] });
    const target = { host: server.host, port: server.port, tls: 'none', user: 'u', password: 'p' } as const;
    expect(await caught(SmtpClient.connect(target))).toMatchObject({ code: 'AUTH', reason: 'INSECURE_AUTH' });
    expect(server.transcript.join('\n')).not.toMatch(/AUTH (PLAIN|LOGIN)\b.*\*\*\*/);
    await (await SmtpClient.connect({ ...target, allowInsecureAuth: true })).quit();
    const hashed = await start({ users: { u: 'p' } });
    await (await SmtpClient.connect({ ...target, port: hashed.port })).quit();
    expect(hashed.transcript.join('\n')).toMatch(/AUTH SCRAM-SHA-512/);
  });

  test('TLS-11: the wrong pairing of port and mode is explained, both ways', async () => {
    const plainServer = await start();
    expect(
      await caught(SmtpClient.connect({ host: '127.0.0.1', port: plainServer.port, tls: 'implicit' })),
    ).toMatchObject({ reason: 'TLS_MODE_MISMATCH', hint: expect.stringContaining("'starttls'") as string });
    const alert = await scripted(['\x15\x03\x03\x00\x02\x02\x28']);
    expect(await caught(plain(alert.port))).toMatchObject({
      code: 'TLS',
      reason: 'TLS_MODE_MISMATCH',
      hint: expect.stringContaining("'implicit'") as string,
    });
  });
});

describe('login', () => {
  const all =
    'SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 NTLM PLAIN LOGIN'.split(
      ' ',
    );
  test.each(all)('%s, right and wrong password', async (mechanism) => {
    const server = await start({ tls: 'starttls', users: { 'üser@example.com': 'pä$s wörd' } });
    const target = (password: string) => ({
      host: server.host,
      port: server.port,
      tls: { mode: 'starttls' as const, ca: server.ca as string },
      user: 'üser@example.com',
      password,
      mechanisms: [mechanism],
    });
    const client = await SmtpClient.connect(target('pä$s wörd'));
    await client.quit();
    const error = await caught(SmtpClient.connect(target('wrong')));
    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({ code: 'AUTH', protocol: 'SMTP', reason: 'bad-credentials', reply: { code: 535 } });
  });

  test.each(['XOAUTH2', 'OAUTHBEARER'])('%s: the token callback is asked once more, with force', async (mechanism) => {
    const server = await start({ tls: 'starttls', tokens: { u: 'fresh' } });
    const asked: boolean[] = [];
    const target = (token: (request: { force: boolean }) => string) => ({
      host: server.host,
      port: server.port,
      tls: { mode: 'starttls' as const, ca: server.ca as string },
      user: 'u',
      token,
      mechanisms: [mechanism],
    });
    const client = await SmtpClient.connect(
      target(({ force }) => {
        asked.push(force);
        return force ? 'fresh' : 'stale';
      }),
    );
    await client.quit();
    expect(asked).toEqual([false, true]);
    const error = (await caught(SmtpClient.connect(target(() => 'stale')))) as AuthError;
    expect(error.oauth).toMatchObject({ status: '401' });
    expect(JSON.stringify(error) + error.message).not.toContain('stale');
  });

  test('SMTP-06: fields that a mechanism cannot carry are refused', async () => {
    const server = await start({ tls: 'starttls', auth: 'any', users: {}, tokens: {} });
    const client = await connect({ url: `smtp+starttls://127.0.0.1:${server.port}`, ca: server.ca } as FakeSmtp);
    const before = server.transcript.length;
    for (const [mechanism, credentials] of [
      ['PLAIN', { user: 'a\0b', password: 'p' }],
      ['PLAIN', { user: 'a', password: 'p\0' }],
      ['PLAIN', { user: 'a', password: 'p', authzid: 'x\0y' }],
      ['LOGIN', { user: 'a\r\nb', password: 'p' }],
      ['LOGIN', { user: 'a', password: 'p\nQUIT' }],
      ['XOAUTH2', { user: 'a\u0001auth=Bearer x', token: 't' }],
      ['XOAUTH2', { user: 'a', token: 't\u0001' }],
    ] as const) {
      const error = await caught(client.login({ ...credentials, mechanisms: [mechanism] }));
      expect(error, mechanism).toBeInstanceOf(UsageError);
      expect(error.message).not.toMatch(/Bearer|QUIT/);
    }
    expect(server.transcript.length).toBe(before);
  });

  test('SMTP-18: only listed mechanisms; no stepping down without TLS; never more attempts than mechanisms', async () => {
    const server = await start({ tls: 'starttls', users: { u: 'p' }, mechanisms: ['PLAIN'] });
    expect(
      await caught(
        connect(server, { user: 'u', password: 'p', mechanisms: ['SCRAM-SHA-256'], tls: { ca: server.ca } }),
      ),
    ).toMatchObject({ code: 'AUTH', reason: 'NO_MECHANISM' });
    const clear = await start({ users: { u: 'p' } });
    clear.on('AUTH').reply(535, '5.7.8 no');
    expect(
      await caught(
        SmtpClient.connect({
          host: clear.host,
          port: clear.port,
          tls: 'none',
          user: 'u',
          password: 'p',
          allowInsecureAuth: true,
        }),
      ),
    ).toBeInstanceOf(AuthError);
    expect(clear.transcript.filter((line) => line.startsWith('C: AUTH'))).toEqual(['C: AUTH SCRAM-SHA-512 ***']);
    const stubborn = await start({ tls: 'starttls', users: { u: 'p' } });
    stubborn.on('AUTH').reply(535, '5.7.8 no');
    await caught(connect(stubborn));
    expect(stubborn.transcript.filter((line) => line.startsWith('C: AUTH')).length).toBe(2);
  });

  test('SMTP-19: endless, undecodable and huge challenges', async () => {
    const endless = await scripted([
      '220 hi\r\n',
      '250-x\r\n250 AUTH LOGIN\r\n',
      ...Array.from({ length: 20 }, () => '334 QQ==\r\n'),
    ]);
    const login = { user: 'u', password: 'p', allowInsecureAuth: true };
    expect(await caught(plain(endless.port, login))).toMatchObject({ code: 'AUTH', reason: 'TOO_MANY_CHALLENGES' });
    expect(endless.lines.at(-1)).toBe('*');
    expect(endless.lines.length).toBeLessThan(10);
    const bad = await scripted([
      '220 hi\r\n',
      '250-x\r\n250 AUTH PLAIN LOGIN\r\n',
      '334 !!!notbase64\r\n',
      '501 ok\r\n',
    ]);
    expect(await caught(plain(bad.port, { ...login, mechanisms: ['LOGIN'] }))).toMatchObject({
      code: 'AUTH',
      reason: 'MALFORMED_CHALLENGE',
    });
    expect(bad.lines).toEqual([expect.stringMatching(/^EHLO/), 'AUTH LOGIN', '*']);
    const huge = await scripted(['220 hi\r\n', '250-x\r\n250 AUTH LOGIN\r\n', `334 ${'QUFB'.repeat(300_000)}\r\n`]);
    expect(await caught(plain(huge.port, login))).toBeInstanceOf(LimitError);
  });

  test('SMTP-20: SCRAM checks its server: cost, nonce, signature', async () => {
    const b64 = (text: string) => Buffer.from(text).toString('base64');
    const attempt = async (first: (nonce: string) => string, second?: string) => {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.write('220 hi\r\n');
        let step = 0;
        socket.on('data', (chunk) => {
          const line = chunk.toString();
          if (line.startsWith('EHLO')) socket.write('250-x\r\n250 AUTH SCRAM-SHA-256\r\n');
          else if (line.startsWith('AUTH')) {
            const nonce = /r=(.*)$/.exec(
              Buffer.from(line.trim().split(' ')[2] as string, 'base64').toString(),
            )?.[1] as string;
            socket.write(`334 ${b64(first(nonce))}\r\n`);
          } else if (line.startsWith('*')) socket.write('501 ok\r\n');
          else socket.write(step++ === 0 && second !== undefined ? second : '235 welcome\r\n');
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      open.push(server);
      return caught(plain((server.address() as { port: number }).port, { user: 'u', password: 'p' }));
    };
    for (const iterations of ['2147483648', '0', '-1', '4095', '600001', '1e4', '']) {
      expect(await attempt((nonce) => `r=${nonce}x,s=${b64('salt')},i=${iterations}`), iterations).toMatchObject({
        code: 'AUTH',
        reason: 'SERVER_NOT_VERIFIED',
      });
    }
    expect(await attempt(() => `r=other,s=${b64('salt')},i=4096`)).toMatchObject({ reason: 'SERVER_NOT_VERIFIED' });
    expect(await attempt((nonce) => `r=${nonce},s=${b64('salt')},i=4096`)).toMatchObject({
      reason: 'SERVER_NOT_VERIFIED',
    });
    // Success before, or with a wrong, signature.
    expect(await attempt((nonce) => `r=${nonce}x,s=${b64('salt')},i=4096`)).toMatchObject({
      reason: 'SERVER_NOT_VERIFIED',
    });
    expect(
      await attempt((nonce) => `r=${nonce}x,s=${b64('salt')},i=4096`, `334 ${b64('v=d3Jvbmc=')}\r\n`),
    ).toMatchObject({ reason: 'SERVER_NOT_VERIFIED' });
  });

  test('SMTP-33: a long initial response goes as an answer to an empty challenge', async () => {
    const token = 'x'.repeat(3000);
    const server = await start({ tls: 'starttls', tokens: { u: token } });
    const client = await SmtpClient.connect({
      host: server.host,
      port: server.port,
      tls: { mode: 'starttls', ca: server.ca as string },
      user: 'u',
      token,
    });
    expect(server.transcript).toContain('C: AUTH OAUTHBEARER');
    await client.quit();
  });

  test('SOCK-30: a secret is nowhere but on the wire, in any form', async () => {
    const marker = 'S3cret-Marker';
    const shapes = [
      marker,
      Buffer.from(marker).toString('base64').slice(0, 12),
      Buffer.from(`\0u\0${marker}`).toString('base64'),
      encodeURIComponent(marker),
    ];
    const { inspect } = await import('node:util');
    for (const wire of [undefined, { splitEvery: 1 }]) {
      for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'XOAUTH2', 'OAUTHBEARER']) {
        const server = await start({ tls: 'none', auth: 'any', users: {}, tokens: {}, wire, mechanisms: [mechanism] });
        if (mechanism === 'PLAIN') server.on('AUTH').reply(535, '5.7.8 no');
        const lines: string[] = [];
        const secretOption = mechanism.includes('OAUTH') ? { token: marker } : { password: marker };
        const outcome = await SmtpClient.connect({
          host: server.host,
          port: server.port,
          tls: 'none',
          user: 'u',
          ...secretOption,
          mechanisms: [mechanism],
          allowInsecureAuth: true,
          trace: (entry) => lines.push(entry.text),
        }).catch((error: unknown) => error);
        const seen = [
          lines.join('\n'),
          server.transcript.join('\n'),
          inspect(outcome, { depth: 10, showHidden: true }),
          JSON.stringify(outcome),
          String((outcome as Error).stack),
        ].join('\n');
        for (const shape of shapes) expect(seen, `${mechanism} ${shape}`).not.toContain(shape);
        if (outcome instanceof SmtpClient) await outcome.quit();
      }
    }
    expect((await caught(SmtpClient.connect(`smtp://u:${marker}@127.0.0.1:1?tls=none`))).message).not.toContain(marker);
  });

  test('advice by what the provider says', async () => {
    for (const [text, reason] of [
      ['5.7.9 Application-specific password required', 'app-password-required'],
      ['5.7.139 Authentication unsuccessful, basic authentication is disabled', 'basic-auth-disabled'],
      ['5.7.14 Please log in via your web browser', 'web-login-required'],
      ['5.7.8 wrong', 'bad-credentials'],
    ] as const) {
      const server = await start({ tls: 'starttls', users: { u: 'p' }, mechanisms: ['PLAIN'] });
      server.on('AUTH').reply(535, text);
      expect(await caught(connect(server))).toMatchObject({ code: 'AUTH', reason, hint: expect.any(String) as string });
    }
  });
});

describe('replies', () => {
  test('SMTP-22: 421 at any command closes, is temporary, and says its text', async () => {
    for (const verb of ['MAIL', 'RCPT', 'DATA', 'MESSAGE'] as const) {
      const server = await start();
      server.on(verb).once().reply(421, '4.3.2 shutting down').close();
      const client = await connect(server);
      const error = await caught(client.send(envelope, message, { transfer: 'data' }));
      expect(error, verb).toMatchObject({
        temporary: true,
        reply: { code: 421 },
        message: expect.stringContaining('shutting down') as string,
      });
      expect(client.open).toBe(false);
      expect(server.messages).toEqual([]);
    }
  });

  test('SMTP-22 SOCK-24: a farewell while idle, and a reply that nobody asked for', async () => {
    const idle = await scripted(['220 hi\r\n', '250 x\r\n421 4.4.2 idle too long\r\n']);
    const client = await plain(idle.port);
    await expect.poll(() => client.connection.pendingBytes).toBeGreaterThan(0);
    expect(await caught(client.noop())).toMatchObject({ code: 'REPLY', temporary: true, reply: { code: 421 } });
    const extra = await scripted(['220 hi\r\n', '250 x\r\n250 extra\r\n', '250 mine\r\n']);
    const other = await plain(extra.port);
    await expect.poll(() => other.connection.pendingBytes).toBeGreaterThan(0);
    expect(await caught(other.noop())).toMatchObject({ code: 'PROTOCOL', reason: 'OUT_OF_STEP' });
    expect(other.open).toBe(false);
  });

  test('SMTP-23: some, all, the first or the last recipient refused', async () => {
    for (const pipelining of [true, false]) {
      const server = await start({ capabilities: { PIPELINING: pipelining } });
      server.on('RCPT', { to: 'bad' }).reply(550, '5.1.1 no such user');
      server.on('RCPT', { to: 'later' }).reply(451, '4.2.1 later');
      server.on('RCPT', { to: 'fwd' }).reply(251, '2.1.5 will forward');
      const client = await connect(server);
      for (const transfer of ['data', 'bdat'] as const) {
        const to = [
          'bad1@x.example',
          'a@x.example',
          'later@x.example',
          'fwd@x.example',
          'a@x.example',
          'bad2@x.example',
        ];
        const result = await client.send({ from: 'me@example.com', to }, message, { transfer });
        expect(result.accepted).toEqual(['a@x.example', 'fwd@x.example', 'a@x.example']);
        expect(result.refused.map((each) => [each.address, each.reply?.enhanced, each.temporary])).toEqual([
          ['bad1@x.example', '5.1.1', false],
          ['later@x.example', '4.2.1', true],
          ['bad2@x.example', '5.1.1', false],
        ]);
        const count = server.messages.length;
        const none = (await caught(
          client.send({ from: 'me@example.com', to: ['bad1@x.example', 'bad2@x.example'] }, message, { transfer }),
        )) as SmtpSendError;
        expect(none).toBeInstanceOf(SmtpSendError);
        expect(none).toMatchObject({
          code: 'REPLY',
          reusable: true,
          message: expect.stringContaining('RCPT TO <bad1@x.example> refused') as string,
        });
        expect(none.recipients.map((each) => each.status)).toEqual(['refused', 'refused']);
        const abort = (await caught(
          client.send({ from: 'me@example.com', to }, message, { transfer, onPartial: 'abort' }),
        )) as SmtpSendError;
        expect(abort.recipients.filter((each) => each.status === 'accepted')).toEqual([]);
        expect(server.messages.length).toBe(count);
      }
      expect((await client.noop()).code).toBe(250);
    }
  });

  test('SMTP-24: too few, too many, and a 354 although nobody was accepted', async () => {
    const few = await scripted(['220 hi\r\n', '250-x\r\n250 PIPELINING\r\n', '250 ok\r\n250 ok\r\n421 gone\r\n']);
    expect(await caught((await plain(few.port)).send(envelope, message))).toMatchObject({ reply: { code: 421 } });
    const many = await scripted([
      '220 hi\r\n',
      '250-x\r\n250 PIPELINING\r\n',
      '250 a\r\n250 b\r\n354 go\r\n250 c\r\n250 d\r\n',
      '',
      '',
      '',
      '',
      '',
    ]);
    const client = await plain(many.port);
    await client.send(envelope, message).catch(() => undefined);
    expect(await caught(client.noop())).toBeInstanceOf(PostwireError);
    expect(client.open).toBe(false);
    const stray = await scripted([
      '220 hi\r\n',
      '250-x\r\n250 PIPELINING\r\n',
      '250 ok\r\n',
      '550 no\r\n',
      '354 go on\r\n',
      '554 none\r\n',
      '250 reset\r\n',
    ]);
    const error = await caught((await plain(stray.port)).send(envelope, message));
    expect(error).toMatchObject({ code: 'REPLY', reply: { code: 550 } });
    expect(stray.lines.slice(-2)).toEqual(['.', 'RSET']);
    expect(stray.lines.join()).not.toContain('Hello');
  });

  test('SMTP-25: a server that says no in mid-message stops the upload, and its no is the error', async () => {
    for (const transfer of ['data', 'bdat'] as const) {
      const server = await start();
      if (transfer === 'data') server.on('DATA').afterBytes(1_000_000).reply(552, '5.3.4 too much').close();
      else server.on('BDAT').skip(15).reply(552, '5.3.4 too much').close();
      const client = await connect(server);
      let made = 0;
      const source = {
        async *stream() {
          for (let at = 0; at < 800; at++) {
            made += 65_536;
            yield new Uint8Array(65_536).fill(97);
            await new Promise((resolve) => setImmediate(resolve));
          }
        },
      };
      const error = await caught(client.send(envelope, source, { transfer }));
      expect(error, `${transfer} ${error.message}`).toMatchObject({ code: 'REPLY', reply: { code: 552 } });
      expect(made).toBeLessThan(40_000_000);
      expect(client.open).toBe(false);
    }
  });

  test('SMTP-26: a source that fails is never delivered in part', async () => {
    const server = await start();
    const broken = {
      async *stream() {
        yield new Uint8Array(1_000_000).fill(97);
        throw new Error('disk gone');
      },
    };
    for (const transfer of ['data', 'bdat'] as const) {
      const client = await connect(server);
      await expect(client.send(envelope, broken, { transfer })).rejects.toThrow('disk gone');
      expect(client.open).toBe(false);
    }
    const client = await connect(server);
    const controller = new AbortController();
    const slow = {
      async *stream() {
        yield new Uint8Array(1000);
        controller.abort(new Error('enough'));
        yield new Uint8Array(1000);
      },
    };
    await expect(client.send(envelope, slow, { signal: controller.signal })).rejects.toThrow('enough');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.messages).toEqual([]);
  });

  test('SMTP-27: a lost reply to the final dot is unknown: neither sent nor failed', async () => {
    for (const [script, transfer] of [
      ['reset', 'data'],
      ['close', 'data'],
      ['silence', 'data'],
      ['close', 'bdat'],
    ] as const) {
      const server = await start();
      server.on('MESSAGE')[script]();
      const client = await connect(server, { timeouts: { commandMs: 40 } });
      const error = (await caught(
        client.send({ ...envelope, to: ['a@x.example', 'b@x.example'] }, message, { transfer }),
      )) as SmtpSendError;
      expect(error, script).toMatchObject({ deliveryUnknown: true, reason: 'DELIVERY_UNKNOWN', temporary: false });
      expect(error.recipients.map((each) => each.status)).toEqual(['unknown', 'unknown']);
    }
  });

  test('SMTP-28: BDAT declares what it sends, stuffs no dots, and a refused chunk ends the connection', async () => {
    const server = await start();
    const client = await connect(server);
    const body = 'Subject: x\r\n\r\n.\r\n..\r\n.hidden\r\nbare\nlf\r\n';
    await client.send(envelope, body, { transfer: 'bdat' });
    expect(server.messages[0]?.text).toBe(body.replace('bare\nlf', 'bare\r\nlf'));
    const streamed = {
      stream: async function* () {
        for (const line of body.match(/[^\n]*\n/g) ?? []) yield bytesOf(line);
      },
    };
    await client.send(envelope, streamed, { transfer: 'bdat' });
    expect(server.messages[1]?.text).toBe(server.messages[0]?.text);
    await client.mail('a@b.example');
    await client.rcpt('c@d.example');
    await client.bdat(bytesOf('Subject: y\r\n\r\n'), false);
    await client.bdat(new Uint8Array(0), true);
    expect(server.messages[2]?.text).toBe('Subject: y\r\n\r\n');
    server.on('BDAT').once().reply(552, '5.3.4 full');
    const error = await caught(
      client.send(
        envelope,
        {
          stream: async function* () {
            for (let at = 0; at < 5; at++) yield new Uint8Array(10).fill(97);
          },
        },
        { transfer: 'bdat' },
      ),
    );
    expect(error).toMatchObject({ reply: { code: 552 } });
    expect(client.open).toBe(false);
  });

  test('SMTP-29: a failing RSET does not hide why', async () => {
    for (const script of ['reply', 'close'] as const) {
      const server = await start();
      server.on('RCPT').reply(550, '5.1.1 nobody');
      if (script === 'reply') server.on('RSET').reply(500, 'what');
      else server.on('RSET').close();
      const client = await connect(server);
      expect(await caught(client.send(envelope, message))).toMatchObject({ reply: { code: 550, enhanced: '5.1.1' } });
      expect(client.open).toBe(false);
    }
  });

  test('SMTP-30: a malformed reply closes the connection', async () => {
    for (const bad of ['what?\r\n', '250-a\r\n251 b\r\n', '99 x\r\n', '250 a\0b\r\n']) {
      const { port } = await scripted(['220 hi\r\n', bad]);
      expect(await caught(plain(port)), bad).toBeInstanceOf(ProtocolError);
    }
  });

  test('SOCK-07: a greeting without end is refused before any credential', async () => {
    const { port, lines } = await scripted(['220-x\r\n'.repeat(5000)]);
    expect(await caught(plain(port, { user: 'u', password: 'p', allowInsecureAuth: true }))).toBeInstanceOf(LimitError);
    expect(lines).toEqual([]);
  });

  test('SOCK-02: silence at the greeting and at each command', async () => {
    for (const verb of ['CONNECT', 'EHLO', 'MAIL', 'DATA'] as const) {
      const server = await start();
      server.on(verb).silence();
      const attempt = connect(server, { timeouts: { greetingMs: 60, commandMs: 60 } }).then((client) =>
        client.send(envelope, message, { transfer: 'data' }),
      );
      expect(await caught(attempt), verb).toMatchObject({
        code: 'TIMEOUT',
        phase: verb === 'CONNECT' ? 'greeting' : 'command',
        protocol: 'SMTP',
      });
    }
  });

  test('SOCK-10 SOCK-18: a reset with five commands waiting rejects each once', async () => {
    const server = await start();
    server.on('VRFY').reset();
    const client = await connect(server);
    const results = await Promise.allSettled([
      client.vrfy('a'),
      client.noop(),
      client.rset(),
      client.help(),
      client.send(envelope, message),
      client.noop(),
    ]);
    expect(results.every((result) => result.status === 'rejected' && result.reason instanceof ClosedError)).toBe(true);
  });

  test('SOCK-15: calls after quit fail at once; quit twice is fine', async () => {
    const client = await connect(await start());
    await client.quit();
    await client.quit();
    expect(await caught(client.noop())).toBeInstanceOf(ClosedError);
    expect(await caught(client.send(envelope, message))).toBeInstanceOf(ClosedError);
    expect((await client.closed).by).toBe('us');
  });

  test('SOCK-22: an abort at every reply of a transaction leaves no bytes for the next', async () => {
    for (let step = 0; step < 4; step++) {
      const server = await start({ capabilities: { PIPELINING: false, CHUNKING: false } });
      const verbs = ['MAIL', 'RCPT', 'DATA', 'MESSAGE'];
      server.on(verbs[step] as string).delay(60);
      const client = await connect(server);
      const controller = new AbortController();
      const reason = new Error('stop');
      setTimeout(() => controller.abort(reason), 20);
      const error = await client
        .send(envelope, message, { signal: controller.signal })
        .catch((thrown: unknown) => thrown);
      if (step === 3) expect(error).toMatchObject({ deliveryUnknown: true, cause: reason });
      else expect(error).toBe(reason);
      expect(client.open).toBe(false);
    }
  });
});

describe('what the server cannot take', () => {
  test('SMTP-10: SMTPUTF8', async () => {
    const without = await connect(await start({ capabilities: { SMTPUTF8: false } }));
    expect(await caught(without.send({ from: 'me@example.com', to: '用户@example.com' }, message))).toMatchObject({
      code: 'UNSUPPORTED',
      reason: 'SMTPUTF8',
    });
    expect(await caught(without.send(envelope, 'Subject: ü\r\n\r\nx'))).toMatchObject({ reason: 'SMTPUTF8' });
    expect((await without.send({ from: 'me@example.com', to: 'you@bücher.example' }, message)).accepted).toEqual([
      'you@xn--bcher-kva.example',
    ]);
    const server = await start();
    const client = await connect(server);
    await client.send({ from: 'me@example.com', to: '用户@example.com' }, message);
    expect(server.messages[0]?.envelope.parameters.has('SMTPUTF8')).toBe(true);
    expect(server.messages[0]?.envelope.to).toEqual(['用户@example.com']);
  });

  test('SMTP-11: 8BITMIME, for held and for streamed messages', async () => {
    const server = await start({ capabilities: { '8BITMIME': false } });
    const body = Buffer.from('Subject: x\r\n\r\nü\r\n');
    expect(await caught((await connect(server)).send(envelope, body))).toMatchObject({
      code: 'UNSUPPORTED',
      reason: '8BITMIME',
      reusable: true,
    });
    const client = await connect(server);
    expect(
      await caught(
        client.send(envelope, {
          stream: async function* () {
            yield body;
          },
        }),
      ),
    ).toMatchObject({ reason: '8BITMIME' });
    expect(client.open).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.messages).toEqual([]);
    const modern = await start();
    await (await connect(modern)).send(envelope, body);
    expect(modern.messages[0]?.envelope.parameters.get('BODY')).toBe('8BITMIME');
  });

  test('a message over SIZE is not sent, and the error says both sizes', async () => {
    const server = await start({ maxMessageBytes: 1000 });
    const client = await connect(server);
    const error = await caught(client.send(envelope, 'x'.repeat(2000)));
    expect(error).toMatchObject({ code: 'LIMIT', reason: 'MESSAGE_TOO_LARGE', reusable: true });
    expect(error.message).toMatch(/2\.0 kB \(2000 bytes\).*1\.0 kB/);
    expect(server.transcript.join()).not.toContain('MAIL');
  });

  test('an old server: HELO', async () => {
    const server = await start({ esmtp: false });
    const client = await connect(server);
    expect(client.capabilities.size).toBe(0);
    expect((await client.send(envelope, message)).accepted).toEqual(['you@example.com']);
  });
});

describe('pipelining', () => {
  test('concurrent sends keep their order and their replies, and travel together', async () => {
    const server = await start();
    server.on('RCPT', { to: 'bad' }).reply(550, '5.1.1 no');
    server.on('MESSAGE', { to: 'full' }).reply(452, '4.2.2 full');
    const client = await connect(server);
    const sends = Array.from({ length: 60 }, (_, index) => {
      const to =
        index % 7 === 3
          ? `bad${index}@x.example`
          : index % 11 === 5
            ? `full${index}@x.example`
            : `to${index}@x.example`;
      return client.send({ from: 'me@example.com', to }, `Subject: ${index}\r\n\r\n`, { transfer: 'data' }).then(
        (result) => result.accepted[0],
        (error: SmtpSendError) => `${error.reply?.code}`,
      );
    });
    const results = await Promise.all(sends);
    results.forEach((result, index) =>
      expect(result).toBe(index % 7 === 3 ? '550' : index % 11 === 5 ? '452' : `to${index}@x.example`),
    );
    expect(server.messages.map((mail) => mail.header('subject'))).toEqual(
      results.flatMap((result, index) => (result?.startsWith('to') === true ? [String(index)] : [])),
    );
    // The next MAIL leaves with the dot before it.
    const lines = server.transcript;
    const dotThenMail = lines.findIndex(
      (line, index) => line.startsWith('C: [') && lines[index + 1]?.startsWith('C: MAIL') === true,
    );
    expect(dotThenMail).toBeGreaterThan(0);
  });

  test('a waiting send that is aborted is not sent; the others are', async () => {
    const server = await start();
    server.on('MESSAGE').once().delay(50);
    const client = await connect(server);
    const controller = new AbortController();
    const sends = [0, 1, 2, 3].map((index) =>
      client.send({ from: 'me@example.com', to: `to${index}@x.example` }, message, {
        transfer: 'data',
        ...(index === 3 ? { signal: controller.signal } : {}),
      }),
    );
    controller.abort(new Error('not that one'));
    const results = await Promise.allSettled(sends);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(server.messages.map((mail) => mail.envelope.to[0])).toEqual([
      'to0@x.example',
      'to1@x.example',
      'to2@x.example',
    ]);
  });

  test('every command between sends gets its own reply', async () => {
    const client = await connect(await start());
    const [, help, , vrfy, raw] = await Promise.all([
      client.send(envelope, message),
      client.help(),
      client.send(envelope, message),
      client.vrfy('x'),
      client.command('XYZZY', ['a']),
    ]);
    expect([help.code, vrfy.code, raw.code]).toEqual([214, 252, 500]);
    expect(await caught(client.mail('a@b.example', { SIZE: 999_999_999_999 }))).toBeInstanceOf(ReplyError);
    await client.mail('a@b.example');
    await client.rcpt('c@d.example');
    expect((await client.data('Subject: by hand\r\n\r\n.dot\r\n')).code).toBe(250);
    await client.rset();
    expect((await client.ehlo()).code).toBe(250);
    expect(await caught(client.command('BAD COMMAND'))).toBeInstanceOf(UsageError);
    expect(await caught(client.startTls())).toBeInstanceOf(TlsError);
  });

  test('splitting every answer at every byte changes nothing', async () => {
    const server = await start({ wire: { splitEvery: 1 }, users: { u: 'p' } });
    const client = await connect(server);
    expect(
      (await client.send({ from: 'me@example.com', to: ['a@x.example', 'b@x.example'] }, message)).accepted,
    ).toHaveLength(2);
    expect(server.messages[0]?.text).toBe(message);
  });

  test('cutting the server’s answers at every byte leaves an error each time, and no false success', async () => {
    let sent = 0;
    for (let at = 1; at < 400; at += 13) {
      const server = await fakeSmtp({ wire: { cutAfterBytes: at } });
      const result = await SmtpClient.connect(server.url, { timeouts: { commandMs: 500 } })
        .then((client) => client.send(envelope, message, { transfer: 'data' }))
        .then(
          () => 'sent',
          (error: unknown) =>
            error instanceof SmtpSendError && error.deliveryUnknown
              ? 'unknown'
              : error instanceof PostwireError
                ? 'failed'
                : `untyped ${String(error)}`,
        );
      if (result === 'sent') sent++;
      if (result === 'failed') expect(server.messages).toEqual([]);
      else expect(['sent', 'unknown']).toContain(result);
      await server.close();
    }
    expect(sent).toBeGreaterThan(0);
  });
});
