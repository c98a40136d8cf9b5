import { UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';
import type { CommandWriter } from '../codec/command.ts';
import { type ImapReader, readMailbox } from '../codec/reader.ts';

/** What may be asked of a mailbox that need not be selected. */
export type StatusItem =
  | 'messages'
  | 'recent'
  | 'unseen'
  | 'deleted'
  | 'uidNext'
  | 'uidValidity'
  | 'sizeBytes'
  | 'highestModSeq'
  | 'mailboxId'
  | 'appendLimit'
  | 'deletedStorageBytes';

const words: Readonly<Record<StatusItem, string>> = {
  messages: 'MESSAGES',
  recent: 'RECENT',
  unseen: 'UNSEEN',
  deleted: 'DELETED',
  uidNext: 'UIDNEXT',
  uidValidity: 'UIDVALIDITY',
  sizeBytes: 'SIZE',
  highestModSeq: 'HIGHESTMODSEQ',
  mailboxId: 'MAILBOXID',
  appendLimit: 'APPENDLIMIT',
  deletedStorageBytes: 'DELETED-STORAGE',
};
const items = new Map(Object.entries(words).map(([item, word]) => [word, item as StatusItem]));

/** Only what was asked for and answered is there. */
export interface MailboxStatus {
  messages?: number;
  recent?: number;
  unseen?: number;
  deleted?: number;
  uidNext?: number;
  uidValidity?: number;
  sizeBytes?: number;
  highestModSeq?: bigint;
  mailboxId?: string;
  /** Null: no limit is stated. */
  appendLimit?: number | null;
  deletedStorageBytes?: number;
}

export const defaultStatusItems: readonly StatusItem[] = ['messages', 'unseen', 'uidNext', 'uidValidity'];

/** `(MESSAGES UNSEEN)`. UsageError for an item that is not known. */
export function writeStatusItems(writer: CommandWriter, wanted: readonly StatusItem[]): void {
  if (wanted.length === 0) throw new UsageError('STATUS needs at least one item');
  writer.open();
  for (const item of wanted) {
    if (!Object.hasOwn(words, item))
      throw new UsageError(`not a STATUS item: ${JSON.stringify(item)}; there are ${Object.keys(words).join(', ')}`);
    writer.word(words[item]);
  }
  writer.close();
}

/** `"box" (MESSAGES 3)`. */
export function readStatus(
  reader: ImapReader,
  utf8Names: boolean,
): { readonly mailbox: string; readonly status: MailboxStatus } {
  const mailbox = readMailbox(reader, utf8Names);
  const status: MailboxStatus = {};
  reader.spaces();
  if (!reader.open()) return { mailbox, status };
  while (!reader.close()) {
    const item = items.get(reader.atom().toUpperCase());
    reader.spaces();
    if (item === undefined) reader.skipValue();
    else if (item === 'highestModSeq') status.highestModSeq = reader.bigNumber();
    else if (item === 'mailboxId') {
      if (reader.open()) {
        status.mailboxId = reader.nstring() ?? '';
        while (!reader.close()) reader.skipValue();
      } else reader.skipValue();
    } else if (item === 'appendLimit') status.appendLimit = reader.nil() ? null : reader.number();
    else status[item] = reader.number();
  }
  return { mailbox, status };
}

/** Counts of a mailbox that is not selected. @see RFC 9051 section 6.3.11 */
export function status(
  mailbox: string,
  wanted: readonly StatusItem[] = defaultStatusItems,
): ImapCommand<MailboxStatus> {
  let found: MailboxStatus = {};
  return {
    verb: 'STATUS',
    takes: ['STATUS'],
    encode(writer) {
      writer.mailbox(mailbox);
      writeStatusItems(writer, wanted);
    },
    data({ reader }, { utf8Names }) {
      const answer = readStatus(reader, utf8Names);
      // QUIRK(servers that answer with another spelling of the name): there is one STATUS in progress at a time.
      found = answer.status;
    },
    done: () => found,
  };
}
