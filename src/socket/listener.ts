import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { ConnectError, UsageError, messageOf } from '../errors.ts';
import type { Limits } from '../wire/limits.ts';
import { formatHostPort, isLoopback } from './address.ts';
import { Connection } from './connection.ts';
import type { TimeoutOptions } from './deadlines.ts';
import { type ServerTlsOptions, serverOptions } from './tls.ts';
import type { Trace } from './transcript.ts';
import { StreamTransport } from './transport.ts';

export interface ListenOptions {
  /** Default 127.0.0.1. Anything but loopback must be asked for. */
  readonly host?: string | undefined;
  /** Default 0: the system picks a free one. */
  readonly port?: number | undefined;
  /** A Unix socket's path, instead of host and port. */
  readonly path?: string | undefined;
  readonly backlog?: number | undefined;
  /** TLS from the first byte. For STARTTLS, call `connection.startTls` in the handler. */
  readonly tls?: ServerTlsOptions | undefined;
  readonly protocol?: string | undefined;
  readonly timeouts?: TimeoutOptions | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly trace?: Trace | undefined;
  readonly showReceived?: ((line: string) => string) | undefined;
  /** Connections at once; further ones are closed at once. Default: no limit. */
  readonly maxConnections?: number | undefined;
  /** Sees what a handler throws, and failed handshakes. Nothing escapes to the process. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Serves one accepted connection. The connection is closed when the promise settles. */
export type ConnectionHandler = (connection: Connection) => Promise<void>;

/** A listening socket and the connections it accepted. */
export class Listener implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #handlers = new Set<Promise<void>>();
  readonly #sockets = new Set<Socket>();
  readonly #closed: Promise<void>;
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;

  constructor(server: Server, options: ListenOptions, handler: ConnectionHandler) {
    this.#server = server;
    const address = server.address();
    const bound: AddressInfo | undefined = typeof address === 'object' && address !== null ? address : undefined;
    this.host = bound?.address ?? 'localhost';
    this.port = bound?.port ?? 0;
    this.path = options.path;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', ignore);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      this.#accept(socket, options, handler),
    );
    server.on('tlsClientError', (error: Error) => options.onError?.(error));
    server.on('error', (error) => options.onError?.(error));
    this.#closed = new Promise((resolve) => server.once('close', resolve));
  }

  /** Connections being served. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  #accept(socket: Socket, options: ListenOptions, handler: ConnectionHandler): void {
    socket.setNoDelay(true);
    const connection = new Connection(new StreamTransport(socket), {
      protocol: options.protocol,
      role: 'server',
      host: socket.remoteAddress ?? options.path ?? 'peer',
      port: socket.remotePort ?? 0,
      timeouts: options.timeouts,
      limits: options.limits,
      trace: options.trace,
      showReceived: options.showReceived,
    });
    this.#connections.add(connection);
    const served = (async () => {
      try {
        await handler(connection);
        await connection.close();
      } catch (error) {
        connection.destroy();
        options.onError?.(error);
      } finally {
        this.#connections.delete(connection);
      }
    })();
    this.#handlers.add(served);
    void served.finally(() => this.#handlers.delete(served));
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  /** Takes no further connections; those that are there go on. */
  stopListening(): void {
    this.#server.close();
  }

  /** Stops listening, closes every connection, and resolves when all handlers have ended. May be called twice. */
  async close(): Promise<void> {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
    // Sockets still in a TLS handshake are no connection yet.
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([...this.#handlers, this.#closed]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Listens on TCP or a Unix socket and runs the handler for each connection. ConnectError when the address cannot be had. */
export async function listen(options: ListenOptions, handler: ConnectionHandler): Promise<Listener> {
  const host = options.host ?? '127.0.0.1';
  const port = options.port ?? 0;
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UsageError(`port must be 0 to 65535; got ${String(port)}`);
  const server = options.tls === undefined ? createServer() : createTlsServer(serverOptions(options.tls));
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const where = options.path ?? formatHostPort(host, port);
      const why =
        error.code === 'EADDRINUSE' ? 'it is in use' : error.code === 'EACCES' ? 'not permitted' : messageOf(error);
      reject(
        new ConnectError(`cannot listen on ${where}: ${why}`, { phase: 'listen', reason: error.code, cause: error }),
      );
    };
    server.once('error', onError);
    const where = options.path === undefined ? { host, port } : { path: options.path };
    server.listen({ ...where, ...(options.backlog === undefined ? {} : { backlog: options.backlog }) }, () => {
      server.off('error', onError);
      resolve();
    });
  });
  const listener = new Listener(server, options, handler);
  if (options.path === undefined && !isLoopback(listener.host)) {
    process.emitWarning(`listening on ${formatHostPort(listener.host, listener.port)}: other machines can reach it`);
  }
  return listener;
}

const ignore = (): void => {};
