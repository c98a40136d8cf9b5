import { ClosedError, ProtocolError, ReplyError, TlsError, UnsupportedError, UsageError } from '../errors.ts';
import type { Credentials } from '../sasl/index.ts';
import type { CallOptions, CloseReason, Connection } from '../socket/connection.ts';
import { dialServer } from '../socket/target.ts';
import { type ByteSource, ByteStream } from '../wire/byte-stream.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import type { ImapCommand, ImapState } from './command.ts';
import type { FetchedMessage } from './codec/fetched.ts';
import type { ImapStatus } from './codec/response.ts';
import { type MessageSet, type Uid, resolveSet } from './codec/sequence-set.ts';
import { type AppendAllResult, type AppendMessage, type AppendOptions, appendAll, sized } from './append-messages.ts';
import type { CopiedUids } from './codec/response-code.ts';
import type { SearchQuery } from './codec/search-query.ts';
import { deleteAcl, getAcl, listRights, myRights, setAcl } from './commands/acl.ts';
import { type AppendResult, type CatenatePart, append, catenate, replace } from './commands/append.ts';
import { compress } from './commands/compress.ts';
import { transfer } from './commands/copy.ts';
import { expunge } from './commands/expunge.ts';
import { comparator, language } from './commands/language.ts';
import { type MetadataOptions, getMetadata, setMetadata } from './commands/metadata.ts';
import { type MailboxMatches, type SearchScope, multiSearch } from './commands/multisearch.ts';
import { type NotifyGroup, notify } from './commands/notify.ts';
import { type Quota, getQuota, getQuotaRoot, setQuota } from './commands/quota.ts';
import { type SearchOptions, type SearchResult, type SortKey, cancelUpdate, search } from './commands/search.ts';
import { type FlagChange, type StoreResult, store } from './commands/store.ts';
import { generateUrlAuth, resetKey, urlFetch } from './commands/urlauth.ts';
import {
  type ExpungeWay,
  type MoveResult,
  type SortResult,
  type ThreadResult,
  expungeOnly,
  moveMessages,
  sortedUids,
  threadedUids,
} from './emulate.ts';
import { type IdleOptions, idleEvents } from './idle.ts';
import { type MailboxLock, MailboxLocks } from './mailbox-lock.ts';
import { capability } from './commands/capability.ts';
import { create } from './commands/create.ts';
import { deleteMailbox } from './commands/delete.ts';
import { enable } from './commands/enable.ts';
import { type FetchQuery, fetch } from './commands/fetch.ts';
import { id } from './commands/id.ts';
import { type ListOptions, type ListedMailbox, list } from './commands/list.ts';
import { logout, unauthenticate } from './commands/logout.ts';
import { type Namespaces, namespace } from './commands/namespace.ts';
import { check, noop } from './commands/noop.ts';
import { rename } from './commands/rename.ts';
import { type SelectOptions, type SelectedMailbox, leave, select } from './commands/select.ts';
import { startTls } from './commands/starttls.ts';
import { type MailboxStatus, type StatusItem, status } from './commands/status.ts';
import { subscribe } from './commands/subscribe.ts';
import type { ImapEventStream } from './events.ts';
import { FetchStream } from './fetch-stream.ts';
import { LiteralStream } from './literal-stream.ts';
import { logIn } from './login.ts';
import type { MailboxState } from './mailbox-state.ts';
import { ImapSession } from './session.ts';
import { type ImapOptions, type ImapTarget, type ResolvedImapTarget, resolveImapTarget } from './target.ts';
import type { SpecialUse } from './commands/list.ts';

/**
 * An IMAP session. Commands may be called concurrently, also inside the loops over what others answer: those that do not disturb one
 * another travel together, the rest wait for their turn. A refused command leaves the connection usable; after a timeout, an abort with
 * bytes under way, or a protocol error it is closed.
 *
 * @see RFC 9051, RFC 3501
 */
export class ImapClient implements AsyncDisposable {
  readonly #session: ImapSession;
  readonly #target: ResolvedImapTarget;
  readonly #locks = new MailboxLocks();
  #greeting = '';

