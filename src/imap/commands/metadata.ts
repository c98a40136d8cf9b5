import { UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';
import { readMailbox } from '../codec/reader.ts';
import { readEntries } from './list.ts';

export interface MetadataOptions {
  readonly maxBytes?: number | undefined;
  readonly depth?: 0 | 1 | 'infinity' | undefined;
}

/** Annotations of a mailbox, or, with '', of the server. @see RFC 5464 section 4.2 */
export function getMetadata(
  mailbox: string,
  entries: readonly string[],
  options: MetadataOptions = {},
): ImapCommand<ReadonlyMap<string, string | null>> {
  const found = new Map<string, string | null>();
  return {
    verb: 'GETMETADATA',
    needs: mailbox === '' ? 'METADATA-SERVER' : 'METADATA',
    takes: ['METADATA'],
    encode(writer) {
      if (entries.length === 0) throw new UsageError('GETMETADATA needs an entry');
      const { maxBytes, depth } = options;
      if (maxBytes !== undefined || depth !== undefined) {
        writer.open();
        if (maxBytes !== undefined) writer.word('MAXSIZE').number('maxBytes', maxBytes);
        if (depth !== undefined) writer.word('DEPTH').word(String(depth));
        writer.close();
      }
      writer.mailboxOrEmpty(mailbox).open();
      for (const entry of entries) writer.astring('a metadata entry', entry);
      writer.close();
    },
    data({ reader }, { utf8Names }) {
      readMailbox(reader, utf8Names);
      reader.spaces();
      if (reader.peek() !== 40) return false;
      for (const [name, value] of readEntries(reader)) found.set(name, value);
      return true;
    },
    done: () => found,
  };
}

/** Changes annotations; null removes one. @see RFC 5464 section 4.3 */
export const setMetadata = (mailbox: string, entries: Readonly<Record<string, string | null>>): ImapCommand<void> => ({
  verb: 'SETMETADATA',
  needs: mailbox === '' ? 'METADATA-SERVER' : 'METADATA',
  encode(writer) {
    writer.mailboxOrEmpty(mailbox).open();
    for (const [name, value] of Object.entries(entries)) writer.astring('a metadata entry', name).nstring(name, value);
    writer.close();
  },
  done() {},
});
