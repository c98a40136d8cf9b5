import { expect, test } from 'vitest';
import fc from 'fast-check';
import { type MboxVariant, formatMboxEntry, readMbox } from '../../src/mail/index.ts';

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
