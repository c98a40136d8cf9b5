import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compose } from '../../src/mime/index.ts';
import { fakeMailHost } from '../../src/testing/index.ts';

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function postwire(args: readonly string[], env: Record<string, string>, onStart?: () => void): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['dist/cli/main.js', 'imap', ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += String(chunk)));
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    child.on('close', (code) => resolve({ code, out, err }));
    onStart?.();
  });
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean);

test('postwire imap: ls, search, get, attachments, flag, mv, trash, append', async () => {
  await using host = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  const { imap } = host;
  for (const subject of ['本月数据', 'two', 'three'])
    imap.deliver(
      await compose({
        from: 'Ann <ann@example.com>',
        to: 'b@example.com',
        subject,
        text: `text of ${subject}`,
        attachments: [{ content: 'data', filename: 'a.txt' }],
      }).bytes(),
    );
  const env = { IMAP_URL: imap.url };
  const ls = await postwire(['ls'], env);
  expect(ls).toMatchObject({ code: 0, err: '' });
  expect(lines(ls.out)).toContain('3\t3\tINBOX\t');
  expect(ls.out).toMatch(/Trash\ttrash/);
  const found = await postwire(['search', 'unseen', 'subject:本月数据', '--json'], env);
  expect(lines(found.out).map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { uid: 1, subject: '本月数据', from: [{ name: 'Ann' }] },
  ]);
  expect(lines((await postwire(['search', 'not:subject:two', 'since:1d'], env)).out)).toHaveLength(2);
  expect((await postwire(['get', '2'], env)).out).toMatch(/^(?:.|\r\n)*Subject: two\r\n/);
  expect((await postwire(['get', '2', '--text'], env)).out.trim()).toBe('text of two');
  expect(JSON.parse((await postwire(['get', '2', '--json'], env)).out)).toMatchObject({
    attachments: [{ filename: 'a.txt' }],
  });
  const folder = mkdtempSync(join(tmpdir(), 'postwire-cli-'));
  const saved = await postwire(['attachments', '1:2', '-d', folder], env);
  expect(lines(saved.out)).toHaveLength(2);
  expect(readFileSync(lines(saved.out)[0] as string, 'utf8')).toBe('data');
  expect(
    lines((await postwire(['flag', '1,2', '--add', '\\Seen', '--add', '$Work', '--json'], env)).out).map(
      (line) => JSON.parse(line) as unknown,
    ),
  ).toEqual([
    { uid: 1, flags: ['\\Seen', '$Work'] },
    { uid: 2, flags: ['\\Seen', '$Work'] },
  ]);
  expect((await postwire(['mv', '1', 'Archive'], env)).code).toBe(0);
  expect((await postwire(['trash', '2'], env)).code).toBe(0);
  expect([
    imap.folder('Archive')?.messages.length,
    imap.folder('Trash')?.messages.length,
    imap.folder('INBOX')?.messages.length,
  ]).toEqual([1, 1, 1]);
  const file = join(folder, 'x.eml');
  writeFileSync(file, 'Subject: from a file\r\n\r\nbody\r\n');
  expect(
    JSON.parse((await postwire(['append', file, '-m', 'Drafts', '--flag', '\\Draft', '--json'], env)).out),
  ).toMatchObject({ mailbox: 'Drafts', uid: 1 });
  expect([...(imap.folder('Drafts')?.messages[0]?.flags ?? [])]).toEqual(['\\Draft']);
  expect(await postwire(['get', '99'], env)).toMatchObject({ out: '' });
  expect((await postwire(['search', 'form:x'], env)).err).toMatch(/did you mean from:/);
}, 30_000);

test('postwire imap wait and idle', async () => {
  await using host = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  const env = { IMAP_URL: host.imap.url };
  const waiting = postwire(['wait', 'subject:code', '--for', '20', '--json'], env);
  const idling = postwire(['idle', '--for', '4', '--json'], env);
  const idles = (): number => host.imap.transcript.filter((line) => /C: \S+ IDLE/.test(line)).length;
  while (idles() < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  host.imap.deliver('Subject: other\r\n\r\n');
  host.imap.deliver('Subject: your code\r\n\r\n');
  expect(JSON.parse((await waiting).out)).toMatchObject({ subject: 'your code' });
  const events = lines((await idling).out).map((line) => JSON.parse(line) as { type?: string; subject?: string });
  expect(events.some((event) => event.type === 'exists')).toBe(true);
  expect(events.some((event) => event.subject === 'other')).toBe(true);
  const late = await postwire(['wait', 'subject:never', '--for', '1'], env);
  expect(late.code).not.toBe(0);
  expect(late.err).toMatch(/no message came within 1 s/);
}, 30_000);
