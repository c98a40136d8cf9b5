import {
  ClosedError,
  type ErrorDetails,
  ProtocolError,
  ReplyError,
  TlsError,
  UnsupportedError,
  UsageError,
  addContext,
} from '../errors.ts';
import { type Credentials, type SaslAnswer, type SaslExchange, saslLogin } from '../sasl/index.ts';
import { isLoopback } from '../socket/address.ts';
import type { CallOptions, CloseReason, Connection } from '../socket/connection.ts';
import { readGreeting } from '../socket/greeting.ts';
import { SerialQueue } from '../socket/serial-queue.ts';
import { dialServer } from '../socket/target.ts';
import type { TlsOptions } from '../socket/tls.ts';
import { checkAddrSpec } from '../wire/addr-spec.ts';
import { checkArgument, secret } from '../wire/arguments.ts';
import { Capabilities } from '../wire/capabilities.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { DottedEncoder } from '../wire/dotted.ts';
import { type Reply, formatReply } from '../wire/reply.ts';
import {
  type EsmtpParameters,
  encodeMail,
  encodeRcpt,
  encodeSmtpCommand,
  parseEhlo,
  smtpReplyDecoder,
} from './codec.ts';
import { type PreflightFinding, preflightFindings } from './checks.ts';
import { xtext } from './extensions.ts';
import { type SmtpMessage, prepareMessage } from './message.ts';
import { type SendResult, toErrorReply } from './result.ts';
import { type ResolvedSmtpTarget, type SmtpOptions, type SmtpTarget, resolveSmtpTarget } from './target.ts';
import type { SendOptions, SmtpEnvelope } from './send-options.ts';
import { type TransactionHost, sendMessage } from './transaction.ts';

/** RFC 4954 section 4: a longer line goes as an answer to an empty challenge. */
const MAX_AUTH_LINE = 512;

/**
 * An SMTP connection, ready for mail: connected, upgraded to TLS as asked, logged in. Commands may be called concurrently; they are sent
 * in order, and where the server allows it, together.
 *
 * A refused command leaves the connection usable (`error.reusable`). After a timeout, an abort with bytes under way, or a protocol error it is closed.
 *
 * @see RFC 5321
 */
