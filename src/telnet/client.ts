import type { Readable, Writable } from 'node:stream';
import { ClosedError, LimitError, UsageError, messageOf } from '../errors.ts';
import { type CallOptions, type CloseReason, type Connection, checkCall } from '../socket/connection.ts';
import { dialServer } from '../socket/target.ts';
import { timerMs } from '../socket/deadlines.ts';
import { Secret, checkArgument } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { encodeText } from '../wire/bytes.ts';
import { anyBytes } from '../wire/line.ts';
import { TelnetAnswers } from './answers.ts';
import {
  type TelnetCommandName,
  type TelnetEvent,
  type TelnetOptionName,
  type TelnetVerb,
  encodeCommand,
  encodeNegotiation,
  encodeSubnegotiation,
  encodeTelnetData,
  formatTelnetEvent,
  optionName,
  telnetCommands,
  telnetDecoder,
  telnetOptions,
} from './codec.ts';
import { type TelnetExec, type TelnetExecResult, exec } from './exec.ts';
import {
  ExpectEnd,
  ExpectTimeout,
  PatternSearch,
  TelnetMatch,
  type TelnetPattern,
  type TelnetSight,
  showPattern,
} from './expect.ts';
import { type TelnetLogin, login } from './login.ts';
import { TelnetOutput, textOfPieces } from './output.ts';
import { OptionEngine, type TelnetSide } from './options.ts';
import {
  type ResolvedTelnetTarget,
  type TelnetOptions,
  type TelnetTarget,
  type TelnetWindow,
  checkWindow,
  resolveTelnetTarget,
} from './target.ts';
import { TelnetText } from './text.ts';

/** A step of a script: wait, then send a line. */
export interface TelnetStep {
  readonly expect?: TelnetPattern | readonly TelnetPattern[] | undefined;
  /** A line; its end is added. */
  readonly send?: string | Secret | undefined;
  readonly timeoutMs?: number | undefined;
}

type Event = TelnetEvent | { readonly kind: 'end' };

const EXPECT_MS = 10_000;
/** Output that waits, while nobody reads, before the server is held back. */
const PAUSE_BYTES = 1024 * 1024;
const BINARY = telnetOptions.BINARY;
const NAWS = telnetOptions.NAWS;
const TIMING_MARK = telnetOptions['TIMING-MARK'];

/**
 * A Telnet session. Output is taken in and options are negotiated all the time; what came waits until it is read or matched. One call may
 * read at a time, another throws UsageError at once; writing is always possible. A wait that times out or is aborted leaves the session
 * as it was.
 *
 * @see RFC 854
 */
