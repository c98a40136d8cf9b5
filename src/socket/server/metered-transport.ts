import { setTimeout as sleep } from 'node:timers/promises';
import { LimitError } from '../../errors.ts';
import { type Rate, TokenBucket } from '../rate.ts';
import type { Transport } from '../transport.ts';

export interface MeterOptions {
  /** Bytes that one client may send over its whole connection; then it is closed. Default: no limit. */
  readonly maxBytesPerConnection?: number | undefined;
  /** Bytes that are read from one client: a faster one is held back. */
  readonly bytesPerConnection?: Rate | undefined;
}

/** Counts what a client sends, and slows it down: TCP holds back who is not read. */
export function meter(inner: Transport, options: MeterOptions): Transport {
  const { maxBytesPerConnection: max = Number.POSITIVE_INFINITY, bytesPerConnection } = options;
  if (max === Number.POSITIVE_INFINITY && bytesPerConnection === undefined) return inner;
  const bucket = bytesPerConnection === undefined ? undefined : new TokenBucket(bytesPerConnection);
  let total = 0;
  /** When the next chunk may be read. */
  let after = 0;
  const count = (chunk: Uint8Array | null | undefined): Uint8Array | null | undefined => {
    if (chunk === null || chunk === undefined) return chunk;
    total += chunk.length;
    if (total > max) {
      const error = new LimitError(`a client sent more than ${max} bytes`, { reason: 'CONNECTION_BYTES' });
      inner.destroy(error);
      throw error;
    }
    if (bucket !== undefined) after = performance.now() + bucket.spend(chunk.length);
    return chunk;
  };
  return new Proxy(inner, {
    get(target, name): unknown {
      if (name === 'tryRead')
        return (lend?: boolean) => (performance.now() < after ? undefined : count(target.tryRead(lend)));
      if (name === 'read')
        return async (lend?: boolean) => {
          const waitMs = after - performance.now();
          if (waitMs > 0) await Promise.race([sleep(waitMs, undefined, { ref: false }), target.closed]);
          return count(await target.read(lend));
        };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
