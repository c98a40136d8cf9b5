import { ClosedError, UnsupportedError } from '../errors.ts';
import type { Connection } from '../socket/connection.ts';
import type { Http2Connection } from './http2-session.ts';
import type { HttpAddress } from './origin.ts';

export interface Http2PoolOptions {
  /** Opens a connection that offers HTTP/2 by ALPN. */
  readonly dial: (address: HttpAddress, signal: AbortSignal | undefined) => Promise<Connection>;
  /** Takes a connection to a server that does not speak it. UnsupportedError instead where HTTP/2 is asked for. */
  readonly adopt: ((address: HttpAddress, connection: Connection) => void) | undefined;
  readonly idleMs: number;
}

/** One HTTP/2 connection for each origin that speaks it. */
export class Http2Pool {
  readonly #options: Http2PoolOptions;
  readonly #open = new Map<string, Http2Connection>();
  readonly #opening = new Map<string, Promise<Http2Connection | undefined>>();
  /** Origins that chose HTTP/1.1. */
  readonly #others = new Set<string>();
  #closed = false;

  constructor(options: Http2PoolOptions) {
    this.#options = options;
  }

  get connectionCount(): number {
    return [...this.#open.values()].filter((each) => each.open).length;
  }

  /** The origin's connection, or a new one; undefined where it speaks HTTP/1.1. */
  async acquire(address: HttpAddress, signal: AbortSignal | undefined): Promise<Http2Connection | undefined> {
    const { origin } = address;
    if (this.#closed) throw new ClosedError('the HTTP client is closed', { protocol: 'HTTP', temporary: false });
    if (this.#others.has(origin)) return undefined;
    const known = this.#open.get(origin);
    if (known?.open === true) return known;
    const opening = this.#opening.get(origin);
    if (opening !== undefined) {
      // Who dials may give up; that is no reason for the others to.
      const shared = await opening.catch(() => null);
      signal?.throwIfAborted();
      return shared === null ? this.acquire(address, signal) : shared;
    }
    const dialled = this.#dial(address, signal).finally(() => this.#opening.delete(origin));
    this.#opening.set(origin, dialled);
    return dialled;
  }

  close(): void {
    this.#closed = true;
    const reason = new ClosedError('the HTTP client was closed', { protocol: 'HTTP' });
    for (const each of this.#open.values()) each.destroy(reason);
    this.#open.clear();
  }

  async #dial(address: HttpAddress, signal: AbortSignal | undefined): Promise<Http2Connection | undefined> {
    const { origin } = address;
    const { dial, adopt, idleMs } = this.#options;
    const connection = await dial(address, signal);
    if (this.#closed) {
      connection.destroy();
      throw new ClosedError('the HTTP client was closed', { protocol: 'HTTP' });
    }
    if (connection.tls?.alpn === 'h2') {
      // Who does not need it does not load it: node:http2 takes ten milliseconds.
      const session = await import('./http2-session.ts');
      const made = new session.Http2Connection(connection, origin, idleMs);
      this.#open.set(origin, made);
      return made;
    }
    if (adopt === undefined) {
      connection.destroy();
      throw new UnsupportedError(`${origin} does not speak HTTP/2`, { protocol: 'HTTP', hint: "use http2: 'auto'" });
    }
    this.#others.add(origin);
    adopt(address, connection);
    return undefined;
  }
}
