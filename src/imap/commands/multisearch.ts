import { UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';
import { readMailbox } from '../codec/reader.ts';
import { type SearchQuery, needsCharset, writeSearchQuery } from '../codec/search-query.ts';
import { UidSet, parseRanges } from '../codec/sequence-set.ts';

/** Where to look: several mailboxes at once. */
export type SearchScope =
  | 'selected'
  | 'inboxes'
  | 'personal'
  | 'subscribed'
  | { readonly subtree: readonly string[] }
  | { readonly mailboxes: readonly string[] };

export interface MailboxMatches {
  readonly mailbox: string;
  readonly uidValidity: number;
  readonly uids: UidSet;
}

/** Looks into several mailboxes at once, without selecting them. @see RFC 7377 */
export function multiSearch(scope: readonly SearchScope[], query: SearchQuery): ImapCommand<readonly MailboxMatches[]> {
  const found: MailboxMatches[] = [];
  return {
    verb: 'ESEARCH',
    needs: 'MULTISEARCH',
    streams: true,
    takes: ['ESEARCH'],
    encode(writer) {
      if (scope.length === 0) throw new UsageError('a search in several mailboxes needs at least one');
      writer.word('IN').open();
      for (const each of scope) {
        if (typeof each === 'string') {
          writer.word(each.toUpperCase());
          continue;
        }
        const [word, names] =
          'subtree' in each ? (['subtree', each.subtree] as const) : (['mailboxes', each.mailboxes] as const);
        writer.word(word).open();
        for (const name of names) writer.mailbox(name);
        writer.close();
      }
      writer.close().word('RETURN').open().word('ALL').close();
      if (needsCharset(query) && !writer.context.utf8) writer.word('CHARSET').word('UTF-8');
      writeSearchQuery(writer, query);
    },
    data({ reader }, context) {
      let mailbox = '';
      let uidValidity = 0;
      let tag: string | undefined;
      if (reader.open())
        while (!reader.close()) {
          const name = reader.atom().toUpperCase();
          reader.spaces();
          if (name === 'MAILBOX') mailbox = readMailbox(reader, context.utf8Names);
          else if (name === 'UIDVALIDITY') uidValidity = reader.number();
          else if (name === 'TAG') tag = reader.string();
          else reader.skipValue();
        }
      if (tag !== undefined && tag !== context.tag) return false;
      for (reader.spaces(); !reader.ended; reader.spaces()) {
        const item = reader.atom().toUpperCase();
        if (item === 'UID') continue;
        reader.spaces();
        if (item === 'ALL') found.push({ mailbox, uidValidity, uids: new UidSet(parseRanges(reader.atom()) ?? []) });
        else reader.skipValue();
      }
      return true;
    },
    done: () => found,
  };
}
