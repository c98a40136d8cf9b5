import { UsageError } from '../errors.ts';
import { idle } from './commands/idle.ts';
import { noop } from './commands/noop.ts';
import type { EventQueue, ImapEventStream } from './events.ts';
import type { ImapSession } from './session.ts';

export interface IdleOptions {
  /** Ends the wait: the loop ends, the connection stays. */
  readonly signal?: AbortSignal | undefined;
  /** IDLE is begun anew after this long; servers log out who is silent for 30 minutes. Default 25 minutes. */
  readonly renewMs?: number | undefined;
  /** Where the server has no IDLE it is asked by NOOP this often. Default 30 seconds. */
  readonly pollMs?: number | undefined;
}

const RENEW_MS = 25 * 60_000;
const POLL_MS = 30_000;
const AGAIN_MS = 1000;

/**
 * Waits for news and gives them out, from the first `next` until it is left. Other commands may be given meanwhile: IDLE ends for them and
 * begins again behind them. Leaving works at any time, also while a `next` waits.
 */
export function idleEvents(session: ImapSession, options: IdleOptions): ImapEventStream {
  const { renewMs = RENEW_MS, pollMs = POLL_MS, signal } = options;
  for (const [name, value] of Object.entries({ renewMs, pollMs }))
    if (!(value > 0)) throw new UsageError(`${name} must be a positive number of milliseconds`);
  const stop = new AbortController();
  let events: EventQueue | undefined;
  let settled: Promise<void> = Promise.resolve();
  let failure: unknown;
  const begin = (): EventQueue => {
    const queue = session.events();
    const onAbort = (): void => queue.end();
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted === true) queue.end();
    const kept = session.has('IDLE')
      ? keepIdle(session, queue, stop.signal, renewMs)
      : keepPolling(session, queue, stop.signal, pollMs);
    settled = kept
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        signal?.removeEventListener('abort', onAbort);
        queue.end();
      });
    return queue;
  };
  const end = async (): Promise<void> => {
    stop.abort();
    events?.end();
    await settled;
  };
  return {
    async next() {
      events ??= begin();
      const result = await events.next();
      if (result.done !== true) return result;
      await end();
      if (failure === undefined) return { done: true, value: undefined };
      const error = failure;
      failure = undefined;
      throw error as Error;
    },
    async return() {
      await end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function keepIdle(session: ImapSession, events: EventQueue, stop: AbortSignal, renewMs: number): Promise<void> {
  while (!stop.aborted && session.open) {
    const timer = setTimeout(() => session.endIdle(), renewMs);
    const onStop = (): void => session.endIdle();
    stop.addEventListener('abort', onStop);
    try {
      // `stop` before it was sent takes it back; afterwards it ends by DONE.
      const asked = await session.run(idle(), { signal: stop });
      // QUIRK(servers that end IDLE at once): asked again without a pause, both sides would do nothing else.
      if (!asked) await pause(stop, AGAIN_MS);
    } catch (error) {
      if (!stop.aborted) throw error;
    } finally {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
    }
  }
  if (!session.open) events.end();
}

async function keepPolling(session: ImapSession, events: EventQueue, stop: AbortSignal, pollMs: number): Promise<void> {
  while (!stop.aborted && session.open) {
    await session.run(noop());
    await pause(stop, pollMs);
  }
  if (!session.open) events.end();
}

/** Waits, or returns when it is to stop: the end of the connection ends the events, and with them this. */
async function pause(stop: AbortSignal, milliseconds: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    stop.addEventListener('abort', end);
    if (stop.aborted) end();
  });
}
