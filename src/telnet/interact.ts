import type { Readable, Writable } from 'node:stream';

const XON = 0x11;
const XOFF = 0x13;

/** What joining a session to streams needs of it. */
export interface InteractSession {
  write(data: string | Uint8Array): Promise<void>;
  /** Waits for output; '' when the session has ended, or `done` says that it is enough: it is asked anew when `wake` is called. */
  output(done: () => boolean): Promise<string>;
  wake(): void;
  /** Whether XOFF stops the output, and any key lets it go on. */
  readonly flow: { readonly on: boolean; readonly restartAny: boolean };
}

/** Connects the session to streams until either ends. What is typed while the server is held back is held back too. */
export async function interact(
  session: InteractSession,
  input: Readable,
  output: Writable,
  signal: AbortSignal | undefined,
): Promise<'server' | 'input'> {
  let inputEnded = false;
  let stopped = false;
  let goOn: (() => void) | undefined;
  const setStopped = (on: boolean): void => {
    stopped = on;
    if (!on) goOn?.();
  };

  /** What is left of the keys when those for flow control are taken out. */
  const withoutFlow = (chunk: Uint8Array | string): Uint8Array | string => {
    if (!session.flow.on) return chunk;
    const codeOf = (key: string | number): number => (typeof key === 'number' ? key : (key.codePointAt(0) ?? 0));
    const isData = (key: string | number): boolean => {
      const code = codeOf(key);
      if (code === XOFF || code === XON) setStopped(code === XOFF);
      else if (stopped && session.flow.restartAny) setStopped(false);
      return code !== XOFF && code !== XON;
    };
    return typeof chunk === 'string' ? Array.from(chunk).filter(isData).join('') : chunk.filter(isData);
  };
  const onData = (chunk: Uint8Array | string): void => {
    const typed = withoutFlow(chunk);
    if (typed.length === 0) return;
    input.pause();
    session.write(typed).then(
      () => input.resume(),
      () => undefined,
    );
  };
  const onEnd = (): void => {
    inputEnded = true;
    setStopped(false);
    session.wake();
  };
  const onAbort = (): void => setStopped(false);
  input.on('data', onData);
  input.on('end', onEnd);
  input.on('close', onEnd);
  signal?.addEventListener('abort', onAbort);
  try {
    for (;;) {
      if (stopped)
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
      const text = await session.output(() => inputEnded || stopped);
      if (text === '') {
        if (stopped) continue;
        return inputEnded ? 'input' : 'server';
      }
      if (!output.write(text)) await new Promise((resume) => output.once('drain', resume));
    }
  } finally {
    input.pause();
    input.off('data', onData);
    input.off('end', onEnd);
    input.off('close', onEnd);
    signal?.removeEventListener('abort', onAbort);
  }
}
