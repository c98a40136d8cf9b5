import { isAscii } from 'node:buffer';
import {
  ClosedError,
  PostwireError,
  ProtocolError,
  ReplyError,
  UnsupportedError,
  UsageError,
  addContext,
  messageOf,
} from '../errors.ts';
import { type CallOptions, type Connection, checkCall } from '../socket/connection.ts';
import { notify } from '../socket/notify.ts';
import type { QueueTask, SerialQueue } from '../socket/serial-queue.ts';
import type { ShownBytes } from '../wire/arguments.ts';
import { latin1 } from '../wire/bytes.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import { DottedEncoder } from '../wire/dotted.ts';
import { type Reply, formatReply } from '../wire/reply.ts';
import { encodeMail, encodeRcpt, encodeSmtpCommand } from './codec.ts';
import { checkTransaction, recipientsAtOnce } from './checks.ts';
import type { SendOptions, SmtpEnvelope } from './send-options.ts';
import { type PreparedMessage, type SmtpMessage, prepareMessage } from './message.ts';
import { type RecipientResult, type SendResult, SmtpSendError, queueIdOf, toErrorReply } from './result.ts';

/** What a transaction needs of the client. */
export interface TransactionHost {
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  readonly queue: SerialQueue;
  /** Each recipient has its own reply to the message. */
  readonly lmtp: boolean;
  /** Throws unless the connection is idle and in step. */
  checkIdle(): void;
  readReply(command: string, call: CallOptions): Promise<Reply>;
  tryReadReply(): Reply | undefined;
}

/** Largest message that goes as one BDAT beside its envelope: refused recipients cost no more than this. */
const ONE_FLIGHT_BYTES = 256 * 1024;
/** So many short messages are on their way before the first is answered. */
const AHEAD_MESSAGES = 32;
/** Pieces in which a held message is written, so that a server's early no is heard. */
const CHUNK = 4 * 1024 * 1024;
/** Nothing to wait for. */
const DONE = Promise.resolve();
/** How much of a streamed chunk is searched for the end of the header. */
const HEADER_WATCH = 1024 * 1024;
/** RFC 5321 section 4.5.3.2.6 allows ten minutes for the reply to the final dot; a lost one leaves delivery unknown. */
const FINAL_REPLY_FACTOR = 5;

/**
 * Sends one message. Everything that can be known to fail is checked before a byte leaves. With PIPELINING the whole envelope and
 * DATA go in one write, and the next waiting transaction's with the final dot (RFC 2920 section 3.1).
 */
export function sendMessage(
  host: TransactionHost,
  envelope: SmtpEnvelope,
  message: SmtpMessage,
  options: SendOptions = {},
): Promise<SendResult> {
  let transactions: Transaction[];
  try {
    const prepared = prepareMessage(message);
    const most = recipientsAtOnce(host.capabilities);
    const all = new Transaction(host, envelope, prepared, options);
    transactions =
      all.recipientCount <= most
        ? [all]
        : shares(envelope.to, most).map((to) => new Transaction(host, { from: envelope.from, to }, prepared, options));
  } catch (error) {
    return Promise.reject(
      addContext(error as Error, { protocol: 'SMTP', host: host.connection.host, port: host.connection.port }),
    );
  }
  const [first] = transactions;
  return transactions.length === 1 ? host.queue.run(first as Transaction) : sendInParts(host, transactions);
}

function shares(to: string | readonly string[], most: number): string[][] {
  const list = typeof to === 'string' ? [to] : to;
  return Array.from({ length: Math.ceil(list.length / most) }, (_, index) =>
    list.slice(index * most, (index + 1) * most),
  );
}

