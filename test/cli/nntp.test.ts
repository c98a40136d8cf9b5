import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeYenc } from '../../src/mime/index.ts';
import { formatNzb } from '../../src/nntp/index.ts';
import { fakeGopher, fakeNntp } from '../../src/testing/index.ts';
import { postwire } from './postwire.ts';

const article =
  'Newsgroups: misc.test\r\nMessage-ID: <1@x>\r\nFrom: Ann <ann@example.com>\r\nSubject: one \u001b[31m\r\n\r\n.first\r\n';

test('postwire nntp: groups, over, get, post', async () => {
  await using server = await fakeNntp({ users: { ann: 'hunter22' } });
  server.store.addGroup('misc.test', { description: 'For tests' });
  server.store.addGroup('comp.x');
  server.store.add(article);
  const env = { NNTP_URL: server.url };
  const run = (...args: string[]) => postwire(['nntp', ...args], { env });
  expect(await run('groups', 'misc.*')).toMatchObject({ code: 0, out: 'misc.test\t1\ty\tFor tests\n', err: '' });
  const listed = await run('over', 'misc.test');
  expect(listed).toMatchObject({ code: 0, err: '' });
  expect(listed.out).toMatch(/^1\t\tAnn <ann@example\.com>\tone \\u001b\[31m\n$/);
  expect(JSON.parse((await run('over', 'misc.test', '1-5', '--json')).out)).toMatchObject({
    number: 1,
    messageId: '<1@x>',
  });
  for (const what of [['<1@x>'], ['misc.test', '1'], ['news:1@x']]) {
    const got = await run('get', ...what);
    expect(got).toMatchObject({ code: 0, err: '' });
    expect(got.out).toContain(article);
  }
  const posted = await postwire(['nntp', 'post'], {
    env,
    input: article.replace('<1@x>', '<2@x>').replaceAll('\r\n', '\n'),
  });
  expect(posted).toMatchObject({ code: 0, err: 'posted as <2@x>: article received\n' });
  expect(await postwire(['nntp', 'post'], { env, input: article })).toMatchObject({ code: 7 });
  expect(await run('get', 'misc.test')).toMatchObject({ code: 2 });
  expect(await run('get', '<none@x>')).toMatchObject({ code: 7 });
  expect(await run('over', 'no.such')).toMatchObject({ code: 7 });
  expect(await postwire(['nntp', 'groups'])).toMatchObject({ code: 2 });
});

test('postwire nntp nzb', async () => {
  await using server = await fakeNntp();
  server.store.addGroup('misc.test');
  const body = Buffer.from(encodeYenc(Buffer.from('the file'), { name: 'f.txt' }));
  server.store.add(Buffer.concat([Buffer.from('Newsgroups: misc.test\r\nMessage-ID: <f@x>\r\n\r\n'), body]));
  const folder = mkdtempSync(join(tmpdir(), 'postwire-cli-nzb-'));
  const list = join(folder, 'list.nzb');
  const segment = (id: string) => ({ number: 1, sizeBytes: 100, messageId: id });
  const file = (subject: string, id: string) => ({
    subject,
    poster: 'p',
    date: null,
    groups: ['misc.test'],
    segments: [segment(id)],
  });
  writeFileSync(list, formatNzb({ files: [file('"f.txt" yEnc (1/1)', '<f@x>')] }));
  const out = join(folder, 'out');
  const env = { NNTP_URL: server.url };
  expect(await postwire(['nntp', 'nzb', list, '-o', out], { env })).toMatchObject({ code: 0, err: 'f.txt: 8 bytes\n' });
  expect(readFileSync(join(out, 'f.txt'), 'utf8')).toBe('the file');
  writeFileSync(list, formatNzb({ files: [file('"g.txt"', '<gone@x>')] }));
  const missing = await postwire(['nntp', 'nzb', list, '-o', out], { env });
  expect(missing).toMatchObject({ code: 9 });
  expect(missing.err).toContain('g.txt: 1 of its parts missing');
  expect(readdirSync(out)).toEqual(['f.txt']);
  expect(await postwire(['nntp', 'nzb', join(folder, 'none')], { env })).toMatchObject({ code: 2 });
});

test('GO-05: postwire gopher shows links and opens none; documents go out or into a file', async () => {
  await using server = await fakeGopher({
    files: {
      'a.txt': 'text\r\n',
      'b.bin': Buffer.from([0, 1, 2]),
      gophermap: 'Hi \u001b[2J\n0A\ta.txt\nhX\tURL:javascript:alert(1)\n',
    },
  });
  const menu = await postwire(['gopher', `${server.url}/1/`]);
  expect(menu).toMatchObject({ code: 0, err: '' });
  expect(menu.out).toContain(`text       A  ${server.url}/0/a.txt`);
  expect(menu.out).toContain('html       X  javascript:alert(1)');
  expect(menu.out).not.toContain('\u001b');
  expect(await postwire(['gopher', `${server.url}/0/a.txt`])).toMatchObject({ code: 0, out: 'text\r\n', err: '' });
  const file = join(mkdtempSync(join(tmpdir(), 'postwire-cli-gopher-')), 'b.bin');
  expect(await postwire(['gopher', `${server.url}/9/b.bin`, '-o', file])).toMatchObject({ code: 0, out: '' });
  expect([...readFileSync(file)]).toEqual([0, 1, 2]);
  expect(await postwire(['gopher', `${server.url}/9/b.bin`, '-o', file])).toMatchObject({ code: 2 });
  expect(await postwire(['gopher', 'http://x/'])).toMatchObject({ code: 2 });
  expect(await postwire(['gopher', `${server.url}/0/a%0d%0ab`])).toMatchObject({ code: 2 });
});
