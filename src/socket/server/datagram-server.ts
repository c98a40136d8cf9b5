import { ClosedError, UsageError } from '../../errors.ts';
import { notify } from '../notify.ts';
import type { SocketAddress } from '../socket-address.ts';
import { type Datagram, UdpSocket } from '../udp.ts';
import { Gate, type GateOptions } from './gate.ts';
import { JobQueue } from './job-queue.ts';
import { isClass } from './serve-stream.ts';
import type { ListeningPlace } from './server-address.ts';
import type { DrainResult } from './stream-server.ts';

/** What a datagram handler serves. */
export interface DatagramRequest {
  readonly data: Uint8Array;
  readonly address: SocketAddress;
  /** The server's socket, for datagrams to others. */
  readonly socket: UdpSocket;
  /** Sends a datagram to the sender. */
  reply(data: Uint8Array | string): Promise<void>;
}

export interface DatagramHandlerObject {
  setup?(): void | Promise<void>;
  handle(): void | Promise<void>;
  finish?(): void | Promise<void>;
}

/** Serves one datagram: a function, or a class that is made for each. */
export type DatagramHandler =
  ((request: DatagramRequest) => void | Promise<void>) | (new (request: DatagramRequest) => DatagramHandlerObject);

export interface DatagramServerOptions extends GateOptions {
  /** Handlers at once. Further datagrams wait. */
  readonly concurrency: number;
  readonly autoStart?: boolean | undefined;
  /** Bytes of datagrams that wait; what comes beyond is dropped. Default 4 MiB. */
  readonly maxQueuedBytes?: number | undefined;
  readonly verifyRequest?: ((address: SocketAddress) => boolean | Promise<boolean>) | undefined;
  readonly onError?: ((error: unknown, address?: SocketAddress | string) => void) | undefined;
}

/** A server of datagrams. */
export class DatagramServer implements AsyncDisposable {
  readonly #handler: DatagramHandler;
  readonly #options: DatagramServerOptions;
  readonly #gate: Gate;
  readonly #jobs: JobQueue<Datagram>;
  #started: boolean;
  #pulling = false;
  readonly socket: UdpSocket;
  /** Settles when the server has stopped and every handler has ended. Never rejects. */
  readonly closed: Promise<void>;
  #settleClosed!: () => void;

  private constructor(socket: UdpSocket, handler: DatagramHandler, options: DatagramServerOptions) {
    this.socket = socket;
    this.#handler = handler;
    this.#options = options;
    this.#gate = new Gate(options);
    this.#started = options.autoStart !== false;
    this.#jobs = new JobQueue(options.concurrency, (datagram) => this.#serve(datagram));
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve));
    if (this.#started) void this.#pull();
  }

  static async bind(
    place: ListeningPlace,
    handler: DatagramHandler,
    options: DatagramServerOptions,
  ): Promise<DatagramServer> {
    const { maxQueuedBytes } = options;
    if (place.kind === 'path') throw new UsageError('a datagram server has a host and a port');
    let socket: UdpSocket;
    if (place.kind === 'fd') {
      socket = new UdpSocket({ maxQueuedBytes });
      await socket.bindFd(place.fd);
    } else {
      socket = await UdpSocket.bind(place, { maxQueuedBytes });
    }
    return new DatagramServer(socket, handler, options);
  }

  get host(): string {
    return this.socket.getSockName().host;
  }

  get port(): number {
    return this.socket.getSockName().port;
  }

  get address(): SocketAddress {
    return this.socket.getSockName();
  }

  /** Serves from now on: for a server that was made with `autoStart: false`. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#pull();
  }

  /** Serves one datagram: one that waits, or the next. TimeoutError when none comes in time, UsageError for a server that was started. */
  async handleRequest(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    if (this.#started)
      throw new UsageError('the server serves every datagram by itself', { hint: 'serve with autoStart: false' });
    const datagram = await this.socket.recvFrom(undefined, options);
    if (this.#admits(datagram)) await this.#jobs.run(datagram);
  }

  ref(): void {
    this.socket.ref();
  }

  unref(): void {
    this.socket.unref();
  }

  /** Takes no further datagrams, waits for the handlers up to the deadline, and closes: one that goes on can no longer reply. */
  async drain(options: { readonly deadlineMs: number }): Promise<DrainResult> {
    const { deadlineMs } = options;
    if (!(deadlineMs >= 0))
      throw new UsageError(`deadlineMs must be 0 or more milliseconds; got ${String(deadlineMs)}`);
    const all = this.#jobs.running;
    this.#started = false;
    await this.#jobs.idle(deadlineMs);
    const aborted = this.#jobs.running;
    await this.close();
    return { finished: all - aborted, aborted };
  }

  /** Stops at once. Handlers that go on can no longer reply, and are not waited for. May be called twice. */
  async close(): Promise<void> {
    this.#started = false;
    await this.socket.close();
    this.#settleClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Takes datagrams while there is room for their handlers; else they wait in the socket, which drops at its cap. */
  async #pull(): Promise<void> {
    if (this.#pulling) return;
    this.#pulling = true;
    while (this.#started) {
      try {
        if (this.#jobs.running >= this.#options.concurrency) await this.#jobs.room();
        const datagram = this.socket.tryRecvFrom() ?? (await this.socket.recvFrom());
        if (this.#started && this.#admits(datagram)) this.#jobs.add(datagram);
      } catch (error) {
        if (error instanceof ClosedError && error.reason === 'EBADF') break;
        this.#report(error);
      }
    }
    this.#pulling = false;
  }

  #admits({ address }: Datagram): boolean {
    const refused = this.#gate.enter(address.host);
    if (refused !== undefined) this.#report(refused, address);
    return refused === undefined;
  }

  async #serve(datagram: Datagram): Promise<void> {
    const { address, data } = datagram;
    const { socket } = this;
    try {
      if (this.#options.verifyRequest !== undefined && (await this.#options.verifyRequest(address)) !== true) return;
      const request: DatagramRequest = { data, address, socket, reply: (answer) => socket.sendTo(answer, address) };
      const handler = this.#handler;
      if (!isClass(handler)) {
        await handler(request);
        return;
      }
      const served = new handler(request);
      await served.setup?.();
      try {
        await served.handle();
      } finally {
        await served.finish?.();
      }
    } catch (error) {
      this.#report(error, address);
    } finally {
      this.#gate.leave(address.host);
    }
  }

  #report(error: unknown, address?: SocketAddress): void {
    const { onError } = this.#options;
    if (onError !== undefined) notify('onError', (reported: unknown) => onError(reported, address), error);
  }
}
