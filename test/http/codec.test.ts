import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LimitError, ProtocolError, UsageError } from '../../src/errors.ts';
import { bodyDecoder, chunkedDecoder, encodeChunk, encodeLastChunk } from '../../src/http/body-codec.ts';
import {
  encodeRequestHead,
  encodeResponseHead,
  requestHeadDecoder,
  responseFraming,
  responseHeadDecoder,
} from '../../src/http/codec.ts';
import { HttpFields } from '../../src/http/fields.ts';
import { parseChallenges } from '../../src/http/challenge.ts';
import { DigestSession } from '../../src/http/digest.ts';
import { netrcLogin, parseNetrc } from '../../src/http/netrc.ts';
import { parseRetryAfter } from '../../src/http/retry.ts';
import { ByteQueue } from '../../src/wire/byte-queue.ts';
import { assertDecodes, bytesOf, decodeAll, deliveries, textOf } from '../decoder-cases.ts';

const shape = (head: { headers: HttpFields }): unknown => ({ ...head, headers: [...head.headers] });
const shaped = (decoder: () => (queue: ByteQueue) => { headers: HttpFields } | undefined) => () => {
  const decode = decoder();
  return (queue: ByteQueue) => {
    const head = decode(queue);
    return head === undefined ? undefined : shape(head);
  };
};

