import type { Readable, Writable } from 'node:stream';
import { ClosedError, LimitError, TlsError, UsageError, addContext } from '../errors.ts';
import { type CallOptions, type CloseReason, type Connection, checkCall } from '../socket/connection.ts';
import { TelnetComPort } from './com-port.ts';
import { dialServer } from '../socket/target.ts';
import { timerMs } from '../socket/deadlines.ts';
import { Secret, checkArgument } from '../wire/arguments.ts';
import { type TelnetCommandName, encodeCommand, encodeTelnetData, telnetCommands } from './codec.ts';
import type { TelnetEventName, TelnetEvents } from './events.ts';
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
import { interact } from './interact.ts';
import { type TelnetLogin, login } from './login.ts';
import { textOfPieces } from './output.ts';
import type { TelnetSide } from './option-engine.ts';
import { encodeGmcp } from './options/gmcp.ts';
import { type TelnetOptionName, telnetOptions } from './options/table.ts';
import { EXPECT_MS, TelnetSession } from './session.ts';
import { agreeOnTls } from './start-tls.ts';
import {
  type ResolvedTelnetTarget,
  type TelnetOptions,
  type TelnetTarget,
  type TelnetWindow,
  checkWindow,
  resolveTelnetTarget,
} from './target.ts';

/** A step of a script: wait, then send a line. */
export interface TelnetStep {
  readonly expect?: TelnetPattern | readonly TelnetPattern[] | undefined;
  /** A line; its end is added. */
  readonly send?: string | Secret | undefined;
  readonly timeoutMs?: number | undefined;
}

const BINARY = telnetOptions.BINARY;
const TIMING_MARK = telnetOptions['TIMING-MARK'];

/**
 * A Telnet session. Output is taken in and options are negotiated all the time; what came waits until it is read or matched. One call may
 * read at a time, another throws UsageError at once; writing is always possible. A wait that times out or is aborted leaves the session
 * as it was.
 *
 * @see RFC 854
 */
export class TelnetClient implements AsyncDisposable {
  readonly #session: TelnetSession;
  readonly #target: ResolvedTelnetTarget;
  /** The serial port behind the server: connect with `comPort: true`. */
  readonly comPort: TelnetComPort;
  /** The call that reads. */
  #reading: string | undefined;
  #keepalive: NodeJS.Timeout | undefined;

  private constructor(session: TelnetSession, target: ResolvedTelnetTarget) {
    this.#session = session;
    this.comPort = new TelnetComPort(session);
    this.#target = target;
  }

