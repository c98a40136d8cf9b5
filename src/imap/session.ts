import { randomInt } from 'node:crypto';
import {
  AbortedError,
  ClosedError,
  LimitError,
  PostwireError,
  ProtocolError,
  TimeoutError,
  UnsupportedError,
  UsageError,
  addContext,
  messageOf,
} from '../errors.ts';
import { type CallOptions, type Connection, checkCall } from '../socket/connection.ts';
import { Deadline, formatMs } from '../socket/deadlines.ts';
import { readGreeting } from '../socket/greeting.ts';
import type { AnnouncedLiteral, CommandContext, ImapCommand, ImapState, LiteralSink } from './command.ts';
import { type CommandPart, CommandWriter } from './codec/command.ts';
import { type FetchedMessage, announcedSection, readFetched } from './codec/fetched.ts';
import type { FrameEvent, ImapFramer, LiteralStart } from './codec/framer.ts';
import { type ImapData, type ImapStatus, parseResponse, responseFramer } from './codec/response.ts';
import { temporaryCodes } from './codec/response-code.ts';
import type { Uid } from './codec/sequence-set.ts';
import { ImapReplyError } from './reply-error.ts';
import { EventQueue, type ImapEvent } from './events.ts';
import type { MailboxState } from './mailbox-state.ts';
import { MailboxWatch } from './mailbox-watch.ts';
import { ServerFeatures } from './server-features.ts';
import { leavesAtOnce, writeCommand } from './write-command.ts';

/** A command on its way. */
interface Entry {
  readonly command: ImapCommand<unknown>;
  readonly call: CallOptions;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  tag: string;
  /** As transcripts show it. */
  shown: string;
  release: () => void;
  /** Waits for the go-ahead of a literal. */
  goAhead: ((go: boolean) => void) | undefined;
  /** Set by what came for it and could not be read. */
  flaw: Error | undefined;
  done: boolean;
  idle: 'no' | 'starting' | 'active' | 'ending';
}

const defaultStates: readonly ImapState[] = ['authenticated', 'selected'];
/** How much of a literal that nobody wants is read on, to keep the connection. */
const DRAIN_BYTES = 1024 * 1024;
const discard: LiteralSink = { push: () => undefined, fail: () => undefined };

/**
 * The conversation below a client. One pump reads; everything else only writes and waits. Commands leave in the order they were given, as
 * many together as RFC 9051 section 5.5 allows; each completion is matched by its tag to a command that is on the wire.
 */
export class ImapSession {
  readonly connection: Connection;
  readonly #framer: ImapFramer;
  readonly #waiting: Entry[] = [];
  readonly #inFlight: Entry[] = [];
  readonly #readers = new Set<EventQueue>();
  readonly #deadline = new Deadline();
  readonly #context: CommandContext;
  readonly #tagPrefix: string;
  #tagNumber = 0;
  #writing = false;
  #sink: LiteralSink | undefined;
  /** Ends the wait of the pump for a reader of the caller's. */
  #resume: (() => void) | undefined;
  #failure: Error | undefined;
  #bye: ImapStatus | undefined;
  #timed: Entry | undefined;
  #greet: { resolve: (status: ImapStatus) => void; reject: (error: Error) => void } | undefined;
  readonly features = new ServerFeatures();
  readonly #watched = new MailboxWatch((event) => this.emit(event));
  state: ImapState = 'greeted';

  constructor(connection: Connection) {
    this.connection = connection;
    const { lineBytes, messageBytes, replyBytes } = connection.limits;
    this.#framer = responseFramer({ lineBytes, literalBytes: messageBytes, totalBytes: replyBytes });
    // A peer that cannot guess the tags cannot answer commands before they are sent.
    this.#tagPrefix = Array.from({ length: 3 }, () => String.fromCharCode(65 + randomInt(26))).join('');
    this.#context = this.#makeContext();
    void connection.closed.then(() => this.#resume?.());
  }

  #makeContext(): CommandContext {
    const { features } = this;
    const current = (): Entry | undefined => this.#current;
    return {
      has: (capability) => features.has(capability),
      get utf8Names() {
        return features.utf8;
      },
      get tag() {
        return current()?.tag ?? '';
      },
      get askedToEnd() {
        return current()?.idle === 'ending';
      },
      get appendLimit() {
        return features.appendLimit;
      },
      setCapabilities: (words) => features.set(words),
      setEnabled: (words) => features.enable(words),
    };
  }

  #current: Entry | undefined;

