import { Duplex } from 'node:stream';
import { StreamTransport, type Transport } from './transport.ts';

/**
 * Two transports that are each other's peer, in this process: what one writes the other reads, with back-pressure, half-close and TLS
 * upgrade as on a socket. No port, no file.
 */
export function memoryPair(): [Transport, Transport] {
  const [left, right] = duplexPair();
  return [new StreamTransport(left), new StreamTransport(right)];
}

/** The same as Node streams. (`stream.duplexPair` came with Node 22.6.) */
export function duplexPair(): [Duplex, Duplex] {
  const left = new HalfPipe();
  const right = new HalfPipe();
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class HalfPipe extends Duplex {
  peer!: HalfPipe;
  #onRead: (() => void) | undefined;

  override _read(): void {
    const resume = this.#onRead;
    this.#onRead = undefined;
    resume?.();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.peer.destroyed) {
      done(Object.assign(new Error('the other end is closed'), { code: 'EPIPE' }));
      return;
    }
    // A copy: what a socket gives is never what the sender still holds.
    const more = this.peer.push(Uint8Array.prototype.slice.call(chunk));
    if (more) done();
    else this.peer.#onRead = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.peer.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const resume = this.#onRead;
    this.#onRead = undefined;
    resume?.();
    // As with a socket: the other side sees the end of input, and of its own writing.
    if (!this.peer.destroyed) {
      if (!this.peer.readableEnded) this.peer.push(null);
      process.nextTick(() => {
        if (!this.peer.writableFinished) this.peer.destroy();
      });
    }
    done(error);
  }
}
