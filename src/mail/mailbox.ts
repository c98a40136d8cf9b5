import { UnsupportedError, UsageError } from '../errors.ts';
import { type Address, type Attachment, type Message, parseSync } from '../mime/index.ts';
import { Pop3Client, type Pop3Deletions, type Pop3Options } from '../pop3/index.ts';
import type { CallOptions } from '../socket/connection.ts';

/** A message of a mailbox, the same whatever protocol it came by. Decoded when it is asked for. */
export class MailboxMessage {
  readonly #bytes: Uint8Array;
  readonly #delete: () => Promise<void>;
  #parsed: Message | undefined;
  /** What the server calls it for good; undefined where it has no such thing. */
  readonly uid: string | undefined;

  /** @internal */
  constructor(uid: string | undefined, bytes: Uint8Array, remove: () => Promise<void>) {
    this.uid = uid;
    this.#bytes = bytes;
    this.#delete = remove;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
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
    await this.#delete();
  }
}

export interface MailboxQuery extends CallOptions {
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

/**
 * Opens a mailbox by its URL: `pop3://`, `pop3s://`.
 *
 *     await using inbox = await openMailbox('pop3s://me:secret@example.com');
 *     for await (const mail of inbox.messages()) console.log(mail.subject, await mail.text());
 *
 * Rejects as the protocol's client does; UnsupportedError for a scheme that is not a mailbox.
 */
export async function openMailbox(url: string | undefined, options: Pop3Options = {}): Promise<Mailbox> {
  if (typeof url !== 'string' || url === '')
    throw new UsageError(
      'the mailbox is not given; expected a URL such as pop3s://user:password@host (is the environment variable set?)',
    );
  const scheme = /^([a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme?.startsWith('pop3') !== true)
    throw new UnsupportedError(`${scheme ?? 'this'}: is not a mailbox that can be opened; use pop3:// or pop3s://`);
  const client = await Pop3Client.connect(url, options);
  return {
    async *messages(query = {}) {
      const { skip, signal, timeoutMs } = query;
      for await (const { number, uid, bytes } of client.messages({
        signal,
        timeoutMs,
        ...(skip === undefined ? {} : { skip }),
      }))
        yield new MailboxMessage(uid, bytes, () => client.dele(number));
    },
    close: () => client.quit(),
    async [Symbol.asyncDispose]() {
      await client.quit();
    },
  };
}
