import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  connect as connectHttp2,
  constants,
  sensitiveHeaders,
} from 'node:http2';
import { ClosedError, type PostwireError, ProtocolError, TimeoutError, UsageError, messageOf } from '../errors.ts';
import type { Connection } from '../socket/connection.ts';
import { notify } from '../socket/notify.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { parseDecimal } from '../wire/limits.ts';
import { type HttpResponseHead, isSecretField } from './codec.ts';
import { ConnectionStream } from './connection-stream.ts';
import type { WireRequest } from './exchange.ts';
import { HttpFields } from './fields.ts';
import type { OutgoingBody } from './outgoing-body.ts';
import { RefusedStream } from './refused-stream.ts';
import type { WireBody } from './response-body.ts';

/** Fields of a connection, which HTTP/2 has none of. @see RFC 9113 section 8.2.2 */
const ofConnections = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'host']);
const MAX_INFORMATION = 10;
const MAX_FIELDS = 1000;

/** What an HTTP/2 stream brought, up to the body. */
export interface Http2Answer {
  readonly head: HttpResponseHead;
  readonly body: WireBody;
}

/** One connection that speaks HTTP/2: each request has a stream of its own in it. @see RFC 9113 */
export class Http2Connection {
  readonly #connection: Connection;
  readonly #session: ClientHttp2Session;
  readonly #idleMs: number;
  #streams = 0;
  #idle: NodeJS.Timeout | undefined;
  #failure: Error | undefined;

