import { ClosedError, UsageError, addContext, messageOf } from '../errors.ts';
import { formatHostPort } from '../socket/address.ts';
import { timerMs } from '../socket/deadlines.ts';
import { type CallOptions, type Connection } from '../socket/connection.ts';
import type { WirePart } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { encodeText } from '../wire/bytes.ts';
import { anyBytes } from '../wire/line.ts';
import {
  type TelnetEvent,
  type TelnetVerb,
  commandName,
  encodeNegotiation,
  encodeSubnegotiation,
  telnetDecoder,
} from './codec.ts';
import { TelnetReader, TelnetWriter } from './compression.ts';
import { Listeners } from './events.ts';
import { ExpectTimeout, type TelnetSight } from './expect.ts';
import { OptionEngine, type TelnetSide } from './option-engine.ts';
import type { OptionContext, OptionHandler } from './options/handler.ts';
import { optionHandlers, optionName, telnetOptions } from './options/table.ts';
import { TelnetOutput } from './output.ts';
import { formatTelnetEvent } from './show.ts';
import type { ResolvedTelnetTarget } from './target.ts';
import { TelnetText } from './text.ts';

type Event = TelnetEvent | { readonly kind: 'end' };
type HandlerName = keyof typeof optionHandlers;
type Handlers = { readonly [Name in HandlerName]: ReturnType<(typeof optionHandlers)[Name]> };

/** How long a wait takes that nobody set. */
export const EXPECT_MS = 10_000;
/** Output that waits, while nobody reads, before the server is held back. */
const PAUSE_BYTES = 1024 * 1024;
/** Subnegotiations that are answered before our own side goes on talking: what asks for more is a loop. */
const MAX_ANSWERS = 256;
const BINARY = telnetOptions.BINARY;
const TIMING_MARK = telnetOptions['TIMING-MARK'];

/**
 * The one reader of a session's connection: takes output in, and answers options all the time, whoever waits for what. Output that nobody
 * takes holds the server back.
 */
export class TelnetSession {
  readonly connection: Connection;
  readonly engine: OptionEngine;
  readonly events = new Listeners();
  /** What the client does in each option, by name. */
  readonly handlers: Handlers;
  /** Output that nobody has taken yet. */
  readonly received = new TelnetOutput();
  readonly raw: boolean;
  /** Hears of every piece of output, and of the end; while there is one, the server is not held back. */
  waiter: (() => void) | undefined;
  /** Resolves when nothing more will come. */
  readonly over: Promise<undefined>;
  #settleOver!: (value: undefined) => void;
  readonly #target: ResolvedTelnetTarget;
  readonly #byOption = new Map<number, OptionHandler>();
  readonly #reader: TelnetReader<Event>;
  readonly #writer: TelnetWriter;
  #text: TelnetText;
  #ended = false;
  #failure: Error | undefined;
  /** In the middle of a subnegotiation of the server's. */
  #answering = false;
  #answers = 0;
  /** Calls that wait for an answer, which may be behind output. */
  #asking = 0;
  #resume: (() => void) | undefined;
  /** A write of the pump's that the connection wants waited for. */
  #owed: Promise<void> | undefined;
  #marks: (() => void)[] = [];
  #held: { readonly over: Promise<void>; readonly end: () => void } | undefined;

  constructor(connection: Connection, target: ResolvedTelnetTarget) {
    this.connection = connection;
    this.#target = target;
    this.over = new Promise((resolve) => {
      this.#settleOver = resolve;
    });
    this.raw = target.given.mode === 'raw';
    this.#text = new TelnetText(target.given.encoding);
    this.engine = new OptionEngine({
      send: (verb, option) =>
        void this.#sendEvent(encodeNegotiation(verb, option), { kind: 'negotiate', verb, option }),
      accepts: (side, option) => this.#byOption.get(option)?.accepts(side) ?? false,
      changed: (side, option, on) => this.#byOption.get(option)?.changed?.(side, on),
    });
    this.handlers = this.#makeHandlers();
    const decode: Decoder<TelnetEvent> = this.raw
      ? (queue) => {
          const bytes = anyBytes(queue);
          return bytes && { kind: 'data', bytes };
        }
      : telnetDecoder({ isBinary: () => this.engine.on('them', BINARY) });
    // The end is an event like the others: a session ends so. What is left then is a command cut short.
    const decodeOrEnd: Decoder<Event> = (queue) => decode(queue) ?? (queue.ended ? { kind: 'end' } : undefined);
    this.#reader = new TelnetReader(connection, decodeOrEnd, target.maxDecompressionRatio);
    this.#writer = new TelnetWriter(connection);
  }

