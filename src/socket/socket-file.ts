import { LimitError, UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { ByteQueue } from '../wire/byte-queue.ts';
import { defaultLimits, wholeNumber } from '../wire/limits.ts';
import { lineDecoder } from '../wire/line.ts';
import type { CallOptions } from './connection.ts';

export interface SocketFileOptions<Encoding extends string> {
  /** How text is written in bytes: 'utf8' (the default), 'latin1', 'ascii'; 'binary' for lines of bytes. */
  readonly encoding?: Encoding | undefined;
  /** A longer line is a LimitError. Default 64 KiB. */
  readonly maxLineBytes?: number | undefined;
}

/** What a file reads and writes. */
interface Pipe {
  recv(maxBytes?: number, call?: CallOptions): Promise<Uint8Array>;
  sendAll(data: Uint8Array, call?: CallOptions): Promise<void>;
}

/** Lines and counted reads over a socket: what `makefile` gives. It buffers what it reads, and writes at once. */
export class SocketFile<Line extends string | Uint8Array> implements AsyncIterable<Line> {
  readonly #pipe: Pipe;
  readonly #queue = new ByteQueue();
  readonly #encoding: BufferEncoding | undefined;
  readonly #maxLineBytes: number;
  readonly #line: ReturnType<typeof lineDecoder>;

  constructor(pipe: Pipe, options: SocketFileOptions<BufferEncoding | 'binary'>) {
    checkOptions('makeFile', options, ['encoding', 'maxLineBytes']);
    const encoding = options.encoding ?? 'utf8';
    if (encoding !== 'binary' && !Buffer.isEncoding(encoding))
      throw new UsageError(`${JSON.stringify(encoding)} is no encoding; use 'utf8', 'latin1', 'ascii' or 'binary'`);
    // A line feed is one byte, and where it stands in other bytes the line would break there.
    if (/^(?:utf-?16le|ucs-?2|base64(?:url)?|hex)$/i.test(encoding))
      throw new UsageError(`lines cannot be found in ${encoding}: read bytes, encoding: 'binary', and decode them`);
    this.#pipe = pipe;
    this.#encoding = encoding === 'binary' ? undefined : encoding;
    this.#maxLineBytes = wholeNumber('maxLineBytes', options.maxLineBytes ?? defaultLimits.lineBytes);
    this.#line = lineDecoder(this.#maxLineBytes);
  }

  /** The next line without its LF or CRLF; the last one may have none. Undefined at the end. */
  async readLine(call?: CallOptions): Promise<Line | undefined> {
    for (;;) {
      const line = this.#line(this.#queue);
      if (line !== undefined) return this.#decode(line);
      if (this.#queue.ended) {
        return this.#queue.length === 0 ? undefined : this.#decode(this.#queue.take(this.#queue.length));
      }
      await this.#fill(call);
    }
  }

  /** Exactly `byteCount` bytes, fewer only at the end; without a count, all up to the end, of at most `maxBytes`. */
  async read(byteCount?: number, options: CallOptions & { readonly maxBytes?: number } = {}): Promise<Line> {
    const { maxBytes = defaultLimits.messageBytes, ...call } = options;
    const wanted = byteCount === undefined ? Number.POSITIVE_INFINITY : wholeNumber('byteCount', byteCount);
    while (this.#queue.length < wanted && !this.#queue.ended) {
      if (byteCount === undefined && this.#queue.length > maxBytes)
        throw new LimitError(`the peer sent more than ${maxBytes} bytes`);
      await this.#fill(call);
    }
    return this.#decode(this.#queue.take(Math.min(wanted, this.#queue.length)));
  }

  /** Sends text or bytes; nothing is added. */
  async write(data: string | Uint8Array, call?: CallOptions): Promise<void> {
    await this.#pipe.sendAll(typeof data === 'string' ? Buffer.from(data, this.#encoding) : data, call);
  }

  /** Sends the text, without line feeds in it, and a line feed. */
  async writeLine(line: string, call?: CallOptions): Promise<void> {
    if (line.includes('\n')) throw new UsageError('the line contains a line feed, which would end it');
    await this.#pipe.sendAll(Buffer.from(`${line}\n`, this.#encoding), call);
  }

  /** Line after line. */
  async *[Symbol.asyncIterator](): AsyncIterator<Line> {
    for (let line = await this.readLine(); line !== undefined; line = await this.readLine()) yield line;
  }

  #decode(bytes: Uint8Array): Line {
    return (
      this.#encoding === undefined
        ? bytes
        : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(this.#encoding)
    ) as Line;
  }

  async #fill(call: CallOptions | undefined): Promise<void> {
    const chunk = await this.#pipe.recv(undefined, call);
    if (chunk.length === 0) this.#queue.end();
    else this.#queue.push(chunk);
  }
}
