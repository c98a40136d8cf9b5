import { timingSafeEqual } from 'node:crypto';
import { ClosedError, PostwireError } from '../errors.ts';
import { type FrameEvent, ImapFramer } from '../imap/codec/framer.ts';
import { deflateLayer } from '../socket/deflate.ts';
import { type ImapReader, readMailbox } from '../imap/codec/reader.ts';
import { encodeStatus } from '../imap/codec/response.ts';
import { encodeUtf7 } from '../imap/codec/utf7.ts';
import { type Mechanism, findMechanism } from '../sasl/index.ts';
import { accountsOf, offeredMechanisms } from './logins.ts';
import type { Connection } from '../socket/connection.ts';
import type { ServerTlsOptions } from '../socket/tls.ts';
import { decodeText, encodeText, latin1 } from '../wire/bytes.ts';
import { lineDecoder } from '../wire/line.ts';
import type { Folder, FolderMessage, ImapAccount } from './imap-account.ts';
import type { ImapProfileSettings } from './imap-profiles.ts';
import { ResponseWriter } from './imap-render.ts';
import { BadSearch } from './imap-search.ts';
import { type Completion, Refusal, type VerbSession, type View } from './imap-verb.ts';
import { verbs } from './imap-verbs.ts';

export interface ImapServerOptions {
  readonly users: Readonly<Record<string, string>> | undefined;
  readonly tokens: Readonly<Record<string, string>> | undefined;
  readonly capabilities: Readonly<Record<string, boolean>>;
  readonly greeting: string | undefined;
  readonly maxMessageBytes: number | undefined;
  readonly profile: ImapProfileSettings;
  readonly tls: ServerTlsOptions | undefined;
  readonly account: (user: string) => ImapAccount;
}

/** Asks the script what to do with a command. */
export type AskScript = (verb: string, argument: string, tag: string) => Promise<'normal' | 'replied' | Uint8Array>;

