import { ProtocolError, UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';
import type { FetchedMessage } from '../codec/fetched.ts';
import { UidSet, parseRanges, resolveSet, type MessageSet } from '../codec/sequence-set.ts';
import type { MailboxState } from '../mailbox-state.ts';
import type { ImapSession } from '../session.ts';

export interface SelectOptions {
  /** UIDs that are kept from before belong to this UIDVALIDITY: ProtocolError when it is another now. */
  readonly uidValidity?: number | undefined;
  /** Ask for mod-sequences (CONDSTORE). Default: where the server has them. */
  readonly condStore?: boolean | undefined;
  /** What is known from before: the answer tells what has changed since. Needs QRESYNC, enabled. @see RFC 7162 section 3.2.5 */
  readonly since?:
    { readonly uidValidity: number; readonly modSeq: bigint; readonly uids?: MessageSet | undefined } | undefined;
}

/** A mailbox that was opened, and what changed since it was last seen. */
export interface SelectedMailbox {
  readonly state: MailboxState;
  /** Gone since (QRESYNC). */
  readonly vanished: UidSet;
  /** New or changed since (QRESYNC). */
  readonly changed: readonly FetchedMessage[];
}

/** Opens a mailbox. @see RFC 9051 sections 6.3.2 and 6.3.3 */
export function select(
  session: ImapSession,
  mailbox: string,
  readOnly: boolean,
  options: SelectOptions,
): ImapCommand<SelectedMailbox> {
  const changed: FetchedMessage[] = [];
  const vanished: (readonly [number, number])[] = [];
  return {
    verb: readOnly ? 'EXAMINE' : 'SELECT',
    alone: true,
    takes: ['VANISHED', 'LIST'],
    encode(writer, context) {
      writer.mailbox(mailbox);
      const { since } = options;
      if (since !== undefined) {
        if (!session.features.enabled.has('QRESYNC'))
          throw new UsageError("since needs QRESYNC: connect with enable: ['QRESYNC']");
        writer.open().word('QRESYNC').open().number('uidValidity', since.uidValidity).bigNumber('modSeq', since.modSeq);
        if (since.uids !== undefined) {
          const { text, byUid } = resolveSet(since.uids);
          if (!byUid || text.includes('*') || text.includes('$'))
            throw new UsageError('the UIDs known from before must be a set of UIDs without *');
          writer.word(text);
        }
        writer.close().close();
      } else if (
        options.condStore === true ||
        (options.condStore === undefined && context.has('CONDSTORE') && !session.features.enabled.has('QRESYNC'))
      )
        writer.open().word('CONDSTORE').close();
      session.beginSelect(mailbox, readOnly);
    },
    data({ name, reader }) {
      if (name === 'LIST') return true;
      if (!reader.open()) return false;
      while (!reader.close()) reader.skipValue();
      reader.spaces();
      vanished.push(...(parseRanges(reader.atom()) ?? []));
      return true;
    },
    fetched(message) {
      changed.push(message);
      return true;
    },
    fail: () => session.deselect(),
    done(status) {
      const state = session.endSelect(status);
      if (options.uidValidity !== undefined && state.uidValidity !== options.uidValidity)
        throw new ProtocolError(
          `the UIDVALIDITY of ${mailbox} is ${state.uidValidity ?? 'unknown'}, no longer ${options.uidValidity}: UIDs that were kept mean other messages now`,
          {
            protocol: 'IMAP',
            reason: 'UIDVALIDITY_CHANGED',
            reusable: true,
          },
        );
      return { state, vanished: new UidSet(vanished), changed };
    },
  };
}

/** Closes the mailbox: CLOSE removes what is marked \Deleted, UNSELECT does not. @see RFC 9051 sections 6.4.1 and 6.4.2 */
export const leave = (session: ImapSession, verb: 'CLOSE' | 'UNSELECT'): ImapCommand<void> => ({
  verb,
  ...(verb === 'UNSELECT' ? { needs: 'UNSELECT' } : {}),
  states: ['selected'],
  alone: true,
  done: () => session.deselect(),
});
