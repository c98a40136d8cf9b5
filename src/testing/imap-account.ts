import { EventEmitter } from 'node:events';
import type { MailStore, StoredMail } from './mail-store.ts';
import { Mailbox } from './mailbox.ts';

/** A message in a folder of a fake IMAP account. */
export interface FolderMessage {
  readonly uid: number;
  readonly flags: Set<string>;
  readonly raw: Uint8Array;
  readonly internalDate: Date;
  readonly savedAt: Date;
  modSeq: bigint;
  /** The same for all copies. */
  readonly emailId: string;
  /** Set where the message also lies in the store that all protocols share. */
  readonly mail: StoredMail | undefined;
}

export interface NewMessage {
  readonly raw: Uint8Array;
  readonly flags?: readonly string[] | undefined;
  readonly internalDate?: Date | undefined;
  readonly emailId?: string | undefined;
  readonly mail?: StoredMail | undefined;
}

/** What is gone, for QRESYNC. */
export interface Vanished {
  readonly uid: number;
  readonly modSeq: bigint;
}

/** A mailbox of a fake account. */
export class Folder {
  name: string;
  readonly account: ImapAccount;
  readonly id: string;
  uidValidity: number;
  uidNext = 1;
  highestModSeq = 1n;
  messages: FolderMessage[] = [];
  vanished: Vanished[] = [];
  subscribed = false;
  specialUse: string | undefined;
  /** Rights by identifier (RFC 4314). */
  readonly acl = new Map<string, string>();
  /** Annotations (RFC 5464). */
  readonly metadata = new Map<string, string>();

  constructor(account: ImapAccount, name: string, uidValidity: number, specialUse?: string) {
    this.account = account;
    this.name = name;
    this.uidValidity = uidValidity;
    this.specialUse = specialUse;
    this.id = `F${uidValidity}`;
  }

  add(message: NewMessage): FolderMessage {
    const added: FolderMessage = {
      uid: this.uidNext++,
      flags: new Set(message.flags ?? []),
      raw: message.raw,
      internalDate: message.internalDate ?? new Date(),
      savedAt: new Date(),
      modSeq: ++this.highestModSeq,
      emailId: message.emailId ?? this.account.newEmailId(),
      mail: message.mail,
    };
    this.messages.push(added);
    this.changed();
    return added;
  }

  setFlags(message: FolderMessage, flags: Iterable<string>): void {
    message.flags.clear();
    for (const flag of flags) message.flags.add(flag);
    message.modSeq = ++this.highestModSeq;
    this.changed();
  }

  remove(gone: ReadonlySet<FolderMessage>): void {
    if (gone.size === 0) return;
    const modSeq = ++this.highestModSeq;
    this.messages = this.messages.filter((message) => !gone.has(message));
    for (const message of gone) {
      this.vanished.push({ uid: message.uid, modSeq });
      if (message.mail !== undefined && this.name === 'INBOX') this.account.mailbox.expunge(message.mail);
    }
    this.changed();
  }

  /** Gives every message a new UID, as a server does that lost its index. */
  bumpUidValidity(): void {
    this.uidValidity++;
    this.uidNext = 1;
    this.vanished = [];
    this.messages = this.messages.map((message) => ({ ...message, uid: this.uidNext++ }));
    this.changed();
  }

  changed(): void {
    this.account.changes.emit('change', this);
  }
}

/** One user's folders. INBOX shows what the store has for the user, whatever protocol brought it. */
export class ImapAccount {
  readonly user: string;
  readonly mailbox: Mailbox;
  readonly store: MailStore;
  readonly folders = new Map<string, Folder>();
  readonly changes = new EventEmitter().setMaxListeners(0);
  readonly delimiter: string;
  /** Bytes that all folders together may hold. */
  quotaBytes: number | undefined;
  readonly metadata = new Map<string, string>();
  #lastUidValidity = 1000;
  #lastEmailId = 0;
  readonly #known = new Set<StoredMail>();

  constructor(
    store: MailStore,
    user: string,
    options: {
      readonly delimiter?: string | undefined;
      readonly folders?: readonly (readonly [name: string, specialUse: string | undefined])[] | undefined;
    } = {},
  ) {
    this.user = user;
    this.store = store;
    this.mailbox = new Mailbox(store, user);
    this.delimiter = options.delimiter ?? '/';
    this.create('INBOX');
    for (const [name, use] of options.folders ?? []) this.create(name, use);
    store.onMail(() => this.sync());
    this.sync();
  }

  newEmailId(): string {
    return `M${++this.#lastEmailId}`;
  }

  get inbox(): Folder {
    return this.folders.get('INBOX') as Folder;
  }

  create(name: string, specialUse?: string): Folder {
    const folder = new Folder(this, name, ++this.#lastUidValidity, specialUse);
    folder.subscribed = true;
    folder.acl.set(this.user, 'lrswipkxtea');
    this.folders.set(name, folder);
    return folder;
  }

  /** Brings INBOX up to date with the store. */
  sync(): void {
    const { inbox } = this;
    const present = new Set(this.mailbox.messages());
    for (const mail of present) {
      if (this.#known.has(mail)) continue;
      this.#known.add(mail);
      inbox.add({ raw: mail.raw, flags: ['\\Recent'], internalDate: mail.receivedAt, mail });
    }
    const gone = new Set(inbox.messages.filter((message) => message.mail !== undefined && !present.has(message.mail)));
    inbox.remove(gone);
  }

  /** Adds to a folder; to INBOX by the store, so that all protocols see it. */
  append(folder: Folder, message: NewMessage): FolderMessage {
    if (folder.name !== 'INBOX') return folder.add(message);
    const mail = this.store.add({
      envelope: { from: '', to: [this.user], parameters: new Map() },
      raw: message.raw,
      receivedAt: message.internalDate ?? new Date(),
      secure: false,
      user: this.user,
    });
    this.sync();
    const added = folder.messages.find((each) => each.mail === mail) ?? folder.add(message);
    if (message.emailId !== undefined) (added as { emailId: string }).emailId = message.emailId;
    folder.setFlags(added, message.flags ?? []);
    return added;
  }

  get usedBytes(): number {
    let used = 0;
    for (const folder of this.folders.values()) for (const { raw } of folder.messages) used += raw.length;
    return used;
  }
}
