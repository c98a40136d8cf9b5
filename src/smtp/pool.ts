import { ClosedError, PostwireError, TimeoutError, UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { messagesPerConnection } from './checks.ts';
import { SmtpClient } from './client.ts';
import type { SmtpMessage } from './message.ts';
import { type SendResult, SmtpSendError } from './result.ts';
import { type SmtpOptions, type SmtpTarget, resolveSmtpTarget } from './target.ts';
import type { SendOptions, SmtpEnvelope } from './send-options.ts';
import { failedBeforeData } from './transaction.ts';

export interface SmtpPoolOptions {
  /** Connections at once. Default 5. */
  readonly maxConnections?: number | undefined;
  /** Messages over one connection before it is replaced: servers refuse more. Default 100. */
  readonly maxMessages?: number | undefined;
  /** At most so many messages begun within so many milliseconds. Default: no limit. */
  readonly rate?: { readonly messages: number; readonly perMs: number } | undefined;
  /** An idle connection is closed after this. Default 30 s, which is less than servers wait. */
  readonly idleMs?: number | undefined;
  /** An idle connection is asked with NOOP before it is used again after this. Default 5 s. */
  readonly probeAfterMs?: number | undefined;
  /** Further attempts for a message whose connection was lost, or that was put off with 421, before any of it was sent. Default 2. */
  readonly retries?: number | undefined;
}

interface PoolSettings {
  readonly maxConnections: number;
  readonly maxMessages: number;
  readonly rate: SmtpPoolOptions['rate'];
  readonly idleMs: number;
  readonly probeAfterMs: number;
  readonly retries: number;
}

interface Member {
  readonly client: SmtpClient;
  /** Messages given to it. */
  used: number;
  active: number;
  idleSince: number;
  timer: NodeJS.Timeout | undefined;
}

const optionNames = ['maxConnections', 'maxMessages', 'rate', 'idleMs', 'probeAfterMs', 'retries'];
/** First pause before a message is tried again. */
const RETRY_MS = 50;
/** First pause after a 421, doubled up to a minute. */
const BACK_OFF_MS = 250;
const MAX_BACK_OFF_MS = 60_000;

/**
 * Connections to one server, kept and shared. Messages wait for a free one; where the server pipelines, a second waits on each, so that
 * its envelope leaves with the end of the first. Idle connections do not keep the process alive.
 *
 *     await using pool = new SmtpPool('smtp://me:secret@mail.example.com', { maxConnections: 3 });
 *     await Promise.all(drafts.map((draft) => sendMail(pool, draft)));
 */
export class SmtpPool implements AsyncDisposable {
  readonly #target: SmtpTarget;
  readonly #connect: SmtpOptions;
  readonly #options: PoolSettings;
  readonly #members = new Set<Member>();
  /** Connections that are being made. */
  #opening = 0;
  readonly #waiting = new Set<{ wake: () => void; fail: (error: Error) => void }>();
  readonly #starts: number[] = [];
  #backOffMs = 0;
  #openAgainAt = 0;
  #pending = 0;
  #onDrained: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  /** The time for what was under way is over. */
  #ended = false;

  /** UsageError for a wrong target or option. Nothing is connected yet. */
  constructor(target: SmtpTarget | undefined, options: SmtpPoolOptions = {}, connect: SmtpOptions = {}) {
    checkOptions('pool', options, optionNames);
    // The options of one call must not end the pool's connections.
    if (connect.signal !== undefined) throw new UsageError('give the signal to each send: a pool has none');
    resolveSmtpTarget(target, connect);
    this.#target = target as SmtpTarget;
    this.#connect = connect;
    const whole = (name: 'maxConnections' | 'maxMessages' | 'retries', fallback: number, least: number): number => {
      const value = options[name] ?? fallback;
      if (!(Number.isSafeInteger(value) && value >= least))
        throw new UsageError(`pool.${name} must be a whole number of ${least} or more; got ${String(value)}`);
      return value;
    };
    const milliseconds = (name: 'idleMs' | 'probeAfterMs', fallback: number): number => {
      const value = options[name] ?? fallback;
      if (!(typeof value === 'number' && value >= 0))
        throw new UsageError(`pool.${name} must be 0 or more milliseconds; got ${String(value)}`);
      return value;
    };
    const { rate } = options;
    if (rate !== undefined && !(Number.isSafeInteger(rate.messages) && rate.messages > 0 && rate.perMs > 0))
      throw new UsageError('pool.rate must be like { messages: 10, perMs: 1000 }');
    this.#options = {
      maxConnections: whole('maxConnections', 5, 1),
      maxMessages: whole('maxMessages', 100, 1),
      retries: whole('retries', 2, 0),
      idleMs: milliseconds('idleMs', 30_000),
      probeAfterMs: milliseconds('probeAfterMs', 5_000),
      rate,
    };
  }

  /** Open connections, those in use too. */
  get connections(): number {
    return this.#members.size;
  }

  /** Messages that wait or are under way. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Sends one message as soon as a connection is free. Resolves and rejects as `SmtpClient.send`. A message is tried again only while
   * none of it was sent: what may have been delivered is never sent twice.
   */
  async send(envelope: SmtpEnvelope, message: SmtpMessage, options: SendOptions = {}): Promise<SendResult> {
    if (this.#closed !== undefined) throw closedPool();
    this.#pending++;
    try {
      for (let attempt = 0; ; attempt++) {
        await this.#allowance(options.signal);
        const member = await this.#acquire(options.signal);
        try {
          const result = await member.client.send(envelope, message, options);
          this.#backOffMs = 0;
          return result;
        } catch (error) {
          if (isPutOff(error)) this.#backOff();
          const again = attempt < this.#options.retries && options.signal?.aborted !== true;
          // A 421 is a clear no; after a lost connection only what had not left can be sent again.
          if (!again || !(isPutOff(error) || (isLost(error) && failedBeforeData(error)))) throw error;
        } finally {
          this.#release(member);
        }
        // A server that drops every connection is not asked in a tight loop.
        await sleep(RETRY_MS * 2 ** attempt * (0.5 + Math.random() / 2), options.signal);
      }
    } finally {
      this.#pending--;
      if (this.#pending === 0) this.#onDrained?.();
    }
  }

  /** Connects and logs in, or finds that it can: for a check at start. Rejects as `SmtpClient.connect`. */
  async verify(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#closed !== undefined) throw closedPool();
    const member = await this.#acquire(options.signal);
    try {
      await member.client.noop(options);
    } finally {
      this.#release(member);
    }
  }

  /**
   * Takes no more messages, waits for those under way, then takes leave of the server. After `graceMs` (default: none) what is still
   * there rejects with ClosedError.
   */
  close(options: { readonly graceMs?: number | undefined } = {}): Promise<void> {
    this.#closed ??= this.#close(options.graceMs ?? Number.POSITIVE_INFINITY);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#pending > 0) {
      let timer: NodeJS.Timeout | undefined;
      const drained = new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
      const late = new Promise<void>((resolve) => {
        if (graceMs < 2 ** 31) timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([drained, late]);
      clearTimeout(timer);
      this.#ended = true;
      for (const each of this.#waiting) each.fail(closedPool());
      for (const { client, active } of this.#members) if (active > 0) client.destroy(closedPool());
    }
    await Promise.all([...this.#members].map((member) => this.#discard(member)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #acquire(signal: AbortSignal | undefined): Promise<Member> {
    for (;;) {
      if (signal?.aborted === true) {
        // The place that it was woken for is another's.
        this.#wakeNext();
        throw signal.reason;
      }
      if (this.#ended) throw closedPool();
      const member = this.#choose();
      if (member !== undefined) {
        this.#take(member);
        if (await this.#alive(member)) return member;
        this.#release(member);
        continue;
      }
      const pauseMs = this.#openAgainAt - performance.now();
      if (
        this.#members.size + this.#opening < this.#options.maxConnections &&
        (pauseMs <= 0 || this.#members.size === 0)
      ) {
        if (pauseMs > 0) await sleep(pauseMs, signal);
        const opened = await this.#open(signal);
        if (opened !== undefined) return opened;
        continue;
      }
      await this.#wait(signal);
    }
  }

  /** The least busy connection that may take one more; undefined where a new one is better. */
  #choose(): Member | undefined {
    const full = this.#members.size + this.#opening >= this.#options.maxConnections;
    let best: Member | undefined;
    for (const member of this.#members) {
      const { client, used, active } = member;
      if (!client.open || used >= this.#mostOf(client)) continue;
      // One is answered, one has its envelope under way, one stands behind it: so each leaves with the end of the one before.
      const most = full && client.capabilities.has('PIPELINING') ? 3 : 1;
      if (active < most && (best === undefined || active < best.active)) best = member;
    }
    return best;
  }

  /** Messages that a connection may have: the option, or what the server sets where that is less. */
  #mostOf(client: SmtpClient): number {
    return Math.min(this.#options.maxMessages, messagesPerConnection(client.capabilities));
  }

  #take(member: Member): void {
    clearTimeout(member.timer);
    member.used++;
    member.active++;
  }

  /** What was idle for long may have been closed by a firewall that told nobody. */
  async #alive({ client, active, idleSince }: Member): Promise<boolean> {
    if (!client.open || client.connection.ended) return false;
    if (active > 1 || performance.now() - idleSince < this.#options.probeAfterMs) return true;
    try {
      await client.noop({ timeoutMs: 5_000 });
      return true;
    } catch {
      client.destroy();
      return false;
    }
  }

  async #open(signal: AbortSignal | undefined): Promise<Member | undefined> {
    this.#opening++;
    try {
      const client = await SmtpClient.connect(this.#target, { ...this.#connect, signal });
      const member: Member = { client, used: 1, active: 1, idleSince: Number.POSITIVE_INFINITY, timer: undefined };
      if (this.#ended) {
        client.destroy();
        throw closedPool();
      }
      this.#members.add(member);
      void client.closed.then(() => {
        this.#members.delete(member);
        clearTimeout(member.timer);
        this.#wake();
      });
      return member;
    } catch (error) {
      // It takes no more connections: those that are there go on.
      if (!isPutOff(error) || this.#members.size === 0) throw error;
      this.#backOff();
      return undefined;
    } finally {
      this.#opening--;
      this.#wake();
    }
  }

  #release(member: Member): void {
    member.active--;
    if (member.active === 0) {
      member.idleSince = performance.now();
      if (!member.client.open || member.used >= this.#mostOf(member.client)) void this.#discard(member);
      else if (this.#options.idleMs < 2 ** 31) {
        member.timer = setTimeout(() => void this.#discard(member), this.#options.idleMs);
        member.timer.unref();
      }
    }
    this.#wakeNext();
  }

  async #discard(member: Member): Promise<void> {
    this.#members.delete(member);
    clearTimeout(member.timer);
    this.#wake();
    await member.client.quit();
  }

  #backOff(): void {
    this.#backOffMs = Math.min(MAX_BACK_OFF_MS, this.#backOffMs === 0 ? BACK_OFF_MS : this.#backOffMs * 2);
    this.#openAgainAt = performance.now() + this.#backOffMs * (0.5 + Math.random() / 2);
  }

  #wake(): void {
    for (const each of this.#waiting) each.wake();
  }

  /** One place is free: whoever has waited longest takes it. Waking all would cost each message a look by all the others. */
  #wakeNext(): void {
    for (const each of this.#waiting) return each.wake();
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        signal?.removeEventListener('abort', onAbort);
        clearTimeout(timer);
        this.#waiting.delete(entry);
      };
      const entry = {
        wake: () => {
          leave();
          resolve();
        },
        fail: (error: Error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void => entry.fail(signal?.reason as Error);
      // Nobody may wake it when the pause after a 421 is over.
      const pauseMs = this.#openAgainAt - performance.now();
      const timer = pauseMs > 0 ? setTimeout(entry.wake, pauseMs) : undefined;
      signal?.addEventListener('abort', onAbort);
      this.#waiting.add(entry);
    });
  }

  /** Waits until the rate allows one more message. */
  async #allowance(signal: AbortSignal | undefined): Promise<void> {
    const { rate } = this.#options;
    if (rate === undefined) return;
    for (;;) {
      const now = performance.now();
      while (this.#starts.length > 0 && (this.#starts[0] as number) <= now - rate.perMs) this.#starts.shift();
      if (this.#starts.length < rate.messages) {
        this.#starts.push(now);
        return;
      }
      await sleep((this.#starts[0] as number) + rate.perMs - now, signal);
      if (this.#ended) throw closedPool();
    }
  }
}

const closedPool = (): ClosedError =>
  new ClosedError('the SMTP pool is closed', { protocol: 'SMTP', temporary: false });

/** "Later", and the connection closed: RFC 5321 section 3.8. */
function isPutOff(error: unknown): boolean {
  return error instanceof PostwireError && Number(error.reply?.code) === 421;
}

const isLost = (error: unknown): boolean =>
  (error instanceof ClosedError || error instanceof TimeoutError) && !(error instanceof SmtpSendError);

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort);
  });
}