/** One after the other; what one part's refusal says counts for its recipients. Throws only where none was taken, or one is unknown. */
async function sendInParts(host: TransactionHost, transactions: readonly Transaction[]): Promise<SendResult> {
  const recipients: RecipientResult[] = [];
  let taken: SendResult | undefined;
  let failure: unknown;
  for (const transaction of transactions) {
    try {
      const result = await host.queue.run(transaction);
      taken ??= result;
      recipients.push(...result.recipients);
    } catch (error) {
      failure ??= error;
      const unsent = transaction.unsent(error);
      recipients.push(...(error instanceof SmtpSendError ? error.recipients : unsent));
    }
  }
  if (taken === undefined && !(failure instanceof SmtpSendError)) throw failure;
  const unknown = recipients.some(({ status }) => status === 'unknown');
  if (taken === undefined || unknown) {
    const { code, message, ...rest } = failure as SmtpSendError;
    throw new SmtpSendError(code, message, { ...rest, recipients, deliveryUnknown: unknown, cause: failure });
  }
  return {
    ...taken,
    recipients,
    accepted: recipients.filter(({ status }) => status === 'accepted').map(({ address }) => address),
    refused: recipients.filter(({ status }) => status !== 'accepted'),
  };
}

const beforeData = new WeakSet<Error>();

/** True for an error of `sendMessage` from before anything of the message had left: it can be sent again without a second copy. */
export const failedBeforeData = (error: unknown): boolean => error instanceof Error && beforeData.has(error);

class Transaction implements QueueTask<SendResult> {
  readonly #host: TransactionHost;
  readonly #message: PreparedMessage;
  readonly #options: SendOptions;
  readonly #from: string;
  readonly #to: readonly string[];
  readonly #mail: ShownBytes;
  readonly #rcpts: readonly ShownBytes[];
  readonly #pipelining: boolean;
  readonly #bdat: boolean;
  readonly #utf8: boolean;
  readonly signal: AbortSignal | undefined;
  /** For BDAT. */
  readonly #encoder = new DottedEncoder({ stuffDots: false });
  #results: RecipientResult[] = [];
  /** LMTP: whose reply to the message has come. */
  readonly #answered = new Set<number>();
  /** True once anything of ours has left. */
  #begun = false;
  /** True once the first byte of the body has left. */
  #bodyBegun = false;
  /** True once the last byte of the body has left. */
  #bodySent = false;

