import { createHash, timingSafeEqual } from 'node:crypto';
import { ClosedError, LimitError } from '../errors.ts';
import {
  type Pop3Command,
  type Pop3Status,
  apopTimestamp,
  encodePop3Status,
  pop3CommandDecoder,
} from '../pop3/codec.ts';
import { type Mechanism, findMechanism } from '../sasl/index.ts';
import { accountsOf, offeredMechanisms } from './logins.ts';
import type { Connection } from '../socket/connection.ts';
import { EMPTY, concatBytes, decodeText, encodeText, latin1 } from '../wire/bytes.ts';
import { DottedEncoder } from '../wire/dotted.ts';
import { parseDecimal } from '../wire/limits.ts';
import { lineDecoder } from '../wire/line.ts';
import { FakeServer, type FakeServerOptions } from './fake-server.ts';
import type { FaultRule } from './fault-script.ts';
import { MailStore, type StoredMail } from './mail-store.ts';
import { Mailbox } from './mailbox.ts';

export interface FakePop3Options extends FakeServerOptions {
  /** Where the mail is. Default: a new, empty store. */
  readonly store?: MailStore | undefined;
  /** Login mechanisms to offer. Default: all that fit the users and tokens. */
  readonly mechanisms?: readonly string[] | undefined;
  /** Keywords of CAPA: false takes one away, true adds it, text adds it with parameters. */
  readonly capabilities?: Readonly<Record<string, boolean | string>> | undefined;
  /** What follows +OK in the greeting. Default has a timestamp for APOP. */
  readonly greeting?: string | undefined;
}

const MAX_LINE = 8192;

/**
 * A POP3 server for tests, made of the client's own codec. `users` is needed to log in; each has the mail that `store` holds for that
 * address.
 */
export class FakePop3 extends FakeServer {
  readonly #options: FakePop3Options;
  readonly store: MailStore;

  private constructor(options: FakePop3Options) {
    super(options, (code, text) => encodePop3Status({ kind: code === '+OK' ? 'ok' : 'error', text }));
    this.#options = options;
    this.store = options.store ?? new MailStore();
  }

