import { ClosedError, LimitError, UsageError, messageOf } from '../errors.ts';
import { type Accounts, type Mechanism, findMechanism, mechanisms } from '../sasl/index.ts';
import { accountsOf, offeredMechanisms } from './logins.ts';
import { type SmtpCommand, encodeSmtpReply, parsePath, smtpCommandDecoder } from '../smtp/codec.ts';
import type { Connection } from '../socket/connection.ts';
import { checkOptions } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { LF, concatBytes, encodeText } from '../wire/bytes.ts';
import { type BodySpan, dottedDecoder } from '../wire/dotted.ts';
import { parseDecimal, wholeNumber } from '../wire/limits.ts';
import { lineDecoder } from '../wire/line.ts';
import type { Reply } from '../wire/reply.ts';
import { FakeServer, type FakeServerOptions, fakeServerOptionNames } from './fake-server.ts';
import type { FaultRule } from './fault-script.ts';
import { type MailMatcher, MailStore, type StoredMail } from './mail-store.ts';

export interface FakeSmtpOptions extends FakeServerOptions {
  /** Default: none without users, required with them. 'any' takes every login. */
  readonly auth?: 'none' | 'optional' | 'required' | 'any' | undefined;
  /** Mechanisms to offer. Default: all that fit the users and tokens. */
  readonly mechanisms?: readonly string[] | undefined;
  /** Keywords of EHLO: false takes one away, true adds it, text adds it with parameters. */
  readonly capabilities?: Readonly<Record<string, boolean | string>> | undefined;
  /** Largest message, announced as SIZE. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** False: EHLO is unknown, as on a server from before 1993. */
  readonly esmtp?: boolean | undefined;
  /** 'lenient' ends a message at a dot between bare line feeds too: a flawed server, to test clients against. */
  readonly endOfData?: 'strict' | 'lenient' | undefined;
  /** Where mail is put. Default: a new store. */
  readonly store?: MailStore | undefined;
  /** Takes each message as a stream, instead of keeping it: for large ones. */
  readonly receive?: ((body: AsyncIterable<Uint8Array>, envelope: StoredMail['envelope']) => Promise<void>) | undefined;
  readonly hostname?: string | undefined;
  /** Speak LMTP: LHLO for EHLO, and a reply per recipient (RFC 2033). */
  readonly lmtp?: boolean | undefined;
}

/** Longest command line taken: RFC 4954 section 4 allows 12,288 in a login. */
const MAX_LINE = 12_288 + 2;
const MAX_RECIPIENTS = 10_000;

/**
 * An SMTP server for tests, made of the client's own codec: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT and the rest of RFC 5321. It
 * delivers nothing; what it takes is in `messages`.
 *
 *     await using server = await fakeSmtp();
 *     await sendMail(server.url, draft);
 *     const mail = await server.waitForMail({ subject: 'Welcome' });
 */
export class FakeSmtp extends FakeServer {
  readonly #options: FakeSmtpOptions;
  readonly store: MailStore;

  private constructor(options: FakeSmtpOptions) {
    super(options);
    this.#options = options;
    this.store = options.store ?? new MailStore();
  }

