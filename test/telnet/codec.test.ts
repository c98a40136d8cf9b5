import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LimitError } from '../../src/errors.ts';
import {
  type TelnetEvent,
  encodeNegotiation,
  encodeSubnegotiation,
  encodeTelnetData,
  telnetDecoder,
} from '../../src/telnet/codec.ts';
import { ByteQueue } from '../../src/wire/byte-queue.ts';
import { bytesOf, decodeAll, deliveries, textOf } from '../decoder-cases.ts';

type Told = string | readonly (string | number)[];

/** Events with neighbouring data joined: how data is cut into spans is not part of the contract. */
function tell(events: readonly TelnetEvent[]): Told[] {
  const told: Told[] = [];
  for (const event of events) {
    if (event.kind === 'data') {
      const last = told.at(-1);
      if (typeof last === 'string') told[told.length - 1] = last + textOf(event.bytes);
      else told.push(textOf(event.bytes));
    } else if (event.kind === 'command') told.push(['command', event.code]);
    else if (event.kind === 'negotiate') told.push([event.verb, event.option]);
    else told.push(['SB', event.option, textOf(event.bytes)]);
  }
  return told;
}

const cases: [string, string, Told[], boolean?][] = [
  ['plain text', 'hello\r\nworld', ['hello\r\nworld']],
  ['a doubled 255', 'a\xff\xffb', ['a\xffb']],
  ['two doubled ones', '\xff\xff\xff\xff', ['\xff\xff']],
  ['a command in the middle', 'ab\xff\xf1cd', ['ab', ['command', 241], 'cd']],
  ['GA and EOR', '> \xff\xf9\xff\xef', ['> ', ['command', 249], ['command', 239]]],
  ['a command that nobody knows', 'a\xff\x07b', ['a', ['command', 7], 'b']],
  [
    'all four verbs',
    '\xff\xfb\x01\xff\xfc\x01\xff\xfd\x03\xff\xfe\x03',
    [
      ['WILL', 1],
      ['WONT', 1],
      ['DO', 3],
      ['DONT', 3],
    ],
  ],
  [
    'options with codes of commands',
    '\xff\xfb\xfb\xff\xfd\xfd\xff\xfd\xff',
    [
      ['WILL', 251],
      ['DO', 253],
      ['DO', 255],
    ],
  ],
  ['a subnegotiation', 'x\xff\xfa\x18\x01\xff\xf0y', ['x', ['SB', 24, '\x01'], 'y']],
  ['255 in a subnegotiation', '\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0', [['SB', 31, '\x00\xff\x00\x18']]],
  ['SE in its content', '\xff\xfa\x05\x00\xf0\xff\xf0', [['SB', 5, '\x00\xf0']]],
  ['an empty one', '\xff\xfa\xff\xf0a', ['a']],
  ['one of an option alone', '\xff\xfa\x2e\xff\xf0', [['SB', 46, '']]],
  ['an end without a beginning', 'a\xff\xf0b', ['ab']],
  ['one in another', '\xff\xfa\x18\x01\xff\xfa\x1f\x02\xff\xf0', [['SB', 31, '\x02']]],
  ['one cut short by a request', '\xff\xfa\x18\x01\xff\xfb\x01z', [['WILL', 1], 'z']],
  ['one cut short by a command', '\xff\xfa\x18\x01\xff\xf1z', [['command', 241], 'z']],
  ['CR NUL', 'a\r\0b', ['a\rb']],
  ['CR NUL NUL', 'a\r\0\0b', ['a\r\0b']],
  ['CR LF', 'a\r\nb', ['a\r\nb']],
  ['a lone LF, a lone NUL, a lone CR', 'a\nb\0c\rd', ['a\nb\0c\rd']],
  ['NUL first', '\0a', ['\0a']],
  ['a command between CR and NUL', 'a\r\xff\xf1\0b', ['a\r', ['command', 241], 'b']],
  ['255 between CR and NUL', 'a\r\xff\xff\0b', ['a\r\xff\0b']],
  ['CR NUL in binary', 'a\r\0b', ['a\r\0b'], true],
];