export class SmtpClient implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #target: ResolvedSmtpTarget;
  /** An idle connection does not keep the process alive. */
  readonly #queue = new SerialQueue((busy) => (busy ? this.#connection.ref() : this.#connection.unref()));
  #leaving = false;
  #decodeReply: Decoder<Reply>;
  #capabilities = new Capabilities();
  #greeting = '';
  readonly #host: TransactionHost;

  private constructor(connection: Connection, target: ResolvedSmtpTarget) {
    this.#connection = connection;
    this.#target = target;
    this.#decodeReply = smtpReplyDecoder(connection.limits);
    this.#host = {
      connection,
      queue: this.#queue,
      lmtp: target.lmtp,
      checkIdle: () => this.#checkIdle(),
      readReply: (command, call) => this.#readReply(command, call),
      tryReadReply: () => connection.tryRead(this.#decodeReply),
      get capabilities() {
        return capabilitiesOf();
      },
    };
    const capabilitiesOf = (): Capabilities => this.#capabilities;
  }

  /**
   * Connects, reads the greeting, says EHLO (HELO where it is refused), begins TLS unless told not to, and logs in when a user is given.
   *
   * Rejects with UsageError, ConnectError, TlsError, AuthError, ReplyError, TimeoutError or the signal's reason; nothing is left open.
   */
  static async connect(target: SmtpTarget | undefined, options: SmtpOptions = {}): Promise<SmtpClient> {
    const resolved = resolveSmtpTarget(target, options);
    const { endpoint } = resolved;
    const connection = await dialServer(resolved, 'SMTP');
    const client = new SmtpClient(connection, resolved);
    const call: CallOptions = { signal: resolved.dial.signal };
    try {
      await client.#greet(call);
      await client.#hello(call);
      if (endpoint.tls === 'starttls') await client.#startTls(resolved.tls, call);
      if (resolved.credentials !== undefined) await client.#login(resolved.credentials, call);
      connection.unref();
      return client;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** What the server offers, from its last EHLO. */
  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  /** The text of the server's greeting. */
  get greeting(): string {
    return this.#greeting;
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  /** Settles when the connection has ended, with the reason. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#connection.closed;
  }

  /** False once the connection has ended or broken. */
  get open(): boolean {
    return this.#connection.open;
  }

  /** The connection below, for what this class does not do. */
  get connection(): Connection {
    return this.#connection;
  }

  /**
   * Sends one message. Resolves when the server has taken it for at least one recipient; the result tells about each. Rejects with
   * SmtpSendError when it has taken it for none, or when nobody can know (`deliveryUnknown`).
   */
  send(envelope: SmtpEnvelope, message: SmtpMessage, options: SendOptions = {}): Promise<SendResult> {
    if (this.#leaving) return Promise.reject(this.#left());
    return sendMessage(this.#host, envelope, message, options);
  }

  /** Greets again and reads the capabilities. @see RFC 5321 section 4.1.1.1 */
  ehlo(call: CallOptions = {}): Promise<Reply> {
    return this.#run(call, async () => {
      const reply = await this.#command([this.#ehlo, this.#name()], call);
      this.#capabilities = parseEhlo(expect(this.#connection, this.#ehlo, reply, 200));
      return reply;
    });
  }

  helo(call: CallOptions = {}): Promise<Reply> {
    return this.#simple(['HELO', this.#name()], call);
  }

  /** Upgrades to TLS and greets again. @see RFC 3207 */
  startTls(options?: TlsOptions, call: CallOptions = {}): Promise<void> {
    return this.#run(call, () => this.#startTls(options ?? this.#target.tls, call));
  }

  /** Logs in with the strongest mechanism that fits. Resolves with its name. @see RFC 4954 */
  login(credentials: Credentials, call: CallOptions = {}): Promise<string> {
    return this.#run(call, () => this.#login(credentials, call));
  }

  /** Begins a transaction by hand; `send` does it all. '' is the null reverse-path. */
  mail(from: string, parameters: EsmtpParameters = {}, call: CallOptions = {}): Promise<Reply> {
    return this.#line(
      () => encodeMail(from === '' ? '' : checkAddrSpec('from', from), parameters),
      `MAIL FROM <${from}>`,
      call,
    );
  }

  rcpt(to: string, parameters: EsmtpParameters = {}, call: CallOptions = {}): Promise<Reply> {
    return this.#line(() => encodeRcpt(checkAddrSpec('to', to), parameters), `RCPT TO <${to}>`, call);
  }

  /** DATA with the message, by hand: dots are stuffed and line ends mended. Resolves with the reply to the message. */
  data(message: SmtpMessage, call: CallOptions = {}): Promise<Reply> {
    const prepared = prepareMessage(message);
    return this.#run(call, async () => {
      expect(this.#connection, 'DATA', await this.#command(['DATA'], call), 300);
      const encoder = new DottedEncoder();
      try {
        for await (const chunk of this.#connection.pull(prepared.open(call.signal), call))
          await this.#connection.write(encoder.push(chunk), call);
        await this.#connection.write([{ bytes: encoder.end(), shown: '.' }], call);
      } catch (error) {
        this.#connection.destroy(error as Error);
        throw error;
      }
      return expect(this.#connection, 'the message', await this.#readReply('the message', call), 200);
    });
  }

  /** One chunk by BDAT, by hand: its bytes go as they are. @see RFC 3030 section 2 */
  bdat(chunk: Uint8Array, last: boolean, call: CallOptions = {}): Promise<Reply> {
    return this.#run(call, async () => {
      await this.#connection.write(
        [
          encodeSmtpCommand('BDAT', String(chunk.length), ...(last ? ['LAST'] : [])),
          ...(chunk.length > 0 ? [chunk] : []),
        ],
        call,
      );
      return expect(this.#connection, 'BDAT', await this.#readReply('BDAT', call), 200);
    });
  }

  rset(call: CallOptions = {}): Promise<Reply> {
    return this.#simple(['RSET'], call);
  }

  noop(call: CallOptions = {}): Promise<Reply> {
    return this.#simple(['NOOP'], call);
  }

  /** Asks whether the server knows an address or name; 252 means it will not say. */
  vrfy(address: string, call: CallOptions = {}): Promise<Reply> {
    return this.#simple(['VRFY', address], call);
  }

  /** Asks who is behind a list: one address a line. Most servers will not say. @see RFC 5321 section 4.1.1.7 */
  expn(list: string, call: CallOptions = {}): Promise<Reply> {
    return this.#simple(['EXPN', list], call);
  }

  /** Asks the server to send what it holds for a domain, `@domain` with those below it, or `#queue`. @see RFC 1985 */
  etrn(domain: string, call: CallOptions = {}): Promise<Reply> {
    return this.#simple(['ETRN', domain], call);
  }

  /**
   * Tells a server that trusts us on whose behalf we speak (`ADDR`, `NAME`, `HELO`, `LOGIN`, …), and greets again, as Postfix asks. An
   * undefined value says that it is not known. UnsupportedError where XCLIENT, or one of the attributes, is not offered.
   */
  xclient(attributes: Readonly<Record<string, string | undefined>>, call: CallOptions = {}): Promise<Reply> {
    return this.#run(call, async () => {
      const reply = await this.#command(['XCLIENT', ...this.#attributes('XCLIENT', attributes)], call);
      expect(this.#connection, 'XCLIENT', reply, 200);
      await this.#hello(call);
      return reply;
    });
  }

  /** Tells a server that trusts us where the next message came from, for its log (`ADDR`, `NAME`, `HELO`, `SOURCE`, …). */
  xforward(attributes: Readonly<Record<string, string | undefined>>, call: CallOptions = {}): Promise<Reply> {
    return this.#simple(['XFORWARD', ...this.#attributes('XFORWARD', attributes)], call);
  }

  #attributes(verb: string, attributes: Readonly<Record<string, string | undefined>>): string[] {
    const offered = this.#capabilities.parameters(verb);
    const { host, port } = this.#connection;
    return Object.entries(attributes).map(([name, value]) => {
      if (offered?.includes(name.toUpperCase()) !== true)
        throw new UnsupportedError(
          `SMTP server ${host}:${port} does not offer ${offered === undefined ? verb : `${verb} with ${name}`}`,
          { protocol: 'SMTP', reason: verb },
        );
      return `${name.toUpperCase()}=${value === undefined ? '[UNAVAILABLE]' : xtext(value)}`;
    });
  }

  /** What this server would refuse of a message, or take in a lesser way; empty where nothing. Sends nothing. UsageError as `send`. */
  preflight(envelope: SmtpEnvelope, message: SmtpMessage, options: SendOptions = {}): PreflightFinding[] {
    const { host, port } = this.#connection;
    return preflightFindings(envelope, prepareMessage(message), options, this.#capabilities, `${host}:${port}`);
  }

  help(topic?: string, call: CallOptions = {}): Promise<Reply> {
    return this.#simple(topic === undefined ? ['HELP'] : ['HELP', topic], call);
  }

  /** Any command line; its reply whatever the code. Arguments with CR, LF or NUL are refused. */
  command(verb: string, args: readonly string[] = [], call: CallOptions = {}): Promise<Reply> {
    return this.#run(call, () => this.#command([verb, ...args], call));
  }

  /**
   * Takes leave and closes, behind the calls made before it; later ones are refused. Never rejects, and waits no longer than a second for
   * the server's farewell.
   */
  async quit(): Promise<void> {
    this.#leaving = true;
    if (this.#connection.open && !this.#connection.ended) {
      try {
        await this.#queue.run(async () => {
          if (this.#connection.open) await this.#command(['QUIT'], { timeoutMs: 1000 });
        });
      } catch {
        // Leaving anyway.
      }
    }
    await this.#connection.close();
  }

  /** Closes at once, without QUIT. Pending calls reject. */
  destroy(reason?: Error): void {
    this.#connection.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  #run<T>(call: CallOptions, work: () => Promise<T>): Promise<T> {
    if (this.#leaving) return Promise.reject(this.#left());
    return this.#queue.run({
      signal: call.signal,
      run: () => {
        this.#checkIdle();
        return work();
      },
    });
  }

  #left(): ClosedError {
    const { host, port } = this.#connection;
    return new ClosedError(`quit was called: the SMTP connection to ${host}:${port} takes no more commands`, {
      protocol: 'SMTP',
      host,
      port,
      temporary: false,
    });
  }

  async #simple(words: readonly string[], call: CallOptions): Promise<Reply> {
    return this.#line(() => encodeSmtpCommand(words[0] as string, ...words.slice(1)), words[0] as string, call);
  }

  async #line(encode: () => ReturnType<typeof encodeMail>, name: string, call: CallOptions): Promise<Reply> {
    // Encoded before it is queued: a wrong argument must not wait for its turn, nor take one.
    const line = encode();
    return this.#run(call, async () => {
      await this.#connection.write([line], call);
      return expect(this.#connection, name, await this.#readReply(name, call), 200);
    });
  }

  async #command(words: readonly string[], call: CallOptions): Promise<Reply> {
    await this.#connection.write([encodeSmtpCommand(words[0] as string, ...words.slice(1))], call);
    return this.#readReply(words[0] as string, call);
  }

  async #readReply(command: string, call: CallOptions): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await this.#connection.read(this.#decodeReply, call);
    } catch (error) {
      throw addContext(error, { command });
    }
    // The server is going away, whatever was asked: RFC 5321 section 3.8.
    if (reply.code === 421) {
      const error = replyError(this.#connection, command, reply, { reusable: false });
      this.#connection.destroy(error);
      throw error;
    }
    return reply;
  }

  /** Between commands the server has nothing to say. What it says all the same is a farewell, or the stream is out of step. */
  #checkIdle(): void {
    const connection = this.#connection;
    if (!connection.open)
      throw new ClosedError(`the SMTP connection to ${connection.host}:${connection.port} is closed`, {
        protocol: 'SMTP',
        cause: connection.failure,
      });
    if (connection.pendingBytes > 0) {
      const reply = connection.tryRead(this.#decodeReply);
      const error =
        reply?.code === 421
          ? replyError(connection, 'the idle connection', reply, { reusable: false })
          : new ProtocolError(
              `SMTP server ${connection.host}:${connection.port} sent a reply that nobody asked for${reply === undefined ? '' : `: ${formatReply(reply)}`}`,
              {
                protocol: 'SMTP',
                reason: 'OUT_OF_STEP',
                temporary: true,
                transcript: connection.transcript.last(),
              },
            );
      connection.destroy(error);
      throw error;
    }
    if (connection.ended) {
      const error = new ClosedError(`SMTP server ${connection.host}:${connection.port} closed the idle connection`, {
        protocol: 'SMTP',
        phase: 'idle',
      });
      connection.destroy(error);
      throw error;
    }
  }

  async #greet(call: CallOptions): Promise<void> {
    const connection = this.#connection;
    const reply = await readGreeting(connection, this.#decodeReply, call);
    if (reply.code !== 220)
      throw replyError(connection, 'the connection', reply, { phase: 'greeting', reusable: false });
    this.#greeting = reply.lines.join('\n');
  }

  async #hello(call: CallOptions): Promise<void> {
    const reply = await this.#command([this.#ehlo, this.#name()], call);
    if (reply.code === 250) {
      this.#capabilities = parseEhlo(reply);
      return;
    }
    // An old server, or one that refuses extensions: RFC 5321 section 3.2.
    this.#capabilities = new Capabilities();
    // LMTP has nothing older to fall back to: RFC 2033 section 4.1.
    if (reply.code < 500 || this.#target.lmtp)
      throw replyError(this.#connection, this.#ehlo, reply, { reusable: false });
    const helo = await this.#command(['HELO', this.#name()], call);
    if (helo.code !== 250) throw replyError(this.#connection, 'HELO', helo, { reusable: false });
  }

  async #startTls(options: TlsOptions, call: CallOptions): Promise<void> {
    const connection = this.#connection;
    if (connection.secure) throw new UsageError('the connection is encrypted already');
    const where = `${connection.host}:${connection.port}`;
    const refuse = (why: string): TlsError => {
      const error = new TlsError(`SMTP server ${where} cannot begin TLS: ${why}`, {
        protocol: 'SMTP',
        host: connection.host,
        port: connection.port,
        phase: 'tls',
        reason: 'STARTTLS_UNAVAILABLE',
        hint: `if this server has no TLS and you accept that others can read your mail, use tls: 'none'${isLoopback(connection.host) ? ' (usual for a test server on this machine)' : ''}`,
        transcript: connection.transcript.last(),
      });
      connection.destroy(error);
      return error;
    };
    if (!this.#capabilities.has('STARTTLS')) throw refuse('it does not offer STARTTLS');
    let reply: Reply;
    try {
      reply = await this.#command(['STARTTLS'], call);
    } catch (error) {
      if (error instanceof ReplyError) throw refuse(formatReplyOf(error));
      throw error;
    }
    if (reply.code !== 220 || reply.lines.length > 1) throw refuse(formatReply(reply));
    await connection.startTls(options, call);
    // Nothing that was said in the clear counts: RFC 3207 section 4.2.
    this.#decodeReply = smtpReplyDecoder(connection.limits);
    this.#capabilities = new Capabilities();
    const ehlo = await this.#command([this.#ehlo, this.#name()], call);
    if (ehlo.code !== 250) {
      const error = replyError(connection, `${this.#ehlo} after STARTTLS`, ehlo, { reusable: false });
      connection.destroy(error);
      throw error;
    }
    this.#capabilities = parseEhlo(ehlo);
  }

  async #login(credentials: Credentials, call: CallOptions): Promise<string> {
    const connection = this.#connection;
    const context: ErrorDetails = {
      protocol: 'SMTP',
      host: connection.host,
      port: connection.port,
      phase: 'command',
      command: 'AUTH',
    };
    try {
      return await saslLogin(this.#saslExchange(call), {
        offered: this.#capabilities.parameters('AUTH') ?? [],
        credentials,
        secure: connection.secure,
        allowInsecureAuth: this.#target.allowInsecureAuth,
        host: connection.host,
        port: connection.port,
        binder: connection.channelBinding,
        maxRounds: connection.limits.saslRounds,
        signal: call.signal,
        wait: (promise) => connection.waitFor(promise, 'command', call),
      });
    } catch (error) {
      throw addContext(error, { ...context, transcript: connection.transcript.last() });
    }
  }

  #saslExchange(call: CallOptions): SaslExchange {
    const connection = this.#connection;
    /** A server may echo what it was sent: that shows nowhere. */
    const answer = async (sent: string): Promise<SaslAnswer> => {
      connection.transcript.hide(sent);
      return toAnswer(await this.#readReply('AUTH', call), (text) => connection.transcript.mask(text));
    };
    const respond = async (response: Uint8Array): Promise<SaslAnswer> => {
      await connection.write([encodeResponse(response)], call);
      return answer(base64(response));
    };
    return {
      begin: async (mechanism, initial) => {
        // An empty initial response is '=', an absent one is nothing: RFC 4954 section 4.
        const encoded = initial === undefined ? undefined : initial.length === 0 ? '=' : base64(initial);
        const tooLong = encoded !== undefined && mechanism.length + encoded.length + 8 > MAX_AUTH_LINE;
        await connection.write(
          [encodeSmtpCommand('AUTH', mechanism, ...(encoded === undefined || tooLong ? [] : [secret(encoded)]))],
          call,
        );
        const first = await answer(encoded ?? '');
        return tooLong && first.kind === 'challenge' ? respond(initial as Uint8Array) : first;
      },
      respond,
      cancel: async () => {
        await connection.write([encodeSmtpCommand('*')], call);
        return answer('');
      },
    };
  }

  get #ehlo(): string {
    return this.#target.lmtp ? 'LHLO' : 'EHLO';
  }

  #name(): string {
    if (this.#target.name !== undefined) return checkArgument('name', this.#target.name);
    const address = this.#connection.localAddress;
    if (address === undefined) return 'localhost';
    return address.includes(':') ? `[IPv6:${address.replace(/%.*$/, '')}]` : `[${address}]`;
  }
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

