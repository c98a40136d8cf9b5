import {
  AbortedError,
  ClosedError,
  type ErrorDetails,
  PostwireError,
  ProtocolError,
  TimeoutError,
  UsageError,
  addContext,
  messageOf,
} from '../errors.ts';
import type { WirePart } from '../wire/arguments.ts';
import { ByteQueue, type Decoder } from '../wire/byte-queue.ts';
import { ByteStream, type LendingSource } from '../wire/byte-stream.ts';
import type { BodySpan } from '../wire/dotted.ts';
import { type Limits, resolveLimits } from '../wire/limits.ts';
import { formatHostPort } from './address.ts';
import { Deadline, type TimeoutOptions, type Timeouts, formatMs, resolveTimeouts, timerMs } from './deadlines.ts';
import { type ServerTlsOptions, type TlsOptions, acceptTls, beginTls } from './tls.ts';
import { type Trace, Transcript } from './transcript.ts';
import { DONE, type TlsInfo, type Transport, type TlsSession } from './transport.ts';

/** The phases that an error names. */
export type Phase = 'connect' | 'tls' | 'greeting' | 'command' | 'bodyIdle' | 'idle' | 'total';

/** What one call may bring. */
export interface CallOptions {
  /** Its reason is rethrown as it is. An abort after bytes left closes the connection. */
  readonly signal?: AbortSignal | undefined;
  /** Overrides the phase's timeout. */
  readonly timeoutMs?: number | undefined;
}

/** What the author of a command adds to a call. */
export interface ReadOptions extends CallOptions {
  readonly phase?: Phase | undefined;
  /** How the transcript shows what is read. */
  readonly shown?: 'text' | 'secret' | 'body' | undefined;
}

export interface BodyOptions extends CallOptions {
  /** Length in bytes where it is known. */
  readonly sizeBytes?: number | undefined;
  /** Hears when it is read or given up, in whatever way. */
  readonly onEnd?: (() => void) | undefined;
}

export interface StartTlsOptions extends CallOptions {
  /** Who sends the first handshake message, where it is not the side that connected. */
  readonly role?: 'client' | 'server' | undefined;
  /** A session of the same server to resume. */
  readonly resume?: TlsSession | undefined;
}

export interface ConnectionOptions {
  /** In messages: 'SMTP'. */
  readonly protocol?: string | undefined;
  readonly role?: 'client' | 'server' | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly timeouts?: TimeoutOptions | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly trace?: Trace | undefined;
  /** When the connect deadline falls due, as `performance.now()` counts. */
  readonly connectBy?: number | undefined;
  /** How the transcript shows a received line: a server masks its clients' secrets here. */
  readonly showReceived?: ((line: string) => string) | undefined;
}

/** Why a connection ended. */
export interface CloseReason {
  readonly by: 'us' | 'peer' | 'error';
  readonly error?: Error | undefined;
}

/** How much of an unread body is worth reading to keep a connection. */
const DRAIN_BYTES = 256 * 1024;
const DRAIN_MS = 500;

/**
 * A transport with the one receive queue, deadlines and a transcript. Both ends use it: dialled or accepted. There is one way to
 * read: run a decoder until it yields. Any failure closes the connection; `closed` says why and never rejects.
 */
export class Connection implements AsyncDisposable {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  readonly role: 'client' | 'server';
  readonly timeouts: Timeouts;
  readonly limits: Limits;
  readonly transcript: Transcript;
  readonly connectBy: number;
  /** Settles when the connection has ended, with the reason. Never rejects. */
  readonly closed: Promise<CloseReason>;
  #settleClosed!: (reason: CloseReason) => void;
  #transport: Transport;
  #queue = new ByteQueue();
  #shown: 'text' | 'secret' | 'body' = 'text';
  readonly #deadline = new Deadline();
  readonly #writeDeadline = new Deadline();
  #total: NodeJS.Timeout | undefined;
  #failure: Error | undefined;
  #body: object | undefined;
  /** True while what is read need not last: its reader is done with each chunk before it asks for the next. */
  #lend = false;
  /** True after a failed write: what had arrived may still be read. After every other failure nothing is. */
  #lastWords = false;
  /** True once the transport has closed by itself. */
  #peerGone = false;
  /** Rejects the wait for something of the caller's: a source of bytes, a token. */
  #interrupt: ((error: Error) => void) | undefined;

