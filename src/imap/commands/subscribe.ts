import type { ImapCommand } from '../command.ts';

/** Adds a mailbox to the subscribed ones, or removes it. @see RFC 9051 sections 6.3.7 and 6.3.8 */
export const subscribe = (mailbox: string, subscribed: boolean): ImapCommand<void> => ({
  verb: subscribed ? 'SUBSCRIBE' : 'UNSUBSCRIBE',
  encode(writer) {
    writer.mailbox(mailbox);
  },
  done() {},
});
