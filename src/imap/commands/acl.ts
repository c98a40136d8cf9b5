import type { ImapCommand } from '../command.ts';
import { readMailbox } from '../codec/reader.ts';

/** Rights by identifier: `{ ann => 'lrs' }`. @see RFC 4314 section 3.3 */
export function getAcl(mailbox: string): ImapCommand<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  return {
    verb: 'GETACL',
    needs: 'ACL',
    takes: ['ACL'],
    encode(writer) {
      writer.mailbox(mailbox);
    },
    data({ reader }, { utf8Names }) {
      readMailbox(reader, utf8Names);
      for (reader.spaces(); !reader.ended; reader.spaces()) {
        const identifier = reader.string();
        reader.spaces();
        found.set(identifier, reader.string());
      }
    },
    done: () => found,
  };
}

/** Sets, adds ('+rs') or removes ('-rs') rights. @see RFC 4314 section 3.1 */
export const setAcl = (mailbox: string, identifier: string, rights: string): ImapCommand<void> => ({
  verb: 'SETACL',
  needs: 'ACL',
  encode(writer) {
    writer.mailbox(mailbox).astring('the identifier', identifier).astring('the rights', rights);
  },
  done() {},
});

/** @see RFC 4314 section 3.2 */
export const deleteAcl = (mailbox: string, identifier: string): ImapCommand<void> => ({
  verb: 'DELETEACL',
  needs: 'ACL',
  encode(writer) {
    writer.mailbox(mailbox).astring('the identifier', identifier);
  },
  done() {},
});

/** Rights that an identifier has anyway, and groups of those that it may be given. @see RFC 4314 section 3.4 */
export function listRights(
  mailbox: string,
  identifier: string,
): ImapCommand<{ readonly required: string; readonly optional: readonly string[] }> {
  let required = '';
  const optional: string[] = [];
  return {
    verb: 'LISTRIGHTS',
    needs: 'ACL',
    takes: ['LISTRIGHTS'],
    encode(writer) {
      writer.mailbox(mailbox).astring('the identifier', identifier);
    },
    data({ reader }, { utf8Names }) {
      readMailbox(reader, utf8Names);
      reader.spaces();
      reader.string();
      reader.spaces();
      required = reader.string();
      for (reader.spaces(); !reader.ended; reader.spaces()) optional.push(reader.string());
    },
    done: () => ({ required, optional }),
  };
}

/** What we may do there. @see RFC 4314 section 3.5 */
export function myRights(mailbox: string): ImapCommand<string> {
  let rights = '';
  return {
    verb: 'MYRIGHTS',
    needs: 'ACL',
    takes: ['MYRIGHTS'],
    encode(writer) {
      writer.mailbox(mailbox);
    },
    data({ reader }, { utf8Names }) {
      readMailbox(reader, utf8Names);
      reader.spaces();
      rights = reader.string();
    },
    done: () => rights,
  };
}
