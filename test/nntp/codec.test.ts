import { describe, expect, test } from 'vitest';
import { LimitError, ProtocolError, UsageError } from '../../src/errors.ts';
import {
  type NntpStatus,
  checkGroup,
  checkMessageId,
  encodeNntpCommand,
  encodeNntpStatus,
  formatNntpDate,
  formatRange,
  nntpCommandDecoder,
  nntpStatusDecoder,
  parseArticleName,
  parseGroup,
  parseNntpDate,
  parseRange,
} from '../../src/nntp/codec/response.ts';
import {
  parseActive,
  parseActiveTimes,
  parseCounts,
  parseDistribPats,
  parseHdr,
  parseModerators,
  parseNamed,
  parseNumbers,
} from '../../src/nntp/codec/lists.ts';
import { OverviewFormat, OverviewReader, encodeOverviewLine } from '../../src/nntp/codec/overview.ts';
import { Wildmat } from '../../src/nntp/codec/wildmat.ts';
import { formatNewsUrl, parseNewsUrl } from '../../src/nntp/urls.ts';
import { assertDecodes, assertEncodes, assertLimit, bytesOf, decodeAll } from '../decoder-cases.ts';

const statuses: { wire: string; status: NntpStatus }[] = [
  { wire: '200 ready\r\n', status: { code: 200, text: 'ready' } },
  { wire: '211 1234 3000234 3002322 misc.test\r\n', status: { code: 211, text: '1234 3000234 3002322 misc.test' } },
  { wire: '430\r\n', status: { code: 430, text: '' } },
  { wire: '101  two spaces\r\n', status: { code: 101, text: ' two spaces' } },
];

describe('responses and commands', () => {
  test.each(statuses)('response: $wire', ({ wire, status }) => {
    assertDecodes(nntpStatusDecoder, wire, status);
    assertEncodes(encodeNntpStatus, status, wire);
  });

  test('NN-04: a code is three digits from 100 to 599, and a status at most 4 KiB', () => {
    for (const bad of [
      '099 x\r\n',
      'abc\r\n',
      '\r\n',
      '2000 x\r\n',
      '600 x\r\n',
      '20 x\r\n',
      '200-x\r\n',
      '200 a\0b\r\n',
    ])
      expect(() => decodeAll(nntpStatusDecoder(), [bytesOf(bad)]), bad).toThrow(ProtocolError);
    assertLimit(nntpStatusDecoder, `200 ${'x'.repeat(5000)}\r\n`);
    assertDecodes(nntpStatusDecoder, `200 ${'x'.repeat(1000)}\r\n`, { code: 200, text: 'x'.repeat(1000) });
    assertDecodes(nntpStatusDecoder, '200 bare\n', { code: 200, text: 'bare' });
  });

  test('NN-01: no argument can end the line or say more than its place', () => {
    for (const evil of ['a\r\nQUIT', 'a\nb', 'a\0', 'a b', '', 'a,b', 'a*', 'a\tb'])
      expect(() => checkGroup(evil), JSON.stringify(evil)).toThrow(UsageError);
    for (const evil of [
      'a@b',
      '<a@b',
      'a@b>',
      '<a b@c>',
      '<a>b@c>',
      '<>',
      `<${'x'.repeat(250)}@y>`,
      '<a@b>\r\n',
      '<ä@b>',
    ])
      expect(() => checkMessageId(evil), evil).toThrow(UsageError);
    expect(checkMessageId(`<${'x'.repeat(246)}@y>`).length).toBe(250);
    expect(() => encodeNntpCommand('GROUP', 'x\r\nQUIT')).toThrow(UsageError);
    expect(() => encodeNntpCommand('GROUP', 'x'.repeat(600))).toThrow(UsageError);
    for (const evil of [0, -1, 1.5, Number.NaN, { from: 5, to: 3 }, { from: 1, to: 1e99 }, null, '1-5\r\n'])
      expect(() => formatRange(evil as number), String(evil)).toThrow(UsageError);
    for (const evil of ['a b', '', 'a\r\nb']) expect(() => new Wildmat(evil), JSON.stringify(evil)).toThrow(UsageError);
    expect(() => decodeAll(nntpCommandDecoder(20), [bytesOf(`GROUP ${'x'.repeat(30)}\r\n`)])).toThrow(LimitError);
  });

  test('ranges, both ways', () => {
    for (const [range, text, parsed] of [
      [5, '5', { from: 5, to: 5 }],
      [{ from: 5 }, '5-', { from: 5, to: Number.MAX_SAFE_INTEGER }],
      [{ from: 5, to: 9 }, '5-9', { from: 5, to: 9 }],
    ] as const) {
      expect(formatRange(range)).toBe(text);
      expect(parseRange(text)).toEqual(parsed);
    }
    for (const bad of ['', '-', '-5', 'x', '1-2-3', '1 2', '99999999999999999999'])
      expect(parseRange(bad), bad).toBeUndefined();
  });

  test('NN-08: what GROUP says is counted by nobody', () => {
    expect(parseGroup('1234 3000234 3002322 misc.test', 'x')).toEqual({
      name: 'misc.test',
      count: 1234,
      low: 3000234,
      high: 3002322,
    });
    expect(parseGroup('0 5 4 misc.test', 'x')).toEqual({ name: 'misc.test', count: 0, low: 5, high: 4 });
    expect(parseGroup('0 0 0', 'x')).toEqual({ name: 'x', count: 0, low: 1, high: 0 });
    expect(parseGroup('9007199254740991 1 2 g', 'x').count).toBe(2);
    for (const bad of ['-1 5 1 x', '18446744073709551616 1 2 x', '', 'a b c d', '1e3 1 2 x'])
      expect(() => parseGroup(bad, 'x'), bad).toThrow(ProtocolError);
    expect(parseArticleName('3000234 <45223423@example.com> article')).toEqual({
      number: 3000234,
      messageId: '<45223423@example.com>',
    });
    for (const bad of ['x <a@b>', '1 a@b', '-1 <a@b>']) expect(() => parseArticleName(bad), bad).toThrow(ProtocolError);
  });

  test('dates', () => {
    const date = new Date('2024-02-29T23:59:58Z');
    expect(formatNntpDate(date)).toEqual(['20240229', '235958']);
    expect(parseNntpDate('20240229235958')).toEqual(date);
    expect(parseNntpDate('20240229 235958')).toEqual(date);
    expect(parseNntpDate('990101 000000')).toEqual(new Date('1999-01-01T00:00:00Z'));
    for (const bad of ['20230229000000', '20241301000000', '20240101240000', '2024', 'x', ''])
      expect(parseNntpDate(bad), bad).toBeUndefined();
    expect(() => formatNntpDate(new Date(Number.NaN))).toThrow(UsageError);
  });
});

