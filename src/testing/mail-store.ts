import { EventEmitter } from 'node:events';
import { PostwireError, TimeoutError, escapeControls } from '../errors.ts';
import { parseSync } from '../mime/index.ts';
import { decodeText } from '../wire/bytes.ts';

/** A message that a fake server took, as it came. */
export interface StoredMail {
  /** Counts from 1. */
  readonly id: number;
  readonly envelope: {
    readonly from: string;
    readonly to: readonly string[];
    /** Parameters of MAIL: SIZE, BODY, SMTPUTF8. */
    readonly parameters: ReadonlyMap<string, string | true>;
  };
  /** The message's bytes, dots unstuffed. */
  readonly raw: Uint8Array;
  readonly text: string;
  readonly receivedAt: Date;
  /** True when it came over TLS. */
  readonly secure: boolean;
  /** Who was logged in. */
  readonly user: string | undefined;
  /** The header field's text, unfolded and decoded; undefined where there is none. The first, where there are several. */
  header(name: string): string | undefined;
}

/** What mail to wait for. Text matches when it is contained, without case; `header` matches decoded fields by name. */
export interface MailMatch {
  /** An envelope recipient. */
  readonly to?: string | RegExp | undefined;
  /** The envelope sender. */
  readonly from?: string | RegExp | undefined;
  readonly subject?: string | RegExp | undefined;
  /** Anything in the raw message. */
  readonly text?: string | RegExp | undefined;
  readonly header?: Readonly<Record<string, string | RegExp>> | undefined;
}

export type MailMatcher = MailMatch | ((mail: StoredMail) => boolean);

/** The mail that came in, in order; shared by the fake servers of one host. */
export class MailStore {
  readonly #messages: StoredMail[] = [];
  readonly #arrivals = new EventEmitter().setMaxListeners(0);
  #nextId = 1;

  /** Everything that came, oldest first. */
  get messages(): readonly StoredMail[] {
    return this.#messages;
  }

  add(mail: Omit<StoredMail, 'id' | 'header' | 'text'>): StoredMail {
    const stored: StoredMail = {
      ...mail,
      id: this.#nextId++,
      get text() {
        return decodeText(mail.raw);
      },
      header: (name) => readField(mail.raw, name),
    };
    this.#messages.push(stored);
    this.#arrivals.emit('mail', stored);
    return stored;
  }

  /** Hears of every mail that comes from now on; returns what ends that. */
  onMail(listener: (mail: StoredMail) => void): () => void {
    this.#arrivals.on('mail', listener);
    return () => void this.#arrivals.off('mail', listener);
  }

  /** What one address got. */
  inbox(address: string): readonly StoredMail[] {
    return this.#messages.filter((mail) => mail.envelope.to.some((to) => to.toLowerCase() === address.toLowerCase()));
  }

  /** Forgets everything. */
  clear(): void {
    this.#messages.length = 0;
  }

  /**
   * The first mail that matches, one that is here already or the next to come. TimeoutError when none comes in time; its message lists
   * what came instead, and what kept each from matching.
   */
  waitForMail(
    matcher: MailMatcher = {},
    options: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<StoredMail> {
    const here = this.#messages.find((mail) => misses(mail, matcher).length === 0);
    if (here !== undefined) return Promise.resolve(here);
    const timeoutMs = options.timeoutMs ?? 5000;
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.#arrivals.off('mail', onMail);
        options.signal?.removeEventListener('abort', onAbort);
        act();
      };
      const onMail = (mail: StoredMail): void => {
        if (misses(mail, matcher).length === 0) finish(() => resolve(mail));
      };
      const onAbort = (): void => finish(() => reject(options.signal?.reason as Error));
      const timer = setTimeout(
        () => finish(() => reject(new TimeoutError(this.#explain(matcher, timeoutMs)))),
        timeoutMs,
      );
      this.#arrivals.on('mail', onMail);
      options.signal?.addEventListener('abort', onAbort);
      if (options.signal?.aborted === true) onAbort();
    });
  }

  /** Resolves when no matching mail has come for `withinMs`; rejects as soon as one does. */
  async expectNoMail(matcher: MailMatcher = {}, options: { withinMs?: number | undefined } = {}): Promise<void> {
    let mail: StoredMail;
    try {
      mail = await this.waitForMail(matcher, { timeoutMs: options.withinMs ?? 200 });
    } catch {
      return;
    }
    throw new PostwireError('USAGE', `a mail came that should not have: ${describeMail(mail)}`);
  }

  #explain(matcher: MailMatcher, timeoutMs: number): string {
    const wanted = typeof matcher === 'function' ? 'the given condition' : describeMatch(matcher);
    if (this.#messages.length === 0) return `no mail came within ${timeoutMs} ms; wanted ${wanted}`;
    const near = this.#messages
      .map((mail) => ({ mail, missed: misses(mail, matcher) }))
      .sort((left, right) => left.missed.length - right.missed.length)
      .slice(0, 5)
      .map(({ mail, missed }) => `${describeMail(mail)} (${missed.join('; ')})`);
    return `no mail matched ${wanted} within ${timeoutMs} ms; ${this.#messages.length} came, nearest: ${near.join(' | ')}`;
  }
}

function misses(mail: StoredMail, matcher: MailMatcher): string[] {
  if (typeof matcher === 'function') return matcher(mail) ? [] : ['the condition is false'];
  const missed: string[] = [];
  const check = (what: string, wanted: string | RegExp | undefined, values: readonly (string | undefined)[]): void => {
    if (wanted === undefined) return;
    const found = values.some(
      (value) =>
        value !== undefined &&
        (wanted instanceof RegExp ? wanted.test(value) : value.toLowerCase().includes(wanted.toLowerCase())),
    );
    if (!found)
      missed.push(`${what} is ${values.map((value) => JSON.stringify(value?.slice(0, 80) ?? null)).join(', ')}`);
  };
  check('to', matcher.to, mail.envelope.to);
  check('from', matcher.from, [mail.envelope.from]);
  check('subject', matcher.subject, [mail.header('subject')]);
  if (matcher.text !== undefined) check('text', matcher.text, [mail.text]);
  for (const [name, wanted] of Object.entries(matcher.header ?? {})) check(name, wanted, [mail.header(name)]);
  return missed;
}

function describeMatch(match: MailMatch): string {
  const parts = Object.entries(match).filter(([, value]) => value !== undefined);
  if (parts.length === 0) return 'any mail';
  return parts
    .map(
      ([name, value]) =>
        `${name} ${value instanceof RegExp || typeof value === 'string' ? String(value) : JSON.stringify(value)}`,
    )
    .join(', ');
}

function describeMail(mail: StoredMail): string {
  return escapeControls(
    `#${mail.id} from ${mail.envelope.from} to ${mail.envelope.to.join(', ')}: ${mail.header('subject') ?? '(no subject)'}`,
    300,
  );
}

/** The first field of that name: unfolded, decoded. */
function readField(raw: Uint8Array, name: string): string | undefined {
  return parseSync(raw).headers.get(name);
}
