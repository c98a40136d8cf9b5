import { UnsupportedError, UsageError } from '../errors.ts';
import type { ImapOptions } from '../imap/index.ts';
import { Pop3Client, type Pop3Options } from '../pop3/index.ts';
import { openImapMailbox } from './imap-mailbox.ts';
import { type Mailbox, MailboxMessage } from './mailbox-message.ts';

/** What may be set beside the URL: the options of the protocol that it names. */
export type MailboxOptions = Pop3Options | ImapOptions;

/**
 * Opens a mailbox by its URL: `imap://`, `imaps://` with the mailbox as its path, `pop3://`, `pop3s://`.
 *
 *     await using inbox = await openMailbox('imaps://me:secret@example.com/INBOX');
 *     for await (const mail of inbox.messages({ seen: false })) console.log(mail.subject, await mail.text());
 *
 * Rejects as the protocol's client does; UnsupportedError for a scheme that is not a mailbox.
 */
export async function openMailbox(url: string | undefined, options: MailboxOptions = {}): Promise<Mailbox> {
  if (typeof url !== 'string' || url === '')
    throw new UsageError(
      'the mailbox is not given; expected a URL such as imaps://user:password@host/INBOX (is the environment variable set?)',
    );
  const scheme = /^([a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme?.startsWith('imap') === true) return openImapMailbox(url, options);
  if (scheme?.startsWith('pop3') === true) return openPop3Mailbox(url, options);
  throw new UnsupportedError(
    `${scheme ?? 'this'}: is not a mailbox that can be opened; use imap://, imaps://, pop3:// or pop3s://`,
  );
}

async function openPop3Mailbox(url: string, options: Pop3Options): Promise<Mailbox> {
  const client = await Pop3Client.connect(url, options);
  const unsupported = (): Promise<never> =>
    Promise.reject(new UnsupportedError('POP3 has neither mailboxes nor flags; use IMAP', { protocol: 'POP3' }));
  return {
    async *messages(query = {}) {
      const { skip, signal, timeoutMs, ...search } = query;
      const [key] = Object.entries(search).find(([, value]) => value !== undefined) ?? [];
      if (key !== undefined)
        throw new UnsupportedError(`POP3 cannot search, so not by ${key}; use IMAP`, { protocol: 'POP3' });
      for await (const { number, uid, bytes } of client.messages({
        signal,
        timeoutMs,
        ...(skip === undefined ? {} : { skip }),
      }))
        yield new MailboxMessage(uid, bytes, [], {
          delete: () => client.dele(number),
          move: unsupported,
          setFlags: unsupported,
        });
    },
    close: () => client.quit(),
    async [Symbol.asyncDispose]() {
      await client.quit();
    },
  };
}