  constructor(transport: Transport, options: ConnectionOptions = {}) {
    this.#transport = transport;
    this.protocol = options.protocol ?? 'TCP';
    this.role = options.role ?? 'client';
    this.host = options.host ?? transport.remoteAddress ?? 'peer';
    this.port = options.port ?? 0;
    this.timeouts = resolveTimeouts(options.timeouts);
    this.limits = resolveLimits(options.limits);
    this.transcript = new Transcript(this.protocol, this.role, options.trace, options.showReceived);
    this.connectBy = options.connectBy ?? Number.POSITIVE_INFINITY;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    this.#queue.observer = this.#observe;
    this.#watch(transport);
    if (this.timeouts.totalMs !== Number.POSITIVE_INFINITY) {
      this.#total = setTimeout(() => this.#expire('total', this.timeouts.totalMs), timerMs(this.timeouts.totalMs));
      this.#total.unref();
    }
  }

  get secure(): boolean {
    return this.#transport.secure;
  }

  /** What the TLS handshake agreed on; undefined without TLS. */
  get tls(): TlsInfo | undefined {
    return this.#transport.tls;
  }

  /** What a further connection to this server may resume; undefined until the server gave it. */
  get tlsSession(): TlsSession | undefined {
    return this.#transport.tlsSession;
  }

  /** What ties a login to this TLS connection (`tls-exporter`, `tls-server-end-point`); undefined where it has none of that type. */
  readonly channelBinding = (type: string): Uint8Array | undefined => this.#transport.channelBinding?.(type, this.role);

  get remoteAddress(): string | undefined {
    return this.#transport.remoteAddress;
  }

  get localAddress(): string | undefined {
    return this.#transport.localAddress;
  }

  /** True until a failure, the peer or a call to `close` ended it. */
  get open(): boolean {
    return this.#failure === undefined && !this.#peerGone;
  }

  /** What ended it; undefined while it is open. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Bytes received and not yet consumed. */
  get pendingBytes(): number {
    this.#poll();
    return this.#queue.length;
  }

