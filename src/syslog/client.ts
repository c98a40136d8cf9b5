import { hostname } from 'node:os';
import { ClosedError, PostwireError, TimeoutError, UnsupportedError, UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { wholeNumber } from '../wire/limits.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { type TimeoutOptions, formatMs, resolveTimeouts, timerMs } from '../socket/deadlines.ts';
import { dial } from '../socket/dial.ts';
import { notify } from '../socket/notify.ts';
import { UdpSocket } from '../socket/udp.ts';
import {
  type SyslogFacility,
  type SyslogFormat,
  type SyslogMessage,
  type SyslogSeverity,
  encodeSyslog,
  encodeSyslogFrame,
} from './codec.ts';
import { type ResolvedSyslogServer, type SyslogTarget, resolveSyslogServer } from './target.ts';

export interface SyslogClientOptions {
  /** Default 'rfc5424'. */
  readonly format?: SyslogFormat | undefined;
  /** Default 'user'. */
  readonly facility?: SyslogFacility | undefined;
  /** Default: none. */
  readonly appName?: string | undefined;
  /** Default: this machine's name. */
  readonly hostname?: string | undefined;
  /** Default: the process id. */
  readonly procId?: string | undefined;
  /** A longer message's text is cut. Default: 8192; over UDP 2048, for RFC 3164 1024. */
  readonly maxMessageBytes?: number | undefined;
  /** Messages that wait while the server cannot be reached or is slow. Default 10,000. */
  readonly maxQueued?: number | undefined;
  /** Which is given up when more come: 'newest' (the default) or 'oldest'. */
  readonly drop?: 'newest' | 'oldest' | undefined;
  /** Wait before the first and at most before a later attempt to reach the server again. Default 100 and 30,000 milliseconds. */
  readonly retryMs?: { readonly first: number; readonly most: number } | undefined;
  readonly timeouts?: TimeoutOptions | undefined;
  /** Hears why the server cannot be reached; messages go on waiting. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Hears of each message that was given up. */
  readonly onDrop?: ((message: SyslogMessage) => void) | undefined;
}

const optionNames = [
  'format',
  'facility',
  'appName',
  'hostname',
  'procId',
  'maxMessageBytes',
  'maxQueued',
  'drop',
  'retryMs',
  'timeouts',
  'onError',
  'onDrop',
];

/** What one message may say beside its text. */
export type SyslogFields = Partial<Omit<SyslogMessage, 'message' | 'severity'>>;

interface Queued {
  readonly message: SyslogMessage;
  readonly wire: Uint8Array;
}

/** An open way to the server. */
interface Link {
  readonly alive: boolean;
  send(wires: readonly Uint8Array[]): Promise<void>;
  ref(): void;
  unref(): void;
  close(): Promise<void>;
}

/** Messages that are sent in one go. */
const BATCH = 100;

/**
 * Sends messages to a syslog server over UDP, TCP, TLS or a Unix stream socket. `log` never waits and never fails for the network's sake: messages
 * wait in a bounded queue, connections are made anew, and what does not fit is dropped and counted. Syslog has no receipts: what was
 * handed to a connection that then breaks may be lost.
 *
 *     await using log = await SyslogClient.connect('syslog+tls://logs.example.com', { appName: 'shop', facility: 'local0' });
 *     log.log('info', 'order accepted', { msgId: 'ORDER', structuredData: { 'order@32473': { id: '17' } } });
 */
export class SyslogClient implements AsyncDisposable {
  readonly #server: ResolvedSyslogServer;
  readonly #options: SyslogClientOptions;
  readonly #maxQueued: number;
  readonly #maxBytes: number;
  readonly #queue: Queued[] = [];
  readonly #idle: (() => void)[] = [];
  readonly #stop = new AbortController();
  #link: Link | undefined;
  #pumping: Promise<void> | undefined;
  #wakeRetry: (() => void) | undefined;
  #closed = false;
  #dropped = 0;
  #sent = 0;

  private constructor(target: SyslogTarget, options: SyslogClientOptions) {
    checkOptions('syslog', options, optionNames);
    this.#server = resolveSyslogServer(target);
    this.#options = options;
    this.#maxQueued = wholeNumber('maxQueued', options.maxQueued ?? 10_000);
    const udpBytes = options.format === 'rfc3164' ? 1024 : 2048;
    this.#maxBytes = wholeNumber(
      'maxMessageBytes',
      options.maxMessageBytes ?? (this.#server.transport === 'udp' ? udpBytes : 8192),
    );
    if (options.drop !== undefined && options.drop !== 'newest' && options.drop !== 'oldest')
      throw new UsageError(`drop must be 'newest' or 'oldest'; got ${JSON.stringify(options.drop)}`);
    const { first = 100, most = 30_000 } = options.retryMs ?? {};
    if (!(first > 0 && most >= first))
      throw new UsageError('retryMs is { first, most }, positive, the first no longer');
    resolveTimeouts(options.timeouts);
    // What every message will hold is checked now: a logger that fails on its first message is found too late.
    this.#encode({ ...this.#fields(), severity: 'debug', message: '' });
  }

  /** Connects. Rejects with ConnectError, TlsError or TimeoutError where the server cannot be reached; over UDP that cannot be known. */
  static async connect(target: SyslogTarget, options: SyslogClientOptions = {}): Promise<SyslogClient> {
    const client = new SyslogClient(target, options);
    client.#link = await client.#open();
    client.#link.unref();
    return client;
  }

  /** As `connect`, but at once: the server is reached for with the first message, and again until it can be. */
  static open(target: SyslogTarget, options: SyslogClientOptions = {}): SyslogClient {
    return new SyslogClient(target, options);
  }

  /** Messages that were given up. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Messages that wait. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Messages that were handed over. */
  get sent(): number {
    return this.#sent;
  }

  /**
   * Queues a message; false when it was dropped. UsageError for a field that the format forbids, ClosedError after `close`.
   */
  log(severity: SyslogSeverity, message: string, fields: SyslogFields = {}): boolean {
    if (this.#closed) throw new ClosedError('the syslog client is closed');
    const whole: SyslogMessage = { ...this.#fields(), ...fields, severity, message };
    const queued = { message: whole, wire: this.#encode(whole) };
    if (this.#queue.length >= this.#maxQueued) {
      if (this.#options.drop !== 'oldest' || this.#maxQueued === 0) {
        this.#drop(whole);
        return false;
      }
      this.#drop((this.#queue.shift() as Queued).message);
    }
    this.#queue.push(queued);
    this.#pumping ??= this.#pump();
    return true;
  }

  /** Resolves when nothing waits any more. TimeoutError, or the signal's reason, when that takes too long: the messages go on waiting. */
  async flush(call: CallOptions = {}): Promise<void> {
    if (this.#queue.length === 0) return;
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = call;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        settle();
        reject(signal?.reason);
      };
      const timer =
        timeoutMs === Number.POSITIVE_INFINITY
          ? undefined
          : setTimeout(() => {
              settle();
              reject(
                new TimeoutError(`${this.#queue.length} messages still wait after ${formatMs(timeoutMs)}`, {
                  reusable: true,
                }),
              );
            }, timerMs(timeoutMs));
      signal?.addEventListener('abort', onAbort);
      this.#idle.push(() => {
        settle();
        if (this.#queue.length === 0) resolve();
        else reject(new ClosedError(`the client was closed; ${this.#queue.length} messages were not sent`));
      });
    });
  }

  /** Sends what waits, for at most `timeoutMs` (default 5000), and closes. What is left then is dropped. May be called twice; never rejects. */
  async close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    this.#closed = true;
    const { timeoutMs = 5000 } = options;
    // A server that is away gets one more chance at once.
    this.#wakeRetry?.();
    if (timeoutMs > 0) await this.flush({ timeoutMs }).catch(() => undefined);
    this.#stop.abort(new ClosedError('the syslog client was closed'));
    this.#wakeRetry?.();
    await this.#link?.close();
    this.#link = undefined;
    await this.#pumping;
    for (const { message } of this.#queue.splice(0)) this.#drop(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #fields(): Omit<SyslogMessage, 'severity' | 'message'> {
    const { facility = 'user', appName, hostname: host = hostname(), procId = String(process.pid) } = this.#options;
    return { facility, appName, hostname: host, procId, timestamp: new Date() };
  }

  #encode(message: SyslogMessage): Uint8Array {
    const bytes = encodeSyslog(message, { format: this.#options.format, maxBytes: this.#maxBytes });
    return this.#server.transport === 'udp' ? bytes : encodeSyslogFrame(bytes, this.#server.framing);
  }

  #drop(message: SyslogMessage): void {
    this.#dropped++;
    if (this.#options.onDrop !== undefined) notify('onDrop', this.#options.onDrop, message);
  }

  /** Sends what waits, in order, until nothing does. */
  async #pump(): Promise<void> {
    let failures = 0;
    // What is logged in one turn travels together; and a server's farewell that has come is heard before anything is sent to it.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0 && !this.#stop.signal.aborted) {
      const batch = this.#queue.slice(0, BATCH);
      try {
        if (this.#link?.alive !== true) {
          await this.#link?.close();
          this.#link = undefined;
          this.#link = await this.#open();
        }
        this.#link.ref();
        await this.#link.send(batch.map(({ wire }) => wire));
        failures = 0;
        this.#sent += batch.length;
        // Some may have been dropped meanwhile, to make room.
        const kept = this.#queue.indexOf(batch.at(-1) as Queued);
        this.#queue.splice(0, kept + 1);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        if (this.#options.onError !== undefined) notify('onError', this.#options.onError, error);
        await this.#link?.close();
        this.#link = undefined;
        await this.#wait(failures++);
      }
    }
    this.#link?.unref();
    this.#pumping = undefined;
    for (const wake of this.#idle.splice(0)) wake();
  }

  /** Longer each time, and not the same for all clients of a server that comes back. */
  #wait(failures: number): Promise<void> {
    const { first = 100, most = 30_000 } = this.#options.retryMs ?? {};
    const waitMs = Math.min(most, first * 2 ** Math.min(failures, 20)) * (0.5 + Math.random() / 2);
    return new Promise((resolve) => {
      // A server that is away does not keep the program from ending.
      const timer = setTimeout(resolve, timerMs(waitMs)).unref();
      this.#wakeRetry = () => {
        clearTimeout(timer);
        timer.ref();
        resolve();
      };
    });
  }

  #open(): Promise<Link> {
    return this.#server.transport === 'udp' ? openDatagrams(this.#server) : this.#openStream();
  }

  async #openStream(): Promise<Link> {
    const { transport, host, port, path, tls, shown } = this.#server;
    let connection: Connection;
    try {
      connection = await dial(
        { protocol: 'syslog', host, port, path, implicitTls: transport === 'tls', tls },
        { timeouts: this.#options.timeouts, signal: this.#stop.signal },
      );
    } catch (error) {
      if (error instanceof PostwireError && error.reason === 'EPROTOTYPE')
        throw new UnsupportedError(`${shown} is a datagram socket of the Unix family, and Node has none of those`, {
          hint: "let the daemon listen on UDP or TCP of this machine, or on a stream socket (rsyslog: imptcp, path='…')",
          cause: error,
        });
      throw error;
    }
    return streamLink(connection);
  }
}

async function openDatagrams({ host, port }: ResolvedSyslogServer): Promise<Link> {
  const socket = await UdpSocket.connect({ host, port });
  return {
    alive: true,
    // One that nobody receives may be answered with an error, which belongs to none of them: the next ones go anyway.
    send: async (wires) => void (await Promise.allSettled(wires.map((wire) => socket.send(wire)))),
    ref: () => socket.ref(),
    unref: () => socket.unref(),
    close: () => socket.close(),
  };
}

function streamLink(connection: Connection): Link {
  return {
    get alive(): boolean {
      // A server says nothing, ever: an end is all that could have come.
      return connection.open && !connection.ended;
    },
    send: async (wires) => {
      const written = connection.write(wires);
      connection.flush();
      await written;
    },
    ref: () => connection.ref(),
    unref: () => connection.unref(),
    close: () => connection.close(),
  };
}
