import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { describe, expect, test } from 'vitest';
import { fakeSmtp } from '../../src/testing/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
interface Run {
  code: number | null;
  out: string;
  err: string;
}
function postwire(
  args: readonly string[],
  options: { env?: Record<string, string>; input?: string } = {},
): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['dist/cli/main.js', ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...options.env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += String(chunk)));
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe('postwire send', () => {
  test('text from standard input, attachments, html with its images', async () => {
    await using server = await fakeSmtp();
    const png = readFileSync('examples/files/picture.png');
    writeFileSync(join(folder, 'pic one.png'), png);
    const html = file('page.html', '<p>Hi <img alt="x" src="pic%20one.png"><img src="https://example.com/y.png"></p>');
    const run = await postwire(
      [
        'send',
        '--from',
        'Ann <me@example.com>',
        '-s',
        '主题',
        '-a',
        'examples/files/hello.txt',
        '--html',
        html,
        '--inline',
        '--cc',
        'c@example.com',
        '--bcc',
        'b@example.com',
        '--header',
        'X-A: b',
        'you@example.com',
      ],
      {
        env: { SMTP_URL: server.url },
        input: 'The text\n',
      },
    );
    expect(run).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringMatching(
        /^sent to you@example.com, c@example.com, b@example.com \(queued as fake000001\)\n$/,
      ) as string,
    });
    const parsed = await simpleParser(Buffer.from(server.messages[0]?.raw as Uint8Array));
    expect(parsed.subject).toBe('主题');
    expect(parsed.text).toBe('The text\n');
    expect(parsed.attachments.map((each) => [each.filename, each.cid])).toEqual([
      ['pic one.png', 'image1'],
      ['hello.txt', undefined],
    ]);
    expect(parsed.attachments[0]?.content.equals(png)).toBe(true);
    expect(parsed.headers.get('x-a')).toBe('b');
  });

  test('--raw, --json and --trace', async () => {
    await using server = await fakeSmtp({ users: { me: 'pass' } });
    const raw = file('m.eml', 'Subject: raw\r\nBcc: x@y.example\r\n\r\nbody\r\n');
    const run = await postwire(
      [
        'send',
        '--raw',
        raw,
        '--from',
        'me@example.com',
        '--to',
        'you@example.com',
        '--server',
        `smtp://me@127.0.0.1:${server.port}?tls=none`,
        '--allow-insecure-auth',
        '--json',
        '--trace',
      ],
      { env: { POSTWIRE_PASSWORD: 'pass' } },
    );
    expect(run.code).toBe(0);
    expect(JSON.parse(run.out)).toMatchObject({ ok: true, accepted: ['you@example.com'] });
    expect(run.err).toContain('C: AUTH SCRAM-SHA-512 ***');
    expect(server.messages[0]?.text).toBe('Subject: raw\r\n\r\nbody\r\n');
    const piped = await postwire(
      [
        'send',
        '--raw',
        '-',
        '--from',
        'me@example.com',
        '--to',
        'you@example.com',
        '--server',
        `smtp://me@127.0.0.1:${server.port}?tls=none`,
        '--allow-insecure-auth',
        '--password-file',
        file('pw', 'pass\n'),
      ],
      { input: 'Subject: piped\n\nx\n' },
    );
    expect(piped.code).toBe(0);
    expect(server.messages[1]?.text).toBe('Subject: piped\r\n\r\nx\r\n');
  });

  test('--dry-run prints the message and connects nowhere', async () => {
    const run = await postwire([
      'send',
      '--from',
      'me@example.com',
      '--to',
      'you@example.com',
      '-s',
      'x',
      '--text',
      'hello',
      '--dry-run',
    ]);
    expect(run.code).toBe(0);
    expect(run.out).toMatch(/^From: me@example.com\r\n[\s\S]*\r\n\r\nhello$/);
    expect(run.err).toBe('from: me@example.com\nto: you@example.com\n');
  });

  test('exit codes by class of failure, one sentence, and no stack', async () => {
    await using server = await fakeSmtp({ tls: 'starttls', users: { me: 'right' } });
    await using plain = await fakeSmtp();
    plain.on('RCPT', { to: 'later' }).reply(451, '4.2.1 later');
    plain.on('RCPT', { to: 'never' }).reply(550, '5.1.1 never');
    plain.on('MESSAGE', { to: 'lost' }).close();
    plain.on('NOOP').silence();
    const ca = file('ca.pem', server.ca as string);
    const send = (args: readonly string[], env: Record<string, string> = {}) =>
      postwire(['send', '--from', 'me@example.com', '--text', 'x', ...args], { env });
    const url = `smtp://me@127.0.0.1:${server.port}`;
    const cases: [number, RegExp, Promise<Run>][] = [
      [2, /no server/, send(['you@example.com'])],
      [2, /no recipient/, send([], { SMTP_URL: plain.url })],
      [2, /not an address/, send(['nonsense'], { SMTP_URL: plain.url })],
      [
        2,
        /attachment nope.pdf cannot be read: no such file/,
        send(['-a', 'nope.pdf', 'you@example.com'], { SMTP_URL: plain.url }),
      ],
      [2, /unknown option/, send(['--nonsense'])],
      [2, /can be read by everybody/, send(['--server', 'smtp://me:secret@127.0.0.1', 'you@example.com'])],
      [2, /a password is needed/, send(['--server', url, 'you@example.com'])],
      [
        2,
        /tls must be one of/,
        send(['--server', url, '--tls', 'maybe', 'you@example.com'], { POSTWIRE_PASSWORD: 'x' }),
      ],
      [3, /connection refused/, send(['--server', 'smtp://127.0.0.1:1', 'you@example.com'])],
      [4, /was refused/, send(['--server', url, 'you@example.com'], { POSTWIRE_PASSWORD: 'right' })],
      [5, /login as me/, send(['--server', url, '--ca', ca, 'you@example.com'], { POSTWIRE_PASSWORD: 'wrong' })],
      [0, /sent to/, send(['--server', url, '--ca', ca, 'you@example.com'], { POSTWIRE_PASSWORD: 'right' })],
      [6, /451 4\.2\.1 later/, send(['later@example.com'], { SMTP_URL: plain.url })],
      [7, /550 5\.1\.1 never/, send(['never@example.com'], { SMTP_URL: plain.url })],
      [10, /may or may not/, send(['lost@example.com'], { SMTP_URL: plain.url })],
      [11, /refused: never@example.com/, send(['you@example.com', 'never@example.com'], { SMTP_URL: plain.url })],
    ];
    for (const [code, text, running] of cases) {
      const run = await running;
      expect(run.err).toMatch(text);
      expect(run.code, run.err).toBe(code);
      expect(run.err).not.toMatch(/\n\s+at |right|node:internal/);
    }
    const json = await send(['--json', '--server', url, '--ca', ca, 'you@example.com'], { POSTWIRE_PASSWORD: 'wrong' });
    expect(JSON.parse(json.out)).toMatchObject({
      ok: false,
      exitCode: 5,
      error: { code: 'AUTH', reason: 'bad-credentials', reply: { code: 535 } },
    });
  }, 60_000);

  test('SV-14: a server’s text is escaped; a closed pipe is no failure; secrets do not show', async () => {
    await using server = await fakeSmtp();
    server.on('MAIL').raw('550 \u001b[2Jevil\u0007\r\n');
    const run = await postwire(['send', '--from', 'me@example.com', '--text', 'x', 'you@example.com'], {
      env: { SMTP_URL: server.url },
    });
    expect(run.err).toContain('\\u001b[2Jevil\\u0007');
    expect(run.err).not.toContain('\u001b');
    const help = await postwire(['send', '--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('Exit codes');
    expect((await postwire([])).code).toBe(2);
    expect((await postwire(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
