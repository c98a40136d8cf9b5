import { type Socket, createSocket } from 'node:dgram';
import { lookup as systemLookup } from 'node:dns';
import { isIP, isIPv4 } from 'node:net';
import { ClosedError, LimitError, UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { encodeText } from '../wire/bytes.ts';
import { wholeNumber } from '../wire/limits.ts';
import { formatHostPort, isLoopback } from './address.ts';
import { type CallOptions, checkCall } from './connection.ts';
import { type HostPort, type SocketAddress, parseHostPort, socketAddress } from './socket-address.ts';
import { count, flag, unsupported } from './socket-options.ts';
import { systemError } from './system-error.ts';
import { WaitMode } from './wait.ts';

/** A message that came, and from whom. */
export interface Datagram {
  readonly data: Uint8Array;
  readonly address: SocketAddress;
  /** True when it was longer than what `recvFrom` was to take: the rest is lost. */
  readonly truncated: boolean;
}

export interface UdpSocketOptions {
  /** Default 4. One of family 6 reaches IPv4 too, unless `ipv6Only`. */
  readonly family?: 4 | 6 | undefined;
  readonly ipv6Only?: boolean | undefined;
  /** Several sockets may have the same address, for multicast (SO_REUSEADDR). */
  readonly reuseAddress?: boolean | undefined;
  /** Bytes that wait to be received; what comes beyond is dropped and counted, as the system does. Default 4 MiB. */
  readonly maxQueuedBytes?: number | undefined;
}

/** What a datagram counts beside its bytes: many empty ones take memory too. */
const OVERHEAD_BYTES = 64;
/** IPv4's longest; a longer one cannot leave. */
const MAX_DATAGRAM = 65_507;

/**
 * A UDP socket: `bind` and `recvFrom` to serve, `sendTo` to send, or `connect`, `send` and `recv` with one peer.
 *
 *     const server = await UdpSocket.bind({ port: 8000 });
 *     const { data, address } = await server.recvFrom();
 *     await server.sendTo(data, address);
 */
export class UdpSocket implements AsyncDisposable {
  readonly #waits = new WaitMode();
  readonly #given: UdpSocketOptions;
  readonly #maxQueued: number;
  readonly #options = new Map<string, unknown>();
  readonly #queue: Datagram[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  #waiter: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #socket: Socket | undefined;
  #binding: Promise<Socket> | undefined;
  #peer: SocketAddress | undefined;
  /** An error that came by itself (the answer of a peer that does not listen): the next call gets it. */
  #failure: Error | undefined;
  #closed = false;

  constructor(options: UdpSocketOptions = {}) {
    checkOptions('UdpSocket', options, ['family', 'ipv6Only', 'reuseAddress', 'maxQueuedBytes']);
    if (options.family !== undefined && options.family !== 4 && options.family !== 6)
      throw new UsageError(`family must be 4 or 6; got ${JSON.stringify(options.family)}`);
    this.#given = options;
    this.#maxQueued = wholeNumber('maxQueuedBytes', options.maxQueuedBytes ?? 4 * 1024 * 1024);
  }

  /** A new socket, bound; its family goes by the address. */
  static async bind(address: HostPort, options: UdpSocketOptions = {}): Promise<UdpSocket> {
    const { host } = parseHostPort(address);
    const socket = new UdpSocket(isIP(host) === 6 ? { family: 6, ...options } : options);
    await socket.bind(address);
    return socket;
  }

  /** A new socket, connected to a peer: it only hears that one. */
  static async connect(address: HostPort, options: UdpSocketOptions = {}): Promise<UdpSocket> {
    const { host } = parseHostPort(address);
    const socket = new UdpSocket(isIP(host) === 6 ? { family: 6, ...options } : options);
    await socket.connect(address);
    return socket;
  }

  /** Datagrams that were dropped because nobody received them in time. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The Node socket, for what has no method here; undefined before it is bound. */
  get node(): Socket | undefined {
    return this.#socket;
  }

  /** Takes an address; without a host 127.0.0.1 (::1), and port 0 lets the system choose. ConnectError with EADDRINUSE and its like. */
  async bind(address: HostPort = {}): Promise<void> {
    if (this.#binding !== undefined) throw new UsageError('the socket is bound already', { reason: 'EINVAL' });
    const { host, port } = parseHostPort(address, this.#family === 6 ? '::1' : '127.0.0.1');
    await this.#bound({ address: host, port }, formatHostPort(host, port));
    if (!isLoopback(this.getSockName().host) && isIP(host) !== 0)
      process.emitWarning(`receiving on ${formatHostPort(host, this.getSockName().port)}: other machines can reach it`);
  }

  /** Takes over a bound socket that this process was started with. */
  async bindFd(fd: number): Promise<void> {
    if (this.#binding !== undefined) throw new UsageError('the socket is bound already', { reason: 'EINVAL' });
    await this.#bound({ fd }, `descriptor ${fd}`);
  }

  /** From now on `send` goes there, and nothing is heard from anybody else. Nothing is sent. */
  async connect(address: HostPort): Promise<void> {
    const { host, port } = parseHostPort(address);
    const socket = await this.#ready();
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void => reject(systemError(`cannot connect to ${host}`, error, { host, port }));
      socket.once('error', onError);
      socket.connect(port, this.#reachable(host), () => {
        socket.off('error', onError);
        resolve();
      });
    });
    const remote = socket.remoteAddress();
    this.#peer = socketAddress(remote.address, remote.port);
  }

  /** Undoes `connect`. */
  disconnect(): void {
    if (this.#peer === undefined) throw new UsageError('the socket is not connected', { reason: 'ENOTCONN' });
    this.#socket?.disconnect();
    this.#peer = undefined;
  }

  /** Sends one datagram, a string as UTF-8; resolves when the system has taken it. LimitError for one that is too long. */
  sendTo(data: Uint8Array | string, address: HostPort, call?: CallOptions): Promise<void> {
    try {
      const { host, port } = parseHostPort(address);
      if (port === 0) throw new UsageError('a datagram cannot be sent to port 0');
      if (this.#peer !== undefined) throw new UsageError('the socket is connected: use send', { reason: 'EISCONN' });
      return this.#send(data, call, host, port);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Sends one datagram to the connected peer. */
  send(data: Uint8Array | string, call?: CallOptions): Promise<void> {
    if (this.#peer === undefined && !this.#closed)
      return Promise.reject(new UsageError('the socket is not connected', { reason: 'ENOTCONN', hint: 'use sendTo' }));
    return this.#send(data, call);
  }

  /** The next datagram, cut to `maxBytes`. TimeoutError where it may not wait longer. */
  async recvFrom(maxBytes: number = Number.POSITIVE_INFINITY, call?: CallOptions): Promise<Datagram> {
    if (this.#socket === undefined) await this.#ready();
    for (;;) {
      const datagram = this.tryRecvFrom(maxBytes);
      if (datagram !== undefined) return datagram;
      this.#waiter ??= newWaiter();
      if (call === undefined && this.#waits.seconds === null) await this.#waiter.promise;
      else await this.#waits.wait(this.#waiter.promise, 'receiving a datagram', call);
    }
  }

  /** The next datagram's data, cut to `maxBytes`. */
  async recv(maxBytes?: number, call?: CallOptions): Promise<Uint8Array> {
    return (await this.recvFrom(maxBytes, call)).data;
  }

  /** A datagram that has come, or undefined. */
  tryRecvFrom(maxBytes: number = Number.POSITIVE_INFINITY): Datagram | undefined {
    wholeNumber('maxBytes', maxBytes);
    const datagram = this.#queue.shift();
    if (datagram === undefined) {
      this.#check();
      return undefined;
    }
    this.#queuedBytes -= datagram.data.length + OVERHEAD_BYTES;
    return datagram.data.length <= maxBytes
      ? datagram
      : { data: datagram.data.subarray(0, maxBytes), address: datagram.address, truncated: true };
  }

  /** Datagram after datagram, until `close`. */
  async *[Symbol.asyncIterator](): AsyncIterator<Datagram> {
    while (!this.#closed) {
      try {
        yield await this.recvFrom();
      } catch (error) {
        if (this.#closed) return;
        throw error;
      }
    }
  }

  /** Datagrams to a broadcast address may leave. */
  setBroadcast(on: boolean): void {
    this.setSockOpt('SO_BROADCAST', on);
  }

  /** Hears what is sent to a multicast group, on one interface (its address) or the one that the system chooses. The socket must be bound. */
  joinGroup(group: string, interfaceAddress?: string): void {
    this.#option('IP_ADD_MEMBERSHIP', { group, interfaceAddress });
  }

  leaveGroup(group: string, interfaceAddress?: string): void {
    this.#option('IP_DROP_MEMBERSHIP', { group, interfaceAddress });
  }

  /**
   * Sets an option by its name: SO_BROADCAST, SO_REUSEADDR (before `bind`), SO_RCVBUF, SO_SNDBUF, IP_TTL, IP_MULTICAST_TTL, IP_MULTICAST_LOOP,
   * IP_MULTICAST_IF, and their IPV6_ forms. Before `bind` it is kept for then. UnsupportedError for those that Node cannot set.
   */
  setSockOpt(name: string, value: unknown): void {
    const known = options[plainName(name)];
    if (known === undefined) throw unsupported(name, value);
    if (name === 'SO_REUSEADDR' && this.#binding !== undefined)
      throw new UsageError('SO_REUSEADDR must be set before the socket is bound');
    if (this.#socket === undefined) known(undefined, name, value);
    else this.#option(name, value);
    this.#options.set(name, value);
  }

  /** The system's value where Node can tell (SO_RCVBUF, SO_SNDBUF), else what `setSockOpt` set. */
  getSockOpt(name: string): unknown {
    if (name === 'SO_RCVBUF' && this.#socket !== undefined) return this.#socket.getRecvBufferSize();
    if (name === 'SO_SNDBUF' && this.#socket !== undefined) return this.#socket.getSendBufferSize();
    return this.#options.get(name);
  }

  /** null: calls wait for ever (the default); 0: they never wait; else how many seconds they wait. */
  setTimeout(seconds: number | null): void {
    this.#waits.set(seconds);
  }

  getTimeout(): number | null {
    return this.#waits.seconds;
  }

  getSockName(): SocketAddress {
    if (this.#socket === undefined) throw new UsageError('the socket has no address yet', { hint: 'bind it' });
    const { address, port } = this.#socket.address();
    return socketAddress(address, port);
  }

  getPeerName(): SocketAddress {
    if (this.#peer === undefined) throw new UsageError('the socket is not connected', { reason: 'ENOTCONN' });
    return this.#peer;
  }

  ref(): void {
    this.#socket?.ref();
  }

  unref(): void {
    this.#socket?.unref();
  }

  /** Closes it; pending calls reject with ClosedError. May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    const socket = this.#socket;
    this.#queue.length = 0;
    if (socket === undefined) return;
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #family(): 4 | 6 {
    return this.#given.family ?? 4;
  }

  #check(): void {
    if (this.#closed) throw new ClosedError('the socket is closed', { reason: 'EBADF', temporary: false });
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw systemError('cannot receive datagrams', failure, { phase: 'recv' });
  }

  /** One that was sent from before it was bound is bound by that, to all addresses, as the system does. */
  #ready(): Promise<Socket> {
    return this.#binding ?? this.#bound({ port: 0 }, 'any port');
  }

  #bound(where: { address?: string; port?: number; fd?: number }, shown: string): Promise<Socket> {
    const binding = this.#open(where, shown);
    this.#binding = binding;
    binding.catch(() => (this.#binding = undefined));
    return binding;
  }

  async #open(where: { address?: string; port?: number; fd?: number }, shown: string): Promise<Socket> {
    this.#check();
    const six = this.#family === 6;
    const socket = createSocket({
      type: six ? 'udp6' : 'udp4',
      reuseAddr: this.#given.reuseAddress === true || this.#options.get('SO_REUSEADDR') !== undefined,
      ipv6Only: this.#given.ipv6Only === true,
      lookup: (host, lookupOptions, done) => {
        // Node's own lookup takes a turn of the event loop for an address, too.
        const family = isIP(host);
        if (family === 0) systemLookup(host, { ...lookupOptions, family: six ? 6 : 4 }, done as never);
        else done(null, host, family);
      },
    });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind(where, () => {
          socket.off('error', reject);
          resolve();
        });
      });
      socket.on('error', (error) => {
        this.#failure = error;
        this.#wake();
      });
      socket.on('message', this.#onMessage);
      for (const [name, value] of this.#options) options[plainName(name)]?.(socket, name, value);
    } catch (error) {
      socket.close();
      throw systemError(`cannot bind to ${shown}`, error, { phase: 'bind' });
    }
    this.#socket = socket;
    if (this.#closed) {
      socket.close();
      this.#check();
    }
    return socket;
  }

  #option(name: string, value: unknown): void {
    this.#check();
    if (this.#socket === undefined) throw new UsageError('the socket must be bound first');
    try {
      options[plainName(name)]?.(this.#socket, name, value);
    } catch (error) {
      throw systemError(`cannot set ${name}`, error);
    }
  }

  /** An IPv4 address in the form that a socket of family 6 reaches it by. */
  #reachable(host: string): string {
    return this.#family === 6 && isIPv4(host) ? `::ffff:${host}` : host;
  }

  #send(data: Uint8Array | string, call: CallOptions | undefined, host?: string, port?: number): Promise<void> {
    const bytes = typeof data === 'string' ? encodeText(data) : data;
    if (!(bytes instanceof Uint8Array)) throw new UsageError(`data must be bytes or text; got ${typeof data}`);
    if (bytes.length > MAX_DATAGRAM)
      throw new LimitError(`a datagram holds at most ${MAX_DATAGRAM} bytes; got ${bytes.length}`, {
        reason: 'EMSGSIZE',
        reusable: true,
      });
    if (call !== undefined) checkCall(call);
    const socket = this.#socket;
    const sent =
      socket === undefined
        ? this.#ready().then((bound) => this.#sendOn(bound, bytes, host, port))
        : this.#sendOn(socket, bytes, host, port);
    return call === undefined ? sent : this.#waits.wait(sent, 'sending a datagram', call);
  }

  #sendOn(socket: Socket, bytes: Uint8Array, host: string | undefined, port: number | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null): void => {
        if (error === null || error === undefined) resolve();
        else {
          const to = host === undefined ? 'the peer' : formatHostPort(host, port ?? 0);
          reject(systemError(`cannot send a datagram to ${to}`, error, { host, port, phase: 'send' }));
        }
      };
      if (this.#closed) this.#check();
      if (host === undefined || port === undefined) socket.send(bytes, done);
      else socket.send(bytes, port, this.#reachable(host), done);
    });
  }

  readonly #onMessage = (
    data: Uint8Array,
    from: { readonly address: string; readonly port: number; readonly family: string },
  ): void => {
    const size = data.length + OVERHEAD_BYTES;
    if (this.#queuedBytes + size > this.#maxQueued) {
      this.#dropped++;
      return;
    }
    this.#queuedBytes += size;
    this.#queue.push({
      data,
      address: { host: from.address, port: from.port, family: from.family === 'IPv6' ? 6 : 4 },
      truncated: false,
    });
    this.#wake();
  };

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.resolve();
  }
}

function newWaiter(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((onResolve) => (resolve = onResolve));
  return { promise, resolve };
}

/** IPV6_MULTICAST_HOPS and its like are the same calls of Node's. */
const plainName = (name: string): string =>
  name
    .replace('IPV6_MULTICAST_HOPS', 'IP_MULTICAST_TTL')
    .replace('IPV6_UNICAST_HOPS', 'IP_TTL')
    .replace('IPV6_JOIN_GROUP', 'IP_ADD_MEMBERSHIP')
    .replace('IPV6_LEAVE_GROUP', 'IP_DROP_MEMBERSHIP')
    .replace('IPV6_', 'IP_');

const options: Readonly<Record<string, (socket: Socket | undefined, name: string, value: unknown) => void>> = {
  SO_REUSEADDR: (_socket, name, value) => void flag(name, value),
  SO_BROADCAST: (socket, name, value) => socket?.setBroadcast(flag(name, value)),
  SO_RCVBUF: (socket, name, value) => socket?.setRecvBufferSize(count(name, value)),
  SO_SNDBUF: (socket, name, value) => socket?.setSendBufferSize(count(name, value)),
  IP_TTL: (socket, name, value) => void socket?.setTTL(count(name, value)),
  IP_MULTICAST_TTL: (socket, name, value) => void socket?.setMulticastTTL(count(name, value)),
  IP_MULTICAST_LOOP: (socket, name, value) => void socket?.setMulticastLoopback(flag(name, value)),
  IP_MULTICAST_IF: (socket, name, value) => socket?.setMulticastInterface(address(name, value)),
  IP_ADD_MEMBERSHIP: (socket, name, value) => {
    const { group, interfaceAddress } = membership(name, value);
    socket?.addMembership(group, interfaceAddress);
  },
  IP_DROP_MEMBERSHIP: (socket, name, value) => {
    const { group, interfaceAddress } = membership(name, value);
    socket?.dropMembership(group, interfaceAddress);
  },
};

function membership(name: string, value: unknown): { group: string; interfaceAddress: string | undefined } {
  const { group, interfaceAddress } = (typeof value === 'string' ? { group: value } : (value ?? {})) as {
    group?: unknown;
    interfaceAddress?: string | undefined;
  };
  return { group: address(name, group), interfaceAddress };
}

function address(name: string, value: unknown): string {
  if (typeof value === 'string' && isIP(value.replace(/%.*$/, '')) !== 0) return value;
  throw new UsageError(`${name} must be an IP address; got ${JSON.stringify(value)}`);
}
