import { describe, expect, test } from 'vitest';
import { fakeSmtp } from '../../src/testing/index.ts';
import { type CommandResult, postwire } from './postwire.ts';

const message =
  'From: Ann <ann@example.com>\nTo: bob@example.com, Cid <cid@example.com>\nBcc: hid@example.com\nSubject: x\n\none\n.\ntwo\n';

describe('postwire sendmail', () => {
  test('-t takes the recipients from the header, and the hidden ones stay hidden', async () => {
    await using server = await fakeSmtp();
    const env = { SMTP_URL: server.url };
    expect(await postwire(['sendmail', '-t', '-i'], { env, input: message })).toMatchObject({
      code: 0,
      out: '',
      err: '',
    });
    const [mail] = server.messages;
    expect(mail?.envelope).toMatchObject({
      from: 'ann@example.com',
      to: ['bob@example.com', 'cid@example.com', 'hid@example.com'],
    });
    const text = Buffer.from(mail?.raw ?? []).toString();
    expect(text).not.toContain('hid@example.com');
    expect(text).toMatch(/^Date: .*\r\nMessage-ID: </);
    expect(text).toContain('\r\none\r\n.\r\ntwo\r\n');
  });
  test('without -i a line of one dot ends the message; -f and -F say who sends', async () => {
    await using server = await fakeSmtp();
    const env = { SMTP_URL: server.url };
    const run = await postwire(['sendmail', '-oi', '-fme@example.com', '-F', 'Me Ä', '--', 'bob@example.com'], {
      env,
      input: 'Subject: y\n\nbody\n',
    });
    expect(run).toMatchObject({ code: 0 });
    expect(server.messages[0]?.envelope).toMatchObject({ from: 'me@example.com', to: ['bob@example.com'] });
    expect(server.messages[0]?.header('from')).toBe('Me Ä <me@example.com>');
    await postwire(['sendmail', '-t'], { env, input: message });
    expect(Buffer.from(server.messages[1]?.raw ?? []).toString()).toMatch(/\r\none\r\n$/);
    await postwire(['sendmail', '-f', '<>', 'bob@example.com'], { env, input: message });
    expect(server.messages[2]?.envelope.from).toBe('');
  });
  test('exit codes are those of sysexits.h', async () => {
    await using server = await fakeSmtp();
    const run = async (args: string[], env = { SMTP_URL: server.url }): Promise<CommandResult> =>
      postwire(['sendmail', ...args], { env, input: message });
    expect((await run([])).code).toBe(64);
    expect((await run(['-bs'])).code).toBe(64);
    expect((await run(['-t'], { SMTP_URL: 'smtp://127.0.0.1:1?tls=none' })).code).toBe(75);
    server.on('RCPT', { to: 'nobody' }).reply(550, '5.1.1 no such user');
    expect((await run(['nobody@example.com'])).code).toBe(67);
    expect((await run(['nobody@example.com', 'bob@example.com'])).code).toBe(67);
    server.on('MAIL').once().reply(451, '4.3.0 later');
    expect((await run(['bob@example.com'])).code).toBe(75);
    server.on('MESSAGE').once().close();
    expect((await run(['bob@example.com'])).code).toBe(69);
  });
});

describe('postwire smtp test', () => {
  test('says how far a message would come, and sends none', async () => {
    await using server = await fakeSmtp({ users: { u: 'p' } });
    const url = `smtp://u@127.0.0.1:${server.port}?tls=none`;
    const env = { POSTWIRE_PASSWORD: 'p' };
    const full = await postwire(['smtp', 'test', url, '--allow-insecure-auth', '--to', 'bob@example.com', '--json'], {
      env,
    });
    expect(JSON.parse(full.out)).toMatchObject({
      ok: true,
      tls: null,
      login: expect.any(String) as string,
      rcpt: 'Recipient OK',
    });
    expect(server.transcript.join('\n')).not.toContain('DATA');
    expect(server.messages).toHaveLength(0);
    server.reset();
    const short = await postwire(['smtp', 'test', url, '--stop-after', 'connect'], { env });
    expect(short.out).toContain('PIPELINING');
    expect(server.transcript.join('\n')).not.toContain('C: AUTH');
    expect(
      await postwire(['smtp', 'test', url, '--allow-insecure-auth'], { env: { POSTWIRE_PASSWORD: 'no' } }),
    ).toMatchObject({ code: 5 });
    expect(await postwire(['smtp', 'test', url, '--stop-after', 'lunch'], { env })).toMatchObject({ code: 2 });
    server.on('RCPT').reply(550, '5.7.1 relaying denied');
    expect(
      await postwire(['smtp', 'test', url, '--allow-insecure-auth', '--to', 'x@y.example'], { env }),
    ).toMatchObject({ code: 7 });
  });
});
