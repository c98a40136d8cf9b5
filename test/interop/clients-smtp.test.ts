import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeSmtp, fakeSmtp } from '../../src/testing/index.ts';
import { run } from './process.ts';

describe('independent clients deliver to fakeSmtp', () => {
  let server: FakeSmtp;
  const folder = mkdtempSync(join(tmpdir(), 'postwire-clients-'));
  const ca = join(folder, 'ca.pem');
  const eml = join(folder, 'mail.eml');
  beforeAll(async () => {
    server = await fakeSmtp({ tls: 'starttls', users: { me: 'pass' } });
    writeFileSync(ca, server.ca as string);
    writeFileSync(eml, 'From: a@b.example\r\nTo: c@d.example\r\nSubject: by file\r\n\r\n.\r\n..dots\r\n');
  });
  afterAll(() => server.close());

  test('Python smtplib, with STARTTLS and login, by DATA', async () => {
    const script = `
import smtplib, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with smtplib.SMTP('localhost', int(sys.argv[1]), source_address=('127.0.0.1', 0)) as s:
    s.starttls(context=context); s.login('me', 'pass')
    s.sendmail('a@b.example', ['c@d.example', 'e@f.example'], b'Subject: python\\r\\n\\r\\n.\\r\\n..dots\\r\\n')
    assert s.noop()[0] == 250; assert s.verify('x')[0] == 252; assert s.help()
`;
    const result = await run('python3', ['-c', script, String(server.port), ca]);
    expect(result.err).toBe('');
    const mail = await server.waitForMail({ subject: 'python' });
    expect(mail.text).toBe('Subject: python\r\n\r\n.\r\n..dots\r\n');
    expect(mail.user).toBe('me');
  });

  test('curl', async () => {
    const result = await run('curl', [
      '-sS',
      '--ssl-reqd',
      '--cacert',
      ca,
      '--url',
      `smtp://localhost:${server.port}`,
      '--resolve',
      `localhost:${server.port}:127.0.0.1`,
      '-u',
      'me:pass',
      '--mail-from',
      'a@b.example',
      '--mail-rcpt',
      'c@d.example',
      '-T',
      eml,
    ]);
    expect(result.err).toBe('');
    expect((await server.waitForMail({ subject: 'by file' })).text).toContain('\r\n\r\n.\r\n..dots\r\n');
  });

  test('swaks', async () => {
    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
      const result = await run('swaks', [
        '--server',
        '127.0.0.1',
        '--port',
        String(server.port),
        '-tls',
        '--auth',
        mechanism,
        '--auth-user',
        'me',
        '--auth-password',
        'pass',
        '--from',
        'a@b.example',
        '--to',
        'c@d.example',
        '--header',
        `Subject: swaks ${mechanism}`,
        '--body',
        'hello',
      ]);
      expect(result.code, result.out + result.err).toBe(0);
      await server.waitForMail({ subject: `swaks ${mechanism}` });
    }
  });
});
