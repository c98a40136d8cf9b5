import type { ImapCommand } from '../command.ts';
import { UsageError } from '../../errors.ts';
import { type MessageSet, resolveSet } from '../codec/sequence-set.ts';

/** Removes what is marked \Deleted; of those, only the ones named, where some are. @see RFC 9051 sections 6.4.3 and 6.4.9 */
export const expunge = (messages?: MessageSet): ImapCommand<void> => ({
  verb: messages === undefined ? 'EXPUNGE' : 'UID EXPUNGE',
  ...(messages === undefined ? {} : { needs: 'UIDPLUS' }),
  states: ['selected'],
  streams: true,
  encode(writer) {
    if (messages === undefined) return;
    if (!resolveSet(messages).byUid) throw new UsageError('EXPUNGE takes UIDs');
    writer.set(messages);
  },
  done() {},
});
