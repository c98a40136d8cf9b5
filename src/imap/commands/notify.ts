import { UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';

export type NotifyEvent =
  | 'MessageNew'
  | 'MessageExpunge'
  | 'FlagChange'
  | 'AnnotationChange'
  | 'MailboxName'
  | 'SubscriptionChange'
  | 'MailboxMetadataChange'
  | 'ServerMetadataChange';

/** Which events of which mailboxes to hear of. */
export interface NotifyGroup {
  readonly of:
    | 'selected'
    | 'selected-delayed'
    | 'inboxes'
    | 'personal'
    | 'subscribed'
    | { readonly subtree: readonly string[] }
    | { readonly mailboxes: readonly string[] };
  /** Empty: none of them. */
  readonly events: readonly NotifyEvent[];
}

const known: readonly string[] = [
  'MessageNew',
  'MessageExpunge',
  'FlagChange',
  'AnnotationChange',
  'MailboxName',
  'SubscriptionChange',
  'MailboxMetadataChange',
  'ServerMetadataChange',
];

/** Asks to hear of changes; null: of none. They come as events. @see RFC 5465 */
export const notify = (groups: readonly NotifyGroup[] | null, status = false): ImapCommand<void> => ({
  verb: 'NOTIFY',
  needs: 'NOTIFY',
  encode(writer) {
    if (groups === null) {
      writer.word('NONE');
      return;
    }
    if (groups.length === 0) throw new UsageError('NOTIFY needs a group, or null for nothing');
    writer.word('SET');
    if (status) writer.word('STATUS');
    for (const { of, events } of groups) {
      writer.open();
      if (typeof of === 'string') {
        if (!['selected', 'selected-delayed', 'inboxes', 'personal', 'subscribed'].includes(of))
          throw new UsageError(`not a group of mailboxes: ${JSON.stringify(of)}`);
        writer.word(of.toUpperCase());
      } else {
        const [word, names] =
          'subtree' in of ? (['SUBTREE', of.subtree] as const) : (['MAILBOXES', of.mailboxes] as const);
        writer.word(word).open();
        for (const name of names) writer.mailbox(name);
        writer.close();
      }
      if (events.length === 0) writer.word('NONE');
      else {
        writer.open();
        for (const event of events) {
          if (!known.includes(event))
            throw new UsageError(`not an event of NOTIFY: ${JSON.stringify(event)}; there are ${known.join(', ')}`);
          writer.word(event);
        }
        writer.close();
      }
      writer.close();
    }
  },
  done() {},
});
