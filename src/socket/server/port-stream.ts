import { Duplex } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';

/** Bytes that one side may send before the other has taken them. */
const WINDOW_BYTES = 256 * 1024;

type PortMessage = { readonly data: Uint8Array } | { readonly taken: number } | 'end' | 'gone';

/** A stream between threads, with back-pressure and half-close: a socket cannot be given to another thread, its bytes can. */
export class PortStream extends Duplex {
  readonly #port: MessagePort;
  #unacknowledged = 0;
  #untaken = 0;
  #blocked: (() => void) | undefined;
  #peerEnded = false;
  #peerGone = false;

  constructor(port: MessagePort) {
    super({ allowHalfOpen: true });
    this.#port = port;
    port.on('message', (message: PortMessage) => this.#receive(message));
    port.on('close', () => this.#leave());
  }

  #receive(message: PortMessage): void {
    if (message === 'gone') this.#leave();
    else if (message === 'end') {
      this.#peerEnded = true;
      this.push(null);
    } else if ('taken' in message) {
      this.#unacknowledged -= message.taken;
      if (this.#unacknowledged >= WINDOW_BYTES) return;
      const done = this.#blocked;
      this.#blocked = undefined;
      done?.();
    } else {
      this.#untaken += message.data.length;
      if (this.push(Buffer.from(message.data.buffer, message.data.byteOffset, message.data.length))) this._read();
    }
  }

  /** The peer is gone. What it had said to its end is read still: it may wait here, behind a slow reader. */
  #leave(): void {
    this.#peerGone = true;
    const blocked = this.#blocked;
    this.#blocked = undefined;
    blocked?.();
    if (!this.#peerEnded || this.readableEnded) this.destroy();
    else this.once('end', () => this.destroy());
  }

  override _read(): void {
    if (this.#untaken === 0) return;
    this.#port.postMessage({ taken: this.#untaken });
    this.#untaken = 0;
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#peerGone) {
      done();
      return;
    }
    // A copy of its own, whose memory goes over with it.
    const data = Uint8Array.from(chunk);
    this.#unacknowledged += data.length;
    this.#port.postMessage({ data }, [data.buffer]);
    if (this.#unacknowledged < WINDOW_BYTES) done();
    else this.#blocked = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#port.postMessage('end');
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#port.postMessage('gone');
    this.#port.close();
    const blocked = this.#blocked;
    this.#blocked = undefined;
    blocked?.();
    done(error);
  }
}
