import { Socket, isIP } from 'node:net';
import { PostwireError, TimeoutError, UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { defaultLimits } from '../wire/limits.ts';
import { formatHostPort, isLoopback } from './address.ts';
import type { CallOptions } from './connection.ts';
import { type Lookup, raceConnect } from './happy-eyeballs.ts';
import { type HostPort, type SocketAddress, parseHostPort, socketAddress } from './socket-address.ts';
import { StreamListener } from './stream-listener.ts';
import { StreamSocket, connectOne } from './stream-socket.ts';
import { errorNumber, systemError } from './system-error.ts';

export interface TcpSocketOptions {
  /** 4 or 6 to use only that family. */
  readonly family?: 4 | 6 | undefined;
  /** Replaces the operating system's resolver. */
  readonly lookup?: Lookup | undefined;
}

interface Attempt {
  readonly connected: Promise<Socket>;
  giveUp(): void;
}

/**
 * A TCP socket: `connect`, then `recv` and `sendAll`.
 *
 *     const socket = await TcpSocket.connect({ host: '127.0.0.1', port: 8000 });
 *     await socket.sendAll('hello');
 *     console.log(Buffer.from(await socket.recv(1024)).toString());
 *     await socket.close();
 */
export class TcpSocket extends StreamSocket {
  readonly #given: TcpSocketOptions;
  #from: { readonly host: string; readonly port: number } | undefined;
  #local: SocketAddress | undefined;
  #remote: SocketAddress | undefined;
  #connecting = false;

  constructor(options: TcpSocketOptions = {}) {
    super();
    checkOptions('TcpSocket', options, ['family', 'lookup']);
    if (options.family !== undefined && options.family !== 4 && options.family !== 6)
      throw new UsageError(`family must be 4 or 6; got ${JSON.stringify(options.family)}`);
    this.#given = options;
  }

  /** A new socket, connected. Rejects as `connect` does. */
  static async connect(address: HostPort, options: TcpSocketOptions & CallOptions = {}): Promise<TcpSocket> {
    const { timeoutMs, signal, ...given } = options;
    const socket = new TcpSocket(given);
    await socket.connect(address, { timeoutMs, signal });
    return socket;
  }

  /** A connected socket of Node's that nobody has read from. */
  static from(socket: Socket): TcpSocket {
    const wrapped = new TcpSocket();
    wrapped.#adopted(socket);
    return wrapped;
  }

  /** A connected socket that this process was started with: 0 for a service of inetd. The descriptor is closed with it. */
  static fromFd(fd: number): TcpSocket {
    try {
      return TcpSocket.from(new Socket({ fd, readable: true, writable: true }));
    } catch (error) {
      throw new UsageError(`descriptor ${fd} is no stream socket`, { cause: error });
    }
  }

  /** The address that `connect` shall come from; port 0 lets the system choose. Whether it can be had shows when it connects. */
  bind(address: HostPort): void {
    this.#from = parseHostPort(address);
  }

  /**
   * Connects: looks the name up and races its addresses (RFC 8305). ConnectError, whose `reason` is the classic code (ECONNREFUSED,
   * ENOTFOUND, EHOSTUNREACH…), TimeoutError, or the signal's reason. It can be tried again.
   */
  async connect(address: HostPort, call: CallOptions = {}): Promise<void> {
    const { host, port } = parseHostPort(address);
    const where = formatHostPort(host, port);
    if (this.connected) throw new UsageError('the socket is connected already', { reason: 'EISCONN' });
    if (this.#connecting) throw new UsageError('the socket is being connected', { reason: 'EALREADY' });
    if (port === 0) throw new UsageError(`port 0 of ${host} cannot be connected to`);
    this.#connecting = true;
    let attempt: Attempt | undefined;
    try {
      attempt = this.#attempt(host, port);
      this.#adopted(await this.waits.wait(attempt.connected, `connecting to ${where}`, call));
    } catch (error) {
      attempt?.giveUp();
      // One that comes after we gave up is not left open.
      void attempt?.connected.then((late) => late.destroy()).catch(() => undefined);
      if (error instanceof PostwireError && error.reason === 'ETIMEDOUT' && !(error instanceof TimeoutError))
        throw new TimeoutError(error.message, { reason: 'ETIMEDOUT', host, port, phase: 'connect', cause: error });
      throw systemError(`cannot connect to ${where}`, error, { host, port, phase: 'connect' });
    } finally {
      this.#connecting = false;
    }
  }

  #attempt(host: string, port: number): Attempt {
    const { family, lookup } = this.#given;
    const from = this.#from === undefined ? {} : { localAddress: this.#from.host, localPort: this.#from.port };
    if (isIP(host) !== 0 && (family === undefined || family === isIP(host))) {
      const { socket, connected } = connectOne({ host, port, ...from });
      return { connected, giveUp: () => socket.destroy() };
    }
    const maxAttempts = defaultLimits.connectAttempts;
    const controller = new AbortController();
    const { signal } = controller;
    return {
      connected: raceConnect({ protocol: 'TCP', host, port, lookup, family, signal, maxAttempts, ...from }),
      giveUp: () => controller.abort(),
    };
  }

  /** As `connect`, but never rejects: 0, or the number of the error (111 for ECONNREFUSED on Linux; `errorCode` gives the name). */
  async connectEx(address: HostPort, call: CallOptions = {}): Promise<number> {
    try {
      await this.connect(address, call);
      return 0;
    } catch (error) {
      const reason = error instanceof PostwireError ? error.reason : undefined;
      return errorNumber(reason ?? '') || errorNumber(error instanceof UsageError ? 'EINVAL' : 'ECANCELED');
    }
  }

  /** This side's address. UsageError before the socket is connected or bound. */
  getSockName(): SocketAddress {
    const name =
      this.localName() ?? (this.#from === undefined ? undefined : socketAddress(this.#from.host, this.#from.port));
    if (name === undefined) throw new UsageError('the socket has no address yet', { hint: 'connect or bind it' });
    return name;
  }

  /** The peer's address; also after the connection has ended. UsageError before it was made. */
  getPeerName(): SocketAddress {
    const name = this.peerName();
    if (name === undefined) throw new UsageError('the socket is not connected', { reason: 'ENOTCONN' });
    return name;
  }

  protected override localName(): SocketAddress | undefined {
    return this.#local;
  }

  protected override peerName(): SocketAddress | undefined {
    return this.#remote;
  }

  #adopted(socket: Socket): void {
    // Small messages leave at once; Nagle's algorithm can be had back: setSockOpt('TCP_NODELAY', false).
    socket.setNoDelay(true);
    this.#remote = socketAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0);
    this.#local = socketAddress(socket.localAddress ?? '', socket.localPort ?? 0);
    this.adopt(socket);
  }
}

export interface TcpListenOptions {
  /** Connections that wait to be accepted. Default 511. */
  readonly backlog?: number | undefined;
  /** On '::', take IPv6 alone; else IPv4 clients come too, as ::ffff: addresses. */
  readonly ipv6Only?: boolean | undefined;
}

/**
 * A listening TCP socket.
 *
 *     const listener = new TcpListener();
 *     listener.bind({ host: '127.0.0.1', port: 8000 });
 *     await listener.listen(5);
 *     for await (const socket of listener) await socket.sendAll('hello');
 */
export class TcpListener extends StreamListener<TcpSocket> {
  #at: { readonly host: string; readonly port: number } = { host: '127.0.0.1', port: 0 };

  constructor() {
    super((socket) => TcpSocket.from(socket));
  }

  /** Bound and listening at once. */
  static async listen(address: HostPort, options: TcpListenOptions = {}): Promise<TcpListener> {
    checkOptions('TcpListener', options, ['backlog', 'ipv6Only']);
    const listener = new TcpListener();
    listener.bind(address);
    await listener.listen(options.backlog, options);
    return listener;
  }

  /** The address to listen on; without a host it is 127.0.0.1, and port 0 lets the system choose. The system is asked by `listen`. */
  bind(address: HostPort): void {
    if (this.listening) throw new UsageError('the listener listens already');
    this.#at = parseHostPort(address);
  }

  /** Listens. ConnectError with `reason` EADDRINUSE, EADDRNOTAVAIL or EACCES where the address cannot be had. */
  async listen(backlog?: number, options: Pick<TcpListenOptions, 'ipv6Only'> = {}): Promise<void> {
    const { host, port } = this.#at;
    await this.open({ host, port, ipv6Only: options.ipv6Only === true }, formatHostPort(host, port), backlog);
    if (!isLoopback(this.getSockName().host))
      process.emitWarning(`listening on ${formatHostPort(host, this.getSockName().port)}: other machines can reach it`);
  }

  getSockName(): SocketAddress {
    return this.name() as SocketAddress;
  }
}
