import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LimitError, ProtocolError, UsageError } from '../../src/errors.ts';
import {
  type SyslogMessage,
  encodeSyslog,
  encodeSyslogFrame,
  facilities,
  parseSyslog,
  severities,
  syslogFrameDecoder,
} from '../../src/syslog/codec.ts';
import type { Decoder } from '../../src/wire/byte-queue.ts';
import { assertDecodes, bytesOf, decodeAll, textOf } from '../decoder-cases.ts';

const at = new Date('2026-10-11T22:14:15.003Z');
const base: SyslogMessage = { facility: 'auth', severity: 'crit', timestamp: at, message: 'x' };

const modern: readonly { name: string; message: SyslogMessage; wire: string }[] = [
  {
    name: 'all fields',
    message: { ...base, hostname: 'mymachine', appName: 'su', procId: '12', msgId: 'ID47', message: 'failed' },
    wire: '<34>1 2026-10-11T22:14:15.003Z mymachine su 12 ID47 - failed',
  },
  { name: 'no fields', message: { ...base, timestamp: undefined }, wire: '<34>1 - - - - - - x' },
  { name: 'no text', message: { ...base, message: '' }, wire: '<34>1 2026-10-11T22:14:15.003Z - - - - -' },
  {
    name: 'structured data, escaped, with a parameter that comes twice',
    message: {
      ...base,
      structuredData: { 'ex@32473': { iut: '3', say: 'a "b" \\ ]' }, origin: { ip: ['1', '2'] } },
    },
    wire: '<34>1 2026-10-11T22:14:15.003Z - - - - [ex@32473 iut="3" say="a \\"b\\" \\\\ \\]"][origin ip="1" ip="2"] x',
  },
  {
    name: 'text beyond ASCII, behind its mark',
    message: { ...base, message: 'grüße\nzwei' },
    wire: '<34>1 2026-10-11T22:14:15.003Z - - - - - \ufeffgrüße\nzwei',
  },
];

