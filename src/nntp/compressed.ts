import { createInflateRaw, createUnzip } from 'node:zlib';
import { ProtocolError } from '../errors.ts';
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
  readonly #stream: ReturnType<typeof createUnzip>;
  readonly #out: Uint8Array[] = [];
  #length = 0;
  #failure: Error | undefined;
  ended = false;
  #settle: (() => void) | undefined;

  constructor(raw: boolean, maxBytes: number) {
    this.#stream = raw ? createInflateRaw() : createUnzip();
    this.#stream.on('data', (chunk: Uint8Array) => {
      this.#length += chunk.length;
      if (this.#length > maxBytes) this.#fail(tooLong(maxBytes));
      else this.#out.push(chunk);
    });
    this.#stream.on('end', () => {
      this.ended = true;
      this.#settle?.();
    });
    this.#stream.on('error', (cause) =>
      this.#fail(new ProtocolError('the server sent what is no compressed data', { reason: 'DEFLATE', cause })),
    );
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
    // What was made of the last piece is told in the next turn.
    if (!this.ended && this.#stream.bytesWritten - before < bytes.length && this.#failure === undefined)
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
      });
    if (this.#failure !== undefined) throw this.#failure;
    return this.#stream.bytesWritten - before;
  }

  close(): void {
    this.#stream.destroy();
  }

  bytes(): Uint8Array {
    return concatBytes(this.#out);
  }
}

/**
 * The body of a response marked `[COMPRESS=GZIP]`: a zlib or gzip stream in the place of the lines.
 * QUIRK(Highwinds): the line of one dot is inside the compressed stream; QUIRK(Giganews, with TERMINATOR): it follows the stream, bare. Either is
 * taken, and both.
 */
export async function readGzippedBody(session: NntpSession, maxBytes: number, call: CallOptions): Promise<Uint8Array> {
  const { connection } = session;
  const inflation = new Inflation(false, maxBytes);
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
  const inflation = new Inflation(true, maxBytes);
  try {
    await inflation.feed(concatBytes(packed));
    if (!inflation.ended)
      throw new ProtocolError('a compressed overview breaks off', {
        protocol: 'NNTP',
        reason: 'DEFLATE',
        reusable: true,
      });
    return inflation.bytes();
  } finally {
    inflation.close();
  }
}