describe('response heads', () => {
  const cases: [string, string, unknown][] = [
    ['plain', 'HTTP/1.1 200 OK\r\nA: b\r\n\r\n', { status: 200, reason: 'OK', minor: 1, headers: [['A', 'b']] }],
    ['no reason', 'HTTP/1.1 200 \r\n\r\n', { status: 200, reason: '', minor: 1, headers: [] }],
    ['no space either', 'HTTP/1.0 404\r\n\r\n', { status: 404, reason: '', minor: 0, headers: [] }],
    [
      'long reason',
      'HTTP/1.1 500 it is: broken\r\n\r\n',
      { status: 500, reason: 'it is: broken', minor: 1, headers: [] },
    ],
    [
      'spaces around values, an empty one, one of many colons',
      'HTTP/1.1 200 OK\r\nA: \t b  c \t\r\nB:\r\nC::d:\r\n\r\n',
      {
        status: 200,
        reason: 'OK',
        minor: 1,
        headers: [
          ['A', 'b  c'],
          ['B', ''],
          ['C', ':d:'],
        ],
      },
    ],
    [
      'octets above 127',
      'HTTP/1.1 200 OK\r\nA: \xe9\r\n\r\n',
      { status: 200, reason: 'OK', minor: 1, headers: [['A', 'é']] },
    ],
  ];
  test.each(cases)('%s', (_name, wire, head) =>
    assertDecodes(
      shaped(() => responseHeadDecoder()),
      wire,
      head,
    ),
  );

  const refused: [string, string][] = [
    ['HTTP/0.9', 'hello, world\r\n\r\n'],
    ['HTTP/2 in text', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['garbage before', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['bare LF', 'HTTP/1.1 200 OK\nA: b\n\n'],
    ['bare LF within', 'HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n'],
    ['bare CR', 'HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n'],
    ['NUL', 'HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n'],
    ['space before the colon', 'HTTP/1.1 200 OK\r\nA : b\r\n\r\n'],
    ['folding', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['no colon', 'HTTP/1.1 200 OK\r\nA\r\n\r\n'],
    ['empty name', 'HTTP/1.1 200 OK\r\n: b\r\n\r\n'],
    ['name that is no token', 'HTTP/1.1 200 OK\r\nA(b): c\r\n\r\n'],
    ['two-digit status', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['status of letters', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['two spaces', 'HTTP/1.1  200 OK\r\n\r\n'],
  ];
  test.each(refused)('HT-08: refused, however it is split: %s', (_name, wire) => {
    for (const chunks of deliveries(bytesOf(wire)))
      expect(() => decodeAll(responseHeadDecoder(), chunks)).toThrow(ProtocolError);
  });

  test('HT-09: endless fields, one endless field, and 10^6 small ones end at the cap', () => {
    const limits = { replyBytes: 64 * 1024, replyLines: 1000 };
    const endless = (piece: string): void => {
      const decode = responseHeadDecoder(limits);
      const queue = new ByteQueue();
      queue.push(bytesOf('HTTP/1.1 200 OK\r\n'));
      for (let turn = 0; turn < 1_000_000; turn++) {
        queue.push(bytesOf(piece));
        decode(queue);
      }
    };
    expect(() => endless(`A: ${'x'.repeat(1000)}\r\n`)).toThrow(LimitError);
    expect(() => endless('x'.repeat(4096))).toThrow(LimitError);
    expect(() => endless('a:\r\n')).toThrow(LimitError);
    const many = bytesOf(`HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(1001)}\r\n`);
    expect(() => decodeAll(responseHeadDecoder(limits), [many])).toThrow(LimitError);
  });
});

describe('request heads', () => {
  test('as they are', () => {
    assertDecodes(
      shaped(() => requestHeadDecoder()),
      'GET /a?b HTTP/1.1\r\nHost: c\r\n\r\n',
      {
        method: 'GET',
        target: '/a?b',
        minor: 1,
        headers: [['Host', 'c']],
      },
    );
  });
  test('one empty line before is passed over', () => {
    const { events } = decodeAll(requestHeadDecoder(), [bytesOf('\r\nGET / HTTP/1.1\r\nHost: c\r\n\r\n')]);
    expect(events).toHaveLength(1);
  });
  test.each([
    'GET  / HTTP/1.1\r\nHost: c\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: c\r\nHost: d\r\n\r\n',
    'GET /a b HTTP/1.1\r\nHost: c\r\n\r\n',
    'GET /\x80 HTTP/1.1\r\nHost: c\r\n\r\n',
    'G(T / HTTP/1.1\r\nHost: c\r\n\r\n',
    'GET / HTTP/1.1\nHost: c\n\n',
    'GET / HTTP/1.2\r\nHost: c\r\n\r\n',
  ])('refused: %j', (wire) => {
    expect(() => decodeAll(requestHeadDecoder(), [bytesOf(wire)])).toThrow(ProtocolError);
  });

  test('what is written is read back', () => {
    const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
    const value = fc.stringMatching(/^(?:[!-~\u00a0-\u00ff](?:[\t !-~\u00a0-\u00ff]*[!-~\u00a0-\u00ff])?)?$/);
    fc.assert(
      fc.property(token, fc.array(fc.tuple(token, value), { maxLength: 10 }), (method, pairs) => {
        const headers = new HttpFields([['Host', 'x'], ...pairs.filter(([name]) => name.toLowerCase() !== 'host')]);
        const { bytes } = encodeRequestHead({ method, target: '/', headers });
        const [head] = decodeAll(requestHeadDecoder(), [bytes]).events;
        expect([head?.method, [...(head?.headers ?? [])]]).toEqual([method, [...headers]]);
      }),
    );
  });
  test('secrets are not shown', () => {
    const headers = new HttpFields({ Authorization: 'Basic c2VjcmV0', Cookie: 'a=secret', Accept: '*/*' });
    const { shown } = encodeRequestHead({ method: 'GET', target: '/', headers });
    expect(shown).toBe('GET / HTTP/1.1\r\nAuthorization: ***\r\nCookie: ***\r\nAccept: */*\r\n');
    expect(textOf(encodeResponseHead({ status: 200, reason: 'a\r\nb', headers: new HttpFields() }).bytes)).toBe(
      'HTTP/1.1 200 a b\r\n\r\n',
    );
  });
});

describe('HT-05 HT-06: framing of responses', () => {
  const framing = (fields: [string, string][], minor: 0 | 1 = 1, method = 'GET', status = 200): unknown => {
    try {
      return responseFraming(method, { status, reason: '', minor, headers: new HttpFields(fields) });
    } catch (error) {
      return (error as ProtocolError).code;
    }
  };
  const length = (byteCount: number): unknown => ({ kind: 'length', byteCount });
  test.each<[string, [string, string][], unknown]>([
    ['none: until the connection closes', [], { kind: 'close' }],
    ['length', [['Content-Length', '5']], length(5)],
    ['length nought', [['Content-Length', '0']], { kind: 'none' }],
    ['5, 5', [['Content-Length', '5, 5']], length(5)],
    [
      'twice alike',
      [
        ['Content-Length', '5'],
        ['content-length', '5'],
      ],
      length(5),
    ],
    ['5, 6', [['Content-Length', '5, 6']], 'PROTOCOL'],
    [
      'twice unlike',
      [
        ['Content-Length', '5'],
        ['Content-Length', '6'],
      ],
      'PROTOCOL',
    ],
    ['+5', [['Content-Length', '+5']], 'PROTOCOL'],
    ['0x5', [['Content-Length', '0x5']], 'PROTOCOL'],
    ['-1', [['Content-Length', '-1']], 'PROTOCOL'],
    ['5a', [['Content-Length', '5a']], 'PROTOCOL'],
    ['empty', [['Content-Length', '']], 'PROTOCOL'],
    ['10^30', [['Content-Length', `1${'0'.repeat(30)}`]], 'PROTOCOL'],
    ['chunked', [['Transfer-Encoding', 'chunked']], { kind: 'chunked' }],
    ['Chunked', [['Transfer-Encoding', 'Chunked']], { kind: 'chunked' }],
    [
      'chunked and a length',
      [
        ['Transfer-Encoding', 'chunked'],
        ['Content-Length', '5'],
      ],
      { kind: 'chunked' },
    ],
    ['chunked, gzip', [['Transfer-Encoding', 'chunked, gzip']], 'PROTOCOL'],
    ['gzip, chunked', [['Transfer-Encoding', 'gzip, chunked']], 'PROTOCOL'],
    ['xchunked', [['Transfer-Encoding', 'xchunked']], 'PROTOCOL'],
    ['identity', [['Transfer-Encoding', 'identity']], 'PROTOCOL'],
    [
      'chunked twice',
      [
        ['Transfer-Encoding', 'chunked'],
        ['Transfer-Encoding', 'chunked'],
      ],
      'PROTOCOL',
    ],
  ])('%s', (_name, fields, wanted) => expect(framing(fields)).toEqual(wanted));
  test('HTTP/1.0 has no chunks', () => expect(framing([['Transfer-Encoding', 'chunked']], 0)).toBe('PROTOCOL'));
  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
    ['GET', 103],
  ])('no body: %s %i', (method, status) =>
    expect(framing([['Content-Length', '5']], 1, method, status)).toEqual({ kind: 'none' }),
  );
});

const body = (wire: string): { text: string; rest: string } => {
  const queue = new ByteQueue();
  queue.push(bytesOf(wire));
  const decode = chunkedDecoder();
  let text = '';
  for (;;) {
    const span = decode(queue);
    if (span === undefined) return { text, rest: 'incomplete' };
    text += textOf(span.bytes);
    if (span.last) return { text, rest: textOf(queue.peek()) };
  }
};

describe('chunked bodies', () => {
  test('HT-07: at every split the same', () => {
    const wire = bytesOf('5\r\nhello\r\nA;x="y"\r\n, world!!!\r\n0\r\nT: u\r\n\r\nnext');
    for (const chunks of deliveries(wire)) {
      let trailers: HttpFields | undefined;
      const decode = chunkedDecoder(undefined, (found) => (trailers = found));
      const queue = new ByteQueue();
      let text = '';
      let ended = false;
      for (const chunk of chunks) {
        queue.push(Uint8Array.from(chunk));
        while (!ended) {
          const span = decode(queue);
          if (span === undefined) break;
          text += textOf(span.bytes);
          ended = span.last;
        }
      }
      expect([text, trailers?.get('t'), textOf(queue.peek())]).toEqual(['hello, world!!!', 'u', 'next']);
    }
  });
  test.each([
    'x\r\n',
    '\r\n',
    '-1\r\n',
    '0x5\r\n',
    '5 \r\nhello\r\n',
    ' 5\r\nhello\r\n',
    '5\nhello\r\n',
    '5\r\nhelloX\r\n',
    '5\r\nhello\n0\r\n\r\n',
    '5\r\nhello0\r\n\r\n',
    '5;a\nb\r\nhello\r\n',
    '5;a\x00\r\nhello\r\n',
    '5\rXhello\r\n',
    `${'0'.repeat(17)}\r\n`,
    'fffffffffffffff\r\n',
    '0\r\nA : b\r\n\r\n',
    '0\r\nA: b\n\r\n',
    '0\r\n A: b\r\n\r\n',
  ])('HT-07: refused: %j', (wire) => expect(() => body(wire)).toThrow(ProtocolError));
  test('HT-07: extensions and trailers have a cap', () => {
    expect(() => body(`1;${'x'.repeat(100_000)}\r\na\r\n`)).toThrow(LimitError);
    expect(() => body(`1;${'x'.repeat(1000)}\r\na\r\n`.repeat(20))).toThrow(LimitError);
    expect(() => body(`0\r\n${`a: ${'x'.repeat(1000)}\r\n`.repeat(1000)}\r\n`)).toThrow(LimitError);
    expect(() => body(`0\r\n${'x'.repeat(1_000_000)}`)).toThrow(LimitError);
  });
  test('what is written is read back', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
        const wire = Buffer.concat([...chunks.flatMap(encodeChunk), encodeLastChunk(new HttpFields({ A: 'b' }))]);
        expect(body(textOf(wire))).toEqual({ text: textOf(Buffer.concat(chunks)), rest: '' });
      }),
    );
  });
});

