import { ClosedError, TimeoutError } from '../errors.ts';
import type { Connection } from '../socket/connection.ts';
import { responsePeeker } from './codec.ts';
import type { HttpAddress } from './origin.ts';

/** A connection of the pool, while somebody has it. */
export class Lease {
  readonly connection: Connection;
  readonly origin: string;
  /** The decoder that knows how far a head has come. */
  readonly peek: ReturnType<typeof responsePeeker>;
  /** Requests sent before this one: more than none, and the server may have closed it meanwhile. */
  uses = 0;
  /** When the connection became idle, and how long it may stay so. */
  idleSince = 0;
  idleMs = 0;

  constructor(connection: Connection, origin: string) {
    this.connection = connection;
    this.origin = origin;
    this.peek = responsePeeker(connection.limits);
  }

  /** True when nothing has come, and nothing ended, since the last response: what waits here would be read as the next answer. */
  get fresh(): boolean {
    const { connection } = this;
    return connection.open && connection.pendingBytes === 0 && !connection.ended;
  }
}

interface Waiter {
  readonly address: HttpAddress;
  readonly signal: AbortSignal | undefined;
  resolve(lease: Lease | Promise<Lease>): void;
}

interface OriginState {
  readonly idle: Lease[];
  readonly waiting: Waiter[];
  /** Connections, idle ones and those being opened among them. */
  count: number;
}

export interface PoolOptions {
  readonly dial: (address: HttpAddress, signal: AbortSignal | undefined) => Promise<Connection>;
  /** For each origin. */
  readonly maxConnections: number;
  readonly idleMs: number;
  /** How long to wait for a connection that others have. */
  readonly waitMs: number;
}

const SWEEP_MS = 1000;

/** Connections by origin, kept alive between requests. The one used last is used first. */
export class HttpPool {
  readonly #options: PoolOptions;
  readonly #origins = new Map<string, OriginState>();
  readonly #leased = new Set<Lease>();
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get connectionCount(): number {
    let count = 0;
    for (const state of this.#origins.values()) count += state.count;
    return count;
  }

  /** A connection of one's own until it is released. `anew` passes the idle ones by: each of them may be as dead as the last. */
  acquire(address: HttpAddress, signal: AbortSignal | undefined, anew = false): Lease | Promise<Lease> {
    if (this.#closed) throw new ClosedError('the HTTP client is closed', { protocol: 'HTTP', temporary: false });
    let state = this.#origins.get(address.origin);
    if (state === undefined) {
      state = { idle: [], waiting: [], count: 0 };
      this.#origins.set(address.origin, state);
    }
    for (let lease = state.idle.pop(); lease !== undefined; lease = state.idle.pop()) {
      if (!anew && lease.fresh) return this.#lend(lease);
      this.#discard(lease, state);
    }
    if (state.count < this.#options.maxConnections) return this.#open(state, address, signal);
    return this.#wait(state, address, signal);
  }

  /** Gives it back. `keep` is true when request and response are over, and both sides mean to go on. */
  release(lease: Lease, keep: boolean, idleMs?: number): void {
    if (!this.#leased.delete(lease)) return;
    const state = this.#origins.get(lease.origin) as OriginState;
    if (!keep || this.#closed || !lease.fresh) {
      this.#discard(lease, state);
      this.#next(state);
      return;
    }
    const waiter = state.waiting.shift();
    if (waiter !== undefined) {
      waiter.resolve(this.#lend(lease));
      return;
    }
    lease.idleSince = performance.now();
    lease.idleMs = Math.min(idleMs ?? this.#options.idleMs, this.#options.idleMs);
    lease.connection.unref();
    state.idle.push(lease);
    this.#sweeper ??= setInterval(this.#sweep, SWEEP_MS).unref();
  }

  /** Takes in a connection that was opened elsewhere, as an idle one. */
  adopt(address: HttpAddress, connection: Connection): void {
    const { origin } = address;
    const state = this.#origins.get(origin) ?? { idle: [], waiting: [], count: 0 };
    this.#origins.set(origin, state);
    state.count++;
    const lease = new Lease(connection, origin);
    this.#leased.add(lease);
    this.release(lease, true);
  }

  /** Takes a connection out of the pool: it speaks another protocol now. */
  detach(lease: Lease): Connection {
    this.#leased.delete(lease);
    const state = this.#origins.get(lease.origin) as OriginState;
    state.count--;
    this.#next(state);
    return lease.connection;
  }

  /** Closes every connection, also those in use. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    const open = [...this.#leased];
    for (const state of this.#origins.values()) {
      open.push(...state.idle.splice(0));
      for (const waiter of state.waiting.splice(0))
        waiter.resolve(Promise.reject(new ClosedError('the HTTP client was closed', { protocol: 'HTTP' })));
    }
    for (const lease of open) lease.connection.destroy();
    await Promise.all(open.map((lease) => lease.connection.closed));
  }

  #lend(lease: Lease): Lease {
    if (lease.idleSince > 0) lease.connection.ref();
    lease.idleSince = 0;
    this.#leased.add(lease);
    return lease;
  }

  async #open(state: OriginState, address: HttpAddress, signal: AbortSignal | undefined): Promise<Lease> {
    state.count++;
    try {
      const connection = await this.#options.dial(address, signal);
      if (this.#closed) {
        connection.destroy();
        throw new ClosedError('the HTTP client was closed', { protocol: 'HTTP' });
      }
      return this.#lend(new Lease(connection, address.origin));
    } catch (error) {
      state.count--;
      this.#next(state);
      throw error;
    }
  }

  #wait(state: OriginState, address: HttpAddress, signal: AbortSignal | undefined): Promise<Lease> {
    return new Promise((onResolve, onReject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        const index = state.waiting.indexOf(waiter);
        if (index >= 0) state.waiting.splice(index, 1);
      };
      const onAbort = (): void => {
        settle();
        onReject(signal?.reason as Error);
      };
      const timer = setTimeout(
        () => {
          settle();
          onReject(
            new TimeoutError(`all ${state.count} connections to ${address.origin} stayed in use`, {
              protocol: 'HTTP',
              phase: 'connect',
              hint: 'read each response to its end, or dispose of it; or raise maxConnections',
            }),
          );
        },
        Math.min(this.#options.waitMs, 2 ** 31 - 1),
      );
      const waiter: Waiter = {
        address,
        signal,
        resolve: (lease) => {
          settle();
          onResolve(lease);
        },
      };
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener('abort', onAbort);
      state.waiting.push(waiter);
    });
  }

  /** A place is free: whoever waits longest has a connection opened. */
  #next(state: OriginState): void {
    const waiter = state.count < this.#options.maxConnections ? state.waiting.shift() : undefined;
    waiter?.resolve(this.#open(state, waiter.address, waiter.signal));
  }

  #discard(lease: Lease, state: OriginState): void {
    state.count--;
    lease.connection.destroy();
  }

  /** Idle connections that are over, or were sent what nobody asked for, are closed. */
  readonly #sweep = (): void => {
    const now = performance.now();
    let idle = 0;
    for (const [origin, state] of this.#origins) {
      const kept = state.idle.filter((lease) => {
        const keep = now - lease.idleSince < lease.idleMs && lease.fresh;
        if (!keep) this.#discard(lease, state);
        return keep;
      });
      state.idle.splice(0, state.idle.length, ...kept);
      idle += kept.length;
      if (state.count === 0 && state.waiting.length === 0) this.#origins.delete(origin);
    }
    if (idle > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  };
}
