import { existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSync } from '../../src/mime/index.ts';
import { run } from './process.ts';

const loose = (text: string | undefined | null): string =>
  (text ?? '')
    .replace(/\r\n?/g, '\n')
    .replace(/[ \t\u00a0]*\n[\s\u00a0]*/g, '\n')
    .trim();

const readAll = `
import sys, json, base64
from email import message_from_bytes, policy
def text(part):
    try: return part.get_content()
    except Exception: return None
for path in sys.stdin.read().split('\\n'):
    if not path: continue
    m = message_from_bytes(open(path, 'rb').read(), policy=policy.default)
    out = dict(path=path)
    for name in ('subject', 'date', 'from', 'to', 'cc', 'text', 'html', 'files'):
        try:
            if name == 'subject': out[name] = None if m['subject'] is None else str(m['subject'])
            elif name == 'date': out[name] = m['date'].datetime.timestamp() if m['date'] and m['date'].datetime and m['date'].datetime.tzinfo else None
            elif name in ('from', 'to', 'cc'): out[name] = [a.addr_spec.lower() for h in m.get_all(name, []) for a in h.addresses]
            elif name in ('text', 'html'):
                b = m.get_body(('plain',) if name == 'text' else ('html',)); out[name] = text(b) if b is not None else None
            else: out[name] = sorted(base64.b64encode(p.get_payload(decode=True) or b'').decode() for p in m.walk() if not p.is_multipart() and p.get_filename() and p.get_content_disposition() == 'attachment')
        except Exception as e: out[name] = dict(error=type(e).__name__)
    print(json.dumps(out))
`;

/** Where Python 3.11 reads otherwise, and why. What it fails on with an exception is not compared. */
const settled: readonly (readonly [differs: RegExp, files: RegExp, rule: string])[] = [
  [
    /text|html/,
    /legacy-0(?:30|42|47)|rfc-00[057]|nested|mixed/,
    'get_body gives the first text; all that are shown one after another are the text: RFC 2046 section 5.1.3',
  ],
  [/text/, /legacy-009|calendar-event/, 'format=flowed lines are joined: RFC 3676 section 4.2'],
  [/from|to/, /rfc-00[14]/, 'a word without an @ is a name, not an addr-spec: RFC 5322 section 3.4.1'],
  [/subject/, /legacy-0(?:10|2[027]|52)/, 'eight-bit header text has the fallback charset: RFC 6532 section 3.1'],
  [/text/, /legacy-052/, 'so has text without a charset: RFC 6657 section 4'],
  [/files/, /legacy-049/, 'a uuencoded part is a file without being called an attachment'],
  [/files/, /rfc-00[18]|mimetorture/, 'a message inside is a file, and its files are its own: RFC 2046 section 5.2.1'],
];

test('real mail reads as in Python’s email', async () => {
  const folders = ['test/fixtures/mime', '../shared/corpus'].filter((path) => existsSync(path));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.eml'))
      .map((name) => `${folder}/${name}`),
  );
  const { out, err, code } = await run('python3', ['-c', readAll], { input: files.join('\n') });
  expect([code, err]).toEqual([0, '']);
  const differences: string[] = [];
  let compared = 0;
  for (const line of out.trim().split('\n')) {
    const theirs = JSON.parse(line) as Record<string, unknown> & { path: string };
    const mail = parseSync(readFileSync(theirs.path));
    const spec = (list: typeof mail.from): string[] =>
      list.flatMap((entry) => entry.group ?? [entry]).map(({ address }) => address.toLowerCase());
    const ours: Record<string, unknown> = {
      subject: mail.subject,
      date: mail.date === null ? null : mail.date.getTime() / 1000,
      from: spec(mail.from),
      to: spec(mail.to),
      cc: spec(mail.cc),
      text: loose(mail.text),
      html: loose(mail.html),
      files: mail.attachments
        .filter((each) => each.filename !== undefined)
        .map((each) => Buffer.from(each.bytes()).toString('base64'))
        .toSorted(),
    };
    const name = theirs.path.replace(/^.*(?:mime|corpus)\//, '').replace('/', '-');
    for (const [field, mine] of Object.entries(ours)) {
      let other = theirs[field];
      if (typeof other === 'object' && other !== null && 'error' in other) continue;
      if (field === 'text' || field === 'html') other = loose(other as string | null);
      if (field === 'subject') other ??= '';
      if (field === 'date' && other === null) continue;
      compared++;
      if (JSON.stringify(mine) === JSON.stringify(other)) continue;
      if (settled.some(([differs, names]) => differs.test(field) && names.test(name))) continue;
      differences.push(
        `${name} ${field}: ${JSON.stringify(mine).slice(0, 120)} and ${JSON.stringify(other).slice(0, 120)}`,
      );
    }
  }
  expect(differences).toEqual([]);
  expect(compared).toBeGreaterThan(files.length * 6);
});

