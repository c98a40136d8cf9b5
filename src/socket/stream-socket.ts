import { type Socket, type SocketConnectOpts, connect } from 'node:net';
import { ClosedError, UnsupportedError, UsageError } from '../errors.ts';
import { EMPTY, encodeText } from '../wire/bytes.ts';
import { wholeNumber } from '../wire/limits.ts';
import { type CallOptions, Connection, type ConnectionOptions } from './connection.ts';
import { type SocketAddress, formatPeer } from './socket-address.ts';
import { type SocketFileOptions, SocketFile } from './socket-file.ts';
import { streamOption } from './socket-options.ts';
import { systemError } from './system-error.ts';
import { DONE, StreamTransport, resetSocket } from './transport.ts';
import { WaitMode } from './wait.ts';

/** What `recv` takes at most when it is not told. */
const RECV_BYTES = 64 * 1024;
/** What `send` takes of longer data. */
const SEND_BYTES = 64 * 1024;
/** How long `close` waits for a peer that does not take what was sent. */
const CLOSE_MS = 1000;

export interface SendOptions extends CallOptions {
  /** Urgent data (MSG_OOB): UnsupportedError. */
  readonly outOfBand?: boolean | undefined;
}

/**
 * A connected stream socket, of TCP or Unix, with the calls that every tutorial knows. Calls wait as `setTimeout` says, or as the call's own
 * `timeoutMs` and `signal` do; one that was given up leaves the socket usable and loses nothing. Errors carry the classic code as `reason`.
 */
export class StreamSocket implements AsyncDisposable {
  readonly #waits = new WaitMode();
  readonly #options = new Map<string, unknown>();
  #socket: Socket | undefined;
  #transport: StreamTransport | undefined;
  /** What is left of a chunk of which `recv` took a part. */
  #rest: Uint8Array | undefined;
  /** The one read that is under way, whoever waits for it. */
  #filling: Promise<void> | undefined;
  #ended = false;
  #failure: Error | undefined;
  #closed = false;