  /** How often a mailbox was opened or left: tells one from the next. */
  selections = 0;

  get mailbox(): MailboxState | undefined {
    return this.#watched.state;
  }

  get open(): boolean {
    return this.#failure === undefined && this.connection.open;
  }

  get idling(): boolean {
    return this.#inFlight.some((entry) => entry.command.idles === true);
  }

  /** True when the server offers it, as `COMPRESS=DEFLATE` or `IDLE`. */
  has(capability: string): boolean {
    return this.features.has(capability);
  }

  /** Starts the pump; resolves with the greeting. */
  start(options: CallOptions): Promise<ImapStatus> {
    return new Promise((resolve, reject) => {
      this.#greet = { resolve, reject };
      void this.#pump(options);
    });
  }

  events(): EventQueue {
    const queue = new EventQueue(
      () => this.#resume?.(),
      (ended) => this.#readers.delete(ended),
    );
    if (this.#failure === undefined) this.#readers.add(queue);
    else queue.end();
    return queue;
  }

  emit(event: ImapEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }

  run<T>(command: ImapCommand<T>, call: CallOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      checkCall(call);
      call.signal?.throwIfAborted();
      if (!this.open) throw this.#closedError();
      this.#refuseBehindLargeStream(command);
      const entry: Entry = {
        command,
        call,
        resolve,
        reject,
        tag: '',
        shown: command.verb,
        release: () => undefined,
        goAhead: undefined,
        flaw: undefined,
        done: false,
        idle: 'no',
      };
      const { signal } = call;
      if (signal !== undefined) {
        const onAbort = (): void => this.#abort(entry, signal);
        signal.addEventListener('abort', onAbort);
        entry.release = () => signal.removeEventListener('abort', onAbort);
      }
      this.#waiting.push(entry);
      this.#advance();
      this.#resume?.();
    });
  }

  /** Tells an idling command to end; the next one may go. */
  endIdle(): void {
    const entry = this.#inFlight.find((each) => each.command.idles === true);
    if (entry === undefined || entry.idle === 'ending') return;
    const wasActive = entry.idle === 'active';
    entry.idle = 'ending';
    if (wasActive) this.#writeDone(entry);
  }

  #writeDone(entry: Entry): void {
    this.connection.write([{ bytes: DONE_LINE, shown: 'DONE' }]).catch(ignore);
    this.#watch(entry);
  }

  /** Waits, with no clock running, until `start`'s argument is called, a command wants to go on, or the connection ends. */
  hold(start: (resume: () => void) => void): Promise<void> {
    this.#deadline.disarm();
    return new Promise<void>((resolve) => {
      const resume = (): void => {
        if (this.#resume === resume) this.#resume = undefined;
        this.#rearm();
        resolve();
      };
      this.#resume = resume;
      start(resume);
    });
  }

  /** Lets the pump go on after a reader took something. */
  resume(): void {
    this.#resume?.();
  }

  /** True when commands wait that a reader's slowness would hold up. */
  get pressed(): boolean {
    return this.#waiting.length > 0 || this.#inFlight.filter((entry) => entry.command.idles !== true).length > 1;
  }

  /** Bytes of the literal being read that are yet to come. */
  get literalLeftBytes(): number {
    return this.#sink === undefined ? 0 : this.#framer.leftBytes;
  }

  #lender: object | undefined;

  /** True when this reader, and no other, may have its chunks lent. */
  claimLending(reader: object): boolean {
    this.#lender ??= reader;
    return this.#lender === reader;
  }

  releaseLending(reader: object): void {
    if (this.#lender === reader) this.#lender = undefined;
  }

  /** The reader of a literal has gone: what is left is dropped, or with it the connection. */
  abandonLiteral(sink: LiteralSink): void {
    if (this.#sink !== sink) return;
    this.#sink = discard;
    if (this.#framer.leftBytes > DRAIN_BYTES)
      this.connection.destroy(new AbortedError('the reader left in the middle of a message', { protocol: 'IMAP' }));
    else this.#resume?.();
  }

  #refuseBehindLargeStream(command: ImapCommand<unknown>): void {
    if (this.#sink === undefined || this.#sink === discard || command.verb === 'LOGOUT') return;
    if (this.#framer.leftBytes > this.connection.limits.messageBytes)
      throw new UsageError(
        `${command.verb} would have to wait for a stream that is too long to be held; read or leave it first, or use a second connection`,
      );
  }

  #abort(entry: Entry, signal: AbortSignal): void {
    const index = this.#waiting.indexOf(entry);
    if (index >= 0) {
      this.#waiting.splice(index, 1);
      this.#settle(entry, signal.reason as Error);
      this.#advance();
      return;
    }
    if (entry.done) return;
    if (entry.command.idles === true) {
      this.endIdle();
      return;
    }
    this.#settle(entry, signal.reason as Error);
    this.connection.destroy(signal.reason as Error);
  }

  #settle(entry: Entry, error: Error): void {
    if (entry.done) return;
    entry.done = true;
    entry.release();
    entry.goAhead?.(false);
    entry.command.fail?.(error);
    entry.reject(error);
  }

  // ---- writing

  /** Sends what may be sent. */
  #advance(): void {
    while (!this.#writing && this.#failure === undefined) {
      const entry = this.#waiting[0];
      if (entry === undefined) return;
      if (this.idling) {
        this.endIdle();
        return;
      }
      if (!this.#mayGo(entry.command)) return;
      this.#waiting.shift();
      this.#send(entry);
    }
  }

  /** @see RFC 9051 section 5.5 */
  #mayGo(command: ImapCommand<unknown>): boolean {
    if (this.#inFlight.length === 0) return true;
    if (command.alone === true) return false;
    return this.#inFlight.every(({ command: other }) => {
      if (other.alone === true) return false;
      if (command.bySequence === true && other.keepsSequence !== true) return false;
      if (command.takes?.some((name) => other.takes?.includes(name)) !== true) return true;
      return command.targets !== undefined && other.targets !== undefined && !command.targets.overlaps(other.targets);
    });
  }

  #send(entry: Entry): void {
    const { command } = entry;
    let parts: readonly CommandPart[];
    try {
      const states = command.states ?? defaultStates;
      if (!states.includes(this.state))
        throw new UsageError(
          this.state === 'greeted'
            ? `${command.verb} needs a login`
            : states.includes('selected')
              ? `${command.verb} needs a mailbox: select one first`
              : `${command.verb} is not possible ${this.state === 'selected' ? 'with a mailbox open' : 'after the login'}`,
        );
      if (command.needs !== undefined && !this.has(command.needs))
        throw new UnsupportedError(
          `IMAP server ${this.connection.host}:${this.connection.port} does not offer ${command.needs}`,
          { protocol: 'IMAP', command: command.verb },
        );
      entry.tag = `${this.#tagPrefix}${++this.#tagNumber}`;
      const writer = new CommandWriter(this.features.encodeContext).word(entry.tag).word(command.verb);
      this.#current = entry;
      command.encode?.(writer, this.#context);
      parts = writer.end();
    } catch (error) {
      this.#settle(entry, error as Error);
      return;
    }
    if (command.idles === true) entry.idle = 'starting';
    const [first] = parts;
    if (first !== undefined && 'shown' in first) entry.shown = first.shown.slice(entry.tag.length + 1);
    this.#inFlight.push(entry);
    if (this.#inFlight.length === 1) this.#watch(entry);
    if (parts.every(leavesAtOnce)) {
      const all = parts.map((part) => ('source' in part ? (part.source as Uint8Array) : part));
      this.connection.write(all).catch(ignore);
      return;
    }
    this.#writing = true;
    void this.#writeSlowly(entry, parts);
  }

  async #writeSlowly(entry: Entry, parts: readonly CommandPart[]): Promise<void> {
    const goAhead = async (): Promise<boolean> => {
      if (entry.done) return false;
      const go = await new Promise<boolean>((resolve) => {
        entry.goAhead = resolve;
      });
      entry.goAhead = undefined;
      return go;
    };
    try {
      await writeCommand(this.connection, entry.command.verb, parts, goAhead, () => this.#touch());
    } catch (error) {
      // The server waits for bytes that will not come: whatever follows would be taken for them.
      this.connection.destroy(addContext(error as Error, { protocol: 'IMAP', command: entry.shown }));
    } finally {
      this.#writing = false;
      this.#advance();
    }
  }

  // ---- reading

  async #pump(call: CallOptions): Promise<void> {
    const { connection } = this;
    const decode = this.#framer.decode;
    try {
      let event: FrameEvent | undefined = await readGreeting(connection, decode, call);
      for (;;) {
        const upgrade = this.#take(event);
        if (upgrade !== undefined) await upgrade;
        if (this.#failure !== undefined) return;
        while (this.#heldBack() && connection.open) {
          await this.hold(ignore);
        }
        const shown = this.#framer.inLiteral ? 'body' : 'text';
        event = connection.tryRead(decode, shown);
        if (event === undefined) {
          this.#touch();
          event = await connection.read(decode, { phase: 'idle', shown });
        }
      }
    } catch (error) {
      this.#fail(this.#explain(error as Error));
    }
  }

  /** True while a reader of the caller's has enough, and nobody else waits for the server. */
  #heldBack(): boolean {
    if (this.pressed) return false;
    for (const reader of this.#readers) if (reader.full) return true;
    for (const { command } of this.#inFlight) if (command.full?.() === true) return true;
    return false;
  }

  #take(event: FrameEvent): Promise<void> | void {
    if (event.kind === 'frame') return this.#response(event);
    if (event.kind === 'literal') {
      this.#announce(event);
      return undefined;
    }
    const sink = this.#sink ?? discard;
    if (event.last) this.#sink = undefined;
    return sink.push(event.bytes, event.last);
  }

  #announce({ line, sizeBytes }: LiteralStart): void {
    const head = this.#framer.lines[0] as string;
    for (const { command } of this.#inFlight) {
      if (command.literal === undefined) continue;
      const match = /^\* ([0-9]{1,10}) FETCH /i.exec(head);
      if (match === null) return;
      const announced: AnnouncedLiteral = {
        sizeBytes,
        sequence: Number(match[1]),
        get section() {
          return announcedSection(line);
        },
        get uid() {
          const uid = /[( ]UID ([0-9]{1,10})[ )]/i.exec(head);
          return uid === null ? undefined : Number(uid[1]);
        },
      };
      const sink = command.literal(announced);
      if (sink === undefined) continue;
      this.#sink = sink;
      this.#framer.stream();
      return;
    }
  }

  #response(frame: Extract<FrameEvent, { kind: 'frame' }>): Promise<void> | void {
    const response = parseResponse(frame);
    if (this.#greet !== undefined) {
      const greet = this.#greet;
      if (response.kind !== 'status' || response.tag !== '*' || !['OK', 'PREAUTH', 'BYE'].includes(response.status))
        throw new ProtocolError(
          'the server did not begin with an IMAP greeting; is this another service, or does the port need TLS?',
          { phase: 'greeting' },
        );
      this.#greet = undefined;
      greet.resolve(response);
      return undefined;
    }
    if (response.kind === 'data') {
      this.#data(response);
      return undefined;
    }
    if (response.kind === 'continue') return this.#continuation(response.text);
    return response.tag === '*' ? this.#untagged(response) : this.#completion(response);
  }

  #continuation(text: string): void {
    const entry = this.#inFlight.find(
      (each) =>
        each.goAhead !== undefined ||
        each.command.continuation !== undefined ||
        each.idle === 'starting' ||
        (each.idle === 'ending' && each.command.idles === true),
    );
    if (entry === undefined) {
      this.#watched.anomaly('a go-ahead that nobody waits for');
      return;
    }
    if (entry.goAhead !== undefined) {
      entry.goAhead(true);
      return;
    }
    if (entry.command.idles === true) {
      if (entry.idle === 'ending') this.#writeDone(entry);
      else entry.idle = 'active';
      this.#watch(entry);
      this.#advance();
      return;
    }
    const answer = entry.command.continuation?.(text);
    if (answer === undefined) return;
    answer
      .then(
        (bytes) => this.connection.write([{ bytes: Buffer.concat([bytes, CRLF]), shown: '***' }]),
        (error: unknown) => {
          entry.flaw ??= error as Error;
          return this.connection.write([{ bytes: Buffer.from('*\r\n'), shown: '*' }]);
        },
      )
      .catch(ignore);
  }

  #untagged(status: ImapStatus): void {
    const { code } = status;
    if (code?.name === 'CAPABILITY' && 'capabilities' in code) this.features.set(code.capabilities);
    this.#watched.code(status);
    for (const { command } of this.#inFlight) command.status?.(status);
    if (status.status === 'BYE') {
      this.#bye = status;
      this.emit({ type: 'status', status: 'BYE', code, text: status.text });
      if (!this.#inFlight.some(({ command }) => command.verb === 'LOGOUT')) throw this.#byeError();
      return;
    }
    if (code?.name === 'ALERT') this.emit({ type: 'alert', text: status.text });
    else if (!this.#watched.opening && status.status !== 'PREAUTH' && code?.name !== 'CAPABILITY')
      this.emit({ type: 'status', status: status.status, code, text: status.text });
  }

  #completion(status: ImapStatus): Promise<void> | void {
    const index = this.#inFlight.findIndex(({ tag }) => tag === status.tag);
    const entry = this.#inFlight[index];
    if (entry === undefined)
      throw new ProtocolError(
        `the server answered a command that was not sent: ${status.tag} ${status.status} ${status.text}`,
        { reason: 'OUT_OF_STEP' },
      );
    this.#inFlight.splice(index, 1);
    const { command } = entry;
    const { code } = status;
    if (code?.name === 'CAPABILITY' && 'capabilities' in code) this.features.set(code.capabilities);
    if (code?.name === 'ALERT') this.emit({ type: 'alert', text: status.text });
    const wasDone = entry.done;
    entry.done = true;
    entry.release();
    // The go-ahead will not come any more.
    entry.goAhead?.(false);
    let upgrade: Promise<void> | undefined;
    try {
      if (status.status !== 'OK' && command.accepts?.(status) !== true) throw this.refusal(entry.shown, status);
      if (entry.flaw !== undefined) throw entry.flaw;
      this.#current = entry;
      const result = command.done(status, this.#context);
      if (command.upgrade === undefined) entry.resolve(result as never);
      else {
        upgrade = (async () => {
          try {
            await command.upgrade?.(this.connection);
            entry.resolve(result as never);
          } catch (error) {
            entry.reject(error);
            throw error;
          }
        })();
      }
    } catch (error) {
      if (!wasDone) {
        command.fail?.(error as Error);
        entry.reject(error);
      }
    }
    if (this.#timed === entry) this.#rearm();
    if (upgrade !== undefined) return upgrade.then(() => this.#advance());
    this.#advance();
    return undefined;
  }

  /** The error for NO, BAD or BYE to a command. */
  refusal(shown: string, status: ImapStatus): ImapReplyError {
    const { host, port } = this.connection;
    const name = status.code?.name;
    const code = name === undefined ? '' : `[${name}] `;
    return new ImapReplyError(
      `IMAP ${shown.trim().slice(0, 200)} refused by ${host}:${port}: ${status.status} ${code}${status.text}`,
      {
        protocol: 'IMAP',
        host,
        port,
        phase: 'command',
        command: shown.trim(),
        reason: name,
        reply: { code: status.status, enhanced: name, text: status.text },
        temporary: name !== undefined && temporaryCodes.has(name),
        responseCode: status.code,
      },
    );
  }

  #data(data: ImapData): void {
    const { name } = data;
    try {
      // UIDFETCH comes in its place where UIDONLY is enabled (RFC 9586): without sequence numbers.
      if (name === 'FETCH' || name === 'UIDFETCH') {
        this.#fetch(data);
        return;
      }
      const start = data.reader.at;
      for (const entry of this.#inFlight) {
        if (entry.command.takes?.includes(name) !== true) continue;
        this.#current = entry;
        try {
          if (entry.command.data?.(data, this.#context) !== false) return;
        } catch (error) {
          if (!(error instanceof ProtocolError || error instanceof LimitError)) throw error;
          // Framing is safe: only this command cannot be told its answer.
          entry.flaw ??= addContext(error, { command: entry.shown, reusable: true });
          return;
        }
        data.reader.at = start;
      }
      this.#unsolicited(data);
    } catch (error) {
      // An answer that nobody can read, in a frame that is whole: the session is in step. A limit is another matter.
      if (!(error instanceof ProtocolError || error instanceof LimitError)) throw error;
      this.#watched.anomaly(`${name}: ${messageOf(error)}`);
    }
  }

  #fetch(data: ImapData): void {
    const { number, reader } = data;
    if (number === undefined || number === 0) {
      this.#watched.anomaly(`FETCH of message ${number ?? 'nothing'}`);
      return;
    }
    let message: FetchedMessage;
    try {
      message = readFetched(data.name === 'UIDFETCH' ? 0 : number, reader);
      if (data.name === 'UIDFETCH') message.uid = number as Uid;
    } catch (error) {
      const entry = this.#inFlight.find((each) => each.command.takes?.includes('FETCH') === true);
      if (entry === undefined || !(error instanceof PostwireError)) throw error;
      entry.flaw ??= addContext(error, { command: entry.shown, reusable: true });
      return;
    }
    for (const { command } of this.#inFlight) if (command.fetched?.(message) === true) return;
    if (this.#readers.size > 0) this.emit({ type: 'fetch', message });
  }

  #unsolicited(data: ImapData): void {
    const { name, reader } = data;
    if (name === 'CAPABILITY') {
      this.features.set(reader.rest().split(' ').filter(Boolean));
      this.emit({ type: 'capability' });
    } else if (!this.#watched.data(data) && this.#readers.size > 0)
      this.emit({ type: 'data', name, text: reader.rest() });
  }

  // ---- the mailbox

  /** From now on what the server says is about the mailbox that is being opened. */
  beginSelect(name: string, readOnly: boolean): void {
    this.selections++;
    this.#watched.begin(name, readOnly);
    this.state = 'authenticated';
  }

  endSelect(status: ImapStatus): MailboxState {
    this.state = 'selected';
    return this.#watched.end(status);
  }

  /** No mailbox is open. */
  deselect(): void {
    this.selections++;
    this.#watched.leave();
    if (this.state === 'selected') this.state = 'authenticated';
  }

  // ---- time and ends

  /** Starts the clock of the oldest command in progress. */
  #watch(entry: Entry): void {
    this.#timed = entry;
    const { command, call } = entry;
    if (command.idles === true && entry.idle !== 'ending' && entry.idle !== 'starting') {
      this.#deadline.disarm();
      return;
    }
    const { commandMs, bodyIdleMs } = this.connection.timeouts;
    const timeoutMs = call.timeoutMs ?? (command.streams === true ? bodyIdleMs : commandMs);
    this.#deadline.arm(timeoutMs, () => {
      const { host, port } = this.connection;
      const error = new TimeoutError(
        `gave up waiting for the reply of IMAP server ${host}:${port} to ${entry.shown.trim()} after ${formatMs(timeoutMs)}`,
        {
          protocol: 'IMAP',
          phase: command.streams === true ? 'bodyIdle' : 'command',
          host,
          port,
          command: entry.shown.trim(),
        },
      );
      this.connection.destroy(error);
    });
  }

  #rearm(): void {
    const [head] = this.#inFlight;
    if (head === undefined) {
      this.#timed = undefined;
      this.#deadline.disarm();
    } else this.#watch(head);
  }

  /** Something arrived or left: a command that streams may go on. */
  #touch(): void {
    const [head] = this.#inFlight;
    if (head !== undefined && head.command.streams === true) this.#watch(head);
  }

  #byeError(): ClosedError {
    const { host, port } = this.connection;
    const bye = this.#bye as ImapStatus;
    return new ClosedError(`IMAP server ${host}:${port} ended the session: ${bye.text}`, {
      protocol: 'IMAP',
      host,
      port,
      phase: 'command',
      reason: bye.code?.name,
      reply: { code: 'BYE', enhanced: bye.code?.name, text: bye.text },
    });
  }

  #explain(error: Error): Error {
    if (this.#bye !== undefined && error instanceof ClosedError && error.reply === undefined) return this.#byeError();
    return error;
  }

  #closedError(): Error {
    const cause = this.#failure ?? this.connection.failure;
    const why = cause === undefined || cause instanceof ClosedError ? '' : `: ${messageOf(cause)}`;
    return new ClosedError(`the IMAP connection is closed${why}`, {
      protocol: 'IMAP',
      reason: cause instanceof PostwireError ? cause.reason : undefined,
      cause,
    });
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.connection.destroy(error);
    this.#deadline.clear();
    this.#greet?.reject(error);
    this.#greet = undefined;
    this.#sink?.fail(error);
    this.#sink = undefined;
    const shared = error instanceof ClosedError || error instanceof ProtocolError || error instanceof LimitError;
    const [head] = this.#inFlight;
    for (const entry of [...this.#inFlight.splice(0), ...this.#waiting.splice(0)]) {
      if (entry.command.verb === 'LOGOUT') {
        entry.done = true;
        entry.release();
        entry.resolve(undefined as never);
        continue;
      }
      const own = entry === head || shared;
      if (own) addContext(error, { command: entry.shown.trim(), protocol: 'IMAP' });
      this.#settle(
        entry,
        own
          ? error
          : new AbortedError(`${entry.command.verb} was given up: ${messageOf(error)}`, {
              protocol: 'IMAP',
              cause: error,
            }),
      );
    }
    for (const reader of this.#readers) reader.end();
  }
}

const ignore = (): void => {};
const CRLF = Buffer.from('\r\n');
const DONE_LINE = Buffer.from('DONE\r\n');
