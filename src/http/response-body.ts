import { LimitError, TimeoutError } from '../errors.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { notify } from '../socket/notify.ts';
import { ByteStream, type LendingSource } from '../wire/byte-stream.ts';
import { bodyDecoder } from './body-codec.ts';
import { type HttpFraming, type HttpResponseHead, keepsAlive, responseFraming } from './codec.ts';
import { closing } from './closing.ts';
import type { WireAnswer } from './exchange.ts';
import type { HttpFields } from './fields.ts';
import type { HttpPool, Lease } from './pool.ts';

/** A response's body as it crosses the wire: compressed where it is. */
export interface WireBody {
  readonly stream: ByteStream;
  /** What came behind a chunked body that has been read to its end. */
  readonly trailers: () => HttpFields | undefined;
  /** False where nothing but the end of the connection ends it. */
  readonly delimited: boolean;
}

/**
 * The body behind a head, by its framing. The connection goes back to the pool as soon as the body has arrived, or been read, and both sides
 * mean to go on; else it is closed.
 */
export function openBody(
  pool: HttpPool,
  lease: Lease,
  method: string,
  answer: WireAnswer,
  closes: boolean,
  call: CallOptions,
): WireBody {
  const { head } = answer;
  const { connection } = lease;
  let trailers: HttpFields | undefined;
  try {
    const framing = responseFraming(method, head);
    const keep =
      answer.sentWhole && !closes && framing.kind !== 'close' && keepsAlive(head) && !hasBothFramings(framing, head);
    // The usual case: it came with its head, or there is none.
    const held = arrivedWhole(connection, framing);
    if (held !== undefined) {
      lease.uses++;
      pool.release(lease, keep, keep ? keepAliveMs(head) : undefined);
      return { stream: ByteStream.of(held), trailers: noTrailers, delimited: true };
    }
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      lease.uses++;
      pool.release(lease, keep, keep ? keepAliveMs(head) : undefined);
    };
    const decode = bodyDecoder(framing, {
      limits: connection.limits,
      onTrailers: (fields) => {
        trailers = fields;
      },
    });
    const sizeBytes = framing.kind === 'length' ? framing.byteCount : undefined;
    let lent = false;
    const onEnd = (): void => {
      // What is lent is still in use.
      if (!lent) release();
    };
    const delimited = framing.kind !== 'close';
    const inner = connection.body(decode, { ...call, sizeBytes, onEnd });
    if (!connection.bodyOpen) {
      release();
      return { stream: inner, trailers: () => trailers, delimited };
    }
    const source: LendingSource = {
      [Symbol.asyncIterator]: () => inner[Symbol.asyncIterator](),
      forEach: async (consume) => {
        lent = true;
        try {
          await inner.forEach(consume);
        } finally {
          release();
        }
      },
    };
    return { stream: new ByteStream(source, sizeBytes), trailers: () => trailers, delimited };
  } catch (error) {
    connection.destroy(error as Error);
    pool.release(lease, false);
    throw error;
  }
}

const noTrailers = (): undefined => undefined;

/** A body of known length, if all of it is here. */
function arrivedWhole(connection: Connection, framing: HttpFraming): readonly Uint8Array[] | undefined {
  if (framing.kind === 'none') return [];
  if (framing.kind !== 'length' || connection.pendingBytes < framing.byteCount) return undefined;
  return [connection.tryRead((queue) => queue.take(framing.byteCount), 'body') as Uint8Array];
}

/** Such a message may be an attempt to smuggle another past a proxy: what is behind it is not trusted. @see RFC 9112 section 6.3 */
const hasBothFramings = (framing: HttpFraming, head: HttpResponseHead): boolean =>
  framing.kind === 'chunked' && head.headers.has('content-length');

/** `Keep-Alive: timeout=5`, less a second for the way. */
function keepAliveMs(head: HttpResponseHead): number | undefined {
  const value = head.headers.get('keep-alive');
  const seconds = value === undefined ? undefined : /(?:^|[ ,])timeout=([0-9]{1,6})(?:$|[ ,])/i.exec(value)?.[1];
  return seconds === undefined ? undefined : Math.max(0, Number(seconds) * 1000 - 1000);
}

/** How much has come. */
export interface DownloadProgress {
  readonly bytes: number;
  readonly totalBytes: number | undefined;
}

/** What watches a body on its way to the reader. */
export interface BodyWatch {
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Fewer bytes a second than this, over ten seconds, is a stalled server. */
  readonly minBytesPerSecond?: number | undefined;
  readonly maxBytes?: number | undefined;
}

const SPEED_WINDOW_MS = 10_000;

/** The stream, counted. */
export function watched(stream: ByteStream, watch: BodyWatch): ByteStream {
  const { onProgress, minBytesPerSecond, maxBytes } = watch;
  if (onProgress === undefined && minBytesPerSecond === undefined && maxBytes === undefined) return stream;
  const totalBytes = stream.sizeBytes;
  let bytes = 0;
  let windowStart = performance.now();
  let windowBytes = 0;
  const count = (chunk: Uint8Array): void => {
    bytes += chunk.length;
    if (maxBytes !== undefined && bytes > maxBytes)
      throw new LimitError(`the response is longer than ${maxBytes} bytes`, {
        protocol: 'HTTP',
        reason: 'BODY_TOO_LONG',
      });
    if (onProgress !== undefined) notify('onProgress', onProgress, { bytes, totalBytes });
    if (minBytesPerSecond === undefined) return;
    windowBytes += chunk.length;
    const now = performance.now();
    if (now - windowStart < SPEED_WINDOW_MS) return;
    if (windowBytes < (minBytesPerSecond * (now - windowStart)) / 1000)
      throw new TimeoutError(`the server sent less than ${minBytesPerSecond} bytes a second`, {
        protocol: 'HTTP',
        phase: 'bodyIdle',
        reason: 'TOO_SLOW',
      });
    windowStart = now;
    windowBytes = 0;
  };
  const counted = async function* (): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of stream) {
      count(chunk);
      yield chunk;
    }
  };
  const source: LendingSource = {
    [Symbol.asyncIterator]: () => closing(stream, counted()),
    forEach: async (consume) => {
      await stream.forEach((chunk) => {
        count(chunk);
        return consume(chunk);
      });
    },
  };
  return new ByteStream(source, totalBytes);
}
