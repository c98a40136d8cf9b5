import { UsageError } from '../errors.ts';
import { idle } from './commands/idle.ts';
import { noop } from './commands/noop.ts';
import type { EventQueue, ImapEvent } from './events.ts';
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
 * Waits for news and gives them out, for as long as it is read. Other commands may be given meanwhile: IDLE ends for them and begins again
 * behind them.
 */
export async function* idleEvents(
  session: ImapSession,
  options: IdleOptions,
): AsyncGenerator<ImapEvent, void, undefined> {
  const { renewMs = RENEW_MS, pollMs = POLL_MS, signal } = options;
  for (const [name, value] of Object.entries({ renewMs, pollMs }))
    if (!(value > 0)) throw new UsageError(`${name} must be a positive number of milliseconds`);
  if (signal?.aborted === true) return;
  const events = session.events();
  const stop = new AbortController();
  const onAbort = (): void => events.end();
  signal?.addEventListener('abort', onAbort);
  const kept = session.has('IDLE')
    ? keepIdle(session, events, stop.signal, renewMs)
    : keepPolling(session, events, stop.signal, pollMs);
  let failure: unknown;
  const settled = kept.catch((error: unknown) => {
    failure = error;
    events.end();
  });
  try {
    for await (const event of events) yield event;
    if (failure !== undefined) throw failure;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
    events.end();
    await settled;
  }
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