  #makeHandlers(): Handlers {
    const made = Object.entries(optionHandlers).map(([name, create]) => {
      const option = telnetOptions[name as HandlerName];
      const context: OptionContext = {
        given: this.#target.given,
        engine: this.engine,
        events: this.events,
        on: (side) => this.engine.on(side, option),
        send: (content) => {
          if (!this.#answering || this.#answers++ < MAX_ANSWERS) void this.sendSub(option, content);
        },
        useCharset: (charset) => {
          this.#text = new TelnetText(charset);
        },
        hold: (on) => this.#hold(on),
        inflate: () => this.#reader.inflate(),
        deflate: (on) => this.#writer.deflate(on),
      };
      const handler: OptionHandler = create(context);
      this.#byOption.set(option, handler);
      return [name, handler];
    });
    return Object.fromEntries(made) as Handlers;
  }

  /** True once nothing more will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Why it ended with output that was not taken in: limits, broken compression, a listener that threw. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The encoding in use: the one given, or the one that CHARSET agreed on. */
  get text(): TelnetText {
    return this.#text;
  }

  /** Reads until the session ends. Never rejects: whoever waits, or comes later, is told by the connection's failure. */
  async run(): Promise<void> {
    const { connection, received } = this;
    const wait = { phase: 'idle', shown: 'body', timeoutMs: Number.POSITIVE_INFINITY } as const;
    const { maxBufferBytes } = this.#target;
    const pauseBytes = Math.min(PAUSE_BYTES, maxBufferBytes);
    try {
      for (;;) {
        const event = this.#reader.tryNext() ?? (await this.#reader.next(wait));
        if (event.kind === 'end') break;
        this.#handle(event);
        if (this.#owed !== undefined) {
          // A peer that has left takes no answer, and what it sent before is still read: the reading says how it ended.
          await this.#owed.catch(() => undefined);
          this.#owed = undefined;
        }
        if (this.waiter === undefined && received.length >= (this.#asking > 0 ? maxBufferBytes : pauseBytes))
          await new Promise<void>((resolve) => {
            this.#resume = resolve;
          });
      }
      received.push(this.#text.end());
    } catch (error) {
      // Not what a peer does that goes away: output behind this there is, and it was not taken in.
      if (!(error instanceof ClosedError)) this.#failure = addContext(error as Error, this.details());
      // Nobody reads any more: the session is not left open.
      if (connection.failure === undefined) connection.destroy(error as Error);
    }
    this.end();
  }

  /** Output was taken, or somebody waits for it: the server may go on. */
  resume(): void {
    this.#resume?.();
  }

  /** Nobody will answer any more. */
  end(): void {
    this.#ended = true;
    this.#reader.end();
    this.#writer.end();
    this.#settleOver(undefined);
    this.engine.end();
    for (const resolve of this.#marks.splice(0)) resolve();
    this.#hold(false);
    this.waiter?.();
    this.#resume?.();
  }

  /** Sends what the caller typed. Our side goes on talking with it: what the server asks from here on is no loop. */
  async writeData(part: WirePart, call: CallOptions): Promise<void> {
    this.engine.calm();
    this.#answers = 0;
    while (this.#held !== undefined)
      await this.within(this.#held.over, 'leave to go on sending', { timeoutMs: Number.POSITIVE_INFINITY, ...call });
    await this.write([part], call);
  }

  write(parts: readonly WirePart[], call: CallOptions = {}): Promise<void> {
    return this.#writer.write(parts, call);
  }

  /** Resolves when everything written so far is with the connection. */
  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  /** Resolves when the server has worked off everything sent before, or the session has ended. */
  timingMark(): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#marks.push(resolve));
    void this.#sendEvent(encodeNegotiation('DO', TIMING_MARK), { kind: 'negotiate', verb: 'DO', option: TIMING_MARK });
    return answered;
  }

  /** Whether an option of ours may be on, by what the caller gave. */
  accepts(side: TelnetSide, option: number): boolean {
    return this.#byOption.get(option)?.accepts(side) ?? false;
  }

  /** UsageError in raw mode, ClosedError behind the end. */
  needsTelnet(): void {
    if (this.raw) throw new UsageError('there are no Telnet commands in raw mode');
    if (this.#ended) throw this.closedError();
  }

  /** Waits for an answer of the server's, beside whoever reads. Time and signal end the wait alone. */
  within<T>(answered: Promise<T>, what: string, call: CallOptions): Promise<T> {
    const { signal, timeoutMs = EXPECT_MS } = call;
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      this.#asking++;
      this.#resume?.();
      const onAbort = (): void => finish(() => reject(signal?.reason as Error));
      const timer = setTimeout(() => {
        const message = `${this.where} did not send ${what} within ${timeoutMs / 1000} s`;
        finish(() => reject(new ExpectTimeout(message, this.sight(), this.details())));
      }, timerMs(timeoutMs));
      let finished = false;
      const finish = (settle: () => void): void => {
        if (finished) return;
        finished = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#asking--;
        settle();
      };
      signal?.addEventListener('abort', onAbort);
      answered.then(
        (value) => finish(() => resolve(value)),
        (error: Error) => finish(() => reject(error)),
      );
    });
  }

  closedError(): ClosedError {
    const cause = this.connection.failure;
    const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
    return new ClosedError(`the session with ${this.where} has ended${why}`, { ...this.details(), cause });
  }

  /** The server, in messages. */
  get where(): string {
    return `Telnet server ${formatHostPort(this.connection.host, this.connection.port)}`;
  }

  details(): { protocol: string; host: string; port: number; transcript: readonly string[] } {
    const { host, port, transcript } = this.connection;
    return { protocol: 'TELNET', host, port, transcript: transcript.last() };
  }

  get options(): TelnetSight['options'] {
    return { us: this.engine.enabled('us').map(optionName), them: this.engine.enabled('them').map(optionName) };
  }

  /** What came last, and what is on: for errors. */
  sight(): TelnetSight {
    const { text } = this.received.textFrom(Math.max(0, this.received.length - 1000));
    // What was typed as a secret may have been echoed.
    const lastText = this.connection.transcript.mask(text);
    return { lastText, options: this.options };
  }

  lastSeen(): string {
    const { lastText } = this.sight();
    return lastText === '' ? '; it sent nothing' : `; the last it sent was ${JSON.stringify(lastText.slice(-200))}`;
  }

  #handle(event: TelnetEvent): void {
    if (event.kind === 'data') {
      this.received.push(this.#text.decode(event.bytes));
      this.waiter?.();
      return;
    }
    this.connection.transcript.received(encodeText(formatTelnetEvent(event)), 'text');
    if (event.kind === 'subnegotiation') {
      this.#answering = true;
      this.#byOption.get(event.option)?.receive?.(event.bytes);
      this.#answering = false;
    } else if (event.kind === 'negotiate') {
      const { verb, option } = event;
      if (option === TIMING_MARK) this.#timingMark(verb);
      else this.engine.receive(verb, option);
    } else this.events.emit('command', commandName(event.code) ?? event.code);
  }

  /** It is a question each time, not a state. */
  #timingMark(verb: TelnetVerb): void {
    if (verb === 'DO')
      void this.#sendEvent(encodeNegotiation('WILL', TIMING_MARK), {
        kind: 'negotiate',
        verb: 'WILL',
        option: TIMING_MARK,
      });
    else if (verb !== 'DONT') this.#marks.shift()?.();
  }

  /** Sends a subnegotiation of the caller's. */
  sendSub(option: number, bytes: Uint8Array, call: CallOptions = {}): Promise<void> {
    return this.#sendEvent(encodeSubnegotiation(option, bytes), { kind: 'subnegotiation', option, bytes }, call);
  }

  #sendEvent(bytes: Uint8Array, event: TelnetEvent, call: CallOptions = {}): Promise<void> {
    const written = this.write([{ bytes, shown: formatTelnetEvent(event) }], call);
    written.catch(() => undefined);
    this.#owed = written;
    return written;
  }

  #hold(on: boolean): void {
    if (on === (this.#held !== undefined)) return;
    this.#held?.end();
    this.#held = undefined;
    if (!on) return;
    let end!: () => void;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#held = { over, end };
  }
}
