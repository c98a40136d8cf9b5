import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { createDeflate, createInflate } from 'node:zlib';
import { ClosedError, LimitError, ProtocolError, UnsupportedError, UsageError } from '../errors.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { SerialQueue } from '../socket/serial-queue.ts';
import { dialServer } from '../socket/target.ts';
import type { Secret } from '../wire/arguments.ts';
import { concatBytes } from '../wire/bytes.ts';
import { Capabilities } from '../wire/capabilities.ts';
import { fromNetworkText, toNetworkText } from './ascii.ts';
import { type FtpReply, checkPath, parseQuotedPath } from './codec.ts';
import { FtpControl } from './control.ts';
import { type DataState, openData } from './data.ts';
import { login, protect, readFeatures, readGreeting, secure } from './login.ts';
import type { ResolvedFtpTarget } from './target.ts';
import { LocalFailure, dataSpan, transfer } from './transfer.ts';

export interface DataOptions extends CallOptions {
  /** 'ascii' converts line ends. Default 'binary'. */
  readonly type?: 'binary' | 'ascii' | undefined;
  /** Where in the remote file to begin (REST), in bytes. */
  readonly startAt?: number | undefined;
}

/** Takes what is downloaded; a promise holds the server back. A chunk is lent: it is good until the sink has returned, or its promise is settled. */
export type Sink = (chunk: Uint8Array) => Promise<void> | void;

/** Inside a callback of a transfer: a call on the same session would wait for itself. */
const inside = new AsyncLocalStorage<FtpSession>();

let sessions = 0;

/** One logged-in control connection and the transfers on it. Calls may be concurrent: they are carried out in order. */
export class FtpSession {
  readonly control: FtpControl;
  readonly target: ResolvedFtpTarget;
  /** Of the sessions of this process: what needs two takes the lower first. */
  readonly number = ++sessions;
  features = new Capabilities();
  greeting = '';
  /** The folder after a CWD of ours; undefined while it is where the login led. */
  directory: string | undefined;
  readonly #queue = new SerialQueue();
  readonly #data: DataState = { extended: true, private: false };
  #type: 'I' | 'A' | undefined;
  #compressed = false;
  /** True while a stream that the caller reads holds the session. */
  streaming = false;

  private constructor(control: FtpControl, target: ResolvedFtpTarget) {
    this.control = control;
    this.target = target;
  }