  constructor(connection: Connection, origin: string, idleMs: number) {
    this.#connection = connection;
    this.#idleMs = idleMs;
    const session = connectHttp2(origin, {
      createConnection: () => new ConnectionStream(connection),
      maxHeaderListPairs: MAX_FIELDS,
      settings: { enablePush: false, maxHeaderListSize: connection.limits.replyBytes },
    });
    this.#session = session;
    session.on('error', (error: Error) => {
      this.#failure = error;
    });
    session.on('close', () => {
      clearTimeout(this.#idle);
      connection.destroy();
    });
    this.#rest();
  }

  /** True until the server said that it takes no more requests, or the connection ended. */
  get open(): boolean {
    return !this.#session.closed && !this.#session.destroyed && this.#connection.open;
  }

  /** Closes at once, with all streams. */
  destroy(reason?: Error): void {
    this.#failure ??= reason;
    clearTimeout(this.#idle);
    this.#session.destroy();
    this.#connection.destroy(reason);
  }

  /** Sends a request on a stream of its own and reads the head of its answer. RefusedStream when the server has not looked at it. */
  async exchange(request: WireRequest): Promise<Http2Answer> {
    const { signal, body } = request;
    signal?.throwIfAborted();
    const waitForTrailers = body?.trailers !== undefined;
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(this.#fields(request), { endStream: body === undefined, waitForTrailers });
    } catch (error) {
      // The session ended, or is about to: nothing left.
      if (!this.open) throw new RefusedStream(messageOf(error));
      throw new UsageError(`the request cannot be sent by HTTP/2: ${messageOf(error)}`, { cause: error });
    }
    this.#wake();
    const exchange = new StreamExchange(this.#connection, stream, request, () => this.#failure);
    stream.on('close', () => this.#rest());
    try {
      return await exchange.run();
    } catch (error) {
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) throw new RefusedStream(messageOf(error));
      stream.close(constants.NGHTTP2_CANCEL);
      throw error;
    }
  }

  #fields(request: WireRequest): OutgoingHttpHeaders {
    const { method, target, headers } = request;
    // Without a prototype: a field may be named like anything.
    const fields = Object.assign(Object.create(null) as OutgoingHttpHeaders & { [sensitiveHeaders]?: string[] }, {
      ':method': method,
      ':path': target,
      ':authority': headers.get('host') ?? this.#connection.host,
      ':scheme': 'https',
    });
    const secret: string[] = [];
    for (const [name] of headers) {
      const lower = name.toLowerCase();
      if (ofConnections.has(lower) || lower in fields) continue;
      const values = headers.all(lower);
      fields[lower] = values.length === 1 ? values[0] : values;
      if (isSecretField(lower) || request.isSecret?.(lower) === true) secret.push(lower);
    }
    // Such are never put into the table of fields that a later request may refer to.
    fields[sensitiveHeaders] = secret;
    return fields;
  }

  #wake(): void {
    this.#streams++;
    clearTimeout(this.#idle);
    this.#connection.ref();
  }

  /** A stream ended, or none has begun. */
  #rest(): void {
    this.#streams = Math.max(0, this.#streams - 1);
    if (this.#streams > 0 || !this.open) return;
    this.#connection.unref();
    this.#idle = setTimeout(() => this.#session.close(), this.#idleMs);
    this.#idle.unref();
  }
}

/** One request and its answer. */
class StreamExchange {
  readonly #connection: Connection;
  readonly #stream: ClientHttp2Stream;
  readonly #request: WireRequest;
  readonly #sessionFailure: () => Error | undefined;
  #trailers: HttpFields | undefined;
  #error: Error | undefined;
  /** Rejects what is waited for. */
  #fail: (error: Error) => void = () => {};

  constructor(
    connection: Connection,
    stream: ClientHttp2Stream,
    request: WireRequest,
    sessionFailure: () => Error | undefined,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#request = request;
    this.#sessionFailure = sessionFailure;
    const { signal } = request;
    stream.on('error', (error: Error) => {
      this.#error ??= error;
    });
    stream.on('trailers', (fields: IncomingHttpHeaders) => {
      this.#trailers = readFields(fields);
    });
    const onAbort = (): void => this.#giveUp(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort);
    stream.on('close', () => {
      signal?.removeEventListener('abort', onAbort);
      this.#fail(this.#problem() ?? this.#error ?? this.#ended('before an answer'));
    });
  }

  async run(): Promise<Http2Answer> {
    const { body } = this.#request;
    let sending = false;
    const answered = this.#head(() => sending);
    if (body !== undefined) {
      sending = true;
      const sent = this.#send(body, answered).finally(() => {
        sending = false;
      });
      // An answer may come before all is sent: then the rest need not be.
      await Promise.race([sent, answered]);
      sent.catch((error: unknown) => this.#giveUp(error as Error));
    }
    const head = await answered;
    return { head, body: this.#body(head) };
  }

  /** The head of the final answer. Sending may take as long as it makes progress. */
  #head(sending: () => boolean): Promise<HttpResponseHead> {
    const { commandMs } = this.#connection.timeouts;
    const head = new Promise<HttpResponseHead>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const arm = (): void => {
        if (commandMs === Number.POSITIVE_INFINITY) return;
        timer = setTimeout(
          () => (sending() ? arm() : this.#giveUp(this.#late('command'))),
          Math.min(commandMs, 2 ** 31 - 1),
        );
      };
      arm();
      this.#fail = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      let count = 0;
      this.#stream.on('headers', (fields: IncomingHttpHeaders & { ':status'?: number }) => {
        if (++count > MAX_INFORMATION) this.#giveUp(this.#wrong(`more than ${MAX_INFORMATION} interim responses came`));
        else if (this.#request.onInformation !== undefined)
          notify('onInformation', this.#request.onInformation, {
            status: fields[':status'] ?? 0,
            headers: readFields(fields),
          });
      });
      this.#stream.on('response', (fields: IncomingHttpHeaders & { ':status'?: number }) => {
        clearTimeout(timer);
        resolve({ status: fields[':status'] ?? 0, reason: '', minor: 1, headers: readFields(fields) });
      });
    });
    head.catch(() => undefined);
    return head;
  }

  async #send(body: OutgoingBody, answered: Promise<unknown>): Promise<void> {
    const stream = this.#stream;
    const { expectMs, onUploadProgress } = this.#request;
    const { byteCount: totalBytes, trailers } = body;
    if (expectMs !== undefined) await this.#consent(expectMs, answered);
    if (trailers !== undefined)
      stream.on('wantTrailers', () => {
        Promise.resolve(trailers()).then(
          (fields) => stream.sendTrailers(fields.toJSON()),
          (error: unknown) => this.#giveUp(error as Error),
        );
      });
    let bytes = 0;
    for await (const chunk of body.bytes === undefined ? body.open() : [body.bytes]) {
      if (stream.destroyed || !stream.writable) return;
      bytes += chunk.length;
      if (totalBytes !== undefined && bytes > totalBytes) throw wrongLength(totalBytes, 'more');
      if (!stream.write(chunk)) await this.#drained();
      if (onUploadProgress !== undefined) notify('onUploadProgress', onUploadProgress, { bytes, totalBytes });
    }
    if (totalBytes !== undefined && bytes < totalBytes) throw wrongLength(totalBytes, `only ${bytes}`);
    stream.end();
  }

  /** Waits for 100, an answer, or so long. */
  async #consent(expectMs: number, answered: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const waited = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, expectMs);
      this.#stream.once('continue', resolve);
    });
    await Promise.race([waited, answered]);
    clearTimeout(timer);
  }

  #drained(): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const { bodyIdleMs } = this.#connection.timeouts;
      const timer =
        bodyIdleMs === Number.POSITIVE_INFINITY
          ? undefined
          : setTimeout(() => this.#giveUp(this.#late('bodyIdle')), Math.min(bodyIdleMs, 2 ** 31 - 1));
      const done = (): void => {
        clearTimeout(timer);
        stream.off('drain', done);
        stream.off('close', done);
        resolve();
      };
      stream.on('drain', done);
      stream.on('close', done);
    });
  }

  #body(head: HttpResponseHead): WireBody {
    const stream = this.#stream;
    const sizeBytes = this.#request.method === 'HEAD' ? 0 : parseDecimal(head.headers.get('content-length') ?? '');
    const { bodyIdleMs } = this.#connection.timeouts;
    const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array, undefined>;
    // A failure is told by whoever reads.
    this.#fail = () => undefined;
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      const timer =
        bodyIdleMs === Number.POSITIVE_INFINITY
          ? undefined
          : setTimeout(() => this.#giveUp(this.#late('bodyIdle')), Math.min(bodyIdleMs, 2 ** 31 - 1));
      try {
        const result = await chunks.next();
        const problem = result.done === true ? this.#problem() : undefined;
        if (problem !== undefined) throw problem;
        return result;
      } catch (error) {
        throw this.#problem() ?? (error as Error);
      } finally {
        clearTimeout(timer);
      }
    };
    const iterator: AsyncIterator<Uint8Array, undefined> = {
      next,
      return: async () => {
        if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
        stream.resume();
        return { done: true, value: undefined };
      },
    };
    return {
      stream: new ByteStream({ [Symbol.asyncIterator]: () => iterator }, sizeBytes),
      trailers: () => this.#trailers,
      delimited: true,
    };
  }

  /** Why the stream is not whole; undefined where it is. */
  #problem(): Error | undefined {
    const { rstCode, aborted, destroyed, readableEnded } = this.#stream;
    if (this.#error !== undefined && !('code' in this.#error && String(this.#error.code).startsWith('ERR_HTTP2')))
      return this.#error;
    if (rstCode !== undefined && rstCode !== constants.NGHTTP2_NO_ERROR) return this.#ended(`with error ${rstCode}`);
    if (aborted || (destroyed && !readableEnded)) return this.#ended('early');
    return this.#error;
  }

  #giveUp(error: Error): void {
    this.#error = error;
    this.#fail(error);
    this.#stream.close(constants.NGHTTP2_CANCEL);
    // A reader that waits is not to wait for what is underway.
    this.#stream.destroy(error);
  }

  #ended(how: string): PostwireError {
    const { host, port } = this.#connection;
    const cause = this.#error ?? this.#sessionFailure() ?? this.#connection.failure;
    const text = `the HTTP/2 stream to ${host}:${port} ended ${how}${cause === undefined ? '' : `: ${messageOf(cause)}`}`;
    return new ClosedError(text, { protocol: 'HTTP', host, port, cause, reason: 'STREAM_ENDED' });
  }

  #late(phase: 'command' | 'bodyIdle'): TimeoutError {
    const { host, port } = this.#connection;
    return new TimeoutError(`gave up waiting for the response of ${host}:${port}`, {
      protocol: 'HTTP',
      phase,
      host,
      port,
    });
  }

  #wrong(why: string): ProtocolError {
    const { host, port } = this.#connection;
    return new ProtocolError(`the HTTP server ${host}:${port} is out of step: ${why}`, {
      protocol: 'HTTP',
      reason: 'OUT_OF_STEP',
    });
  }
}

const wrongLength = (total: number, got: string): UsageError =>
  new UsageError(`the body was to have ${total} bytes, and has ${got}; the stream is closed`);

/** Pseudo-fields left out; names are in lower case on the wire. */
function readFields(fields: IncomingHttpHeaders): HttpFields {
  const headers = new HttpFields();
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(':') || value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) headers.addChecked(name, name, each);
  }
  return headers;
}
