import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { readBodyStructure, fileNameOf, partsOf } from '../../src/imap/codec/body-structure.ts';
import { CommandWriter } from '../../src/imap/codec/command.ts';
import { formatDateTime, formatSearchDate, parseDateTime } from '../../src/imap/codec/dates.ts';
import { announcedSection, readFetched } from '../../src/imap/codec/fetched.ts';
import { ImapFramer } from '../../src/imap/codec/framer.ts';
import { ImapReader, type ImapValue } from '../../src/imap/codec/reader.ts';
import { parseResponse, responseFramer } from '../../src/imap/codec/response.ts';
import { parseResponseCode } from '../../src/imap/codec/response-code.ts';
import { type SearchQuery, needsCharset, writeSearchQuery } from '../../src/imap/codec/search-query.ts';
import { SequenceSet, parseRanges, sequences, uids } from '../../src/imap/codec/sequence-set.ts';
import { sortMessages, threadMessages } from '../../src/imap/codec/sort-thread.ts';
import { decodeUtf7, encodeUtf7 } from '../../src/imap/codec/utf7.ts';
import { ByteQueue } from '../../src/wire/byte-queue.ts';
import { assertDecodes, assertLimit, bytesOf } from '../decoder-cases.ts';

const limits = { lineBytes: 200, literalBytes: 100, totalBytes: 500 };

/** Frames as values: the response's head and what follows as one list. */
function frames(framer: ImapFramer = responseFramer(limits)): (queue: ByteQueue) => unknown {
  return (queue) => {
    for (;;) {
      const event = framer.decode(queue);
      if (event === undefined) return undefined;
      if (event.kind !== 'frame') continue;
      const response = parseResponse(event);
      if (response.kind !== 'data') return response;
      const values: ImapValue[] = [];
      for (response.reader.spaces(); !response.reader.ended; response.reader.spaces())
        values.push(response.reader.value());
      return {
        name: response.name,
        number: response.number,
        values: plain(values),
      };
    }
  };
}

const plain = (value: ImapValue): unknown =>
  value instanceof Uint8Array
    ? `<${Buffer.from(value).toString('latin1')}>`
    : Array.isArray(value)
      ? (value as readonly ImapValue[]).map(plain)
      : value;

describe('responses, at every split', () => {
  const cases: readonly (readonly [wire: string, value: unknown])[] = [
    ['* 23 EXISTS\r\n', { name: 'EXISTS', number: 23, values: [] }],
    [
      '* LIST (\\Noselect) "/" ~/Mail/foo\r\n',
      { name: 'LIST', number: undefined, values: [['\\Noselect'], '/', '~/Mail/foo'] },
    ],
    ['* LIST () NIL {5}\r\na"b c\r\n', { name: 'LIST', number: undefined, values: [[], null, '<a"b c>'] }],
    [
      '* 1 FETCH (BODY[] {3}\r\n)\r\n BODY[1] {0}\r\n FLAGS ())\r\n',
      { name: 'FETCH', number: 1, values: [['BODY[]', '<)\r\n>', 'BODY[1]', '<>', 'FLAGS', []]] },
    ],
    [
      '* X (("a\\"b" (NIL)) ~{2}\r\n\0\x01)\r\n',
      { name: 'X', number: undefined, values: [[['a"b', [null]], '<\0\x01>']] },
    ],
    ['+ go ahead {5}\r\n', { kind: 'continue', text: 'go ahead {5}' }],
    ['+\r\n', { kind: 'continue', text: '' }],
    [
      'A1 OK [READ-WRITE] done {3}\r\n',
      { kind: 'status', tag: 'A1', status: 'OK', code: { name: 'READ-WRITE', argument: undefined }, text: 'done {3}' },
    ],
    ['a.b no\r\n', { kind: 'status', tag: 'a.b', status: 'NO', code: undefined, text: '' }],
    [
      '* BYE [UNAVAILABLE] h\u00c3\u00a9\r\n',
      { kind: 'status', tag: '*', status: 'BYE', code: { name: 'UNAVAILABLE', argument: undefined }, text: 'hé' },
    ],
    ['* OK bare line feed\n', { kind: 'status', tag: '*', status: 'OK', code: undefined, text: 'bare line feed' }],
  ];
  for (const [wire, value] of cases) test(JSON.stringify(wire), () => assertDecodes(() => frames(), wire, value));

  test('limits: a line, a literal, all together', () => {
    assertLimit(() => frames(), `* X ${'y'.repeat(300)}\r\n`);
    assertLimit(() => frames(), '* X {101}\r\nx');
    assertLimit(() => frames(), `* X ${'{90}\r\n'.padEnd(96, 'x').repeat(6)}\r\n`);
  });

  test('a streamed literal comes as spans, and leaves its place', () => {
    const framer = responseFramer(limits);
    const read = (queue: ByteQueue): unknown => {
      const event = framer.decode(queue);
      if (event?.kind === 'literal') framer.stream();
      return event?.kind === 'frame'
        ? 'end'
        : event?.kind === 'span'
          ? Buffer.from(event.bytes).toString()
          : event?.kind;
    };
    const queue = new ByteQueue();
    queue.push(bytesOf('* 1 FETCH (BODY[] {1000}\r\nabc'));
    expect([read(queue), read(queue), read(queue)]).toEqual(['literal', 'abc', undefined]);
    queue.push(bytesOf(`${'x'.repeat(997)} UID 4)\r\n`));
    expect([read(queue), read(queue)]).toEqual(['x'.repeat(997), 'end']);
  });
});