  /** Connects, begins TLS unless told not to, and logs in. Rejects with nothing left open. */
  static async open(target: ResolvedFtpTarget, signal = target.dial.signal): Promise<FtpSession> {
    const connection = await dialServer({ ...target, dial: { ...target.dial, signal } }, 'FTP');
    const session = new FtpSession(new FtpControl(connection, target.charset), target);
    try {
      await session.#begin({ signal });
      return session;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #begin(call: CallOptions): Promise<void> {
    const { control, target } = this;
    this.greeting = await readGreeting(control, target, call);
    if (target.endpoint.tls === 'starttls') await secure(control, target, call);
    if (target.virtualHost !== undefined) await control.demand(control.line('HOST', target.virtualHost), call);
    await login(control, target, call);
    this.features = await readFeatures(control, call);
    if (target.charset.name === 'utf-8' && this.features.has('UTF8'))
      // QUIRK(servers of before RFC 2640's last word): some speak UTF-8 only once asked. A refusal changes nothing.
      await control.ask(control.line('OPTS', 'UTF8', 'ON'), call);
    if (control.connection.secure) {
      await protect(control, target.protection === 'private' ? 'P' : 'C', call);
      this.#data.private = target.protection === 'private';
    }
    if (target.compress && this.features.parameters('MODE')?.some((mode) => mode.toUpperCase() === 'Z') === true) {
      await control.demand(control.line('MODE', 'Z'), call);
      this.#compressed = true;
    }
    if (target.directory !== undefined) {
      await control.demand(control.line('CWD', target.directory), call);
      this.directory = await this.#pwd(call);
    }
  }

  get connection(): Connection {
    return this.control.connection;
  }

  get open(): boolean {
    return this.connection.open;
  }

  /** Runs work alone. UsageError at once where it would wait for its own caller. */
  async run<T>(call: CallOptions, work: () => Promise<T>): Promise<T> {
    if (this.streaming)
      throw new UsageError('a file is being streamed: read it to its end, or give it up, before the next command');
    if (inside.getStore() === this)
      throw new UsageError(
        'a transfer is waiting for this callback: a call on the same client cannot run before it ends',
      );
    return this.#enqueue(call, work);
  }

  /** As `run`, for a stream: from now on other calls throw, until it has ended. */
  hold<T>(call: CallOptions, work: () => Promise<T>): Promise<T> {
    if (this.streaming || inside.getStore() === this) return this.run(call, work);
    this.streaming = true;
    return this.#enqueue(call, work).finally(() => {
      this.streaming = false;
    });
  }

  #enqueue<T>(call: CallOptions, work: () => Promise<T>): Promise<T> {
    return this.#queue.run({
      signal: call.signal,
      run: () => {
        const { connection } = this;
        if (!connection.open)
          throw new ClosedError('the FTP connection is closed', { protocol: 'FTP', cause: connection.failure });
        if (connection.pendingBytes > 0) {
          const error = new ProtocolError('the FTP server sent what nobody asked for', {
            protocol: 'FTP',
            reason: 'OUT_OF_STEP',
            transcript: connection.transcript.last(),
          });
          connection.destroy(error);
          throw error;
        }
        return work();
      },
    });
  }

  /** One command, ReplyError unless its answer is 2xx or one of `codes`. */
  command(
    verb: string,
    args: readonly (string | Secret)[],
    call: CallOptions = {},
    codes?: readonly number[],
  ): Promise<FtpReply> {
    const line = this.control.line(verb, ...args);
    return this.run(call, () => this.control.demand(line, call, codes));
  }

  /** As `command`, whatever the answer is. */
  ask(verb: string, args: readonly (string | Secret)[], call: CallOptions = {}): Promise<FtpReply> {
    const line = this.control.line(verb, ...args);
    return this.run(call, () => this.control.ask(line, call));
  }

  /** Two commands that belong together: RNFR and RNTO. */
  pair(
    first: readonly [verb: string, ...args: string[]],
    second: readonly [verb: string, ...args: string[]],
    call: CallOptions = {},
  ): Promise<FtpReply> {
    const lines = [this.control.line(...first), this.control.line(...second)] as const;
    return this.run(call, async () => {
      await this.control.demand(lines[0], call, [350, 250, 200]);
      return this.control.demand(lines[1], call);
    });
  }

  async #pwd(call: CallOptions): Promise<string> {
    const reply = await this.control.demand(this.control.line('PWD'), call, [257]);
    try {
      return parseQuotedPath(this.control.text(reply));
    } catch (error) {
      this.connection.destroy(error as Error);
      throw error;
    }
  }

  pwd(call: CallOptions = {}): Promise<string> {
    return this.run(call, () => this.#pwd(call));
  }

  /** Changes the folder and returns what the server now calls it. */
  cd(path: string, call: CallOptions = {}): Promise<string> {
    const line = path === '..' ? this.control.line('CDUP') : this.control.line('CWD', checkPath('path', path));
    return this.run(call, async () => {
      await this.control.demand(line, call);
      this.directory = await this.#pwd(call);
      return this.directory;
    });
  }

  /** Downloads what `verb` gives into `sink`. Resolves with the number of bytes once the server has confirmed them. */
  receive(verb: string, args: readonly string[], sink: Sink, options: DataOptions = {}): Promise<number> {
    return this.run(options, () => this.receiveNow(verb, args, sink, options));
  }

  /** As `receive`, for who holds the queue already. */
  async receiveNow(verb: string, args: readonly string[], sink: Sink, options: DataOptions): Promise<number> {
    const { result } = await this.#transfer('download', verb, args, options, async (data) => {
      let bytes = 0;
      const converted = options.type === 'ascii' || this.#compressed;
      if (converted) {
        for await (const chunk of this.#decoded(data.body(dataSpan), options)) {
          bytes += chunk.length;
          await local(() => inside.run(this, sink, chunk));
        }
        return bytes;
      }
      await data.body(dataSpan).forEach((chunk) => {
        bytes += chunk.length;
        let wait: Promise<void> | void;
        try {
          wait = inside.run(this, sink, chunk);
        } catch (error) {
          throw new LocalFailure(error);
        }
        return wait === undefined ? undefined : local(() => wait);
      });
      return bytes;
    });
    return result;
  }

  #decoded(chunks: AsyncIterable<Uint8Array>, options: DataOptions): AsyncIterable<Uint8Array> {
    const plain = this.#compressed ? piped(chunks, createInflate()) : chunks;
    return options.type === 'ascii' ? fromNetworkText(plain) : plain;
  }

  /** Uploads `source` with `verb`. Resolves with the number of bytes sent and the server's last reply. */
  send(
    verb: string,
    args: readonly string[],
    source: AsyncIterable<Uint8Array>,
    options: DataOptions & { readonly onSent?: ((bytes: number) => void) | undefined } = {},
  ): Promise<{ readonly bytes: number; readonly reply: FtpReply; readonly preliminary: FtpReply }> {
    return this.run(options, async () => {
      const { result, reply } = await this.#transfer('upload', verb, args, options, async (data, preliminary) => {
        let bytes = 0;
        const ours = inside.run(this, () => watched(this, source));
        const text = options.type === 'ascii' ? toNetworkText(ours) : ours;
        const chunks = this.#compressed ? piped(text, createDeflate()) : text;
        const iterator = data.pull(chunks)[Symbol.asyncIterator]();
        for (;;) {
          const next = await iterator.next();
          if (next.done === true) break;
          await data.write([next.value]);
          bytes += next.value.length;
          options.onSent?.(next.value.length);
        }
        // The reply comes before this connection is closed for good: the server may still be reading.
        await data.halfClose();
        return { bytes, preliminary };
      });
      return { ...result, reply };
    });
  }

  async #transfer<T>(
    direction: 'download' | 'upload',
    verb: string,
    args: readonly string[],
    options: DataOptions,
    body: (data: Connection, preliminary: FtpReply) => Promise<T>,
  ): Promise<{ readonly result: T; readonly reply: FtpReply }> {
    const { control } = this;
    const line = control.line(verb, ...args);
    const { startAt = 0 } = options;
    if (!Number.isSafeInteger(startAt) || startAt < 0)
      throw new UsageError(`startAt must be a whole number of bytes; got ${JSON.stringify(startAt)}`);
    const type = options.type === 'ascii' ? 'A' : 'I';
    if (type === 'A' && startAt > 0) throw new UsageError('an ASCII transfer cannot begin in the middle of the file');
    const call: CallOptions = { timeoutMs: options.timeoutMs };
    if (this.#type !== type) {
      await control.demand(control.line('TYPE', type), call);
      this.#type = type;
    }
    const data = await openData(control, this.target, this.#data, call);
    try {
      options.signal?.throwIfAborted();
      if (startAt > 0) {
        const reply = await control.ask(control.line('REST', String(startAt)), call);
        if (reply.code !== 350)
          throw new UnsupportedError(
            `the server cannot begin at byte ${startAt}: ${reply.code} ${reply.lines.join(' ')}`,
            {
              protocol: 'FTP',
              reason: 'REST_REFUSED',
              cause: control.refusal('REST', reply),
            },
          );
      }
    } catch (error) {
      data.cancel();
      throw error;
    }
    return transfer({ control, data, line, noopMs: this.target.noopMs, direction }, options, body);
  }

  /** Sets the type, where it is not that: sizes are asked for in binary. */
  async binary(call: CallOptions): Promise<void> {
    if (this.#type !== 'I') await this.run(call, () => this.typeBinary(call));
  }

  /** As `binary`, for who holds the queue already. */
  async typeBinary(call: CallOptions): Promise<void> {
    if (this.#type === 'I') return;
    await this.control.demand(this.control.line('TYPE', 'I'), call);
    this.#type = 'I';
  }

  /** True where LIST leaves out names that begin with a dot, and takes the options of `ls`. */
  get hidesDots(): boolean {
    return /vsftpd|proftpd|pure-ftpd|unix/i.test(this.greeting) && !this.features.has('MLST');
  }

  /** Whether a path is a folder, found out by going there and back. */
  isFolder(path: string, call: CallOptions): Promise<boolean> {
    const there = this.control.line('CWD', checkPath('path', path));
    return this.run(call, async () => {
      const before = await this.#pwd(call);
      const reply = await this.control.ask(there, call);
      if (reply.code >= 400) return false;
      await this.control.demand(this.control.line('CWD', before), call);
      return true;
    });
  }

  /** A listing as bytes, held in memory up to a limit. */
  async collect(verb: string, args: readonly string[], maxBytes: number, call: CallOptions = {}): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    await this.receive(
      verb,
      args,
      (chunk) => {
        length += chunk.length;
        if (length > maxBytes)
          throw new LimitError(`the server sent a listing of more than ${maxBytes} bytes`, {
            protocol: 'FTP',
            reason: 'LISTING_TOO_LONG',
            reusable: true,
          });
        chunks.push(copyOf(chunk));
      },
      { ...call, type: this.#listingType },
    );
    return concatBytes(chunks);
  }

  get #listingType(): 'binary' | 'ascii' {
    // QUIRK(z/OS, OS/400): listings are EBCDIC in binary.
    return /\b(?:IBM|MVS|z\/OS|OS\/400|AS\/400|QTCP)\b/i.test(this.greeting) ? 'ascii' : 'binary';
  }

  /** Takes leave and closes. Never rejects. */
  async quit(): Promise<void> {
    const { connection } = this;
    if (connection.open && !this.streaming)
      await this.#queue
        .run(() => this.control.demand(this.control.line('QUIT'), { timeoutMs: 5000 }))
        .catch(() => undefined);
    if (this.streaming) connection.destroy();
    await connection.close();
  }
}

/** Bytes to keep, of a chunk that is only lent. */
export const copyOf = (chunk: Uint8Array): Uint8Array => Uint8Array.prototype.slice.call(chunk);

async function local<T>(work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new LocalFailure(error);
  }
}

/** The caller's chunks: its failures are told from the connection's, and its calls on the same session are caught. */
function watched(session: FtpSession, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => local(() => inside.run(session, () => iterator.next())),
      return: async () => {
        await iterator.return?.();
        return { done: true as const, value: undefined };
      },
    }),
  };
}

async function* piped(chunks: AsyncIterable<Uint8Array>, through: NodeJS.ReadWriteStream): AsyncIterable<Uint8Array> {
  const source = Readable.from(chunks, { objectMode: false });
  source.on('error', (error) => (through as unknown as Readable).destroy(error));
  source.pipe(through);
  try {
    for await (const chunk of through as AsyncIterable<Uint8Array>) yield chunk;
  } finally {
    source.destroy();
    (through as unknown as Readable).destroy();
  }
}
