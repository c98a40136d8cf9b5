import { ProtocolError, ReplyError, UnsupportedError, UsageError } from '../errors.ts';
import type { CallOptions, CloseReason, Connection } from '../socket/connection.ts';
import { dialServer } from '../socket/target.ts';
import { checkWord } from '../wire/arguments.ts';
import type { ByteSource } from '../wire/byte-stream.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import { dottedDecoder } from '../wire/dotted.ts';
import type { ArticleChoice, NntpArticle, FetchOptions, NntpArticleStream, NntpFetched, NntpPart } from './article.ts';
import { type ArticlesQuery, type NewsArticle, articlesOf } from './articles.ts';
import {
  type ActiveGroup,
  type CountedGroup,
  type DistributionPattern,
  type GroupCreation,
  type NamedText,
  parseActive,
  parseActiveTimes,
  parseCounts,
  parseDistribPats,
  parseHdr,
  parseModerators,
  parseNamed,
  parseNumbers,
  textLines,
} from './codec/lists.ts';
import { type OverviewEntry, OverviewFormat, OverviewReader } from './codec/overview.ts';
import {
  type NntpArticleName,
  type NntpGroup,
  type NntpRange,
  type NntpStatus,
  checkGroup,
  checkMessageId,
  checkNumber,
  encodeNntpCommand,
  formatNntpDate,
  formatRange,
  parseArticleName,
  parseGroup,
  parseNntpDate,
} from './codec/response.ts';
import { type Wildmat, checkWildmat } from './codec/wildmat.ts';
import { isGzipped, readGzippedBody, unpackXz } from './compressed.ts';
import { type FeedResult, type PostResult, checkFed, sendArticle, takeThis } from './post.ts';
import { type NntpExchange, NntpSession } from './session.ts';
import { type NntpOptions, type NntpTarget, resolveNntpTarget } from './target.ts';

/** A field of one article, as HDR tells it. */
export interface NntpHeaderValue {
  readonly number: number;
  readonly value: string;
}

const MAX_LISTING_BYTES = 64 * 1024 * 1024;
const partCodes = { article: 220, head: 221, body: 222, stat: 223 } as const;
/** A range without articles: RFC 3977 section 8.3.1; and before it, RFC 2980 section 2.8. QUIRK(leafnode): still so. */
const NONE_IN_RANGE: readonly number[] = [423, 420];
/** Held bodies that may be under way in one `fetch`, in bytes. */
const FETCH_BYTES = 8 * 1024 * 1024;

/**
 * An NNTP session. Commands may be called concurrently: they travel together and are answered in order. A refused command leaves the
 * connection usable; after a timeout, an abort with bytes under way, or a protocol error it is closed. While a stream of `article` or `body` is
 * open, other commands throw UsageError at once.
 *
 * @see RFC 3977
 */
export class NntpClient implements AsyncDisposable {
  readonly #session: NntpSession;
  #streaming = false;
  /** The group that was asked for last, while its answer was no no. */
  #group: string | undefined;
  #format: Promise<OverviewFormat> | undefined;
  #gzip = false;

  private constructor(session: NntpSession) {
    this.#session = session;
  }

