import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { TlsInfo, Transport } from '../socket/transport.ts';

/** How a fake server's bytes travel. All its answers, from the first. */
export interface WireFaults {
  /** Write in pieces of this many bytes, each a segment of its own: 1 splits at every byte. */
  readonly splitEvery?: number | undefined;
  /** Wait this long before each piece. */
  readonly pieceDelayMs?: number | undefined;
  /** Reset the connection once this many bytes have been sent. */
  readonly cutAfterBytes?: number | undefined;
}

/** A transport that writes badly. Reading is untouched. */
export function withWireFaults(inner: Transport, faults: WireFaults): Transport {
  let sent = 0;
  let chain: Promise<void> = Promise.resolve();
  const write = async (chunks: readonly Uint8Array[]): Promise<void> => {
    for (const chunk of chunks) {
      const step = faults.splitEvery ?? chunk.length;
      for (let at = 0; at < chunk.length; at += step) {
        let piece = chunk.subarray(at, at + step);
        if (faults.cutAfterBytes !== undefined && sent + piece.length >= faults.cutAfterBytes) {
          piece = piece.subarray(0, faults.cutAfterBytes - sent);
          if (piece.length > 0) await inner.write([piece]);
          await delay(5);
          inner.reset();
          return;
        }
        sent += piece.length;
        await inner.write([piece]);
        inner.flush();
        // A turn of the event loop for each piece, so that the system sends it alone.
        await delay(faults.pieceDelayMs ?? 0);
      }
    }
  };
  return {
    get secure(): boolean {
      return inner.secure;
    },
    get tls(): TlsInfo | undefined {
      return inner.tls;
    },
    get remoteAddress(): string | undefined {
      return inner.remoteAddress;
    },
    get localAddress(): string | undefined {
      return inner.localAddress;
    },
    closed: inner.closed,
    tryRead: () => inner.tryRead(),
    read: () => inner.read(),
    flush: () => inner.flush(),
    write(chunks) {
      chain = chain.then(() => write(chunks));
      return chain;
    },
    async end() {
      await chain.catch(() => undefined);
      await inner.end();
    },
    detach(): Duplex {
      return inner.detach();
    },
    destroy: (reason) => inner.destroy(reason),
    reset: () => inner.reset(),
    ref: () => inner.ref(),
    unref: () => inner.unref(),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
