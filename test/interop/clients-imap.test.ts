import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeMailHost, fakeMailHost } from '../../src/testing/index.ts';
import { imapMessages } from '../suites/imap.ts';
import { run } from './process.ts';

describe('independent clients read from fakeImap', () => {
  let host: FakeMailHost;
  const folder = mkdtempSync(join(tmpdir(), 'postwire-clients-'));
  const ca = join(folder, 'ca.pem');
  const raw = imapMessages.map((message) => Buffer.from(message, 'utf8'));
  beforeAll(async () => {
    host = await fakeMailHost({ tls: 'starttls', users: { 'ann@example.com': 'pass' } });
    writeFileSync(ca, host.imap.ca as string);
    for (const message of raw) host.imap.deliver(message);
  });
  afterAll(() => host.close());

  test('Python imaplib, with STARTTLS', async () => {
    const script = `
import imaplib, ssl, sys, base64, json
c = imaplib.IMAP4('localhost', int(sys.argv[1]))
c.starttls(ssl.create_default_context(cafile=sys.argv[2]))
c.login('ann@example.com', 'pass')
assert c.list()[0] == 'OK' and c.namespace()[0] == 'OK'
assert c.create('"a b"')[0] == 'OK' and c.delete('"a b"')[0] == 'OK'
count = int(c.select('INBOX')[1][0])
out = []
for i in range(1, count + 1):
    typ, data = c.fetch(str(i), '(UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])')
    literal = [x for x in data if isinstance(x, tuple) and b'BODY[]' in x[0]][0][1]
    out.append(base64.b64encode(literal).decode())
assert c.search(None, 'FROM', '"foobar"')[1] == [b'1'], c.search(None, 'FROM', '"foobar"')
assert c.uid('SEARCH', 'CHARSET', 'UTF-8', 'UNSEEN')[1] == [b'1 2 3 4']
assert c.sort('(REVERSE SIZE)', 'UTF-8', 'ALL')[1][0].split()[0] == b'4'
assert c.thread('REFERENCES', 'UTF-8', 'ALL')[0] == 'OK'
c.store('1', '+FLAGS', r'(\\Flagged)')
assert c.append('Drafts', r'(\\Draft)', imaplib.Time2Internaldate(0), b'Subject: x\\r\\n\\r\\nbody\\r\\n')[0] == 'OK'
assert c.copy('1:2', 'Archive')[0] == 'OK' and c.noop()[0] == 'OK' and c.getquotaroot('INBOX')[0] == 'OK'
c.unselect(); c.logout()
print(json.dumps(out))
`;
    const result = await run('python3', ['-c', script, String(host.imap.port), ca]);
    expect(result.err).toBe('');
    expect((JSON.parse(result.out) as string[]).map((text) => Buffer.from(text, 'base64'))).toEqual(raw);
    expect([...(host.imap.folder('Drafts')?.messages[0]?.flags ?? [])]).toEqual(['\\Draft']);
    expect(host.imap.folder('Archive')?.messages.length).toBe(2);
  });

  test('curl: list, fetch, search, append', async () => {
    const curl = async (path: string, ...more: string[]): Promise<string> => {
      const result = await run('curl', [
        '-sS',
        '--ssl-reqd',
        '--cacert',
        ca,
        '-u',
        'ann@example.com:pass',
        ...more,
        `imap://localhost:${host.imap.port}/${path}`,
      ]);
      expect(result.err).toBe('');
      return result.out;
    };
    expect(await curl('')).toContain('INBOX');
    expect(Buffer.from(await curl('INBOX;MAILINDEX=1'), 'utf8').equals(raw[0] as Buffer)).toBe(true);
    expect(await curl('INBOX;UID=3;SECTION=1')).toBe('first');
    expect(await curl('INBOX?FROM%20foobar')).toContain('* SEARCH 1');
    const file = join(folder, 'x.eml');
    writeFileSync(file, 'Subject: from curl\r\n\r\nbody\r\n');
    await curl('Junk', '-T', file);
    expect(host.imap.folder('Junk')?.messages.length).toBe(1);
  });

  test('mbsync, both ways', async () => {
    const mail = join(folder, 'mail');
    mkdirSync(mail);
    const configuration = join(folder, 'mbsyncrc');
    const version = (await run('mbsync', ['--version'])).out;
    const [tlsType] = /isync 1\.[0-4]\b/.test(version) ? ['SSLType'] : ['TLSType'];
    writeFileSync(
      configuration,
      `IMAPAccount fake
Host localhost
Port ${host.imap.port}
User ann@example.com
Pass pass
${tlsType} STARTTLS
CertificateFile ${ca}

IMAPStore far
Account fake

MaildirStore near
Path ${mail}/
Inbox ${mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX Archive
Create Both
Sync All
SyncState *
`,
      { mode: 0o600 },
    );
    const result = await run('mbsync', ['-c', configuration, '-a', '-q']);
    expect(result.err).toBe('');
    const inbox = join(mail, 'INBOX');
    const files = (name: string): string[] => readdirSync(join(inbox, name)).map((file) => join(inbox, name, file));
    const bodies = [...files('new'), ...files('cur')].map((file) => readFileSync(file, 'utf8'));
    expect(bodies.length).toBe(4);
    expect(bodies.some((body) => body.includes('do you think we can meet'))).toBe(true);
    writeFileSync(join(inbox, 'new', '1.M1.host'), 'Subject: from mbsync\n\nbody\n');
    expect((await run('mbsync', ['-c', configuration, '-a', '-q'])).err).toBe('');
    expect(host.imap.folder('INBOX')?.messages.length).toBe(5);
  });

  test('imapflow', async () => {
    const client = new ImapFlow({
      host: 'localhost',
      port: host.imap.port,
      secure: false,
      tls: { ca: host.imap.ca },
      auth: { user: 'ann@example.com', pass: 'pass' },
      logger: false,
    });
    await client.connect();
    expect((await client.list()).find((mailbox) => mailbox.path === 'Trash')?.specialUse).toBe('\\Trash');
    const lock = await client.getMailboxLock('INBOX');
    try {
      const found: [number, string | undefined][] = [];
      for await (const message of client.fetch('1:4', {
        envelope: true,
        bodyStructure: true,
        flags: true,
        source: true,
      })) {
        found.push([message.uid, message.envelope?.subject]);
        expect(message.source?.equals(raw[message.seq - 1] as Buffer)).toBe(true);
      }
      expect(found).toEqual([
        [1, 'afternoon meeting'],
        [2, 'Re: Montréal'],
        [3, 'parts'],
        [4, 'large'],
      ]);
      expect(await client.search({ subject: 'Montréal' }, { uid: true })).toEqual([2]);
      await client.messageFlagsAdd('1', ['\\Seen']);
      expect(await client.messageMove('2', 'Junk', { uid: true })).toMatchObject({ destination: 'Junk' });
      const appended = await client.append('Drafts', 'Subject: by imapflow\r\n\r\n', ['\\Draft']);
      expect(appended).toMatchObject({ destination: 'Drafts' });
      const { content } = await client.download('1', undefined, { uid: true });
      const chunks: Buffer[] = [];
      for await (const chunk of content ?? []) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).equals(raw[0] as Buffer)).toBe(true);
    } finally {
      lock.release();
    }
    await client.logout();
  });
});
