import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClosedError, LimitError, PostwireError, ReplyError, UnsupportedError, UsageError } from '../errors.ts';
import { decodeCharset } from '../mime/charset.ts';
import type { SchemeTable } from '../socket/address.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { notify } from '../socket/notify.ts';
import { type ResolvedServer, type ServerOptions, dialServer, resolveServer } from '../socket/target.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { concatBytes, decodeText } from '../wire/bytes.ts';
import type { BodySpan } from '../wire/dotted.ts';
import { wholeNumber } from '../wire/limits.ts';
import {
  type GopherAttributes,
  type GopherItem,
  type GopherKind,
  encodeGopherRequest,
  gopherBinaryDecoder,
  gopherKind,
  gopherPlusDecoder,
  gopherTextDecoder,
  isMenuType,
  isTextType,
  parseGopherAttributes,
  parseGopherMenu,
} from './codec.ts';
import { parseGopherUrl } from './url.ts';

export interface GopherProgress {
  readonly bytes: number;
  /** Known with Gopher+ alone. */
  readonly totalBytes: number | undefined;
  /** The URL. */
  readonly item: string;
}

/** What may be set for one document. */
export interface GopherOptions extends Omit<ServerOptions, 'allowInsecureAuth'>, CallOptions {
  /** Words for a search (type 7). */
  readonly search?: string | undefined;
  /** Ask as Gopher+ does; a media type asks for that view. The server must speak it. */
  readonly plus?: boolean | string | undefined;
  /** Answers to the questions of an item's +ASK, a line each. */
  readonly answers?: readonly string[] | undefined;
  /** Charset of text. Default: UTF-8 where it is valid, else Windows-1252. */
  readonly charset?: string | undefined;
  /** Most bytes of the document. Default: no more than `limits.messageBytes` in memory, and no limit in a stream or file. */
  readonly maxBytes?: number | undefined;
  /** Ports that may be connected to, for URLs that somebody else chose; `blockAddresses` does the same for addresses. Default: all. */
  readonly allowPorts?: readonly number[] | undefined;
  readonly onProgress?: ((progress: GopherProgress) => void) | undefined;
}

const optionNames = ['search', 'plus', 'answers', 'charset', 'maxBytes', 'allowPorts', 'onProgress', 'timeoutMs'];

/** @see RFC 4266 (70); TLS as curl and others do it */
const gopherSchemes: SchemeTable = {
  protocol: 'gopher',
  schemes: { gopher: 'none', gophers: 'implicit' },
  port: 70,
  implicitPort: 70,
};

/**
 * A document that a server is sending. Read it once: as items, text, bytes, a stream or into a file. The connection is closed with its end, or
 * when it is given up.
 */
export class GopherResponse implements AsyncDisposable {
  readonly url: string;
  /** The item's type character. */
  readonly type: string;
  readonly kind: GopherKind;
  /** With Gopher+: its size, where the server told it. */
  readonly sizeBytes: number | undefined;
  readonly #connection: Connection;
  readonly #body: ByteStream;
  readonly #options: GopherOptions;
  readonly #state: { truncated: boolean };
  #read = false;

  constructor(given: {
    url: string;
    type: string;
    connection: Connection;
    body: ByteStream;
    options: GopherOptions;
    state: { truncated: boolean };
    sizeBytes: number | undefined;
  }) {
    this.url = given.url;
    this.type = given.type;
    this.kind = gopherKind(given.type);
    this.sizeBytes = given.sizeBytes;
    this.#connection = given.connection;
    this.#body = given.body;
    this.#options = given.options;
    this.#state = given.state;
  }

