import type { ImapCommand } from '../command.ts';

/** Renames a mailbox and those below it. @see RFC 9051 section 6.3.6 */
export const rename = (from: string, to: string): ImapCommand<void> => ({
  verb: 'RENAME',
  encode(writer) {
    writer.mailbox(from).mailbox(to);
  },
  done() {},
});
