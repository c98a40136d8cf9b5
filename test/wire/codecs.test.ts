import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { LimitError, ProtocolError, UsageError } from '../../src/errors.ts';
import { checkArgument, checkOptions, commandLine, nearest, secret } from '../../src/wire/arguments.ts';
import { ByteQueue } from '../../src/wire/byte-queue.ts';
import { hasCleanLines } from '../../src/wire/clean-lines.ts';
import { Capabilities } from '../../src/wire/capabilities.ts';
import { type BodySpan, DottedEncoder, dottedDecoder } from '../../src/wire/dotted.ts';
import { defaultLimits, parseDecimal, resolveLimits } from '../../src/wire/limits.ts';
import { exactDecoder, lineDecoder, untilDecoder } from '../../src/wire/line.ts';
import { type Reply, encodeReply, formatReply, replyDecoder } from '../../src/wire/reply.ts';
import { splitAddrSpec, toAsciiDomain } from '../../src/wire/addr-spec.ts';
import { assertDecodes, assertEncodes, assertLimit, bytesOf, decodeAll, deliveries, textOf } from '../decoder-cases.ts';

const asText = (decode: ReturnType<typeof lineDecoder>) => (queue: ByteQueue) => {
  const bytes = decode(queue);
  return bytes === undefined ? undefined : textOf(bytes);
};

describe('line', () => {
  for (const [wire, line] of [
    ['hello\r\n', 'hello'],
    ['\r\n', ''],
    ['bare\n', 'bare'],
    ['a\rb\r\n', 'a\rb'],
    ['\r\r\n', '\r'],
  ] as const) {
    test(JSON.stringify(wire), () => assertDecodes(() => asText(lineDecoder(100)), wire, line));
  }
  test('SOCK-05: the cap counts the terminator and does not depend on the chunks', () => {
    assertDecodes(() => asText(lineDecoder(8)), '123456\r\n', '123456');
    assertLimit(() => asText(lineDecoder(8)), '1234567\r\n');
  });
  test('exact', () => assertDecodes(() => asText(exactDecoder(3)), 'abc', 'abc'));
  test('until', () => {
    assertDecodes(() => asText(untilDecoder(bytesOf('\r\n\r\n'), 100)), 'a: b\r\nc\r\n\r\n', 'a: b\r\nc');
    assertLimit(() => asText(untilDecoder(bytesOf('--'), 4)), 'abc--');
  });
});

const replyCases: { name: string; reply: Reply; wire: string }[] = [
  { name: 'one line', reply: { code: 250, lines: ['OK'] }, wire: '250 OK\r\n' },
  {
    name: 'enhanced',
    reply: { code: 550, enhanced: '5.1.1', lines: ['no such user'] },
    wire: '550 5.1.1 no such user\r\n',
  },
  {
    name: 'several lines',
    reply: { code: 250, lines: ['mx greets you', 'SIZE 1000', 'HELP'] },
    wire: '250-mx greets you\r\n250-SIZE 1000\r\n250 HELP\r\n',
  },
  {
    name: 'enhanced on each line',
    reply: { code: 550, enhanced: '5.7.1', lines: ['a', 'b'] },
    wire: '550-5.7.1 a\r\n550 5.7.1 b\r\n',
  },
  { name: 'no text', reply: { code: 354, lines: [''] }, wire: '354 \r\n' },
];
const smtpDecoder = () => replyDecoder({ enhanced: true });

