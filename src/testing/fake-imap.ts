import { ClosedError } from '../errors.ts';
import { encodeText } from '../wire/bytes.ts';
import type { Connection } from '../socket/connection.ts';
import { FakeServer, type FakeServerOptions } from './fake-server.ts';
import { type Folder, type FolderMessage, ImapAccount } from './imap-account.ts';
import { ImapServerSession, type ImapServerOptions, maskImapLogin } from './imap-session.ts';
import { type ImapProfile, profiles } from './imap-profiles.ts';
import { MailStore } from './mail-store.ts';

export interface FakeImapOptions extends FakeServerOptions {
  /** Where the mail is. Default: a new, empty store. */
  readonly store?: MailStore | undefined;
  /** What is offered: false takes one away, true adds it. 'AUTH=PLAIN' and the like count too. */
  readonly capabilities?: Readonly<Record<string, boolean>> | undefined;
  /** Behave as that server does: what it offers, names, and oddities. */
  readonly profile?: ImapProfile | undefined;
  /** The greeting as a whole line without its end. Default: `* OK [CAPABILITY …] postwire fake`. */
  readonly greeting?: string | undefined;
  /** Folders beside INBOX, and what they are for ('\\Sent'). Default: Drafts, Sent, Junk, Trash, Archive. */
  readonly folders?: Readonly<Record<string, string | null>> | undefined;
  /** Largest message that APPEND takes. Default: no limit. */
  readonly maxMessageBytes?: number | undefined;
  /** Bytes that an account may hold. */
  readonly quotaBytes?: number | undefined;
}

const defaultFolders: Readonly<Record<string, string | null>> = {
  Drafts: '\\Drafts',
  Sent: '\\Sent',
  Junk: '\\Junk',
  Trash: '\\Trash',
  Archive: '\\Archive',
};

/**
 * An IMAP server for tests, made of the client's own codec, over the store that the other fake servers share. Without `users` everybody is
 * logged in as 'user' by any password.
 */
export class FakeImap extends FakeServer {
  readonly #options: FakeImapOptions;
  readonly store: MailStore;
  readonly #accounts = new Map<string, ImapAccount>();
  readonly #sessions = new Set<ImapServerSession>();

  private constructor(options: FakeImapOptions) {
    super(options, (code, text) => encodeText(`<tag> ${code} ${text.replace(/[\r\n\0]+/g, ' ')}\r\n`));
    this.#options = options;
    this.store = options.store ?? new MailStore();
  }

  static async start(options: FakeImapOptions = {}): Promise<FakeImap> {
    const server = new FakeImap(options);
    await server.start(options, 'IMAP', (connection) => server.#talk(connection), maskImapLogin);
    return server;
  }

  /** Ready for a client, with the first user where there is one. Over TLS the client must trust `ca`. */
  get url(): string {
    const [user] = Object.entries(this.#options.users ?? {});
    const login = user === undefined ? '' : `${encodeURIComponent(user[0])}:${encodeURIComponent(user[1])}@`;
    const host = `${login}${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
    if (this.tlsMode === 'implicit') return `imaps://${host}`;
    return this.tlsMode === 'starttls'
      ? `imap+starttls://${host}`
      : `imap://${host}?tls=none${user === undefined ? '' : '&allowInsecureAuth=true'}`;
  }

  /** A user's folders, to look into and to change under the client's eyes. Default: the first user. */
  account(user: string = Object.keys(this.#options.users ?? {})[0] ?? 'user'): ImapAccount {
    const known = this.#accounts.get(user);
    if (known !== undefined) return known;
    const profile = profiles[this.#options.profile ?? 'none'];
    const folders = this.#options.folders ?? profile.folders ?? defaultFolders;
    const account = new ImapAccount(this.store, user, {
      delimiter: profile.delimiter,
      folders: Object.entries(folders).map(([name, use]) => [name, use ?? undefined]),
    });
    account.quotaBytes = this.#options.quotaBytes;
    this.#accounts.set(user, account);
    return account;
  }

  /** A folder of the first user's; undefined where there is none of that name. */
  folder(name: string, user?: string): Folder | undefined {
    return this.account(user).folders.get(name);
  }

  /** Puts a message into a folder, as if it had just come. */
  deliver(
    raw: string | Uint8Array,
    options: { readonly folder?: string; readonly user?: string; readonly flags?: readonly string[] } = {},
  ): FolderMessage {
    const account = this.account(options.user);
    const name = options.folder ?? 'INBOX';
    const folder = account.folders.get(name) ?? account.create(name);
    return account.append(folder, { raw: typeof raw === 'string' ? encodeText(raw) : raw, flags: options.flags });
  }

  /** Sends a line, without its end, to every session that is logged in: `* OK [ALERT] …`. */
  push(line: string): void {
    for (const session of this.#sessions) session.push(line);
  }

  /** Says BYE to everybody and closes their connections. */
  async bye(text = 'shutting down'): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.bye(text)));
  }

  async #talk(connection: Connection): Promise<void> {
    const options: ImapServerOptions = {
      users: this.#options.users,
      tokens: this.#options.tokens,
      capabilities: this.#options.capabilities ?? {},
      greeting: this.#options.greeting,
      maxMessageBytes: this.#options.maxMessageBytes,
      profile: profiles[this.#options.profile ?? 'none'],
      tls: this.tlsMode === 'starttls' ? this.serverTls : undefined,
      account: (user) => this.account(user),
    };
    const session = new ImapServerSession(connection, options, async (verb, argument, tag) => {
      const rule = this.script.find(verb, { argument });
      if (rule === undefined) return 'normal';
      const outcome = await rule.perform(connection, (bytes) => withTag(bytes, tag));
      if (outcome.kind === 'gone') throw new ClosedError('the script ended the conversation');
      return outcome.kind === 'normal' ? outcome.inject : 'replied';
    });
    this.#sessions.add(session);
    try {
      await session.run();
    } finally {
      this.#sessions.delete(session);
    }
  }
}

/** Starts a fake IMAP server on loopback. */
export const fakeImap = (options?: FakeImapOptions): Promise<FakeImap> => FakeImap.start(options);

/** Scripted answers name the command's tag as `<tag>`. */
function withTag(bytes: Uint8Array, tag: string): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  return text.includes('<tag>') ? Buffer.from(text.replaceAll('<tag>', tag), 'latin1') : bytes;
}