test.each([
  ['a', ['a'], ['b', 'aa', '']],
  ['a*', ['a', 'abb'], ['b', 'ba']],
  ['*foo*,!*foobar*', ['foo', 'xfoo'], ['foobar', 'x']],
  ['u*,!*bar*,*b*', ['u', 'ubarx', 'bb'], ['x']],
  ['comp.*,!comp.lang.*', ['comp.os'], ['comp.lang.c', 'rec.x']],
  ['a?c', ['abc', 'aéc', 'a😀c'], ['ac', 'abbc']],
  ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
  ['[^a-c]x', ['dx'], ['ax']],
  ['[]x', ['[]x'], ['x']],
  ['a\\*b', ['a*b'], ['axb']],
  ['a[x,y]b', ['axb', 'a,b'], ['ab']],
  ['!a', [], ['a', 'b']],
])('wildmat %s', (pattern, yes, no) => {
  const wildmat = new Wildmat(pattern);
  for (const name of yes) expect(wildmat.matches(name), name).toBe(true);
  for (const name of no) expect(wildmat.matches(name), name).toBe(false);
});

test('a wildmat takes no longer than pattern times text', () => {
  const started = performance.now();
  expect(new Wildmat('*a'.repeat(200)).matches('a'.repeat(20_000) + 'b')).toBe(false);
  expect(new Wildmat(`${'*a'.repeat(100)}b`).matches('a'.repeat(20_000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(5000);
});

describe('lists: what cannot be understood is left out', () => {
  test.each([
    [
      'active',
      parseActive,
      'misc.test 3002322 3000234 y\r\nx y\r\n\r\nb 1 2 =a.b\r\n',
      [
        { name: 'misc.test', high: 3002322, low: 3000234, status: 'y' },
        { name: 'b', high: 1, low: 2, status: '=a.b' },
      ],
    ],
    [
      'counts',
      parseCounts,
      'misc.test 3002322 3000234 1234 y\r\n',
      [{ name: 'misc.test', high: 3002322, low: 3000234, count: 1234, status: 'y' }],
    ],
    [
      'times',
      parseActiveTimes,
      'misc.test 930445408 <c@isc.org>\r\nx y z\r\n',
      [{ name: 'misc.test', createdAt: new Date(930445408000), createdBy: '<c@isc.org>' }],
    ],
    [
      'newsgroups',
      parseNamed,
      'misc.test\tFor  tests\r\nalone\r\n',
      [
        { name: 'misc.test', text: 'For  tests' },
        { name: 'alone', text: '' },
      ],
    ],
    [
      'patterns',
      parseDistribPats,
      '10:local.*:local\r\nx\r\n',
      [{ weight: 10, wildmat: 'local.*', distribution: 'local' }],
    ],
    ['moderators', parseModerators, 'foo.*:%s@m.example\r\nx\r\n', [{ name: 'foo.*', text: '%s@m.example' }]],
    ['numbers', parseNumbers, '5\r\n7\r\nx\r\n', [5, 7]],
    [
      'headers',
      parseHdr,
      '5 a test\r\n0 \r\n<a@b> x\r\n?\r\n',
      [
        { number: 5, value: 'a test' },
        { number: 0, value: '' },
        { number: 0, messageId: '<a@b>', value: 'x' },
      ],
    ],
  ] as [string, (bytes: Uint8Array) => unknown, string, unknown][])('%s', (_name, parse, wire, value) => {
    expect(parse(bytesOf(wire))).toEqual(value);
  });
});

describe('overviews', () => {
  const format = OverviewFormat.parse(
    bytesOf(
      'Subject:\r\nFrom:\r\nDate:\r\nMessage-ID:\r\nReferences:\r\nBytes:\r\nLines:\r\nXref:full\r\nX-Extra:\r\n',
    ),
  );
  const line =
    '3000234\tI am\t"Demo" <d@example.com>\t6 Oct 1998 04:38:40 -0500\t<45@example.com>\t<a@b> <c@d>\t1234\t17\tXref: news misc.test:3000234\tx\r\n';

  test('columns by LIST OVERVIEW.FMT, old names too', () => {
    expect(format.fields).toEqual([
      'subject',
      'from',
      'date',
      'message-id',
      'references',
      ':bytes',
      ':lines',
      'xref',
      'x-extra',
    ]);
    expect(format.format().slice(-4)).toEqual([':bytes', ':lines', 'Xref:full', 'X-Extra:']);
    expect(OverviewFormat.parse(bytesOf('nothing')).fields.length).toBe(7);
    const reader = new OverviewReader(format);
    reader.push(bytesOf(line));
    const [entry] = reader.end();
    expect(entry?.toJSON()).toEqual({
      number: 3000234,
      subject: 'I am',
      from: '"Demo" <d@example.com>',
      date: new Date('1998-10-06T09:38:40Z'),
      messageId: '<45@example.com>',
      references: ['<a@b>', '<c@d>'],
      sizeBytes: 1234,
      lineCount: 17,
    });
    expect([entry?.field('Xref'), entry?.field('x-extra'), entry?.field('bytes'), entry?.field('none')]).toEqual([
      'news misc.test:3000234',
      'x',
      '1234',
      undefined,
    ]);
  });

  test('the same entries at every split', () => {
    const wire = bytesOf(`${line}7\tshort\r\n\r\n8\t\t\t\t<x@y>\n`);
    for (let at = 0; at <= wire.length; at++) {
      const reader = new OverviewReader(format);
      reader.push(wire.slice(0, at));
      reader.push(wire.slice(at));
      expect(reader.end().map((entry) => [entry.number, entry.messageId, entry.sizeBytes])).toEqual([
        [3000234, '<45@example.com>', 1234],
        [7, '', undefined],
        [8, '<x@y>', undefined],
      ]);
    }
  });

  test('what a field holds cannot make a column or a line', () => {
    const encoded = encodeOverviewLine(5, { subject: 'a\tb\r\nc\0d', xref: 'h g:5' }, format);
    const reader = new OverviewReader(format);
    reader.push(encoded);
    const [entry] = reader.end();
    expect([entry?.field('subject'), entry?.field('xref')]).toEqual(['a bc d', 'h g:5']);
  });

  test('NN-04: an overview line of 20 KB is read, one without end is not held', () => {
    const reader = new OverviewReader(format);
    reader.push(bytesOf(`5\t${'s'.repeat(20_000)}\r\n`));
    expect(reader.end()[0]?.subject.length).toBe(20_000);
    const endless = new OverviewReader(format);
    const chunk = new Uint8Array(65_536).fill(120);
    expect(() => {
      for (let count = 0; count < 20; count++) endless.push(chunk);
    }).toThrow(LimitError);
  });
});

test('news and nntp URLs', () => {
  expect(parseNewsUrl('news:comp.lang.c')).toEqual({ server: undefined, group: 'comp.lang.c' });
  expect(parseNewsUrl('news:a%25b@example.com')).toEqual({ server: undefined, messageId: '<a%b@example.com>' });
  expect(parseNewsUrl('news:*')).toEqual({ server: undefined, wildmat: '*' });
  expect(parseNewsUrl('news://h:1119/comp.*')).toEqual({ server: 'nntp://h:1119', wildmat: 'comp.*' });
  expect(parseNewsUrl('nntps://u:p@h/misc.test/5')).toEqual({
    server: 'nntps://u:p@h',
    group: 'misc.test',
    range: { from: 5, to: 5 },
  });
  expect(parseNewsUrl('nntp://h/misc.test/5-9?tls=none')).toEqual({
    server: 'nntp://h?tls=none',
    group: 'misc.test',
    range: { from: 5, to: 9 },
  });
  expect(parseNewsUrl('nntp://h')).toEqual({ server: 'nntp://h', wildmat: undefined });
  for (const bad of [
    'http://h/',
    'nntp:misc.test',
    'news:a%0d%0aQUIT',
    'news:a b@c',
    'news:%zz',
    'nntp://h/g/x',
    'nntp://h/g/1/2',
    'news:a\r\nb',
  ])
    expect(() => parseNewsUrl(bad), bad).toThrow(UsageError);
  expect(formatNewsUrl({ messageId: '<a%b/c@example.com>' })).toBe('news:a%25b%2Fc@example.com');
  expect(parseNewsUrl(formatNewsUrl({ messageId: '<a%b/c@example.com>' })).messageId).toBe('<a%b/c@example.com>');
  expect(formatNewsUrl({ group: 'comp.lang.c++' })).toBe('news:comp.lang.c%2B%2B');
});