  constructor(host: TransactionHost, envelope: SmtpEnvelope, message: PreparedMessage, options: SendOptions) {
    this.#host = host;
    this.#message = message;
    this.#options = options;
    this.signal = options.signal;
    checkCall(options);
    if (options.onProgress !== undefined && typeof options.onProgress !== 'function')
      throw new UsageError('onProgress must be a function');
    const { capabilities, connection } = host;
    for (const name of ['onPartial', 'transfer'] as const) {
      const allowed: readonly string[] = name === 'onPartial' ? ['send', 'abort'] : ['auto', 'data', 'bdat'];
      const value = options[name];
      if (value !== undefined && !allowed.includes(value))
        throw new UsageError(`${name} must be ${allowed.join(' or ')}; got ${JSON.stringify(value)}`);
    }
    const where = `${connection.host}:${connection.port}`;
    const { from, to, utf8, delivery, problems } = checkTransaction(envelope, message, options, capabilities, where);
    if (problems[0] !== undefined) throw problems[0];
    this.#from = from;
    this.#to = to;
    this.#mail = encodeMail(from, {
      SIZE: message.sizeBytes !== undefined && capabilities.has('SIZE') ? message.sizeBytes : undefined,
      BODY: this.#bodyKind(),
      SMTPUTF8: utf8,
      ...delivery.mail,
      ...options.mailParameters,
    });
    this.#rcpts = to.map((address) =>
      encodeRcpt(address, { ...delivery.rcpt(address), ...options.rcptParameters?.(address) }),
    );
    this.#utf8 = utf8;
    this.#pipelining = capabilities.has('PIPELINING');
    this.#bdat = this.#chooseBdat();
  }

  /** A stream's contents are not known yet: where the server takes 8-bit data, it may come. */
  #bodyKind(): string | undefined {
    if (this.#options.binary === true) return 'BINARYMIME';
    return this.#message.eightBit !== false && this.#host.capabilities.has('8BITMIME') ? '8BITMIME' : undefined;
  }

  #chooseBdat(): boolean {
    const { transfer = 'auto', binary } = this.#options;
    if (transfer !== 'auto' || binary === true) return transfer !== 'data';
    return this.#host.capabilities.has('CHUNKING') && this.#pipelining && this.#isShort;
  }

  get #isShort(): boolean {
    return this.#message.held !== undefined && this.#message.held.length <= ONE_FLIGHT_BYTES;
  }

  /** The envelope and the whole message leave in one write. */
  get #oneFlight(): boolean {
    return this.#bdat && this.#pipelining && this.#options.onPartial !== 'abort' && this.#isShort;
  }

  /** With onPartial 'abort', DATA must wait for every RCPT's reply: once it is answered there is no way back but to hang up. */
  get #dataWithEnvelope(): boolean {
    return this.#pipelining && !this.#bdat && this.#options.onPartial !== 'abort';
  }

  readonly mayGoAhead = (): boolean =>
    (this.#dataWithEnvelope || this.#goesAheadWhole) && this.signal?.aborted !== true;

  /** Sent, message and all, while others are unanswered: only where the caller chose 'bdat', for a lost connection leaves each unknown. */
  get #goesAheadWhole(): boolean {
    return this.#oneFlight && this.#options.transfer === 'bdat';
  }

  /** What leaves while the transaction before is not answered: the envelope and DATA, or all of it. */
  aheadParts(): (Uint8Array | ShownBytes)[] {
    if (!this.#goesAheadWhole) return [this.#mail, ...this.#rcpts, DATA];
    this.#begun = true;
    this.#bodyBegun = true;
    this.#bodySent = true;
    // Whatever became of the one before, this one begins afresh.
    return [RSET, ...this.#wholeFlight()];
  }

  #wholeFlight(): (Uint8Array | ShownBytes)[] {
    const body = [...this.#encode(this.#message.held as Uint8Array), this.#encoder.endLine()].filter(
      (part) => part.length > 0,
    );
    const length = body.reduce((sum, part) => sum + part.length, 0);
    return [this.#mail, ...this.#rcpts, encodeSmtpCommand('BDAT', String(length), 'LAST'), ...body];
  }

  async run(ahead: boolean): Promise<SendResult> {
    const { connection } = this.#host;
    try {
      if (!ahead) this.#host.checkIdle();
      return await this.#run(ahead);
    } catch (error) {
      const explained = this.#explain(error);
      if (!this.#bodyBegun && explained instanceof Error) beforeData.add(explained);
      // Anything but a clean refusal after our bytes left may have left the stream out of step.
      const inStep = explained instanceof SmtpSendError && explained.reusable;
      if (connection.open && (this.#begun || ahead) && !inStep) connection.destroy();
      throw explained;
    }
  }

  async #run(ahead: boolean): Promise<SendResult> {
    if (this.#dataWithEnvelope) {
      if (!ahead) await this.#write(this.aheadParts());
      return this.#afterEnvelope(await this.#readEnvelope(), true);
    }
    if (this.#oneFlight) return this.#sendInOneFlight(ahead);
    if (this.#pipelining) {
      await this.#write([this.#mail, ...this.#rcpts]);
      return this.#afterEnvelope(await this.#readEnvelope(), false);
    }
    await this.#write([this.#mail]);
    const mailReply = await this.#read('MAIL FROM');
    if (isOk(mailReply)) {
      for (const [index, rcpt] of this.#rcpts.entries()) {
        await this.#write([rcpt]);
        this.#noteRcpt(index, await this.#read('RCPT TO'));
      }
    }
    return this.#afterEnvelope(mailReply, false);
  }

  /** MAIL, RCPTs and the whole message at once; further messages follow before the replies come. */
  async #sendInOneFlight(ahead: boolean): Promise<SendResult> {
    if (!ahead) {
      this.#bodyBegun = true;
      await this.#write(this.#wholeFlight());
      this.#bodySent = true;
    }
    await this.#sendOthersAhead();
    if (ahead && !isOk(await this.#read('RSET')))
      throw new ProtocolError('the server refused RSET, so nobody knows which message its replies are for', {
        protocol: 'SMTP',
        reason: 'OUT_OF_STEP',
      });
    const mailReply = await this.#readEnvelope();
    const final = await this.#readFinal();
    const length = this.#message.held?.length ?? 0;
    this.#progress(length);
    // Where nobody was accepted, what it says of the message is only an echo.
    if (!isOk(mailReply) || !this.#anyAccepted()) throw await this.#refuseAll(mailReply);
    return this.#finish(final, length);
  }

  async #sendOthersAhead(): Promise<void> {
    const { queue } = this.#host;
    const parts: (Uint8Array | ShownBytes)[] = [];
    const fits = (task: unknown): boolean => task instanceof Transaction && task.#goesAheadWhole;
    while (queue.aheadCount < AHEAD_MESSAGES) {
      const next = queue.takeAhead(fits);
      if (!(next instanceof Transaction)) break;
      parts.push(...next.aheadParts());
    }
    if (parts.length > 0) await this.#write(parts);
  }

  /** Reads the replies to MAIL and every RCPT; returns MAIL's. */
  async #readEnvelope(): Promise<Reply> {
    const mailReply = await this.#read('MAIL FROM');
    for (const index of this.#to.keys()) {
      const reply = await this.#read('RCPT TO');
      this.#noteRcpt(index, isOk(mailReply) ? reply : mailReply);
    }
    return mailReply;
  }

  #noteRcpt(index: number, reply: Reply): void {
    const accepted = isOk(reply);
    this.#results[index] = {
      address: this.#to[index] as string,
      status: accepted ? 'accepted' : 'refused',
      reply: toErrorReply(reply),
      temporary: reply.code >= 400 && reply.code < 500,
    };
  }

  get recipientCount(): number {
    return this.#to.length;
  }

  /** Its recipients after a failure that says nothing of each. */
  unsent(error: unknown): RecipientResult[] {
    const temporary = error instanceof PostwireError && error.temporary;
    return this.#to.map((address) => ({ address, status: 'unsent', reply: undefined, temporary }));
  }

  #anyAccepted(): boolean {
    return this.#results.some((result) => result.status === 'accepted');
  }

  async #afterEnvelope(mailReply: Reply, dataSent: boolean): Promise<SendResult> {
    const refused = this.#results.find((result) => result.status === 'refused');
    const stop =
      !isOk(mailReply) || !this.#anyAccepted() || (this.#options.onPartial === 'abort' && refused !== undefined);
    if (stop) {
      if (dataSent) {
        const reply = await this.#read('DATA');
        // It asks for a message that nobody gets: RFC 2920 section 3.1 says to send an empty one.
        if (reply.code === 354) {
          await this.#write([EMPTY_MESSAGE]);
          await this.#read('the empty message');
        }
      }
      throw await this.#refuseAll(mailReply);
    }
    if (this.#bdat) return this.#sendChunks();
    if (!dataSent) await this.#write([DATA]);
    const reply = await this.#read('DATA');
    if (reply.code !== 354) {
      this.#results = this.#results.map((result) =>
        result.status === 'accepted' ? this.#refusedBy(result.address, reply) : result,
      );
      await this.#reset();
      throw this.#refusal('DATA', reply);
    }
    return this.#sendData();
  }

  /** The message with dots stuffed; the last bytes leave with the final dot and the next transaction's envelope. */
  async #sendData(): Promise<SendResult> {
    const encoder = new DottedEncoder();
    const watch = this.#watcher();
    let length = 0;
    let last: Uint8Array[] = [];
    let writing = DONE;
    this.#listen();
    this.#bodyBegun = true;
    for await (const chunk of this.#chunks()) {
      watch(chunk);
      length += chunk.length;
      if (this.#message.held === undefined) {
        // A stream may use its chunk again: it has to leave before the next is asked for.
        await this.#writeBody(encoder.push(chunk));
      } else {
        // Of a held message the next piece is encoded while the one before it leaves, and the last leaves with its end.
        const next = encoder.push(chunk);
        await writing;
        writing = this.#writeBody(last);
        writing.catch(() => undefined);
        last = next;
      }
      this.#progress(length);
    }
    this.#checkLength(length);
    await writing;
    if (this.signal?.aborted === true) throw this.signal.reason;
    const next = this.#host.queue.takeAhead();
    await this.#write([
      ...last,
      { bytes: encoder.end(), shown: '.' },
      ...(next instanceof Transaction ? next.aheadParts() : []),
    ]);
    this.#bodySent = true;
    this.#host.connection.flush();
    return this.#finish(await this.#readFinal(), length);
  }

  /** The message in BDAT chunks, each declared before it is sent: RFC 3030 section 2. */
  async #sendChunks(): Promise<SendResult> {
    const watch = this.#watcher();
    let length = 0;
    let unread = 0;
    const send = async (parts: readonly Uint8Array[], last: boolean): Promise<void> => {
      const size = parts.reduce((sum, part) => sum + part.length, 0);
      if (size === 0 && !last) return;
      await this.#write([encodeSmtpCommand('BDAT', String(size), ...(last ? ['LAST'] : [])), ...parts]);
      if (last) return;
      unread++;
      // One chunk stays on the way while the next is made; without PIPELINING each is waited for.
      while (unread > (this.#pipelining ? 1 : 0)) {
        unread--;
        await this.#readChunkReply();
      }
    };
    this.#bodyBegun = true;
    for await (const chunk of this.#chunks()) {
      watch(chunk);
      length += chunk.length;
      await send(this.#encode(chunk), false);
      this.#progress(length);
    }
    this.#checkLength(length);
    await send(
      [this.#encoder.endLine()].filter((part) => part.length > 0),
      true,
    );
    this.#bodySent = true;
    while (unread-- > 0) await this.#readChunkReply();
    return this.#finish(await this.#readFinal(), length);
  }

  /** For BDAT: line ends mended, unless it is binary. */
  #encode(chunk: Uint8Array): Uint8Array[] {
    return this.#options.binary === true ? [chunk] : this.#encoder.push(chunk);
  }

  async #readChunkReply(): Promise<void> {
    const reply = await this.#read('BDAT');
    if (isOk(reply)) return;
    this.#results = this.#results.map((result) =>
      result.status === 'accepted' ? this.#refusedBy(result.address, reply) : result,
    );
    // The rest of the message cannot be called back: RFC 3030 section 2 lets the server refuse every further chunk.
    this.#bodySent = false;
    throw this.#refusal('the message', reply);
  }

  async *#chunks(): AsyncIterable<Uint8Array> {
    const { held } = this.#message;
    if (held !== undefined) {
      for (let at = 0; at < held.length; at += CHUNK)
        yield at === 0 && held.length <= CHUNK ? held : held.subarray(at, at + CHUNK);
      return;
    }
    const source = new AbortController();
    let whole = false;
    try {
      yield* this.#host.connection.pull(this.#message.open(source.signal), {
        signal: this.signal,
        timeoutMs: this.#options.timeoutMs,
      });
      whole = true;
    } finally {
      // Lets a stalled source go.
      if (!whole) source.abort(new ClosedError('the message is no longer being sent'));
    }
  }

  /** Watches a stream for what its server cannot take; a held message was looked at before. */
  #watcher(): (chunk: Uint8Array) => void {
    const { capabilities, connection } = this.#host;
    if (this.#message.held !== undefined) return () => undefined;
    const where = `${connection.host}:${connection.port}`;
    const eightBitOk = capabilities.has('8BITMIME');
    let inHeader = !this.#utf8;
    let tail = '';
    return (chunk) => {
      const clean = isAscii(chunk);
      if (!clean && !eightBitOk)
        throw new UnsupportedError(
          `the message turned out to have 8-bit data, and ${where} does not offer 8BITMIME; nothing was delivered`,
          { reason: '8BITMIME' },
        );
      if (!inHeader) return;
      const text = tail + latin1(chunk, 0, Math.min(chunk.length, HEADER_WATCH));
      const end = /\r?\n\r?\n/.exec(text);
      const header = end === null ? text : text.slice(0, end.index);
      if (/[^\u0000-\u007f]/.test(header))
        throw new UnsupportedError(
          `the header of the streamed message turned out to have characters beyond ASCII; say needsSmtpUtf8: true beforehand. Nothing was delivered`,
          { reason: 'SMTPUTF8' },
        );
      inHeader = end === null && chunk.length <= HEADER_WATCH;
      tail = text.slice(-3);
    };
  }

  #checkLength(length: number): void {
    const { held, sizeBytes } = this.#message;
    if (held === undefined && sizeBytes !== undefined && length !== sizeBytes)
      throw new UsageError(`the message was declared as ${sizeBytes} bytes and is ${length}; nothing was delivered`);
  }

  #progress(bytes: number): void {
    const { onProgress } = this.#options;
    if (onProgress !== undefined)
      notify('onProgress', onProgress, { bytes, totalBytes: this.#message.sizeBytes, item: 'message' });
  }

  /** Writes body bytes, and listens for a server that says no in the middle. */
  async #writeBody(parts: readonly Uint8Array[]): Promise<void> {
    if (parts.length === 0) return;
    await this.#write(parts);
    this.#listen();
  }

  /** Before the end of the message the server may say no, and nothing else. */
  #listen(): void {
    const early = this.#host.tryReadReply();
    if (early !== undefined) throw this.#earlyReply(early);
  }

  #earlyReply(reply: Reply): Error {
    if (reply.code < 400) {
      const { host, port } = this.#host.connection;
      return new ProtocolError(
        `SMTP server ${host}:${port} answered a message that it does not have yet: ${formatReply(reply)}`,
        {
          protocol: 'SMTP',
          reason: 'OUT_OF_STEP',
          temporary: true,
        },
      );
    }
    this.#results = this.#results.map((result) =>
      result.status === 'accepted' ? this.#refusedBy(result.address, reply) : result,
    );
    return this.#refusal('the message', reply);
  }

  async #write(parts: readonly (Uint8Array | ShownBytes)[]): Promise<void> {
    try {
      const written = this.#host.connection.write(parts, { signal: this.signal, timeoutMs: this.#options.timeoutMs });
      this.#begun ||= this.signal?.aborted !== true;
      await written;
    } catch (error) {
      // What the server said before it hung up is the better explanation.
      const early = this.#bodyBegun ? this.#lastWords() : undefined;
      throw early === undefined ? error : this.#earlyReply(early);
    }
  }

  #lastWords(): Reply | undefined {
    try {
      return this.#host.tryReadReply();
    } catch {
      return undefined;
    }
  }

  #read(command: string): Promise<Reply> {
    return this.#host.readReply(command, { signal: this.signal, timeoutMs: this.#options.timeoutMs });
  }

  /** The reply to the message; in LMTP the first yes of its replies, or else the last no (RFC 2033 section 4.2). */
  async #readFinal(): Promise<Reply> {
    const timeoutMs = this.#options.timeoutMs ?? this.#host.connection.timeouts.commandMs * FINAL_REPLY_FACTOR;
    const read = (): Promise<Reply> => this.#host.readReply('the message', { signal: this.signal, timeoutMs });
    if (!this.#host.lmtp) return read();
    let verdict: Reply | undefined;
    for (const [index, result] of this.#results.entries()) {
      if (result.status !== 'accepted') continue;
      const reply = await read();
      if (verdict === undefined || (isOk(reply) && !isOk(verdict))) verdict = reply;
      const final = isOk(reply) ? { ...result, reply: toErrorReply(reply) } : this.#refusedBy(result.address, reply);
      this.#results[index] = final;
      this.#answered.add(index);
    }
    // Nobody was accepted, and DATA was taken all the same: then there is one reply (RFC 2033 section 4.2).
    return verdict ?? read();
  }

  #finish(reply: Reply, sizeBytes: number): SendResult {
    if (!isOk(reply)) {
      this.#results = this.#results.map((result) =>
        result.status === 'accepted' ? this.#refusedBy(result.address, reply) : result,
      );
      throw this.#refusal('the message', reply);
    }
    const recipients = this.#results;
    return {
      recipients,
      accepted: recipients.filter((result) => result.status === 'accepted').map((result) => result.address),
      refused: recipients.filter((result) => result.status === 'refused'),
      reply: toErrorReply(reply),
      queueId: queueIdOf(reply.lines.join(' ')),
      sizeBytes,
      secure: this.#host.connection.secure,
    };
  }

  #refusedBy(address: string, reply: Reply): RecipientResult {
    return { address, status: 'refused', reply: toErrorReply(reply), temporary: reply.code >= 400 && reply.code < 500 };
  }

  async #refuseAll(mailReply: Reply): Promise<Error> {
    if (!isOk(mailReply)) {
      this.#results = this.#to.map((address) => this.#refusedBy(address, mailReply));
      await this.#reset();
      return this.#refusal(`MAIL FROM <${this.#from}>`, mailReply);
    }
    await this.#reset();
    const first = this.#results.find((result) => result.status === 'refused') as RecipientResult;
    const reply = {
      code: Number(first.reply?.code),
      enhanced: first.reply?.enhanced,
      lines: (first.reply?.text ?? '').split('\n'),
    };
    const others = this.#results.filter((result) => result.status === 'refused').length - 1;
    // With onPartial 'abort' those who were accepted get nothing either.
    this.#results = this.#results.map((result) =>
      result.status === 'accepted' ? { ...result, status: 'unsent', temporary: true } : result,
    );
    return this.#refusal(`RCPT TO <${first.address}>`, reply, others > 0 ? ` (and ${others} more)` : '');
  }

  /** Ends the transaction on the server; a failure here must not hide why. */
  async #reset(): Promise<void> {
    // Those that left already begin with RSET.
    if (this.#host.queue.aheadCount > 0) return;
    try {
      await this.#write([RSET]);
      const reply = await this.#read('RSET');
      if (!isOk(reply)) this.#host.connection.destroy();
    } catch {
      this.#host.connection.destroy();
    }
  }

  #refusal(what: string, reply: Reply, more = ''): SmtpSendError {
    const { connection } = this.#host;
    return new SmtpSendError(
      'REPLY',
      `SMTP ${what} refused by ${connection.host}:${connection.port}: ${formatReply(reply)}${more}`,
      {
        protocol: 'SMTP',
        host: connection.host,
        port: connection.port,
        phase: 'command',
        command: what,
        reply: toErrorReply(reply),
        temporary: reply.code >= 400 && reply.code < 500,
        reusable: connection.open && (!this.#bodyBegun || this.#bodySent),
        recipients: this.#results,
        transcript: connection.transcript.last(),
        hint: refusalHint(reply),
      },
    );
  }

  #explain(error: unknown): unknown {
    if (error instanceof SmtpSendError) return error;
    // A 421 is a no, and a clear one, at any time.
    if (error instanceof ReplyError && error.reply !== undefined) {
      const reply = {
        code: Number(error.reply.code),
        enhanced: error.reply.enhanced,
        lines: error.reply.text.split('\n'),
      };
      const known = this.#results.filter((result) => result !== undefined);
      this.#results = this.#to.map((address, index) =>
        known[index]?.status === 'refused' ? known[index] : this.#refusedBy(address, reply),
      );
      return this.#refusal(error.command ?? 'the message', reply);
    }
    if (!this.#bodySent) return error;
    // The whole message has left. Without its reply nobody knows, whatever ended the wait.
    const code = error instanceof PostwireError ? error.code : 'ABORTED';
    const { connection } = this.#host;
    return new SmtpSendError(
      code,
      `the message was sent and the reply of ${connection.host}:${connection.port} was lost, so it may or may not have been delivered: ${messageOf(error)}`,
      {
        protocol: 'SMTP',
        host: connection.host,
        port: connection.port,
        phase: 'command',
        reason: 'DELIVERY_UNKNOWN',
        deliveryUnknown: true,
        recipients: this.#to.map((address, index) => {
          const known = this.#results[index];
          return known?.status === 'refused' || (known !== undefined && this.#answered.has(index))
            ? known
            : { address, status: 'unknown', reply: undefined, temporary: false };
        }),
        transcript: connection.transcript.last(),
        hint: 'ask the recipient or the server before sending it again: a second copy may arrive',
        cause: error,
      },
    );
  }
}

/** RFC 5321 section 4.2.1: only the second hundred is a yes. */
const isOk = (reply: Reply): boolean => reply.code >= 200 && reply.code < 300;

const DATA = encodeSmtpCommand('DATA');
const RSET = encodeSmtpCommand('RSET');
const EMPTY_MESSAGE: ShownBytes = { bytes: new DottedEncoder().end(), shown: '.' };

function refusalHint(reply: Reply): string | undefined {
  const text = reply.lines.join(' ');
  if (reply.code === 530 || /authentication required|must (?:authenticate|log ?in)/i.test(text))
    return 'the server wants a login: give user and password';
  if (/relay(?:ing)? (?:access )?denied|not permitted to relay|unable to relay/i.test(text))
    return 'the server does not send mail to other domains for you: log in, or use the server of your provider';
  if (reply.code === 552 || reply.enhanced === '5.3.4')
    return 'the message is too large for this server, or the mailbox is full';
  if (reply.code === 450 || reply.code === 451) return 'try again in some minutes';
  return undefined;
}
