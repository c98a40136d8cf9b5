import { expect, test } from 'vitest';
import { UnsupportedError, UsageError } from '../../src/errors.ts';
import { openMailbox, sendMail } from '../../src/mail/index.ts';
import { Pop3Client } from '../../src/pop3/index.ts';
import { fakeMailHost } from '../../src/testing/index.ts';

test('a mailbox is read, its messages are decoded, and deleted inside the loop', async () => {
  await using host = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  for (const subject of ['本月数据', 'zwei'])
    await sendMail(host.smtp.url, {
      from: 'Ann <ann@example.com>',
      to: 'ann@example.com',
      subject,
      html: '<p>Hällo</p>',
      attachments: [{ content: 'data', filename: 'ä.txt' }],
    });
  const inbox = await openMailbox(host.pop3.url);
  const seen: string[] = [];
  for await (const mail of inbox.messages()) {
    seen.push(mail.subject);
    expect(mail.from[0]).toMatchObject({ name: 'Ann', address: 'ann@example.com' });
    expect((await mail.text())?.trim()).toBe('Hällo');
    expect(await mail.html()).toBe('<p>Hällo</p>');
    expect(mail.attachments[0]?.filename).toBe('ä.txt');
    expect((await mail.bytes()).length).toBe(mail.sizeBytes);
    if (mail.subject === 'zwei') await mail.delete();
  }
  expect(seen).toEqual(['本月数据', 'zwei']);
  expect((await inbox.close()).state).toBe('committed');
  await using again = await openMailbox(host.pop3.url);
  const left: (string | undefined)[] = [];
  for await (const mail of again.messages()) left.push(mail.uid);
  expect(left).toHaveLength(1);
  for await (const _mail of again.messages({ skip: new Set(left as string[]) }))
    throw new Error('it was to be skipped');
});

test('a mailbox is read over IMAP: searched, decoded, moved and deleted inside the loop', async () => {
  await using host = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  for (const subject of ['本月数据', 'zwei', 'drei', 'vier'])
    await sendMail(host.smtp.url, {
      from: 'Ann <ann@example.com>',
      to: 'ann@example.com',
      subject,
      html: '<p>Hällo</p>',
      attachments: [{ content: 'data', filename: 'ä.txt' }],
    });
  host.imap.account().create('Done');
  {
    await using inbox = await openMailbox(`${host.imap.url.replace('?', '/INBOX?')}`);
    const seen: string[] = [];
    for await (const mail of inbox.messages({ seen: false })) {
      seen.push(mail.subject);
      expect((await mail.text())?.trim()).toBe('Hällo');
      expect(mail.attachments[0]?.filename).toBe('ä.txt');
      if (mail.subject === 'zwei') await mail.delete();
      else if (mail.subject === 'drei') await mail.setFlags({ add: ['\\Seen'] });
      else await mail.move('Done');
    }
    expect(seen).toEqual(['本月数据', 'zwei', 'drei', 'vier']);
    const left: string[] = [];
    for await (const mail of inbox.messages({ seen: true, subject: 'drei' })) left.push(mail.uid as string);
    expect(left).toHaveLength(1);
    for await (const _ of inbox.messages({ skip: new Set(left) })) throw new Error('it was to be skipped');
  }
  await using done = await openMailbox(host.imap.url.replace('?', '/Done?'));
  const moved: string[] = [];
  for await (const mail of done.messages()) {
    moved.push(mail.subject);
    if (moved.length === 1) break;
  }
  expect(moved).toEqual(['本月数据']);
  await using pop3 = await openMailbox(host.pop3.url);
  await expect(pop3.messages({ seen: false })[Symbol.asyncIterator]().next()).rejects.toThrow(UnsupportedError);
});

test('what is no mailbox is refused', async () => {
  await expect(openMailbox(undefined)).rejects.toThrow(UsageError);
  await expect(openMailbox('http://example.com')).rejects.toThrow(UnsupportedError);
});

test('LANG and UTF8', async () => {
  await using host = await fakeMailHost({ users: { u: 'p' } });
  await using client = await Pop3Client.connect(host.pop3.url, { utf8: true });
  expect(host.pop3.transcript).toContain('C: UTF8');
  expect(await client.languages()).toEqual([{ tag: 'en', name: 'English' }]);
  await client.lang('en');
  await expect(client.lang('xx')).rejects.toMatchObject({ code: 'REPLY' });
  await expect(client.lang('a b')).rejects.toThrow(UsageError);
});
