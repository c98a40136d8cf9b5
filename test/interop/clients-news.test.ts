import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NewsStore, fakeGopher, fakeNntp } from '../../src/testing/index.ts';
import { binaryFile, gopherFiles } from '../suites/gopher.ts';
import { run } from './process.ts';

const caFile = (pem: string): string => {
  const file = join(mkdtempSync(join(tmpdir(), 'postwire-news-')), 'ca.pem');
  writeFileSync(file, pem);
  return file;
};

test("Python's nntplib reads from the fake and posts to it, with STARTTLS and login", async () => {
  const store = new NewsStore();
  store.addGroup('misc.test', { description: 'For tests' });
  for (const id of ['1', '2'])
    store.add(
      `Newsgroups: misc.test\r\nMessage-ID: <${id}@x>\r\nFrom: a@b.example\r\nSubject: s${id}\r\n\r\n.dots\r\n..\r\n`,
    );
  await using server = await fakeNntp({ store, tls: 'starttls', users: { ann: 'pass word' } });
  const script = `
import nntplib, ssl, sys, json, datetime, warnings
warnings.simplefilter('ignore')
c = nntplib.NNTP('localhost', int(sys.argv[1]))
c.starttls(ssl.create_default_context(cafile=sys.argv[2]))
c.login('ann', 'pass word')
resp, count, first, last, name = c.group('misc.test')
out = {'group': [count, first, last, name]}
out['over'] = [[n, o['subject'], o['message-id'], o[':lines'], o['xref']] for n, o in c.over((first, last))[1]]
out['body'] = [l.decode() for l in c.body(1)[1].lines]
out['article'] = c.article('<2@x>')[1].message_id
out['xhdr'] = c.xhdr('subject', '1-2')[1]
out['list'] = [g.group for g in c.list()[1]]
out['about'] = c.descriptions('misc.*')[1]
out['newnews'] = c.newnews('misc.*', datetime.datetime(2000, 1, 1))[1]
assert c.next()[1] == 2 and c.last()[1] == 1 and c.date()[1].year > 2000 and c.help()[1]
c.post(b'Newsgroups: misc.test\\r\\nMessage-ID: <p@x>\\r\\nFrom: a@b\\r\\nSubject: p\\r\\n\\r\\n.posted\\r\\n')
c.ihave('<i@x>', b'Newsgroups: misc.test\\r\\nMessage-ID: <i@x>\\r\\nFrom: a@b\\r\\nSubject: i\\r\\n\\r\\nx\\r\\n')
c.quit()
print(json.dumps(out))
`;
  const { out, err } = await run('/usr/bin/python3', [
    '-W',
    'ignore',
    '-c',
    script,
    String(server.port),
    caFile(server.ca as string),
  ]);
  expect(err).toBe('');
  expect(JSON.parse(out)).toEqual({
    group: [2, 1, 2, 'misc.test'],
    over: [
      [1, 's1', '<1@x>', '2', 'fake.postwire.test misc.test:1'],
      [2, 's2', '<2@x>', '2', 'fake.postwire.test misc.test:2'],
    ],
    body: ['.dots', '..'],
    article: '<2@x>',
    xhdr: [
      ['1', 's1'],
      ['2', 's2'],
    ],
    list: ['misc.test'],
    about: { 'misc.test': 'For tests' },
    newnews: ['<1@x>', '<2@x>'],
  });
  expect(Buffer.from(store.article('<p@x>')?.raw ?? '').toString()).toContain('\r\n\r\n.posted\r\n');
  expect(store.article('<i@x>')).toBeDefined();
});

test('curl fetches from the fake Gopher server, over TLS too', async () => {
  for (const tls of ['none', 'implicit'] as const) {
    await using server = await fakeGopher({ files: gopherFiles, tls });
    const trust = server.ca === undefined ? [] : ['--cacert', caFile(server.ca)];
    const fetched = await run('curl', ['-sS', ...trust, `${server.url.replace('127.0.0.1', 'localhost')}/1/docs`]);
    expect(fetched.err).toBe('');
    expect(fetched.out).toContain('0a.txt\t/docs/a.txt\t');
    expect(fetched.out.endsWith('\r\n.\r\n')).toBe(true);
    const file = join(mkdtempSync(join(tmpdir(), 'postwire-curl-')), 'data.bin');
    const saved = await run('curl', [
      '-sS',
      ...trust,
      '-o',
      file,
      `${server.url.replace('127.0.0.1', 'localhost')}/9/docs/data.bin`,
    ]);
    expect(saved.err).toBe('');
    expect(binaryFile.equals(readFileSync(file))).toBe(true);
  }
});
