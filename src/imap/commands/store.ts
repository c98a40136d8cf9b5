import { UsageError } from '../../errors.ts';
import { checkOptions } from '../../wire/arguments.ts';
import type { ImapCommand } from '../command.ts';
import type { FetchedMessage } from '../codec/fetched.ts';
import { codeOf } from '../codec/response-code.ts';
import { type MessageSet, NumberSet, resolveSet } from '../codec/sequence-set.ts';

/** What to do with flags: one of `add`, `remove` and `set`. */
export interface FlagChange {
  readonly add?: readonly string[] | undefined;
  readonly remove?: readonly string[] | undefined;
  readonly set?: readonly string[] | undefined;
  /** Gmail's labels instead of flags. */
  readonly labels?: boolean | undefined;
  /** Do not tell the new flags. */
  readonly silent?: boolean | undefined;
  /** Leave messages alone that changed since. Needs CONDSTORE. */
  readonly unchangedSince?: bigint | undefined;
}

export interface StoreResult {
  /** The new flags, as the server told them. */
  readonly messages: readonly FetchedMessage[];
  /** Those that were left alone, because they had changed since. */
  readonly modified: NumberSet;
}

/** Changes flags. @see RFC 9051 section 6.4.6, RFC 7162 section 3.1.3 */
export function store(messages: MessageSet, change: FlagChange): ImapCommand<StoreResult> {
  checkOptions('flags', change, ['add', 'remove', 'set', 'labels', 'silent', 'unchangedSince']);
  const { byUid, set } = resolveSet(messages);
  const told: FetchedMessage[] = [];
  return {
    verb: byUid ? 'UID STORE' : 'STORE',
    states: ['selected'],
    bySequence: !byUid,
    keepsSequence: !byUid,
    takes: ['FETCH'],
    targets: byUid ? set : undefined,
    encode(writer) {
      const given = (['add', 'remove', 'set'] as const).filter((way) => change[way] !== undefined);
      const [way] = given;
      if (given.length !== 1 || way === undefined)
        throw new UsageError('a change of flags is one of add, remove and set');
      const sign = { add: '+', remove: '-', set: '' }[way];
      const names = change[way] as readonly string[];
      if (!Array.isArray(names)) throw new UsageError(`${way} must be a list of flags`);
      writer.set(messages);
      if (change.unchangedSince !== undefined)
        writer.open().word('UNCHANGEDSINCE').bigNumber('unchangedSince', change.unchangedSince).close();
      writer.word(
        `${sign}${change.labels === true ? 'X-GM-LABELS' : 'FLAGS'}${change.silent === true ? '.SILENT' : ''}`,
      );
      if (change.labels !== true) writer.flags(names);
      else {
        writer.open();
        for (const name of names) writer.astring('a label', name);
        writer.close();
      }
    },
    fetched(message) {
      if (change.silent === true && message.modSeq === undefined) return false;
      if (message.uid !== undefined && byUid && set !== undefined && !set.has(message.uid)) return false;
      told.push(message);
      return true;
    },
    accepts: (status) => status.code?.name === 'MODIFIED',
    done: (status) => ({ messages: told, modified: new NumberSet(codeOf(status.code, 'MODIFIED')?.ranges ?? []) }),
  };
}
