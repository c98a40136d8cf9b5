import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatMboxEntry } from '../../src/mail/index.ts';
import { compose } from '../../src/mime/index.ts';
import { postwire } from './postwire.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
const message = await compose({
  from: '王大锤 <me@example.com>',
  to: 'you@example.com',
  subject: '本月数据',
  text: '附件中有本月数据请查收\n',
  html: '<p>附件中有<b>本月数据</b></p>',
  attachments: [
    { filename: '../../etc/passwd', content: 'root\n' },
    { filename: 'hello.txt', content: 'hello\n' },
  ],
}).bytes();
const file = join(folder, 'one.eml');
writeFileSync(file, message);

test('show: header and text, or one of them, or the tree, or JSON; from a file and from standard input', async () => {
  const shown = await postwire(['mime', 'show', file]);
  expect(shown).toMatchObject({ code: 0, err: '' });
  for (const piece of ['王大锤', '本月数据', '附件中有本月数据请查收', 'hello.txt']) expect(shown.out).toContain(piece);
  expect(await postwire(['mime', 'show', '-'], { input: message })).toEqual(shown);
  expect((await postwire(['mime', 'show', '--text', file])).out.trim()).toBe('附件中有本月数据请查收');
  expect((await postwire(['mime', 'show', '--html', file])).out.trim()).toBe('<p>附件中有<b>本月数据</b></p>');
  expect((await postwire(['mime', 'show', '--tree', file])).out).toMatch(
    /multipart\/mixed[\s\S]*multipart\/alternative[\s\S]*text\/plain[\s\S]*text\/html/,
  );
  expect(JSON.parse((await postwire(['mime', 'show', '--json', file])).out)).toMatchObject({
    subject: '本月数据',
    from: [{ name: '王大锤', address: 'me@example.com' }],
  });
});

test('extract: every file under a safe name, none outside the folder', async () => {
  const target = join(folder, 'deep', 'out');
  const { code, out } = await postwire(['mime', 'extract', file, '-d', target, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ ok: true, files: [{ sizeBytes: 5 }, { sizeBytes: 6 }] });
  expect(readdirSync(join(folder, 'deep'))).toEqual(['out']);
  expect(
    readdirSync(target)
      .map((name) => readFileSync(join(target, name), 'utf8'))
      .toSorted(),
  ).toEqual(['hello\n', 'root\n']);
});

test('an mbox file is all its messages', async () => {
  const box = join(folder, 'box');
  writeFileSync(box, Buffer.concat([formatMboxEntry(message), formatMboxEntry(Buffer.from('Subject: two\n\nx\n'))]));
  const lines = (await postwire(['mime', 'show', '--json', box])).out.trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { subject: string }).subject)).toEqual(['本月数据', 'two']);
});

test('what cannot be is one sentence and its exit code', async () => {
  expect(await postwire(['mime', 'show', join(folder, 'no.eml')])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^postwire: .*no\.eml cannot be read: .*\n$/) as string,
  });
  expect(await postwire(['mime', 'show', '--text', '--html', file])).toMatchObject({ code: 2 });
  expect(await postwire(['mime', 'extract', file])).toMatchObject({ code: 2 });
  expect(await postwire(['mime', 'extract', file, '-d', join(file, 'x')])).toMatchObject({ code: 2 });
});