describe('reply', () => {
  for (const { name, reply, wire } of replyCases) {
    test(name, () => {
      assertEncodes(encodeReply, reply, wire);
      assertDecodes(smtpDecoder, wire, reply);
    });
  }
  test('SMTP-30: what servers send beside the grammar', () => {
    assertDecodes(smtpDecoder, '\r\n\r\n250 OK\r\n', { code: 250, lines: ['OK'] });
    assertDecodes(smtpDecoder, '250\r\n', { code: 250, lines: [''] });
    assertDecodes(smtpDecoder, '250\n', { code: 250, lines: [''] });
    assertDecodes(smtpDecoder, '250-a\n250 b\n', { code: 250, lines: ['a', 'b'] });
    for (const bad of [
      '25\r\n',
      '099 x\r\n',
      '600 x\r\n',
      'hello\r\n',
      '250_x\r\n',
      '250-a\r\n251 b\r\n',
      '250 a\0b\r\n',
      '+OK\r\n',
      '250-a\r\nno code\r\n',
    ]) {
      expect(() => decodeAll(smtpDecoder(), [bytesOf(bad)]), bad).toThrow(ProtocolError);
    }
    expect(decodeAll(smtpDecoder(), [bytesOf('250-a\r\n')]).events).toEqual([]);
  });
  test('FTP text between the first and the last line is free', () => {
    const ftp = () => replyDecoder({ freeForm: true });
    assertDecodes(ftp, '211-Features\r\n SIZE\r\n 220 not the end\r\n211-more\r\n211 End\r\n', {
      code: 211,
      lines: ['Features', ' SIZE', ' 220 not the end', 'more', 'End'],
    });
  });
  test('SOCK-07: a reply without end meets the caps', () => {
    const limits = { ...defaultLimits, replyLines: 5 };
    expect(() => decodeAll(replyDecoder({ limits }), [bytesOf('220-x\r\n'.repeat(6))])).toThrow(LimitError);
    assertLimit(() => replyDecoder({ limits: { ...defaultLimits, replyBytes: 20 } }), '220-0123456\r\n220-0123456\r\n');
  });
  test('SOCK-06: 100,000 lines cost linear work', () => {
    const limits = { ...defaultLimits, replyLines: 200_000, replyBytes: 10_000_000 };
    const { events } = decodeAll(replyDecoder({ limits }), [bytesOf(`${'220-x\r\n'.repeat(100_000)}220 end\r\n`)]);
    expect(events[0]?.lines).toHaveLength(100_001);
  });
  test('SOCK-25: UTF-8 split anywhere, and bytes that are none', () => {
    const wire = Buffer.from('250 grüße 数据 😀\r\n');
    for (const chunks of deliveries(wire))
      expect(decodeAll(smtpDecoder(), chunks).events[0]?.lines).toEqual(['grüße 数据 😀']);
    expect(decodeAll(smtpDecoder(), [bytesOf('250 gr\xfc\xdfe\r\n')]).events[0]?.lines).toEqual(['grüße']);
  });
  test('SV-05: what a reply quotes cannot end it', () => {
    expect(textOf(encodeReply({ code: 550, lines: ['no <a\r\n250 OK\0>'] }))).toBe('550 no <a 250 OK >\r\n');
  });
  test('round trip of any reply', () => {
    const line = fc.string({ unit: 'binary' }).map((text) =>
      text
        .replace(/[\r\n\0]/g, '')
        .toWellFormed()
        .trim(),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 599 }),
        fc.array(
          line.filter((text) => !/^[245]\.\d/.test(text)),
          { minLength: 1, maxLength: 5 },
        ),
        (code, lines) => {
          expect(decodeAll(smtpDecoder(), [encodeReply({ code, lines })])).toEqual({
            events: [{ code, lines }],
            rest: '',
          });
        },
      ),
    );
  });
  test('formatReply', () =>
    expect(formatReply({ code: 550, enhanced: '5.1.1', lines: ['no', 'user'] })).toBe('550 5.1.1 no user'));
});

const undot = (chunks: readonly Uint8Array[]): { text: string; ended: boolean; rest: string } => {
  const { events, rest } = decodeAll(dottedDecoder(), chunks);
  return { text: events.map((event) => textOf(event.bytes)).join(''), ended: events.at(-1)?.last === true, rest };
};
const dot = (chunks: readonly Uint8Array[]): string => {
  const encoder = new DottedEncoder();
  return [...chunks.flatMap((chunk) => encoder.push(chunk)), encoder.end()].map(textOf).join('');
};
/** The body as the other side must get it: line ends are CRLF, and there is one at the end. */
const normalised = (body: string): string => {
  const text = body.replace(/\r\n|\r|\n/g, '\r\n');
  return text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
};