const writeAll = `
import sys, json, base64, email.message, email.policy
for line in sys.stdin:
    d = json.loads(line)
    m = email.message.EmailMessage(policy=email.policy.SMTP if d['smtp'] else email.policy.default)
    m['Subject'] = d['subject']; m['From'] = email.headerregistry.Address(d['name'], addr_spec='me@example.com'); m['To'] = 'you@example.com'
    m.set_content(d['text'], charset=d['charset'], cte=d['cte'])
    if d['html'] is not None:
        m.add_alternative(d['html'], subtype='html')
        for f in d['related']: m.get_payload()[1].add_related(base64.b64decode(f['content']), 'image', 'png', disposition='inline', cid='<' + f['cid'] + '>', filename=f['filename'])
    for f in d['files']: m.add_attachment(base64.b64decode(f['content']), 'application', 'octet-stream', filename=f['filename'])
    if d['inner'] is not None:
        i = email.message.EmailMessage(); i['Subject'] = d['inner']; i.set_content(d['inner']); m.add_attachment(i)
    open(d['path'], 'wb').write(bytes(m))
`;

test('what Python’s email writes reads back equal, in any structure', async () => {
  const words = fc.string({ unit: fc.constantFrom(...'abc XYZ äöüß 数据本月 مرحبا 😀.,()"\\'), maxLength: 60 });
  const line = words.map((each) => each.toWellFormed().replace(/\s+/g, ' ').trim());
  const content = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64'));
  const file = fc.record({ filename: line.map((each) => `${each.replace(/["\\]/g, '').slice(0, 30)}.bin`), content });
  const folder = mkdtempSync(join(tmpdir(), 'postwire-python-'));
  const sample = fc
    .sample(
      fc.record({
        smtp: fc.boolean(),
        subject: line,
        name: line.map((each) => [...each.replace(/[()"\\.,]/g, '')].slice(0, 8).join('').replace(/ +/g, ' ').trim()),
        text: fc.array(line, { maxLength: 6 }).map((lines) => lines.map((each) => `${each}\n`).join('') || '\n'),
        charset: fc.constant('utf-8'),
        cte: fc.constantFrom('base64', 'quoted-printable', '8bit'),
        html: fc.option(line.map((each) => `<p>${each}</p>\n`)),
        related: fc.array(
          fc.record({ cid: fc.stringMatching(/^[a-z]{1,8}@x$/), filename: fc.constant('i.png'), content }),
          {
            maxLength: 2,
          },
        ),
        files: fc.array(file, { maxLength: 3 }),
        inner: fc.option(line.filter((each) => each !== '')),
      }),
      { numRuns: 300, seed: 7 },
    )
    .map((draft, index) => ({ ...draft, path: join(folder, `${index}.eml`) }));
  writeFileSync(join(folder, 'input'), sample.map((draft) => `${JSON.stringify(draft)}\n`).join(''));
  const { code, err } = await run('sh', ['-c', `python3 -c "$PROGRAM" < ${join(folder, 'input')}`], {
    env: { ...process.env, PROGRAM: writeAll },
  });
  expect([code, err]).toEqual([0, '']);
  const differences: unknown[] = [];
  for (const draft of sample) {
    const mail = parseSync(readFileSync(draft.path));
    const ours = {
      subject: mail.subject,
      name: mail.from[0]?.name,
      text: mail.text,
      html: mail.html ?? null,
      related: mail.inline.map((each) => [each.contentId, Buffer.from(each.bytes()).toString('base64')]),
      files: mail.attachments
        .filter((each) => each.contentType !== 'message/rfc822')
        .map((each) => [each.filename, Buffer.from(each.bytes()).toString('base64')]),
      inner: mail.messages.map((each) => [each.subject, each.text?.trimEnd()]),
    };
    const wanted = {
      subject: draft.subject,
      name: draft.name,
      text: draft.text,
      html: draft.html,
      related: draft.html === null ? [] : draft.related.map((each) => [each.cid, each.content]),
      files: draft.files.map((each) => [each.filename, each.content]),
      inner: draft.inner === null ? [] : [[draft.inner, draft.inner]],
    };
    if (JSON.stringify(ours) !== JSON.stringify(wanted)) differences.push([draft.path, ours, wanted]);
  }
  expect(differences.length === 0 ? [] : [differences.length, ...differences.slice(0, 3)]).toEqual([]);
});