  static async start(options: FakePop3Options = {}): Promise<FakePop3> {
    const server = new FakePop3(options);
    await server.start(options, 'POP3', (connection) => server.#talk(connection), maskLogin);
    return server;
  }

  /** Ready for a client, with the first user where there is one. Over TLS the client must trust `ca`. */
  get url(): string {
    const [user] = Object.entries(this.#options.users ?? {});
    const login = user === undefined ? '' : `${encodeURIComponent(user[0])}:${encodeURIComponent(user[1])}@`;
    const host = `${login}${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
    if (this.tlsMode === 'implicit') return `pop3s://${host}`;
    return this.tlsMode === 'starttls'
      ? `pop3+starttls://${host}`
      : `pop3://${host}?tls=none${user === undefined ? '' : '&allowInsecureAuth=true'}`;
  }

  async #talk(connection: Connection): Promise<void> {
    const stamp = `<${process.pid}.${Date.now()}@fake.postwire.test>`;
    const greeting = this.#options.greeting ?? `postwire fake ${stamp}`;
    const find: FindRule = (verb, argument, inBody) =>
      inBody ? this.script.findInBody(verb, { argument }) : this.script.find(verb, { argument });
    const session = new Pop3Session(connection, this.#options, this.store, greeting, find);
    await session.run(this.tlsMode === 'starttls' ? this.serverTls : undefined);
  }
}

/** Starts a fake POP3 server on loopback. */
export const fakePop3 = (options?: FakePop3Options): Promise<FakePop3> => FakePop3.start(options);

/** The secrets of a login never reach the transcript. */
const maskLogin = (line: string): string => line.replace(/^(PASS|APOP +\S+|AUTH +\S+) +\S.*$/is, '$1 ***');

type FindRule = (verb: string, argument: string, inBody: boolean) => FaultRule | undefined;

class Pop3Session {
  readonly #connection: Connection;
  readonly #options: FakePop3Options;
  readonly #store: MailStore;
  readonly #greeting: string;
  readonly #find: FindRule;
  #pending: Uint8Array[] = [];
  #user: string | undefined;
  #mailbox: Mailbox | undefined;
  #mail: readonly StoredMail[] = [];
  readonly #deleted = new Set<StoredMail>();
  #tls: FakeServerOptions['certificate'];
  #done = false;

  constructor(connection: Connection, options: FakePop3Options, store: MailStore, greeting: string, find: FindRule) {
    this.#connection = connection;
    this.#options = options;
    this.#store = store;
    this.#greeting = greeting;
    this.#find = find;
  }

  async run(tls: FakeServerOptions['certificate']): Promise<void> {
    this.#tls = tls;
    const connection = this.#connection;
    const decode = pop3CommandDecoder(MAX_LINE);
    try {
      await this.#scripted('CONNECT', '', () => this.#ok(this.#greeting));
      while (!this.#done) {
        const ready = connection.tryRead(decode);
        if (ready === undefined) await this.#flush();
        const { verb, argument } = ready ?? (await connection.read(decode, { phase: 'idle' }));
        await this.#scripted(verb, argument, () => this.#handle({ verb, argument }));
      }
      await this.#flush();
      await connection.close(100);
    } catch (error) {
      // Clients may leave without QUIT.
      if (!(error instanceof ClosedError)) throw error;
    } finally {
      this.#mailbox?.unlock();
    }
  }

  async #scripted(verb: string, argument: string, usual: () => void | Promise<void>): Promise<void> {
    await this.#flushForScript();
    const inject = await this.#perform(this.#find(verb, argument, false));
    if (inject === 'replied') return;
    if (inject.length > 0 && verb === 'STLS') {
      this.#ok('Begin TLS');
      this.#pending.push(inject);
      return this.#flush();
    }
    const inBody = this.#find(verb, argument, true);
    if (inBody === undefined) await usual();
    else await this.#interrupted(usual, inBody);
    if (inject.length > 0) this.#pending.push(inject);
  }

  /** What the rule adds to the usual answer, which may be nothing; 'replied' when there is to be no usual answer. */
  async #perform(rule: FaultRule | undefined): Promise<'replied' | Uint8Array> {
    const outcome = await rule?.perform(this.#connection);
    if (outcome === undefined) return EMPTY;
    if (outcome.kind === 'gone') throw new ClosedError('the script ended the conversation');
    return outcome.kind === 'normal' ? outcome.inject : 'replied';
  }

  /** The usual answer up to the byte of its body at which the rule acts; then the rule, and the rest unless it answered. */
  async #interrupted(usual: () => void | Promise<void>, rule: FaultRule): Promise<void> {
    await this.#flush();
    await usual();
    const [status = EMPTY, ...body] = this.#pending;
    const bytes = concatBytes(body);
    const at = rule.bodyBytes ?? 0;
    this.#pending = [status, bytes.subarray(0, at)];
    await this.#flush();
    const inject = await this.#perform(rule);
    if (inject !== 'replied') this.#pending.push(inject, bytes.subarray(at));
  }