describe('dotted', () => {
  test('SMTP-08: every body over {CR, LF, ., a} up to length 6, at every split, comes back equal', () => {
    const alphabet = ['\r', '\n', '.', 'a'];
    let bodies = [''];
    let count = 0;
    for (let length = 0; length <= 6; length++) {
      for (const body of bodies) {
        const wire = dot([bytesOf(body)]);
        const expected = normalised(body);
        for (let at = 1; at < body.length; at++)
          expect(dot([bytesOf(body.slice(0, at)), bytesOf(body.slice(at))])).toBe(wire);
        expect(undot([bytesOf(wire)])).toEqual({ text: expected, ended: true, rest: '' });
        // SMTP-07: no reading of the bytes finds an earlier end.
        expect(wire.slice(0, -3)).not.toMatch(/(?:^|[\r\n])\.[\r\n]/);
        expect(wire.replace(/\r\n/g, '')).not.toMatch(/[\r\n]/);
        count++;
      }
      bodies = bodies.flatMap((body) => alphabet.map((character) => body + character));
    }
    expect(count).toBe(5461);
  });
  test('SMTP-09: exactly one line end is added where it is missing', () => {
    for (const [body, wire] of [
      ['', '.\r\n'],
      ['a', 'a\r\n.\r\n'],
      ['a\r', 'a\r\n.\r\n'],
      ['a\r\n', 'a\r\n.\r\n'],
      ['a\r\n\r\n', 'a\r\n\r\n.\r\n'],
    ] as const)
      expect(dot([bytesOf(body)])).toBe(wire);
  });
  test('the decoder at every split, and bytes behind the end stay', () => {
    const wire = bytesOf('..a\r\n.b\r\nc\r\r\n..\r\n.\r\n250 next\r\n');
    for (const chunks of deliveries(wire)) {
      const { events, rest } = decodeOne(chunks);
      expect(events).toBe('.a\r\nb\r\nc\r\r\n.\r\n');
      expect(rest).toBe('250 next\r\n');
    }
  });
  test('a dot behind a bare line feed or carriage return is data', () => {
    expect(undot([bytesOf('a\n.\nb\r.\rc\r\n.\r\n')]).text).toBe('a\n.\nb\r.\rc\r\n');
  });
  test('clean input passes without a copy, whatever its length', () => {
    for (const length of [1, 500, 20_000]) {
      const chunk = bytesOf('one.\r\ntwo..\r\n'.repeat(length));
      const parts = new DottedEncoder().push(chunk);
      expect(parts).toHaveLength(1);
      expect(parts[0]).toBe(chunk);
    }
  });
  test('what the vectors call clean, the plain way calls clean: a piece of dirt anywhere in a long chunk', () => {
    const line = 'x'.repeat(61);
    const dirt = fc.constantFrom('\r', '\n', '.', '\r\n', '\n.', '\r.', '\r\n.', '.\r\n', '\r\r\n', '\n\r', '\0', 'é');
    let clean = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 64, max: 2200 }),
        fc.array(fc.tuple(fc.nat(), dirt), { maxLength: 2 }),
        fc.nat({ max: 17 }),
        fc.boolean(),
        fc.boolean(),
        (lines, pieces, cut, atLineStart, stuffDots) => {
          let text = `${line}\r\n`.repeat(lines);
          // Near the start, the end and the borders of blocks, where it is easiest to go wrong.
          for (const [place, piece] of pieces) {
            const near = [0, text.length, 65_520, 65_536, place % text.length][place % 5] as number;
            const at = Math.max(0, Math.min(text.length, near + (place % 37) - 18));
            text = text.slice(0, at) + piece + text.slice(at);
          }
          const bytes = bytesOf(text.slice(0, text.length - cut));
          const whole = encodeAll([bytes], stuffDots, atLineStart);
          // Pieces too short for the vectors go the plain way.
          const plain = encodeAll(pieces4000(bytes), stuffDots, atLineStart);
          if (hasCleanLines(bytes, atLineStart, stuffDots)) clean++;
          expect(whole).toBe(plain);
        },
      ),
      { numRuns: 200 },
    );
    expect(clean).toBeGreaterThan(10);
  });
});