describe('response codes', () => {
  const cases: readonly (readonly [text: string, code: unknown])[] = [
    ['[UIDNEXT 4392] x', { name: 'UIDNEXT', value: 4392 }],
    ['[PERMANENTFLAGS (\\Deleted \\*)] x', { name: 'PERMANENTFLAGS', flags: ['\\Deleted', '\\*'] }],
    ['[BADCHARSET ("UTF-8" x])] x', { name: 'BADCHARSET', argument: '("UTF-8" x' }],
    [
      '[MODIFIED 7,9] x',
      {
        name: 'MODIFIED',
        ranges: [
          [7, 7],
          [9, 9],
        ],
      },
    ],
    ['[INPROGRESS ("A1" 454 1000)] x', { name: 'INPROGRESS', tag: 'A1', done: 454, goal: 1000 }],
    ['[MESSAGELIMIT 1000 23221] x', { name: 'MESSAGELIMIT', limit: 1000, lastUid: 23221 }],
    ['[METADATA MAXSIZE 1024] x', { name: 'METADATA', what: 'MAXSIZE', value: 1024 }],
    ['[X-NEW some (thing)] x', { name: 'X-NEW', argument: 'some (thing)' }],
    ['[HIGHESTMODSEQ 715194045007] x', { name: 'HIGHESTMODSEQ', modSeq: 715194045007n }],
  ];
  for (const [text, code] of cases)
    test(text, () => {
      const parsed = parseResponseCode(text).code;
      if (text.includes('BADCHARSET')) expect(parsed?.name).toBe('BADCHARSET');
      else expect(parsed).toEqual(code);
    });
});

