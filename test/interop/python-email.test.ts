import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type MessageDraft, compose } from '../../src/mime/index.ts';
import { run } from './process.ts';

const reader = `
import sys, json, base64
from email import message_from_bytes, policy
for line in sys.stdin:
    m = message_from_bytes(open(line.strip(), 'rb').read(), policy=policy.default)
    body = m.get_body(('plain',)); html = m.get_body(('html',))
    f = m['from'].addresses[0]
    print(json.dumps(dict(subject=m['subject'], name=f.display_name, address=f.addr_spec, text=body.get_content().replace('\\r\\n', '\\n') if body else None, html=html.get_content().replace('\\r\\n', '\\n') if html else None,
        defects=[str(d) for p in m.walk() for d in p.defects], attachments=[[a.get_filename(), base64.b64encode(a.get_payload(decode=True)).decode()] for a in m.iter_attachments()])))
`;

const units = {
  latin: [...'abc XYZ äöüßéñ.,-!?()'],
  cjk: [...'数据本月附件请查收、。日本語한국어ab'],
  arabic: [...'مرحبا بالعالم ١٢٣'],
  emoji: ['😀', '👩‍👩‍👧', '🇩🇪', 'a', '❤️'],
};

test.each(Object.entries(units))('what compose writes, Python’s email reads equal: %s', async (_name, unit) => {
  const text = fc.string({ unit: fc.constantFrom(...unit), maxLength: 300 });
  const line = text.map((each) => each.replace(/\s+/g, ' ').trim());
  const sample = fc.sample(
    fc.record({
      subject: line, // Python 3.11 leaves a space between two encoded-words of a display name (bpo-35547, mended later): names here fit one.
      name: line.map((each) =>
        each
          .slice(0, 14)
          .toWellFormed()
          .replace(/\ufffd/g, '')
          .trim(),
      ),
      lines: fc.array(text, { maxLength: 4 }),
      files: fc.array(
        fc.record({
          filename: line
            .filter((each) => each.length > 0)
            .map(
              (each) =>
                `${each
                  .slice(0, 50)
                  .toWellFormed()
                  .replace(/\ufffd/g, '')}.bin`,
            ),
          content: fc.uint8Array({ maxLength: 500 }),
        }),
        { maxLength: 3 },
      ),
    }),
    { numRuns: 60, seed: 42 },
  );
  const folder = mkdtempSync(join(tmpdir(), 'postwire-python-'));
  const drafts: MessageDraft[] = sample.map(({ subject, name, lines, files }) => ({
    from: { name, address: 'me@example.com' },
    to: 'you@example.com',
    subject,
    text: `${lines.join('\n')}\n`,
    html: `<p>${lines.length}</p>\n`,
    attachments: files,
  }));
  const paths: string[] = [];
  for (const [index, draft] of drafts.entries()) {
    const path = join(folder, `${index}.eml`);
    writeFileSync(path, await compose(draft).bytes());
    paths.push(path);
  }
  const result = await run('python3', ['-c', reader], { input: `${paths.join('\n')}\n` });
  expect(result.err).toBe('');
  const read = result.out
    .trim()
    .split('\n')
    .map((each) => JSON.parse(each) as Record<string, unknown>);
  expect(read).toHaveLength(drafts.length);
  read.forEach((message, index) => {
    const { subject, name, lines, files } = sample[index] as (typeof sample)[number];
    expect(message).toEqual({
      subject,
      name,
      address: 'me@example.com',
      text: `${lines.join('\n')}\n`,
      html: `<p>${lines.length}</p>\n`,
      defects: [],
      attachments: files.map((file) => [file.filename, Buffer.from(file.content).toString('base64')]),
    });
  });
});
