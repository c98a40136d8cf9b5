import type { ImapCommand } from '../command.ts';
import { codeOf } from '../codec/response-code.ts';
import type { SpecialUse } from './list.ts';

const uses: Readonly<Record<SpecialUse, string>> = {
  all: '\\All',
  archive: '\\Archive',
  drafts: '\\Drafts',
  flagged: '\\Flagged',
  important: '\\Important',
  junk: '\\Junk',
  sent: '\\Sent',
  trash: '\\Trash',
};

/** Makes a mailbox; resolves with its id where the server has one. @see RFC 9051 section 6.3.4, RFC 6154 section 3 */
export const create = (
  mailbox: string,
  specialUse?: SpecialUse,
): ImapCommand<{ readonly mailboxId: string | undefined }> => ({
  verb: 'CREATE',
  ...(specialUse === undefined ? {} : { needs: 'CREATE-SPECIAL-USE' }),
  encode(writer) {
    writer.mailbox(mailbox);
    if (specialUse !== undefined) writer.open().word('USE').open().word(uses[specialUse]).close().close();
  },
  done: (status) => ({ mailboxId: codeOf(status.code, 'MAILBOXID')?.id }),
});
