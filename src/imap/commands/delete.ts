import type { ImapCommand } from '../command.ts';

/** Removes a mailbox and what is in it. @see RFC 9051 section 6.3.5 */
export const deleteMailbox = (mailbox: string): ImapCommand<void> => ({
  verb: 'DELETE',
  encode(writer) {
    writer.mailbox(mailbox);
  },
  done() {},
});
