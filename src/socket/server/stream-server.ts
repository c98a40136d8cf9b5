import { type Server, Socket, createServer } from 'node:net';
import { ClosedError, UsageError } from '../../errors.ts';
import { isLoopback, formatHostPort } from '../address.ts';
import type { Connection } from '../connection.ts';
import { notify } from '../notify.ts';
import type { SocketAddress } from '../socket-address.ts';
import { listenOn } from '../stream-listener.ts';
import { systemError } from '../system-error.ts';
import { Gate, type GateOptions } from './gate.ts';
import { JobQueue } from './job-queue.ts';
import { type StreamHandler, type StreamSettings, peerOf, serveStream, withTicketKeys } from './serve-stream.ts';
import { type ListeningPlace, formatPlace } from './server-address.ts';

/** Serves accepted sockets somewhere else: in threads, or in processes. */
export interface Runner {
  /** Resolves when the connection has ended, and the handler with it. Rejects with what went wrong. */
  run(socket: Socket, peer: SocketAddress | string): Promise<void>;
  /** Tells the handlers that the server drains. */
  drain(): void;
  /** Ends everything at once. */
  close(): Promise<void>;
}

export interface StreamServerOptions extends StreamSettings, GateOptions {
  /** Connections that wait in the system's queue. Default 511. */
  readonly backlog?: number | undefined;
  /** Handlers at once. Further connections wait, unread. */
  readonly concurrency: number;
  /** False: nothing is served but by `handleRequest`, until `start`. */
  readonly autoStart?: boolean | undefined;
  /** True: whoever ends its direction is answered still. False: that ends the connection. Default true. */
  readonly allowHalfOpen?: boolean | undefined;
  /** Says whether a client may be served, once it is known where it comes from. */
  readonly verifyRequest?: ((address: SocketAddress | string) => boolean | Promise<boolean>) | undefined;
  /** Sees what handlers throw, failed handshakes and refused clients. Nothing escapes to the process. */
  readonly onError?: ((error: unknown, address?: SocketAddress | string) => void) | undefined;
}

/** How a drained server ended. */
export interface DrainResult {
  /** Connections that ended by themselves, in time. */
  readonly finished: number;
  /** Connections that were closed at the deadline, or had not begun. */
  readonly aborted: number;
}