describe('commands', () => {
  const write = (encode: (writer: CommandWriter) => unknown, utf8 = false): string => {
    const writer = new CommandWriter({ literals: 'any', utf8, utf8Names: utf8 });
    encode(writer);
    return writer
      .end()
      .map((part) =>
        'bytes' in part
          ? Buffer.from(part.bytes).toString('utf8')
          : Buffer.from(part.source as Uint8Array).toString('utf8'),
      )
      .join('');
  };
  test('atom, quoted or literal, as the content needs', () => {
    expect(write((w) => w.astring('x', 'plain'))).toBe('plain\r\n');
    expect(write((w) => w.astring('x', 'two words'))).toBe('"two words"\r\n');
    expect(write((w) => w.astring('x', 'NIL'))).toBe('"NIL"\r\n');
    expect(write((w) => w.astring('x', ''))).toBe('""\r\n');
    expect(write((w) => w.astring('x', 'ü'))).toBe('{2+}\r\nü\r\n');
    expect(write((w) => w.astring('x', 'ü'), true)).toBe('"ü"\r\n');
    expect(write((w) => w.astring('x', 'a\r\nb'))).toBe('{4+}\r\na\r\nb\r\n');
    expect(write((w) => w.string('x', 'y'.repeat(5000)))).toMatch(/^\{5000\+\}\r\n/);
    expect(write((w) => w.mailbox('inbox').mailbox('Entwürfe'))).toBe('INBOX Entw&APw-rfe\r\n');
    expect(write((w) => w.open().word('A').open().word('B').close().close().word('C'))).toBe('(A (B)) C\r\n');
  });

  const queries: readonly (readonly [SearchQuery, string])[] = [
    [{}, 'ALL'],
    [{ seen: false, flagged: true }, 'UNSEEN FLAGGED'],
    [{ subject: 'a b', since: '2026-02-01' }, 'SUBJECT "a b" SINCE 1-Feb-2026'],
    [{ or: [{ from: 'a' }, { from: 'b' }, { to: 'c' }] }, 'OR (FROM "a") OR (FROM "b") (TO "c")'],
    [{ not: [{ seen: true }, { uid: '1:3' }] }, 'NOT (SEEN) NOT (UID 1:3)'],
    [{ keyword: ['x', 'y'], header: { 'X-A': '' } }, 'KEYWORD x KEYWORD y HEADER X-A ""'],
    [{ sequence: sequences('1:*'), largerBytes: 5, modSeq: 9n }, '1:* LARGER 5 MODSEQ 9'],
    [{ fuzzy: { text: 'x' }, olderSeconds: 60 }, 'FUZZY (TEXT "x") OLDER 60'],
  ];
  for (const [query, wire] of queries)
    test(`search: ${wire}`, () => expect(write((w) => writeSearchQuery(w, query))).toBe(`${wire}\r\n`));
  test('search: what cannot be sent', () => {
    for (const bad of [
      { sean: true },
      { seen: 'yes' },
      { since: 'yesterday' },
      { or: [] },
      { keyword: 'a b' },
      { uid: sequences('1') },
      null,
      'x',
    ] as never[])
      expect(() => write((w) => writeSearchQuery(w, bad))).toThrow(UsageError);
    expect([needsCharset({ or: [{ subject: 'é' }] }), needsCharset({ subject: 'e', uid: uids('1') })]).toEqual([
      true,
      false,
    ]);
  });
});

describe('values', () => {
  test('dates', () => {
    expect(parseDateTime('17-Jul-1996 02:44:25 -0700')?.toISOString()).toBe('1996-07-17T09:44:25.000Z');
    expect(parseDateTime(' 7-Jul-0096 02:44:25 +0000')?.toISOString()).toBe('0096-07-07T02:44:25.000Z');
    expect(parseDateTime('nonsense')).toBeNull();
    expect(formatDateTime(new Date('2026-02-01T04:05:06Z'))).toBe('01-Feb-2026 04:05:06 +0000');
    expect(formatSearchDate(new Date('2026-12-31T23:59:59Z'))).toBe('31-Dec-2026');
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0100-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          const whole = new Date(Math.floor(date.getTime() / 1000) * 1000);
          expect(parseDateTime(formatDateTime(whole))).toEqual(whole);
        },
      ),
    );
  });

  test('names: what is encoded comes back, and nothing else is the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        if (name.startsWith('\ufffd')) return;
        const wire = encodeUtf7(name);
        expect(wire).toMatch(/^[\u0020-\u007e]*$/);
        expect(decodeUtf7(wire)).toBe(name);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('&', '-', 'A', 'O', 'k', ',', '+', '\u00e9', '/') }), (wire) => {
        expect(encodeUtf7(decodeUtf7(wire))).toBe(wire);
      }),
    );
  });

  test('sets', () => {
    expect(parseRanges('1,3:5,*')).toEqual([
      [1, 1],
      [3, 5],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ]);
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (numbers) => {
        const set = uids(numbers);
        expect([...set]).toEqual(numbers);
        expect(numbers.every((number) => uids(String(set)).has(number))).toBe(true);
        expect(set.overlaps(new SequenceSet([[301, 302]]))).toBe(false);
      }),
    );
  });

  test('items of FETCH, and what a literal belongs to', () => {
    const message = readFetched(
      3,
      new ImapReader(
        [
          '(uid 7 flags (\\Seen a) BODY[HEADER.FIELDS (X Y)] "z" BODY[]<2> {1}',
          ' X-GM-LABELS ("\\\\Inbox" b) MODSEQ (99) NEW (1 (2)) EMAILID (m1) THREADID NIL)',
        ],
        [bytesOf('q')],
      ),
    );
    expect(message).toMatchObject({
      sequence: 3,
      uid: 7,
      flags: ['\\Seen', 'a'],
      modSeq: 99n,
      emailId: 'm1',
      threadId: null,
      gmail: { labels: ['\\Inbox', 'b'] },
    });
    expect(message.other?.get('NEW')).toEqual(['1', ['2']]);
    expect(message.sections.map(({ item, origin }) => [item, origin])).toEqual([
      ['BODY[HEADER.FIELDS (X Y)]', undefined],
      ['BODY[]', 2],
    ]);
    expect(announcedSection('* 2 FETCH (UID 4 BODY[1.MIME]<0> {9}')).toBe('BODY[1.MIME]');
    expect(announcedSection(' BODY[HEADER.FIELDS (X Y)] {9}')).toBe('BODY[HEADER.FIELDS (X Y)]');
    expect(announcedSection('* 2 FETCH (ENVELOPE ("x" {9}')).toBeUndefined();
  });

  test('structures: paths of parts, names of files', () => {
    const wire =
      '((("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 5 1)("text" "html" NIL NIL NIL "quoted-printable" 9 1) "alternative" ("boundary" "x"))("message" "rfc822" NIL NIL NIL "7bit" 99 ("d" "inner" NIL NIL NIL NIL NIL NIL NIL NIL) (("text" "plain" NIL NIL NIL "7bit" 1 1)("image" "png" ("name*" "utf-8\'\'%C3%A9.png") "<c@d>" NIL "base64" 4 NIL ("attachment" NIL) NIL NIL) "mixed") 7) "mixed" NIL NIL ("de" "en") "loc")';
    const root = readBodyStructure(new ImapReader([wire]));
    if (root === null) throw new Error('no structure');
    const parts = [...partsOf(root)];
    expect(parts.map(({ path, type }) => [path, type])).toEqual([
      ['', 'multipart/mixed'],
      ['1', 'multipart/alternative'],
      ['1.1', 'text/plain'],
      ['1.2', 'text/html'],
      ['2', 'message/rfc822'],
      ['2', 'multipart/mixed'],
      ['2.1', 'text/plain'],
      ['2.2', 'image/png'],
    ]);
    expect(fileNameOf(parts[7] as (typeof parts)[number])).toBe('é.png');
    expect(parts[4]?.envelope?.subject).toBe('inner');
    expect(root).toMatchObject({ language: ['de', 'en'], location: 'loc' });
  });
});

