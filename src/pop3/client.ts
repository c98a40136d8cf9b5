import {
  ClosedError,
  ProtocolError,
  ReplyError,
  TlsError,
  UnsupportedError,
  UsageError,
  addContext,
} from '../errors.ts';
import type { CallOptions, CloseReason, Connection } from '../socket/connection.ts';
import { readGreeting } from '../socket/greeting.ts';
import { type QueueTask, SerialQueue } from '../socket/serial-queue.ts';
import { dialServer } from '../socket/target.ts';
import { type ShownBytes, checkWord } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { concatBytes } from '../wire/bytes.ts';
import { Capabilities, parseCapabilityLine } from '../wire/capabilities.ts';
import { type BodySpan, dottedDecoder } from '../wire/dotted.ts';
import { parseDecimal } from '../wire/limits.ts';
import {
  type Pop3Listing,
  type Pop3Status,
  encodePop3Command,
  parseList,
  parseUidl,
  pop3StatusDecoder,
  textLines,
  tooLong,
} from './codec.ts';
import type { Pop3Cursor } from './cursor.ts';
import { isTemporary, login } from './login.ts';
import { type Pop3Options, type Pop3Target, type ResolvedPop3Target, resolvePop3Target } from './target.ts';

/** A message that was read whole. */
export interface Pop3Message {
  readonly number: number;
  /** Undefined where the server has no UIDL, or gave none that is valid. */
  readonly uid: string | undefined;
  readonly bytes: Uint8Array;
}

/** Which messages to read. */
export interface Pop3Query extends CallOptions {
  /** Unique ids to leave out. */
  readonly skip?: ReadonlySet<string> | undefined;
  /** Leaves out what it has seen, and learns what is handed over. */
  readonly cursor?: Pop3Cursor | undefined;
}

/** What became of this session's DELEs: they take effect with QUIT alone (RFC 1939 section 6). */
export interface Pop3Deletions {
  readonly numbers: readonly number[];
  readonly state: 'pending' | 'committed' | 'unknown' | 'not-committed';
}

/** A task whose lines may leave before its turn. */
interface AheadTask<T> extends QueueTask<T> {
  readonly lines: readonly ShownBytes[] | undefined;
}

/** Messages asked for in one write, and the bytes they may announce together. */
const BATCH_MESSAGES = 100;
const BATCH_BYTES = 4 * 1024 * 1024;
const MAX_LISTING_BYTES = 64 * 1024 * 1024;

/**
 * A POP3 session. Commands may be called concurrently and are answered in order. A refused command leaves the connection usable;
 * after a timeout, an abort with bytes under way, or a protocol error it is closed. While a stream of `retr` is open, other commands
 * throw UsageError at once.
 *
 * @see RFC 1939
 */
