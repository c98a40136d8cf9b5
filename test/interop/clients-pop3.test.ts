import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeMailHost, fakeMailHost } from '../../src/testing/index.ts';
import { sampleMessages } from '../suites/pop3.ts';
import { run } from './process.ts';

describe('independent clients read from fakePop3', () => {
  let host: FakeMailHost;
  const ca = join(mkdtempSync(join(tmpdir(), 'postwire-clients-')), 'ca.pem');
  beforeAll(async () => {
    host = await fakeMailHost({ tls: 'starttls', users: { 'ann@example.com': 'pass' } });
    writeFileSync(ca, host.pop3.ca as string);
    for (const message of sampleMessages)
      host.store.add({
        envelope: { from: 'b@c.example', to: ['ann@example.com'], parameters: new Map() },
        raw: Buffer.from(message),
        receivedAt: new Date(),
        secure: false,
        user: undefined,
      });
  });
  afterAll(() => host.close());

  test('Python poplib, with STLS', async () => {
    const script = `
import poplib, ssl, sys, json
c = poplib.POP3('localhost', int(sys.argv[1]))
c.stls(ssl.create_default_context(cafile=sys.argv[2]))
c.user('ann@example.com'); c.pass_('pass')
count, size = c.stat()
out = [b'\\r\\n'.join(c.retr(i + 1)[1]).decode('latin1') + '\\r\\n' for i in range(count)]
assert len(c.list()[1]) == count and len(c.uidl()[1]) == count
assert c.top(1, 0)[1][0] == b'Subject: one'
c.capa(); c.noop(); c.dele(1); c.rset(); c.quit()
print(json.dumps(out))
`;
    const result = await run('python3', ['-c', script, String(host.pop3.port), ca]);
    expect(result.err).toBe('');
    expect(JSON.parse(result.out)).toEqual(sampleMessages);
  });

  test('curl', async () => {
    const result = await run('curl', [
      '-sS',
      '--ssl-reqd',
      '--cacert',
      ca,
      '-u',
      'ann@example.com:pass',
      `pop3://localhost:${host.pop3.port}/2`,
    ]);
    expect(result.err).toBe('');
    expect(result.out).toBe(sampleMessages[1]);
  });
});