describe('sorting and threading', () => {
  const facts = (
    number: number,
    subject: string,
    more: Partial<Parameters<typeof sortMessages>[0][number]> = {},
  ): Parameters<typeof sortMessages>[0][number] => ({
    number,
    subject,
    from: 'a@x',
    fromName: '',
    to: '',
    toName: '',
    cc: '',
    date: new Date(number * 1000),
    arrival: new Date(0),
    sizeBytes: 1,
    messageId: `<${number}@x>`,
    references: [],
    ...more,
  });
  test('keys, reverse, ties', () => {
    const messages = [facts(1, 'Re: b'), facts(2, 'a'), facts(3, 'B', { sizeBytes: 9 })];
    expect(sortMessages(messages, ['SUBJECT'])).toEqual([2, 1, 3]);
    expect(sortMessages(messages, ['REVERSE', 'DATE'])).toEqual([3, 2, 1]);
    expect(sortMessages(messages, ['REVERSE', 'SIZE', 'DATE'])).toEqual([3, 1, 2]);
  });
  test('by references, with what is missing, and by subject', () => {
    const messages = [
      facts(1, 'x'),
      facts(2, 'Re: x', { references: ['<1@x>'] }),
      facts(3, 'y', { references: ['<gone@x>'] }),
      facts(4, 'z', { references: ['<gone@x>'] }),
      facts(5, 'Re: x', { messageId: undefined }),
    ];
    const threads = threadMessages(messages, 'REFERENCES');
    expect(threads.map((each) => each.number)).toEqual([1, undefined]);
    expect(threads[0]?.children.map((each) => each.number)).toEqual([2, 5]);
    expect(threads[1]?.children.map((each) => each.number)).toEqual([3, 4]);
    expect(threadMessages(messages, 'ORDEREDSUBJECT').map((each) => [each.number, each.children.length])).toEqual([
      [1, 2],
      [3, 0],
      [4, 0],
    ]);
  });
  test('a chain of a hundred thousand answers does not overflow', () => {
    const chain = Array.from({ length: 100_000 }, (_, index) =>
      facts(index + 1, 's', { references: index === 0 ? [] : [`<${index}@x>`] }),
    ).reverse();
    expect(threadMessages(chain, 'REFERENCES').length).toBeGreaterThan(0);
  });
});