  /** Connects, begins TLS unless told not to, and logs in when a user is given. Rejects with nothing left open. */
  static async connect(target: NntpTarget | undefined, options: NntpOptions = {}): Promise<NntpClient> {
    const resolved = resolveNntpTarget(target, options);
    const connection = await dialServer(resolved, 'NNTP');
    const session = new NntpSession(connection, resolved);
    try {
      await session.open({ signal: resolved.dial.signal });
      return new NntpClient(session);
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** What the server offers; empty where it has no CAPABILITIES. */
  get capabilities(): Capabilities {
    return this.#session.capabilities;
  }

  get greeting(): string {
    return this.#session.greeting;
  }

  /** False where the server said that it takes no articles. */
  get postingAllowed(): boolean {
    return this.#session.postingAllowed;
  }

  get loggedIn(): boolean {
    return this.#session.loggedIn;
  }

  /** True while both directions are compressed. */
  get compressed(): boolean {
    return this.#session.compressed;
  }

  get secure(): boolean {
    return this.#session.connection.secure;
  }

  get open(): boolean {
    return this.#session.connection.open;
  }

  /** The connection below, for what this class does not do. */
  get connection(): Connection {
    return this.#session.connection;
  }

  /** Settles when the connection has ended, with the reason. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#session.connection.closed;
  }

  /** The group that `group` or `listGroup` selected. */
  get selected(): string | undefined {
    return this.#group;
  }

  /** Asks again what the server offers. @see RFC 3977 section 5.2 */
  async refreshCapabilities(call: CallOptions = {}): Promise<Capabilities> {
    this.#free();
    await this.#session.refreshCapabilities(call);
    return this.capabilities;
  }

  /** Logs in now, where `connect` did not: the server did not ask for it then. */
  async login(call: CallOptions = {}): Promise<void> {
    this.#free();
    await this.#session.login(call);
  }

  /** Compresses both ways from now on. UnsupportedError where the server cannot. @see RFC 8054 */
  async compress(call: CallOptions = {}): Promise<void> {
    this.#free();
    await this.#session.compress(call);
  }

  /** Selects a group, and says what is in it. ReplyError 411 where there is no such group. @see RFC 3977 section 6.1.1 */
  async group(name: string, call: CallOptions = {}): Promise<NntpGroup> {
    const line = encodeNntpCommand('GROUP', checkGroup(name));
    return this.#select(name, { name: 'GROUP', line, ok: [211], done: ({ text }) => parseGroup(text, name) }, call);
  }

  /** Selects a group, and gives the numbers of its articles, of that range alone where it is given. @see RFC 3977 section 6.1.2 */
  async listGroup(
    name: string,
    range?: NntpRange,
    call: CallOptions = {},
  ): Promise<NntpGroup & { readonly numbers: readonly number[] }> {
    const words = range === undefined ? [] : [formatRange(range)];
    const line = encodeNntpCommand('LISTGROUP', checkGroup(name), ...words);
    const done = async ({ text }: NntpStatus): Promise<NntpGroup & { numbers: number[] }> => {
      const group = parseGroup(text, name);
      return { ...group, numbers: parseNumbers(await this.#session.body(MAX_LISTING_BYTES, call)) };
    };
    return this.#select(name, { name: 'LISTGROUP', line, ok: [211], done }, call);
  }

  async #select<T>(name: string, exchange: NntpExchange<T>, call: CallOptions): Promise<T> {
    const before = this.#group;
    this.#group = name;
    try {
      return await this.#run(exchange, call);
    } catch (error) {
      // The group from before stays selected; unless another was asked for since.
      if (this.#group === name) this.#group = error instanceof ReplyError ? before : undefined;
      throw error;
    }
  }

  /** A whole article as a stream. Until it is read or given up, other commands throw UsageError. @see RFC 3977 section 6.2.1 */
  article(which?: ArticleChoice, call: CallOptions = {}): Promise<NntpArticleStream> {
    return this.#stream('article', which, call);
  }

  /** Its body alone, as a stream. @see RFC 3977 section 6.2.3 */
  body(which?: ArticleChoice, call: CallOptions = {}): Promise<NntpArticleStream> {
    return this.#stream('body', which, call);
  }

  /** Its header, in memory. @see RFC 3977 section 6.2.2 */
  head(which?: ArticleChoice, call: CallOptions = {}): Promise<NntpArticle> {
    return this.read('head', which, call);
  }

  /** An article, its header or its body, in memory. LimitError over `limits.messageBytes`. */
  async read(part: NntpPart, which?: ArticleChoice, call: CallOptions = {}): Promise<NntpArticle> {
    return this.#run(this.#readExchange(part, which, call), call);
  }

  #readExchange(part: NntpPart, which: ArticleChoice, call: CallOptions): NntpExchange<NntpArticle> {
    const session = this.#session;
    const done = (status: NntpStatus): NntpArticle | Promise<NntpArticle> => {
      const { number, messageId } = this.#named(part, which, status);
      const bytes = session.body(this.connection.limits.messageBytes, call);
      return bytes instanceof Promise
        ? bytes.then((all) => ({ number, messageId, bytes: all }))
        : { number, messageId, bytes };
    };
    const name = part.toUpperCase();
    return { name, line: encodeNntpCommand(name, ...chosen(which)), ok: [partCodes[part]], done };
  }

  #stream(part: 'article' | 'body', which: ArticleChoice, call: CallOptions): Promise<NntpArticleStream> {
    return new Promise((resolve, reject) => {
      this.#free();
      const name = part.toUpperCase();
      const line = encodeNntpCommand(name, ...chosen(which));
      const done = async (status: NntpStatus): Promise<void> => {
        const article = this.#named(part, which, status);
        await new Promise<void>((ended) => {
          const onEnd = (): void => {
            this.#streaming = false;
            ended();
          };
          resolve({ ...article, stream: this.connection.body(dottedDecoder(), { ...call, onEnd }) });
        });
      };
      this.#run({ name, line, ok: [partCodes[part]], done }, call).catch((error: unknown) => {
        this.#streaming = false;
        reject(error);
      });
      this.#streaming = true;
    });
  }