describe('decoding', () => {
  test.each(cases)('TN-02 TN-03 TN-10: %s', (_name, wire, told, binary = false) => {
    for (const chunks of deliveries(bytesOf(wire))) {
      const { events, rest } = decodeAll(telnetDecoder({ isBinary: () => binary }), chunks);
      expect(tell(events)).toEqual(told);
      expect(rest).toBe('');
    }
  });

  test('what is not whole waits', () => {
    for (const wire of ['\xff', '\xff\xfb', '\xff\xfd'])
      expect(decodeAll(telnetDecoder(), [bytesOf(wire)])).toEqual({ events: [], rest: wire });
    expect(decodeAll(telnetDecoder(), [bytesOf('\xff\xfa\x18\x00xterm')]).events).toEqual([]);
  });

  test('TN-04: a subnegotiation without end meets its cap, however it comes', () => {
    const wire = bytesOf(`\xff\xfa\x18${'x'.repeat(20_000)}`);
    for (const chunks of [[wire], Array.from(wire, (byte) => Uint8Array.of(byte))])
      expect(() => decodeAll(telnetDecoder(), chunks)).toThrow(LimitError);
    const doubled = bytesOf(`\xff\xfa\x18${'\xff\xff'.repeat(20_000)}`);
    expect(() => decodeAll(telnetDecoder(), [doubled])).toThrow(LimitError);
    expect(tell(decodeAll(telnetDecoder(), [bytesOf(`\xff\xfa\x18${'x'.repeat(16_383)}\xff\xf0`)]).events)).toEqual([
      ['SB', 24, 'x'.repeat(16_383)],
    ]);
  });

  test('data is a view of what was received', () => {
    const chunk = bytesOf('some text');
    const queue = new ByteQueue();
    queue.push(chunk);
    const event = telnetDecoder()(queue);
    expect(event?.kind === 'data' && event.bytes.buffer).toBe(chunk.buffer);
  });
});

describe('encoding', () => {
  test.each([
    ['a\r\nb', 'a\r\nb', 'a\r\nb'],
    ['a\rb', 'a\r\0b', 'a\rb'],
    ['a\r', 'a\r\0', 'a\r'],
    ['\r\r\n', '\r\0\r\n', '\r\r\n'],
    ['a\nb', 'a\nb', 'a\nb'],
    ['\xff', '\xff\xff', '\xff\xff'],
    ['\xff\xfa\x18\xff\xf0', '\xff\xff\xfa\x18\xff\xff\xf0', '\xff\xff\xfa\x18\xff\xff\xf0'],
    ['', '', ''],
  ])('TN-06 TN-10: data %j', (given, nvt, binary) => {
    expect(textOf(encodeTelnetData(bytesOf(given)))).toBe(nvt);
    expect(textOf(encodeTelnetData(bytesOf(given), true))).toBe(binary);
  });

  test('negotiation and subnegotiation', () => {
    expect(textOf(encodeNegotiation('WONT', 24))).toBe('\xff\xfc\x18');
    expect(textOf(encodeSubnegotiation(31, Uint8Array.of(0, 255, 0, 24)))).toBe('\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0');
  });

  test('what one side encodes is what the other decodes, whatever it is and however it is cut', () => {
    const piece = fc.constantFrom(0, 10, 13, 240, 250, 251, 255, 65);
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }),
        fc.boolean(),
        fc.array(piece, { maxLength: 20 }),
        (data, binary, sub) => {
          const bytes = Uint8Array.from(data);
          const wire = Buffer.concat([encodeTelnetData(bytes, binary), encodeSubnegotiation(99, Uint8Array.from(sub))]);
          for (const chunks of deliveries(wire)) {
            const told = tell(decodeAll(telnetDecoder({ isBinary: () => binary }), chunks).events);
            const text = textOf(bytes);
            expect(told).toEqual([...(text === '' ? [] : [text]), ['SB', 99, textOf(Uint8Array.from(sub))]]);
          }
        },
      ),
    );
  });
});
