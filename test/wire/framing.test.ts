import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LimitError, ProtocolError, UsageError } from '../../src/errors.ts';
import { encodeProxyHeader, proxyHeaderDecoder } from '../../src/socket/server/proxy-header.ts';
import type { Decoder } from '../../src/wire/byte-queue.ts';
import {
  type LengthPrefix,
  encodeLengthPrefix,
  encodeNetstring,
  lengthPrefixDecoder,
  netstringDecoder,
} from '../../src/wire/framing.ts';
import { assertDecodes, assertLimit, bytesOf, decodeAll, textOf } from '../decoder-cases.ts';

const asText = (make: () => Decoder<Uint8Array>) => (): Decoder<string> => {
  const decode = make();
  return (queue) => {
    const bytes = decode(queue);
    return bytes === undefined ? undefined : textOf(bytes);
  };
};

describe('netstrings', () => {
  const decoder = asText(() => netstringDecoder(100));
  test.each([
    ['0:,', ''],
    ['5:hello,', 'hello'],
    ['12:hello,world:,', 'hello,world:'],
    ['3:\r\n\0,', '\r\n\0'],
  ])('%j', (wire, value) => {
    assertDecodes(decoder, wire, value);
    expect(textOf(encodeNetstring(bytesOf(value)))).toBe(wire);
  });

  test.each(['x', ':,', '-1:x,', '+1:x,', ' 1:x,', '01:x,', '1e2:x', '1:xy', '0x1:x,'])('%j is none', (wire) => {
    expect(() => decodeAll(decoder(), [bytesOf(wire)])).toThrow(ProtocolError);
    expect(() =>
      decodeAll(
        decoder(),
        Array.from(bytesOf(wire), (byte) => Uint8Array.of(byte)),
      ),
    ).toThrow(ProtocolError);
  });

  test('SOCK-34: a length that is too large is refused before its data', () => {
    assertLimit(decoder, '101:');
    expect(() => decodeAll(decoder(), [bytesOf('9'.repeat(400))])).toThrow(LimitError);
  });
});

describe('length prefixes', () => {
  const prefixes: readonly LengthPrefix[] = [
    { bytes: 1 },
    { bytes: 2 },
    { bytes: 4 },
    { bytes: 2, littleEndian: true },
    { bytes: 4, littleEndian: true },
  ];
  test.each(prefixes)('%j', (prefix) => {
    for (const value of ['', 'hello', 'x'.repeat(200)])
      assertDecodes(
        asText(() => lengthPrefixDecoder(prefix, 1000)),
        textOf(encodeLengthPrefix(prefix, bytesOf(value))),
        value,
      );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 255 }), (value) => {
        const { events, rest } = decodeAll(lengthPrefixDecoder(prefix, 255), [encodeLengthPrefix(prefix, value)]);
        expect([textOf(events[0] as Uint8Array), rest]).toEqual([textOf(value), '']);
      }),
    );
  });

  test('too long, in both directions', () => {
    assertLimit(
      asText(() => lengthPrefixDecoder({ bytes: 4 }, 1000)),
      '\xff\xff\xff\xff',
    );
    expect(() => encodeLengthPrefix({ bytes: 1 }, new Uint8Array(256))).toThrow(UsageError);
    expect(() => lengthPrefixDecoder({ bytes: 3 as never }, 1)).toThrow(UsageError);
  });
});

describe('PROXY headers', () => {
  const four = { host: '203.0.113.7', port: 4321, family: 4 as const };
  const six = { host: '2001:db8::1:2', port: 65_535, family: 6 as const };
  test.each([
    [1, four],
    [2, four],
    [1, six],
    [2, six],
  ] as const)('version %d of %j', (version, source) => {
    const destination = { ...source, port: 25 };
    const wire = encodeProxyHeader({ version, source, destination });
    assertDecodes(() => proxyHeaderDecoder, wire, { version, source, destination });
  });

  test.each(['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ff:: ff:: 1 2\r\n', textOf(encodeProxyHeader({ version: 2 }))])(
    '%j says nothing of the client',
    (wire) => {
      const { events } = decodeAll(proxyHeaderDecoder, [bytesOf(wire)]);
      expect(events).toEqual([expect.objectContaining({ source: undefined, destination: undefined })]);
    },
  );

  test('version 2 of a Unix socket, with an extension behind it', () => {
    const path = (name: string): string => name.padEnd(108, '\0');
    const head = '\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xdb';
    assertDecodes(() => proxyHeaderDecoder, `${head}${path('/run/a')}${path('/run/b')}abc`, {
      version: 2,
      source: '/run/a',
      destination: '/run/b',
    });
  });

  test.each([
    'GET / HTTP/1.1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n',
    'PROXY TCP4 1.2.3.999 1.2.3.4 1 2\r\n',
    `PROXY TCP4 ${'1'.repeat(200)}`,
    '\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c',
    '\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04abcd',
  ])('%j is refused', (wire) => {
    expect(() => decodeAll(proxyHeaderDecoder, [bytesOf(wire)])).toThrow(ProtocolError);
    expect(() =>
      decodeAll(
        proxyHeaderDecoder,
        Array.from(bytesOf(wire), (byte) => Uint8Array.of(byte)),
      ),
    ).toThrow(ProtocolError);
  });
});
