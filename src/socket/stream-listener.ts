import { type ListenOptions as NodeListenOptions, type Server, type Socket, createServer } from 'node:net';
import { ClosedError, UsageError } from '../errors.ts';
import { wholeNumber } from '../wire/limits.ts';
import type { CallOptions } from './connection.ts';
import type { SocketAddress } from './socket-address.ts';
import { systemError } from './system-error.ts';
import { resetSocket } from './transport.ts';
import { WaitMode } from './wait.ts';

/** What Node asks of the system when it is not told. */
const BACKLOG = 511;

interface Waiter {
  readonly resolve: (socket: Socket) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A listening socket that hands out connections one by one. Node takes connections from the system at once: those that nobody has accepted
 * wait here, unread, up to the backlog; further ones are reset, where the system would have refused them.
 */
export class StreamListener<Accepted> implements AsyncDisposable {
  readonly #waits = new WaitMode();
  readonly #wrap: (socket: Socket) => Accepted;
  readonly #ready: Socket[] = [];
  readonly #waiters: Waiter[] = [];
  #server: Server | undefined;
  #backlog = BACKLOG;
  #failure: Error | undefined;
  #closed = false;

  protected constructor(wrap: (socket: Socket) => Accepted) {
    this.#wrap = wrap;
  }

  protected async open(where: NodeListenOptions, shown: string, backlog: number = BACKLOG): Promise<void> {
    if (this.#closed) throw this.#closedError();
    if (this.#server !== undefined) throw new UsageError('the listener listens already');
    this.#backlog = wholeNumber('backlog', backlog);
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.on('connection', this.#onConnection);
    this.#server = server;
    try {
      await listenOn(server, { ...where, backlog: Math.max(1, backlog) });
    } catch (error) {
      this.#server = undefined;
      throw systemError(`cannot listen on ${shown}`, error, { phase: 'listen' });
    }
    server.on('error', (error) => this.#fail(systemError(`cannot accept on ${shown}`, error, { phase: 'listen' })));
  }

  /** Where it listens; a Unix socket's is its path. */
  protected name(): SocketAddress | string {
    const address = this.#server?.address() ?? undefined;
    if (address === undefined) throw new UsageError('the listener does not listen', { hint: 'call listen first' });
    if (typeof address === 'string') return address;
    return { host: address.address, port: address.port, family: address.family === 'IPv6' ? 6 : 4 };
  }

  get listening(): boolean {
    return this.#server?.listening === true;
  }

  /** The next connection. Rejects with TimeoutError where it may not wait longer; the listener goes on. */
  accept(call?: CallOptions): Promise<Accepted> {
    const accepted = this.tryAccept();
    if (accepted !== undefined) return Promise.resolve(accepted);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(this.#closedError());
    if (this.#server === undefined)
      return Promise.reject(new UsageError('the listener does not listen', { hint: 'call listen first' }));
    let waiter!: Waiter;
    const promise = new Promise<Socket>((resolve, reject) => {
      waiter = { resolve, reject };
      this.#waiters.push(waiter);
    });
    const waited = this.#waits.wait(promise, 'accepting', call);
    if (waited === promise) return promise.then(this.#wrap);
    return waited.then(this.#wrap, (error: unknown) => {
      // Given up: the next connection is not for this call.
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
      else void promise.then((socket) => this.#onConnection(socket), ignore);
      throw error;
    });
  }

  /** A connection that waits, or undefined. */
  tryAccept(): Accepted | undefined {
    for (let socket = this.#ready.shift(); socket !== undefined; socket = this.#ready.shift()) {
      socket.off('error', ignore);
      return this.#wrap(socket);
    }
    return undefined;
  }

  setTimeout(seconds: number | null): void {
    this.#waits.set(seconds);
  }

  getTimeout(): number | null {
    return this.#waits.seconds;
  }

  /** Connection after connection, until `close`. */
  async *[Symbol.asyncIterator](): AsyncIterator<Accepted> {
    while (!this.#closed) {
      try {
        yield await this.accept();
      } catch (error) {
        if (this.#closed) return;
        throw error;
      }
    }
  }

  ref(): void {
    this.#server?.ref();
  }

  unref(): void {
    this.#server?.unref();
  }

  /** Stops listening. Accepted connections go on; those that wait are closed. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#fail(this.#closedError());
    for (const socket of this.#ready.splice(0)) socket.destroy();
    const server = this.#server;
    // Not until its connections are closed would Node say that it is: the port is free at once.
    if (server?.listening === true) server.close();
    await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #onConnection = (socket: Socket): void => {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve(socket);
      return;
    }
    socket.on('error', ignore);
    if (this.#closed || this.#ready.length >= this.#backlog) resetSocket(socket);
    else this.#ready.push(socket);
  };

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #closedError(): ClosedError {
    return new ClosedError('the listener is closed', { reason: 'EBADF', temporary: false });
  }
}

/** Resolves when the server listens; rejects with the system's error. */
export function listenOn(server: Server, where: NodeListenOptions | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

const ignore = (): void => {};
