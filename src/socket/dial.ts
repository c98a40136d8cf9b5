import { type Socket, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { ConnectError, ProtocolError, TimeoutError, UsageError, addContext, messageOf } from '../errors.ts';
import type { Limits } from '../wire/limits.ts';
import { resolveLimits } from '../wire/limits.ts';
import { type AddressBlock, addressFilter } from './address-filter.ts';
import { formatHostPort } from './address.ts';
import { Connection, checkSignal } from './connection.ts';
import { type TimeoutOptions, formatMs, resolveTimeouts, timerMs } from './deadlines.ts';
import { type Lookup, abortable, raceConnect } from './happy-eyeballs.ts';
import { type ProxySetting, openTunnel, resolveProxies } from './proxy.ts';
import type { ProxyDestination } from './socks.ts';
import { type TlsOptions, beginTls } from './tls.ts';
import type { Trace } from './transcript.ts';
import { connectBuffered } from './read-buffers.ts';
import { StreamTransport, type TlsSession } from './transport.ts';

/** What every client takes beside its own options. */
export interface DialOptions {
  readonly timeouts?: TimeoutOptions | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly trace?: Trace | undefined;
  /** Replaces the operating system's resolver. */
  readonly lookup?: Lookup | undefined;
  readonly family?: 4 | 6 | undefined;
  readonly localAddress?: string | undefined;
  /** Milliseconds of silence before TCP keep-alive probes begin; 0 switches them off. Default 60,000. */
  readonly keepAliveMs?: number | undefined;
  /**
   * Through one proxy, or several that lead to each other: `socks5://user:password@host`, `socks4a://`, `http://` (CONNECT), `https://`.
   * 'environment' for what ALL_PROXY and its like say. Names are looked up by the proxy, never here.
   */
  readonly proxy?: ProxySetting | undefined;
  /** TLS to an https:// proxy. */
  readonly proxyTls?: TlsOptions | undefined;
  /** Addresses that must not be connected to, checked once names are looked up: for hosts that somebody else chose. */
  readonly blockAddresses?: AddressBlock | undefined;
  /** Gives the stream to speak over, instead of a new socket. TLS is still begun where it is asked for. */
  readonly connect?:
    ((target: { host: string; port: number; signal: AbortSignal }) => Promise<Duplex> | Duplex) | undefined;
}

export const dialOptionNames = [
  'timeouts',
  'limits',
  'signal',
  'trace',
  'lookup',
  'family',
  'localAddress',
  'keepAliveMs',
  'proxy',
  'proxyTls',
  'blockAddresses',
  'connect',
] as const;

export interface DialTarget {
  /** In messages: 'SMTP'. */
  readonly protocol?: string | undefined;
  readonly host: string;
  readonly port: number;
  /** A Unix socket's path, instead of host and port. */
  readonly path?: string | undefined;
  /** True for TLS from the first byte. STARTTLS is the protocol's matter: `connection.startTls`. */
  readonly implicitTls?: boolean | undefined;
  readonly tls?: TlsOptions | undefined;
  /** With implicit TLS: a session of the same server to resume. */
  readonly resume?: TlsSession | undefined;
}

/**
 * Opens a connection: looks the name up, races the addresses, begins TLS where it is implicit. One deadline, `timeouts.connectMs`,
 * covers it all, and the greeting that the protocol reads next.
 *
 * Rejects with ConnectError (every address tried is named), TlsError, TimeoutError, or the signal's reason.
 */
export async function dial(target: DialTarget, options: DialOptions = {}): Promise<Connection> {
  const protocol = target.protocol ?? 'TCP';
  checkDialOptions(options);
  const timeouts = resolveTimeouts(options.timeouts);
  const limits = resolveLimits(options.limits);
  const peer = { protocol, host: target.host, port: target.port };
  const where = target.path ?? formatHostPort(target.host, target.port);
  const controller = new AbortController();
  let phase: 'connect' | 'tls' = 'connect';
  const timer =
    timeouts.connectMs === Number.POSITIVE_INFINITY
      ? undefined
      : setTimeout(() => {
          const blocked =
            phase === 'connect'
              ? 'the port may be blocked by a firewall or by your host; check it, or try another'
              : undefined;
          const what = phase === 'connect' ? 'connecting to' : 'the TLS handshake with';
          controller.abort(
            new TimeoutError(`gave up ${what} ${protocol} server ${where} after ${formatMs(timeouts.connectMs)}`, {
              ...peer,
              phase,
              hint: phase === 'tls' ? tlsHint(target.port) : blocked,
            }),
          );
        }, timerMs(timeouts.connectMs));
  const connectBy = performance.now() + timeouts.connectMs;
  const onAbort = (): void => controller.abort(options.signal?.reason);
  if (options.signal?.aborted === true) onAbort();
  else options.signal?.addEventListener('abort', onAbort);
  try {
    controller.signal.throwIfAborted();
    const { stream, early } = await openStream(target, options, limits.connectAttempts, controller.signal);
    if (controller.signal.aborted) {
      stream.destroy();
      throw controller.signal.reason;
    }
    if (early.length > 0 && target.implicitTls === true) {
      stream.destroy();
      throw new ProtocolError(`the proxy spoke before TLS to ${where} had begun`, { ...peer, reason: 'OUT_OF_STEP' });
    }
    phase = 'tls';
    const transport =
      target.implicitTls === true
        ? await beginTls(stream, peer, target.tls ?? {}, controller.signal, target.resume)
        : plainTransport(stream, early);
    const connection = new Connection(transport, { ...options, ...peer, timeouts, limits, role: 'client', connectBy });
    connection.transcript.note(
      `connected to ${where}${transport.tls ? ` with ${transport.tls.protocol} ${transport.tls.cipher}` : ''}`,
    );
    return connection;
  } catch (error) {
    throw addContext(error, peer);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

function checkDialOptions(options: DialOptions): void {
  const { family, keepAliveMs, localAddress, signal } = options;
  if (family !== undefined && family !== 4 && family !== 6)
    throw new UsageError(`family must be 4 or 6; got ${JSON.stringify(family)}`);
  if (keepAliveMs !== undefined && !(Number.isFinite(keepAliveMs) && keepAliveMs >= 0))
    throw new UsageError(`keepAliveMs must be 0 or more milliseconds; got ${String(keepAliveMs)}`);
  if (localAddress !== undefined && isIP(localAddress) === 0)
    throw new UsageError(`localAddress must be an IP address; got ${JSON.stringify(localAddress)}`);
  checkSignal(signal);
}

function plainTransport(stream: Duplex, early: readonly Uint8Array[]): StreamTransport {
  const transport = new StreamTransport(stream);
  transport.unread(early);
  return transport;
}

/** The stream, and what a proxy let through with its own last words. */
async function openStream(
  target: DialTarget,
  options: DialOptions,
  maxAttempts: number,
  signal: AbortSignal,
): Promise<{ readonly stream: Duplex; readonly early: readonly Uint8Array[] }> {
  const { host, port, path, protocol = 'TCP' } = target;
  if (options.connect !== undefined)
    return { stream: await givenStream(options.connect, { host, port, signal }), early: [] };
  const allows = options.blockAddresses === undefined ? undefined : addressFilter(options.blockAddresses);
  const connectTcp = async (to: ProxyDestination, name: string): Promise<Socket> => {
    const { lookup, family, localAddress } = options;
    return ready(
      await raceConnect({ ...to, protocol: name, lookup, family, localAddress, signal, maxAttempts, allows }),
      options,
    );
  };
  if (path !== undefined) return { stream: ready(await connectUnix(path, protocol, signal), options), early: [] };
  const proxies = resolveProxies(options.proxy, protocol, target);
  if (proxies.length === 0) return { stream: await connectTcp({ host, port }, protocol), early: [] };
  if (allows !== undefined)
    throw new UsageError('blockAddresses cannot be checked through a proxy: the proxy looks the name up');
  return openTunnel(proxies, target, {
    signal,
    tls: options.proxyTls ?? {},
    connect: ({ host: proxyHost, port: proxyPort }) => connectTcp({ host: proxyHost, port: proxyPort }, 'proxy'),
  });
}

async function givenStream(
  connect: NonNullable<DialOptions['connect']>,
  target: { host: string; port: number; signal: AbortSignal },
): Promise<Duplex> {
  const given = Promise.resolve(connect(target));
  // One that comes after we gave up is not left open.
  void given.then((late) => target.signal.aborted && late?.destroy?.()).catch(ignore);
  const stream = await abortable(given, target.signal);
  if (typeof stream?.pipe !== 'function' || typeof stream.write !== 'function')
    throw new UsageError('connect must give a duplex stream');
  return stream;
}

function ready(socket: Socket, options: DialOptions): Socket {
  socket.setNoDelay(true);
  const keepAliveMs = options.keepAliveMs ?? 60_000;
  if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs);
  return socket;
}

/** Connects to a Unix socket. A path that begins with NUL is an abstract name (Linux). */
function connectUnix(path: string, protocol: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectBuffered({ path });
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort);
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(socket);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      signal.removeEventListener('abort', onAbort);
      const why =
        error.code === 'ENOENT'
          ? 'no such file'
          : error.code === 'ECONNREFUSED'
            ? 'nothing listens there'
            : messageOf(error);
      reject(
        new ConnectError(`cannot connect to ${protocol} socket ${path}: ${why}`, {
          protocol,
          phase: 'connect',
          reason: error.code,
          cause: error,
        }),
      );
    });
  });
}

const ignore = (): void => {};

function tlsHint(port: number): string {
  return `the server on port ${port} does not answer TLS: it may speak plaintext first; try tls: 'starttls'`;
}
