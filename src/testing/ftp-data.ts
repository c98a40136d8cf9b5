import { ClosedError } from '../errors.ts';
import type { DataAddress } from '../ftp/codec.ts';
import type { Connection } from '../socket/connection.ts';
import { dial } from '../socket/dial.ts';
import { type Listener, listen } from '../socket/listener.ts';
import type { ServerTlsOptions } from '../socket/tls.ts';

/** How long the fake waits for a data connection. */
const OPEN_MS = 5000;

/** The next data connection of a fake server: where it will come from. */
export class DataPort {
  #listener: Listener | undefined;
  #incoming: Promise<Connection> | undefined;
  #target: DataAddress | undefined;
  #release: (() => void) | undefined;

  /** Passive: listens, and gives the port. With TLS the handshake begins at once, whoever the client is. */
  async listen(control: Connection, tls: ServerTlsOptions | undefined, allowForeign: boolean): Promise<Listener> {
    this.clear();
    let take!: (connection: Connection) => void;
    this.#incoming = new Promise((resolve) => {
      take = resolve;
    });
    const released = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    let taken = false;
    this.#listener = await listen(
      { host: control.localAddress?.replace(/^::ffff:/i, '') ?? '127.0.0.1', protocol: 'FTP data', tls },
      async (connection) => {
        if (taken || (!allowForeign && connection.remoteAddress !== control.remoteAddress)) return;
        taken = true;
        take(connection);
        await Promise.race([released, connection.closed]);
      },
    );
    return this.#listener;
  }

  /** Active: the client listens there. */
  connectTo(target: DataAddress): void {
    this.clear();
    this.#target = target;
  }

  get ready(): boolean {
    return this.#listener !== undefined || this.#target !== undefined;
  }

  /** The data connection; rejects when none comes. */
  async open(tls: ServerTlsOptions | undefined): Promise<Connection> {
    if (this.#target !== undefined) {
      const { host, port } = this.#target;
      this.#target = undefined;
      const connection = await dial(
        { protocol: 'FTP data', host: host as string, port },
        { timeouts: { connectMs: OPEN_MS } },
      );
      // The server's part of the handshake, though it has connected: RFC 4217 section 7.
      if (tls !== undefined) await connection.startTls(tls, { role: 'server' });
      return connection;
    }
    if (this.#incoming === undefined) throw new ClosedError('no data connection was prepared');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new ClosedError('no data connection came')), OPEN_MS);
    });
    try {
      return await Promise.race([this.#incoming, late]);
    } finally {
      clearTimeout(timer);
      this.#incoming = undefined;
    }
  }

  /** Gives up the listener, and the connection that came to it. */
  clear(): void {
    this.#release?.();
    this.#release = undefined;
    this.#incoming = undefined;
    this.#target = undefined;
    const listener = this.#listener;
    this.#listener = undefined;
    // What was accepted closes by itself, in order.
    listener?.stopListening();
  }
}
