import { type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { LimitError, ProtocolError, messageOf } from '../errors.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { EMPTY } from '../wire/bytes.ts';
import { closing } from './closing.ts';

/** Encodings within one another. */
const MAX_CHAIN = 5;
/** Output that may come of next to nothing. */
const FREE_BYTES = 16 * 1024 * 1024;

// Node 22.15 and later have it.
const createZstd = (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress;

/** What is asked for, by what this Node can undo. */
export const acceptEncoding: string = createZstd === undefined ? 'gzip, deflate, br' : 'gzip, deflate, br, zstd';

type Coding = 'gzip' | 'deflate' | 'br' | 'zstd';
const codings: Readonly<Record<string, Coding>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
};

/**
 * The codings of a Content-Encoding field, outermost last, 'identity' left out; undefined when one is not known, and the body is to be
 * handed over as it is. LimitError for a chain longer than five, over all field lines together (CVE-2023-23916).
 */
export function readCodings(field: string | undefined): readonly Coding[] | undefined {
  if (field === undefined) return [];
  const names = field
    .split(',', 1000)
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > MAX_CHAIN)
    throw new LimitError(
      `the response has ${names.length} content codings within one another; ${MAX_CHAIN} are allowed`,
      {
        protocol: 'HTTP',
        reason: 'CODING_CHAIN',
      },
    );
  const known = names.map((name) => codings[name]);
  return known.some((name) => name === undefined || (name === 'zstd' && createZstd === undefined))
    ? undefined
    : (known as Coding[]);
}

/**
 * Undoes the codings, with back-pressure. What comes out may be up to `maxRatio` times what went in, once it is more than 16 MiB. An empty
 * body is empty whatever its coding. Behind gzip data only further members and zeros may follow.
 */
export function decompress(stream: ByteStream, chain: readonly Coding[], maxRatio: number): ByteStream {
  let source = stream;
  for (const coding of [...chain].reverse()) source = new ByteStream(closing(source, undo(source, coding, maxRatio)));
  return source;
}

async function* undo(
  source: AsyncIterable<Uint8Array>,
  coding: Coding,
  maxRatio: number,
): AsyncGenerator<Uint8Array, void> {
  const iterator = source[Symbol.asyncIterator]();
  let inBytes = 0;
  let outBytes = 0;
  let transform: Transform | undefined;
  try {
    const first = await firstChunk(iterator);
    if (first.length === 0) return;
    transform = open(coding, first);
    const engine = transform;
    let feedError: unknown;
    const feeding = (async () => {
      let chunk: Uint8Array | undefined = first;
      while (chunk !== undefined && !engine.destroyed) {
        inBytes += chunk.length;
        if (!engine.write(chunk)) await drained(engine);
        const next = await iterator.next();
        chunk = next.done === true ? undefined : next.value;
      }
      engine.end();
    })().catch((error: unknown) => {
      feedError = error;
      engine.destroy(error as Error);
    });
    try {
      for await (const chunk of engine as AsyncIterable<Uint8Array>) {
        outBytes += chunk.length;
        if (outBytes > FREE_BYTES && outBytes > inBytes * maxRatio)
          throw new LimitError(`the response decompresses to more than ${maxRatio} times its size`, {
            protocol: 'HTTP',
            reason: 'DECOMPRESSION_RATIO',
          });
        yield chunk;
      }
    } catch (error) {
      if (feedError !== undefined) throw feedError;
      if (error instanceof LimitError || typeof (error as { errno?: unknown }).errno !== 'number') throw error;
      throw new ProtocolError(`the response is not valid ${coding}: ${messageOf(error)}`, {
        protocol: 'HTTP',
        reason: 'BAD_CODING',
        cause: error,
      });
    }
    // Compressed data may end before the body does; the connection is used again only behind all of it.
    await feeding;
  } finally {
    transform?.destroy();
    await iterator.return?.();
  }
}

/** Enough bytes to tell the two kinds of deflate apart; empty at the end of an empty body. */
async function firstChunk(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return EMPTY;
    if (next.value.length > 0) return next.value;
  }
}

function open(coding: Coding, first: Uint8Array): Transform {
  if (coding === 'gzip') return zlib.createGunzip();
  if (coding === 'br') return zlib.createBrotliDecompress();
  if (coding === 'zstd') return (createZstd as () => Transform)();
  // QUIRK(servers): many mean the bare deflate format; the zlib format begins with its method, 8 (RFC 1950 section 2.2).
  return ((first[0] as number) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw();
}

const drained = (stream: Transform): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
    if (stream.destroyed) done();
  });
