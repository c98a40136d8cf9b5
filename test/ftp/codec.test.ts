import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProtocolError, UsageError } from '../../src/errors.ts';
import { fromNetworkText, toNetworkText } from '../../src/ftp/ascii.ts';
import { nameCharset } from '../../src/ftp/charset.ts';
import {
  encodeFtpCommand,
  formatEprt,
  formatFtpTime,
  formatHostPortNumbers,
  ftpCommandDecoder,
  ftpReplyDecoder,
  parseEprt,
  parseEpsv,
  parseFtpTime,
  parsePasv,
  parsePort,
  parseQuotedPath,
  quotePath,
} from '../../src/ftp/codec.ts';
import { secret } from '../../src/wire/arguments.ts';
import { zoneToUtc } from '../../src/ftp/listing/time-zone.ts';
import { assertDecodes, assertLimit, bytesOf, decodeAll, textOf } from '../decoder-cases.ts';

const replies: [wire: string, code: number, lines: string[]][] = [
  ['220 ready\r\n', 220, ['ready']],
  ['220\r\n', 220, ['']],
  ['211-Features:\r\n MDTM\r\n SIZE\r\n211 End\r\n', 211, ['Features:', ' MDTM', ' SIZE', 'End']],
  [
    '230-Welcome\r\n 230 not the end\r\n230-nor this\r\nfree text\r\n230 in\r\n',
    230,
    ['Welcome', ' 230 not the end', 'nor this', 'free text', 'in'],
  ],
  ['220-a\r\n331 x\r\n220 b\r\n', 220, ['a', '331 x', 'b']],
];

test.each(replies)('FT-10: reply %j', (wire, code, lines) => {
  assertDecodes(() => ftpReplyDecoder(), wire, { code, lines });
});

test('FT-09: a reply that fills its limit is taken, one line more is not; without an end it is refused', () => {
  const limits = { lineBytes: 300, replyBytes: 256 * 218, replyLines: 1000 };
  const line = `220-${'x'.repeat(250)}\r\n`;
  const wire = `${line.repeat(217)}220 ${'y'.repeat(250)}\r\n`;
  expect(wire.length).toBe(256 * 218);
  expect(decodeAll(ftpReplyDecoder(limits), [bytesOf(wire)]).events).toHaveLength(1);
  assertLimit(() => ftpReplyDecoder(limits), `${line}${wire}`);
  assertLimit(() => ftpReplyDecoder(limits), line.repeat(10_000).slice(0, 200_000));
});

test('FT-10: a NUL in a reply is a protocol error', () => {
  expect(() => decodeAll(ftpReplyDecoder(), [bytesOf('220 a\0b\r\n')])).toThrow(ProtocolError);
});

test('commands: both sides, verbs in any case, Telnet in front of ABOR left out', () => {
  expect(textOf(encodeFtpCommand('retr', ['a file']).bytes)).toBe('RETR a file\r\n');
  expect(encodeFtpCommand('PASS', [secret('x')]).shown).toBe('PASS ***');
  assertDecodes(() => ftpCommandDecoder(100), 'retr  a file \r\n', { verb: 'RETR', argument: ' a file ' });
  assertDecodes(() => ftpCommandDecoder(100), '\u00ff\u00f4\u00ff\u00f2ABOR\r\n', { verb: 'ABOR', argument: '' });
  assertDecodes(() => ftpCommandDecoder(100), 'PWD\n', { verb: 'PWD', argument: '' });
});

test('FT-01: no argument can end the line', () => {
  for (const bad of ['a\r\nDELE b', 'a\nb', 'a\rb', 'a\0b', '\r\n'])
    expect(() => encodeFtpCommand('RETR', [bad]), bad).toThrow(UsageError);
  for (const bad of ['', 'RE TR', 'NOOP\r\nDELE', 'X1', 'A'.repeat(17)])
    expect(() => encodeFtpCommand(bad), bad).toThrow(UsageError);
  // A charset must not bring one in either.
  expect(() => encodeFtpCommand('RETR', ['数\n'], (text) => nameCharset('gbk').encode(text))).toThrow(UsageError);
});

test.each([
  ['Entering Passive Mode (127,0,0,1,4,1).', '127.0.0.1', 1025],
  ['Entering Passive Mode 10,0,0,2,255,255', '10.0.0.2', 65_535],
  ['=127,0,0,1,0,21', '127.0.0.1', 21],
  ['(127, 0, 0, 1, 4, 1)', '127.0.0.1', 1025],
])('PASV: %s', (text, host, port) => {
  expect(parsePasv(text)).toEqual({ host, port });
});

test.each([
  '(1216,256,2,127,127,127)',
  '(127,0,0,1,256,1)',
  '(127,0,0,1,0,0)',
  '(127,0,0,1,4)',
  '(127,0,0,1,4,1,7)',
  'no address',
  `(${'1'.repeat(100_000)},0,0,1,4,1)`,
  `(${'1,'.repeat(100_000)})`,
])('FT-03: malformed PASV %#', (text) => {
  expect(() => parsePasv(text)).toThrow(ProtocolError);
});