/** A server of TCP, TLS or Unix connections. */
export class StreamServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: StreamServerOptions;
  readonly #handler: StreamHandler;
  readonly #runner: Runner | undefined;
  readonly #gate: Gate;
  readonly #jobs: JobQueue<Socket>;
  readonly #connections = new Set<Connection>();
  readonly #closers = new Set<(reason: Error) => void>();
  readonly #draining = new AbortController();
  #started: boolean;
  #stopped = false;
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  /** Settles when the server has stopped and every handler has ended. Never rejects. */
  readonly closed: Promise<void>;
  #settleClosed!: () => void;

  private constructor(
    server: Server,
    place: ListeningPlace,
    handler: StreamHandler,
    options: StreamServerOptions,
    runner: Runner | undefined,
  ) {
    this.#server = server;
    this.#options = withTicketKeys(options);
    this.#handler = handler;
    this.#runner = runner;
    this.#gate = new Gate(options);
    this.#started = options.autoStart !== false;
    this.#jobs = new JobQueue(this.#started ? options.concurrency : 0, (socket) => this.#serve(socket));
    const bound = server.address();
    this.host = typeof bound === 'object' && bound !== null ? bound.address : 'localhost';
    this.port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    this.path = typeof bound === 'string' ? bound : place.kind === 'path' ? place.path : undefined;
    server.on('connection', (socket) => this.#accept(socket));
    server.on('error', (error) => this.#report(systemError('accepting failed', error)));
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve));
  }

  /** Listens. ConnectError, whose `reason` is EADDRINUSE, EACCES or EADDRNOTAVAIL, when the address cannot be had. */
  static async listen(
    place: ListeningPlace,
    handler: StreamHandler,
    options: StreamServerOptions,
    runner?: Runner,
  ): Promise<StreamServer> {
    const server = createServer({ allowHalfOpen: options.allowHalfOpen !== false, pauseOnConnect: true });
    const { kind, ...where } = place;
    try {
      await listenOn(server, options.backlog === undefined ? where : { ...where, backlog: options.backlog });
    } catch (error) {
      throw systemError(`cannot listen on ${formatPlace(place)}`, error, { phase: 'listen' });
    }
    const listening = new StreamServer(server, place, handler, options, runner);
    if (kind === 'host' && !isLoopback(listening.host)) {
      process.emitWarning(
        `listening on ${formatHostPort(listening.host, listening.port)}: other machines can reach it`,
      );
    }
    return listening;
  }

  /** Where it listens: a Unix socket's path, or host and port. */
  get address(): SocketAddress | string {
    return this.path ?? { host: this.host, port: this.port, family: this.host.includes(':') ? 6 : 4 };
  }

  /** Connections being served here; those of threads and processes are only counted. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /** Connections that are open: served, or waiting for their turn. */
  get connectionCount(): number {
    return this.#gate.count;
  }

  /** Serves from now on: for a server that was made with `autoStart: false`. */
  start(): void {
    this.#started = true;
    this.#jobs.limit = this.#options.concurrency;
  }

  /**
   * Serves one connection to its end: one that waits, or the next. TimeoutError when none comes in time, UsageError for a server that was
   * started.
   */
  async handleRequest(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    if (this.#started)
      throw new UsageError('the server serves every connection by itself', { hint: 'serve with autoStart: false' });
    await this.#jobs.one(options.timeoutMs ?? Number.POSITIVE_INFINITY);
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  /** Takes no further connections; those that are there go on. */
  stopListening(): void {
    this.#stopped = true;
    if (this.#server.listening) this.#server.close();
  }

  /**
   * Takes no further connections, tells the handlers (`client.draining`), waits for them up to the deadline, and closes what is left then.
   * Connections whose turn had not come are closed at once.
   */
  async drain(options: { readonly deadlineMs: number }): Promise<DrainResult> {
    const { deadlineMs } = options;
    if (!(deadlineMs >= 0))
      throw new UsageError(`deadlineMs must be 0 or more milliseconds; got ${String(deadlineMs)}`);
    const all = this.#gate.count;
    this.stopListening();
    this.#draining.abort(new ClosedError('the server stops'));
    this.#runner?.drain();
    const waiting = this.#jobs.clear();
    for (const socket of waiting) this.#drop(socket);
    await this.#jobs.idle(deadlineMs);
    const aborted = this.#jobs.running + waiting.length;
    await this.close();
    return { finished: all - aborted, aborted };
  }

  /**
   * Stops listening, closes every connection, and resolves when all handlers have ended, or half a second later: one that waits for
   * something else than its client cannot be ended from here. May be called twice.
   */
  async close(): Promise<void> {
    this.stopListening();
    for (const socket of this.#jobs.clear()) this.#drop(socket);
    for (const close of this.#closers) close(new ClosedError('the server was closed'));
    await this.#runner?.close();
    await this.#jobs.idle(END_MS);
    this.#settleClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(socket: Socket): void {
    socket.on('error', ignore);
    const host = socket.remoteAddress ?? '';
    const refused = this.#stopped ? new ClosedError('the server stops') : this.#gate.enter(host);
    if (refused !== undefined) {
      socket.destroy();
      this.#report(refused, peerOf(socket, this.path));
      return;
    }
    // Remembered: once it is closed the system no longer tells.
    peers.set(socket, host);
    this.#jobs.add(socket);
  }

  #drop(socket: Socket): void {
    this.#gate.leave(peers.get(socket) ?? '');
    socket.destroy();
  }

  async #serve(socket: Socket): Promise<void> {
    const peer = peerOf(socket, this.path);
    try {
      if (this.#runner === undefined) await this.#serveHere(socket, peer);
      else if (await this.#admits(peer)) await this.#runner.run(socket, peer);
    } catch (error) {
      this.#report(error, peer);
    } finally {
      this.#drop(socket);
    }
  }

  async #serveHere(socket: Socket, peer: SocketAddress | string): Promise<void> {
    let opened: Connection | undefined;
    try {
      await serveStream(socket, this.#handler, this.#options, peer, {
        draining: this.#draining.signal,
        closers: this.#closers,
        onOpen: (connection) => this.#connections.add((opened = connection)),
        admit: this.#options.verifyRequest === undefined ? undefined : (address) => this.#admits(address),
      });
    } finally {
      if (opened !== undefined) this.#connections.delete(opened);
    }
  }

  async #admits(address: SocketAddress | string): Promise<boolean> {
    return this.#options.verifyRequest === undefined || (await this.#options.verifyRequest(address)) === true;
  }

  #report(error: unknown, address?: SocketAddress | string): void {
    const { onError } = this.#options;
    if (onError !== undefined) notify('onError', (reported: unknown) => onError(reported, address), error);
  }
}

/** How long handlers may take to notice that their connection is closed. */
const END_MS = 500;

const peers = new WeakMap<Socket, string>();

const ignore = (): void => {};
