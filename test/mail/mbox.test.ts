import { existsSync, mkdtempSync, readFileSync, readdirSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import fc from 'fast-check';
import { type MboxVariant, appendMbox, formatMboxEntry, readMbox } from '../../src/mail/index.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

async function messages(file: Uint8Array, variant: MboxVariant, size = file.length || 1): Promise<string[]> {
  const chunks = Array.from({ length: Math.ceil(file.length / size) }, (_, index) =>
    file.subarray(index * size, (index + 1) * size),
  );
  const found: string[] = [];
  for await (const entry of readMbox(chunks, { variant })) found.push(textOf(entry.bytes));
  return found;
}

const tricky = [
  'Subject: one\n\nFrom here\n>From there\n\nFrom anywhere\n',
  'Subject: two\r\n\r\nbody\r\n\r\nFrom x\r\n',
  'Subject: no body\n\n',
];

test.each(['mboxrd', 'mboxcl2'] as const)(
  '%s gives back exactly what was stored, however it is cut',
  async (variant) => {
    const date = new Date('2024-01-01T10:00:00Z');
    const file = Buffer.concat(tricky.map((text) => formatMboxEntry(bytesOf(text), { variant, sender: 'a@b', date })));
    const withoutLength = (text: string): string => text.replace(/^Content-Length: \d+\n/m, '');
    for (const size of [1, 7, file.length])
      expect((await messages(file, variant, size)).map(withoutLength)).toEqual(tricky);
    expect(textOf(file)).toMatch(/^From a@b Mon Jan {2}1 10:00:00 2024\n/);
  },
);

test('mboxo loses one level of quoting, as it must; mboxcl counts and quotes', async () => {
  const file = Buffer.concat(tricky.map((text) => formatMboxEntry(bytesOf(text), { variant: 'mboxo' })));
  expect((await messages(file, 'mboxo'))[0]).toBe('Subject: one\n\nFrom here\nFrom there\n\nFrom anywhere\n');
  const counted = formatMboxEntry(bytesOf('Subject: x\n\nFrom y\n'), { variant: 'mboxcl' });
  expect(textOf(counted)).toContain('Content-Length: 8\n\n>From y\n');
  expect(await messages(counted, 'mboxcl')).toEqual(['Subject: x\nContent-Length: 8\n\nFrom y\n']);
});

test('any body survives mboxrd', async () => {
  const line = fc.constantFrom('From a', '>From b', '>>From', '', 'x', 'from');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(line, { maxLength: 8 }), { minLength: 1, maxLength: 4 }), async (bodies) => {
      const texts = bodies.map((lines) => `A: b\n\n${lines.map((each) => `${each}\n`).join('')}`);
      const file = Buffer.concat(texts.map((text) => formatMboxEntry(bytesOf(text))));
      expect(await messages(file, 'mboxrd', 5)).toEqual(texts);
    }),
  );
});

test('wrong options are refused', async () => {
  expect(() => formatMboxEntry(bytesOf('x'), { sender: 'a\nb' })).toThrow(/one word/);
  await expect(messages(bytesOf('From a\n\n'), 'mbox' as MboxVariant)).rejects.toThrow(/variant must be/);
});

test('messages are added under the lock, by several at once, behind whatever is there', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'postwire-')), 'box');
  writeFileSync(path, 'From a@b Mon Jan  1 10:00:00 2024\nA: b\n\nno line end');
  const bodies = Array.from({ length: 12 }, (_, index) => `A: b\n\nFrom ${index}\n`);
  await Promise.all(bodies.map((body) => appendMbox(path, bytesOf(body))));
  const found = await messages(readFileSync(path), 'mboxrd');
  expect(found[0]).toBe('A: b\n\nno line end\n');
  expect(found.slice(1).toSorted()).toEqual(bodies.toSorted());
  expect(readdirSync(dirname(path))).toEqual(['box']);
});

test('a lock that is held is waited for, one that was left behind is not', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'postwire-')), 'box');
  writeFileSync(`${path}.lock`, '1\n');
  await expect(appendMbox(path, bytesOf('A: b\n\n'), { timeoutMs: 60 })).rejects.toThrow(/another program has held/);
  expect(existsSync(path)).toBe(false);
  setTimeout(() => unlinkSync(`${path}.lock`), 30);
  await appendMbox(path, bytesOf('A: b\n\n'));
  const old = new Date(Date.now() - 10 * 60_000);
  writeFileSync(`${path}.lock`, '1\n');
  utimesSync(`${path}.lock`, old, old);
  await appendMbox(path, bytesOf('A: b\n\n'), { timeoutMs: 60 });
  expect(await messages(readFileSync(path), 'mboxrd')).toHaveLength(2);
  await expect(appendMbox('/nowhere/box', bytesOf('A: b\n\n'))).rejects.toThrow(/cannot be locked/);
});