export class Pop3Client implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #target: ResolvedPop3Target;
  readonly #queue = new SerialQueue();
  readonly #decodeStatus: Decoder<Pop3Status>;
  #capabilities = new Capabilities();
  #greeting = '';
  #streaming = false;
  #deleted = new Set<number>();
  #quit: 'none' | 'committed' | 'unknown' = 'none';

  private constructor(connection: Connection, target: ResolvedPop3Target) {
    this.#connection = connection;
    this.#target = target;
    this.#decodeStatus = pop3StatusDecoder(connection.limits);
  }

  /** Connects, begins TLS unless told not to, and logs in when a user is given. Rejects with nothing left open. */
  static async connect(target: Pop3Target | undefined, options: Pop3Options = {}): Promise<Pop3Client> {
    const resolved = resolvePop3Target(target, options);
    const connection = await dialServer(resolved, 'POP3');
    const client = new Pop3Client(connection, resolved);
    try {
      await client.#open({ signal: resolved.dial.signal });
      return client;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #open(call: CallOptions): Promise<void> {
    const connection = this.#connection;
    const { endpoint, tls, credentials } = this.#target;
    const greeting = await readGreeting(connection, this.#decodeStatus, call);
    if (greeting.kind !== 'ok') throw this.#refusal('the connection', greeting);
    this.#greeting = greeting.text;
    await this.#readCapabilities(call);
    if (endpoint.tls === 'starttls') {
      const status = this.#capabilities.has('STLS')
        ? await this.#ask('STLS', encodePop3Command('STLS'), call)
        : undefined;
      if (status?.kind !== 'ok')
        throw new TlsError(`POP3 server ${connection.host}:${connection.port} cannot begin TLS`, {
          protocol: 'POP3',
          reason: 'STARTTLS_UNAVAILABLE',
          hint: "use pop3s://, or tls: 'none' if you accept that others can read your mail",
        });
      await connection.startTls(tls, call);
      await this.#readCapabilities(call);
    }
    // Before the login: RFC 6856 section 2. Names and texts may then be UTF-8.
    if (this.#target.given.utf8 === true) {
      this.#needs('UTF8');
      await this.#demand('UTF8', encodePop3Command('UTF8'), call);
    }
    if (credentials === undefined) return;
    await login(
      {
        connection,
        target: this.#target,
        greeting: this.#greeting,
        capabilities: this.#capabilities,
        ask: (name, line) => this.#ask(name, line, call),
        demand: (name, line) => this.#demand(name, line, call),
      },
      credentials,
      call.signal,
    );
    await this.#readCapabilities(call);
  }

  /** What the server offers; empty where it has no CAPA. */
  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  get greeting(): string {
    return this.#greeting;
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  /** The connection below, for what this class does not do. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Settles when the connection has ended, with the reason. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#connection.closed;
  }

  /** What became of the DELEs of this session. */
  get deletions(): Pop3Deletions {
    const open = this.#connection.open ? 'pending' : 'not-committed';
    return { numbers: [...this.#deleted], state: this.#quit === 'none' ? open : this.#quit };
  }

  /** Count and size in bytes of the mailbox. @see RFC 1939 section 5 */
  async stat(call: CallOptions = {}): Promise<{ readonly count: number; readonly sizeBytes: number }> {
    const { text } = await this.#simple('STAT', [], call);
    const [count, sizeBytes] = text.split(' ', 2).map(parseDecimal);
    if (count !== undefined && sizeBytes !== undefined) return { count, sizeBytes };
    throw new ProtocolError(`the server answered STAT with: ${text}`, { protocol: 'POP3', reusable: true });
  }

  /** Sizes in bytes by message number: what the server says, a hint only. */
  async list(call: CallOptions = {}): Promise<Pop3Listing<number>> {
    return parseList(await this.#multiline('LIST', [], MAX_LISTING_BYTES, call));
  }

  /** Unique ids by message number. @see RFC 1939 section 7 */
  async uidl(call: CallOptions = {}): Promise<Pop3Listing<string>> {
    return parseUidl(await this.#multiline('UIDL', [], MAX_LISTING_BYTES, call));
  }

  /** The header and the first `lines` lines of the body. LimitError over `limits.messageBytes`. */
  async top(number: number, lines: number, call: CallOptions = {}): Promise<Uint8Array> {
    if (!Number.isSafeInteger(lines) || lines < 0) throw new UsageError('lines must be a whole number of 0 or more');
    const { messageBytes } = this.#connection.limits;
    return this.#multiline('TOP', [checkNumber(number), String(lines)], messageBytes, call);
  }

  /** A message as a stream, with back-pressure. Until it is read or given up, other commands throw UsageError. */
  retr(number: number, call: CallOptions = {}): Promise<ByteStream> {
    const line = encodePop3Command('RETR', checkNumber(number));
    if (this.#streaming) return Promise.reject(stillStreaming());
    return new Promise((resolve, reject) => {
      this.#run(call, async () => {
        await this.#demand('RETR', line, call);
        await new Promise<void>((done) => {
          const onEnd = (): void => {
            this.#streaming = false;
            done();
          };
          resolve(this.#connection.body(dottedDecoder(), { ...call, onEnd }));
        });
      }).catch((error: unknown) => {
        this.#streaming = false;
        reject(error);
      });
      this.#streaming = this.#connection.open;
    });
  }

  /**
   * Every message whose uid is neither in `skip` nor in `cursor`, in order, read ahead in batches where the server allows it. Commands
   * inside the loop work, and breaking out of it leaves the connection usable. A message is never deleted by this.
   */
  async *messages(options: Pop3Query = {}): AsyncGenerator<Pop3Message> {
    const { skip, cursor } = options;
    const [{ entries: sizes }, uids] = await Promise.all([this.list(options), this.#uidsIfAny(options)]);
    if (cursor !== undefined && uids.size === 0 && sizes.size > 0)
      throw new UnsupportedError('the server has no unique ids (UIDL), so a cursor cannot tell what is new', {
        protocol: 'POP3',
      });
    cursor?.retain(uids.values());
    const wanted = [...sizes.keys()].filter((number) => {
      const uid = uids.get(number) ?? '';
      return skip?.has(uid) !== true && cursor?.has(uid) !== true;
    });
    let at = 0;
    const next = (): Promise<(Uint8Array | ReplyError)[]> | undefined => {
      const from = at;
      const most = this.#capabilities.has('PIPELINING') ? BATCH_MESSAGES : 1;
      for (let bytes = 0; at < wanted.length && at - from < most; at++) {
        bytes += sizes.get(wanted[at] as number) ?? 0;
        if (at > from && bytes > BATCH_BYTES) break;
      }
      if (at === from) return undefined;
      const batch = this.#batch(wanted.slice(from, at), options);
      // Seen when it is awaited, or not at all after a break.
      batch.catch(() => {});
      return batch;
    };
    let index = 0;
    // Two are asked for at any time: the server need not wait while one is taken in.
    const asked = [next(), next()];
    for (let batch = asked.shift(); batch !== undefined; batch = asked.shift()) {
      const bodies = await batch;
      asked.push(next());
      for (const bytes of bodies) {
        const number = wanted[index++] as number;
        // Those before it were handed over; the caller may go on with the next by `skip`.
        if (bytes instanceof ReplyError) throw bytes;
        const uid = uids.get(number);
        yield { number, uid, bytes };
        // The caller came back for the next: this one is in its hands.
        if (uid !== undefined) cursor?.add(uid);
      }
    }
  }

  async #uidsIfAny(call: CallOptions): Promise<ReadonlyMap<number, string>> {
    try {
      return (await this.uidl(call)).entries;
    } catch (error) {
      // QUIRK(servers without UIDL): it is optional in RFC 1939.
      if (error instanceof ReplyError) return new Map();
      throw error;
    }
  }

  /** Marks a message; it goes with `quit`. */
  async dele(number: number, call: CallOptions = {}): Promise<void> {
    await this.#simple('DELE', [checkNumber(number)], call);
    this.#deleted.add(number);
  }

  async rset(call: CallOptions = {}): Promise<void> {
    await this.#simple('RSET', [], call);
    this.#deleted.clear();
  }

  /** Languages that the server can answer in: tag and name. UnsupportedError where it has no LANG. @see RFC 6856 section 3 */
  async languages(call: CallOptions = {}): Promise<{ readonly tag: string; readonly name: string }[]> {
    this.#needs('LANG');
    const lines = textLines(await this.#multiline('LANG', [], this.#connection.limits.replyBytes, call));
    return lines.map((line) => ({ tag: line.split(' ', 1)[0] as string, name: line.slice(line.indexOf(' ') + 1) }));
  }

  /** Asks for answers in that language; '*' for the server's choice. @see RFC 6856 section 3 */
  async lang(tag: string, call: CallOptions = {}): Promise<void> {
    this.#needs('LANG');
    await this.#simple('LANG', [checkWord('the language', tag)], call);
  }

  #needs(capability: string): void {
    const { host, port } = this.#connection;
    if (!this.#capabilities.has(capability))
      throw new UnsupportedError(`POP3 server ${host}:${port} does not offer ${capability}`, { protocol: 'POP3' });
  }

  async noop(call: CallOptions = {}): Promise<void> {
    await this.#simple('NOOP', [], call);
  }

  /** Any command with a one-line answer, ReplyError unless +OK. Arguments with CR, LF or NUL are refused. */
  command(verb: string, args: readonly string[] = [], call: CallOptions = {}): Promise<Pop3Status> {
    return this.#simple(verb, args, call);
  }

  /** Takes leave; `deletions` of the result tells whether the server carried them out. Never rejects. */
  async quit(): Promise<Pop3Deletions> {
    if (this.#connection.open && !this.#streaming) {
      this.#quit = 'unknown';
      try {
        await this.#queue.run(() => this.#demand('QUIT', encodePop3Command('QUIT'), { timeoutMs: 10_000 }));
        this.#quit = 'committed';
      } catch {
        // Reported as unknown.
      }
    }
    if (this.#streaming) this.#connection.destroy();
    await this.#connection.close();
    return this.deletions;
  }

  /** Closes at once, without QUIT: nothing is deleted. */
  destroy(reason?: Error): void {
    this.#connection.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  async #readCapabilities(call: CallOptions): Promise<void> {
    this.#capabilities = new Capabilities();
    const status = await this.#ask('CAPA', encodePop3Command('CAPA'), call);
    if (status.kind !== 'ok') return;
    const bytes = await this.#body(this.#connection.limits.replyBytes, call);
    this.#capabilities = new Capabilities(textLines(bytes).map(parseCapabilityLine));
  }

  async #run<T>(call: CallOptions, work: () => Promise<T>, lines?: readonly ShownBytes[]): Promise<T> {
    if (this.#streaming) throw stillStreaming();
    const connection = this.#connection;
    const task: AheadTask<T> = {
      lines,
      signal: call.signal,
      mayGoAhead: () => lines !== undefined && connection.open && this.#capabilities.has('PIPELINING'),
      run: async (ahead) => {
        if (!connection.open)
          throw new ClosedError('the POP3 connection is closed', { protocol: 'POP3', cause: connection.failure });
        if (!ahead && connection.pendingBytes > 0) {
          const error = new ProtocolError('the POP3 server sent what nobody asked for', { reason: 'OUT_OF_STEP' });
          connection.destroy(error);
          throw error;
        }
        if (!ahead && lines !== undefined) await connection.write(lines, call);
        return work();
      },
    };
    return this.#queue.run(task);
  }

  async #simple(verb: string, args: readonly string[], call: CallOptions): Promise<Pop3Status> {
    const line = encodePop3Command(verb, ...args);
    return this.#run(call, () => this.#demand(verb, line, call));
  }

  async #multiline(verb: string, args: readonly string[], maxBytes: number, call: CallOptions): Promise<Uint8Array> {
    const line = encodePop3Command(verb, ...args);
    return this.#run(call, async () => {
      await this.#demand(verb, line, call);
      return this.#body(maxBytes, call);
    });
  }

  /** Bodies in the order asked for; a refused one is its refusal. All together may not pass `limits.messageBytes`, whatever LIST said. */
  #batch(numbers: readonly number[], call: CallOptions): Promise<(Uint8Array | ReplyError)[]> {
    const lines = numbers.map((number) => encodePop3Command('RETR', checkNumber(number)));
    const read = async (): Promise<(Uint8Array | ReplyError)[]> => {
      const connection = this.#connection;
      const bodies: (Uint8Array | ReplyError)[] = [];
      let left = connection.limits.messageBytes;
      for (const [index] of numbers.entries()) {
        // Half of it is here: the next batch's commands leave, so that the server goes on without a pause.
        if (index === numbers.length >> 1) {
          const next = this.#queue.takeAhead() as AheadTask<unknown> | undefined;
          if (next?.lines !== undefined) await connection.write(next.lines, call);
        }
        const status = connection.tryRead(this.#decodeStatus) ?? (await this.#status('RETR', call));
        const body = status.kind === 'ok' ? await this.#body(left, call) : this.#refusal('RETR', status);
        if (body instanceof Uint8Array) left -= body.length;
        bodies.push(body);
      }
      return bodies;
    };
    return this.#run(call, read, lines);
  }

  async #body(maxBytes: number, call: CallOptions): Promise<Uint8Array> {
    const decode: Decoder<BodySpan> = dottedDecoder();
    const spans: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const span =
        this.#connection.tryRead(decode, 'body') ??
        (await this.#connection.read(decode, { ...call, phase: 'bodyIdle', shown: 'body' }));
      length += span.bytes.length;
      if (length > maxBytes) {
        const error = tooLong(maxBytes);
        this.#connection.destroy(error);
        throw error;
      }
      if (span.bytes.length > 0) spans.push(span.bytes);
      if (span.last) return concatBytes(spans);
    }
  }

  async #status(name: string, call: CallOptions): Promise<Pop3Status> {
    try {
      return await this.#connection.read(this.#decodeStatus, call);
    } catch (error) {
      throw addContext(error, { command: name });
    }
  }

  async #ask(name: string, line: ShownBytes, call: CallOptions): Promise<Pop3Status> {
    await this.#connection.write([line], call);
    return this.#status(name, call);
  }

  async #demand(name: string, line: ShownBytes, call: CallOptions): Promise<Pop3Status> {
    const status = await this.#ask(name, line, call);
    if (status.kind === 'ok') return status;
    if (status.kind === 'error') throw this.#refusal(name, status);
    const error = new ProtocolError(`the POP3 server answered ${name} with a challenge`, { command: name });
    this.#connection.destroy(error);
    throw error;
  }

  #refusal(command: string, status: Pop3Status): ReplyError {
    const { host, port, transcript } = this.#connection;
    const code = status.code === undefined ? '' : `[${status.code}] `;
    return new ReplyError(`POP3 ${command} refused by ${host}:${port}: ${code}${status.text}`, {
      protocol: 'POP3',
      phase: 'command',
      host,
      port,
      command,
      temporary: isTemporary(status),
      transcript: transcript.last(),
      reply: { code: '-ERR', enhanced: status.code, text: status.text },
    });
  }
}

const stillStreaming = (): UsageError =>
  new UsageError('a message is being streamed: read it to its end, or give it up, before the next command');

function checkNumber(number: unknown): string {
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 1)
    throw new UsageError(`a message number must be a whole number of 1 or more; got ${JSON.stringify(number)}`);
  return String(number);
}
