import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Maildir } from '../../src/mail/index.ts';

const root = mkdtempSync(join(tmpdir(), 'postwire-maildir-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const all = async (box: Maildir) => {
  const found = [];
  for await (const entry of box.messages()) found.push(entry);
  return found;
};

test('messages are delivered to new, and flags move them to cur', async () => {
  await expect(Maildir.open(join(root, 'none'))).rejects.toThrow(/is not a Maildir/);
  const box = await Maildir.open(join(root, 'box'), { create: true });
  const added = await Promise.all(
    Array.from({ length: 20 }, (_, index) => box.add(Buffer.from(`Subject: ${index}\n\n`))),
  );
  expect(new Set(added.map(({ id }) => id)).size).toBe(20);
  expect(readdirSync(join(box.path, 'tmp'))).toEqual([]);
  expect((await all(box)).every(({ isNew, flags }) => isNew && flags.length === 0)).toBe(true);
  const seen = await box.setFlags(added[0] as (typeof added)[0], ['S', 'F', 'S']);
  expect(seen).toMatchObject({ id: added[0]?.id, flags: ['F', 'S'], isNew: false });
  expect(Buffer.from(await seen.bytes()).toString()).toBe('Subject: 0\n\n');
  expect((await all(box)).filter(({ isNew }) => !isNew).map(({ id }) => id)).toEqual([seen.id]);
  await expect(box.setFlags(added[0] as (typeof added)[0], [])).rejects.toThrow(/is gone/);
  await expect(box.setFlags(seen, ['X' as 'S'])).rejects.toThrow(/not a Maildir flag/);
});

test('folders of Maildir++ stay inside', async () => {
  const box = await Maildir.open(join(root, 'folders'), { create: true });
  const sent = await box.folder('Lists.users', { create: true });
  await sent.add(Buffer.from('x'), ['S']);
  expect(await box.folders()).toEqual(['Lists.users']);
  expect((await all(await box.folder('Lists.users')))[0]?.flags).toEqual(['S']);
  for (const name of ['..', '../x', 'a/b', '', 'a..b', '.a'])
    await expect(box.folder(name)).rejects.toThrow(/not a folder name/);
});
