import { promisify } from 'node:util';
import { createUnzip, inflateRaw } from 'node:zlib';
import { ProtocolError } from '../errors.ts';
import { crc32 } from '../mime/encodings/crc32.ts';
import { YencDecoder } from '../mime/encodings/yenc.ts';
import type { CallOptions } from '../socket/connection.ts';
import { ByteQueue, type Decoder } from '../wire/byte-queue.ts';
import { concatBytes } from '../wire/bytes.ts';
import { dottedDecoder } from '../wire/dotted.ts';
import { exactDecoder } from '../wire/line.ts';
import { tooLong } from './codec/response.ts';
import type { NntpSession } from './session.ts';

/** True when the status announces a body that is compressed by itself. */
export const isGzipped = (text: string): boolean => /\[COMPRESS=GZIP\]/i.test(text);

const peekAll: Decoder<Uint8Array> = (queue) => (queue.length > 0 ? queue.peek() : undefined);

/** Inflates piece by piece, and says how much of each was taken. */
class Inflation {
  readonly #stream = createUnzip();
  readonly #out: Uint8Array[] = [];
  #length = 0;
  #failure: Error | undefined;
  #ended = false;
  /** The last bytes that went in, and that came out. */
  #fed: Buffer = Buffer.alloc(0);
  #made: Buffer = Buffer.alloc(0);
  #settle: (() => void) | undefined;

  constructor(maxBytes: number) {
    this.#stream.on('data', (chunk: Uint8Array) => {
      this.#length += chunk.length;
      if (this.#length > maxBytes) this.#fail(tooLong(maxBytes));
      else this.#out.push(chunk);
      this.#made = tail(this.#made, chunk);
    });
    this.#stream.on('end', () => {
      this.#ended = true;
      this.#settle?.();
    });
    this.#stream.on('error', (cause) => this.#fail(notCompressed(cause)));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#stream.destroy();
    this.#settle?.();
  }

  /** How many of the bytes belonged to the compressed data. Throws when they are none, or too many come out. */
  async feed(bytes: Uint8Array): Promise<number> {
    const before = this.#stream.bytesWritten;
    await new Promise<void>((resolve) => {
      this.#settle = resolve;
      this.#stream.write(bytes, () => resolve());
    });
    // It ends in the next turn when it did not want all.
    if (!this.#ended && this.#failure === undefined && this.#stream.bytesWritten - before < bytes.length)
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
      });
    if (this.#failure !== undefined) throw this.#failure;
    const used = this.#stream.bytesWritten - before;
    this.#fed = tail(this.#fed, bytes.subarray(0, used));
    return used;
  }

  /**
   * True once all of it is here. The stream itself says so only when more comes than it wants; what ends with the last line's dot, and then
   * the checksum of what came out, has ended too.
   */
  get ended(): boolean {
    if (this.#ended) return true;
    const made = this.#made.toString('latin1');
    if (made !== '.\r\n' && !made.endsWith('\r\n.\r\n')) return false;
    const out = this.bytes();
    const gzip = this.#fed.length === 8 && this.#fed.readUInt32LE(4) === out.length % 2 ** 32;
    return (
      (gzip && this.#fed.readUInt32LE(0) === crc32(out)) ||
      this.#fed.readUInt32BE(this.#fed.length - 4) === adler32(out)
    );
  }

  close(): void {
    this.#stream.destroy();
  }

  bytes(): Uint8Array {
    return concatBytes(this.#out);
  }
}

const notCompressed = (cause: unknown): ProtocolError =>
  new ProtocolError('the server sent what is no compressed data', { protocol: 'NNTP', reason: 'DEFLATE', cause });

const tail = (before: Uint8Array, bytes: Uint8Array): Buffer =>
  Buffer.concat([before, bytes.subarray(Math.max(0, bytes.length - 8))]).subarray(-8);

/** @see RFC 1950 section 9 */
function adler32(bytes: Uint8Array): number {
  let [low, high] = [1, 0];
  for (let at = 0; at < bytes.length;) {
    // As many as can be added before the sums need to be reduced.
    for (const end = Math.min(at + 3800, bytes.length); at < end; at++) high += low += bytes[at] as number;
    low %= 65521;
    high %= 65521;
  }
  return high * 65536 + low;
}

/**
 * The body of a response marked `[COMPRESS=GZIP]`: a zlib or gzip stream in the place of the lines.
 * QUIRK(Highwinds): the line of one dot is inside the compressed stream; QUIRK(Giganews, with TERMINATOR): it follows the stream, bare. Either is
 * taken, and both.
 */
export async function readGzippedBody(session: NntpSession, maxBytes: number, call: CallOptions): Promise<Uint8Array> {
  const { connection } = session;
  const inflation = new Inflation(maxBytes);
  try {
    while (!inflation.ended) {
      const chunk = await connection.read(peekAll, { ...call, phase: 'bodyIdle', shown: 'body' });
      const used = await inflation.feed(chunk);
      connection.tryRead((queue) => queue.take(Math.min(used, queue.length)), 'body');
    }
    const inflated = inflation.bytes();
    const queue = new ByteQueue();
    queue.push(inflated);
    const decode = dottedDecoder();
    const spans: Uint8Array[] = [];
    for (let span = decode(queue); span !== undefined; span = decode(queue)) {
      if (span.bytes.length > 0) spans.push(span.bytes);
      if (!span.last) continue;
      session.allowSpareDot();
      return concatBytes(spans);
    }
    const end = await connection.read(exactDecoder(3), { ...call, phase: 'bodyIdle', shown: 'body' });
    if (end[0] !== 46 || end[1] !== 13 || end[2] !== 10)
      throw new ProtocolError('a compressed response has no end', { protocol: 'NNTP', reason: 'OUT_OF_STEP' });
    return inflated;
  } catch (error) {
    connection.destroy(error as Error);
    throw error;
  } finally {
    inflation.close();
  }
}

/** Undoes what XZVER and XZHDR do to their lines: raw DEFLATE, and yEnc around it. ProtocolError when it is neither. */
export async function unpackXz(body: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const decoder = new YencDecoder();
  const packed: Uint8Array[] = [];
  for (const span of decoder.push(body)) packed.push(span);
  const result = decoder.end();
  if (!result.ok)
    throw new ProtocolError(`a compressed overview is damaged: ${result.problems.join(', ')}`, {
      protocol: 'NNTP',
      reason: 'YENC',
      reusable: true,
    });
  try {
    return await inflate(concatBytes(packed), { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLong(maxBytes);
    throw notCompressed(error);
  }
}

const inflate = promisify(inflateRaw);