  // A scripted action writes by itself: what is owed goes first.
  async #flushForScript(): Promise<void> {
    if (this.#pending.length > 64) await this.#flush();
    else if (this.#pending.length > 0 && this.#connection.pendingBytes === 0) await this.#flush();
  }

  async #flush(): Promise<void> {
    const parts = this.#pending.map((bytes) =>
      bytes.length < 200 ? { bytes, shown: latin1(bytes).trimEnd() } : bytes,
    );
    this.#pending = [];
    if (parts.length > 0) await this.#connection.write(parts);
  }

  #status(status: Pop3Status): void {
    this.#pending.push(encodePop3Status(status));
  }

  #ok(text: string): void {
    this.#status({ kind: 'ok', text });
  }

  #error(text: string, code?: string): void {
    this.#status({ kind: 'error', code, text });
  }

  #body(text: string, bytes: Uint8Array): void {
    this.#ok(text);
    const encoder = new DottedEncoder();
    this.#pending.push(...encoder.push(bytes), encoder.end());
  }

  async #handle({ verb, argument }: Pop3Command): Promise<void> {
    if (verb === 'QUIT') return this.#leave();
    if (verb === 'CAPA') return this.#body('Capabilities', encodeText(this.#capabilities()));
    if (verb === 'LANG') return this.#lang(argument);
    if (verb === 'UTF8' && this.#mailbox === undefined) return this.#ok('UTF-8 it is');
    if (verb === 'NOOP' && this.#mailbox !== undefined) return this.#ok('');
    if (this.#mailbox !== undefined) return this.#transaction(verb, argument, this.#mailbox);
    if (verb === 'STLS') return this.#startTls();
    if (verb === 'USER') {
      this.#user = argument;
      return this.#ok('Password?');
    }
    if (verb === 'PASS') return this.#login(this.#user ?? '', (password) => same(password, argument));
    if (verb === 'APOP') return this.#apop(argument);
    if (verb === 'AUTH') return this.#auth(argument);
    this.#error('Unknown command, or not in this state');
  }

  #lang(tag: string): void {
    if (tag === '') return this.#body('Languages', encodeText('en English\r\n'));
    if (tag === '*' || tag.toLowerCase() === 'en') return this.#ok('en English it is');
    this.#error('No such language');
  }

  #transaction(verb: string, argument: string, mailbox: Mailbox): void {
    const live = this.#mail
      .map((mail, index) => ({ mail, number: index + 1 }))
      .filter(({ mail }) => !this.#deleted.has(mail));
    const [first = '', second] = argument.split(' ');
    const entry = live.find(({ number }) => number === parseDecimal(first));
    const sum = live.reduce((total, { mail }) => total + mail.raw.length, 0);
    if (verb === 'STAT') return this.#ok(`${live.length} ${sum}`);
    if (verb === 'RSET') {
      this.#deleted.clear();
      return this.#ok('');
    }
    const describe =
      verb === 'LIST'
        ? (mail: StoredMail) => String(mail.raw.length)
        : verb === 'UIDL'
          ? (mail: StoredMail) => mailbox.uid(mail)
          : undefined;
    if (describe !== undefined && argument === '')
      return this.#body('', encodeText(live.map(({ mail, number }) => `${number} ${describe(mail)}\r\n`).join('')));
    if (describe === undefined && !['RETR', 'TOP', 'DELE'].includes(verb)) return this.#error('Unknown command');
    if (entry === undefined) return this.#error('No such message');
    const { mail, number } = entry;
    if (describe !== undefined) return this.#ok(`${number} ${describe(mail)}`);
    if (verb === 'DELE') {
      this.#deleted.add(mail);
      return this.#ok('Marked');
    }
    if (verb === 'RETR') return this.#body(`${mail.raw.length} octets`, mail.raw);
    const lines = parseDecimal(second ?? '');
    if (lines === undefined) return this.#error('TOP needs a number of lines');
    this.#body('', topOf(mail.raw, lines));
  }

  #leave(): void {
    for (const mail of this.#deleted) this.#mailbox?.expunge(mail);
    this.#ok('Bye');
    this.#done = true;
  }

  #capabilities(): string {
    const names = this.#mechanisms().map((mechanism) => mechanism.name);
    const offered: Record<string, boolean | string> = {
      TOP: true,
      UIDL: true,
      PIPELINING: true,
      LANG: true,
      UTF8: true,
      'RESP-CODES': true,
      'AUTH-RESP-CODE': true,
      USER: !this.#needsTls,
      STLS: this.#needsTls,
      SASL: this.#needsTls ? false : names.join(' '),
      IMPLEMENTATION: 'postwire-fake',
      ...this.#options.capabilities,
    };
    return Object.entries(offered)
      .filter(([, value]) => value !== false && value !== '')
      .map(([keyword, value]) => (value === true ? `${keyword}\r\n` : `${keyword} ${String(value)}\r\n`))
      .join('');
  }

  get #needsTls(): boolean {
    return this.#tls !== undefined && !this.#connection.secure;
  }

  #mechanisms(): Mechanism[] {
    return offeredMechanisms(this.#options, this.#connection);
  }

  async #startTls(): Promise<void> {
    if (!this.#needsTls || typeof this.#tls !== 'object') return this.#error('STLS is not available');
    // What is here by now was sent in the clear, by whomever.
    if (this.#connection.pendingBytes > 0) throw new LimitError('plaintext behind STLS');
    this.#ok('Begin TLS');
    await this.#flush();
    await this.#connection.startTls(this.#tls);
    this.#user = undefined;
  }

  #login(user: string, accepts: (password: string) => boolean): void {
    const { users = {} } = this.#options;
    const password = Object.hasOwn(users, user) ? users[user] : undefined;
    if (this.#needsTls) return this.#error('TLS first');
    if (password === undefined || !accepts(password)) return this.#error('Wrong user or password', 'AUTH');
    this.#enter(user);
  }

  #enter(user: string): void {
    const mailbox = new Mailbox(this.#store, user);
    if (!mailbox.lock()) return this.#error('Another session has this mailbox', 'IN-USE');
    this.#mailbox = mailbox;
    this.#mail = mailbox.messages();
    this.#ok(`${this.#mail.length} messages`);
  }

  #apop(argument: string): void {
    const [user = '', digest = ''] = argument.split(' ');
    const stamp = apopTimestamp(this.#greeting) ?? '';
    this.#login(user, (password) => same(createHash('md5').update(`${stamp}${password}`).digest('hex'), digest));
  }

  async #auth(argument: string): Promise<void> {
    if (this.#needsTls) return this.#error('TLS first');
    const [name = '', initial] = argument.trim().split(/ +/);
    const mechanism = findMechanism(name, this.#mechanisms());
    if (mechanism === undefined) return this.#error('Mechanism not available');
    const server = mechanism.server(accountsOf(this.#options, this.#connection), this.#connection.channelBinding);
    let response = initial === undefined ? undefined : decodeBase64(initial === '=' ? '' : initial);
    if (initial !== undefined && response === undefined) return this.#error('That is not base64');
    const decodeLine = lineDecoder(MAX_LINE);
    for (;;) {
      const step = await server.next(response);
      if (step.kind === 'failure') return this.#error(step.text, 'AUTH');
      if (step.kind === 'success') return this.#enter(step.user);
      this.#status({ kind: 'continue', text: Buffer.from(step.data).toString('base64') });
      await this.#flush();
      const line = decodeText(await this.#connection.read(decodeLine, { shown: 'secret' }));
      if (line === '*') return this.#error('Login given up');
      response = decodeBase64(line);
      if (response === undefined) return this.#error('That is not base64');
    }
  }
}

const same = (left: string, right: string): boolean => {
  const [a, b] = [encodeText(left), encodeText(right)];
  return a.length === b.length && timingSafeEqual(a, b);
};

const decodeBase64 = (text: string): Uint8Array | undefined =>
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : undefined;

/** The header, the blank line and so many lines of the body. */
function topOf(raw: Uint8Array, lines: number): Uint8Array {
  const text = latin1(raw);
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return raw;
  let at = end + 4;
  for (let left = lines; left > 0 && at < text.length; left--) {
    const next = text.indexOf('\n', at);
    at = next < 0 ? text.length : next + 1;
  }
  return raw.subarray(0, at);
}
