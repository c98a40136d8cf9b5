import { setTimeout as delay } from 'node:timers/promises';
import { ClosedError, type PostwireError, messageOf } from '../errors.ts';
import { bodyDecoder, encodeChunk, encodeLastChunk } from '../http/body-codec.ts';
import {
  type HttpRequestHead,
  encodeResponseHead,
  keepsAlive,
  requestFraming,
  requestHeadDecoder,
} from '../http/codec.ts';
import { HttpFields } from '../http/fields.ts';
import type { Connection } from '../socket/connection.ts';
import { dial } from '../socket/dial.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { EMPTY, concatBytes, encodeText } from '../wire/bytes.ts';
import { anyBytes } from '../wire/line.ts';
import { FakeServer, type FakeServerOptions } from './fake-server.ts';
import type { FaultRule } from './fault-script.ts';
import { type HttpGate, type HttpGateOptions, openGate } from './http-gate.ts';
import {
  type FakeHttpFile,
  type FakeHttpHandler,
  type FakeHttpReply,
  FakeHttpRequest,
  serveFile,
} from './http-messages.ts';

export interface FakeHttpOptions extends FakeServerOptions, HttpGateOptions {
  /** 'none' or 'implicit': HTTP has no STARTTLS that anybody speaks. */
  readonly tls?: 'none' | 'implicit' | undefined;
  /** Answers by path, `/a`, or by method and path, `POST /a`. */
  readonly routes?: Readonly<Record<string, FakeHttpHandler>> | undefined;
  /** Be a proxy: absolute-form requests are passed on, and CONNECT makes a tunnel. */
  readonly proxy?: boolean | undefined;
}

interface Route {
  readonly method: string | undefined;
  readonly path: string | RegExp;
  readonly handler: FakeHttpHandler;
}

/**
 * An HTTP/1.1 server for tests, made of the client's own codec. What matches no route is 404. Faults are scripted by method, or 'EXPECT'
 * for a request that waits for 100: `server.on('GET', { path: '/a' }).once().raw('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc').close()`.
 */
export class FakeHttp extends FakeServer {
  readonly #options: FakeHttpOptions;
  readonly #gate: HttpGate;
  readonly #requests: FakeHttpRequest[] = [];
  #routes: Route[] = [];
  #connections = 0;

  private constructor(options: FakeHttpOptions) {
    super(options, (code, text) => {
      const headers = new HttpFields({ 'Content-Length': Buffer.byteLength(text) });
      return concatBytes([encodeResponseHead({ status: Number(code), headers }).bytes, encodeText(text)]);
    });
    this.#options = options;
    this.#gate = openGate(options);
    for (const [name, handler] of Object.entries(options.routes ?? {})) this.route(name, handler);
  }

  static async start(options: FakeHttpOptions = {}): Promise<FakeHttp> {
    const server = new FakeHttp(options);
    const talk = (connection: Connection): Promise<void> => server.#talk(connection);
    const mask = (text: string): string =>
      text.replace(/^(authorization|proxy-authorization|cookie|x-api-key):.*$/gim, '$1: ***');
    await server.start(options, 'HTTP', talk, mask);
    return server;
  }

  /** Without a path and without credentials. Over TLS the client must trust `ca`. */
  get url(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    return `${this.tlsMode === 'implicit' ? 'https' : 'http'}://${host}:${this.port}`;
  }

  /** Requests that were read whole, in the order they came. */
  get requests(): readonly FakeHttpRequest[] {
    return this.#requests;
  }

  /** Answers `/path`, `METHOD /path`, or what matches the expression. The newest that matches answers. */
  route(where: string | RegExp, handler: FakeHttpHandler): this {
    const match = typeof where === 'string' ? /^(?:([A-Z]+) )?(\/.*|\*)$/.exec(where) : null;
    if (match === null) this.#routes.unshift({ method: undefined, path: where, handler });
    else this.#routes.unshift({ method: match[1], path: match[2] as string, handler });
    return this;
  }

  /** Answers with a file, ranges and all. */
  file(path: string, file: FakeHttpFile): this {
    return this.route(path, (request) => serveFile(file, request));
  }

  override reset(): void {
    super.reset();
    this.#requests.length = 0;
  }