/** The secrets of a login never reach the transcript. */
export const maskImapLogin = (line: string): string =>
  line.replace(/^(\S+ (?:LOGIN +(?:"(?:[^"\\]|\\.)*"|\S+)|AUTHENTICATE +\S+)) +\S.*$/is, '$1 ***');

const MAX_LINE = 64 * 1024;
const MAX_LITERAL = 256 * 1024 * 1024;

/** What the fake can do. */
const offered = [
  'IMAP4rev1',
  'IMAP4rev2',
  'LITERAL+',
  'SASL-IR',
  'ID',
  'ENABLE',
  'IDLE',
  'MOVE',
  'UIDPLUS',
  'UNSELECT',
  'NAMESPACE',
  'CHILDREN',
  'SPECIAL-USE',
  'CREATE-SPECIAL-USE',
  'LIST-EXTENDED',
  'LIST-STATUS',
  'LIST-MYRIGHTS',
  'CONDSTORE',
  'QRESYNC',
  'ESEARCH',
  'SEARCHRES',
  'SORT',
  'ESORT',
  'THREAD=REFERENCES',
  'THREAD=ORDEREDSUBJECT',
  'WITHIN',
  'PARTIAL',
  'SEARCH=FUZZY',
  'COMPRESS=DEFLATE',
  'BINARY',
  'MULTIAPPEND',
  'REPLACE',
  'QUOTA',
  'QUOTA=RES-STORAGE',
  'ACL',
  'METADATA',
  'UTF8=ACCEPT',
  'OBJECTID',
  'PREVIEW',
  'SAVEDATE',
  'STATUS=SIZE',
  'UNAUTHENTICATE',
];

/** One connection of a fake IMAP server. */
export class ImapServerSession implements VerbSession {
  readonly connection: Connection;
  readonly options: ImapServerOptions;
  readonly #ask: AskScript;
  readonly #framer: ImapFramer;
  #pending: Uint8Array[] = [];
  #account: ImapAccount | undefined;
  view: View | undefined;
  readonly enabled = new Set<string>();
  /** CONDSTORE is on for this session. */
  condStore = false;
  /** The result of the last search that was to be kept, by UID. */
  saved: ReadonlySet<number> = new Set();
  /** What the session asked to hear of, by NOTIFY or IDLE. */
  #idling = false;
  #done = false;
  tag = '';

  constructor(connection: Connection, options: ImapServerOptions, ask: AskScript) {
    this.connection = connection;
    this.options = options;
    this.#ask = ask;
    this.#framer = new ImapFramer({ lineBytes: MAX_LINE, literalBytes: MAX_LITERAL, totalBytes: 2 * MAX_LITERAL });
  }

  // ---- what the verbs use

  get account(): ImapAccount {
    if (this.#account === undefined) throw new Refusal('BAD', 'Log in first');
    return this.#account;
  }

  get loggedIn(): boolean {
    return this.#account !== undefined;
  }

  get selected(): View {
    if (this.view === undefined) throw new Refusal('BAD', 'Select a mailbox first');
    return this.view;
  }

  get utf8(): boolean {
    return this.enabled.has('UTF8=ACCEPT') || this.enabled.has('IMAP4REV2');
  }

  has(capability: string): boolean {
    return this.capabilities().some((each) => each.toUpperCase() === capability);
  }

  folder(name: string): Folder {
    const folder = this.account.folders.get(name);
    if (folder === undefined)
      throw new Refusal('NO', `No such mailbox: ${name}`.replace(/[^\u0020-\u007e]/g, '?'), 'TRYCREATE');
    return folder;
  }

  mailboxName(reader: ImapReader): string {
    const name = readMailbox(reader, this.utf8);
    return name;
  }

  writeName(writer: ResponseWriter, name: string): ResponseWriter {
    if (this.utf8)
      return /[^\u0020-\u007e]/.test(name) ? writer.text(`"${name.replace(/["\\]/g, '\\$&')}"`) : writer.string(name);
    const wire = encodeUtf7(name);
    return /[^\u0001-\u007f]/.test(wire)
      ? writer.literal(Uint8Array.from(wire, (each) => each.charCodeAt(0)))
      : this.#quotedName(writer, wire);
  }

  #quotedName(writer: ResponseWriter, wire: string): ResponseWriter {
    return /[\r\n]/.test(wire) ? writer.literal(encodeText(wire)) : writer.text(`"${wire.replace(/["\\]/g, '\\$&')}"`);
  }

  untagged(text: string): void {
    this.#pending.push(encodeText(`* ${text}\r\n`));
  }

  write(writer: ResponseWriter): void {
    this.#pending.push(...writer.line());
  }

  capabilities(): string[] {
    const { profile, capabilities, tls, maxMessageBytes } = this.options;
    const needsTls = tls !== undefined && !this.connection.secure;
    const base = [...(profile.capabilities ?? offered)].filter(
      (each) => !each.startsWith('APPENDLIMIT') || maxMessageBytes === undefined,
    );
    if (maxMessageBytes !== undefined) base.push(`APPENDLIMIT=${maxMessageBytes}`);
    if (needsTls) base.push('STARTTLS', 'LOGINDISABLED');
    else if (!this.loggedIn) base.push(...this.#mechanisms().map((mechanism) => `AUTH=${mechanism.name}`));
    const found = base.filter((each) => capabilities[each] !== false);
    for (const [name, on] of Object.entries(capabilities)) if (on && !found.includes(name)) found.push(name);
    return found;
  }

  // ---- the conversation

  async run(): Promise<void> {
    const { connection } = this;
    try {
      await this.#scripted('CONNECT', '', '', () => {
        const { greeting } = this.options;
        this.#pending.push(
          encodeText(`${greeting ?? `* OK [CAPABILITY ${this.capabilities().join(' ')}] postwire fake`}\r\n`),
        );
        if (greeting?.toUpperCase().startsWith('* PREAUTH') === true)
          this.#enter(Object.keys(this.options.users ?? {})[0] ?? 'user');
        if (greeting?.toUpperCase().startsWith('* BYE') === true) this.#done = true;
      });
      while (!this.#done) {
        const shown = this.#framer.inLiteral ? 'body' : 'text';
        const ready = connection.tryRead(this.#framer.decode, shown);
        if (ready === undefined) await this.#flush();
        await this.#event(ready ?? (await connection.read(this.#framer.decode, { phase: 'idle', shown })));
      }
      await this.#flush();
      await connection.close(100);
    } catch (error) {
      // Clients may leave without LOGOUT.
      if (!(error instanceof ClosedError)) throw error;
    } finally {
      this.#account?.changes.off('change', this.#onChange);
    }
  }

  async #event(event: FrameEvent): Promise<void> {
    if (event.kind === 'literal') {
      const { maxMessageBytes = MAX_LITERAL } = this.options;
      if (event.sizeBytes > maxMessageBytes && event.synchronizing) {
        this.#framer.drop();
        this.#pending.push(encodeStatus(tagOf(this.#firstLine ?? event.line), 'NO', 'Too large', 'TOOBIG'));
      } else if (event.synchronizing) {
        this.#pending.push(encodeText('+ Ready\r\n'));
        await this.#flush();
      }
      if (event.first) this.#firstLine = event.line;
      return;
    }
    if (event.kind === 'span') return;
    this.#firstLine = undefined;
    await this.#command(event.reader);
  }

  #firstLine: string | undefined;

  async #command(reader: ImapReader): Promise<void> {
    const match = /^([^\s(){%*"\\+]+) ([A-Za-z0-9.-]+)/.exec(reader.text);
    if (match === null) {
      this.#pending.push(
        encodeStatus(/^[^\s(){%*"\\+]+(?= )/.exec(reader.text)?.[0] ?? '*', 'BAD', 'That is no command'),
      );
      return;
    }
    this.tag = match[1] as string;
    let verb = (match[2] as string).toUpperCase();
    reader.at = match[0].length;
    reader.spaces();
    const byUid = verb === 'UID';
    if (byUid) {
      verb = reader.ended ? '' : reader.atom().toUpperCase();
      reader.spaces();
    }
    const name = byUid ? `UID ${verb}` : verb;
    const argument = reader.text.slice(reader.at);
    const { tag } = this;
    await this.#scripted(name, argument, tag, async () => {
      try {
        const completion = await this.#perform(name, verb, byUid, reader);
        if (completion !== undefined)
          this.#pending.push(encodeStatus(tag, 'OK', completion.text ?? 'Done', completion.code));
      } catch (error) {
        if (error instanceof Refusal) this.#pending.push(encodeStatus(tag, error.status, error.message, error.code));
        else if (error instanceof BadSearch || (error instanceof PostwireError && error.code === 'PROTOCOL'))
          this.#pending.push(encodeStatus(tag, 'BAD', error.message));
        else throw error;
      }
    });
  }

  async #perform(name: string, verb: string, byUid: boolean, reader: ImapReader): Promise<Completion | undefined> {
    switch (name) {
      case 'CAPABILITY':
        this.untagged(`CAPABILITY ${this.capabilities().join(' ')}`);
        return {};
      case 'LOGOUT':
        this.untagged('BYE Bye');
        this.#done = true;
        return {};
      case 'STARTTLS':
        return this.#startTls();
      case 'LOGIN':
        return this.#login(reader);
      case 'AUTHENTICATE':
        return this.#authenticate(reader);
      case 'IDLE':
        return this.#idle();
      case 'COMPRESS':
        return this.#compress(reader);
      case 'UNAUTHENTICATE':
        this.#account?.changes.off('change', this.#onChange);
        this.#account = undefined;
        this.view = undefined;
        this.enabled.clear();
        return {};
    }
    const handler = verbs.get(verb);
    if (
      handler === undefined ||
      (handler.needs !== undefined && !this.has(handler.needs)) ||
      (byUid && handler.byUid !== true)
    )
      throw new Refusal('BAD', `Unknown command ${name}`);
    if (verb !== 'NOOP' && verb !== 'ID') void this.account;
    this.#account?.sync();
    const completion = await handler.run({ session: this, reader, byUid });
    this.tellChanges(handler.keepsSequence !== true || byUid);
    return completion;
  }

  /** Tells what changed in the selected folder since it was last told. */
  tellChanges(expunges: boolean): void {
    const { view } = this;
    if (view === undefined) return;
    const { folder } = view;
    if (view.modSeq === folder.highestModSeq && view.messages.length === folder.messages.length) return;
    const present = new Set(folder.messages);
    let messages = view.messages;
    if (expunges) {
      const gone = messages.filter((message) => !present.has(message));
      if (gone.length > 0 && this.enabled.has('QRESYNC'))
        this.untagged(`VANISHED ${gone.map((message) => message.uid).join(',')}`);
      else
        for (let index = messages.length - 1; index >= 0; index--)
          if (!present.has(messages[index] as FolderMessage)) this.untagged(`${index + 1} EXPUNGE`);
      if (gone.length > 0) messages = messages.filter((message) => present.has(message));
    }
    const known = new Set(messages);
    const added = folder.messages.filter((message) => !known.has(message));
    const changed = messages.filter((message) => message.modSeq > view.modSeq && present.has(message));
    view.messages = [...messages, ...added];
    if (added.length > 0) {
      this.untagged(`${view.messages.length} EXISTS`);
      this.untagged(`${added.filter((message) => message.flags.has('\\Recent')).length} RECENT`);
    }
    for (const message of changed) this.tellFlags(message, view);
    view.modSeq = folder.highestModSeq;
  }

  tellFlags(message: FolderMessage, view: View, withUid = this.options.profile.quirks.storeWithoutUid !== true): void {
    const sequence = view.messages.indexOf(message) + 1;
    const modSeq = this.condStore ? ` MODSEQ (${message.modSeq})` : '';
    this.untagged(
      `${sequence} FETCH (${withUid ? `UID ${message.uid} ` : ''}FLAGS (${[...message.flags].join(' ')})${modSeq})`,
    );
  }

  // ---- pushed by the test

  push(line: string): void {
    this.connection.write([{ bytes: encodeText(`${line}\r\n`), shown: line }]).catch(() => undefined);
  }

  async bye(text: string): Promise<void> {
    this.push(`* BYE ${text}`);
    await this.connection.close(100);
  }

  readonly #onChange = (folder: Folder): void => {
    if (!this.#idling || this.view?.folder !== folder) return;
    queueMicrotask(() => {
      if (!this.#idling) return;
      this.tellChanges(true);
      void this.#flush().catch(() => undefined);
    });
  };

  // ---- writing

  async #scripted(verb: string, argument: string, tag: string, usual: () => void | Promise<void>): Promise<void> {
    if (this.#pending.length > 64 || this.connection.pendingBytes === 0) await this.#flush();
    const outcome = await this.#ask(verb, argument, tag);
    if (outcome === 'replied') return;
    if (outcome !== 'normal' && outcome.length > 0 && (verb === 'STARTTLS' || verb === 'COMPRESS')) {
      this.#pending.push(encodeStatus(tag, 'OK', 'Begin'), outcome);
      await this.#flush();
      return;
    }
    await usual();
    if (outcome !== 'normal' && outcome.length > 0) this.#pending.push(outcome);
  }

  async #flush(): Promise<void> {
    const parts = this.#pending.map((bytes) =>
      bytes.length < 300 ? { bytes, shown: latin1(bytes).trimEnd() } : bytes,
    );
    this.#pending = [];
    if (parts.length > 0) await this.connection.write(parts);
  }

  // ---- login

  #mechanisms(): Mechanism[] {
    return offeredMechanisms(this.options, this.connection);
  }

  #enter(user: string): Completion {
    this.#account = this.options.account(user);
    this.#account.changes.on('change', this.#onChange);
    return { text: 'Logged in', code: `CAPABILITY ${this.capabilities().join(' ')}` };
  }

  async #startTls(): Promise<Completion | undefined> {
    const { tls } = this.options;
    if (tls === undefined || this.connection.secure || this.loggedIn)
      throw new Refusal('BAD', 'STARTTLS is not available');
    if (this.connection.pendingBytes > 0) throw new ClosedError('plaintext behind STARTTLS');
    this.#pending.push(encodeStatus(this.tag, 'OK', 'Begin TLS'));
    await this.#flush();
    await this.connection.startTls(tls);
    return undefined;
  }

  #login(reader: ImapReader): Completion {
    if (this.loggedIn) throw new Refusal('BAD', 'Already logged in');
    const { users, tls } = this.options;
    const user = reader.string();
    reader.spaces();
    const password = reader.string();
    if (tls !== undefined && !this.connection.secure) throw new Refusal('NO', 'TLS first', 'PRIVACYREQUIRED');
    if (users === undefined) return this.#enter(user);
    const expected = Object.hasOwn(users, user) ? users[user] : undefined;
    if (expected === undefined || !same(expected, password))
      throw new Refusal('NO', 'Wrong user or password', 'AUTHENTICATIONFAILED');
    return this.#enter(user);
  }

  async #authenticate(reader: ImapReader): Promise<Completion> {
    if (this.loggedIn) throw new Refusal('BAD', 'Already logged in');
    const { tls } = this.options;
    if (tls !== undefined && !this.connection.secure) throw new Refusal('NO', 'TLS first', 'PRIVACYREQUIRED');
    const mechanism = findMechanism(reader.atom(), this.#mechanisms());
    if (mechanism === undefined) throw new Refusal('NO', 'Mechanism not available');
    const server = mechanism.server(accountsOf(this.options, this.connection), this.connection.channelBinding);
    reader.spaces();
    const initial = reader.ended ? undefined : reader.rest();
    let response = initial === undefined ? undefined : Buffer.from(initial === '=' ? '' : initial, 'base64');
    const decodeLine = lineDecoder(MAX_LINE);
    for (;;) {
      const step = await server.next(response);
      if (step.kind === 'failure') throw new Refusal('NO', step.text, 'AUTHENTICATIONFAILED');
      if (step.kind === 'success') return this.#enter(step.user);
      this.#pending.push(encodeText(`+ ${Buffer.from(step.data).toString('base64')}\r\n`));
      await this.#flush();
      const line = decodeText(await this.connection.read(decodeLine, { shown: 'secret' }));
      if (line === '*') throw new Refusal('BAD', 'Login given up');
      response = Buffer.from(line, 'base64');
    }
  }

  // ---- waiting, compression

  async #idle(): Promise<Completion> {
    if (!this.has('IDLE')) throw new Refusal('BAD', 'Unknown command IDLE');
    void this.account;
    this.#account?.sync();
    this.#pending.push(encodeText('+ idling\r\n'));
    this.tellChanges(true);
    // From here on: what changes while this is on its way is told behind it.
    this.#idling = true;
    try {
      await this.#flush();
      const line = decodeText(await this.connection.read(lineDecoder(MAX_LINE), { phase: 'idle' }));
      if (line.toUpperCase() !== 'DONE') throw new Refusal('BAD', 'DONE was expected');
    } finally {
      this.#idling = false;
    }
    return { text: 'Idle is over' };
  }

  async #compress(reader: ImapReader): Promise<Completion | undefined> {
    if (!this.has('COMPRESS=DEFLATE') || reader.rest().toUpperCase() !== 'DEFLATE')
      throw new Refusal('NO', 'No such compression');
    this.#pending.push(encodeStatus(this.tag, 'OK', 'Compressing'));
    // The switch comes before the client can know of it: its first compressed bytes must not be waiting here already.
    const flushed = this.#flush();
    this.connection.flush();
    this.connection.wrap(deflateLayer);
    await flushed;
    return undefined;
  }
}

const tagOf = (line: string): string => /^\S+/.exec(line)?.[0] ?? '*';

const same = (left: string, right: string): boolean => {
  const [a, b] = [encodeText(left), encodeText(right)];
  return a.length === b.length && timingSafeEqual(a, b);
};
