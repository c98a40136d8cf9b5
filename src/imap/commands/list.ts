import { UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';
import { type ImapReader, readMailbox } from '../codec/reader.ts';
import { type MailboxStatus, type StatusItem, readStatus, writeStatusItems } from './status.ts';

/** What a mailbox is for. @see RFC 6154, RFC 8457 */
export type SpecialUse = 'all' | 'archive' | 'drafts' | 'flagged' | 'important' | 'junk' | 'sent' | 'trash';

const specialUses: ReadonlyMap<string, SpecialUse> = new Map([
  ['\\all', 'all'],
  ['\\archive', 'archive'],
  ['\\drafts', 'drafts'],
  ['\\flagged', 'flagged'],
  ['\\important', 'important'],
  ['\\junk', 'junk'],
  ['\\sent', 'sent'],
  ['\\trash', 'trash'],
  // QUIRK(Gmail, XLIST): older names.
  ['\\allmail', 'all'],
  ['\\spam', 'junk'],
  ['\\starred', 'flagged'],
]);

/** A mailbox as LIST shows it. */
export interface ListedMailbox {
  readonly name: string;
  /** Null where names are flat. */
  readonly delimiter: string | null;
  /** As the server wrote them. */
  readonly attributes: readonly string[];
  readonly specialUse: SpecialUse | undefined;
  /** False for a name that only has others below it. */
  readonly selectable: boolean;
  readonly subscribed: boolean;
  /** Undefined where the server does not say. */
  readonly hasChildren: boolean | undefined;
  readonly status?: MailboxStatus | undefined;
  /** Where the mailbox is known by another name: the old one. */
  readonly oldName?: string | undefined;
  /** What is allowed there (LIST-MYRIGHTS). */
  readonly rights?: string | undefined;
  /** Annotations (LIST-METADATA). */
  readonly metadata?: ReadonlyMap<string, string | null> | undefined;
}

export interface ListOptions {
  /** Names are below this. */
  readonly reference?: string | undefined;
  /** Only what is subscribed. */
  readonly subscribed?: boolean | undefined;
  readonly specialUse?: boolean | undefined;
  /** Also those on other servers (RFC 2193). Selecting one is refused with a REFERRAL that names its URL. */
  readonly remote?: boolean | undefined;
  /** Also parents of what matches. Needs one of the selections above. */
  readonly recursiveMatch?: boolean | undefined;
  /** Counts with the list, in one round trip where the server can (LIST-STATUS). */
  readonly status?: readonly StatusItem[] | undefined;
  readonly rights?: boolean | undefined;
  readonly metadata?: readonly string[] | undefined;
}

type Found = { -readonly [K in keyof ListedMailbox]: ListedMailbox[K] };

/** Lists mailboxes. `%` stands for anything up to the delimiter, `*` for anything. @see RFC 9051 section 6.3.9, RFC 5258, RFC 5819 */
export function list(
  pattern: string | readonly string[],
  options: ListOptions & { readonly extended: boolean; readonly verb?: 'LIST' | 'LSUB' | 'XLIST' | 'RLIST' | 'RLSUB' },
): ImapCommand<readonly ListedMailbox[]> {
  const found = new Map<string, Found>();
  const get = (name: string): Found | undefined => found.get(name);
  const { extended, verb = 'LIST' } = options;
  return {
    verb,
    takes: [
      verb.replace(/^R/, ''),
      ...(options.status === undefined ? [] : ['STATUS']),
      ...(options.rights === true ? ['MYRIGHTS'] : []),
      ...(options.metadata === undefined ? [] : ['METADATA']),
    ],
    encode(writer, context) {
      const patterns = typeof pattern === 'string' ? [pattern] : pattern;
      if (patterns.length === 0) throw new UsageError('LIST needs a pattern');
      const selections = [
        ...(options.subscribed === true && verb === 'LIST' ? ['SUBSCRIBED'] : []),
        ...(options.specialUse === true ? ['SPECIAL-USE'] : []),
        ...(options.remote === true ? ['REMOTE'] : []),
        ...(options.recursiveMatch === true ? ['RECURSIVEMATCH'] : []),
      ];
      if (extended && selections.length > 0) {
        writer.open();
        for (const selection of selections) writer.word(selection);
        writer.close();
      }
      writer.mailboxOrEmpty(options.reference ?? '');
      if (patterns.length === 1) writer.pattern(patterns[0] as string);
      else {
        writer.open();
        for (const each of patterns) writer.pattern(each);
        writer.close();
      }
      if (!extended) return;
      writer.word('RETURN').open();
      writer.word('SUBSCRIBED').word('CHILDREN');
      if (context.has('SPECIAL-USE')) writer.word('SPECIAL-USE');
      if (options.status !== undefined) {
        writer.word('STATUS');
        writeStatusItems(writer, options.status);
      }
      if (options.rights === true) writer.word('MYRIGHTS');
      if (options.metadata !== undefined) {
        writer.word('METADATA').open();
        for (const entry of options.metadata) writer.astring('a metadata entry', entry);
        writer.close();
      }
      writer.close();
    },
    data({ name, reader }, { utf8Names }) {
      if (name === 'STATUS') {
        const { mailbox, status } = readStatus(reader, utf8Names);
        const entry = get(mailbox);
        if (entry !== undefined) entry.status = status;
        return entry !== undefined;
      }
      if (name === 'MYRIGHTS' || name === 'METADATA') {
        const entry = get(readMailbox(reader, utf8Names));
        reader.spaces();
        if (entry === undefined) return false;
        if (name === 'MYRIGHTS') entry.rights = reader.string();
        else entry.metadata = readEntries(reader);
        return true;
      }
      if (found.size < 100_000) {
        const entry = readListed(reader, utf8Names, verb.endsWith('LSUB') || (options.subscribed === true && extended));
        found.set(entry.name, entry);
      }
      return true;
    },
    done: () => [...found.values()],
  };
}

/** `(/private/comment "x" …)`. */
export function readEntries(reader: ImapReader): Map<string, string | null> {
  const entries = new Map<string, string | null>();
  if (!reader.open()) return entries;
  while (!reader.close()) {
    const name = reader.string();
    reader.spaces();
    entries.set(name, reader.nstring());
  }
  return entries;
}

function readListed(reader: ImapReader, utf8Names: boolean, subscribed: boolean): Found {
  const attributes: string[] = [];
  if (reader.open()) while (!reader.close()) attributes.push(reader.nstring() ?? '');
  else reader.skipValue();
  reader.spaces();
  const delimiter = reader.nstring();
  reader.spaces();
  const name = readMailbox(reader, utf8Names);
  let oldName: string | undefined;
  reader.spaces();
  if (!reader.ended && reader.open()) {
    while (!reader.close()) {
      const tag = reader.string();
      reader.spaces();
      if (tag.toUpperCase() === 'OLDNAME' && reader.open()) {
        oldName = readMailbox(reader, utf8Names);
        while (!reader.close()) reader.skipValue();
      } else reader.skipValue();
    }
  }
  const has = (attribute: string): boolean => attributes.some((each) => each.toLowerCase() === attribute);
  return {
    name,
    delimiter: delimiter === '' ? null : delimiter,
    attributes,
    specialUse: attributes.map((each) => specialUses.get(each.toLowerCase())).find((each) => each !== undefined),
    selectable: !has('\\noselect') && !has('\\nonexistent'),
    subscribed: subscribed || has('\\subscribed'),
    hasChildren: has('\\haschildren') ? true : has('\\hasnochildren') || has('\\noinferiors') ? false : undefined,
    ...(oldName === undefined ? {} : { oldName }),
  };
}