  private constructor(connection: Connection, target: ResolvedImapTarget) {
    this.#session = new ImapSession(connection);
    this.#target = target;
    void connection.closed.then(({ error }) => this.#locks.close(error));
  }

  /** Connects, begins TLS unless told not to, and logs in when a user is given. Rejects with nothing left open. */
  static async connect(target: ImapTarget | undefined, options: ImapOptions = {}): Promise<ImapClient> {
    const resolved = resolveImapTarget(target, options);
    const connection = await dialServer(resolved, 'IMAP');
    const client = new ImapClient(connection, resolved);
    try {
      await client.#open({ signal: resolved.dial.signal });
      return client;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #open(call: CallOptions): Promise<void> {
    const session = this.#session;
    const { endpoint, credentials } = this.#target;
    const greeting = await session.start(call);
    this.#greeting = greeting.text;
    if (greeting.status === 'BYE') throw this.#byeAtGreeting(greeting);
    const { code } = greeting;
    if (code?.name === 'CAPABILITY' && 'capabilities' in code) session.features.set(code.capabilities);
    if (endpoint.tls === 'starttls') {
      // STARTTLS is not possible after a login: to go on would be to speak in the clear.
      if (greeting.status === 'PREAUTH') throw this.#noTls('the server considers this connection as logged in already');
      await this.#beginTls(call);
    } else if (greeting.status === 'PREAUTH') session.state = 'authenticated';
    if (session.features.capabilities.size === 0) await session.run(capability(), call);
    if (session.state === 'greeted' && credentials !== undefined) {
      session.features.stale = true;
      await logIn(session, this.#target, credentials, call);
      session.state = 'authenticated';
      // What is offered after the login may be more: the server says so, or is asked.
      if (session.features.stale) await session.run(capability(), call);
    }
    if (session.state === 'authenticated') await this.#greetBack(call);
  }

  async #beginTls(call: CallOptions): Promise<void> {
    const session = this.#session;
    if (session.features.capabilities.size === 0) await session.run(capability(), call);
    if (!session.has('STARTTLS')) throw this.#noTls('it does not offer STARTTLS');
    const answer = await session.run(startTls(this.#target.tls, call), call);
    if (answer.status !== 'OK') throw this.#noTls(`it answered STARTTLS with ${answer.status} ${answer.text}`);
    // Whatever was said in the clear may have been said by somebody else.
    session.features.drop();
    await session.run(capability(), call);
    if (session.features.capabilities.size === 0) throw this.#noTls('it does not say what it offers over TLS');
  }

  /** What is said once after the login: who we are, extensions, compression. */
  async #greetBack(call: CallOptions): Promise<void> {
    const session = this.#session;
    const { clientId, enable: wanted = [], compress: wantsCompression = false } = this.#target.given;
    if (clientId !== undefined && session.has('ID')) await session.run(id(clientId), call);
    const offered = wanted.filter((name) => session.has(name));
    if (offered.length > 0 && session.has('ENABLE')) await session.run(enable(offered), call);
    if (wantsCompression && session.has('COMPRESS=DEFLATE')) await session.run(compress(), call);
  }

  #byeAtGreeting(greeting: ImapStatus): ClosedError {
    const { host, port } = this.#session.connection;
    return new ClosedError(`IMAP server ${host}:${port} does not want us: ${greeting.text}`, {
      protocol: 'IMAP',
      phase: 'greeting',
      host,
      port,
      reason: greeting.code?.name,
      reply: { code: 'BYE', enhanced: greeting.code?.name, text: greeting.text },
    });
  }

  #noTls(why: string): TlsError {
    const { host, port } = this.#session.connection;
    return new TlsError(`IMAP server ${host}:${port} cannot begin TLS: ${why}`, {
      protocol: 'IMAP',
      reason: 'STARTTLS_UNAVAILABLE',
      hint: "use imaps://, or tls: 'none' if you accept that others can read your mail",
    });
  }

  // ---- what is known

  /** True when the server offers it: 'IDLE', 'COMPRESS=DEFLATE', 'AUTH=PLAIN'. What IMAP4rev2 includes counts. */
  has(name: string): boolean {
    return this.#session.has(name);
  }

  get capabilities(): Capabilities {
    return this.#session.features.capabilities;
  }

  /** Extensions that were switched on. */
  get enabled(): ReadonlySet<string> {
    return this.#session.features.enabled;
  }

  get greeting(): string {
    return this.#greeting;
  }

  get secure(): boolean {
    return this.#session.connection.secure;
  }

  get state(): ImapState {
    return this.#session.state;
  }

  /** The selected mailbox as it is now; undefined where none is. */
  get mailbox(): MailboxState | undefined {
    return this.#session.mailbox;
  }

  /** The mailbox that the URL named. */
  get targetMailbox(): string | undefined {
    return this.#target.mailbox;
  }

  /** The connection below, for what this class does not do. */
  get connection(): Connection {
    return this.#session.connection;
  }

  /** Settles when the connection has ended, with the reason. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#session.connection.closed;
  }

  /**
   * What the server says by itself, from now on: new messages, changed flags, alerts. Ends with the connection. A reader that is slow holds
   * the server back where nothing else waits for it.
   */
  events(): ImapEventStream {
    return this.#session.events();
  }

  /** Any command of your own: see `ImapCommand`. */
  run<T>(command: ImapCommand<T>, call: CallOptions = {}): Promise<T> {
    return this.#session.run(command, call);
  }

  // ---- any state

  capability(call: CallOptions = {}): Promise<void> {
    return this.#session.run(capability(), call);
  }

  noop(call: CallOptions = {}): Promise<void> {
    return this.#session.run(noop(), call);
  }

  /** Tells who we are; resolves with what the server says of itself. Needs ID. */
  id(
    fields: Readonly<Record<string, string>> | null = null,
    call: CallOptions = {},
  ): Promise<ReadonlyMap<string, string>> {
    return this.#session.run(id(fields), call);
  }

  /** Takes leave and closes the connection. Never rejects. */
  async logout(): Promise<void> {
    const { connection } = this.#session;
    if (this.#session.literalLeftBytes > 0) connection.destroy();
    if (this.#session.open) await this.#session.run(logout(), { timeoutMs: 10_000 }).catch(() => undefined);
    await connection.close();
  }

  /** Closes at once, without LOGOUT. */
  destroy(reason?: Error): void {
    this.#session.connection.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.logout();
  }

  // ---- mailboxes

  enable(capabilities: readonly string[], call: CallOptions = {}): Promise<readonly string[]> {
    return this.#session.run(enable(capabilities), call);
  }

  namespace(call: CallOptions = {}): Promise<Namespaces> {
    return this.#session.run(namespace(), call);
  }

  /**
   * Mailboxes whose names match; all by default. Special uses, children and subscriptions come along where the server can tell, and counts,
   * with `status`, in as few round trips as it allows.
   */
  async list(
    pattern: string | readonly string[] = '*',
    options: ListOptions = {},
    call: CallOptions = {},
  ): Promise<readonly ListedMailbox[]> {
    const session = this.#session;
    const extended = session.has('LIST-EXTENDED');
    const together = extended && session.has('LIST-STATUS');
    const { status: items, ...rest } = options;
    if (extended) {
      const found = await session.run(list(pattern, { ...(together ? options : rest), extended }), call);
      return items === undefined || together ? found : this.#withStatus(found, items, call);
    }
    const patterns = typeof pattern === 'string' ? [pattern] : pattern;
    // QUIRK(Gmail before SPECIAL-USE): XLIST tells what mailboxes are for.
    const remote = options.remote === true && session.has('MAILBOX-REFERRALS');
    const verb =
      options.subscribed === true
        ? remote
          ? 'RLSUB'
          : 'LSUB'
        : remote
          ? 'RLIST'
          : !session.has('SPECIAL-USE') && session.has('XLIST')
            ? 'XLIST'
            : 'LIST';
    const lists = await Promise.all(patterns.map((each) => session.run(list(each, { ...rest, extended, verb }), call)));
    const found = [...new Map(lists.flat().map((each) => [each.name, each])).values()].filter(
      (each) => options.specialUse !== true || each.specialUse !== undefined,
    );
    return items === undefined ? found : this.#withStatus(found, items, call);
  }

  async #withStatus(
    found: readonly ListedMailbox[],
    items: readonly StatusItem[],
    call: CallOptions,
  ): Promise<readonly ListedMailbox[]> {
    return Promise.all(
      found.map(async (mailbox) => {
        if (!mailbox.selectable) return mailbox;
        try {
          return { ...mailbox, status: await this.status(mailbox.name, items, call) };
        } catch (error) {
          // A mailbox that may not be looked at is still one that is there.
          if (error instanceof ReplyError) return mailbox;
          throw error;
        }
      }),
    );
  }

  /** Counts of a mailbox that need not be selected. */
  status(mailbox: string, items?: readonly StatusItem[], call: CallOptions = {}): Promise<MailboxStatus> {
    return this.#session.run(status(mailbox, items), call);
  }

  create(
    mailbox: string,
    options: CallOptions & { readonly specialUse?: SpecialUse | undefined } = {},
  ): Promise<{ readonly mailboxId: string | undefined }> {
    return this.#session.run(create(mailbox, options.specialUse), options);
  }

  /** Removes a mailbox and all messages in it. */
  delete(mailbox: string, call: CallOptions = {}): Promise<void> {
    return this.#session.run(deleteMailbox(mailbox), call);
  }

  rename(from: string, to: string, call: CallOptions = {}): Promise<void> {
    return this.#session.run(rename(from, to), call);
  }

  subscribe(mailbox: string, call: CallOptions = {}): Promise<void> {
    return this.#session.run(subscribe(mailbox, true), call);
  }

  unsubscribe(mailbox: string, call: CallOptions = {}): Promise<void> {
    return this.#session.run(subscribe(mailbox, false), call);
  }

  /** Opens a mailbox for reading and writing. What is selected before is left, nothing in it is removed. */
  select(mailbox: string, options: SelectOptions & CallOptions = {}): Promise<SelectedMailbox> {
    return this.#session.run(select(this.#session, mailbox, false, options), options);
  }

  /** Opens a mailbox for reading only. */
  examine(mailbox: string, options: SelectOptions & CallOptions = {}): Promise<SelectedMailbox> {
    return this.#session.run(select(this.#session, mailbox, true, options), options);
  }

  // ---- the selected mailbox

  /** CLOSE: removes the messages that are marked \Deleted, and leaves the mailbox. `unselect` leaves without removing. */
  closeMailbox(call: CallOptions = {}): Promise<void> {
    return this.#session.run(leave(this.#session, 'CLOSE'), call);
  }

  /** Leaves the mailbox; nothing is removed. Where the server has no UNSELECT, an EXAMINE of the same mailbox comes before CLOSE. */
  async unselect(call: CallOptions = {}): Promise<void> {
    if (this.has('UNSELECT')) return this.#session.run(leave(this.#session, 'UNSELECT'), call);
    const { mailbox } = this;
    if (mailbox !== undefined && !mailbox.readOnly) await this.examine(mailbox.name, call);
    return this.closeMailbox(call);
  }

  check(call: CallOptions = {}): Promise<void> {
    return this.#session.run(check(), call);
  }

  /**
   * Messages of the set, as they come; each with what was asked for. Other commands work inside the loop, and so does leaving it. Nothing is
   * marked as seen. Bodies are held one by one, up to `limits.messageBytes`: `download` streams.
   */
  fetch(
    messages: MessageSet,
    query: FetchQuery,
    call: CallOptions = {},
  ): AsyncIterableIterator<FetchedMessage, undefined> {
    const stream = new FetchStream(() => this.#session.resume());
    this.#session.run(fetch(messages, query, stream), call).catch((error: unknown) => stream.fail(error as Error));
    return stream;
  }

  /** As `fetch`, all at once. */
  async fetchAll(messages: MessageSet, query: FetchQuery, call: CallOptions = {}): Promise<readonly FetchedMessage[]> {
    const found: FetchedMessage[] = [];
    await this.#session.run(fetch(messages, query, { message: (message) => found.push(message) }), call);
    return found;
  }

  /** One message; undefined where it is not there. */
  async fetchOne(
    message: Uid | MessageSet,
    query: FetchQuery,
    call: CallOptions = {},
  ): Promise<FetchedMessage | undefined> {
    return (await this.fetchAll(message, query, call))[0];
  }

  /**
   * A message, or a section of it, as a stream, with back-pressure. Other commands work meanwhile: what is left of the stream is then taken
   * in. ReplyError where there is no such message or section.
   */
  download(
    message: Uid | MessageSet,
    section = '',
    options: CallOptions & { readonly binary?: boolean | undefined } = {},
  ): Promise<ByteStream> {
    const { byUid, set: named } = resolveSet(message);
    const set = byUid ? named : undefined;
    const wanted = `${options.binary === true ? 'BINARY' : 'BODY'}[${section.toUpperCase()}]`;
    if (sizeOf(message).size !== 1) return Promise.reject(new UsageError('download takes one message'));
    const session = this.#session;
    return new Promise((resolve, reject) => {
      let begun = false;
      const query: FetchQuery =
        options.binary === true ? { binary: [section] } : section === '' ? { source: true } : { sections: [section] };
      const begin = (stream: ByteStream): void => {
        begun = true;
        resolve(stream);
      };
      session
        .run(
          fetch(message, query, {
            literal({ section: item, uid, sizeBytes }) {
              // Another message, or a section that nobody asked for, is not this stream's.
              if (begun || item !== wanted || (uid !== undefined && set?.has(uid) === false)) return undefined;
              const sink = new LiteralStream(session);
              begin(new ByteStream(sink, sizeBytes));
              return sink;
            },
            message(fetched) {
              const only = fetched.sections.find((each) => each.item === wanted);
              // QUIRK(several servers): short sections come as quoted strings.
              if (!begun && only?.bytes != null) begin(new ByteStream(once(only.bytes), only.bytes.length));
            },
          }),
          options,
        )
        .then(() => {
          if (!begun)
            reject(
              new ProtocolError(`the server has no such ${section === '' ? 'message' : 'section'}`, {
                protocol: 'IMAP',
                reason: 'NO_SUCH_MESSAGE',
                reusable: true,
              }),
            );
        }, reject);
    });
  }

  /** Changes flags: `{ add: ['\\Seen'] }`. */
  store(messages: MessageSet, change: FlagChange, call: CallOptions = {}): Promise<StoreResult> {
    return this.#session.run(store(messages, change), call);
  }

  /** Copies messages; resolves with their new UIDs where the server tells. */
  copy(messages: MessageSet, mailbox: string, call: CallOptions = {}): Promise<CopiedUids | undefined> {
    return this.#session.run(transfer('COPY', messages, mailbox), call);
  }

  /** Moves messages, by MOVE or by what comes closest; the result tells which. */
  move(messages: MessageSet, mailbox: string, call: CallOptions = {}): Promise<MoveResult> {
    return moveMessages(this.#session, messages, mailbox, call);
  }

  /** Removes what is marked \Deleted; with messages given, no others. */
  async expunge(messages?: MessageSet, call: CallOptions = {}): Promise<ExpungeWay> {
    if (messages !== undefined) return expungeOnly(this.#session, messages, call);
    await this.#session.run(expunge(), call);
    return 'EXPUNGE';
  }

  /** Finds messages, by UID. A charset that the server does not know is a ReplyError with the reason BADCHARSET, never an empty result. */
  search(query: SearchQuery, options: SearchOptions & CallOptions = {}): Promise<SearchResult> {
    const { signal, timeoutMs, ...rest } = options;
    const asks = Object.values(rest).some((value) => value !== undefined && value !== false);
    const extended = this.has('ESEARCH');
    if (asks && !extended && (rest.save === true || rest.partial !== undefined || rest.update === true))
      return Promise.reject(new UnsupportedError('the server does not offer ESEARCH', { protocol: 'IMAP' }));
    if (rest.partial !== undefined && !this.has('PARTIAL') && !this.has('CONTEXT=SEARCH'))
      return Promise.reject(new UnsupportedError('the server does not offer PARTIAL', { protocol: 'IMAP' }));
    if (rest.update === true && !this.has('CONTEXT=SEARCH'))
      return Promise.reject(new UnsupportedError('the server does not offer CONTEXT=SEARCH', { protocol: 'IMAP' }));
    return this.#session.run(search(query, { ...rest, extended }), { signal, timeoutMs });
  }

  /** Ends the updates of searches, by their `tag`. */
  cancelUpdate(tags: readonly string[], call: CallOptions = {}): Promise<void> {
    return this.#session.run(cancelUpdate(tags), call);
  }

  /** Looks into several mailboxes at once. Needs MULTISEARCH. */
  multiSearch(
    scope: readonly SearchScope[],
    query: SearchQuery,
    call: CallOptions = {},
  ): Promise<readonly MailboxMatches[]> {
    return this.#session.run(multiSearch(scope, query), call);
  }

  /** UIDs in order, sorted by the server or here; the result tells which. */
  sort(keys: readonly SortKey[], query: SearchQuery = {}, call: CallOptions = {}): Promise<SortResult> {
    return sortedUids(this.#session, keys, query, call);
  }

  /** Threads of UIDs, made by the server or here; the result tells which. */
  thread(
    query: SearchQuery = {},
    algorithm: 'REFERENCES' | 'ORDEREDSUBJECT' | 'REFS' = 'REFERENCES',
    call: CallOptions = {},
  ): Promise<ThreadResult> {
    return threadedUids(this.#session, algorithm, query, call);
  }

  /** Adds a message. A source with `sizeBytes` is streamed, never held. */
  async append(mailbox: string, message: ByteSource, options: AppendOptions & CallOptions = {}): Promise<AppendResult> {
    const prepared = await sized(message, options, this.#session.connection.limits.messageBytes);
    return this.#session.run(append(mailbox, [prepared]), { signal: options.signal, timeoutMs: options.timeoutMs });
  }

  /** Adds many messages, in as few round trips as the server allows. */
  appendAll(
    mailbox: string,
    messages: Iterable<AppendMessage> | AsyncIterable<AppendMessage>,
    call: CallOptions = {},
  ): Promise<AppendAllResult> {
    return appendAll(this.#session, mailbox, messages, call);
  }

  /** Puts a message together on the server. Needs CATENATE. */
  catenate(
    mailbox: string,
    parts: readonly CatenatePart[],
    flags: readonly string[] = [],
    call: CallOptions = {},
  ): Promise<AppendResult> {
    return this.#session.run(catenate(mailbox, parts, flags), call);
  }

  /** Puts a message in the place of another. Needs REPLACE. */
  async replace(
    old: Uid,
    mailbox: string,
    message: ByteSource,
    options: AppendOptions & CallOptions = {},
  ): Promise<AppendResult> {
    const prepared = await sized(message, options, this.#session.connection.limits.messageBytes);
    return this.#session.run(replace(old, mailbox, prepared), { signal: options.signal, timeoutMs: options.timeoutMs });
  }

  /** Waits for news, for as long as the loop runs. Other commands may be given meanwhile. Where there is no IDLE, the server is asked. */
  idle(options: IdleOptions = {}): ImapEventStream {
    return idleEvents(this.#session, options);
  }

  /**
   * Selects a mailbox and keeps it selected until released: others who ask wait for their turn. TimeoutError names who holds it. A lock given
   * out twice, or back twice, is not possible.
   */
  lock(
    mailbox: string,
    options: SelectOptions & { readonly readOnly?: boolean | undefined } & CallOptions = {},
  ): Promise<MailboxLock> {
    const { timeoutMs, signal, readOnly = false, ...rest } = options;
    const isOpen = (): boolean =>
      this.mailbox?.name === mailbox && this.mailbox.readOnly === readOnly && Object.keys(rest).length === 0;
    return this.#locks.acquire(
      mailbox,
      async () =>
        isOpen()
          ? undefined
          : readOnly
            ? this.examine(mailbox, { ...rest, signal })
            : this.select(mailbox, { ...rest, signal }),
      { timeoutMs, signal },
    );
  }

  // ---- extensions

  /** Compresses the conversation from here on. Needs COMPRESS=DEFLATE. */
  compress(call: CallOptions = {}): Promise<void> {
    return this.#session.run(compress(), call);
  }

  getQuota(root: string, call: CallOptions = {}): Promise<Quota> {
    return this.#session.run(getQuota(root), call);
  }

  /** The quotas that a mailbox counts towards. */
  getQuotaRoot(mailbox: string, call: CallOptions = {}): Promise<readonly Quota[]> {
    return this.#session.run(getQuotaRoot(mailbox), call);
  }

  setQuota(root: string, limits: Readonly<Record<string, number>>, call: CallOptions = {}): Promise<Quota | undefined> {
    return this.#session.run(setQuota(root, limits), call);
  }

  getAcl(mailbox: string, call: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    return this.#session.run(getAcl(mailbox), call);
  }

  setAcl(mailbox: string, identifier: string, rights: string, call: CallOptions = {}): Promise<void> {
    return this.#session.run(setAcl(mailbox, identifier, rights), call);
  }

  deleteAcl(mailbox: string, identifier: string, call: CallOptions = {}): Promise<void> {
    return this.#session.run(deleteAcl(mailbox, identifier), call);
  }

  listRights(
    mailbox: string,
    identifier: string,
    call: CallOptions = {},
  ): Promise<{ readonly required: string; readonly optional: readonly string[] }> {
    return this.#session.run(listRights(mailbox, identifier), call);
  }

  myRights(mailbox: string, call: CallOptions = {}): Promise<string> {
    return this.#session.run(myRights(mailbox), call);
  }

  /** Annotations of a mailbox, or, with '', of the server. */
  getMetadata(
    mailbox: string,
    entries: readonly string[],
    options: MetadataOptions & CallOptions = {},
  ): Promise<ReadonlyMap<string, string | null>> {
    return this.#session.run(getMetadata(mailbox, entries, options), options);
  }

  setMetadata(
    mailbox: string,
    entries: Readonly<Record<string, string | null>>,
    call: CallOptions = {},
  ): Promise<void> {
    return this.#session.run(setMetadata(mailbox, entries), call);
  }

  /** Asks to hear of changes in mailboxes that are not selected; they come as events. Needs NOTIFY. */
  notify(
    groups: readonly NotifyGroup[] | null,
    options: { readonly status?: boolean | undefined } & CallOptions = {},
  ): Promise<void> {
    return this.#session.run(notify(groups, options.status), options);
  }

  language(tags: readonly string[] = [], call: CallOptions = {}): Promise<readonly string[]> {
    return this.#session.run(language(tags), call);
  }

  comparator(names: readonly string[] = [], call: CallOptions = {}): Promise<string | undefined> {
    return this.#session.run(comparator(names), call);
  }

  generateUrlAuth(urls: readonly string[], call: CallOptions = {}): Promise<readonly string[]> {
    return this.#session.run(generateUrlAuth(urls), call);
  }

  resetKey(mailbox: string, call: CallOptions = {}): Promise<void> {
    return this.#session.run(resetKey(mailbox), call);
  }

  urlFetch(urls: readonly string[], call: CallOptions = {}): Promise<ReadonlyMap<string, Uint8Array | null>> {
    return this.#session.run(urlFetch(urls), call);
  }

  /** Back to the state before the login. Needs UNAUTHENTICATE. */
  async unauthenticate(call: CallOptions = {}): Promise<void> {
    const session = this.#session;
    await session.run(unauthenticate(), call);
    session.deselect();
    session.state = 'greeted';
    session.features.enabled.clear();
    session.features.drop();
    await session.run(capability(), call);
  }

  /** Logs in with other credentials, after `unauthenticate` or on a connection that was made without. */
  async login(credentials: Credentials, call: CallOptions = {}): Promise<void> {
    const session = this.#session;
    session.features.stale = true;
    await logIn(session, this.#target, credentials, call);
    session.state = 'authenticated';
    if (session.features.stale) await session.run(capability(), call);
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function sizeOf(message: MessageSet): { size: number } {
  const { set } = resolveSet(message);
  return {
    size: set === undefined ? 1 : set.ranges.length === 1 && set.ranges[0]?.[0] === set.ranges[0]?.[1] ? 1 : set.size,
  };
}
