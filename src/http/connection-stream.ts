import { Duplex } from 'node:stream';
import type { Connection } from '../socket/connection.ts';
import { anyBytes } from '../wire/line.ts';

/** A connection as a Node stream, for what speaks to nothing else: `node:http2`. It has the connection from then on. */
export class ConnectionStream extends Duplex {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super({ allowHalfOpen: false });
    this.#connection = connection;
    void connection.closed.then(({ error }) => this.destroy(error));
  }

  override _read(): void {
    // Streams have deadlines of their own: a session without any may be silent.
    const call = { timeoutMs: Number.POSITIVE_INFINITY, shown: 'body' } as const;
    this.#connection.read(anyBytes, call).then(
      (chunk) => this.push(chunk),
      // The peer's end is an end; what the session makes of it is its own matter.
      (error: unknown) => (this.#connection.ended ? this.push(null) : this.destroy(error as Error)),
    );
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#connection.write([chunk]).then(
      () => callback(),
      (error: unknown) => callback(error as Error),
    );
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    this.#connection.write(chunks.map(({ chunk }) => chunk)).then(
      () => callback(),
      (error: unknown) => callback(error as Error),
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#connection.close(100).then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#connection.destroy(error ?? undefined);
    callback(error);
  }
}
