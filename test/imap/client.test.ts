import { expect, test } from 'vitest';
import { ImapClient, uid } from '../../src/imap/index.ts';
import { fakeImap } from '../../src/testing/index.ts';

test('connects, logs in, selects, fetches', async () => {
  await using server = await fakeImap({ users: { ann: 'pw' } });
  server.deliver('Subject: one\r\nFrom: Ann <a@b.example>\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\nhello\r\n');
  server.deliver('Subject: =?utf-8?Q?zw=C3=B6lf?=\r\n\r\nworld\r\n');
  await using client = await ImapClient.connect(server.url);
  const { state } = await client.select('INBOX');
  expect(state).toMatchObject({ exists: 2, uidNext: 3 });
  const subjects: (string | null | undefined)[] = [];
  for await (const message of client.fetch('1:*', { envelope: true, flags: true, source: true })) {
    subjects.push(message.envelope?.subject);
    expect(Buffer.from(message.source as Uint8Array).toString()).toContain('Subject');
    await client.noop();
  }
  expect(subjects).toEqual(['one', 'zwölf']);
  expect(Buffer.from(await (await client.download(uid(1))).bytes()).toString()).toContain('hello');
});
