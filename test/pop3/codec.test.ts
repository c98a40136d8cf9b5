import { expect, test } from 'vitest';
import { LimitError, ProtocolError } from '../../src/errors.ts';
import {
  type Pop3Status,
  apopTimestamp,
  encodePop3Status,
  parseList,
  parseUidl,
  pop3CommandDecoder,
  pop3StatusDecoder,
} from '../../src/pop3/codec.ts';
import { assertDecodes, assertEncodes, assertLimit, bytesOf, decodeAll } from '../decoder-cases.ts';

const statuses: { wire: string; status: Pop3Status }[] = [
  { wire: '+OK 2 messages\r\n', status: { kind: 'ok', text: '2 messages' } },
  { wire: '+OK\r\n', status: { kind: 'ok', text: '' } },
  { wire: '-ERR no\r\n', status: { kind: 'error', text: 'no' } },
  { wire: '-ERR [IN-USE] locked\r\n', status: { kind: 'error', code: 'IN-USE', text: 'locked' } },
  { wire: '-ERR [SYS/TEMP] later\r\n', status: { kind: 'error', code: 'SYS/TEMP', text: 'later' } },
  { wire: '+ QQ==\r\n', status: { kind: 'continue', text: 'QQ==' } },
  { wire: '+ \r\n', status: { kind: 'continue', text: '' } },
];

test.each(statuses)('POP-07: $wire', ({ wire, status }) => {
  assertDecodes(pop3StatusDecoder, wire, status);
  assertEncodes(encodePop3Status, status, wire);
});

test('POP-07: the prefix is exact; a bare line feed is taken', () => {
  assertDecodes(pop3StatusDecoder, '+OK x\n', { kind: 'ok', text: 'x' });
  assertDecodes(pop3StatusDecoder, '+\r\n', { kind: 'continue', text: '' });
  for (const bad of ['+ok\r\n', 'OK\r\n', '\r\n', '+OKAY\r\n', '-ERROR\r\n', '-err x\r\n', '250 OK\r\n'])
    expect(() => decodeAll(pop3StatusDecoder(), [bytesOf(bad)]), bad).toThrow(ProtocolError);
});

test('POP-11: a status line has a small cap of its own', () => {
  assertLimit(pop3StatusDecoder, `+OK ${'x'.repeat(5000)}\r\n`);
  expect(() => decodeAll(pop3CommandDecoder(20), [bytesOf(`NOOP ${'x'.repeat(30)}\r\n`)])).toThrow(LimitError);
});

test('POP-06: lines that are none are skipped and counted, whatever they say', () => {
  const list = parseList(
    bytesOf('1 120\r\nx 5\r\n2\r\n1 7\r\n1099511627776 1\r\n3 -1\r\n0 5\r\n4 1e5\r\n5 9 extra\r\n'),
  );
  expect([...list.entries]).toEqual([
    [1, 120],
    [5, 9],
  ]);
  expect(list.skipped).toBe(7);
  const ids = parseUidl(bytesOf(`1 abc\r\n2 ${'u'.repeat(10_000)}\r\n3 ${'v'.repeat(70)}\r\n4 \u0001\r\n`));
  expect([...ids.entries.keys()]).toEqual([1, 3]);
  expect(ids.skipped).toBe(2);
  expect(
    parseList(bytesOf(Array.from({ length: 200_000 }, (_, index) => `${index + 1} 1\r\n`).join(''))).entries.size,
  ).toBe(200_000);
});

test('POP-08: the timestamp of APOP is a message id, or there is none', () => {
  expect(apopTimestamp('ready <1896.697170952@dbc.example>')).toBe('<1896.697170952@dbc.example>');
  for (const greeting of ['ready', '<no at sign>', '<@>', `<${'x'.repeat(10_000)}@y>`, '<a\u0001b@c>', '<a b@c>'])
    expect(apopTimestamp(greeting), greeting.slice(0, 20)).toBeUndefined();
});