  async #talk(connection: Connection): Promise<void> {
    const number = ++this.#connections;
    const decodeHead = withoutThrowing(requestHeadDecoder(connection.limits));
    try {
      for (;;) {
        const head = await connection.read(decodeHead, { phase: 'idle' });
        if (head instanceof Error) return await refuse(connection, head);
        if (!(await this.#serve(connection, head, number))) return await connection.close(100);
      }
    } catch (error) {
      // Clients may leave between requests.
      if (!(error instanceof ClosedError)) throw error;
    }
  }

  /** One request; true when another may follow. */
  async #serve(connection: Connection, head: HttpRequestHead, number: number): Promise<boolean> {
    const { method, target, headers } = head;
    if (this.#options.proxy === true) {
      if (!this.#gate.admitsProxy(head)) return this.#reply(connection, head, this.#gate.proxyChallenge());
      if (method === 'CONNECT') return this.#tunnel(connection, target);
    }
    const fields = { ...headers.toJSON(), path: target.replace(/\?.*$/s, ''), target };
    const early = await this.#perform(connection, this.script.find(method, fields));
    const framing = readFraming(head);
    if (framing instanceof Error) {
      await refuse(connection, framing);
      return false;
    }
    if (early === 'replied') return framing.kind === 'none' && keepsAlive(head);
    if (headers.tokens('expect').includes('100-continue') && framing.kind !== 'none') {
      if ((await this.#perform(connection, this.script.find('EXPECT', fields))) === 'replied') return false;
      await connection.write([shown(encodeText('HTTP/1.1 100 Continue\r\n\r\n'))]);
    }
    let trailers: HttpFields | undefined;
    const stream = connection.body(
      bodyDecoder(framing, { limits: connection.limits, onTrailers: (found) => (trailers = found) }),
    );
    const body = await stream.bytes(connection.limits.messageBytes);
    const request = new FakeHttpRequest(head, { body, trailers, connection: number, secure: connection.secure });
    this.#requests.push(request);
    if (this.#requests.length > 10_000) this.#requests.shift();
    const reply =
      this.#options.proxy === true && /^http:/i.test(target)
        ? await this.#forward(request)
        : await this.#answer(request);
    return this.#reply(connection, head, reply, this.script.findInBody(method, fields), early);
  }

  async #answer(request: FakeHttpRequest): Promise<FakeHttpReply> {
    const refusal = this.#gate.refuses(request);
    if (refusal !== undefined) return refusal;
    const { method, path } = request;
    const route = this.#routes.find(
      (each) =>
        (each.method === undefined || each.method === method || (each.method === 'GET' && method === 'HEAD')) &&
        (typeof each.path === 'string' ? each.path === path : each.path.test(path)),
    );
    const { handler } = route ?? {};
    const reply = typeof handler === 'function' ? await handler(request) : handler;
    if (reply === undefined) return { status: 404, body: 'not found\n', headers: { 'Content-Type': 'text/plain' } };
    return typeof reply === 'string' ? { body: reply, headers: { 'Content-Type': 'text/plain' } } : reply;
  }

  /** Sends it; true when another request may follow. */
  async #reply(
    connection: Connection,
    head: HttpRequestHead,
    reply: FakeHttpReply,
    inBody?: FaultRule,
    inject: Uint8Array = EMPTY,
  ): Promise<boolean> {
    for (const { status, headers } of reply.information ?? [])
      await connection.write([encodeResponseHead({ status, headers: new HttpFields(headers) })]);
    const status = reply.status ?? 200;
    const headers = new HttpFields(reply.headers);
    const given = reply.json === undefined ? (reply.body ?? '') : JSON.stringify(reply.json);
    if (reply.json !== undefined) headers.setDefault('Content-Type', 'application/json');
    const held = typeof given === 'string' ? encodeText(given) : given instanceof Uint8Array ? given : undefined;
    const bodiless = head.method === 'HEAD' || status === 204 || status === 304 || status < 200;
    const chunked = (held === undefined || reply.chunked === true || reply.trailers !== undefined) && head.minor === 1;
    const keep = keepsAlive(head) && reply.close !== true && (held !== undefined || chunked);
    if (chunked) headers.setDefault('Transfer-Encoding', 'chunked');
    else if (held !== undefined && status !== 204 && status >= 200)
      headers.setDefault('Content-Length', String(held.length));
    if (!keep) headers.set('Connection', 'close');
    const start = encodeResponseHead({ status, reason: reply.reason, headers });
    if (bodiless) {
      await connection.write(inject.length > 0 ? [start, inject] : [start]);
      return keep;
    }
    const trailers = reply.trailers === undefined ? undefined : new HttpFields(reply.trailers);
    if (inBody !== undefined) {
      const wire = await wireBody(held ?? (given as AsyncIterable<Uint8Array>), chunked, trailers);
      const at = inBody.bodyBytes ?? 0;
      await connection.write([start, wire.subarray(0, at)]);
      connection.flush();
      // A reset throws away what the client has not read yet.
      await delay(5);
      if ((await this.#perform(connection, inBody)) === 'replied') return false;
      await connection.write([wire.subarray(at)]);
      return keep;
    }
    if (held !== undefined) {
      const parts = chunked ? [...encodeChunk(held), encodeLastChunk(trailers)] : [held];
      await connection.write([start, ...parts, inject]);
      return keep;
    }
    await connection.write([start]);
    for await (const chunk of given as AsyncIterable<Uint8Array>) {
      await connection.write(chunked ? encodeChunk(chunk) : [chunk]);
      connection.flush();
    }
    if (chunked) await connection.write([encodeLastChunk(trailers), inject]);
    return keep;
  }

  /** What the rule adds to the usual answer, which may be nothing; 'replied' when there is to be no usual answer. */
  async #perform(connection: Connection, rule: FaultRule | undefined): Promise<'replied' | Uint8Array> {
    const outcome = await rule?.perform(connection);
    if (outcome === undefined) return EMPTY;
    if (outcome.kind === 'gone') throw new ClosedError('the script ended the conversation');
    return outcome.kind === 'normal' ? outcome.inject : 'replied';
  }

  /** Absolute-form: asked of the origin, and its answer handed back. */
  async #forward(request: FakeHttpRequest): Promise<FakeHttpReply> {
    const { hostname, port } = new URL(request.target);
    const headers: [string, string][] = [];
    for (const [name, value] of request.headers)
      if (!/^(?:proxy-|connection$|host$|transfer-encoding$|content-length$)/i.test(name)) headers.push([name, value]);
    const url = new URL(request.target);
    const response = await fetch(url, {
      method: request.method,
      headers,
      redirect: 'manual',
      body: request.body.length > 0 ? Uint8Array.from(request.body) : null,
    }).catch((error: unknown) => messageOf(error));
    if (typeof response === 'string') return { status: 502, body: `cannot reach ${hostname}:${port}: ${response}\n` };
    const passed = [...response.headers].filter(
      ([name]) =>
        !['connection', 'transfer-encoding', 'content-length', 'content-encoding', 'keep-alive'].includes(name),
    );
    return {
      status: response.status,
      headers: [...passed, ['Via', '1.1 fake']],
      body: new Uint8Array(await response.arrayBuffer()),
    };
  }

  /** CONNECT: bytes both ways until either side ends. */
  async #tunnel(connection: Connection, target: string): Promise<boolean> {
    const { hostname, port } = new URL(`http://${target}`);
    let far: Connection;
    try {
      far = await dial({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 80 : port) });
    } catch (error) {
      const body = `cannot reach ${target}: ${messageOf(error)}\n`;
      const headers = new HttpFields({ 'Content-Length': Buffer.byteLength(body) });
      await connection.write([encodeResponseHead({ status: 502, headers }), encodeText(body)]);
      return false;
    }
    await connection.write([
      encodeResponseHead({ status: 200, reason: 'Connection established', headers: new HttpFields() }),
    ]);
    await Promise.all([copy(connection, far), copy(far, connection)]);
    far.destroy();
    return false;
  }
}

