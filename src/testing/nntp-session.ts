import { timingSafeEqual } from 'node:crypto';
import { deflateRawSync, deflateSync } from 'node:zlib';
import { ClosedError, LimitError, UsageError, messageOf } from '../errors.ts';
import { encodeYenc } from '../mime/index.ts';
import { formatActive, formatActiveTimes, formatCounts } from '../nntp/codec/lists.ts';
import { OverviewFormat, encodeOverviewLine } from '../nntp/codec/overview.ts';
import {
  type NntpCommand,
  encodeNntpStatus,
  isMessageId,
  nntpCommandDecoder,
  parseNntpDate,
  parseRange,
} from '../nntp/codec/response.ts';
import { Wildmat } from '../nntp/codec/wildmat.ts';
import { type Mechanism, findMechanism } from '../sasl/index.ts';
import { accountsOf, offeredMechanisms } from './logins.ts';
import type { Connection } from '../socket/connection.ts';
import { deflateLayer } from '../socket/deflate.ts';
import { EMPTY, concatBytes, decodeText, encodeText, latin1 } from '../wire/bytes.ts';
import { DottedEncoder, dottedDecoder } from '../wire/dotted.ts';
import { lineDecoder } from '../wire/line.ts';
import type { FakeServerOptions } from './fake-server.ts';
import type { FaultRule } from './fault-script.ts';
import {
  type NewsStore,
  type StoredArticle,
  type StoredGroup,
  overviewFields,
  rawField,
  splitArticle,
} from './news-store.ts';

export interface FakeNntpOptions extends FakeServerOptions {
  /** Where the articles are. Default: a new, empty store. */
  readonly store?: NewsStore | undefined;
  /** Whether articles are taken. Default true. */
  readonly posting?: boolean | undefined;
  /** With users: 'all' (default) wants a login for everything, 'post' for POST alone, 'none' for nothing. */
  readonly loginFor?: 'all' | 'post' | 'none' | undefined;
  /** Login mechanisms to offer. Default: all that fit the users and tokens. */
  readonly mechanisms?: readonly string[] | undefined;
  /** Capabilities: false takes one away, true adds it, text adds it with parameters. A verb that was taken away is not known. */
  readonly capabilities?: Readonly<Record<string, boolean | string>> | undefined;
  /** A server before RFC 3977: no CAPABILITIES, XOVER for OVER. */
  readonly legacy?: boolean | undefined;
  /** What follows the code of the greeting. */
  readonly greeting?: string | undefined;
  /** The server's clock, for DATE. Default: now. */
  readonly now?: (() => Date) | undefined;
}

type FindRule = (verb: string, argument: string, inBody: boolean) => FaultRule | undefined;

const MAX_LINE = 16 * 1024;
const format = new OverviewFormat([...new OverviewFormat().fields, 'xref'], [7]);
/** What may be asked before the login. */
const free = new Set(['CAPABILITIES', 'AUTHINFO', 'STARTTLS', 'QUIT', 'HELP', 'MODE', 'DATE']);

/** One client's conversation with the fake. */
export class NntpServerSession {
  readonly #connection: Connection;
  readonly #options: FakeNntpOptions;
  readonly #store: NewsStore;
  readonly #find: FindRule;
  #pending: Uint8Array[] = [];
  #tls: FakeNntpOptions['certificate'];
  #user: string | undefined;
  #loggedIn = false;
  #group: StoredGroup | undefined;
  #current: number | undefined;
  #gzip: 'none' | 'inside' | 'behind' = 'none';
  #compressed = false;
  #done = false;

  constructor(connection: Connection, options: FakeNntpOptions, store: NewsStore, find: FindRule) {
    this.#connection = connection;
    this.#options = options;
    this.#store = store;
    this.#find = find;
  }

  async run(tls: FakeNntpOptions['certificate']): Promise<void> {
    this.#tls = tls;
    const connection = this.#connection;
    const decode = nntpCommandDecoder(MAX_LINE);
    try {
      const greeting = this.#options.greeting ?? 'fake.postwire.test ready';
      await this.#scripted('CONNECT', '', () => this.#say(this.#posting ? 200 : 201, greeting));
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
    }
  }

