import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeMailHost } from '../../src/testing/index.ts';
import { sampleMessages } from '../suites/pop3.ts';
import { postwire } from './postwire.ts';

test('postwire pop3 ls, get and fetch', async () => {
  await using host = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  for (const message of sampleMessages)
    host.store.add({
      envelope: { from: 'b@c.example', to: ['ann@example.com'], parameters: new Map() },
      raw: Buffer.from(message),
      receivedAt: new Date(),
      secure: false,
      user: undefined,
    });
  const env = { env: { POP3_URL: host.pop3.url } };
  const ls = await postwire(['pop3', 'ls'], env);
  expect(ls).toMatchObject({ code: 0, err: '' });
  expect(ls.out.split('\n')[0]).toMatch(/^1\t\d+\tpostwire-1 {2}a@b\.example {2}one$/);
  expect(JSON.parse((await postwire(['pop3', 'ls', '--json'], env)).out.split('\n')[1] as string)).toMatchObject({
    number: 2,
    subject: 'dots',
  });
  expect((await postwire(['pop3', 'get', '2'], env)).out).toBe(sampleMessages[1]);
  expect(await postwire(['pop3', 'get', 'two'], env)).toMatchObject({ code: 2 });
  expect(await postwire(['pop3', 'get', '99'], env)).toMatchObject({ code: 7 });
  expect(await postwire(['pop3', 'ls'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('POP3_URL') as string,
  });
  const folder = join(mkdtempSync(join(tmpdir(), 'postwire-')), 'maildir');
  expect(await postwire(['pop3', 'fetch', '--keep', '-d', folder], env)).toMatchObject({
    code: 0,
    err: `5 messages delivered into ${folder}\n`,
  });
  expect(await postwire(['pop3', 'fetch', '-d', folder], env)).toMatchObject({ code: 0 });
  expect(await postwire(['pop3', 'fetch', '-d', folder], env)).toMatchObject({
    err: `0 messages delivered into ${folder}\n`,
  });
  const files = readdirSync(join(folder, 'new')).map((name) => readFileSync(join(folder, 'new', name), 'latin1'));
  expect(files).toHaveLength(10);
  for (const message of sampleMessages) expect(files.filter((file) => file === message)).toHaveLength(2);
}, 60_000);
