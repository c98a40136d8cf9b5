import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { YencDecoder, crc32, crc32Combine, decodeYenc, encodeYenc } from '../../src/mime/index.ts';
import { INPUT_AT, OUTPUT_AT, compiledBlocks, plainBlocks } from '../../src/mime/encodings/yenc-blocks.ts';

const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const decode = (chunks: readonly Uint8Array[]) => {
  const decoder = new YencDecoder();
  const bytes = Buffer.concat(chunks.flatMap((chunk) => decoder.push(chunk)));
  return { bytes, result: decoder.end() };
};
const pieces = (bytes: Uint8Array, length: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / length) }, (_, at) => bytes.slice(at * length, (at + 1) * length));

describe('yEnc', () => {
  test('NN-07: all 256 bytes, cut at every place', () => {
    const encoded = encodeYenc(every, { name: 'all bytes.bin' });
    expect(text(encoded).startsWith('=ybegin line=128 size=256 name=all bytes.bin\r\n')).toBe(true);
    for (let at = 0; at <= encoded.length; at++) {
      const { bytes, result } = decode([encoded.slice(0, at), encoded.slice(at)]);
      expect(bytes.equals(Buffer.from(every)), `cut at ${at}`).toBe(true);
      expect(result).toMatchObject({ ok: true, name: 'all bytes.bin', sizeBytes: 256, bytes: 256, part: undefined });
    }
    const single = decode(pieces(encoded, 1));
    expect([single.bytes.equals(Buffer.from(every)), single.result.ok]).toEqual([true, true]);
  });

  test('NN-07: what comes out is what went in, whatever the bytes, lines and cuts', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 50 }),
        (bytes, lineLength, cut) => {
          const { bytes: decoded, result } = decode(pieces(encodeYenc(bytes, { name: 'x', lineLength }), cut));
          return result.ok && decoded.equals(Buffer.from(bytes));
        },
      ),
    );
  });

  test('NN-07: an escape at the end of a line, criticals in clear, an escaped y', () => {
    const read = (body: string) =>
      text(decode([Buffer.from(`=ybegin line=128 size=1 name=x\r\n${body}\r\n=yend size=1\r\n`, 'latin1')]).bytes);
    expect(read('=M')).toBe(String.fromCharCode((77 - 106) & 255));
    expect(read('a=y')).toBe(`${String.fromCharCode(97 - 42)}${String.fromCharCode(121 - 106)}`);
    expect(read('\0')).toBe(String.fromCharCode((0 - 42) & 255));
    expect(read('==')).toBe(String.fromCharCode((61 - 106) & 255));
  });

  test('the vectors and the plain loops agree, whatever the bytes', () => {
    const compiled = compiledBlocks();
    expect(compiled).toBeDefined();
    const plain = plainBlocks();
    const interesting = fc.oneof(fc.constantFrom(61, 121, 10, 13, 0), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(interesting, { maxLength: 200 }), fc.integer({ min: 1, max: 40 }), (bytes, line) => {
        const run = (blocks: ReturnType<typeof plainBlocks>): unknown => {
          blocks.memory.set(bytes, INPUT_AT);
          blocks.memory[INPUT_AT - 1] = 10;
          const decodedTo = blocks.decode(INPUT_AT, INPUT_AT + bytes.length, OUTPUT_AT);
          const decoded = text(blocks.memory.slice(OUTPUT_AT, decodedTo));
          blocks.startLines();
          const encodedTo = blocks.encode(INPUT_AT, INPUT_AT + bytes.length, OUTPUT_AT, line);
          return [decoded, blocks.at(), text(blocks.memory.slice(OUTPUT_AT, encodedTo))];
        };
        expect(run(compiled as ReturnType<typeof plainBlocks>)).toEqual(run(plain));
      }),
      { numRuns: 2000 },
    );
  });

  test('parts carry their place and their own CRC', () => {
    const file = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 7) & 255));
    const [first, second] = [file.subarray(0, 600), file.subarray(600)];
    const fileCrc32 = crc32(file);
    const parts = [
      encodeYenc(first, { name: 'f', sizeBytes: 1000, part: { number: 1, total: 2, begin: 0 } }),
      encodeYenc(second, { name: 'f', sizeBytes: 1000, part: { number: 2, total: 2, begin: 600 }, fileCrc32 }),
    ].map((part) => decode([part]));
    expect(parts.map(({ result }) => [result.ok, result.part, result.fileCrc32])).toEqual([
      [true, { number: 1, total: 2, begin: 0, end: 600 }, undefined],
      [true, { number: 2, total: 2, begin: 600, end: 1000 }, fileCrc32],
    ]);
    const [a, b] = parts.map(({ result }) => result.crc32) as [number, number];
    expect(crc32Combine(a, b, 400)).toBe(fileCrc32);
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  });

  test.each([
    ['a size of 2^53', '=ybegin line=128 size=9007199254740992 name=x\r\nabc\r\n=yend size=3\r\n', 'header-invalid'],
    [
      'a part that ends before it begins',
      '=ybegin part=1 total=1 line=128 size=3 name=x\r\n=ypart begin=3 end=1\r\nabc\r\n=yend size=3\r\n',
      'part-invalid',
    ],
    [
      'a part behind the file',
      '=ybegin part=1 total=1 line=128 size=3 name=x\r\n=ypart begin=2 end=4\r\nabc\r\n=yend size=3\r\n',
      'part-invalid',
    ],
    ['a part without its place', '=ybegin part=1 line=128 size=3 name=x\r\nabc\r\n=yend size=3\r\n', 'part-invalid'],
    ['another size at the end', '=ybegin line=128 size=3 name=x\r\nabc\r\n=yend size=4\r\n', 'size-mismatch'],
    ['another CRC', '=ybegin line=128 size=3 name=x\r\nabc\r\n=yend size=3 crc32=00000000\r\n', 'crc-mismatch'],
    ['a CRC that is none', '=ybegin line=128 size=3 name=x\r\nabc\r\n=yend size=3 crc32=zz\r\n', 'crc-mismatch'],
    ['no end', '=ybegin line=128 size=3 name=x\r\nabc\r\n', 'no-end'],
    ['no beginning', 'abc\r\n=yend size=3\r\n', 'no-begin'],
    ['an end that says nothing', '=ybegin line=128 size=3 name=x\r\nabc\r\n=yend\r\n', 'size-mismatch'],
    ['a header without end', `=ybegin ${'x'.repeat(10_000)}`, 'header-too-long'],
  ])('NN-06: %s is told, never thrown', (_what, wire, problem) => {
    for (const chunks of [[Buffer.from(wire)], pieces(Buffer.from(wire), 1)]) {
      const { result } = decode(chunks);
      expect(result.ok).toBe(false);
      expect(result.problems).toContain(problem);
    }
  });

  test('a header that is too long is one however it comes, and the data goes on behind it', () => {
    const wire = Buffer.from(
      `=ybegin line=128 size=6 name=x\r\nabc\r\n=ypart ${'x'.repeat(5000)}\r\ndef\r\n=yend size=6\r\n`,
    );
    const whole = decode([wire]);
    expect(decode(pieces(wire, 1))).toEqual(whole);
    expect(whole.result).toMatchObject({ bytes: 6, problems: ['header-too-long'] });
  });

  test('NN-06: line=10^9 and a name with a path cost nothing', () => {
    const wire = Buffer.from('=ybegin line=1000000000 size=3 name=../../etc/x\r\nabc\r\n=yend size=3\r\n');
    const { bytes, result } = decode([wire]);
    expect([bytes.length, result.ok, result.name]).toEqual([3, true, '../../etc/x']);
    expect(decodeYenc(wire).filename).toBe('../../etc/x');
  });
});
