import {
  AuthError,
  ClosedError,
  ProtocolError,
  ReplyError,
  TlsError,
  UnsupportedError,
  UsageError,
  addContext,
} from '../errors.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { deflateLayer } from '../socket/deflate.ts';
import { readGreeting } from '../socket/greeting.ts';
import type { ShownBytes } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { concatBytes } from '../wire/bytes.ts';
import { Capabilities, parseCapabilityLine } from '../wire/capabilities.ts';
import { type BodySpan, dottedDecoder } from '../wire/dotted.ts';
import { textLines } from './codec/lists.ts';
import { type NntpStatus, encodeNntpCommand, nntpStatusDecoder, tooLong } from './codec/response.ts';
import { login } from './login.ts';
import type { ResolvedNntpTarget } from './target.ts';

/** One command, and how its answer is read. */
export interface NntpExchange<T> {
  /** As errors name it. */
  readonly name: string;
  readonly line: ShownBytes;
  /** The codes that mean yes. */
  readonly ok: readonly number[];
  /** What follows the status is read here. */
  done(status: NntpStatus): T | Promise<T>;
  /** Nothing else may be under way: POST, and what changes the connection. @see RFC 3977 section 3.5 */
  readonly alone?: boolean | undefined;
}

interface Entry {
  readonly exchange: NntpExchange<unknown>;
  readonly call: CallOptions;
  // Each entry's own type is known to its exchange alone.
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** Stops listening to the signal. */
  release: () => void;
  /** True once it was answered 480 and is asked again. */
  again: boolean;
}

/** Commands under way at once. What they answer is read all the time, so neither side waits for the other. */
const WINDOW = 500;

/**
 * A connection on which commands travel together and answers come in order. A 480 is answered by logging in, and by asking again for
 * everything that was refused so, in its order.
 */
export class NntpSession {
  readonly connection: Connection;
  readonly target: ResolvedNntpTarget;
  readonly #decodeStatus: Decoder<NntpStatus>;
  #capabilities = new Capabilities();
  #greeting: NntpStatus = { code: 200, text: '' };
  #waiting: Entry[] = [];
  #sent: Entry[] = [];
  #refused: Entry[] = [];
  #working = false;
  #loggedIn = false;
  #compressed = false;
  /** What was found between commands, and ended the connection. */
  #found: Error | undefined;
  #postingAllowed = true;
  /** A terminator may follow a compressed response whose own end was in it. */
  #maySkipDot = false;

