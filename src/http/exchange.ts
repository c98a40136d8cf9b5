import { ClosedError, ProtocolError, TimeoutError, UsageError } from '../errors.ts';
import type { Connection } from '../socket/connection.ts';
import { notify } from '../socket/notify.ts';
import type { ShownBytes, WirePart } from '../wire/arguments.ts';
import { DONE } from '../socket/transport.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { encodeChunk, encodeLastChunk } from './body-codec.ts';
import { type HttpResponseHead, encodeRequestHead, isSecretField } from './codec.ts';
import type { HttpFields } from './fields.ts';
import type { Lease } from './pool.ts';
import type { OutgoingBody } from './outgoing-body.ts';

/** A request as it leaves: every field decided. */
export interface WireRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: HttpFields;
  readonly body: OutgoingBody | undefined;
  /** Names beside the usual ones whose values never show. */
  readonly isSecret?: ((lowerName: string) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears each interim response: 103 with its links, 102. */
  readonly onInformation?: ((head: { status: number; headers: HttpFields }) => void) | undefined;
  readonly onUploadProgress?: ((progress: UploadProgress) => void) | undefined;
  /** The head's wire form, where it was made before. */
  readonly encoded?: ShownBytes | undefined;
  /** Wait this long for 100 before the body is sent. */
  readonly expectMs?: number | undefined;
}

export interface UploadProgress {
  readonly bytes: number;
  readonly totalBytes: number | undefined;
}

/** What came back, up to the body. */
export interface WireAnswer {
  readonly head: HttpResponseHead;
  /** False where the request did not leave whole: no other may follow on this connection. */
  readonly sentWhole: boolean;
}

/** Interim responses before one request's answer. */
const MAX_INFORMATION = 10;
/** Up to this, a body leaves with its head. */
const AT_ONCE_BYTES = 64 * 1024;

/** Sends a request and reads the head of its final response. After an error the connection is closed. */
export async function exchange(lease: Lease, request: WireRequest): Promise<WireAnswer> {
  const { connection } = lease;
  const { body, signal } = request;
  const head = request.encoded ?? encodeRequestHead(request, isSecretOf(request));
  if (body === undefined) {
    const written = connection.write([head], { signal });
    if (written !== DONE) await written;
  } else if (body.bytes !== undefined && body.bytes.length <= AT_ONCE_BYTES && request.expectMs === undefined) {
    await connection.write([head, body.bytes], { signal }).catch(() => undefined);
    if (request.onUploadProgress !== undefined)
      notify('onUploadProgress', request.onUploadProgress, { bytes: body.bytes.length, totalBytes: body.bytes.length });
  } else return sendStreamed(lease, request, body, head);
  return { head: await readFinalHead(lease, request), sentWhole: true };
}

const isSecretOf = (request: WireRequest): ((lowerName: string) => boolean) => {
  const { isSecret } = request;
  return isSecret === undefined ? isSecretField : (name) => isSecretField(name) || isSecret(name);
};

/** The head of the final response; interim ones before it are told. */
async function readFinalHead(
  lease: Lease,
  request: WireRequest,
  timeoutMs?: number,
  onContinue?: () => void,
): Promise<HttpResponseHead> {
  const { connection } = lease;
  for (let count = 0; ; count++) {
    const { head, byteCount } =
      connection.tryRead(lease.peek) ?? (await connection.read(lease.peek, { signal: request.signal, timeoutMs }));
    const take: Decoder<true> = (queue) => {
      queue.take(byteCount);
      return true;
    };
    connection.tryRead(take, head.headers.some(isSecretField) ? 'secret' : 'text');
    const { status, headers } = head;
    if (status >= 200) return head;
    if (status === 101) {
      if (request.headers.has('upgrade')) return head;
      throw failed(connection, '101 Switching Protocols came, and no upgrade was asked for');
    }
    if (count >= MAX_INFORMATION) throw failed(connection, `more than ${MAX_INFORMATION} interim responses came`);
    if (status === 100) onContinue?.();
    else if (request.onInformation !== undefined) notify('onInformation', request.onInformation, { status, headers });
  }
}

function failed(connection: Connection, why: string): Error {
  const error = new ProtocolError(`the HTTP server ${connection.host}:${connection.port} is out of step: ${why}`, {
    protocol: 'HTTP',
    reason: 'OUT_OF_STEP',
    host: connection.host,
    port: connection.port,
  });
  connection.destroy(error);
  return error;
}

/**
 * Sends a body while the response is listened for: a server may answer before it has all (413, 401), and then the rest is not sent. With
 * `expectMs` the body waits for 100, or for so long.
 */
