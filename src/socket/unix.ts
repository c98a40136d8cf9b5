import type { Socket } from 'node:net';
import { PostwireError, UnsupportedError, UsageError } from '../errors.ts';
import type { CallOptions } from './connection.ts';
import { formatPeer } from './socket-address.ts';
import { StreamListener } from './stream-listener.ts';
import { StreamSocket, connectOne } from './stream-socket.ts';
import { errorNumber, systemError } from './system-error.ts';

/**
 * A stream socket of the Unix family. A path that begins with NUL is an abstract name (Linux): no file, and gone with its last user. Node 20
 * fills such a name up with NULs to 108 bytes, and so must a program in another language that wants to meet it.
 */
export class UnixSocket extends StreamSocket {
  #path: string | undefined;
  #connecting = false;

  /** A new socket, connected. Rejects as `connect` does. */
  static async connect(path: string, call: CallOptions = {}): Promise<UnixSocket> {
    const socket = new UnixSocket();
    await socket.connect(path, call);
    return socket;
  }

  /** A connected socket of Node's that nobody has read from. */
  static from(socket: Socket, path = ''): UnixSocket {
    const wrapped = new UnixSocket();
    wrapped.#path = path;
    wrapped.adopt(socket);
    return wrapped;
  }

  /** Connects. ConnectError, whose `reason` is the classic code (ENOENT, ECONNREFUSED, EACCES). It can be tried again. */
  async connect(path: string, call: CallOptions = {}): Promise<void> {
    const shown = formatPeer(checkPath(path));
    if (this.connected) throw new UsageError('the socket is connected already', { reason: 'EISCONN' });
    if (this.#connecting) throw new UsageError('the socket is being connected', { reason: 'EALREADY' });
    this.#connecting = true;
    const { socket, connected } = connectOne({ path });
    try {
      await this.waits.wait(connected, `connecting to ${shown}`, call);
      this.#path = path;
      this.adopt(socket);
    } catch (error) {
      socket.destroy();
      throw systemError(`cannot connect to ${shown}`, error, { phase: 'connect' });
    } finally {
      this.#connecting = false;
    }
  }

  /** As `connect`, but never rejects: 0, or the number of the error. */
  async connectEx(path: string, call: CallOptions = {}): Promise<number> {
    try {
      await this.connect(path, call);
      return 0;
    } catch (error) {
      const reason = error instanceof PostwireError ? error.reason : undefined;
      return errorNumber(reason ?? '') || errorNumber(error instanceof UsageError ? 'EINVAL' : 'ECANCELED');
    }
  }

  /** The path of the side that listens, as the peer's name; the side that connected has none. */
  getPeerName(): string {
    if (this.#path === undefined) throw new UsageError('the socket is not connected', { reason: 'ENOTCONN' });
    return this.#path;
  }

  protected override peerName(): string | undefined {
    return this.#path;
  }
}

/** A listening socket of the Unix family. Closing it removes its file. */
export class UnixListener extends StreamListener<UnixSocket> {
  #path: string | undefined;

  constructor() {
    super((socket) => UnixSocket.from(socket));
  }

  /** Bound and listening at once. */
  static async listen(path: string, options: { readonly backlog?: number | undefined } = {}): Promise<UnixListener> {
    const listener = new UnixListener();
    listener.bind(path);
    await listener.listen(options.backlog);
    return listener;
  }

  bind(path: string): void {
    if (this.listening) throw new UsageError('the listener listens already');
    this.#path = checkPath(path);
  }

  /** Listens. ConnectError with `reason` EADDRINUSE where the file is there already, EACCES, ENOENT. */
  async listen(backlog?: number): Promise<void> {
    if (this.#path === undefined) throw new UsageError('a path is needed', { hint: 'call bind first' });
    await this.open({ path: this.#path }, formatPeer(this.#path), backlog);
  }

  getSockName(): string {
    return this.name() as string;
  }
}

/** The system keeps 107 bytes; a longer path would be cut, and lead somewhere else. */
const PATH_BYTES = 107;

export function checkPath(path: unknown): string {
  if (process.platform === 'win32' || typeof path !== 'string' || path === '')
    throw new UsageError(`the path of a Unix socket must be a string; got ${JSON.stringify(path)}`);
  const abstract = path.startsWith('\0');
  if (path.includes('\0', 1)) throw new UsageError('the path of a Unix socket contains a NUL');
  if (abstract && process.platform !== 'linux')
    throw new UnsupportedError('abstract names are known to Linux alone; use a path');
  if (Buffer.byteLength(path) > PATH_BYTES)
    throw new UsageError(`the path of a Unix socket has at most ${PATH_BYTES} bytes; got ${Buffer.byteLength(path)}`);
  return path;
}