test('FT-03: EPSV with any delimiter; malformed ones are refused', () => {
  expect(parseEpsv('ok (|||6446|)').port).toBe(6446);
  expect(parseEpsv('ok (!!!6446!)').port).toBe(6446);
  expect(parseEpsv('(|2|::1|6446|)')).toEqual({ host: undefined, port: 6446 });
  for (const bad of [
    '(|||1000000|)',
    '(|||0|)',
    '(|||70000|)',
    '(||6446|)',
    '|||6446|',
    '(|||6446!)',
    '(111164461)',
    `(|||${'1'.repeat(100_000)}|)`,
  ])
    expect(() => parseEpsv(bad), bad.slice(0, 20)).toThrow(ProtocolError);
});

test('PORT and EPRT are read back', () => {
  expect(parsePort(formatHostPortNumbers('127.0.0.1', 65_000))).toEqual({ host: '127.0.0.1', port: 65_000 });
  for (const host of ['127.0.0.1', '::1']) expect(parseEprt(formatEprt(host, 1234))).toEqual({ host, port: 1234 });
  for (const bad of ['', '1,2,3', '256,0,0,1,4,1', '1,2,3,4,0,0', '1,2,3,4,5,6x'])
    expect(parsePort(bad)).toBeUndefined();
  for (const bad of ['|3|x|1|', '|1|127.0.0.1|0|', '|1|127.0.0.1|70000|', 'x']) expect(parseEprt(bad)).toBeUndefined();
});

test('FT-10: quoted paths: doubled quotes, an unclosed one, control characters', () => {
  fc.assert(
    fc.property(fc.string(), (path) => {
      fc.pre(!/[\u0000-\u001f\u007f]/.test(path));
      expect(parseQuotedPath(`${quotePath(path)} created`)).toBe(path);
    }),
  );
  expect(parseQuotedPath('"/a ""b"" c" is "here"')).toBe('/a "b" c');
  for (const bad of ['"/unclosed', '/none', '"/a\u0001b"', '"/a\u007f"', '"/a""', `"${'""'.repeat(100_000)}`])
    expect(() => parseQuotedPath(bad), bad.slice(0, 20)).toThrow(ProtocolError);
});

test('FT-10: times: UTC, thousandths, and what is none', () => {
  expect(parseFtpTime('19980615100045.014')?.toISOString()).toBe('1998-06-15T10:00:45.014Z');
  expect(formatFtpTime(new Date('1998-06-15T10:00:45.014Z'))).toBe('19980615100045.014');
  for (const bad of [
    '',
    '1998',
    '19981315100045',
    '19980632100045',
    '19980230000000',
    '19980615250000',
    '2000010100000',
    'x'.repeat(14),
  ])
    expect(parseFtpTime(bad), bad).toBeUndefined();
});

test('zones: fixed, by name with summer time, and no zone', () => {
  const at = Date.UTC(2024, 6, 1, 12);
  expect(zoneToUtc('UTC')(at)).toBe(at);
  expect(zoneToUtc('+02:00')(at)).toBe(at - 7_200_000);
  expect(zoneToUtc('-0330')(at)).toBe(at + 12_600_000);
  expect(zoneToUtc('Europe/Berlin')(at)).toBe(at - 7_200_000);
  expect(zoneToUtc('Europe/Berlin')(Date.UTC(2024, 0, 1, 12))).toBe(Date.UTC(2024, 0, 1, 11));
  expect(() => zoneToUtc('Mars/Olympus')).toThrow(UsageError);
});

test('charsets: what cannot be written is refused, and what was read as Latin-1 is what it is', () => {
  const gbk = nameCharset('gbk');
  expect(gbk.redecode(Buffer.from(gbk.encode('数据.txt')).toString('latin1'))).toBe('数据.txt');
  expect(() => nameCharset('latin1').encode('数据')).toThrow(UsageError);
  expect(() => nameCharset('klingon')).toThrow(UsageError);
});

async function* pieces(text: string, step: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < text.length; at += step) yield bytesOf(text.slice(at, at + step));
}
async function joined(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += textOf(chunk);
  return text;
}

test('FT-20: ASCII is exact over chunk borders, both ways', async () => {
  const text = 'a\r\nb\rc\r\r\n\r\n\r';
  for (let step = 1; step <= text.length; step++) {
    expect(await joined(fromNetworkText(pieces(text, step)))).toBe('a\nb\rc\r\n\n\r');
    expect(await joined(toNetworkText(pieces('a\nb\r\nc\rd\n\n', step)))).toBe('a\r\nb\r\nc\rd\r\n\r\n');
  }
});