const pieces4000 = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / 4000) }, (_, index) =>
    bytes.subarray(index * 4000, index * 4000 + 4000),
  );

function encodeAll(chunks: readonly Uint8Array[], stuffDots: boolean, atLineStart: boolean): string {
  const encoder = new DottedEncoder({ stuffDots });
  if (!atLineStart) encoder.push(bytesOf('-'));
  return Buffer.concat([...chunks.flatMap((chunk) => encoder.push(chunk)), encoder.end()]).toString('latin1');
}

function decodeOne(chunks: readonly Uint8Array[]): { events: string; rest: string } {
  const queue = new ByteQueue();
  const decode = dottedDecoder();
  let events = '';
  let last = false;
  for (const chunk of chunks) {
    queue.push(Uint8Array.from(chunk));
    for (
      let span: BodySpan | undefined = last ? undefined : decode(queue);
      span !== undefined;
      span = last ? undefined : decode(queue)
    ) {
      events += textOf(span.bytes);
      last = span.last;
    }
  }
  return { events, rest: textOf(queue.peek()) };
}

describe('arguments', () => {
  test('CR, LF and NUL are refused, in any place, and named', () => {
    for (const bad of ['\r', '\n', '\0', 'a\r\nQUIT', 'a\nb', '\0x', 'a\r'])
      expect(() => checkArgument('the mailbox', bad), JSON.stringify(bad)).toThrow(/the mailbox contains a/);
    expect(checkArgument('x', 'tab\tand \u0001 stay')).toBe('tab\tand \u0001 stay');
  });
  test('MB-13: only strings are arguments', () => {
    for (const bad of [{ toString: () => 'a\r\nb' }, { [Symbol.toPrimitive]: () => 'x' }, ['a'], 5, null, undefined])
      expect(() => checkArgument('x', bad)).toThrow(UsageError);
  });
  test('SOCK-30: a secret shows as *** and never in the refusal', () => {
    const line = commandLine(['PASS', secret('hunter2')]);
    expect(textOf(line.bytes)).toBe('PASS hunter2\r\n');
    expect(line.shown).toBe('PASS ***');
    expect(() => commandLine(['PASS', secret('hunter2\r\nDELE 1')])).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }) as Error,
    );
    expect(JSON.stringify({ key: secret('hunter2') })).not.toContain('hunter2');
    expect(`${String(secret('hunter2'))}`).toBe('***');
  });
  test('any command line has exactly one line end', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (words) => {
        try {
          expect(textOf(commandLine(words).bytes).split(/[\r\n]/).length).toBe(3);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });
  test('options are checked and the right one suggested', () => {
    expect(() => checkOptions('tls', { rejectUnAuthorized: true }, ['ca', 'pin', 'minVersion'])).toThrow(
      /unknown option tls.rejectUnAuthorized; known are ca, pin, minVersion/,
    );
    expect(() => checkOptions('timeouts', { conectMs: 1 }, ['connectMs', 'commandMs'])).toThrow(
      /did you mean connectMs/,
    );
    expect(nearest('subjet', ['subject', 'sender'])).toBe('subject');
  });
});

