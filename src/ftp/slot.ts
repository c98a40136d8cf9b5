import { setTimeout as delay } from 'node:timers/promises';
import { PostwireError } from '../errors.ts';
import { FtpSession } from './session.ts';
import type { ResolvedFtpTarget } from './target.ts';

/** One place for a session, which is opened anew after a drop when a task asks for that. */
export class SessionSlot {
  readonly #target: ResolvedFtpTarget;
  #session: FtpSession | undefined;
  /** Where relative paths begin, once somebody has changed the folder. */
  directory: string | undefined;

  constructor(target: ResolvedFtpTarget, session?: FtpSession) {
    this.#target = target;
    this.#session = session;
  }

  get target(): ResolvedFtpTarget {
    return this.#target;
  }

  /** The session that is, or was last. */
  get current(): FtpSession | undefined {
    return this.#session;
  }

  /** A session that is open: the one that is, or a new one. */
  async session(signal?: AbortSignal): Promise<FtpSession> {
    if (this.#session?.open === true) return this.#session;
    const directory = this.#session?.directory ?? this.directory;
    const session = await FtpSession.open(this.#target, signal);
    if (directory !== undefined) await session.cd(directory, { signal });
    this.#session = session;
    return session;
  }

  async quit(): Promise<void> {
    await this.#session?.quit();
  }

  destroy(reason?: Error): void {
    this.#session?.connection.destroy(reason);
  }
}

const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 30_000;

/**
 * Runs work on the slot's session, again after a failure that may pass: `retries` times without progress in between, on a new connection
 * where the old one is gone. `progress` grows while the work does; a try that got further begins the count anew.
 */
export async function withRetries<T>(
  slot: SessionSlot,
  retries: number,
  signal: AbortSignal | undefined,
  progress: () => number,
  work: (session: FtpSession, attempt: number) => Promise<T>,
): Promise<T> {
  let left = retries;
  let reached = progress();
  for (let attempt = 0; ; attempt++) {
    try {
      // Without retries a closed connection is the caller's matter: nothing is dialled behind his back.
      const session = retries === 0 && slot.current !== undefined ? slot.current : await slot.session(signal);
      return await work(session, attempt);
    } catch (error) {
      if (signal?.aborted === true || !mayPass(error)) throw error;
      if (progress() > reached) {
        reached = progress();
        left = retries;
      }
      if (left-- <= 0) throw error;
      const wait = Math.min(FIRST_WAIT_MS * 2 ** (retries - left - 1), MAX_WAIT_MS);
      await delay(wait * (0.5 + Math.random() / 2), undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** True for a failure after which the same may succeed: the connection's, or a 4xx of the server. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof PostwireError)) return false;
  if (error.code === 'REPLY') return error.temporary;
  return (
    ['CLOSED', 'TIMEOUT', 'CONNECT', 'ABORTED'].includes(error.code) ||
    ((error.code === 'TLS' || error.code === 'PROTOCOL') && error.temporary)
  );
}