/** Starts a fake HTTP server on loopback. */
export const fakeHttp = (options?: FakeHttpOptions): Promise<FakeHttp> => FakeHttp.start(options);

const shown = (bytes: Uint8Array): { bytes: Uint8Array; shown: string } => ({
  bytes,
  shown: Buffer.from(bytes).toString('latin1').trimEnd(),
});

/** What cannot be read is an event: it is to be answered, not to end the connection. */
const withoutThrowing =
  <E>(decode: Decoder<E>): Decoder<E | Error> =>
  (queue) => {
    try {
      return decode(queue);
    } catch (error) {
      return error as Error;
    }
  };

function readFraming(head: HttpRequestHead): ReturnType<typeof requestFraming> | Error {
  try {
    return requestFraming(head);
  } catch (error) {
    return error as Error;
  }
}

async function refuse(connection: Connection, error: Error): Promise<void> {
  const body = `${messageOf(error)}\n`;
  const status = (error as PostwireError).code === 'LIMIT' ? 431 : 400;
  const headers = new HttpFields({ 'Content-Length': Buffer.byteLength(body), Connection: 'close' });
  await connection.write([encodeResponseHead({ status, headers }), encodeText(body)]);
  await connection.close(100);
}

async function wireBody(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  chunked: boolean,
  trailers: HttpFields | undefined,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of source instanceof Uint8Array ? [source] : source)
    parts.push(...(chunked ? encodeChunk(chunk) : [chunk]));
  if (chunked) parts.push(encodeLastChunk(trailers));
  return concatBytes(parts);
}

async function copy(from: Connection, to: Connection): Promise<void> {
  try {
    for (;;) await to.write([await from.read(anyBytes, { phase: 'idle', shown: 'body' })]);
  } catch {
    await to.halfClose().catch(() => undefined);
  }
}