function encodeResponse(response: Uint8Array): ReturnType<typeof encodeMail> {
  const text = base64(response);
  return { bytes: new TextEncoder().encode(`${text}\r\n`), shown: text === '' ? '' : '***' };
}

function toAnswer(reply: Reply, mask: (text: string) => string): SaslAnswer {
  if (reply.code === 235) return { kind: 'success' };
  if (reply.code !== 334)
    return {
      kind: 'failure',
      reply: { ...toErrorReply(reply), text: mask(reply.lines.join('\n')) },
      temporary: reply.code >= 400 && reply.code < 500,
    };
  const text = reply.lines.join('').trim();
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    return { kind: 'malformed', text };
  }
  return { kind: 'challenge', data: Buffer.from(text, 'base64') };
}

/** The reply, when its code is of the wanted hundred; else a ReplyError. */
function expect(connection: Connection, command: string, reply: Reply, hundred: 200 | 300): Reply {
  if (reply.code >= hundred && reply.code < hundred + 100) return reply;
  if (reply.code === 502 || reply.code === 500) {
    throw addContext(
      new UnsupportedError(
        `SMTP server ${connection.host}:${connection.port} does not know ${command}: ${formatReply(reply)}`,
        { reply: toErrorReply(reply) },
      ),
      { protocol: 'SMTP', host: connection.host, port: connection.port, command },
    );
  }
  throw replyError(connection, command, reply);
}

function replyError(connection: Connection, command: string, reply: Reply, details: ErrorDetails = {}): ReplyError {
  return new ReplyError(`SMTP ${command} refused by ${connection.host}:${connection.port}: ${formatReply(reply)}`, {
    protocol: 'SMTP',
    host: connection.host,
    port: connection.port,
    phase: 'command',
    command,
    temporary: reply.code >= 400 && reply.code < 500,
    transcript: connection.transcript.last(),
    ...details,
    reply: toErrorReply(reply),
  });
}

function formatReplyOf(error: ReplyError): string {
  return [error.reply?.code, error.reply?.enhanced, error.reply?.text].filter(Boolean).join(' ');
}
