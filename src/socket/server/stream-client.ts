import { UsageError } from '../../errors.ts';
import type { WirePart } from '../../wire/arguments.ts';
import type { ByteQueue, Decoder } from '../../wire/byte-queue.ts';
import { EMPTY, encodeText, decodeText } from '../../wire/bytes.ts';
import { lineDecoder } from '../../wire/line.ts';
import type { CallOptions, Connection } from '../connection.ts';
import type { SocketAddress } from '../socket-address.ts';
import type { ServerTlsOptions } from '../tls.ts';
import type { ProxyHeader } from './proxy-header.ts';

/** What a handler serves: one connected client. Its idle timeout is the server's `timeouts.idleMs`. */
export class StreamClient implements AsyncIterable<string> {
  /** The connection itself, for decoders, deadlines and everything else that protocols are made of. */
  readonly connection: Connection;
  /** Where the client is, behind a proxy too; a Unix socket's path. */
  readonly address: SocketAddress | string;
  /** What a proxy said, where the server asks for the PROXY protocol. */
  readonly proxy: ProxyHeader | undefined;
  /** Aborts when the server begins to drain: finish, and return. */
  readonly draining: AbortSignal;
  readonly #startTls: ServerTlsOptions | undefined;
  readonly #line: Decoder<Uint8Array>;

  constructor(
    connection: Connection,
    address: SocketAddress | string,
    draining: AbortSignal,
    startTls?: ServerTlsOptions,
    proxy?: ProxyHeader,
  ) {
    this.connection = connection;
    this.address = address;
    this.draining = draining;
    this.proxy = proxy;
    this.#startTls = startTls;
    this.#line = lineDecoder(connection.limits.lineBytes);
  }

  get secure(): boolean {
    return this.connection.secure;
  }

  /** The next line as text, without its LF or CRLF; the last one may have none. Undefined at the end. LimitError for one that is too long. */
  async readLine(call?: CallOptions): Promise<string | undefined> {
    const line = await this.connection.read(this.#lineOrEnd, call === undefined ? lineRead : { ...call, ...lineRead });
    return line === null ? undefined : decodeText(line);
  }

  /** Up to `maxBytes` bytes, as soon as there are any; none at the end. */
  read(maxBytes: number = Number.POSITIVE_INFINITY, call?: CallOptions): Promise<Uint8Array> {
    if (!(maxBytes > 0))
      return Promise.reject(new UsageError(`read takes a positive number of bytes; got ${String(maxBytes)}`));
    const bytes = maxBytes === Number.POSITIVE_INFINITY ? bytesOrNone : bytesOrNoneUpTo(maxBytes);
    return this.connection.read(bytes, call === undefined ? bodyRead : { ...call, ...bodyRead });
  }

  /** The next frame, as `decode` finds it: netstringDecoder, lengthPrefixDecoder. Undefined at the end, between frames. */
  async readFrame<E>(decode: Decoder<E>, call?: CallOptions): Promise<E | undefined> {
    const decodeOrEnd: Decoder<{ readonly frame: E } | null> = (queue) => {
      const found = decode(queue);
      if (found !== undefined) return { frame: found };
      return queue.ended && queue.length === 0 ? null : undefined;
    };
    const frame = await this.connection.read(decodeOrEnd, call === undefined ? bodyRead : { ...call, ...bodyRead });
    return frame?.frame;
  }

  /** Sends text, as UTF-8, or bytes. Resolves when more may be sent. */
  write(data: string | WirePart, call?: CallOptions): Promise<void> {
    return this.connection.write([typeof data === 'string' ? { bytes: encodeText(data), shown: data } : data], call);
  }

  /** Sends a line and CRLF. */
  writeLine(line: string, call?: CallOptions): Promise<void> {
    if (/[\r\n]/.test(line)) return Promise.reject(new UsageError('the line contains a line end'));
    return this.write(`${line}\r\n`, call);
  }

  /** Begins TLS, as the server, with the `startTls` options of the server or others. Answer the client's wish before. */
  async startTls(options: ServerTlsOptions | undefined = this.#startTls): Promise<void> {
    if (options === undefined)
      throw new UsageError('no certificate is given', { hint: 'give serve() startTls: { key, cert }' });
    await this.connection.startTls(options);
  }

  /** Line after line, to the end. */
  async *[Symbol.asyncIterator](): AsyncIterator<string> {
    for (let line = await this.readLine(); line !== undefined; line = await this.readLine()) yield line;
  }

  readonly #lineOrEnd: Decoder<Uint8Array | null> = (queue) => this.#line(queue) ?? restOrEnd(queue);
}

const bodyRead = { phase: 'idle', shown: 'body' } as const;
const lineRead = { phase: 'idle', shown: 'text' } as const;

const bytesOrNone: Decoder<Uint8Array> = (queue) =>
  queue.length > 0 ? queue.take(queue.length) : queue.ended ? EMPTY : undefined;

function bytesOrNoneUpTo(maxBytes: number): Decoder<Uint8Array> {
  return (queue) => (queue.length > maxBytes ? queue.take(maxBytes) : bytesOrNone(queue));
}

function restOrEnd(queue: ByteQueue): Uint8Array | null | undefined {
  if (!queue.ended) return undefined;
  return queue.length > 0 ? queue.take(queue.length) : null;
}