  /** Takes over a connected socket of Node's that nobody reads. */
  protected adopt(socket: Socket): void {
    if (this.#closed) {
      socket.destroy();
      throw this.#closedError();
    }
    // Each direction ends by itself: a peer that has said all may still be answered.
    socket.allowHalfOpen = true;
    socket.on('error', (error) => (this.#failure ??= error));
    this.#socket = socket;
    this.#transport = new StreamTransport(socket);
    for (const [name, value] of this.#options) streamOption(socket, name, value);
  }

  get connected(): boolean {
    return this.#socket !== undefined && !this.#closed;
  }

  /** True once `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The Node socket, for what has no method here. Whoever reads from it takes bytes from `recv`. */
  get node(): Socket {
    return this.#open();
  }

  /**
   * Up to `maxBytes` bytes, as soon as there are any; none when the peer has ended its direction. Rejects with ClosedError after a reset,
   * TimeoutError where it may not wait longer.
   */
  recv(maxBytes: number = RECV_BYTES, call?: CallOptions): Promise<Uint8Array> {
    try {
      const ready = this.#take(maxBytes);
      return ready === undefined ? this.#recvLater(maxBytes, call) : Promise.resolve(ready);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `recv`, but only what is there: undefined rather than waiting. */
  tryRecv(maxBytes: number = RECV_BYTES): Uint8Array | undefined {
    return this.#take(maxBytes);
  }

  /** As `recv`, into memory of the caller's; resolves with the count, 0 at the end. */
  async recvInto(target: Uint8Array, call?: CallOptions): Promise<number> {
    if (!(target instanceof Uint8Array) || target.length === 0)
      throw new UsageError('recvInto needs a Uint8Array with room in it');
    const bytes = await this.recv(target.length, call);
    target.set(bytes);
    return bytes.length;
  }

  /** Exactly `byteCount` bytes. ClosedError when the peer ends before. What has come of them then is lost. */
  async recvExactly(byteCount: number, call?: CallOptions): Promise<Uint8Array> {
    const all = new Uint8Array(wholeNumber('byteCount', byteCount));
    for (let at = 0; at < byteCount;) {
      const bytes = await this.recv(byteCount - at, call);
      if (bytes.length === 0)
        throw new ClosedError(`${this.#peer()} ended after ${at} of ${byteCount} bytes`, { phase: 'recv' });
      all.set(bytes, at);
      at += bytes.length;
    }
    return all;
  }

  /**
   * Sends some of the data, a string as UTF-8, and resolves with how many bytes that was: at most 64 KiB. Use `sendAll` unless you count
   * them.
   */
  async send(data: Uint8Array | string, options?: SendOptions): Promise<number> {
    if (options?.outOfBand === true)
      throw new UnsupportedError('Node cannot send urgent data (MSG_OOB)', {
        hint: 'send a message of your protocol, or use a second connection',
      });
    const bytes = toBytes(data);
    const part = bytes.length > SEND_BYTES ? bytes.subarray(0, SEND_BYTES) : bytes;
    await this.sendAll(part, options);
    return part.length;
  }

  /**
   * Sends all of it, a string as UTF-8. Resolves when the system has taken it: the memory may be used again. When it is given up, by time or
   * signal, what the system has not taken is still sent.
   */
  sendAll(data: Uint8Array | string, call?: CallOptions): Promise<void> {
    let socket: Socket;
    try {
      socket = this.#open();
      if (this.#failure !== undefined) throw this.#failure;
      if (socket.writableEnded) throw Object.assign(new Error(), { code: 'EPIPE' });
      if (call?.signal?.aborted === true) throw call.signal.reason;
      socket.write(toBytes(data));
    } catch (error) {
      return Promise.reject(systemError(`cannot send to ${this.#peer()}`, error, { phase: 'send' }));
    }
    // The usual case: the system took it at once.
    if (socket.writableLength === 0) return DONE;
    return this.#waits.wait(this.#taken(socket), `sending to ${this.#peer()}`, call);
  }

  /** Ends one direction or both: 'write' sends the end to the peer, and `recv` goes on. */
  async shutdown(how: 'read' | 'write' | 'both'): Promise<void> {
    if (how !== 'read' && how !== 'write' && how !== 'both')
      throw new UsageError(`shutdown takes 'read', 'write' or 'both'; got ${JSON.stringify(how)}`);
    const socket = this.#open();
    if (how !== 'write') {
      if (this.#filling !== undefined) throw new UsageError('a recv is waiting for what shutdown would end');
      this.#ended = true;
      this.#rest = undefined;
      void discard(this.#transport as StreamTransport);
    }
    if (how !== 'read' && !socket.writableEnded)
      await this.#waits.wait(
        new Promise<void>((resolve) => {
          socket.once('close', resolve);
          socket.end(resolve);
        }),
        `ending the connection to ${this.#peer()}`,
      );
  }

  /** Closes both directions. What was sent still leaves, for at most a second. May be called twice; never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    if (socket.writableLength === 0) socket.destroy();
    else {
      const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
      socket.destroySoon();
      await gone;
      clearTimeout(timer);
    }
    await gone;
  }

  /** Closes at once, with a reset that the peer sees as an error (SO_LINGER of 0). */
  reset(): void {
    this.#closed = true;
    if (this.#socket !== undefined) resetSocket(this.#socket);
  }

  /** null: calls wait for ever (the default); 0: they never wait; else how many seconds they wait. */
  setTimeout(seconds: number | null): void {
    this.#waits.set(seconds);
  }

  /** What `setTimeout` set. */
  getTimeout(): number | null {
    return this.#waits.seconds;
  }

  setBlocking(blocking: boolean): void {
    this.#waits.set(blocking ? null : 0);
  }

  /**
   * Sets an option by its name: SO_KEEPALIVE, TCP_KEEPIDLE (seconds), TCP_NODELAY, SO_LINGER (only 0). Before the connection is made it is
   * kept for then. UnsupportedError for those that Node cannot set.
   */
  setSockOpt(name: string, value: unknown): void {
    streamOption(this.#socket, name, value);
    this.#options.set(name, value);
  }

  /** What `setSockOpt` set, or undefined: Node cannot ask the system. */
  getSockOpt(name: string): unknown {
    return this.#options.get(name);
  }

  /** Whether the open socket keeps the process alive. */
  ref(): void {
    this.#socket?.ref();
  }

  unref(): void {
    this.#socket?.unref();
  }

  /** A buffered reader and writer over this socket: lines of text, or of bytes. What it has read ahead, `recv` no longer gets. */
  makeFile(options: SocketFileOptions<'binary'> & { encoding: 'binary' }): SocketFile<Uint8Array>;
  makeFile(options?: SocketFileOptions<BufferEncoding>): SocketFile<string>;
  makeFile(options: SocketFileOptions<BufferEncoding | 'binary'> = {}): SocketFile<Uint8Array> | SocketFile<string> {
    this.#open();
    return new SocketFile<never>(this, options);
  }

  /** All that comes, chunk by chunk. Leaving the loop leaves the socket open. */
  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (let chunk = await this.recv(); chunk.length > 0; chunk = await this.recv()) yield chunk;
  }

  /** Gives the socket up to a transport, as protocols use it: nothing that has come is lost. */
  toTransport(): StreamTransport {
    this.#open();
    if (this.#filling !== undefined) throw new UsageError('a recv is waiting: it would take bytes from the transport');
    const transport = this.#transport as StreamTransport;
    const early: Uint8Array[] = this.#rest === undefined ? [] : [this.#rest];
    for (let chunk = transport.tryRead(); chunk; chunk = transport.tryRead()) early.push(chunk);
    transport.unread(early);
    this.#rest = undefined;
    this.#socket = this.#transport = undefined;
    this.#closed = true;
    return transport;
  }

  /** Gives the socket up to a `Connection`: decoders, deadlines, a transcript, STARTTLS. */
  toConnection(options: ConnectionOptions = {}): Connection {
    const port = this.#socket?.remotePort;
    return new Connection(this.toTransport(), port === undefined ? options : { port, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected get waits(): WaitMode {
    return this.#waits;
  }

  /** This side's address; a Unix socket's is its path. */
  protected localName(): SocketAddress | string | undefined {
    return undefined;
  }

  /** The peer's address. */
  protected peerName(): SocketAddress | string | undefined {
    return undefined;
  }

  #peer(): string {
    const name = this.peerName();
    return name === undefined ? 'the peer' : formatPeer(name);
  }

  #open(): Socket {
    if (this.#closed) throw this.#closedError();
    if (this.#socket === undefined)
      throw new UsageError('the socket is not connected', { reason: 'ENOTCONN', hint: 'call connect first' });
    return this.#socket;
  }

  #closedError(): ClosedError {
    return new ClosedError('the socket is closed', { reason: 'EBADF', temporary: false });
  }

  #take(maxBytes: number): Uint8Array | undefined {
    if (!(Number.isInteger(maxBytes) && maxBytes >= 0))
      throw new UsageError(`recv takes a whole number of bytes, 0 or more; got ${String(maxBytes)}`);
    this.#open();
    if (maxBytes === 0) return EMPTY;
    const chunk = this.#rest ?? (this.#ended ? null : this.#filling === undefined ? this.#poll() : undefined);
    if (chunk === undefined) return undefined;
    if (chunk === null) {
      this.#ended = true;
      return EMPTY;
    }
    if (chunk.length <= maxBytes) {
      this.#rest = undefined;
      return chunk;
    }
    this.#rest = chunk.subarray(maxBytes);
    return chunk.subarray(0, maxBytes);
  }

  #poll(): Uint8Array | null | undefined {
    const chunk = (this.#transport as StreamTransport).tryRead();
    if (chunk === undefined && this.#failure !== undefined)
      throw systemError(`cannot receive from ${this.#peer()}`, this.#failure, { phase: 'recv' });
    return chunk;
  }

  async #recvLater(maxBytes: number, call: CallOptions | undefined): Promise<Uint8Array> {
    for (;;) {
      this.#filling ??= this.#fill(this.#transport as StreamTransport);
      const waits = call !== undefined || this.#waits.seconds !== null;
      await (waits ? this.#waits.wait(this.#filling, `receiving from ${this.#peer()}`, call) : this.#filling);
      const ready = this.#take(maxBytes);
      if (ready !== undefined) return ready;
    }
  }

  async #fill(transport: StreamTransport): Promise<void> {
    try {
      const chunk = await transport.read();
      if (chunk === null) this.#ended = true;
      else this.#rest = chunk;
    } catch (error) {
      if (this.#closed) throw this.#closedError();
      throw systemError(`cannot receive from ${this.#peer()}`, error, { phase: 'recv' });
    } finally {
      this.#filling = undefined;
    }
  }

  /** An empty write is done when all before it is. */
  #taken(socket: Socket): Promise<void> {
    return new Promise((resolve, reject) => {
      const onClose = (): void => {
        const cause = this.#failure ?? Object.assign(new Error(), { code: this.#closed ? 'EBADF' : 'EPIPE' });
        reject(this.#closed ? this.#closedError() : systemError(`cannot send to ${this.#peer()}`, cause));
      };
      socket.once('close', onClose);
      socket.write(EMPTY, (error) => {
        if (error) return;
        socket.off('close', onClose);
        resolve();
      });
    });
  }
}

/** Connects to one address, without names and without a race. The socket is its caller's from the beginning. */
export function connectOne(where: SocketConnectOpts): { readonly socket: Socket; readonly connected: Promise<Socket> } {
  const socket = connect({ ...where, allowHalfOpen: true });
  const connected = new Promise<Socket>((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    socket.on('error', reject);
  });
  return { socket, connected };
}

/** Node has no shutdown(SHUT_RD): what still comes is thrown away, so that the peer's end is seen. */
async function discard(transport: StreamTransport): Promise<void> {
  try {
    while ((await transport.read()) !== null);
  } catch {
    // Closed meanwhile.
  }
}

function toBytes(data: Uint8Array | string): Uint8Array {
  if (typeof data === 'string') return encodeText(data);
  if (data instanceof Uint8Array) return data;
  throw new UsageError(`data must be bytes or text; got ${typeof data}`);
}