async function sendStreamed(
  lease: Lease,
  request: WireRequest,
  body: OutgoingBody,
  head: WirePart,
): Promise<WireAnswer> {
  const { connection } = lease;
  const { signal, expectMs } = request;
  let answer: HttpResponseHead | undefined;
  let failure: unknown;
  let settled = false;
  /** Ends whatever is being waited for: an answer, or the end of the connection. */
  let wake = (): void => {};
  let onContinue = (): void => {};
  // Sending may take as long as it makes progress: the deadline of the answer begins behind it.
  const reading = readFinalHead(lease, request, Number.POSITIVE_INFINITY, () => onContinue()).then(
    (final) => {
      answer = final;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  void reading.then(() => {
    settled = true;
    wake();
  });
  /** The promise, or undefined as soon as the answer is there. */
  const unlessSettled = <T>(promise: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      wake = () => resolve(undefined);
      promise.then(resolve, reject);
      if (settled) wake();
    });
  let sentWhole = false;
  try {
    await connection.write([head], { signal });
    if (expectMs !== undefined) {
      let timer: NodeJS.Timeout | undefined;
      await unlessSettled(
        new Promise<void>((resolve) => {
          onContinue = resolve;
          timer = setTimeout(resolve, expectMs);
        }),
      );
      clearTimeout(timer);
    }
    sentWhole = !settled && (await sendBody());
  } catch (error) {
    // It may have said why before it hung up.
    if (connection.open) connection.destroy(error as Error);
    await reading;
    answer ??= lastWords(lease);
    if (answer === undefined) throw error;
  }
  if (!settled) {
    const { commandMs } = connection.timeouts;
    const onLate = (): void =>
      connection.destroy(
        new TimeoutError(`gave up waiting for the response of ${connection.host}:${connection.port}`, {
          protocol: 'HTTP',
          phase: 'command',
        }),
      );
    const timer =
      commandMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onLate, Math.min(commandMs, 2 ** 31 - 1));
    await reading;
    clearTimeout(timer);
  }
  answer ??= lastWords(lease);
  if (answer === undefined) throw failure;
  return { head: answer, sentWhole };

  /** True when all of it has left. */
  async function sendBody(): Promise<boolean> {
    const chunked = body.byteCount === undefined;
    const iterator = inPieces(body)[Symbol.asyncIterator]();
    const total = body.byteCount;
    let bytes = 0;
    try {
      for (;;) {
        const next = await connection.waitFor(unlessSettled(iterator.next()), 'bodyIdle', { signal });
        if (next === undefined || settled) return false;
        if (next.done === true) break;
        bytes += next.value.length;
        if (total !== undefined && bytes > total) throw wrongLength(total, 'more');
        const written = connection.write(chunked ? encodeChunk(next.value) : [next.value], { signal });
        await unlessSettled(written);
        if (request.onUploadProgress !== undefined)
          notify('onUploadProgress', request.onUploadProgress, { bytes, totalBytes: total });
      }
      if (total !== undefined && bytes < total) throw wrongLength(total, `only ${bytes}`);
      if (chunked) await connection.write([encodeLastChunk(await body.trailers?.())], { signal });
      return true;
    } finally {
      // Not awaited: a source that stalls may stall here too.
      Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
  }
}

/** The head that arrived before the connection broke, if one did. */
function lastWords(lease: Lease): HttpResponseHead | undefined {
  try {
    const peeked = lease.connection.tryRead(lease.peek);
    if (peeked === undefined || peeked.head.status < 200) return undefined;
    lease.connection.tryRead(
      (queue) => queue.take(peeked.byteCount),
      peeked.head.headers.some(isSecretField) ? 'secret' : 'text',
    );
    return peeked.head;
  } catch {
    return undefined;
  }
}

const wrongLength = (total: number, got: string): UsageError =>
  new UsageError(`the body was to have ${total} bytes, and has ${got}; the connection is closed`, { reusable: false });

/** A held body in pieces, so that an early answer is seen between them. */
async function* inPieces(body: OutgoingBody): AsyncIterable<Uint8Array> {
  if (body.bytes === undefined) {
    yield* body.open();
    return;
  }
  for (let at = 0; at < body.bytes.length; at += AT_ONCE_BYTES) yield body.bytes.subarray(at, at + AT_ONCE_BYTES);
}

/** True when the request may have been too late for a connection that the server had closed: nothing of an answer came. */
export function diedUnanswered(error: unknown, lease: Lease): boolean {
  return error instanceof ClosedError && lease.uses > 0 && lease.connection.pendingBytes === 0;
}
