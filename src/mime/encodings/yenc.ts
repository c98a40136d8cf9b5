import { UsageError } from '../../errors.ts';
import { checkArgument } from '../../wire/arguments.ts';
import { LF, allocateBytes, concatBytes, decodeText, encodeText, indexOfByte } from '../../wire/bytes.ts';
import { parseDecimal } from '../../wire/limits.ts';
import type { Complain } from './base64-decode.ts';
import { crc32 } from './crc32.ts';
import type { NamedFile } from './uuencode.ts';
import { BLOCK_BYTES, INPUT_AT, OUTPUT_AT, yencBlocks } from './yenc-blocks.ts';

/** What is wrong with a yEnc part. */
export type YencProblem =
  'no-begin' | 'no-end' | 'header-invalid' | 'part-invalid' | 'size-mismatch' | 'crc-mismatch' | 'header-too-long';

/** What a yEnc part says of itself, and whether it is so. Sizes are the poster's word: nothing is allocated by them. */
export interface YencResult {
  /** True when nothing is wrong: it was whole, and of the size and the CRC that it names. */
  readonly ok: boolean;
  readonly problems: readonly YencProblem[];
  /** The file's name as it was given: make it safe before using it as one. */
  readonly name: string | undefined;
  /** Size of the whole file. */
  readonly sizeBytes: number | undefined;
  /** Which part of how many, and its place in the file: offset of the first byte, and of the one behind the last. */
  readonly part:
    | {
        readonly number: number;
        readonly total: number | undefined;
        readonly begin: number;
        readonly end: number;
      }
    | undefined;
  /** CRC-32 of the bytes that came out, and how many they were. */
  readonly crc32: number;
  readonly bytes: number;
  /** CRC-32 of the whole file, where the last line names it. */
  readonly fileCrc32: number | undefined;
}

/** Names in a header are longer only to be too long. */
const MAX_HEADER_BYTES = 4096;
const EQUALS = 61;
const LETTER_Y = 121;

/**
 * Decodes one `=ybegin` … `=yend` part, however its bytes are cut. What is before and behind it is skipped. Dots must be unstuffed
 * already. Never throws: what is wrong is in the result.
 *
 * @see yEnc draft 1.3
 */
export class YencDecoder {
  #state: 'before' | 'data' | 'header' | 'after' = 'before';
  /** The beginning of a header line, or what could not be decoded without the next byte. */
  #kept: Uint8Array = new Uint8Array(0);
  /** The byte before what comes next. */
  #previous = LF;
  /** Skips the rest of a line that is no header. */
  #skipping = false;
  #begin: Readonly<Record<string, string>> | undefined;
  #ypart: Readonly<Record<string, string>> | undefined;
  #yend: Readonly<Record<string, string>> | undefined;
  #crc = 0;
  #bytes = 0;
  readonly #problems = new Set<YencProblem>();

  /** True once the last line has come: what follows is not looked at. */
  get done(): boolean {
    return this.#state === 'after';
  }

  /** The decoded bytes of the next chunk. */
  push(chunk: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    let bytes = this.#kept.length === 0 ? chunk : concatBytes([this.#kept, chunk]);
    this.#kept = bytes.subarray(0, 0);
    while (bytes.length > 0 && this.#state !== 'after') {
      const used = this.#state === 'data' ? this.#data(bytes, out) : this.#line(bytes);
      if (used === 0) {
        // It waits for its end, or for the byte behind an escape.
        this.#kept = Uint8Array.from(bytes);
        break;
      }
      bytes = bytes.subarray(used);
    }
    return out;
  }

  /** A line that is no data; 0 when it is not all there. */
  #line(bytes: Uint8Array): number {
    const lf = indexOfByte(bytes, LF);
    if (this.#skipping) return this.#skip(lf, bytes.length);
    // Before the beginning only a line that may be a header is waited for.
    const mayBeHeader = bytes[0] === EQUALS && (bytes.length < 2 || bytes[1] === LETTER_Y);
    if (!mayBeHeader) return this.#skip(lf, bytes.length);
    if (lf < 0 ? bytes.length >= MAX_HEADER_BYTES : lf >= MAX_HEADER_BYTES) {
      this.#problems.add('header-too-long');
      return this.#skip(lf, bytes.length);
    }
    if (lf < 0) return 0;
    this.#header(bytes.subarray(0, lf));
    this.#previous = LF;
    return lf + 1;
  }