describe('capabilities', () => {
  test('SMTP-21: whole words, any case, with parameters', () => {
    const offered = new Capabilities([
      ['X-NOAUTH', ['PLAIN']],
      ['sizex', ['1']],
      ['Size', ['100']],
      ['AUTH', ['PLAIN']],
      ['AUTH', ['LOGIN']],
    ]);
    expect(offered.has('auth')).toBe(true);
    expect(offered.has('NOAUTH')).toBe(false);
    expect(offered.parameters('SIZE')).toEqual(['100']);
    expect(offered.parameters('AUTH')).toEqual(['PLAIN', 'LOGIN']);
  });
  test('implications are followed', () => {
    const offered = new Capabilities([['A', []]], { A: ['B'], B: ['C'] });
    expect(['A', 'B', 'C', 'D'].map((name) => offered.has(name))).toEqual([true, true, true, false]);
  });
  test('SOCK-32: names of Object.prototype are only names', () => {
    const offered = new Capabilities(
      [
        ['__proto__', ['x']],
        ['constructor', []],
        ['toString', []],
      ],
      { A: ['B'] },
    );
    expect(offered.has('constructor')).toBe(true);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});

describe('limits', () => {
  test('SOCK-09: junk cannot switch a limit off', () => {
    for (const bad of [Number.NaN, 'abc', '5', -1, 1.5, null, {}])
      expect(() => resolveLimits({ lineBytes: bad as number }), String(bad)).toThrow(UsageError);
    expect(resolveLimits({ lineBytes: 0 }).lineBytes).toBe(0);
    expect(resolveLimits({ lineBytes: undefined as unknown as number }).lineBytes).toBe(defaultLimits.lineBytes);
    expect(resolveLimits({ lineBytes: Number.POSITIVE_INFINITY }).lineBytes).toBe(Number.POSITIVE_INFINITY);
    expect(() => resolveLimits({ lines: 5 } as never)).toThrow(/limits.lines is not a limit/);
  });
  test('SOCK-34: numbers from a peer', () => {
    for (const bad of ['1e5', ' 12 ', '+5', '0x10', '-1', '9007199254740992', '9'.repeat(400), '', '1.0'])
      expect(parseDecimal(bad), bad).toBeUndefined();
    expect(parseDecimal('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(parseDecimal('007')).toBe(7);
  });
});

describe('addr-spec', () => {
  test.each([
    ['a@b.example', 'a', 'b.example'],
    ['"a b"@c.example', '"a b"', 'c.example'],
    ["o'hara+x@sub.d-e.example", "o'hara+x", 'sub.d-e.example'],
    ['a@[192.0.2.1]', 'a', '[192.0.2.1]'],
    ['a@[IPv6:2001:db8::1]', 'a', '[IPv6:2001:db8::1]'],
    ['a@bücher.example', 'a', 'xn--bcher-kva.example'],
    ['用户@例子.example', '用户', 'xn--fsqu00a.example'],
    ['"a@b"@c.example', '"a@b"', 'c.example'],
  ])('%s', (address, local, domain) =>
    expect(splitAddrSpec(address)).toEqual({ wire: `${local}@${domain}`, local, domain }),
  );
  test.each([
    'a',
    '@b',
    'a@',
    'a b@c',
    'a@b c',
    'a@b> SIZE=1',
    'a@b>\tNOTIFY=NEVER',
    '<a@b>',
    'a@@b',
    'a@b@c',
    '.a@b',
    'a.@b',
    'a..b@c',
    'a@b..c',
    'a@-b',
    'a@b\u2028',
    'a\u0085@b',
    'a@b\r\nc',
    'a@b,c',
    'a@b;c',
    'a(b)@c',
    '"a@b',
    'a@[IPv6:::1)]',
    'a@[I:<::1]',
    'a@[x',
    'a@b%2Fc',
    'ä\n@b',
  ])('SMTP-03: %j is none', (address) => expect(splitAddrSpec(address)).toBeUndefined());
  test('domains', () => expect(toAsciiDomain('ex ample.é')).toBeUndefined());
});