  /** Connects. Resolves before any negotiation: a server that has nothing to negotiate says nothing. */
  static async connect(target: TelnetTarget | undefined, options: TelnetOptions = {}): Promise<TelnetClient> {
    const resolved = resolveTelnetTarget(target, options);
    const connection = await dialServer(resolved, 'TELNET');
    if (resolved.endpoint.tls === 'starttls') await upgrade(connection, resolved);
    const session = new TelnetSession(connection, resolved);
    const client = new TelnetClient(session, resolved);
    void session.run().then(() => clearInterval(client.#keepalive));
    client.#start();
    return client;
  }

  #start(): void {
    const { comPort = false, binary = comPort, keepalive } = this.#target.given;
    if (comPort) void this.#session.engine.enable('us', telnetOptions['COM-PORT']);
    if (binary && !this.#session.raw) {
      void this.#session.engine.enable('us', BINARY);
      void this.#session.engine.enable('them', BINARY);
    }
    if (keepalive === undefined) return;
    const { intervalMs, by = 'NOP' } = keepalive;
    this.#keepalive = setInterval(() => void this.command(by).catch(() => undefined), intervalMs);
    this.#keepalive.unref();
  }

  get secure(): boolean {
    return this.connection.secure;
  }

  /** The connection below. Its reading belongs to this client. */
  get connection(): Connection {
    return this.#session.connection;
  }

  /** Settles when the connection has ended, with the reason. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.connection.closed;
  }

  /** The encoding in use: the one given, or the one that CHARSET agreed on. */
  get encoding(): string {
    return this.#session.text.encoding;
  }

  /** Options that are on, by name where they have one. */
  get options(): TelnetSight['options'] {
    return this.#session.options;
  }

  /** Sends a message of GMCP: `sendGmcp('Core.Supports.Set', ['Char 1'])`. UsageError unless the server has agreed to it. */
  async sendGmcp(name: string, data?: unknown, call: CallOptions = {}): Promise<void> {
    this.#session.needsTelnet();
    if (!/^[\w.-]{1,256}$/.test(name)) throw new UsageError(`${JSON.stringify(name)} is no name of a GMCP message`);
    if (!this.#session.engine.on('them', telnetOptions.GMCP))
      throw new UsageError('the server has not agreed to GMCP: connect with gmcp: true, and look at options.them');
    await this.#session.sendSub(telnetOptions.GMCP, encodeGmcp(name, data), call);
  }

  /** Hears what the server tells beside its output. Returns what ends that. A listener that throws ends the session with its error. */
  on<Name extends TelnetEventName>(name: Name, listener: (value: TelnetEvents[Name]) => void): () => void {
    return this.#session.events.on(name, listener);
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
    this.#session.needsTelnet();
    checkCall(call);
    if (!Object.hasOwn(telnetOptions, option))
      throw new UsageError(
        `${JSON.stringify(option)} is no option; there are ${Object.keys(telnetOptions).join(', ')}`,
      );
    const code = telnetOptions[option];
    if (on && side === 'us' && !this.#session.accepts(side, code))
      throw new UsageError(`${option} cannot be offered: nothing was given for it when connecting`);
    if (code === TIMING_MARK) throw new UsageError('TIMING-MARK is asked for with timingMark()');
    const answered = this.#session.engine[on ? 'enable' : 'disable'](side, code);
    return this.#session.within(answered, `an answer about ${option}`, call);
  }

  /** Resolves once the server has worked off everything sent before. @see RFC 860 */
  async timingMark(call: CallOptions = {}): Promise<void> {
    this.#session.needsTelnet();
    checkCall(call);
    await this.#session.within(this.#session.timingMark(), 'a timing mark', call);
    if (this.#session.ended) throw this.#session.closedError();
  }

  /** Tells the server the size of the window, now and whenever it asks. @see RFC 1073 */
  resize(window: TelnetWindow): void {
    checkWindow(window);
    this.#session.handlers.NAWS.resize(window);
  }

  /** Sends a command: 'AYT', 'IP', 'BRK', … */
  async command(name: TelnetCommandName, call: CallOptions = {}): Promise<void> {
    this.#session.needsTelnet();
    if (!Object.hasOwn(telnetCommands, name) || ['SB', 'SE', 'WILL', 'WONT', 'DO', 'DONT'].includes(name))
      throw new UsageError(`${JSON.stringify(name)} is not a command that stands alone`);
    await this.#session.write([{ bytes: encodeCommand(name), shown: `IAC ${name}` }], call);
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
    return this.#send(text, this.#session.engine.on('us', BINARY) ? '\r' : '\r\n', call);
  }

  async #send(data: string | Uint8Array | Secret, end: string, call: CallOptions): Promise<void> {
    if (typeof data !== 'string' && !(data instanceof Uint8Array) && !(data instanceof Secret))
      throw new UsageError(`what is written must be text, bytes or a secret; got ${typeof data}`);
    const binary = this.#session.engine.on('us', BINARY);
    let bytes: Uint8Array;
    if (data instanceof Uint8Array) bytes = data;
    else {
      const typed = (data instanceof Secret ? data.reveal() : data) + end;
      bytes = this.#session.text.encode(binary || this.#session.raw ? typed : typed.replace(/\r?\n/g, '\r\n'));
    }
    if (data instanceof Secret) this.connection.transcript.hide(data.reveal());
    const wire = this.#session.raw ? bytes : encodeTelnetData(bytes, binary);
    this.#keepalive?.refresh();
    const shown = data instanceof Secret ? '***' : data;
    await this.#session.writeData(typeof shown === 'string' ? { bytes: wire, shown } : wire, call);
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
        () => this.#session.ended,
        () => 'the end of the output',
        { timeoutMs: Number.POSITIVE_INFINITY, ...call },
      );
      if (this.#session.failure !== undefined) throw this.#session.failure;
      return this.#take(this.#session.received.length);
    });
  }

  /** What there is, or the next that comes; '' when the session has ended. */
  readSome(call: CallOptions = {}): Promise<string> {
    return this.#exclusively('readSome', async () => {
      await this.#until(
        () => this.#session.received.length > 0 || this.#session.ended,
        () => 'output',
        call,
      );
      const { received, failure } = this.#session;
      if (received.length === 0 && failure !== undefined) throw failure;
      return this.#take(this.#session.received.length);
    });
  }

  /** What has come by now, without waiting; '' where there is nothing. */
  readVeryEager(): string {
    if (this.#reading !== undefined) throw this.#busy('readVeryEager');
    return this.#take(this.#session.received.length);
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
          where: `${this.connection.host}:${this.connection.port}`,
        },
        given,
      );
      return this.connection.transcript.mask(said);
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
    return this.#exclusively('interact', () => {
      const session = this.#session;
      return interact(
        {
          write: (data) => this.write(data),
          output: async (done) => {
            await this.#until(
              () => session.received.length > 0 || session.ended || done(),
              () => 'output',
              { ...call, timeoutMs: Number.POSITIVE_INFINITY },
            );
            if (session.received.length === 0 && session.failure !== undefined) throw session.failure;
            return this.#take(session.received.length);
          },
          wake: () => session.waiter?.(),
          flow: session.handlers.LFLOW.state,
        },
        input,
        output,
        call.signal,
      );
    });
  }

  /** Ends the session: sends what is queued, then closes. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#keepalive);
    await this.#session.flushed();
    await this.connection.close();
    this.#session.end();
  }

  /** Closes at once. */
  destroy(reason?: Error): void {
    clearInterval(this.#keepalive);
    this.connection.destroy(reason);
    this.#session.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #expect(patterns: TelnetPattern | readonly TelnetPattern[], call: CallOptions): Promise<TelnetMatch> {
    const list: readonly TelnetPattern[] = Array.isArray(patterns) ? patterns : [patterns as TelnetPattern];
    const search = new PatternSearch(list);
    let match: TelnetMatch | undefined;
    const look = (): boolean => {
      const found = search.find(this.#session.received, this.#session.ended);
      if (found === undefined) return this.#session.ended;
      const before = this.#session.received.take(found.start);
      const text = textOfPieces(this.#session.received.take(found.end - found.start));
      match = new TelnetMatch(found.index, text, found.match, before);
      return true;
    };
    await this.#until(look, () => list.map(showPattern).join(' or '), call);
    if (match !== undefined) return match;
    const failure = this.#session.failure ?? this.connection.failure;
    if (failure !== undefined && !(failure instanceof ClosedError)) throw failure;
    throw new ExpectEnd(
      `${this.#session.where} ended the session before ${list.map(showPattern).join(' or ')} came${this.#session.lastSeen()}`,
      this.#session.sight(),
      this.#session.details(),
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
        this.#session.waiter = undefined;
        settle();
      };
      const onAbort = (): void => finish(() => reject(signal?.reason as Error));
      const timer = setTimeout(
        () =>
          finish(() =>
            reject(
              new ExpectTimeout(
                `${this.#session.where} did not send ${what()} within ${timeoutMs / 1000} s${this.#session.lastSeen()}`,
                this.#session.sight(),
                this.#session.details(),
              ),
            ),
          ),
        timerMs(timeoutMs),
      );
      signal?.addEventListener('abort', onAbort);
      this.#session.waiter = () => {
        try {
          if (ready()) return finish(resolve);
        } catch (error) {
          return finish(() => reject(error));
        }
        if (this.#session.received.length <= this.#target.maxBufferBytes) return;
        const error = new LimitError(
          `${this.#session.where} sent more than ${this.#target.maxBufferBytes} bytes without ${what()}`,
          { ...this.#session.details(), reason: 'BUFFER_FULL', hint: 'raise maxBufferBytes, or read with readSome()' },
        );
        finish(() => reject(error));
        this.destroy(error);
      };
      this.#session.resume();
    });
  }

  #take(byteCount: number): string {
    const text = textOfPieces(this.#session.received.take(byteCount));
    this.#session.resume();
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
}

/** Begins TLS by the option of the same name, before anything else; there is no session without it. */
async function upgrade(connection: Connection, { tls }: ResolvedTelnetTarget): Promise<void> {
  const { host, port } = connection;
  try {
    if (!(await agreeOnTls(connection, 'us')))
      throw new TlsError(`Telnet server ${host}:${port} refuses to begin TLS`, {
        protocol: 'TELNET',
        host,
        port,
        reason: 'STARTTLS_UNAVAILABLE',
        hint: "use telnets:// where it has TLS from the first byte, or tls: 'none' to go on in the clear",
      });
    await connection.startTls(tls);
  } catch (error) {
    const failure = addContext(error as Error, { protocol: 'TELNET', host, port });
    connection.destroy(failure);
    throw failure;
  }
}