describe('RFC 5424', () => {
  test.each(modern)('$name', ({ message, wire }) => {
    expect(Buffer.from(encodeSyslog(message)).toString()).toBe(wire);
    const expected = JSON.parse(JSON.stringify({ format: 'rfc5424', ...message })) as object;
    expect(JSON.parse(JSON.stringify(parseSyslog(Buffer.from(wire))))).toEqual(expected);
  });

  test('every facility and severity by its number', () => {
    for (const [high, facility] of facilities.entries())
      for (const [low, severity] of severities.entries()) {
        const bytes = encodeSyslog({ ...base, facility, severity });
        expect(textOf(bytes)).toMatch(new RegExp(`^<${high * 8 + low}>1 `));
        expect(parseSyslog(bytes)).toMatchObject({ facility, severity });
      }
  });

  test.each<[string, Partial<SyslogMessage>]>([
    ['a host with a space', { hostname: 'my machine' }],
    ['a name with a line end', { appName: 'a\n<0>forged' }],
    ['a name that is too long', { appName: 'x'.repeat(49) }],
    ['a message id with a NUL', { msgId: 'a\0' }],
    ['structured data of a name with =', { structuredData: { 'a=b': {} } }],
    ['a parameter with a quote in its name', { structuredData: { a: { 'b"': '' } } }],
    ['a severity that is none', { severity: 'fatal' as never }],
    ['a facility that is none', { facility: '__proto__' as never }],
    ['a date that is none', { timestamp: new Date(Number.NaN) }],
  ])('%s is refused', (_name, fields) => {
    expect(() => encodeSyslog({ ...base, ...fields })).toThrow(UsageError);
  });

  test('what is long is cut between characters', () => {
    const message = { ...base, timestamp: undefined, message: '€'.repeat(100) };
    for (let maxBytes = 23; maxBytes < 40; maxBytes++) {
      const bytes = encodeSyslog(message, { maxBytes });
      expect(bytes.length).toBeLessThanOrEqual(maxBytes);
      expect(Buffer.from(bytes).toString()).not.toContain('\ufffd');
    }
    expect(() => encodeSyslog(message, { maxBytes: 10 })).toThrow(LimitError);
  });

  test('SOCK-32: names from the wire are no prototype’s', () => {
    const { structuredData } = parseSyslog('<1>1 - - - - - [__proto__ constructor="x"] m');
    expect(structuredData?.['__proto__']?.['constructor']).toBe('x');
    expect(Object.getPrototypeOf(structuredData)).toBeNull();
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('anything goes in, and comes out as it was', () => {
    const word = fc.string({ minLength: 1, maxLength: 30 }).map((text) => text.replace(/[^\x21-\x7e]/g, 'x'));
    const name = word.map((text) => text.replace(/["=\]]/g, 'y'));
    fc.assert(
      fc.property(
        fc.record({
          hostname: word.filter((text) => text !== '-'),
          appName: word.filter((text) => text !== '-'),
          message: fc.string({ unit: 'grapheme' }).filter((text) => !/^\ufeff|\n$/.test(text) && text.isWellFormed()),
          structuredData: fc.dictionary(name, fc.dictionary(name, fc.string({ unit: 'grapheme' }), { maxKeys: 3 }), {
            minKeys: 1,
            maxKeys: 3,
          }),
        }),
        (fields) => {
          const message: SyslogMessage = { ...base, ...fields };
          const read = parseSyslog(encodeSyslog(message));
          expect(JSON.parse(JSON.stringify(read))).toEqual(
            JSON.parse(JSON.stringify({ format: 'rfc5424', ...message })),
          );
        },
      ),
    );
  });
});

describe('RFC 3164', () => {
  const local = new Date(2026, 9, 1, 2, 14, 15);
  test('written with and without host and tag', () => {
    const message: SyslogMessage = { ...base, timestamp: local, hostname: 'h', appName: 'su', procId: '7' };
    const encode = (fields: Partial<SyslogMessage>): string =>
      textOf(encodeSyslog({ ...message, ...fields }, { format: 'rfc3164' }));
    expect(encode({})).toBe('<34>Oct  1 02:14:15 h su[7]: x');
    expect(encode({ procId: undefined })).toBe('<34>Oct  1 02:14:15 h su: x');
    expect(encode({ hostname: undefined, appName: undefined })).toBe('<34>Oct  1 02:14:15 x');
    expect(encode({ message: 'a\r\n<0>b\0' })).toBe('<34>Oct  1 02:14:15 h su[7]: a#015#012<0>b#000');
  });

  const received = new Date(2026, 9, 1, 3);
  test.each<[string, object]>([
    [
      '<34>Oct  1 02:14:15 host su[7]: text: more',
      { timestamp: local, hostname: 'host', appName: 'su', procId: '7', message: 'text: more' },
    ],
    ['<34>Oct  1 02:14:15 su: text', { timestamp: local, appName: 'su', message: 'text' }],
    ['<34>Oct  1 02:14:15 2001:db8::1 su: text', { hostname: '2001:db8::1', appName: 'su', message: 'text' }],
    ['<34>Oct  1 02:14:15 host no tag here', { hostname: 'host', message: 'no tag here' }],
    ['<34>2026-10-11T22:14:15.003Z host su: text', { timestamp: at, hostname: 'host', appName: 'su', message: 'text' }],
    ['<34>su[7] \ufefftext', { appName: 'su', procId: '7', message: 'text' }],
    ['<34>su: text\n', { appName: 'su', message: 'text' }],
    ['<34>just text', { message: 'just text' }],
    ['<34>', { message: '' }],
    ['<34>1 2026-99-99T00:00:00Z h a p m - x', { format: 'rfc3164', message: '1 2026-99-99T00:00:00Z h a p m - x' }],
    ['<34>1 - - - - - [unclosed x', { format: 'rfc3164' }],
    ['no priority', { format: 'none', facility: 'user', severity: 'notice', message: 'no priority' }],
    ['<192>x', { format: 'none', message: '<192>x' }],
    ['<01>x', { format: 'none', message: '<01>x' }],
  ])('%j is read', (wire, fields) => {
    expect(parseSyslog(wire, received)).toMatchObject(fields);
  });

  test('the year is the nearest one', () => {
    const newYear = new Date(2027, 0, 1, 0, 5);
    expect(parseSyslog('<34>Dec 31 23:59:59 h a: x', newYear).timestamp?.getFullYear()).toBe(2026);
    expect(parseSyslog('<34>Jan  1 00:10:00 h a: x', new Date(2026, 11, 31, 23, 55)).timestamp?.getFullYear()).toBe(
      2027,
    );
    expect(parseSyslog('<34>Feb 31 00:10:00 h a: x', newYear).timestamp).toBeUndefined();
  });

  test('anything can be read, in linear time', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof parseSyslog(`<1>${text}`).message === 'string'));
    for (const part of ['[', '[a ', '[a b="', '\\"', ' ', 'a:', '1 '])
      expect(parseSyslog(`<1>1 - - - - - ${part.repeat(100_000)}`).format).toBeDefined();
  });
});

describe('frames', () => {
  test('counted, at every split', () => {
    const decoder = (): Decoder<string> => {
      const decode = syslogFrameDecoder(100);
      return (queue) => {
        const frame = decode(queue);
        return frame === undefined ? undefined : textOf(frame);
      };
    };
    assertDecodes(decoder, '12 <1>hello\nabc', '<1>hello\nabc');
    assertDecodes(decoder, textOf(encodeSyslogFrame(bytesOf('<1>x\ny'), 'octet-counting')), '<1>x\ny');
    assertDecodes(decoder, '<1>x\n', '<1>x');
    assertDecodes(decoder, '<1>x\r\n', '<1>x');
    assertDecodes(decoder, '<1>x\0', '<1>x');
  });

  test('a line cannot hold a second one', () => {
    expect(textOf(encodeSyslogFrame(bytesOf('<1>x\n<0>forged'), 'lf'))).toBe('<1>x#012<0>forged\n');
  });

  test('both kinds on one stream', () => {
    const { events } = decodeAll(syslogFrameDecoder(100), [bytesOf('3 <1>\n<2>b\n4 <3>c<4>d\0\n')]);
    expect(events.map(textOf)).toEqual(['<1>', '<2>b', '<3>c', '<4>d']);
  });

  test.each<[string, new (...given: never[]) => Error]>([
    ['101 <1>', LimitError],
    ['99999999999 <1>', ProtocolError],
    ['12x', ProtocolError],
    [`<1>${'x'.repeat(200)}`, LimitError],
  ])('%j is refused', (wire, kind) => {
    expect(() => decodeAll(syslogFrameDecoder(100), [bytesOf(wire)])).toThrow(kind);
    expect(() =>
      decodeAll(
        syslogFrameDecoder(100),
        Array.from(bytesOf(wire), (byte) => Uint8Array.of(byte)),
      ),
    ).toThrow(kind);
  });
});