  /** True once the text has been read, and the server closed without the line that ends it: it may be all, or not. */
  get truncated(): boolean {
    return this.#state.truncated;
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  /** The document's bytes as they come, with back-pressure; dots of text taken off. LimitError over `maxBytes`. */
  stream(): ByteStream {
    if (this.#read) throw new UsageError('the document is read already');
    this.#read = true;
    return new ByteStream(this.#counted(), this.sizeBytes);
  }

  async *#counted(): AsyncGenerator<Uint8Array> {
    const { maxBytes = Number.POSITIVE_INFINITY, onProgress } = this.#options;
    let bytes = 0;
    try {
      for await (const chunk of this.#body) {
        bytes += chunk.length;
        if (bytes > maxBytes)
          throw new LimitError(`the document is longer than ${maxBytes} bytes`, {
            protocol: 'Gopher',
            reason: 'DOCUMENT_TOO_LONG',
          });
        if (onProgress !== undefined)
          notify('onProgress', onProgress, { bytes, totalBytes: this.sizeBytes, item: this.url });
        yield chunk;
      }
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  /** All of it, in memory. LimitError over `maxBytes`, or `limits.messageBytes`. */
  bytes(): Promise<Uint8Array> {
    return this.stream().bytes(this.#options.maxBytes ?? this.#connection.limits.messageBytes);
  }

  /** As text, by its charset. */
  async text(): Promise<string> {
    return decodeCharset(await this.bytes(), this.#options.charset).text;
  }

  /** The items of a menu. UsageError for what is none. Nothing that they point to is fetched. */
  async items(): Promise<GopherItem[]> {
    if (!isMenuType(this.type)) throw new UsageError(`an item of type ${this.type} is no menu`);
    const bytes = await this.bytes();
    if (this.#options.charset === undefined) return parseGopherMenu(bytes);
    return parseGopherMenu(new TextEncoder().encode(decodeCharset(bytes, this.#options.charset).text));
  }

  /** Into a file, which appears when it is whole. UsageError when it exists, unless `overwrite`. Resolves with the count of bytes. */
  async save(file: string, options: { readonly overwrite?: boolean | undefined } = {}): Promise<number> {
    const exists = await stat(file).then(
      () => true,
      () => false,
    );
    if (exists && options.overwrite !== true) {
      await this[Symbol.asyncDispose]();
      throw new UsageError(`${file} exists; give overwrite: true to replace it`);
    }
    const part = `${file}.${randomBytes(6).toString('hex')}.part`;
    let handle: FileHandle | undefined;
    let at = 0;
    try {
      await mkdir(dirname(file), { recursive: true });
      handle = await open(part, 'wx');
      for await (const chunk of this.stream())
        for (let done = 0; done < chunk.length;) {
          const { bytesWritten } = await handle.write(chunk, done, chunk.length - done);
          done += bytesWritten;
          at += bytesWritten;
        }
      await handle.close();
      handle = undefined;
      await rename(part, file);
      return at;
    } catch (error) {
      await handle?.close();
      await rm(part, { force: true });
      throw error;
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#read = true;
    this.#connection.destroy();
  }
}

/**
 * Asks for what a Gopher URL names. Type and selector are the URL's; a menu's items lead nowhere by themselves.
 *
 *     const menu = await gopher('gopher://gopher.example.org/1/');
 *     for (const item of await menu.items()) console.log(item.kind, item.title);
 *
 * UsageError for a URL or a search that would make a second request; ReplyError for an error that Gopher+ tells.
 *
 * @see RFC 1436, RFC 4266
 */
export async function gopher(url: string, options: GopherOptions = {}): Promise<GopherResponse> {
  const { search, plus, selector, type, server } = readRequest(url, options);
  const request = encodeGopherRequest({ selector, search, plus, answers: options.answers });
  const call: CallOptions = { signal: options.signal, timeoutMs: options.timeoutMs };
  const connection = await dialServer(server, 'Gopher');
  try {
    await connection.write([request], call);
    const state = { truncated: false };
    const text = (): Decoder<BodySpan> =>
      gopherTextDecoder(() => {
        state.truncated = true;
      });
    let decode = isTextType(type) ? text() : gopherBinaryDecoder();
    let sizeBytes: number | undefined;
    if (plus !== undefined || options.answers !== undefined) {
      const head = await connection.read(gopherPlusDecoder(), call);
      if (head.kind === 'error') throw await plusError(connection, head.code, call);
      if (head.kind === 'bytes') sizeBytes = head.sizeBytes;
      decode = head.kind === 'dot' ? text() : gopherBinaryDecoder(sizeBytes);
    }
    const body = connection.body(decode, call);
    return new GopherResponse({ url, type, connection, body, options, state, sizeBytes });
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

interface ReadRequest {
  readonly server: ResolvedServer<ServerOptions>;
  readonly type: string;
  readonly selector: string;
  readonly search: string | undefined;
  readonly plus: string | undefined;
}

function readRequest(url: string, options: GopherOptions): ReadRequest {
  const { server: address, type, selector, search, plus } = parseGopherUrl(url);
  const server = resolveServer<ServerOptions>(address, options, gopherSchemes, optionNames);
  const { allowPorts, maxBytes } = options;
  if (maxBytes !== undefined) wholeNumber('maxBytes', maxBytes);
  if (server.endpoint.tls === 'starttls')
    throw new UsageError("Gopher begins TLS with the first byte or not at all: use gophers://, or tls: 'implicit'");
  if (server.endpoint.user !== undefined)
    throw new UsageError('there is no login in Gopher: leave out user and password');
  if (allowPorts !== undefined && !allowPorts.includes(server.endpoint.port))
    throw new UsageError(`port ${server.endpoint.port} is not among those that may be connected to`);
  const wanted =
    options.plus === undefined || options.plus === false ? undefined : options.plus === true ? '+' : `+${options.plus}`;
  return { server, type, selector, search: options.search ?? search, plus: wanted ?? plus };
}

/** @see Gopher+ specification (1993), section 2.3 */
async function plusError(connection: Connection, code: number, call: CallOptions): Promise<PostwireError> {
  let said = '';
  try {
    const body = connection.body(
      gopherTextDecoder(() => {}),
      call,
    );
    said = decodeText(await body.bytes(16 * 1024)).trim();
  } catch (error) {
    if (!(error instanceof ClosedError || error instanceof LimitError)) throw error;
  }
  const { host, port } = connection;
  return new ReplyError(`Gopher server ${host}:${port} refused: ${code} ${said.replace(/\s+/g, ' ')}`, {
    protocol: 'Gopher',
    phase: 'command',
    host,
    port,
    reusable: false,
    // 1: not available, 2: try again later, 3: item has moved.
    temporary: code === 2,
    reply: { code, text: said },
  });
}

/**
 * What Gopher+ knows of an item: its administrator, abstract, views, questions. With `each`, of every item of a menu. UnsupportedError where
 * the server does not speak Gopher+.
 */
export async function gopherAttributes(
  url: string,
  options: Omit<GopherOptions, 'plus' | 'answers'> & { readonly each?: boolean | undefined } = {},
): Promise<GopherAttributes[]> {
  const { each = false, ...rest } = options;
  const { server, selector, search } = readRequest(url, rest);
  const request = encodeGopherRequest({ selector, search, plus: each ? '$' : '!' });
  const call: CallOptions = { signal: options.signal, timeoutMs: options.timeoutMs };
  const connection = await dialServer(server, 'Gopher');
  try {
    await connection.write([request], call);
    const head = await connection.read(gopherPlusDecoder(), call);
    if (head.kind === 'error') throw await plusError(connection, head.code, call);
    const decode = head.kind === 'bytes' ? gopherBinaryDecoder(head.sizeBytes) : gopherTextDecoder(() => {});
    const chunks: Uint8Array[] = [];
    const body = connection.body(decode, call);
    chunks.push(await body.bytes(options.maxBytes ?? connection.limits.messageBytes));
    return parseGopherAttributes(concatBytes(chunks));
  } catch (error) {
    if (error instanceof PostwireError && error.reason === 'NOT_GOPHER_PLUS')
      throw new UnsupportedError(`${connection.host}:${connection.port} does not speak Gopher+`, {
        protocol: 'Gopher',
        cause: error,
      });
    throw error;
  } finally {
    connection.destroy();
  }
}
