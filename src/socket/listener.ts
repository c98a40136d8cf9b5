import { UsageError } from '../errors.ts';
import type { Limits } from '../wire/limits.ts';
import type { Connection } from './connection.ts';
import type { TimeoutOptions } from './deadlines.ts';
import { StreamServer } from './server/stream-server.ts';
import type { ServerTlsOptions } from './tls.ts';
import type { Trace } from './transcript.ts';

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
export type Listener = StreamServer;

/**
 * Listens on TCP or a Unix socket and runs the handler for each connection: `serve` as protocols use it. A client that ends its direction ends the
 * connection. ConnectError when the address cannot be had.
 */
export async function listen(options: ListenOptions, handler: ConnectionHandler): Promise<Listener> {
  const { host = '127.0.0.1', port = 0, path, protocol, ...rest } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UsageError(`port must be 0 to 65535; got ${String(port)}`);
  return StreamServer.listen(
    path === undefined ? { kind: 'host', host, port } : { kind: 'path', path },
    ({ connection }) => handler(connection),
    { ...rest, name: protocol, concurrency: Number.POSITIVE_INFINITY, allowHalfOpen: false },
  );
}