export class TelnetClient implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #target: ResolvedTelnetTarget;
  readonly #engine: OptionEngine;
  readonly #answers: TelnetAnswers;
  readonly #decode: Decoder<Event>;
  #text: TelnetText;
  readonly #received = new TelnetOutput();
  #ended = false;
  /** The call that reads. */
  #reading: string | undefined;
  /** Tells the one who waits for output that there is more. */
  #wake: (() => void) | undefined;
  #resume: (() => void) | undefined;
  /** A write of the pump's that the connection wants waited for. */
  #owed: Promise<void> | undefined;
  #marks: (() => void)[] = [];
  #keepalive: NodeJS.Timeout | undefined;

  private constructor(connection: Connection, target: ResolvedTelnetTarget) {
    this.#connection = connection;
    this.#target = target;
    this.#text = new TelnetText(target.given.encoding);
    this.#answers = new TelnetAnswers(target.given, (charset) => {
      this.#text = new TelnetText(charset);
    });
    this.#engine = new OptionEngine({
      send: (verb, option) => this.#sendEvent(encodeNegotiation(verb, option), { kind: 'negotiate', verb, option }),
      accepts: (side, option) => this.#answers.accepts(side, option),
      changed: (side, option, on) => {
        if (side === 'us' && option === NAWS && on) this.#sendWindow();
      },
    });
    const decode: Decoder<TelnetEvent> = this.#raw
      ? (queue) => {
          const bytes = anyBytes(queue);
          return bytes && { kind: 'data', bytes };
        }
      : telnetDecoder({ isBinary: () => this.#engine.on('them', BINARY) });
    // The end is an event like the others: a session ends so. What is left then is a command cut short.
    this.#decode = (queue) => decode(queue) ?? (queue.ended ? { kind: 'end' } : undefined);
  }

  /** Connects. Resolves before any negotiation: a server that has nothing to negotiate says nothing. */
  static async connect(target: TelnetTarget | undefined, options: TelnetOptions = {}): Promise<TelnetClient> {
    const resolved = resolveTelnetTarget(target, options);
    const connection = await dialServer(resolved, 'TELNET');
    const client = new TelnetClient(connection, resolved);
    void client.#pump();
    client.#start();
    return client;
  }

  #start(): void {
    const { binary, keepalive } = this.#target.given;
    if (binary === true && !this.#raw) {
      void this.#engine.enable('us', BINARY);
      void this.#engine.enable('them', BINARY);
    }
    if (keepalive === undefined) return;
    const { intervalMs, by = 'NOP' } = keepalive;
    this.#keepalive = setInterval(() => void this.command(by).catch(() => undefined), intervalMs);
    this.#keepalive.unref();
  }

  get #raw(): boolean {
    return this.#target.given.mode === 'raw';
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  /** The connection below. Its reading belongs to this client. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Settles when the connection has ended, with the reason. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#connection.closed;
  }

  /** The encoding in use: the one given, or the one that CHARSET agreed on. */
  get encoding(): string {
    return this.#text.encoding;
  }

  /** Options that are on, by name where they have one. */
  get options(): TelnetSight['options'] {
    return { us: this.#engine.enabled('us').map(optionName), them: this.#engine.enabled('them').map(optionName) };
  }

  /**
   * Asks for an option of ours ('us') or the server's ('them'). Resolves with whether it is on. ExpectTimeout when the server does not
   * answer.
   */
  enable(side: TelnetSide, option: TelnetOptionName, call: CallOptions = {}): Promise<boolean> {
    return this.#negotiate(side, option, true, call);
  }

  /** Asks to end an option. Resolves with whether it is on. */
  disable(side: TelnetSide, option: TelnetOptionName, call: CallOptions = {}): Promise<boolean> {
    return this.#negotiate(side, option, false, call);
  }

  async #negotiate(side: TelnetSide, option: TelnetOptionName, on: boolean, call: CallOptions): Promise<boolean> {
    this.#needsTelnet();
    checkCall(call);
    if (!Object.hasOwn(telnetOptions, option))
      throw new UsageError(
        `${JSON.stringify(option)} is no option; there are ${Object.keys(telnetOptions).join(', ')}`,
      );
    const code = telnetOptions[option];
    if (on && side === 'us' && !this.#answers.accepts(side, code))
      throw new UsageError(`${option} cannot be offered: nothing was given for it when connecting`);
    if (code === TIMING_MARK) throw new UsageError('TIMING-MARK is asked for with timingMark()');
    const answered = this.#engine[on ? 'enable' : 'disable'](side, code);
    return this.#within(answered, `an answer about ${option}`, call);
  }

  /** Resolves once the server has worked off everything sent before. @see RFC 860 */
  async timingMark(call: CallOptions = {}): Promise<void> {
    this.#needsTelnet();
    checkCall(call);
    const answered = new Promise<void>((resolve) => this.#marks.push(resolve));
    this.#sendEvent(encodeNegotiation('DO', TIMING_MARK), { kind: 'negotiate', verb: 'DO', option: TIMING_MARK });
    await this.#within(answered, 'a timing mark', call);
    if (this.#ended) throw this.#closedError();
  }

  /** Tells the server the size of the window, now and whenever it asks. @see RFC 1073 */
  resize(window: TelnetWindow): void {
    checkWindow(window);
    this.#answers.resize(window);
    if (this.#engine.on('us', NAWS)) this.#sendWindow();
  }

  #sendWindow(): void {
    const size = this.#answers.windowSize();
    if (size !== undefined)
      this.#sendEvent(encodeSubnegotiation(NAWS, size), { kind: 'subnegotiation', option: NAWS, bytes: size });
  }

  /** Sends a command: 'AYT', 'IP', 'BRK', … */
  async command(name: TelnetCommandName, call: CallOptions = {}): Promise<void> {
    this.#needsTelnet();
    if (!Object.hasOwn(telnetCommands, name) || ['SB', 'SE', 'WILL', 'WONT', 'DO', 'DONT'].includes(name))
      throw new UsageError(`${JSON.stringify(name)} is not a command that stands alone`);
    await this.#connection.write([{ bytes: encodeCommand(name), shown: `IAC ${name}` }], call);
  }

  /**
   * Sends text as it is typed, or bytes as they are. In text outside BINARY a line feed is the end of a line, CR LF; in bytes nothing is
   * changed but what Telnet demands.
   */
  write(data: string | Uint8Array | Secret, call: CallOptions = {}): Promise<void> {
    return this.#send(data, '', call);
  }

  /** Sends text and the end of the line: CR LF, or CR in BINARY, which is what the Enter key sends. */
  writeLine(text: string | Secret, call: CallOptions = {}): Promise<void> {
    return this.#send(text, this.#engine.on('us', BINARY) ? '\r' : '\r\n', call);
  }

  async #send(data: string | Uint8Array | Secret, end: string, call: CallOptions): Promise<void> {
    if (typeof data !== 'string' && !(data instanceof Uint8Array) && !(data instanceof Secret))
      throw new UsageError(`what is written must be text, bytes or a secret; got ${typeof data}`);
    const binary = this.#engine.on('us', BINARY);
    let bytes: Uint8Array;
    if (data instanceof Uint8Array) bytes = data;
    else {
      const typed = (data instanceof Secret ? data.reveal() : data) + end;
      bytes = this.#text.encode(binary || this.#raw ? typed : typed.replace(/\r?\n/g, '\r\n'));
    }
    if (data instanceof Secret) this.#connection.transcript.hide(data.reveal());
    const wire = this.#raw ? bytes : encodeTelnetData(bytes, binary);
    this.#engine.calm();
    this.#keepalive?.refresh();
    const shown = data instanceof Secret ? '***' : data;
    await this.#connection.write([typeof shown === 'string' ? { bytes: wire, shown } : wire], call);
  }

  /**
   * Waits for the first of the patterns, 10 seconds unless told otherwise, and consumes everything up to the end of the match.
   * ExpectTimeout or ExpectEnd when none comes, with what was seen; nothing is consumed then. LimitError, and the session is closed, when
   * more than `maxBufferBytes` come without a match.
   */
  expect(patterns: TelnetPattern | readonly TelnetPattern[], call: CallOptions = {}): Promise<TelnetMatch> {
    return this.#exclusively('expect', () => this.#expect(patterns, call));
  }

  /** Everything up to and with the text or match. */
  async readUntil(pattern: string | RegExp, call: CallOptions = {}): Promise<string> {
    const match = await this.expect(pattern, call);
    return match.before + match.text;
  }

  /** Everything until the server ends the session. */
  readAll(call: CallOptions = {}): Promise<string> {
    return this.#exclusively('readAll', async () => {
      await this.#until(
        () => this.#ended,
        () => 'the end of the output',
        { timeoutMs: Number.POSITIVE_INFINITY, ...call },
      );
      return this.#take(this.#received.length);
    });
  }

  /** What there is, or the next that comes; '' when the session has ended. */
  readSome(call: CallOptions = {}): Promise<string> {
    return this.#exclusively('readSome', async () => {
      await this.#until(
        () => this.#received.length > 0 || this.#ended,
        () => 'output',
        call,
      );
      return this.#take(this.#received.length);
    });
  }

  /** What has come by now, without waiting; '' where there is nothing. */
  readVeryEager(): string {
    if (this.#reading !== undefined) throw this.#busy('readVeryEager');
    return this.#take(this.#received.length);
  }

  /**
   * Answers the server's prompts for a user and a password, each once. AuthError when it refuses; ExpectTimeout when it does not answer.
   * Without TLS the password can be read by others: `allowInsecureAuth: false` forbids that. Resolves with what the server said.
   */
  login(given: TelnetLogin): Promise<string> {
    return this.#exclusively('login', async () => {
      checkCall(given);
      if (this.#target.given.allowInsecureAuth === false && !this.secure && given.password !== undefined)
        throw new UsageError('the password would be sent in the clear, and allowInsecureAuth is false: use telnets://');
      const call = { signal: given.signal, timeoutMs: given.timeoutMs };
      const said = await login(
        {
          expect: (patterns) => this.#expect(patterns, call),
          writeLine: (text) => this.writeLine(text, { signal: given.signal }),
          where: `${this.#connection.host}:${this.#connection.port}`,
        },
        given,
      );
      return this.#connection.transcript.mask(said);
    });
  }

  /** Runs a command line in the shell behind the login, and collects what it prints until the next prompt. */
  exec(command: string, options: TelnetExec = {}): Promise<TelnetExecResult> {
    return this.#exclusively('exec', () => {
      checkArgument('the command', command);
      checkCall(options);
      return exec(
        {
          expect: (patterns, timeoutMs) => this.#expect(patterns, { signal: options.signal, timeoutMs }),
          write: (text) => this.write(text, { signal: options.signal }),
          writeLine: (text) => this.writeLine(text, { signal: options.signal }),
        },
        command,
        options,
      );
    });
  }

  /** Runs the steps in order. Resolves with the match of each step that waited. */
  async script(steps: readonly TelnetStep[], call: CallOptions = {}): Promise<TelnetMatch[]> {
    const matches: TelnetMatch[] = [];
    for (const { expect, send, timeoutMs = call.timeoutMs } of steps) {
      if (expect !== undefined) matches.push(await this.expect(expect, { signal: call.signal, timeoutMs }));
      if (send !== undefined) await this.writeLine(send, { signal: call.signal });
    }
    return matches;
  }

  /** Connects the session to streams, until either ends. Returns why. Neither stream is ended. */
  interact(input: Readable, output: Writable, call: Pick<CallOptions, 'signal'> = {}): Promise<'server' | 'input'> {
    return this.#exclusively('interact', async () => {
      let inputEnded = false;
      const onData = (chunk: Uint8Array | string): void => {
        // Held back while the server is: else what is typed or piped in would pile up here.
        input.pause();
        this.write(chunk).then(
          () => input.resume(),
          () => undefined,
        );
      };
      const onEnd = (): void => {
        inputEnded = true;
        this.#wake?.();
      };
      input.on('data', onData);
      input.on('end', onEnd);
      input.on('close', onEnd);
      try {
        for (;;) {
          const ready = (): boolean => this.#received.length > 0 || this.#ended || inputEnded;
          await this.#until(ready, () => 'output', { ...call, timeoutMs: Number.POSITIVE_INFINITY });
          if (this.#received.length === 0) return inputEnded ? 'input' : 'server';
          if (!output.write(this.#take(this.#received.length)))
            await new Promise((resume) => output.once('drain', resume));
        }
      } finally {
        input.pause();
        input.off('data', onData);
        input.off('end', onEnd);
        input.off('close', onEnd);
      }
    });
  }

  /** Ends the session: sends what is queued, then closes. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#keepalive);
    await this.#connection.close();
    this.#end();
  }

  /** Closes at once. */
  destroy(reason?: Error): void {
    clearInterval(this.#keepalive);
    this.#connection.destroy(reason);
    this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #pump(): Promise<void> {
    const connection = this.#connection;
    const wait = { phase: 'idle', shown: 'body', timeoutMs: Number.POSITIVE_INFINITY } as const;
    try {
      for (;;) {
        const event = connection.tryRead(this.#decode, 'body') ?? (await connection.read(this.#decode, wait));
        if (event.kind === 'end') break;
        this.#handle(event);
        if (this.#owed !== undefined) {
          await this.#owed;
          this.#owed = undefined;
        }
        if (this.#wake === undefined && this.#received.length >= Math.min(PAUSE_BYTES, this.#target.maxBufferBytes))
          await new Promise<void>((resolve) => {
            this.#resume = resolve;
          });
      }
      this.#received.push(this.#text.end());
    } catch {
      // Whoever waits, or comes later, is told by `#closedError`.
    }
    clearInterval(this.#keepalive);
    this.#end();
  }

  #handle(event: TelnetEvent): void {
    if (event.kind === 'data') {
      this.#received.push(this.#text.decode(event.bytes));
      this.#wake?.();
      return;
    }
    this.#connection.transcript.received(encodeText(formatTelnetEvent(event)), 'text');
    if (event.kind === 'subnegotiation') {
      const content = this.#answers.answer(event.option, event.bytes, this.#engine);
      if (content === undefined) return;
      this.#sendEvent(encodeSubnegotiation(event.option, content), { ...event, bytes: content });
    } else if (event.kind === 'negotiate') {
      const { verb, option } = event;
      if (option === TIMING_MARK) this.#timingMark(verb);
      else this.#engine.receive(verb, option);
    }
    // The other commands ask for nothing from a client: they are for a server, or marks.
  }

  /** It is a question each time, not a state. */
  #timingMark(verb: TelnetVerb): void {
    if (verb === 'DO')
      this.#sendEvent(encodeNegotiation('WILL', TIMING_MARK), { kind: 'negotiate', verb: 'WILL', option: TIMING_MARK });
    else if (verb !== 'DONT') this.#marks.shift()?.();
  }

  #sendEvent(bytes: Uint8Array, event: TelnetEvent): void {
    const written = this.#connection.write([{ bytes, shown: formatTelnetEvent(event) }]);
    written.catch(() => undefined);
    this.#owed = written;
  }

  #end(): void {
    this.#ended = true;
    this.#engine.end();
    for (const resolve of this.#marks.splice(0)) resolve();
    this.#wake?.();
    this.#resume?.();
  }

  async #expect(patterns: TelnetPattern | readonly TelnetPattern[], call: CallOptions): Promise<TelnetMatch> {
    const list: readonly TelnetPattern[] = Array.isArray(patterns) ? patterns : [patterns as TelnetPattern];
    const search = new PatternSearch(list);
    let match: TelnetMatch | undefined;
    const look = (): boolean => {
      const found = search.find(this.#received, this.#ended);
      if (found === undefined) return this.#ended;
      const before = this.#received.take(found.start);
      const text = textOfPieces(this.#received.take(found.end - found.start));
      match = new TelnetMatch(found.index, text, found.match, before);
      return true;
    };
    await this.#until(look, () => list.map(showPattern).join(' or '), call);
    if (match !== undefined) return match;
    const failure = this.#connection.failure;
    if (failure instanceof LimitError) throw failure;
    throw new ExpectEnd(
      `${this.#where()} ended the session before ${list.map(showPattern).join(' or ')} came${this.#lastSeen()}`,
      this.#sight(),
      this.#details(),
    );
  }

  /** Waits until `ready` says so, asked at every piece of output. Time and signal end the wait alone. */
  async #until(ready: () => boolean, what: () => string, call: CallOptions): Promise<void> {
    checkCall(call);
    const { signal, timeoutMs = EXPECT_MS } = call;
    signal?.throwIfAborted();
    if (ready()) return;
    await new Promise<void>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#wake = undefined;
        settle();
      };
      const onAbort = (): void => finish(() => reject(signal?.reason as Error));
      const timer = setTimeout(
        () =>
          finish(() =>
            reject(
              new ExpectTimeout(
                `${this.#where()} did not send ${what()} within ${timeoutMs / 1000} s${this.#lastSeen()}`,
                this.#sight(),
                this.#details(),
              ),
            ),
          ),
        timerMs(timeoutMs),
      );
      signal?.addEventListener('abort', onAbort);
      this.#wake = () => {
        try {
          if (ready()) return finish(resolve);
        } catch (error) {
          return finish(() => reject(error));
        }
        if (this.#received.length <= this.#target.maxBufferBytes) return;
        const error = new LimitError(
          `${this.#where()} sent more than ${this.#target.maxBufferBytes} bytes without ${what()}`,
          { ...this.#details(), reason: 'BUFFER_FULL', hint: 'raise maxBufferBytes, or read with readSome()' },
        );
        finish(() => reject(error));
        this.destroy(error);
      };
      this.#resume?.();
    });
  }

  /** Waits for an answer to a negotiation: beside whoever reads. */
  async #within<T>(answered: Promise<T>, what: string, call: CallOptions): Promise<T> {
    const { signal, timeoutMs = EXPECT_MS } = call;
    signal?.throwIfAborted();
    return new Promise<T>((resolve, reject) => {
      const onAbort = (): void => finish(() => reject(signal?.reason as Error));
      const timer = setTimeout(() => {
        const message = `${this.#where()} did not send ${what} within ${timeoutMs / 1000} s`;
        finish(() => reject(new ExpectTimeout(message, this.#sight(), this.#details())));
      }, timerMs(timeoutMs));
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      signal?.addEventListener('abort', onAbort);
      void answered.then((value) => finish(() => resolve(value)));
    });
  }

  #take(byteCount: number): string {
    const text = textOfPieces(this.#received.take(byteCount));
    this.#resume?.();
    return text;
  }

  async #exclusively<T>(name: string, act: () => Promise<T>): Promise<T> {
    if (this.#reading !== undefined) throw this.#busy(name);
    this.#reading = name;
    try {
      return await act();
    } finally {
      this.#reading = undefined;
    }
  }

  #busy(name: string): UsageError {
    return new UsageError(`${name} cannot read while ${this.#reading ?? ''} does: wait for it first`);
  }

  #needsTelnet(): void {
    if (this.#raw) throw new UsageError('there are no Telnet commands in raw mode');
    if (this.#ended) throw this.#closedError();
  }

  #closedError(): ClosedError {
    const cause = this.#connection.failure;
    const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
    return new ClosedError(`the session with ${this.#where()} has ended${why}`, { ...this.#details(), cause });
  }

  #where(): string {
    return `Telnet server ${this.#connection.host}:${this.#connection.port}`;
  }

  #details(): { protocol: string; host: string; port: number; transcript: readonly string[] } {
    const { host, port, transcript } = this.#connection;
    return { protocol: 'TELNET', host, port, transcript: transcript.last() };
  }

  #sight(): TelnetSight {
    const { text } = this.#received.textFrom(Math.max(0, this.#received.length - 1000));
    // What was typed as a secret may have been echoed.
    const lastText = this.#connection.transcript.mask(text);
    return { lastText, options: this.options };
  }

  #lastSeen(): string {
    const { lastText } = this.#sight();
    return lastText === '' ? '; it sent nothing' : `; the last it sent was ${JSON.stringify(lastText.slice(-200))}`;
  }
}