  /** Goes to the end of a line that says nothing, whenever that comes. */
  #skip(lf: number, length: number): number {
    this.#skipping = lf < 0;
    if (this.#skipping) return length;
    if (this.#begin !== undefined) this.#state = 'data';
    this.#previous = LF;
    return lf + 1;
  }

  #header(bytes: Uint8Array): void {
    const line = decodeText(bytes).replace(/\r+$/, '');
    const match = /^=y(begin|part|end)(?: +(.*))?$/.exec(line);
    const fields = readFields(match?.[2] ?? '', match?.[1] === 'begin');
    if (match?.[1] === 'begin' && this.#begin === undefined) this.#begin = fields;
    else if (match?.[1] === 'part' && this.#begin !== undefined) this.#ypart ??= fields;
    else if (match?.[1] === 'end' && this.#begin !== undefined) {
      this.#yend = fields;
      this.#state = 'after';
      return;
    }
    if (this.#begin !== undefined) this.#state = 'data';
  }

  #data(bytes: Uint8Array, out: Uint8Array[]): number {
    const blocks = yencBlocks();
    const { memory } = blocks;
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(BLOCK_BYTES, bytes.length - at);
      memory[INPUT_AT - 1] = this.#previous;
      memory.set(length === bytes.length ? bytes : bytes.subarray(at, at + length), INPUT_AT);
      const end = blocks.decode(INPUT_AT, INPUT_AT + length, OUTPUT_AT);
      if (end > OUTPUT_AT) {
        const decoded = memory.slice(OUTPUT_AT, end);
        this.#crc = crc32(decoded, this.#crc);
        this.#bytes += decoded.length;
        out.push(decoded);
      }
      const used = blocks.at() - INPUT_AT;
      if (used > 0) this.#previous = memory[INPUT_AT + used - 1] as number;
      at += used;
      if (used === length) continue;
      // It stopped at an equals sign: a header's, or one whose next byte has not come.
      if (this.#previous === LF && bytes[at + 1] === LETTER_Y) this.#state = 'header';
      else if (at + 1 < bytes.length) continue;
      break;
    }
    return at > 0 || this.#state === 'data' ? at : this.#line(bytes);
  }

  /** What there is to say when no more bytes come. */
  end(): YencResult {
    const [begin, part, last] = [this.#begin, this.#ypart, this.#yend];
    const problems = this.#problems;
    const number = (text: string | undefined): number | undefined => parseDecimal(text ?? '');
    if (begin === undefined) problems.add('no-begin');
    else if (last === undefined) problems.add('no-end');
    const sizeBytes = number(begin?.['size']);
    if (begin !== undefined && (sizeBytes === undefined || begin['name'] === undefined)) problems.add('header-invalid');
    let place: YencResult['part'];
    if (begin?.['part'] !== undefined || part !== undefined) {
      const [from, to, index] = [number(part?.['begin']), number(part?.['end']), number(begin?.['part'])];
      const fits =
        from !== undefined &&
        to !== undefined &&
        from >= 1 &&
        to >= from - 1 &&
        (sizeBytes === undefined || to <= sizeBytes);
      if (!fits || index === undefined || index < 1) problems.add('part-invalid');
      else {
        place = { number: index, total: number(begin?.['total']), begin: from - 1, end: to };
        if (to - from + 1 !== this.#bytes) problems.add('size-mismatch');
      }
    } else if (sizeBytes !== undefined && sizeBytes !== this.#bytes) problems.add('size-mismatch');
    if (last !== undefined) {
      if (number(last['size']) !== this.#bytes) problems.add('size-mismatch');
      const isPart = begin?.['part'] !== undefined || part !== undefined;
      const named = isPart ? last['pcrc32'] : (last['crc32'] ?? last['pcrc32']);
      const crc = readCrc(named);
      if (named !== undefined && crc !== this.#crc) problems.add('crc-mismatch');
    }
    return {
      ok: problems.size === 0,
      problems: [...problems],
      name: begin?.['name'],
      sizeBytes,
      part: place,
      crc32: this.#crc,
      bytes: this.#bytes,
      fileCrc32: readCrc(last?.['crc32']),
    };
  }
}

/** QUIRK(posters): fewer digits than eight, or more zeros before them. */
function readCrc(text: string | undefined): number | undefined {
  const digits = /^(?:0x)?0*([0-9a-f]{1,8})$/i.exec(text?.trim() ?? '')?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** `part=1 line=128 size=3 name=the rest`: the name comes last, and has spaces. */
function readFields(text: string, named: boolean): Readonly<Record<string, string>> {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  const nameAt = named ? text.search(/(?:^|\s)name=/) : -1;
  const rest = nameAt < 0 ? text : text.slice(0, nameAt);
  for (const word of rest.split(/\s+/).slice(0, 20)) {
    const equals = word.indexOf('=');
    if (equals > 0) fields[word.slice(0, equals)] ??= word.slice(equals + 1);
  }
  if (nameAt >= 0)
    fields['name'] = text
      .slice(text.indexOf('=', nameAt) + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
  return fields;
}

/** Decodes the first `=ybegin` … `=yend` block and checks the size and the CRC that it names. @see yEnc draft 1.3 */
export function decodeYenc(bytes: Uint8Array, complain?: Complain): NamedFile {
  const decoder = new YencDecoder();
  const decoded = concatBytes(decoder.push(bytes));
  const { ok, name } = decoder.end();
  if (!ok) complain?.('yenc-invalid');
  return { filename: name, bytes: decoded };
}

/** What a yEnc part is to say of itself. */
export interface YencOptions {
  readonly name: string;
  /** Size of the whole file. Default: of what is encoded. */
  readonly sizeBytes?: number | undefined;
  /** Which part of how many, and the offset of its first byte in the file. */
  readonly part?: { readonly number: number; readonly total: number; readonly begin: number } | undefined;
  /** CRC-32 of the whole file, for the last part. */
  readonly fileCrc32?: number | undefined;
  /** Characters a line. Default 128. */
  readonly lineLength?: number | undefined;
}

const hex = (crc: number): string => crc.toString(16).padStart(8, '0');

/** One file, or one part of one, with its header and its last line. Lines may begin with a dot: whatever carries them stuffs it. */
export function encodeYenc(bytes: Uint8Array, options: YencOptions): Uint8Array {
  const { part, lineLength = 128, sizeBytes = bytes.length } = options;
  if (!Number.isSafeInteger(lineLength) || lineLength < 1 || lineLength > 997)
    throw new UsageError('lineLength must be a whole number from 1 to 997');
  const name = checkArgument('the name', options.name).trim();
  if (name === '') throw new UsageError('the name must not be empty');
  if (
    part !== undefined &&
    !(part.number >= 1 && part.total >= part.number && part.begin >= 0 && part.begin + bytes.length <= sizeBytes)
  )
    throw new UsageError('the part does not fit the file: number and total count from 1, and begin is an offset in it');
  const crc = crc32(bytes);
  const head =
    part === undefined
      ? `=ybegin line=${lineLength} size=${sizeBytes} name=${name}\r\n`
      : `=ybegin part=${part.number} total=${part.total} line=${lineLength} size=${sizeBytes} name=${name}\r\n` +
        `=ypart begin=${part.begin + 1} end=${part.begin + bytes.length}\r\n`;
  const own = part === undefined ? ` crc32=${hex(crc)}` : ` part=${part.number} pcrc32=${hex(crc)}`;
  const whole = part === undefined || options.fileCrc32 === undefined ? '' : ` crc32=${hex(options.fileCrc32)}`;
  const blocks = yencBlocks();
  const { memory } = blocks;
  const begin = encodeText(head);
  const end = encodeText(`${bytes.length === 0 ? '' : '\r\n'}=yend size=${bytes.length}${own}${whole}\r\n`);
  // What is usual for bytes without a pattern, and some more; twice as much and a line end for each byte is what there can be.
  const lineEnds = 2 * Math.ceil(bytes.length / lineLength);
  let out = allocateBytes(begin.length + Math.ceil(bytes.length * 1.03) + lineEnds + end.length + 1024);
  let length = 0;
  const add = (piece: Uint8Array): void => {
    if (length + piece.length > out.length) {
      const larger = allocateBytes(2 * (length + piece.length));
      larger.set(out.subarray(0, length));
      out = larger;
    }
    out.set(piece, length);
    length += piece.length;
  };
  add(begin);
  blocks.startLines();
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES / 2) {
    const count = Math.min(BLOCK_BYTES / 2, bytes.length - at);
    memory.set(bytes.subarray(at, at + count), INPUT_AT);
    add(memory.subarray(OUTPUT_AT, blocks.encode(INPUT_AT, INPUT_AT + count, OUTPUT_AT, lineLength)));
  }
  add(end);
  return out.subarray(0, length);
}