test('a body of known length takes no more; one that ends with the connection needs its end', () => {
  const queue = new ByteQueue();
  queue.push(bytesOf('hello, next'));
  const decode = bodyDecoder({ kind: 'length', byteCount: 5 });
  expect(decode(queue)).toEqual({ bytes: bytesOf('hello'), last: true });
  const open = bodyDecoder({ kind: 'close' });
  expect(open(queue)).toMatchObject({ last: false });
  expect(open(queue)).toBeUndefined();
  queue.end();
  expect(open(queue)).toMatchObject({ last: true });
});

describe('fields', () => {
  test('by name without case, joined, in order', () => {
    const fields = new HttpFields([
      ['A', '1'],
      ['b', '2'],
      ['a', '3'],
    ]);
    expect([fields.get('A'), fields.all('a'), fields.has('B'), fields.get('c'), fields.count]).toEqual([
      '1, 3',
      ['1', '3'],
      true,
      undefined,
      3,
    ]);
    expect([...fields.set('A', 'x')]).toEqual([
      ['b', '2'],
      ['A', 'x'],
    ]);
    expect(JSON.stringify(new HttpFields({ __proto__: 'x', constructor: 'y' } as never))).toBe('{"constructor":"y"}');
  });
  test.each([
    ['a\r\nb', 'c'],
    ['a', 'b\r\nc: d'],
    ['a', 'b\0'],
    ['a', 'b\u0001'],
    ['a', '中'],
    ['a b', 'c'],
    ['', 'c'],
    ['a:', 'c'],
  ])('HT-01: refused: %j: %j', (name, value) => expect(() => new HttpFields([[name, value]])).toThrow(UsageError));
});