  constructor(connection: Connection, target: ResolvedNntpTarget) {
    this.connection = connection;
    this.target = target;
    const decode = nntpStatusDecoder(connection.limits);
    this.#decodeStatus = (queue) => {
      if (this.#maySkipDot) {
        if (queue.length < 3 && isDotStart(queue.peek(3))) return undefined;
        this.#maySkipDot = false;
        if (queue.at(0) === 46 && queue.at(1) === 13 && queue.at(2) === 10) queue.take(3);
      }
      return decode(queue);
    };
  }

  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  get greeting(): string {
    return this.#greeting.text;
  }

  /** As the server said last: 200 or 201. */
  get postingAllowed(): boolean {
    return this.#postingAllowed;
  }

  get loggedIn(): boolean {
    return this.#loggedIn;
  }

  get compressed(): boolean {
    return this.#compressed;
  }

  /** Greets, begins TLS, says MODE READER, logs in and compresses, as far as the target asks and the server lets. */
  async open(call: CallOptions): Promise<void> {
    const { endpoint, given, credentials } = this.target;
    this.#greeting = await readGreeting(this.connection, this.#decodeStatus, call);
    if (this.#greeting.code !== 200 && this.#greeting.code !== 201)
      throw this.#refusal('the connection', this.#greeting);
    this.#postingAllowed = this.#greeting.code === 200;
    await this.#readCapabilities(call);
    if (endpoint.tls === 'starttls') await this.#startTls(call);
    if (this.#wantsModeReader()) await this.#modeReader(call);
    if (credentials !== undefined && (this.#capabilities.size === 0 || this.#capabilities.has('AUTHINFO')))
      await this.#login(call);
    if (given.compress === true && this.#capabilities.has('COMPRESS')) await this.#compress(call);
  }

  #wantsModeReader(): boolean {
    if (this.target.given.mode === 'transit') return false;
    // QUIRK(servers before RFC 3977): without capabilities nobody says whether it is needed; it never harms.
    return this.#capabilities.size === 0 || this.#capabilities.has('MODE-READER');
  }

  async #modeReader(call: CallOptions): Promise<void> {
    const line = encodeNntpCommand('MODE', 'READER');
    let status = await this.#ask('MODE READER', line, call);
    if (status.code === 480 && this.target.credentials !== undefined && !this.#loggedIn) {
      await this.#login(call);
      status = await this.#ask('MODE READER', line, call);
    }
    if (status.code === 200 || status.code === 201) this.#postingAllowed = status.code === 200;
    else if (status.code < 500 || status.code === 502) throw this.#refusal('MODE READER', status);
    if (this.#capabilities.size > 0) await this.#readCapabilities(call);
  }

  async #startTls(call: CallOptions): Promise<void> {
    const { connection } = this;
    // QUIRK(INN): innd has no TLS; the reader daemon that MODE READER hands over to has.
    if (!this.#capabilities.has('STARTTLS') && this.#capabilities.has('MODE-READER') && this.#wantsModeReader())
      await this.#modeReader(call);
    const mayHave = this.#capabilities.size === 0 || this.#capabilities.has('STARTTLS');
    const status = mayHave ? await this.#ask('STARTTLS', encodeNntpCommand('STARTTLS'), call) : undefined;
    if (status?.code !== 382)
      throw new TlsError(
        `NNTP server ${connection.host}:${connection.port} cannot begin TLS${status === undefined ? '' : `: ${status.code} ${status.text}`}`,
        {
          protocol: 'NNTP',
          reason: 'STARTTLS_UNAVAILABLE',
          hint: "use nntps://, or tls: 'none' if you accept that others can read along",
        },
      );
    await connection.startTls(this.target.tls, call);
    await this.#readCapabilities(call);
  }

  async #login(call: CallOptions): Promise<void> {
    const { credentials } = this.target;
    if (credentials === undefined) throw new UsageError('no user and password are given');
    await login(
      {
        connection: this.connection,
        target: this.target,
        capabilities: this.#capabilities,
        ask: (name, line) => this.#ask(name, line, call),
      },
      credentials,
      call.signal,
    );
    this.#loggedIn = true;
    await this.#readCapabilities(call);
  }

  async #compress(call: CallOptions): Promise<void> {
    const status = await this.#ask('COMPRESS DEFLATE', encodeNntpCommand('COMPRESS', 'DEFLATE'), call);
    if (status.code === 403) return;
    if (status.code !== 206) throw this.#refusal('COMPRESS DEFLATE', status);
    this.connection.wrap(deflateLayer);
    this.#compressed = true;
    await this.#readCapabilities(call);
  }

  async #readCapabilities(call: CallOptions): Promise<void> {
    this.#capabilities = new Capabilities();
    const status = await this.#ask('CAPABILITIES', encodeNntpCommand('CAPABILITIES'), call);
    if (status.code !== 101) return;
    const lines = textLines(await this.body(this.connection.limits.replyBytes, call));
    this.#capabilities = new Capabilities(lines.filter((line) => line.trim() !== '').map(parseCapabilityLine));
  }

  /** Asks for the capabilities again. */
  refreshCapabilities(call: CallOptions): Promise<void> {
    return this.alone('CAPABILITIES', call, () => this.#readCapabilities(call));
  }

  /** Logs in now, with the credentials of the target. */
  login(call: CallOptions): Promise<void> {
    return this.alone('AUTHINFO', call, () => this.#login(call));
  }

  /** Compresses from now on. UnsupportedError where the server cannot. */
  compress(call: CallOptions): Promise<void> {
    return this.alone('COMPRESS', call, async () => {
      if (this.#compressed) throw new UsageError('the connection is compressed already');
      this.needs('COMPRESS', 'DEFLATE');
      await this.#compress(call);
    });
  }

  /** UnsupportedError unless the server offers the capability, with that parameter. */
  needs(capability: string, parameter?: string): void {
    const parameters = this.#capabilities.parameters(capability);
    const found = parameter === undefined || parameters?.some((each) => each.toUpperCase() === parameter) === true;
    if (parameters === undefined || !found)
      throw new UnsupportedError(
        `NNTP server ${this.connection.host}:${this.connection.port} does not offer ${capability}${parameter === undefined ? '' : ` ${parameter}`}`,
        { protocol: 'NNTP' },
      );
  }

  /** Sends a command when its turn comes, together with its neighbours, and reads its answer. ReplyError for a no. */
  run<T>(exchange: NntpExchange<T>, call: CallOptions): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { signal } = call;
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const entry: Entry = { exchange, call, resolve, reject, release: nothing, again: false };
      if (signal !== undefined) {
        const onAbort = (): void => {
          const index = this.#waiting.indexOf(entry);
          // What was sent must be read: its own reading sees the abort.
          if (index < 0) return;
          this.#waiting.splice(index, 1);
          entry.release();
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort);
        entry.release = () => signal.removeEventListener('abort', onAbort);
      }
      this.#waiting.push(entry);
      if (!this.#working) void this.#work();
    });
  }

  /** Has the connection to itself while it works. It sends what it likes. */
  alone<T>(name: string, call: CallOptions, work: () => Promise<T>): Promise<T> {
    return this.run({ name, line: NO_LINE, ok: [], alone: true, done: work }, call);
  }

  async #work(): Promise<void> {
    this.#working = true;
    // The calls of one turn leave together.
    await TURN;
    while (this.#waiting.length > 0 || this.#sent.length > 0) {
      if (this.#sent.length === 0) this.#settle();
      this.#fill();
      const entry = this.#sent[0];
      if (entry === undefined) continue;
      try {
        const answer = this.#perform(entry);
        const result = answer instanceof Promise ? ((await answer) as unknown) : answer;
        this.#sent.shift();
        if (result === AGAIN) this.#refused.push(entry);
        else entry.resolve(result as never);
      } catch (error) {
        this.#sent.shift();
        entry.reject(error);
      }
      if (this.#sent.length === 0 && this.#refused.length > 0) await this.#loginAgain();
    }
    this.#working = false;
  }

  /** Between commands: nothing may have come that nobody asked for. */
  #settle(): void {
    const { connection } = this;
    if (!connection.open || connection.pendingBytes === 0) return;
    try {
      const status = connection.tryRead(this.#decodeStatus);
      if (status === undefined && (this.#maySkipDot || connection.pendingBytes === 0)) return;
      // A server may take its leave: RFC 3977 section 3.2.1.
      throw status?.code === 400 || status?.code === 205
        ? new ClosedError(`the NNTP server took its leave: ${status.code} ${status.text}`, {
            protocol: 'NNTP',
            reply: status,
          })
        : new ProtocolError(
            `the NNTP server sent what nobody asked for${status === undefined ? '' : `: ${status.code} ${status.text}`}`,
            { protocol: 'NNTP', reason: 'OUT_OF_STEP' },
          );
    } catch (error) {
      this.#found = error as Error;
      connection.destroy(this.#found);
    }
  }

  /** Sends what may be sent now. */
  #fill(): void {
    // A login comes first, and what it was wanted for.
    if (this.#refused.length > 0) return;
    // In few writes, not one for every answer.
    if (this.#sent.length > WINDOW / 2) return;
    const lines: ShownBytes[] = [];
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { alone = false, line } = next.exchange;
      if (
        this.#sent.length >= WINDOW ||
        (this.#sent.length > 0 && (alone || this.#sent.at(-1)?.exchange.alone === true))
      )
        break;
      this.#waiting.shift();
      next.release();
      this.#sent.push(next);
      if (line !== NO_LINE) lines.push(line);
    }
    // A failure to write shows when the answer is read.
    if (lines.length > 0) this.connection.write(lines).catch(nothing);
  }

  /** The answer, at once where it has arrived: many that came together are read in one turn. */
  #perform(entry: Entry): unknown {
    const { exchange, call } = entry;
    if (this.#found !== undefined) throw this.#found;
    if (exchange.line === NO_LINE) {
      if (!this.connection.open) throw this.#closed();
      return exchange.done(NO_STATUS);
    }
    const status = this.connection.tryRead(this.#decodeStatus);
    return status === undefined
      ? this.status(exchange.name, call).then((late) => this.#finish(entry, late))
      : this.#finish(entry, status);
  }

  #finish(entry: Entry, status: NntpStatus): unknown {
    const { exchange } = entry;
    // What came behind a refused GROUP was asked of no group.
    const forLogin = status.code === 480 || (status.code === 412 && this.#refused.length > 0);
    if (forLogin && !entry.again && this.target.credentials !== undefined) {
      entry.again = true;
      return AGAIN;
    }
    return exchange.done(this.expect(exchange.name, status, exchange.ok));
  }

  /** Everything that was refused for want of a login goes first, in its order. */
  async #loginAgain(): Promise<void> {
    const refused = this.#refused;
    this.#refused = [];
    try {
      await this.#login({});
      this.#waiting.unshift(...refused);
    } catch (error) {
      for (const entry of refused) entry.reject(error);
    }
  }

  /** The status, if it is one of those; else ReplyError for a no, and ProtocolError, the connection closed, for what makes no sense. */
  expect(name: string, status: NntpStatus, ok: readonly number[]): NntpStatus {
    if (ok.includes(status.code)) return status;
    if (status.code >= 400) throw this.#refusal(name, status);
    throw this.outOfStep(`the NNTP server answered ${name} with ${status.code} ${status.text}`, name);
  }

  /** Closes the connection: what it says no longer belongs to what was asked. */
  outOfStep(message: string, command: string): ProtocolError {
    const error = new ProtocolError(message, {
      protocol: 'NNTP',
      reason: 'OUT_OF_STEP',
      command,
      host: this.connection.host,
      port: this.connection.port,
      temporary: true,
      transcript: this.connection.transcript.last(),
    });
    this.connection.destroy(error);
    return error;
  }

  /** Reads a status, whatever it is. */
  async status(name: string, call: CallOptions): Promise<NntpStatus> {
    try {
      return await this.connection.read(this.#decodeStatus, call);
    } catch (error) {
      throw addContext(error, { command: name });
    }
  }

  async #ask(name: string, line: ShownBytes, call: CallOptions): Promise<NntpStatus> {
    await this.connection.write([line], call);
    return this.status(name, call);
  }

  /** A status that has come though it is not its turn; undefined for none. */
  tryStatus(): NntpStatus | undefined {
    return this.connection.tryRead(this.#decodeStatus);
  }

  /** A multi-line body, held. LimitError, and the connection closed, over `maxBytes`. */
  body(maxBytes: number, call: CallOptions): Promise<Uint8Array> | Uint8Array {
    const spans: Uint8Array[] = [];
    const reading = this.spans(maxBytes, call, (span) => spans.push(span));
    return reading === undefined ? concatBytes(spans) : reading.then(() => concatBytes(spans));
  }

  /** The spans of a multi-line body, as they come. A promise only where it has to wait for some of it. */
  spans(maxBytes: number, call: CallOptions, take: (span: Uint8Array) => void): Promise<void> | undefined {
    const { connection } = this;
    const decode = dottedDecoder();
    let length = 0;
    const use = ({ bytes, last }: BodySpan): boolean => {
      length += bytes.length;
      if (length > maxBytes) throw this.#destroyFor(tooLong(maxBytes));
      try {
        if (bytes.length > 0) take(bytes);
      } catch (error) {
        throw this.#destroyFor(error as Error);
      }
      return last;
    };
    for (let span = connection.tryRead(decode, 'body'); span !== undefined; span = connection.tryRead(decode, 'body'))
      if (use(span)) return undefined;
    return (async () => {
      for (;;) {
        const span =
          connection.tryRead(decode, 'body') ??
          (await connection.read(decode, { ...call, phase: 'bodyIdle', shown: 'body' }));
        if (use(span)) return;
      }
    })();
  }

  #destroyFor<E extends Error>(error: E): E {
    addContext(error, { protocol: 'NNTP', host: this.connection.host, port: this.connection.port });
    this.connection.destroy(error);
    return error;
  }

  /** The next response may have a line of one dot before it, which belongs to the one before. */
  allowSpareDot(): void {
    this.#maySkipDot = true;
  }

  /** Takes leave: whoever waits is answered first. Never rejects. */
  async quit(): Promise<void> {
    if (this.connection.open) {
      const line = encodeNntpCommand('QUIT');
      const call = { timeoutMs: 10_000 };
      await this.run({ name: 'QUIT', line, ok: [205], alone: true, done: nothing }, call).catch(nothing);
    }
    await this.connection.close();
  }

  #closed(): ClosedError {
    return new ClosedError('the NNTP connection is closed', { protocol: 'NNTP', cause: this.connection.failure });
  }

  #refusal(command: string, status: NntpStatus): ReplyError | AuthError {
    const { host, port, transcript } = this.connection;
    const details = {
      protocol: 'NNTP',
      phase: 'command',
      host,
      port,
      command,
      transcript: transcript.last(),
      reply: { code: status.code, text: status.text },
    };
    const message = `NNTP ${command} refused by ${host}:${port}: ${status.code} ${status.text}`;
    if (status.code === 480)
      return new AuthError(message, {
        ...details,
        reason: 'LOGIN_REQUIRED',
        hint: this.target.credentials === undefined ? 'give user and password' : 'this account may not do that',
      });
    const hint = status.code === 483 ? 'the server wants TLS first: use nntps://, or tls: starttls' : undefined;
    return new ReplyError(message, { ...details, hint, temporary: passing.has(status.code) });
  }
}

/** Codes of what passes by itself. @see RFC 3977 section 3.2.1, RFC 4644 */
const passing = new Set([400, 403, 431, 436]);
const AGAIN = Symbol('again');
const NO_LINE: ShownBytes = { bytes: new Uint8Array(0), shown: '' };
const NO_STATUS: NntpStatus = { code: 0, text: '' };
const TURN = Promise.resolve();
const nothing = (): void => {};

function isDotStart(bytes: Uint8Array): boolean {
  return [46, 13, 10].every((byte, index) => bytes[index] === undefined || bytes[index] === byte);
}