  async #scripted(verb: string, argument: string, usual: () => void | Promise<void>): Promise<void> {
    if (this.#pending.length > 64 || this.#connection.pendingBytes === 0) await this.#flush();
    const rule = this.#find(verb, argument, false);
    if (rule !== undefined) await this.#flush();
    const inject = await this.#perform(rule);
    if (inject === 'replied') return;
    if (inject.length > 0 && (verb === 'STARTTLS' || verb === 'COMPRESS')) {
      this.#say(verb === 'STARTTLS' ? 382 : 206, 'go on');
      this.#pending.push(inject);
      return this.#flush();
    }
    const inBody = this.#find(verb, argument, true);
    if (inBody === undefined) await usual();
    else await this.#interrupted(usual, inBody);
    if (inject.length > 0) this.#pending.push(inject);
  }

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

  async #flush(): Promise<void> {
    const parts = this.#pending.map((bytes) =>
      bytes.length < 200 ? { bytes, shown: latin1(bytes).trimEnd() } : bytes,
    );
    this.#pending = [];
    if (parts.length > 0) await this.#connection.write(parts);
  }

  #say(code: number, text: string): void {
    this.#pending.push(encodeNntpStatus({ code, text }));
  }

  #body(code: number, text: string, bytes: Uint8Array): void {
    this.#say(code, text);
    const encoder = new DottedEncoder();
    this.#pending.push(...encoder.push(bytes), encoder.end());
  }

  #lines(code: number, text: string, lines: readonly string[]): void {
    this.#body(code, text, encodeText(lines.map((line) => `${line}\r\n`).join('')));
  }

  /** Lines that XFEATURE COMPRESS may have asked to be compressed. */
  #packed(code: number, text: string, lines: readonly (string | Uint8Array)[]): void {
    const bytes = concatBytes(lines.flatMap((line) => [typeof line === 'string' ? encodeText(line) : line, CRLF]));
    if (this.#gzip === 'none') return this.#body(code, text, bytes);
    this.#say(code, `${text} [COMPRESS=GZIP]`);
    if (this.#gzip === 'behind') {
      this.#pending.push(deflateSync(bytes), encodeText('.\r\n'));
      return;
    }
    const encoder = new DottedEncoder();
    this.#pending.push(deflateSync(concatBytes([...encoder.push(bytes), encoder.end()])));
  }

  get #posting(): boolean {
    return this.#options.posting ?? true;
  }

  get #needsTls(): boolean {
    return this.#tls !== undefined && !this.#connection.secure;
  }

  get #needsLogin(): boolean {
    const { users, tokens, loginFor = 'all' } = this.#options;
    return (users !== undefined || tokens !== undefined) && loginFor === 'all' && !this.#loggedIn;
  }

  async #handle({ verb, argument }: NntpCommand): Promise<void> {
    const words = argument
      .trim()
      .split(/[ \t]+/)
      .filter((word) => word !== '');
    if (this.#takenAway(verb)) return this.#say(500, 'what?');
    if (this.#needsLogin && !free.has(verb)) return this.#say(480, 'log in first');
    switch (verb) {
      case 'CAPABILITIES':
        return this.#options.legacy === true
          ? this.#say(500, 'what?')
          : this.#lines(101, 'capabilities', this.#capabilities());
      case 'MODE':
        return this.#mode(words[0]?.toUpperCase());
      case 'QUIT':
        this.#done = true;
        return this.#say(205, 'bye');
      case 'DATE': {
        const now = (this.#options.now ?? (() => new Date()))();
        return this.#say(111, now.toISOString().replace(/[-:T]/g, '').slice(0, 14));
      }
      case 'HELP':
        return this.#lines(100, 'help follows', ['This is a fake.']);
      case 'STARTTLS':
        return this.#startTls(words);
      case 'AUTHINFO':
        return this.#authinfo(words, argument);
      case 'COMPRESS':
        return this.#compress(words);
      case 'XFEATURE':
        if (words[0]?.toUpperCase() !== 'COMPRESS' || words[1]?.toUpperCase() !== 'GZIP')
          return this.#say(501, 'COMPRESS GZIP');
        this.#gzip = words[2]?.toUpperCase() === 'TERMINATOR' ? 'behind' : 'inside';
        return this.#say(290, 'feature enabled');
      case 'GROUP':
      case 'LISTGROUP':
        return this.#select(verb, words);
      case 'NEXT':
      case 'LAST':
        return this.#step(verb);
      case 'ARTICLE':
      case 'HEAD':
      case 'BODY':
      case 'STAT':
        return this.#article(verb, words);
      case 'OVER':
      case 'XOVER':
        return this.#overview(verb, words);
      case 'XZVER':
        return this.#xzver(words);
      case 'HDR':
      case 'XHDR':
      case 'XPAT':
        return this.#header(verb, words);
      case 'LIST':
        return this.#list(words);
      case 'NEWGROUPS':
      case 'NEWNEWS':
        return this.#news(verb, words);
      case 'POST':
        return this.#post();
      case 'IHAVE':
        return this.#ihave(words);
      case 'CHECK':
        return this.#check(words);
      case 'TAKETHIS':
        return this.#takeThis(words);
      default:
        return this.#say(500, 'what?');
    }
  }

  /** What the options took from the capabilities, or an old server does not have. */
  #takenAway(verb: string): boolean {
    const { capabilities = {}, legacy = false } = this.#options;
    if (legacy && (verb === 'OVER' || verb === 'HDR' || verb === 'CAPABILITIES')) return true;
    const given: Readonly<Record<string, boolean | string>> = capabilities;
    const key =
      verb === 'CHECK' || verb === 'TAKETHIS' ? 'STREAMING' : verb === 'XFEATURE' ? 'XFEATURE-COMPRESS' : verb;
    return Object.hasOwn(given, key) && given[key] === false;
  }

  #capabilities(): string[] {
    const { users, tokens } = this.#options;
    const names = this.#mechanisms().map((mechanism) => mechanism.name);
    const canLogin = (users !== undefined || tokens !== undefined) && !this.#loggedIn && !this.#needsTls;
    const offered: Record<string, boolean | string> = {
      VERSION: '2',
      IMPLEMENTATION: 'postwire-fake',
      READER: true,
      POST: this.#posting,
      IHAVE: true,
      STREAMING: true,
      NEWNEWS: true,
      HDR: true,
      OVER: 'MSGID',
      LIST: 'ACTIVE ACTIVE.TIMES COUNTS DISTRIB.PATS DISTRIBUTIONS HEADERS MODERATORS MOTD NEWSGROUPS OVERVIEW.FMT SUBSCRIPTIONS',
      STARTTLS: this.#needsTls,
      AUTHINFO: canLogin ? `${users === undefined ? '' : 'USER '}${names.length > 0 ? 'SASL' : ''}`.trim() : false,
      SASL: canLogin && names.length > 0 ? names.join(' ') : false,
      COMPRESS: this.#compressed ? false : 'DEFLATE',
      XPAT: true,
      'XFEATURE-COMPRESS': 'GZIP TERMINATOR',
      XZVER: true,
      ...this.#options.capabilities,
    };
    return Object.entries(offered)
      .filter(([, value]) => value !== false && value !== '')
      .map(([keyword, value]) => (value === true ? keyword : `${keyword} ${String(value)}`));
  }

  #mode(what: string | undefined): void {
    if (what === 'READER') return this.#say(this.#posting ? 200 : 201, 'reader');
    if (what === 'STREAM' && !this.#takenAway('CHECK')) return this.#say(203, 'streaming');
    this.#say(501, 'READER or STREAM');
  }

  async #startTls(words: readonly string[]): Promise<void> {
    if (words.length > 0) return this.#say(501, 'no parameters');
    if (!this.#needsTls || typeof this.#tls !== 'object') return this.#say(502, 'not available');
    // What is here by now was sent in the clear, by whomever.
    if (this.#connection.pendingBytes > 0) throw new LimitError('plaintext behind STARTTLS');
    this.#say(382, 'begin TLS');
    await this.#flush();
    await this.#connection.startTls(this.#tls);
    this.#user = undefined;
    this.#group = undefined;
  }

  async #compress(words: readonly string[]): Promise<void> {
    if (words[0]?.toUpperCase() !== 'DEFLATE') return this.#say(503, 'DEFLATE alone');
    if (this.#compressed) return this.#say(502, 'compressed already');
    if (this.#connection.pendingBytes > 0) throw new LimitError('a command behind COMPRESS');
    this.#say(206, 'compression active');
    await this.#flush();
    this.#connection.wrap(deflateLayer);
    this.#compressed = true;
  }

  #mechanisms(): Mechanism[] {
    return offeredMechanisms(this.#options, this.#connection);
  }

  async #authinfo(words: readonly string[], argument: string): Promise<void> {
    const { users = {} } = this.#options;
    if (this.#loggedIn) return this.#say(502, 'logged in already');
    if (this.#needsTls) return this.#say(483, 'TLS first');
    const what = words[0]?.toUpperCase();
    if (what === 'USER') {
      this.#user = argument.replace(/^\S+ /, '');
      return this.#say(381, 'password?');
    }
    if (what === 'PASS') {
      if (this.#user === undefined) return this.#say(482, 'USER first');
      const expected = Object.hasOwn(users, this.#user) ? users[this.#user] : undefined;
      const right = expected !== undefined && same(expected, argument.replace(/^\S+ /, ''));
      this.#loggedIn = right;
      return this.#say(right ? 281 : 481, right ? 'welcome' : 'wrong user or password');
    }
    if (what === 'SASL') return this.#sasl(words);
    this.#say(501, 'USER, PASS or SASL');
  }

  async #sasl(words: readonly string[]): Promise<void> {
    const mechanism = findMechanism(words[1] ?? '', this.#mechanisms());
    if (mechanism === undefined) return this.#say(503, 'mechanism not available');
    const server = mechanism.server(accountsOf(this.#options, this.#connection), this.#connection.channelBinding);
    const initial = words[2];
    let response = initial === undefined ? undefined : decodeBase64(initial === '=' ? '' : initial);
    if (initial !== undefined && response === undefined) return this.#say(504, 'not base64');
    const decodeLine = lineDecoder(MAX_LINE);
    for (;;) {
      const step = await server.next(response);
      if (step.kind === 'failure') return this.#say(481, step.text);
      if (step.kind === 'success') {
        this.#loggedIn = true;
        return this.#say(281, 'welcome');
      }
      const challenge = Buffer.from(step.data).toString('base64');
      this.#say(383, challenge === '' ? '=' : challenge);
      await this.#flush();
      const line = decodeText(await this.#connection.read(decodeLine, { shown: 'secret' }));
      if (line === '*') return this.#say(481, 'given up');
      response = decodeBase64(line === '=' ? '' : line);
      if (response === undefined) return this.#say(504, 'not base64');
    }
  }

  #select(verb: 'GROUP' | 'LISTGROUP', words: readonly string[]): void {
    const group = words[0] === undefined && verb === 'LISTGROUP' ? this.#group : this.#store.group(words[0] ?? '');
    if (group === undefined)
      return words[0] === undefined ? this.#say(412, 'no group selected') : this.#say(411, 'no such group');
    const range = words[1] === undefined ? { from: 0, to: Number.MAX_SAFE_INTEGER } : parseRange(words[1]);
    if (range === undefined) return this.#say(501, 'not a range');
    this.#group = group;
    const numbers = [...group.articles.keys()];
    this.#current = numbers[0];
    const text = `${numbers.length} ${group.low} ${group.high} ${group.name}`;
    if (verb === 'GROUP') return this.#say(211, text);
    this.#lines(
      211,
      `${text} list follows`,
      numbers.filter((number) => number >= range.from && number <= range.to).map(String),
    );
  }

  #step(verb: 'NEXT' | 'LAST'): void {
    const group = this.#group;
    if (group === undefined) return this.#say(412, 'no group selected');
    const current = this.#current;
    if (current === undefined) return this.#say(420, 'no current article');
    const numbers = [...group.articles.keys()];
    const found =
      verb === 'NEXT' ? numbers.find((number) => number > current) : numbers.findLast((number) => number < current);
    if (found === undefined)
      return verb === 'NEXT' ? this.#say(421, 'no next article') : this.#say(422, 'no previous article');
    this.#current = found;
    this.#say(223, `${found} ${group.articles.get(found)?.messageId ?? ''}`);
  }

  /** The article that a command means, or the answer where there is none. */
  #chosen(word: string | undefined): { number: number; article: StoredArticle } | undefined {
    if (word?.startsWith('<') === true) {
      const article = this.#store.article(word);
      if (article === undefined) this.#say(430, 'no such article');
      return article === undefined ? undefined : { number: 0, article };
    }
    const group = this.#group;
    if (group === undefined) {
      this.#say(412, 'no group selected');
      return undefined;
    }
    const range = word === undefined ? undefined : parseRange(word);
    const number = word === undefined ? this.#current : range?.from === range?.to ? range?.from : undefined;
    const article = number === undefined ? undefined : group.articles.get(number);
    if (word !== undefined && number === undefined) this.#say(501, 'not a number');
    else if (article === undefined) this.#say(word === undefined ? 420 : 423, 'no such article');
    if (article === undefined || number === undefined) return undefined;
    this.#current = number;
    return { number, article };
  }

  #article(verb: 'ARTICLE' | 'HEAD' | 'BODY' | 'STAT', words: readonly string[]): void {
    const chosen = this.#chosen(words[0]);
    if (chosen === undefined) return;
    const { number, article } = chosen;
    const name = `${number} ${article.messageId}`;
    if (verb === 'STAT') return this.#say(223, name);
    const { head, body } = splitArticle(article.raw);
    if (verb === 'HEAD') return this.#body(221, name, head);
    if (verb === 'BODY') return this.#body(222, name, body);
    this.#body(220, name, article.raw);
  }

  /** Articles of a range, one by its id, or the current one; undefined where the answer is said already. */
  #several(word: string | undefined): { number: number; article: StoredArticle }[] | undefined {
    if (word === undefined || word.startsWith('<')) {
      const chosen = this.#chosen(word);
      return chosen === undefined ? undefined : [chosen];
    }
    const range = parseRange(word);
    if (range === undefined) {
      this.#say(501, 'not a range');
      return undefined;
    }
    if (this.#group === undefined) {
      this.#say(412, 'no group selected');
      return undefined;
    }
    const found = [...this.#group.articles].filter(([number]) => number >= range.from && number <= range.to);
    if (found.length === 0) {
      this.#say(423, 'no articles in that range');
      return undefined;
    }
    return found.map(([number, article]) => ({ number, article }));
  }

  #overviewLines(chosen: readonly { number: number; article: StoredArticle }[]): Uint8Array[] {
    return chosen.map(({ number, article }) => encodeOverviewLine(number, overviewFields(article), format));
  }

  #overview(verb: string, words: readonly string[]): void {
    const chosen = this.#several(words[0]);
    if (chosen !== undefined) this.#packed(224, `${verb} follows`, this.#overviewLines(chosen));
  }

  #xzver(words: readonly string[]): void {
    const chosen = this.#several(words[0]);
    if (chosen === undefined) return;
    const lines = concatBytes(this.#overviewLines(chosen).flatMap((line) => [line, CRLF]));
    this.#body(224, 'compressed overview follows', encodeYenc(deflateRawSync(lines), { name: 'xzver' }));
  }

  #header(verb: 'HDR' | 'XHDR' | 'XPAT', words: readonly string[]): void {
    const [field, which, ...patterns] = words;
    if (field === undefined) return this.#say(501, 'which field?');
    const chosen = this.#several(which);
    if (chosen === undefined) return;
    const wildmats = patterns.map((pattern) => new Wildmat(pattern));
    const rows = chosen
      .map(({ number, article }) => ({ number, value: rawField(article, field) ?? '' }))
      .filter(({ value }) => verb !== 'XPAT' || wildmats.some((wildmat) => wildmat.matches(value)));
    this.#packed(
      verb === 'HDR' ? 225 : 221,
      'headers follow',
      rows.map(({ number, value }) => `${number} ${value}`),
    );
  }

  #list(words: readonly string[]): void {
    const [what = 'ACTIVE', pattern] = words;
    const wildmat = pattern === undefined ? undefined : new Wildmat(pattern);
    const groups = this.#store.groups.filter(({ name }) => wildmat?.matches(name) !== false);
    const answer = (lines: readonly string[]): void => this.#lines(215, 'list follows', lines);
    switch (what.toUpperCase()) {
      case 'ACTIVE':
        return answer(groups.map(formatActive));
      case 'COUNTS':
        return answer(groups.map((group) => formatCounts({ ...group, count: group.articles.size })));
      case 'ACTIVE.TIMES':
        return answer(groups.map((group) => formatActiveTimes({ ...group, createdBy: 'fake@postwire.test' })));
      case 'NEWSGROUPS':
        return answer(groups.map(({ name, description }) => `${name}\t${description}`));
      case 'OVERVIEW.FMT':
        return answer(format.format());
      case 'HEADERS':
        return answer([':']);
      case 'DISTRIB.PATS':
        return answer(['10:local.*:local']);
      case 'DISTRIBUTIONS':
        return answer(['local\tOf this place']);
      case 'MODERATORS':
        return answer(['*:%s@moderators.example']);
      case 'MOTD':
        return answer(['Welcome to the fake.']);
      case 'SUBSCRIPTIONS':
        return answer(groups.map(({ name }) => name));
      default:
        return this.#say(503, 'no such list');
    }
  }

  #news(verb: 'NEWGROUPS' | 'NEWNEWS', words: readonly string[]): void {
    const [pattern, date = '', time = ''] = verb === 'NEWNEWS' ? words : ['*', ...words];
    const since = parseNntpDate(`${date} ${time}`);
    if (since === undefined || pattern === undefined) return this.#say(501, 'since when?');
    if (verb === 'NEWGROUPS')
      return this.#lines(
        231,
        'groups follow',
        this.#store.groups.filter((group) => group.createdAt >= since).map(formatActive),
      );
    const wildmat = new Wildmat(pattern);
    const fresh = this.#store.articles.filter(
      ({ numbers, receivedAt }) => receivedAt >= since && [...numbers.keys()].some((name) => wildmat.matches(name)),
    );
    this.#lines(
      230,
      'articles follow',
      fresh.map(({ messageId }) => messageId),
    );
  }

  async #receive(): Promise<Uint8Array> {
    await this.#flush();
    const decode = dottedDecoder();
    const spans: Uint8Array[] = [];
    for (;;) {
      const { bytes, last } = await this.#connection.read(decode, { phase: 'bodyIdle', shown: 'body' });
      spans.push(bytes);
      if (last) return concatBytes(spans);
    }
  }

  async #post(): Promise<void> {
    if (!this.#posting) return this.#say(440, 'posting not permitted');
    if (this.#options.users !== undefined && this.#options.loginFor === 'post' && !this.#loggedIn)
      return this.#say(480, 'log in first');
    this.#say(340, 'send it');
    const article = await this.#receive();
    await this.#scripted('POSTED', '', () => {
      const why = this.#file(article);
      if (why === undefined) this.#say(240, 'article received');
      else this.#say(441, why);
    });
  }

  /** Undefined when it was filed, else why not. */
  #file(article: Uint8Array): string | undefined {
    try {
      this.#store.add(article);
      return undefined;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return messageOf(error);
    }
  }

  async #ihave([id = '']: readonly string[]): Promise<void> {
    if (!isMessageId(id)) return this.#say(501, 'not a message-id');
    if (this.#store.article(id) !== undefined) return this.#say(435, 'here already');
    this.#say(335, 'send it');
    const why = this.#file(await this.#receive());
    this.#say(why === undefined ? 235 : 437, why ?? 'article transferred');
  }

  #check([id = '']: readonly string[]): void {
    if (!isMessageId(id)) return this.#say(501, 'not a message-id');
    this.#say(this.#store.article(id) === undefined ? 238 : 438, id);
  }

  async #takeThis([id = '']: readonly string[]): Promise<void> {
    const article = await this.#receive();
    if (!isMessageId(id)) return this.#say(501, 'not a message-id');
    this.#say(this.#file(article) === undefined ? 239 : 439, id);
  }
}

const CRLF = encodeText('\r\n');

const same = (left: string, right: string): boolean => {
  const [a, b] = [encodeText(left), encodeText(right)];
  return a.length === b.length && timingSafeEqual(a, b);
};

const decodeBase64 = (text: string): Uint8Array | undefined =>
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : undefined;
