import { randomBytes } from 'node:crypto';
import { isIPv6, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TimeoutError, UsageError } from '../../errors.ts';
import type { Limits } from '../../wire/limits.ts';
import { Connection } from '../connection.ts';
import { type TimeoutOptions, formatMs, resolveTimeouts, timerMs } from '../deadlines.ts';
import { duplexPair } from '../memory.ts';
import type { SocketAddress } from '../socket-address.ts';
import { socketAddress } from '../socket-address.ts';
import { type ServerTlsOptions, acceptTls } from '../tls.ts';
import type { Trace } from '../transcript.ts';
import { StreamTransport } from '../transport.ts';
import { type MeterOptions, meter } from './metered-transport.ts';
import { type ProxyHeader, readProxyHeader } from './proxy-header.ts';
import { StreamClient } from './stream-client.ts';

/** A handler of its own for each client: made, set up, run, and finished whatever happens. */
export interface StreamHandlerObject {
  setup?(): void | Promise<void>;
  handle(): void | Promise<void>;
  finish?(): void | Promise<void>;
}

/** Serves one client: a function, or a class that is made for each. The connection is closed when it is done. */
export type StreamHandler =
  ((client: StreamClient) => void | Promise<void>) | (new (client: StreamClient) => StreamHandlerObject);

/** What one connection is served with, wherever that runs. */
export interface StreamSettings extends MeterOptions {
  /** In messages and the transcript. Default 'TCP'. */
  readonly name?: string | undefined;
  /** TLS from the first byte. */
  readonly tls?: ServerTlsOptions | undefined;
  /** The certificate for `client.startTls()`. */
  readonly startTls?: ServerTlsOptions | undefined;
  readonly timeouts?: TimeoutOptions | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Clients come through a proxy that sends a PROXY header, version 1 or 2. Without one they are refused. */
  readonly proxyProtocol?: boolean | undefined;
  readonly trace?: Trace | undefined;
  readonly showReceived?: ((line: string) => string) | undefined;
}

export interface StreamHooks {
  /** Aborts when the server drains. */
  readonly draining: AbortSignal;
  /** Called, each, when everything is to end now. A set, and no signal that all listen to: leaving it costs the same for ten thousand. */
  readonly closers: Set<(reason: Error) => void>;
  readonly onOpen?: ((connection: Connection) => void) | undefined;
  /** Told who the client is, behind a proxy too. False refuses it. */
  readonly admit?: ((address: SocketAddress | string) => boolean | Promise<boolean>) | undefined;
}

/** Serves one stream that nobody has read: PROXY header, TLS, handler. Rejects with what went wrong; the stream is closed either way. */
export async function serveStream(
  stream: Duplex,
  handler: StreamHandler,
  settings: StreamSettings,
  peer: SocketAddress | string,
  hooks: StreamHooks,
): Promise<void> {
  const timeouts = resolveTimeouts(settings.timeouts);
  let connection: Connection | undefined;
  let address = peer;
  let proxy: ProxyHeader | undefined;
  stream.on('error', ignore);
  let closed: Error | undefined;
  let begun: AbortController | undefined;
  /** Only what comes before the conversation needs one. */
  const closing = (): AbortController => (begun ??= new AbortController());
  const close = (reason: Error): void => {
    closed = reason;
    begun?.abort(reason);
    if (connection === undefined) stream.destroy();
    else connection.destroy(reason);
  };
  hooks.closers.add(close);
  try {
    if (settings.proxyProtocol === true) {
      proxy = await readProxyHeader(stream, timeouts.greetingMs, closing().signal);
      address = proxy.source ?? peer;
    }
    if (hooks.admit !== undefined && !(await hooks.admit(address))) return;
    if (closed !== undefined) throw closed;
    if (stream instanceof Socket) stream.setNoDelay(true);
    const transport =
      settings.tls === undefined
        ? new StreamTransport(stream)
        : await handshake(stream, settings.tls, timeouts.connectMs, closing());
    connection = new Connection(meter(transport, settings), {
      protocol: settings.name ?? 'TCP',
      role: 'server',
      host: typeof address === 'string' ? address.replace(/^\0/, '@') || 'peer' : address.host,
      port: typeof address === 'string' ? 0 : address.port,
      timeouts: settings.timeouts,
      limits: settings.limits,
      trace: settings.trace,
      showReceived: settings.showReceived,
    });
    hooks.onOpen?.(connection);
    await runHandler(handler, new StreamClient(connection, address, hooks.draining, settings.startTls, proxy));
    await connection.close();
  } finally {
    hooks.closers.delete(close);
    connection?.destroy();
    stream.destroy();
  }
}

/** With one ticket key for all its connections, a server's clients can resume their sessions: each handshake has a context of its own. */
export function withTicketKeys<Settings extends StreamSettings>(settings: Settings): Settings {
  const ticketKeys = randomBytes(48);
  return {
    ...settings,
    ...(settings.tls === undefined ? {} : { tls: { ticketKeys, ...settings.tls } }),
    ...(settings.startTls === undefined ? {} : { startTls: { ticketKeys, ...settings.startTls } }),
  };
}

async function runHandler(handler: StreamHandler, client: StreamClient): Promise<void> {
  if (!isClass(handler)) {
    await handler(client);
    return;
  }
  const served = new handler(client);
  await served.setup?.();
  try {
    await served.handle();
  } finally {
    await served.finish?.();
  }
}

/** A function that is no class has no `handle` on its prototype. */
export function isClass<Made extends { handle(...given: never[]): unknown }, Given extends unknown[]>(
  handler: ((...given: Given) => unknown) | (new (...given: Given) => Made),
): handler is new (...given: Given) => Made {
  if (typeof handler !== 'function') throw new UsageError('handler must be a function or a class with a handle method');
  return typeof (handler.prototype as { handle?: unknown } | undefined)?.handle === 'function';
}

async function handshake(
  stream: Duplex,
  tls: ServerTlsOptions,
  timeoutMs: number,
  closing: AbortController,
): Promise<StreamTransport> {
  const onExpire = (): void =>
    closing.abort(
      new TimeoutError(`a client did not finish the TLS handshake within ${formatMs(timeoutMs)}`, { phase: 'tls' }),
    );
  const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onExpire, timerMs(timeoutMs));
  try {
    return (await acceptTls(stream, tls, closing.signal)) as StreamTransport;
  } finally {
    clearTimeout(timer);
  }
}

/** Where a socket's peer is; Unix sockets give the path that was listened on. */
export function peerOf(socket: Socket, path: string | undefined): SocketAddress | string {
  if (path !== undefined || socket.remoteAddress === undefined) return path ?? '';
  const host = socket.remoteAddress;
  // An IPv4 client of an IPv6 listener is known by its own address.
  return socketAddress(isIPv6(host) ? host.replace(/^::ffff:(?=\d+\.)/i, '') : host, socket.remotePort ?? 0);
}

/**
 * Runs a handler over a pair of streams in memory, without a port, and gives the client's end of it. For tests, and for programs that talk
 * to themselves. What the handler throws goes to `onError`.
 */
export function serveInMemory(
  handler: StreamHandler,
  settings: StreamSettings & { readonly onError?: ((error: unknown) => void) | undefined } = {},
): Connection {
  const [near, far] = duplexPair();
  const never = new AbortController().signal;
  serveStream(far, handler, settings, 'memory', { draining: never, closers: new Set() }).catch((error: unknown) =>
    settings.onError?.(error),
  );
  return new Connection(new StreamTransport(near), {
    protocol: settings.name,
    host: 'memory',
    timeouts: settings.timeouts,
  });
}

const ignore = (): void => {};
