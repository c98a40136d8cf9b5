import type { SearchQuery } from '../imap/index.ts';
import { type Address, type Attachment, type Message, parseSync } from '../mime/index.ts';
import type { Pop3Deletions } from '../pop3/index.ts';
import type { CallOptions } from '../socket/connection.ts';

/** What the server that holds a message can do with it. */
export interface MessageActions {
  delete(): Promise<void>;
  move(mailbox: string): Promise<void>;
  setFlags(change: FlagSetting): Promise<void>;
}

/** Flags to set and to take away: '\\Seen', '\\Flagged', or keywords. */
export interface FlagSetting {
  readonly add?: readonly string[] | undefined;
  readonly remove?: readonly string[] | undefined;
}

/** A message of a mailbox, the same whatever protocol it came by. Decoded when it is asked for. */
export class MailboxMessage {
  readonly #bytes: Uint8Array;
  readonly #actions: MessageActions;
  #parsed: Message | undefined;
  /** What the server calls it for good; undefined where it has no such thing. */
  readonly uid: string | undefined;
  /** As they were when it was read. None with POP3. */
  readonly flags: readonly string[];

  /** @internal */
  constructor(uid: string | undefined, bytes: Uint8Array, flags: readonly string[], actions: MessageActions) {
    this.uid = uid;
    this.flags = flags;
    this.#bytes = bytes;
    this.#actions = actions;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }
  /** Reading never sets it: `setFlags({ add: ['\\Seen'] })` does. */
  get seen(): boolean {
    return this.flags.includes('\\Seen');
  }
  /** Everything else that the message says. */
  get message(): Message {
    this.#parsed ??= parseSync(this.#bytes, { limits: { messageBytes: Number.POSITIVE_INFINITY } });
    return this.#parsed;
  }
  get subject(): string {
    return this.message.subject;
  }
  get from(): readonly Address[] {
    return this.message.from;
  }
  get to(): readonly Address[] {
    return this.message.to;
  }
  get date(): Date | null {
    return this.message.date;
  }
  get attachments(): readonly Attachment[] {
    return this.message.attachments;
  }

  /** The plain text, or the html as text where there is none. */
  text(): Promise<string | undefined> {
    return this.message.textFromHtml();
  }

  /** The html; undefined where there is none. Not made safe. */
  async html(): Promise<string | undefined> {
    return this.message.html;
  }

  /** The message as it is. */
  async bytes(): Promise<Uint8Array> {
    return this.#bytes;
  }

  /** Deletes it on the server; with POP3 that happens when the mailbox is closed. */
  async delete(): Promise<void> {
    await this.#actions.delete();
  }

  /** Moves it to another mailbox. UnsupportedError with POP3. */
  async move(mailbox: string): Promise<void> {
    await this.#actions.move(mailbox);
  }

  /** Changes its flags on the server. UnsupportedError with POP3. */
  async setFlags(change: FlagSetting): Promise<void> {
    await this.#actions.setFlags(change);
  }
}

/** Which messages: all by default. With IMAP everything that it can search for: `{ seen: false, from: 'ann' }`. */
export interface MailboxQuery extends CallOptions, SearchQuery {
  /** Uids to leave out: those that were seen before. */
  readonly skip?: ReadonlySet<string> | undefined;
}

/** An open mailbox. */
export interface Mailbox extends AsyncDisposable {
  /** The messages, in the server's order. Commands inside the loop work; so does leaving it. */
  messages(query?: MailboxQuery): AsyncIterable<MailboxMessage>;
  /** Closes it; tells what became of deletions. Never rejects. */
  close(): Promise<Pop3Deletions>;
}