  /** Whether it is there, and its name. @see RFC 3977 section 6.2.4 */
  async stat(which?: ArticleChoice, call: CallOptions = {}): Promise<NntpArticleName> {
    const line = encodeNntpCommand('STAT', ...chosen(which));
    return this.#run({ name: 'STAT', line, ok: [223], done: (status) => this.#named('stat', which, status) }, call);
  }

  /** Goes to the next article of the group; undefined at its end. @see RFC 3977 section 6.1.4 */
  next(call: CallOptions = {}): Promise<NntpArticleName | undefined> {
    return this.#step('NEXT', 421, call);
  }

  /** Goes to the article before; undefined at the beginning. @see RFC 3977 section 6.1.3 */
  last(call: CallOptions = {}): Promise<NntpArticleName | undefined> {
    return this.#step('LAST', 422, call);
  }

  async #step(verb: 'NEXT' | 'LAST', none: number, call: CallOptions): Promise<NntpArticleName | undefined> {
    const done = ({ code, text }: NntpStatus): NntpArticleName | undefined =>
      code === none ? undefined : parseArticleName(text);
    return this.#run({ name: verb, line: encodeNntpCommand(verb), ok: [223, none], done }, call);
  }

  /**
   * Many articles, headers or bodies, in the order asked for, read ahead over one connection. One that the server does not give is a result
   * with `error`. Commands inside the loop work, and leaving it keeps the connection usable. Numbers are those of `group`, where it is given;
   * else of the group that is selected at the time.
   */
  async *fetch(which: Iterable<number | string>, options: FetchOptions = {}): AsyncGenerator<NntpFetched> {
    const { part = 'article', group, ...call } = options;
    const asked: { readonly name: number | string; readonly reading: Promise<NntpArticle> }[] = [];
    const names = which[Symbol.iterator]();
    let [count, bytes, underWay] = [0, 0, 10];
    const ask = (): void => {
      while (asked.length < underWay) {
        const next = names.next();
        if (next.done === true) return;
        // The caller may have gone elsewhere meanwhile. That it fails shows by the articles.
        if (group !== undefined && this.#group !== group) this.group(group, call).catch(() => {});
        const reading = this.#run(this.#readExchange(part, next.value, call), call);
        // Seen when it is awaited, or not at all after a break.
        reading.catch(() => {});
        asked.push({ name: next.value, reading });
      }
    };
    ask();
    for (let first = asked.shift(); first !== undefined; first = asked.shift()) {
      let fetched: NntpFetched;
      try {
        const article = await first.reading;
        count++;
        bytes += article.bytes.length;
        underWay = Math.max(2, Math.min(400, Math.floor((FETCH_BYTES * count) / Math.max(bytes, 1))));
        fetched = { asked: first.name, ...article };
      } catch (error) {
        if (!(error instanceof ReplyError)) throw error;
        fetched = { asked: first.name, error };
      }
      // In large steps: what is asked for leaves in few writes.
      if (asked.length <= underWay / 2) ask();
      yield fetched;
    }
  }

  /**
   * Every article of the group that is new, with its overview: since a date, from a number on, or since a cursor was last here. Commands
   * inside the loop work; breaking out of it leaves the connection usable.
   */
  articles(group: string, query: ArticlesQuery = {}): AsyncGenerator<NewsArticle> {
    return articlesOf(this, group, query);
  }

  /**
   * The overview of a range, of one article by its id, or of the current one. By OVER, or XOVER where the server has only that; compressed
   * after `xfeatureGzip`. Empty where the range holds no article.
   *
   * @see RFC 3977 section 8.3
   */
  async over(which?: NntpRange | string, call: CallOptions = {}): Promise<OverviewEntry[]> {
    const words = which === undefined ? [] : [typeof which === 'string' ? checkMessageId(which) : formatRange(which)];
    const format = await this.overviewFormat(call);
    return this.#eitherVerb('OVER', 'XOVER', (verb) =>
      this.#run(
        {
          name: verb,
          line: encodeNntpCommand(verb, ...words),
          ok: [224, ...(isRange(which) ? NONE_IN_RANGE : [])],
          done: (status) => this.#readOverview(status, format, call),
        },
        call,
      ),
    );
  }

  #readOverview(
    status: NntpStatus,
    format: OverviewFormat,
    call: CallOptions,
  ): OverviewEntry[] | Promise<OverviewEntry[]> {
    if (NONE_IN_RANGE.includes(status.code)) return [];
    const reader = new OverviewReader(format);
    if (this.#gzip && isGzipped(status.text))
      return readGzippedBody(this.#session, MAX_LISTING_BYTES, call).then((bytes) => {
        reader.push(bytes);
        return reader.end();
      });
    const reading = this.#session.spans(MAX_LISTING_BYTES, call, (span) => reader.push(span));
    return reading === undefined ? reader.end() : reading.then(() => reader.end());
  }

  /** The overview by XZVER: deflated and in yEnc. ReplyError where the server does not know it. */
  async xzver(range: NntpRange, call: CallOptions = {}): Promise<OverviewEntry[]> {
    const format = await this.overviewFormat(call);
    const line = encodeNntpCommand('XZVER', formatRange(range));
    const done = async ({ code }: NntpStatus): Promise<OverviewEntry[]> => {
      const reader = new OverviewReader(format);
      if (NONE_IN_RANGE.includes(code)) return [];
      reader.push(await unpackXz(await this.#session.body(MAX_LISTING_BYTES, call), MAX_LISTING_BYTES));
      return reader.end();
    };
    return this.#run({ name: 'XZVER', line, ok: [224, ...NONE_IN_RANGE], done }, call);
  }

  /** From now on overviews and header values may come compressed. ReplyError where the server does not know it. */
  async xfeatureGzip(call: CallOptions = {}): Promise<void> {
    const line = encodeNntpCommand('XFEATURE', 'COMPRESS', 'GZIP');
    await this.#run({ name: 'XFEATURE', line, ok: [290], alone: true, done: () => undefined }, call);
    this.#gzip = true;
  }

  /** The columns of the overview: read once. @see RFC 3977 section 8.4 */
  overviewFormat(call: CallOptions = {}): Promise<OverviewFormat> {
    this.#format ??= this.#list('OVERVIEW.FMT', [], (bytes) => OverviewFormat.parse(bytes), call).catch(
      (error: unknown) => {
        // QUIRK(leafnode and other small servers): without the list the columns are those that all have.
        if (error instanceof ReplyError && error.reply?.code !== 480) return new OverviewFormat();
        this.#format = undefined;
        throw error;
      },
    );
    return this.#format;
  }

  /** One field of every article of a range, or of one by its id: by HDR, or by XHDR. @see RFC 3977 section 8.5 */
  async hdr(field: string, which?: NntpRange | string, call: CallOptions = {}): Promise<NntpHeaderValue[]> {
    const words = which === undefined ? [] : [typeof which === 'string' ? checkMessageId(which) : formatRange(which)];
    const name = checkField(field);
    return this.#eitherVerb('HDR', 'XHDR', (verb) => this.#hdr(verb, [name, ...words], call));
  }

  /** Articles of a range whose field matches one of the patterns. @see RFC 2980 section 2.9 */
  async xpat(
    field: string,
    which: NntpRange | string,
    patterns: readonly string[],
    call: CallOptions = {},
  ): Promise<NntpHeaderValue[]> {
    const range = typeof which === 'string' ? checkMessageId(which) : formatRange(which);
    if (patterns.length === 0) throw new UsageError('xpat needs a pattern');
    return this.#hdr(
      'XPAT',
      [checkField(field), range, ...patterns.map((text) => checkWord('the pattern', text))],
      call,
    );
  }

  async #hdr(verb: string, words: readonly string[], call: CallOptions): Promise<NntpHeaderValue[]> {
    const done = async ({ code, text }: NntpStatus): Promise<NntpHeaderValue[]> => {
      if (NONE_IN_RANGE.includes(code)) return [];
      const gzipped = this.#gzip && isGzipped(text);
      return parseHdr(
        gzipped
          ? await readGzippedBody(this.#session, MAX_LISTING_BYTES, call)
          : await this.#session.body(MAX_LISTING_BYTES, call),
      );
    };
    return this.#run(
      {
        name: verb,
        line: encodeNntpCommand(verb, ...words),
        ok: [221, 225, ...(/^[0-9]/.test(words[1] ?? '') ? NONE_IN_RANGE : [])],
        done,
      },
      call,
    );
  }

  /** By the capabilities where there are any; else the new verb, and the old one when the server does not know it. */
  async #eitherVerb<T>(verb: string, old: string, run: (verb: string) => Promise<T>): Promise<T> {
    const { capabilities } = this;
    if (capabilities.has(verb)) return run(verb);
    try {
      return await run(old);
    } catch (error) {
      if (!(error instanceof ReplyError) || error.reply?.code !== 500) throw error;
      return run(verb);
    }
  }

  /** Groups, all of them or those that match. @see RFC 3977 section 7.6.3 */
  async list(wildmat?: string | Wildmat, call: CallOptions = {}): Promise<ActiveGroup[]> {
    return this.#list('ACTIVE', matching(wildmat), parseActive, call);
  }

  /** Groups with an estimate of how many articles each has. @see RFC 6048 section 2.2 */
  async listCounts(wildmat?: string | Wildmat, call: CallOptions = {}): Promise<CountedGroup[]> {
    return this.#list('COUNTS', matching(wildmat), parseCounts, call);
  }

  /** When groups were made, and by whom. @see RFC 3977 section 7.6.4 */
  async listActiveTimes(wildmat?: string | Wildmat, call: CallOptions = {}): Promise<GroupCreation[]> {
    return this.#list('ACTIVE.TIMES', matching(wildmat), parseActiveTimes, call);
  }

  /** What groups are about. @see RFC 3977 section 7.6.6 */
  async listNewsgroups(wildmat?: string | Wildmat, call: CallOptions = {}): Promise<NamedText[]> {
    return this.#list('NEWSGROUPS', matching(wildmat), parseNamed, call);
  }

  /** @see RFC 3977 section 7.6.5 */
  async listDistribPats(call: CallOptions = {}): Promise<DistributionPattern[]> {
    return this.#list('DISTRIB.PATS', [], parseDistribPats, call);
  }

  /** @see RFC 6048 section 2.3 */
  async listDistributions(call: CallOptions = {}): Promise<NamedText[]> {
    return this.#list('DISTRIBUTIONS', [], parseNamed, call);
  }

  /** Where articles for moderated groups are sent. @see RFC 6048 section 2.4 */
  async listModerators(call: CallOptions = {}): Promise<NamedText[]> {
    return this.#list('MODERATORS', [], parseModerators, call);
  }

  /** The message of the day. @see RFC 6048 section 2.5 */
  async listMotd(call: CallOptions = {}): Promise<string[]> {
    return this.#list('MOTD', [], textLines, call);
  }

  /** Groups for those who are new. @see RFC 6048 section 2.6 */
  async listSubscriptions(wildmat?: string | Wildmat, call: CallOptions = {}): Promise<string[]> {
    return this.#list('SUBSCRIPTIONS', matching(wildmat), textLines, call);
  }

  /** The fields that `hdr` may ask for; ':' stands for every one. @see RFC 3977 section 8.6 */
  async listHeaders(by?: 'MSGID' | 'RANGE', call: CallOptions = {}): Promise<string[]> {
    if (by !== undefined && by !== 'MSGID' && by !== 'RANGE') throw new UsageError("by must be 'MSGID' or 'RANGE'");
    return this.#list('HEADERS', by === undefined ? [] : [by], textLines, call);
  }

  #list<T>(what: string, words: readonly string[], read: (bytes: Uint8Array) => T, call: CallOptions): Promise<T> {
    const line = encodeNntpCommand('LIST', what, ...words);
    const done = async (): Promise<T> => read(await this.#session.body(MAX_LISTING_BYTES, call));
    return this.#run({ name: `LIST ${what}`, line, ok: [215], done }, call);
  }

  /** Groups made since then. @see RFC 3977 section 7.3 */
  async newGroups(since: Date, call: CallOptions = {}): Promise<ActiveGroup[]> {
    const line = encodeNntpCommand('NEWGROUPS', ...formatNntpDate(since), 'GMT');
    const done = async (): Promise<ActiveGroup[]> => parseActive(await this.#session.body(MAX_LISTING_BYTES, call));
    return this.#run({ name: 'NEWGROUPS', line, ok: [231], done }, call);
  }

  /** Ids of the articles that came since then in the groups that match. @see RFC 3977 section 7.4 */
  async newNews(wildmat: string | Wildmat, since: Date, call: CallOptions = {}): Promise<string[]> {
    const line = encodeNntpCommand('NEWNEWS', checkWildmat(wildmat), ...formatNntpDate(since), 'GMT');
    const done = async (): Promise<string[]> => textLines(await this.#session.body(MAX_LISTING_BYTES, call));
    return this.#run({ name: 'NEWNEWS', line, ok: [230], done }, call);
  }

  /** The server's clock. @see RFC 3977 section 7.1 */
  async date(call: CallOptions = {}): Promise<Date> {
    const done = ({ text }: NntpStatus): Date => {
      const date = parseNntpDate(text.trim());
      if (date !== undefined) return date;
      throw new ProtocolError(`the server answered DATE with: ${text}`, { protocol: 'NNTP', reusable: true });
    };
    return this.#run({ name: 'DATE', line: encodeNntpCommand('DATE'), ok: [111], done }, call);
  }

  /** @see RFC 3977 section 7.2 */
  async help(call: CallOptions = {}): Promise<string[]> {
    const done = async (): Promise<string[]> => textLines(await this.#session.body(MAX_LISTING_BYTES, call));
    return this.#run({ name: 'HELP', line: encodeNntpCommand('HELP'), ok: [100], done }, call);
  }

  /**
   * Posts an article: header fields, an empty line, text. Line ends are mended and dots stuffed on the way. NntpPostError with
   * `deliveryUnknown` when it was sent and the answer lost.
   *
   * @see RFC 3977 section 6.3.1
   */
  async post(article: ByteSource, call: CallOptions = {}): Promise<PostResult> {
    this.#free();
    return sendArticle(this.#session, 'POST', article, call);
  }

  /** Offers an article to a server that feeds from here; ReplyError 435 where it has it. @see RFC 3977 section 6.3.2 */
  async ihave(messageId: string, article: ByteSource, call: CallOptions = {}): Promise<PostResult> {
    this.#free();
    return sendArticle(this.#session, 'IHAVE', article, call, messageId);
  }

  /** Begins streaming: CHECK and TAKETHIS. UnsupportedError where the server cannot. @see RFC 4644 section 2.3 */
  async modeStream(call: CallOptions = {}): Promise<void> {
    if (this.capabilities.size > 0) this.#session.needs('STREAMING');
    const line = encodeNntpCommand('MODE', 'STREAM');
    const done = ({ code }: NntpStatus): void => {
      if (code === 203) return;
      throw new UnsupportedError('the server does not take articles by streaming', { protocol: 'NNTP' });
    };
    await this.#run({ name: 'MODE STREAM', line, ok: [203, 500, 501], alone: true, done }, call);
  }

  /** Whether the server wants the article. Many may be asked at once. @see RFC 4644 section 2.4 */
  async check(messageId: string, call: CallOptions = {}): Promise<'wanted' | 'later' | 'unwanted'> {
    const id = checkMessageId(messageId);
    const done = (status: NntpStatus): 'wanted' | 'later' | 'unwanted' => {
      checkFed(this.#session, 'CHECK', id, status);
      return status.code === 238 ? 'wanted' : status.code === 431 ? 'later' : 'unwanted';
    };
    return this.#run({ name: 'CHECK', line: encodeNntpCommand('CHECK', id), ok: [238, 431, 438], done }, call);
  }

  /** Sends an article without asking. @see RFC 4644 section 2.5 */
  async takeThis(messageId: string, article: ByteSource, call: CallOptions = {}): Promise<FeedResult> {
    this.#free();
    return takeThis(this.#session, messageId, article, call);
  }

  /** Any command with a one-line answer, ReplyError for a no. Arguments with CR, LF or NUL are refused. */
  async command(verb: string, args: readonly string[] = [], call: CallOptions = {}): Promise<NntpStatus> {
    const line = encodeNntpCommand(verb, ...args);
    const ok = Array.from({ length: 300 }, (_, index) => 100 + index);
    return this.#run({ name: verb, line, ok, alone: true, done: (status) => status }, call);
  }

  /** Takes leave, once what is under way is answered. Never rejects. */
  async quit(): Promise<void> {
    if (this.#streaming) this.connection.destroy();
    await this.#session.quit();
  }

  /** Closes at once. */
  destroy(reason?: Error): void {
    this.connection.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  #free(): void {
    if (this.#streaming)
      throw new UsageError('an article is being streamed: read it to its end, or give it up, before the next command');
  }

  async #run<T>(exchange: NntpExchange<T>, call: CallOptions): Promise<T> {
    this.#free();
    return this.#session.run(exchange, call);
  }

  /** The article that the answer names must be the one that was asked for: an answer to something else was read before. */
  #named(part: keyof typeof partCodes, which: ArticleChoice, status: NntpStatus): NntpArticleName {
    let name: NntpArticleName;
    try {
      name = parseArticleName(status.text);
    } catch (error) {
      this.connection.destroy(error as Error);
      throw error;
    }
    const right =
      which === undefined ||
      (typeof which === 'number'
        ? // QUIRK(old servers): 0 where the number is known anyway.
          name.number === which || name.number === 0
        : name.messageId === which || name.messageId === '');
    if (!right)
      throw this.#session.outOfStep(
        `the NNTP server answered ${part.toUpperCase()} ${String(which)} for ${status.text}`,
        part.toUpperCase(),
      );
    if (typeof which === 'string') return { number: name.number, messageId: which };
    return typeof which === 'number' ? { number: which, messageId: name.messageId } : name;
  }
}

const isRange = (which: NntpRange | string | undefined): boolean => which !== undefined && typeof which !== 'string';

const chosen = (which: ArticleChoice): string[] =>
  which === undefined ? [] : [typeof which === 'number' ? checkNumber(which) : checkMessageId(which)];

const matching = (wildmat: string | Wildmat | undefined): string[] =>
  wildmat === undefined ? [] : [checkWildmat(wildmat)];

function checkField(value: unknown): string {
  const name = checkWord('the field', value);
  if (!/^:?[\u0021-\u0039\u003b-\u007e]+$/.test(name))
    throw new UsageError(`a field is a name such as Subject or :bytes; got ${JSON.stringify(name)}`);
  return name;
}