  static async start(options: FakeSmtpOptions = {}): Promise<FakeSmtp> {
    checkFakeOptions(options);
    const server = new FakeSmtp(options);
    await server.start(options, 'SMTP', (connection) => server.#talk(connection), maskLogin);
    return server;
  }

  /** Ready for a client, with the first user where there is one. Over TLS the client must trust `ca`. */
  get url(): string {
    const [user] = Object.entries(this.#options.users ?? {});
    const login = user === undefined ? '' : `${encodeURIComponent(user[0])}:${encodeURIComponent(user[1])}@`;
    const host = `${login}${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
    const scheme = this.#options.lmtp === true ? 'lmtp' : 'smtp';
    if (this.tlsMode === 'implicit') return `${scheme}s://${host}`;
    return this.tlsMode === 'starttls'
      ? `${scheme}+starttls://${host}`
      : `${scheme}://${host}?tls=none${user === undefined ? '' : '&allowInsecureAuth=true'}`;
  }

  /** Everything that came, oldest first. */
  get messages(): readonly StoredMail[] {
    return this.store.messages;
  }

  /** What one address got. */
  inbox(address: string): readonly StoredMail[] {
    return this.store.inbox(address);
  }

  /** The first matching mail, here or to come. TimeoutError lists what came instead. */
  waitForMail(
    matcher?: MailMatcher,
    options?: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<StoredMail> {
    return this.store.waitForMail(matcher, options);
  }

  expectNoMail(matcher?: MailMatcher, options?: { withinMs?: number | undefined }): Promise<void> {
    return this.store.expectNoMail(matcher, options);
  }

  override reset(): void {
    super.reset();
    this.store.clear();
  }

  async #talk(connection: Connection): Promise<void> {
    const session = new SmtpSession(
      connection,
      this.#options,
      this.store,
      this.serverTls,
      this.tlsMode,
      (verb, fields, inBody) => (inBody ? this.script.findInBody(verb, fields) : this.script.find(verb, fields)),
    );
    await session.run();
  }
}

const optionNames = [
  ...fakeServerOptionNames,
  'auth',
  'mechanisms',
  'capabilities',
  'maxMessageBytes',
  'esmtp',
  'endOfData',
  'store',
  'receive',
  'hostname',
  'lmtp',
];

function checkFakeOptions(options: FakeSmtpOptions): void {
  checkOptions('fakeSmtp', options, optionNames);
  const choose = (name: string, value: string | undefined, allowed: readonly string[]): void => {
    if (value !== undefined && !allowed.includes(value))
      throw new UsageError(`${name} must be ${allowed.join(', ')}; got ${JSON.stringify(value)}`);
  };
  choose('tls', options.tls, ['none', 'starttls', 'implicit']);
  choose('auth', options.auth, ['none', 'optional', 'required', 'any']);
  choose('endOfData', options.endOfData, ['strict', 'lenient']);
  for (const name of options.mechanisms ?? [])
    choose(
      'mechanisms',
      name,
      mechanisms.map((mechanism) => mechanism.name),
    );
  if (options.maxMessageBytes !== undefined) wholeNumber('maxMessageBytes', options.maxMessageBytes);
  if (options.wire !== undefined) checkOptions('wire', options.wire, ['splitEvery', 'pieceDelayMs', 'cutAfterBytes']);
}

/** Starts a fake SMTP server on loopback. */
export const fakeSmtp = (options?: FakeSmtpOptions): Promise<FakeSmtp> => FakeSmtp.start(options);

/** The secrets of a login never reach the transcript. */
const maskLogin = (line: string): string => line.replace(/^(AUTH +\S+) +\S.*$/is, '$1 ***');

type FindRule = (verb: string, fields: Readonly<Record<string, string>>, inBody: boolean) => FaultRule | undefined;

/** Thrown to end a conversation from within a handler. */
class Goodbye extends Error {}

class SmtpSession {
  readonly #connection: Connection;
  readonly #options: FakeSmtpOptions;
  readonly #store: MailStore;
  readonly #tls: FakeSmtpOptions['certificate'];
  readonly #tlsMode: 'none' | 'starttls' | 'implicit';
  readonly #findRule: FindRule;
  readonly #hostname: string;
  readonly #decode: Decoder<SmtpCommand | 'too-long'>;
  #pending: Uint8Array[] = [];
  #greeted = false;
  #user: string | undefined;
  #from: string | undefined;
  #parameters: ReadonlyMap<string, string | true> = new Map();
  #to: string[] = [];
  #chunks: Uint8Array[] | undefined;

  constructor(
    connection: Connection,
    options: FakeSmtpOptions,
    store: MailStore,
    tls: FakeSmtpOptions['certificate'],
    tlsMode: 'none' | 'starttls' | 'implicit',
    findRule: FindRule,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#store = store;
    this.#tls = tls;
    this.#tlsMode = tlsMode;
    this.#findRule = findRule;
    this.#hostname = options.hostname ?? 'fake.postwire.test';
    this.#decode = orTooLong(smtpCommandDecoder(MAX_LINE));
  }

  async run(): Promise<void> {
    try {
      if (
        (await this.#scripted('CONNECT', {}, () => this.#reply(220, `${this.#hostname} ESMTP postwire fake`))) ===
        'gone'
      )
        return;
      await this.#flush();
      for (;;) {
        const ready = this.#connection.tryRead(this.#decode);
        if (ready === undefined) await this.#flush();
        const command = ready ?? (await this.#connection.read(this.#decode, { phase: 'idle' }));
        if (command === 'too-long') {
          this.#reply(500, '5.5.2 Line too long');
          throw new Goodbye();
        }
        await this.#handle(command);
      }
    } catch (error) {
      // Clients may leave without QUIT.
      if (error instanceof ClosedError && this.#pending.length === 0) return;
      if (!(error instanceof Goodbye)) throw error;
      await this.#flush();
      await this.#connection.close(100);
    }
  }

  #reply(code: number, text: string, ...more: string[]): void {
    const lines = [text, ...more];
    const match = /^([245]\.[0-9]{1,3}\.[0-9]{1,3}) (.*)$/s.exec(text);
    const enhanced = this.#offers('ENHANCEDSTATUSCODES') ? match?.[1] : undefined;
    if (match !== null) lines[0] = match[2] as string;
    this.#send({ code, enhanced, lines });
  }

  #send(reply: Reply): void {
    this.#pending.push(encodeSmtpReply(reply));
  }

  async #flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const parts = this.#pending.map((bytes) => ({
      bytes,
      shown: new TextDecoder().decode(bytes).replace(/\r\n(?=.)/g, ' / '),
    }));
    this.#pending = [];
    await this.#connection.write(parts);
  }

  /** Runs the script's rule for this command, or the usual answer. */
  async #scripted(
    verb: string,
    fields: Readonly<Record<string, string>>,
    usual: () => void | Promise<void>,
  ): Promise<'gone' | 'done'> {
    const rule = this.#findRule(verb, fields, false);
    if (rule === undefined) {
      await usual();
      return 'done';
    }
    await this.#flush();
    const outcome = await rule.perform(this.#connection);
    if (outcome.kind === 'gone') return 'gone';
    if (outcome.kind === 'normal') {
      if (outcome.inject.length > 0 && verb === 'STARTTLS') {
        this.#reply(220, '2.0.0 Ready to start TLS');
        this.#pending.push(outcome.inject);
        await this.#flush();
        return 'done';
      }
      await usual();
      if (outcome.inject.length > 0) this.#pending.push(outcome.inject);
    }
    return 'done';
  }

  async #handle(command: SmtpCommand): Promise<void> {
    const { verb, argument } = command;
    const path =
      verb === 'MAIL' ? parsePath('FROM', argument) : verb === 'RCPT' ? parsePath('TO', argument) : undefined;
    const fields = {
      argument,
      from: verb === 'MAIL' ? (path?.address ?? '') : (this.#from ?? ''),
      to: verb === 'RCPT' ? (path?.address ?? '') : this.#to.join(', '),
    };
    const handlers: Record<string, () => void | Promise<void>> = {
      ...(this.#options.lmtp === true
        ? { LHLO: () => this.#ehlo(argument) }
        : { EHLO: () => this.#ehlo(argument), HELO: () => this.#helo(argument) }),
      STARTTLS: () => this.#startTls(argument),
      AUTH: () => this.#auth(argument),
      MAIL: () => this.#mail(path),
      RCPT: () => this.#rcpt(path),
      DATA: () => this.#data(argument),
      BDAT: () => this.#bdat(argument),
      RSET: () => {
        this.#resetTransaction();
        this.#reply(250, '2.0.0 Reset');
      },
      NOOP: () => this.#reply(250, '2.0.0 OK'),
      VRFY: () =>
        argument === ''
          ? this.#reply(501, '5.5.4 VRFY needs an argument')
          : this.#reply(252, '2.1.5 Send some mail and I will try'),
      EXPN: () => this.#reply(550, '5.3.3 No lists here'),
      HELP: () => this.#reply(214, '2.0.0 See RFC 5321'),
      QUIT: () => {
        this.#reply(221, '2.0.0 Bye');
        throw new Goodbye();
      },
    };
    const handler =
      Object.hasOwn(handlers, verb) && (verb !== 'EHLO' || this.#options.esmtp !== false) ? handlers[verb] : undefined;
    // BDAT's bytes follow it whatever is answered: it reads them before the script is asked.
    if (verb === 'BDAT' && handler !== undefined) return handler();
    const outcome = await this.#scripted(
      verb,
      fields,
      handler ?? (() => this.#reply(500, '5.5.2 Command not recognised')),
    );
    if (outcome === 'gone') throw new ClosedError('the script ended the conversation');
  }

  get #authPolicy(): 'none' | 'optional' | 'required' | 'any' {
    return (
      this.#options.auth ??
      (this.#options.users === undefined && this.#options.tokens === undefined ? 'none' : 'required')
    );
  }

  #offers(keyword: string): boolean {
    return this.#options.capabilities?.[keyword] !== false;
  }

  #mechanisms(): Mechanism[] {
    if (this.#authPolicy === 'none') return [];
    // Only PLAIN, LOGIN and tokens can be taken without knowing the password.
    if (this.#authPolicy === 'any' && this.#options.mechanisms === undefined)
      return mechanisms.filter((mechanism) => mechanism.secrecy === 'plain');
    return offeredMechanisms(this.#options, this.#connection);
  }

  #maxBytes(): number {
    return this.#options.maxMessageBytes ?? 64 * 1024 * 1024;
  }

  #ehlo(name: string): void {
    if (name.trim() === '') return this.#reply(501, '5.5.4 EHLO needs a name');
    this.#resetTransaction();
    this.#greeted = true;
    const offered: Record<string, boolean | string> = {
      PIPELINING: true,
      SIZE: String(this.#maxBytes()),
      '8BITMIME': true,
      SMTPUTF8: true,
      CHUNKING: true,
      BINARYMIME: true,
      ENHANCEDSTATUSCODES: true,
      STARTTLS: this.#tlsMode === 'starttls' && !this.#connection.secure,
      // As real servers do: login only after TLS, where there is TLS.
      AUTH:
        this.#tlsMode === 'starttls' && !this.#connection.secure
          ? false
          : this.#mechanisms()
              .map((mechanism) => mechanism.name)
              .join(' '),
      ...this.#options.capabilities,
    };
    const lines = Object.entries(offered)
      .filter(([, value]) => value !== false && value !== '')
      .map(([keyword, value]) => (value === true ? keyword : `${keyword} ${String(value)}`));
    this.#send({ code: 250, lines: [`${this.#hostname} greets ${name.trim()}`, ...lines] });
  }

  #helo(name: string): void {
    if (name.trim() === '') return this.#reply(501, '5.5.4 HELO needs a name');
    this.#resetTransaction();
    this.#greeted = true;
    this.#send({ code: 250, lines: [this.#hostname] });
  }

  async #startTls(argument: string): Promise<void> {
    if (argument !== '') return this.#reply(501, '5.5.4 STARTTLS takes no parameter');
    if (this.#tlsMode !== 'starttls' || this.#connection.secure || typeof this.#tls !== 'object')
      return this.#reply(502, '5.5.1 STARTTLS is not available');
    // Before the answer leaves: what is here by now was sent in the clear, by whomever (RFC 3207 section 4.2).
    if (this.#connection.pendingBytes > 0) throw new LimitError('plaintext behind STARTTLS');
    this.#reply(220, '2.0.0 Ready to start TLS');
    await this.#flush();
    await this.#connection.startTls(this.#tls);
    this.#greeted = false;
    this.#user = undefined;
    this.#resetTransaction();
  }

  async #auth(argument: string): Promise<void> {
    const [name = '', initial] = argument.trim().split(/ +/);
    const mechanism = findMechanism(name, this.#mechanisms());
    if (mechanism === undefined) return this.#reply(504, '5.5.4 Mechanism not available');
    if (this.#user !== undefined) return this.#reply(503, '5.5.1 Already logged in');
    const server = mechanism.server(this.#accounts(), this.#connection.channelBinding);
    let response = initial === undefined ? undefined : initial === '=' ? new Uint8Array(0) : decodeBase64(initial);
    if (response === null) return this.#reply(501, '5.5.2 That is not base64');
    const decodeLine = lineDecoder(MAX_LINE);
    for (;;) {
      const step = await server.next(response);
      if (step.kind === 'failure') return this.#reply(535, `5.7.8 ${step.text}`);
      if (step.kind === 'success') {
        this.#user = step.user;
        return this.#reply(235, '2.7.0 Welcome');
      }
      this.#send({ code: 334, lines: [Buffer.from(step.data).toString('base64')] });
      await this.#flush();
      const line = new TextDecoder().decode(await this.#connection.read(decodeLine, { shown: 'secret' }));
      if (line === '*') return this.#reply(501, '5.0.0 Login given up');
      response = decodeBase64(line);
      if (response === null) return this.#reply(501, '5.5.2 That is not base64');
    }
  }

  #accounts(): Accounts {
    if (this.#authPolicy === 'any') {
      return { password: () => undefined, accepts: () => true, token: () => true };
    }
    return accountsOf(this.#options, this.#connection);
  }

  #mail(path: ReturnType<typeof parsePath>): void {
    if (!this.#greeted) return this.#reply(503, '5.5.1 Say EHLO first');
    if (this.#from !== undefined) return this.#reply(503, '5.5.1 A transaction is open');
    if (this.#authPolicy === 'required' && this.#user === undefined)
      return this.#reply(530, '5.7.0 Authentication required');
    if (path === undefined) return this.#reply(501, '5.1.7 Bad sender address or parameter');
    const size = path.parameters.get('SIZE');
    if (typeof size === 'string') {
      const bytes = parseDecimal(size);
      if (bytes === undefined) return this.#reply(501, '5.5.4 Bad SIZE');
      if (bytes > this.#maxBytes())
        return this.#reply(552, `5.3.4 Message too big: ${bytes} of ${this.#maxBytes()} bytes`);
    }
    if (isUtf8(path.address) && !path.parameters.has('SMTPUTF8'))
      return this.#reply(553, '5.6.7 SMTPUTF8 is needed for this address');
    if (path.parameters.get('BODY') === 'BINARYMIME' && !this.#offers('BINARYMIME'))
      return this.#reply(555, '5.5.4 BINARYMIME is not offered');
    this.#from = path.address;
    this.#parameters = path.parameters;
    this.#reply(250, '2.1.0 Sender OK');
  }

  #rcpt(path: ReturnType<typeof parsePath>): void {
    if (this.#from === undefined) return this.#reply(503, '5.5.1 MAIL first');
    if (path === undefined) return this.#reply(501, '5.1.3 Bad recipient address or parameter');
    if (this.#to.length >= MAX_RECIPIENTS) return this.#reply(452, '4.5.3 Too many recipients');
    if (isUtf8(path.address) && !this.#parameters.has('SMTPUTF8'))
      return this.#reply(553, '5.6.7 SMTPUTF8 is needed for this address');
    this.#to.push(path.address);
    this.#reply(250, '2.1.5 Recipient OK');
  }

  async #data(argument: string): Promise<void> {
    if (argument !== '') return this.#reply(501, '5.5.4 DATA takes no parameter');
    if (this.#from === undefined) return this.#reply(503, '5.5.1 MAIL first');
    if (this.#chunks !== undefined) return this.#reply(503, '5.5.1 BDAT has begun');
    // RFC 3030 section 3: a binary message has no line that could end it.
    if (this.#parameters.get('BODY') === 'BINARYMIME') return this.#reply(503, '5.6.1 A binary message needs BDAT');
    if (this.#to.length === 0) return this.#reply(554, '5.5.1 No valid recipients');
    this.#reply(354, 'End with a line of one dot');
    await this.#flush();
    const decode = this.#options.endOfData === 'lenient' ? lenientDottedDecoder() : dottedDecoder();
    await this.#take(this.#watched(this.#connection.body(decode)));
  }

  async #bdat(argument: string): Promise<void> {
    const match = /^([0-9]{1,15})( LAST)?$/i.exec(argument);
    if (!match) {
      this.#reply(501, '5.5.4 BDAT needs a size');
      throw new Goodbye();
    }
    const size = Number(match[1]);
    const last = match[2] !== undefined;
    const acceptable = this.#from !== undefined && this.#to.length > 0;
    const chunks = (this.#chunks ??= []);
    let received = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    for await (const span of this.#watched(this.#connection.body(countedDecoder(size)))) {
      received += span.length;
      if (acceptable && received <= this.#maxBytes()) chunks.push(span.slice());
    }
    const fields = { argument, from: this.#from ?? '', to: this.#to.join(', ') };
    const outcome = await this.#scripted('BDAT', fields, () =>
      this.#afterChunk(acceptable, received, size, last, chunks),
    );
    if (outcome === 'gone') throw new ClosedError('the script ended the conversation');
  }

  async #afterChunk(
    acceptable: boolean,
    received: number,
    size: number,
    last: boolean,
    chunks: readonly Uint8Array[],
  ): Promise<void> {
    if (!acceptable) {
      this.#chunks = undefined;
      return this.#reply(
        this.#from === undefined ? 503 : 554,
        this.#from === undefined ? '5.5.1 MAIL first' : '5.5.1 No valid recipients',
      );
    }
    if (received > this.#maxBytes()) return this.#refuseMessage(552, '5.3.4 Message too big');
    if (!last) return this.#reply(250, `2.0.0 ${size} bytes received`);
    this.#chunks = undefined;
    await this.#take(iterate(chunks));
  }

  /** The body as it comes, with the script's rules for its inside. */
  async *#watched(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const rule = this.#findRule('DATA', { from: this.#from ?? '', to: this.#to.join(', '), argument: '' }, true);
    let length = 0;
    let due = rule?.bodyBytes;
    for await (const span of body) {
      length += span.length;
      if (due !== undefined && length >= due) {
        due = undefined;
        const outcome = await rule?.perform(this.#connection);
        if (outcome?.kind === 'gone') throw new ClosedError('the script ended the conversation');
      }
      yield span;
    }
  }

  async #take(body: AsyncIterable<Uint8Array>): Promise<void> {
    const envelope = { from: this.#from ?? '', to: [...this.#to], parameters: this.#parameters };
    const fields = { from: envelope.from, to: envelope.to.join(', '), argument: '' };
    const { receive } = this.#options;
    if (receive !== undefined) {
      const problem = await this.#receive(receive, body, envelope);
      if (problem !== undefined) return this.#refuseMessage(problem.code, problem.text);
    } else {
      const spans: Uint8Array[] = [];
      let length = 0;
      for await (const span of body) {
        length += span.length;
        if (length <= this.#maxBytes()) spans.push(span);
        // Too much: read on to its end, but keep nothing.
        else spans.length = 0;
      }
      if (length > this.#maxBytes()) return this.#refuseMessage(552, '5.3.4 Message too big');
      const raw = spans.length === 1 ? Uint8Array.from(spans[0] as Uint8Array) : concatBytes(spans);
      this.#incoming = { envelope, raw, receivedAt: new Date(), secure: this.#connection.secure, user: this.#user };
    }
    this.#resetTransaction();
    // 'MESSAGE' is the moment after the final dot: the reply may be scripted, lost or late, and decides whether the mail is kept.
    const incoming = this.#incoming;
    const shares = this.#options.lmtp === true ? envelope.to.map((address) => [address]) : [envelope.to];
    for (const to of shares) {
      const outcome = await this.#scripted('MESSAGE', { ...fields, to: to.join(', ') }, () => {
        const stored =
          incoming === undefined ? undefined : this.#store.add({ ...incoming, envelope: { ...envelope, to } });
        this.#reply(
          250,
          `2.0.0 OK queued as ${stored === undefined ? 'stream' : `fake${String(stored.id).padStart(6, '0')}`}`,
        );
      });
      if (outcome === 'gone') throw new ClosedError('the script ended the conversation');
    }
    this.#incoming = undefined;
  }

  /** One reply, or in LMTP one a recipient. */
  #refuseMessage(code: number, text: string): void {
    const replies = this.#options.lmtp === true ? this.#to.length : 1;
    this.#resetTransaction();
    for (let count = 0; count < replies; count++) this.#reply(code, text);
  }

  /** Hands the body on, and reads whatever is left of it: the next command is behind it. */
  async #receive(
    receive: NonNullable<FakeSmtpOptions['receive']>,
    body: AsyncIterable<Uint8Array>,
    envelope: StoredMail['envelope'],
  ): Promise<{ code: number; text: string } | undefined> {
    const iterator = body[Symbol.asyncIterator]();
    const max = this.#maxBytes();
    let length = 0;
    let done = false;
    async function* counted(): AsyncIterable<Uint8Array> {
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) {
          done = true;
          return;
        }
        length += next.value.length;
        // Beyond the limit it is read, and not handed on.
        if (length <= max) yield next.value;
      }
    }
    let failure: unknown;
    try {
      await receive(counted(), envelope);
    } catch (error) {
      if (error instanceof ClosedError) throw error;
      failure = error;
    }
    while (!done) {
      const next = await iterator.next();
      if (next.done === true) done = true;
      else length += next.value.length;
    }
    if (failure !== undefined) return { code: 451, text: `4.3.0 receive failed: ${messageOf(failure)}` };
    return length > max ? { code: 552, text: '5.3.4 Message too big' } : undefined;
  }

  #incoming: Omit<StoredMail, 'id' | 'header' | 'text'> | undefined;

  #resetTransaction(): void {
    this.#from = undefined;
    this.#parameters = new Map();
    this.#to = [];
    this.#chunks = undefined;
  }
}

const isUtf8 = (address: string): boolean => /[^\u0000-\u007f]/.test(address);

function decodeBase64(text: string): Uint8Array | null {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : null;
}

async function* iterate(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

/** Exactly so many bytes, by spans. */
function countedDecoder(byteCount: number): Decoder<BodySpan> {
  let left = byteCount;
  return (queue) => {
    if (left > 0 && queue.length === 0) return undefined;
    const bytes = queue.take(Math.min(left, queue.length));
    left -= bytes.length;
    return { bytes, last: left === 0 };
  };
}

/** A line that is too long is an event: the server answers before it closes. */
function orTooLong<E>(decode: Decoder<E>): Decoder<E | 'too-long'> {
  return (queue) => {
    try {
      return decode(queue);
    } catch (error) {
      if (error instanceof LimitError) return 'too-long';
      throw error;
    }
  };
}

/** Ends at a dot alone between any line ends: what smuggling relies on. One leading dot of a line goes. */
function lenientDottedDecoder(): Decoder<BodySpan> {
  return (queue) => {
    const at = queue.indexOf(LF);
    if (at < 0) return undefined;
    const line = queue.take(at + 1);
    const text = new TextDecoder('latin1').decode(line).replace(/\r?\n$/, '');
    if (text === '.' || text.endsWith('\r.')) return { bytes: encodeText(''), last: true };
    return { bytes: text.startsWith('.') ? line.subarray(1) : line, last: false };
  };
}
