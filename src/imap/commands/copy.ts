import type { ImapCommand } from '../command.ts';
import { type CopiedUids, codeOf } from '../codec/response-code.ts';
import { type MessageSet, resolveSet } from '../codec/sequence-set.ts';

/** Copies or moves messages; resolves with their new UIDs where the server tells. @see RFC 9051 sections 6.4.7 and 6.4.8 */
export function transfer(
  verb: 'COPY' | 'MOVE',
  messages: MessageSet,
  mailbox: string,
): ImapCommand<CopiedUids | undefined> {
  const { byUid } = resolveSet(messages);
  let copied: CopiedUids | undefined;
  return {
    verb: byUid ? `UID ${verb}` : verb,
    ...(verb === 'MOVE' ? { needs: 'MOVE' } : {}),
    states: ['selected'],
    bySequence: !byUid,
    // MOVE tells the UIDs before it is done, without a tag: two at once could not be told apart.
    ...(verb === 'MOVE' ? { takes: ['COPYUID'] } : {}),
    streams: true,
    encode(writer) {
      writer.set(messages).mailbox(mailbox);
    },
    status({ code }) {
      if (verb === 'MOVE') copied ??= codeOf(code, 'COPYUID');
    },
    done: ({ code }) => codeOf(code, 'COPYUID') ?? copied,
  };
}