test('challenges, many in a field and in many fields', () => {
  const [basic, digest, other] = parseChallenges([
    'Basic realm="a, \\"b\\"", Digest realm="c", nonce=n, qop="auth,auth-int"',
    'Negotiate',
  ]);
  expect([basic?.scheme, basic?.parameters.get('realm')]).toEqual(['basic', 'a, "b"']);
  expect([digest?.scheme, digest?.parameters.get('qop')]).toEqual(['digest', 'auth,auth-int']);
  expect(other?.scheme).toBe('negotiate');
  expect(parseChallenges([`${'a '.repeat(100_000)}`]).length).toBeLessThan(1000);
});

test.each([
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
])('Digest: the example of RFC 7616 section 3.9.1 by %s', (algorithm, response) => {
  const parameters = new Map([
    ['realm', 'http-auth@example.org'],
    ['qop', 'auth, auth-int'],
    ['algorithm', algorithm],
    ['nonce', '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v'],
    ['opaque', 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS'],
  ]);
  const session = new DigestSession({ scheme: 'digest', parameters }, 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ');
  const field = session.authorize({
    user: 'Mufasa',
    password: 'Circle of Life',
    method: 'GET',
    uri: '/dir/index.html',
  });
  expect(field).toContain(`response="${response}"`);
});

test('HT-31: .netrc gives no other user’s and no other host’s password', () => {
  const entries = parseNetrc(
    '# comment\nmachine a.example login ann password "p w"\nmachine a.example login bob password q\nmachine b.example login carl\nmacdef x\nmachine evil\n\ndefault login d password e\n',
  );
  expect(netrcLogin(entries, 'A.example', undefined)).toEqual({ user: 'ann', password: 'p w' });
  expect(netrcLogin(entries, 'a.example', 'bob')).toEqual({ user: 'bob', password: 'q' });
  expect(netrcLogin(entries, 'a.example', 'eve')).toBeUndefined();
  expect(netrcLogin(entries, 'b.example', undefined)).toBeUndefined();
  expect(netrcLogin(entries, 'c.example', undefined)).toEqual({ user: 'd', password: 'e' });
  expect(netrcLogin(entries, 'evil', 'x')).toBeUndefined();
});

test('SOCK-35: Retry-After is seconds or a date, never negative', () => {
  const now = Date.parse('2026-11-21T00:00:00Z');
  expect(parseRetryAfter('120', now)).toBe(120_000);
  expect(parseRetryAfter('Sat, 21 Nov 2026 00:00:05 GMT', now)).toBe(5000);
  expect(parseRetryAfter('Sat, 21 Nov 2020 00:00:05 GMT', now)).toBe(0);
  for (const bad of ['-5', '1e9', 'soon', '']) expect(parseRetryAfter(bad, now)).toBeUndefined();
});
