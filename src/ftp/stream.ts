import { AbortedError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { type FtpSession, copyOf } from './session.ts';

/**
 * A download that the caller pulls. It holds the session until its end, which comes only when the server has confirmed it; leaving early
 * aborts the transfer and frees the session.
 */
export async function streamOf(
  session: FtpSession,
  remote: string,
  options: CallOptions & { readonly startAt?: number | undefined },
): Promise<ByteStream> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(options.signal?.reason);
  if (options.signal?.aborted === true) onAbort();
  options.signal?.addEventListener('abort', onAbort);
  let offer: ((chunk: Uint8Array) => void) | undefined;
  let taken: (() => void) | undefined;
  let waiting: Uint8Array | undefined;
  let consumer: ((chunk: Uint8Array) => void | Promise<void>) | undefined;
  let begun!: () => void;
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const done = session
    .hold(options, () =>
      session.receiveNow(
        'RETR',
        [remote],
        (chunk) => {
          begun();
          if (consumer !== undefined) return consumer(chunk);
          if (offer !== undefined) {
            const give = offer;
            offer = undefined;
            give(copyOf(chunk));
            return;
          }
          waiting = chunk;
          return new Promise<void>((resolve) => {
            taken = resolve;
          });
        },
        { ...options, signal: controller.signal },
      ),
    )
    .finally(() => {
      options.signal?.removeEventListener('abort', onAbort);
    });
  done.catch(() => undefined);
  // The first byte, or the end, or the refusal: what is refused is refused here.
  await Promise.race([started, done]);
  const finish = done.then(() => ({ done: true as const, value: undefined }));
  finish.catch(() => undefined);
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    next() {
      if (waiting !== undefined) {
        const value = copyOf(waiting);
        waiting = undefined;
        taken?.();
        taken = undefined;
        return Promise.resolve({ done: false as const, value });
      }
      return Promise.race([
        new Promise<IteratorResult<Uint8Array, undefined>>((resolve) => {
          offer = (value) => resolve({ done: false, value });
        }),
        finish,
      ]);
    },
    async return() {
      controller.abort(new AbortedError('the reader left in the middle of a file'));
      taken?.();
      await done.catch(() => undefined);
      return { done: true, value: undefined };
    },
  };
  return new ByteStream({
    [Symbol.asyncIterator]: () => iterator,
    async forEach(consume) {
      consumer = consume;
      const first = waiting;
      waiting = undefined;
      try {
        if (first !== undefined) await consume(first);
      } catch (error) {
        await iterator.return?.();
        throw error;
      }
      taken?.();
      await done;
    },
  });
}