  /**
   * Runs the decoder until it yields. Rejects with the decoder's error, ClosedError at the end of input, TimeoutError, or the signal's
   * reason; after any of them the connection is closed.
   */
  async read<E>(decode: Decoder<E>, options: ReadOptions = {}): Promise<E> {
    const ready = this.tryRead(decode, options.shown);
    if (ready !== undefined) return ready;
    const phase = options.phase ?? 'command';
    const timeoutMs = options.timeoutMs ?? this.timeouts[`${phase === 'tls' ? 'connect' : phase}Ms`];
    const release = this.#guard(this.#deadline, options.signal, phase, timeoutMs);
    try {
      for (;;) {
        let chunk: Uint8Array | null;
        try {
          chunk = await this.#transport.read(this.#lend);
        } catch (error) {
          throw this.#fail(error);
        }
        if (chunk === null) this.#queue.end();
        else this.#queue.push(chunk);
        const event = this.tryRead(decode, options.shown);
        if (event !== undefined) return event;
        if (this.#queue.ended) throw this.#endOfInput(phase);
      }
    } finally {
      release();
    }
  }

  /** As `read`, but only with what has arrived: undefined rather than waiting. */
  tryRead<E>(decode: Decoder<E>, shown: 'text' | 'secret' | 'body' = 'text'): E | undefined {
    if (this.#failure !== undefined && !(this.#lastWords && (this.#queue.length > 0 || this.#poll())))
      throw this.#closedError();
    this.#shown = shown;
    try {
      let event = decode(this.#queue);
      while (event === undefined && this.#poll()) event = decode(this.#queue);
      return event;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** True when the peer has ended its direction and everything before it is read. */
  get ended(): boolean {
    this.#poll();
    return this.#queue.ended && this.#queue.length === 0;
  }

  /**
   * Writes the parts. All writes of one turn leave together. Resolves when more may be written (back-pressure), not when the peer has
   * it.
   */
  write(parts: Iterable<WirePart>, options: CallOptions = {}): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#closedError());
    if (options.signal?.aborted === true) return Promise.reject(options.signal.reason as Error);
    const chunks: Uint8Array[] = [];
    for (const part of parts) {
      this.transcript.sent(part);
      chunks.push(part instanceof Uint8Array ? part : part.bytes);
    }
    const written = this.#transport.write(chunks);
    return written === DONE ? DONE : this.#written(written, options);
  }

  /** Hands what was written in this turn to the system now: the peer begins while we go on. */
  flush(): void {
    this.#transport.flush();
  }

  async #written(written: Promise<void>, options: CallOptions): Promise<void> {
    const timeoutMs = options.timeoutMs ?? this.timeouts.bodyIdleMs;
    let unsent = this.#transport.unsentBytes;
    /** A slow peer is not a stalled one. */
    const moves = (): boolean => {
      const before = unsent;
      unsent = this.#transport.unsentBytes;
      return before !== undefined && unsent !== undefined && unsent < before;
    };
    const release = this.#guard(this.#writeDeadline, options.signal, 'bodyIdle', timeoutMs, moves);
    try {
      await written;
    } catch (error) {
      // The peer may have said why before it hung up, and that may still be read.
      if (this.#failure === undefined) this.#lastWords = true;
      throw this.#fail(error);
    } finally {
      release();
    }
  }

  /**
   * Waits for something that is not the peer's, a source of bytes or a token, which may never come: the deadline, the signal and the
   * end of the connection end the wait too. One such wait at a time.
   */
  async waitFor<T>(promise: Promise<T>, phase: Phase = 'bodyIdle', options: CallOptions = {}): Promise<T> {
    if (this.#failure !== undefined) throw this.#closedError();
    const timeoutMs = options.timeoutMs ?? this.timeouts[`${phase === 'tls' ? 'connect' : phase}Ms`];
    const release = this.#guard(this.#writeDeadline, options.signal, phase, timeoutMs);
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#interrupt = reject;
        promise.then(resolve, reject);
        if (this.#failure !== undefined) reject(this.#failure);
      });
    } finally {
      this.#interrupt = undefined;
      release();
    }
  }

  /** The chunks of a source that is being sent. Watched as the peer is: it may stall, and then must not hold up everything. */
  async *pull(source: AsyncIterable<Uint8Array>, options: CallOptions = {}): AsyncIterable<Uint8Array> {
    const iterator = source[Symbol.asyncIterator]();
    let finished = false;
    try {
      for (;;) {
        const result = await this.waitFor(iterator.next(), 'bodyIdle', options);
        if (result.done === true) {
          finished = true;
          return;
        }
        yield result.value;
      }
    } finally {
      // Not awaited: a source that stalls may stall here too.
      if (!finished) Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
  }

  /**
   * A streamed body: spans as they come, with back-pressure. It holds the connection until it is read; giving it up earlier reads on for
   * a little, then closes the connection, where it has not arrived whole.
   */
  body(decode: Decoder<BodySpan>, options: BodyOptions = {}): ByteStream {
    const arrived: Uint8Array[] = [];
    for (let last = false; !last;) {
      const span = this.tryRead(decode, 'body');
      if (span === undefined) return this.#restOfBody(decode, arrived, options);
      if (span.bytes.length > 0) arrived.push(span.bytes);
      last = span.last;
    }
    return ByteStream.of(arrived, options.onEnd);
  }

  /** The body behind what has arrived of it. */
  #restOfBody(decode: Decoder<BodySpan>, arrived: Uint8Array[], options: BodyOptions): ByteStream {
    const token = {};
    this.#body = token;
    const read: ReadOptions = { ...options, phase: 'bodyIdle', shown: 'body' };
    let finished = false;
    const finish = (): void => {
      if (finished) return;
      finished = true;
      if (this.#body === token) this.#body = undefined;
      options.onEnd?.();
    };
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      const first = arrived.shift();
      if (first !== undefined) return { done: false, value: first };
      try {
        for (;;) {
          if (finished) break;
          const { bytes: value, last } = this.tryRead(decode, 'body') ?? (await this.read(decode, read));
          if (last) finish();
          if (value.length > 0) return { done: false, value };
        }
      } catch (error) {
        finish();
        throw error;
      }
      return { done: true, value: undefined };
    };
    const forEach: LendingSource['forEach'] = async (consume) => {
      const use = (bytes: Uint8Array): void | Promise<void> => (bytes.length > 0 ? consume(bytes) : undefined);
      this.#lend = true;
      try {
        for (const bytes of arrived.splice(0)) await use(bytes);
        for (;;) {
          if (finished) break;
          const span = this.tryRead(decode, 'body') ?? (await this.read(decode, read));
          const used = use(span.bytes);
          if (used !== undefined) await used;
          // Not before: whoever waits for the end would read on, into the chunk that is still in use.
          if (span.last) finish();
        }
      } catch (error) {
        await iterator.return?.();
        finish();
        throw error;
      } finally {
        this.#lend = false;
        // What is behind the body came with a chunk that was only lent.
        this.#queue.keep();
      }
    };
    const iterator: AsyncIterator<Uint8Array, undefined> = {
      next,
      return: async () => {
        const giveUp = (): void => {
          if (finished) return;
          this.destroy(new AbortedError('the reader left in the middle of a body', this.#context('bodyIdle')));
          finish();
        };
        arrived.length = 0;
        const timer = setTimeout(giveUp, DRAIN_MS);
        let drained = 0;
        for (;;) {
          if (finished || drained >= DRAIN_BYTES) break;
          const result = await next().catch(() => undefined);
          if (result === undefined) break;
          drained += result.value?.length ?? 0;
        }
        clearTimeout(timer);
        giveUp();
        return { done: true, value: undefined };
      },
    };
    return new ByteStream({ [Symbol.asyncIterator]: () => iterator, forEach }, options.sizeBytes);
  }

  /**
   * While on, what is read is only lent: its reader is done with each chunk before it asks for more. Off again, what is left is kept. For
   * readers that are no `body`.
   */
  lend(on: boolean): void {
    this.#lend = on;
    if (!on) this.#queue.keep();
  }

  /** True while a body is being read from this connection. */
  get bodyOpen(): boolean {
    return this.#body !== undefined;
  }

  /**
   * Upgrades to TLS: as the client, or as the server when this connection was accepted, unless `role` says otherwise. ProtocolError, and the connection closed,
   * when plaintext is already queued: a peer in the middle may have put it there (RFC 3207 section 5, CVE-2021-22947).
   */
  async startTls(options: TlsOptions | ServerTlsOptions = {}, call: StartTlsOptions = {}): Promise<void> {
    if (this.#failure !== undefined) throw this.#closedError();
    if (this.pendingBytes > 0) {
      throw this.#fail(
        new ProtocolError(
          `${this.#peerName()} sent plaintext behind its answer to STARTTLS; it was not read as part of the secure session`,
          {
            ...this.#context('tls'),
            reason: 'STARTTLS_INJECTION',
            hint: 'somebody between you and the server may be tampering with the connection',
          },
        ),
      );
    }
    const controller = new AbortController();
    const timeoutMs =
      call.timeoutMs ?? Math.max(1, Math.min(this.timeouts.connectMs, this.connectBy - performance.now()));
    const timer =
      timeoutMs === Number.POSITIVE_INFINITY
        ? undefined
        : setTimeout(() => controller.abort(this.#timeout('tls', timeoutMs)), timerMs(timeoutMs));
    const onAbort = (): void => controller.abort(call.signal?.reason);
    call.signal?.addEventListener('abort', onAbort);
    const plain = this.#transport;
    const stream = plain.detach();
    try {
      const upgraded =
        (call.role ?? this.role) === 'server'
          ? await acceptTls(stream, options as ServerTlsOptions, controller.signal)
          : await beginTls(
              stream,
              { protocol: this.protocol, host: this.host, port: this.port },
              options as TlsOptions,
              controller.signal,
              call.resume,
            );
      if (this.#failure !== undefined) {
        upgraded.destroy();
        throw this.#closedError();
      }
      this.#transport = upgraded;
      // A new queue: nothing that was received in the clear can be mistaken for a secure reply.
      this.#queue = new ByteQueue();
      this.#queue.observer = this.#observe;
      this.#watch(upgraded);
      this.transcript.note(`TLS begun: ${upgraded.tls?.protocol ?? ''} ${upgraded.tls?.cipher ?? ''}`);
    } catch (error) {
      stream.destroy();
      throw this.#fail(error);
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Puts a layer (compression, Telnet) between this connection and its transport. The queue must be empty. */
  wrap(layer: (inner: Transport) => Transport): void {
    if (this.pendingBytes > 0) {
      throw this.#fail(
        new ProtocolError(`${this.#peerName()} sent data before the switch to a new layer`, this.#context('command')),
      );
    }
    this.#transport = layer(this.#transport);
    this.#watch(this.#transport);
  }

  /** Ends our direction, waits up to `graceMs` for the peer to close, then closes. Never rejects. */
  async close(graceMs = 1000): Promise<void> {
    if (this.#failure === undefined) {
      const timer = setTimeout(() => this.destroy(), graceMs);
      // Without its context, which is added where somebody gets to see it: most closes nobody does.
      this.#failure = new ClosedError('the connection was closed by this side');
      try {
        await this.#transport.end();
      } catch {
        // Already gone: which is what was wanted.
      }
      clearTimeout(timer);
      this.#end({ by: 'us' });
    }
    this.#transport.destroy(this.#failure);
  }

  /** Closes at once. Pending calls reject with the reason. */
  destroy(reason?: Error): void {
    if (this.#failure === undefined) {
      this.#failure = reason ?? new ClosedError('the connection was closed by this side', this.#context('command'));
      this.transcript.note(reason === undefined ? 'closed' : `closed: ${messageOf(reason)}`);
    }
    this.#transport.destroy(this.#failure);
    this.#end(reason === undefined ? { by: 'us' } : { by: 'error', error: reason });
  }

  /** Ends our direction and goes on reading. */
  async halfClose(): Promise<void> {
    await this.#transport.end();
  }

  /** Closes at once with a TCP reset. */
  reset(): void {
    this.#failure ??= new ClosedError('the connection was reset by this side', this.#context('command'));
    this.transcript.note('reset');
    this.#transport.reset();
    this.#end({ by: 'us' });
  }

  /** Whether the open connection keeps the process alive. */
  ref(): void {
    this.#transport.ref();
  }

  unref(): void {
    this.#transport.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #observe = (taken: Uint8Array): void => this.transcript.received(taken, this.#shown);

  /** Moves what has arrived into the queue; true when it got anything new. */
  #poll(): boolean {
    const chunk = this.#transport.tryRead(this.#lend);
    if (chunk === undefined) return false;
    if (chunk === null) {
      this.#queue.end();
      return false;
    }
    this.#queue.push(chunk);
    return true;
  }

  /** Arms the deadline and the signal around a wait; both close the connection. Returns the release. */
  #guard(
    deadline: Deadline,
    signal: AbortSignal | undefined,
    phase: Phase,
    timeoutMs: number,
    moves: () => boolean = () => false,
  ): () => void {
    // A server's wait for its client, usually: nothing to watch.
    if (signal === undefined && timeoutMs === Number.POSITIVE_INFINITY) return ignore;
    checkCall({ signal, timeoutMs });
    if (signal?.aborted === true) this.destroy(signal.reason as Error);
    const onExpire = (): void => {
      if (moves()) deadline.arm(timeoutMs, onExpire);
      else this.#expire(phase, timeoutMs);
    };
    deadline.arm(timeoutMs, onExpire);
    if (signal === undefined) return () => deadline.disarm();
    const onAbort = (): void => this.destroy(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
    return () => {
      deadline.disarm();
      signal.removeEventListener('abort', onAbort);
    };
  }

  #expire(phase: Phase, timeoutMs: number): void {
    this.destroy(this.#timeout(phase, timeoutMs));
  }

  #timeout(phase: Phase, timeoutMs: number): TimeoutError {
    const what: Record<Phase, string> = {
      connect: 'connecting to',
      tls: 'the TLS handshake with',
      greeting: 'the greeting of',
      command: 'the reply of',
      bodyIdle: 'progress on the data of',
      idle: 'traffic from',
      total: 'the whole conversation with',
    };
    return new TimeoutError(
      `gave up waiting for ${what[phase]} ${this.#peerName()} after ${formatMs(timeoutMs)}`,
      this.#context(phase),
    );
  }

  #endOfInput(phase: Phase): Error {
    const during =
      phase === 'greeting'
        ? 'before its greeting'
        : phase === 'bodyIdle'
          ? 'in the middle of the data'
          : 'before it answered';
    const partial =
      this.#queue.length > 0
        ? `; it had begun with ${JSON.stringify(messageOf(new TextDecoder().decode(this.#queue.peek(80))))}`
        : '';
    return this.#fail(
      new ClosedError(`${this.#peerName()} closed the connection ${during}${partial}`, this.#context(phase)),
    );
  }

  /** Closes the connection because of `error`, and returns the error as the caller shall see it. */
  #fail(error: unknown): Error {
    if (this.#failure !== undefined && error === this.#failure) return addContext(this.#failure, this.#context());
    const failure =
      error instanceof PostwireError || !isSystemError(error)
        ? addContext(error as Error, this.#context())
        : new ClosedError(`the connection to ${this.#peerName()} broke: ${messageOf(error)}`, {
            ...this.#context(),
            cause: error,
          });
    // Only what we throw by ourselves is an error; a thrown non-error is rethrown as it came.
    this.destroy(failure);
    return failure;
  }

  #closedError(): Error {
    const cause = this.#failure;
    const why = cause === undefined || cause instanceof ClosedError ? '' : `: ${messageOf(cause)}`;
    return new ClosedError(`the connection to ${this.#peerName()} is closed${why}`, { ...this.#context(), cause });
  }

  #peerName(): string {
    const where = this.port === 0 ? this.host : formatHostPort(this.host, this.port);
    return this.role === 'client' ? `${this.protocol} server ${where}` : `${this.protocol} client ${where}`;
  }

  #context(phase?: Phase): ErrorDetails {
    return {
      protocol: this.protocol,
      host: this.host,
      port: this.port,
      phase,
      transcript: this.transcript.last(),
    };
  }

  #watch(transport: Transport): void {
    void transport.closed.then((error) => {
      // A transport that was wrapped or upgraded is not the connection's end.
      if (transport !== this.#transport) return;
      this.#poll();
      this.#peerGone = true;
      if (error === undefined || error === this.#failure)
        this.#end({ by: this.#failure === undefined ? 'peer' : 'us' });
      else this.#end({ by: 'error', error: this.#failure ?? error });
    });
  }

  #end(reason: CloseReason): void {
    this.#deadline.clear();
    this.#writeDeadline.clear();
    clearTimeout(this.#total);
    this.#interrupt?.(this.#failure ?? this.#closedError());
    this.#settleClosed(reason);
  }
}

const ignore = (): void => {};

/** UsageError unless the timeout is a positive number and the signal a signal. */
export function checkCall(call: CallOptions): void {
  const { timeoutMs } = call;
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0)) {
    throw new UsageError(`timeoutMs must be a positive number of milliseconds; got ${JSON.stringify(timeoutMs)}`);
  }
  checkSignal(call.signal);
}

export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined && typeof signal?.addEventListener !== 'function')
    throw new UsageError('signal must be an AbortSignal');
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string';
}
