import { UnsupportedError, UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import type { FetchedMessage } from './codec/fetched.ts';
import type { CopiedUids } from './codec/response-code.ts';
import type { SearchQuery } from './codec/search-query.ts';
import { type MessageSet, type NumberSet, type Uid, UidSet, resolveSet, uids } from './codec/sequence-set.ts';
import { type MessageFacts, type ThreadNode, sortMessages, threadMessages } from './codec/sort-thread.ts';
import { transfer } from './commands/copy.ts';
import { expunge } from './commands/expunge.ts';
import { fetch } from './commands/fetch.ts';
import { type SortKey, inOrder, search, sort, sortOrder } from './commands/search.ts';
import { store } from './commands/store.ts';
import { thread } from './commands/thread.ts';
import type { CommandWriter } from './codec/command.ts';
import type { CommandContext, ImapCommand } from './command.ts';
import type { ImapSession } from './session.ts';

/** How messages were removed: exactly those named, in every case. */
export type ExpungeWay = 'UID EXPUNGE' | 'EXPUNGE';

export interface MoveResult {
  /** Undefined where the server does not tell. */
  readonly copied: CopiedUids | undefined;
  /** What was done: the server's MOVE, or COPY and then a removal. */
  readonly way: 'MOVE' | `COPY+${ExpungeWay}`;
}

/** What the steps of one job need of the session. */
type Steps = Pick<ImapSession, 'run' | 'has' | 'open'>;

/**
 * The session for a job of several steps, which all must meet the mailbox that the first met: who selects another between them gets a
 * UsageError for the job, and no message of that other mailbox is touched.
 */
function inOneMailbox(session: ImapSession): Steps {
  let began: number | undefined;
  return {
    has: (name) => session.has(name),
    get open() {
      return session.open;
    },
    run<T>(command: ImapCommand<T>, call?: CallOptions): Promise<T> {
      const pinned: ImapCommand<T> = Object.create(command, {
        encode: {
          value: (writer: CommandWriter, context: CommandContext) => {
            began ??= session.selections;
            if (began !== session.selections)
              throw new UsageError(
                'another mailbox was selected before this was done: its remaining steps were not taken',
              );
            command.encode?.(writer, context);
          },
        },
      }) as ImapCommand<T>;
      return session.run(pinned, call);
    },
  };
}

/** UIDs that need no asking: the first step is then queued at once, in the order of the calls. */
function knownUids(messages: MessageSet): NumberSet | undefined {
  const resolved = resolveSet(messages);
  return resolved.byUid ? resolved.set : undefined;
}

/** The set by UID: sequence numbers would mean other messages after the first step. */
async function byUid(session: Steps, messages: MessageSet, call: CallOptions): Promise<NumberSet> {
  const resolved = resolveSet(messages);
  if (resolved.byUid && resolved.set !== undefined) return resolved.set;
  const query: SearchQuery = resolved.byUid ? { uid: messages } : { sequence: messages as never };
  return (await session.run(search(query, { extended: session.has('ESEARCH') }), call)).uids;
}

/** Moves; where the server has no MOVE, by COPY, \Deleted, and the removal of just those. */
export async function moveMessages(
  session: ImapSession,
  messages: MessageSet,
  mailbox: string,
  call: CallOptions,
): Promise<MoveResult> {
  if (session.has('MOVE')) return { copied: await session.run(transfer('MOVE', messages, mailbox), call), way: 'MOVE' };
  const steps = inOneMailbox(session);
  const set = knownUids(messages) ?? (await byUid(steps, messages, call));
  if (set.ranges.length === 0) return { copied: undefined, way: 'COPY+UID EXPUNGE' };
  const named = new UidSet(set.ranges);
  const copied = await steps.run(transfer('COPY', named, mailbox), call);
  await steps.run(store(named, { add: ['\\Deleted'], silent: true }), call);
  return { copied, way: `COPY+${await removeOnly(steps, named, call)}` };
}

/** Removes, of the messages marked \Deleted, those named and no others. */
export function expungeOnly(session: ImapSession, messages: MessageSet, call: CallOptions): Promise<ExpungeWay> {
  return removeOnly(inOneMailbox(session), messages, call);
}

async function removeOnly(session: Steps, messages: MessageSet, call: CallOptions): Promise<ExpungeWay> {
  if (session.has('UIDPLUS')) {
    await session.run(expunge(messages), call);
    return 'UID EXPUNGE';
  }
  // EXPUNGE takes all that are marked: the marks of others are taken off meanwhile, and put back.
  const named = knownUids(messages) ?? (await byUid(session, messages, call));
  const marked = (await session.run(search({ deleted: true }, { extended: session.has('ESEARCH') }), call)).uids;
  const others = [...marked].filter((each) => !named.has(each));
  if (others.length > 0) await session.run(store(others, { remove: ['\\Deleted'], silent: true }), call);
  try {
    await session.run(expunge(), call);
  } finally {
    if (others.length > 0 && session.open) await session.run(store(others, { add: ['\\Deleted'], silent: true }), call);
  }
  return 'EXPUNGE';
}

export interface SortResult {
  readonly uids: readonly Uid[];
  readonly by: 'server' | 'client';
}

/** In order; where the server has no SORT, or not these keys, the messages' envelopes are fetched and sorted here. */
export async function sortedUids(
  session: ImapSession,
  keys: readonly SortKey[],
  query: SearchQuery,
  call: CallOptions,
): Promise<SortResult> {
  const order = sortOrder(keys);
  const byDisplay = order.some((word) => word.startsWith('DISPLAY'));
  if (session.has(byDisplay ? 'SORT=DISPLAY' : 'SORT')) {
    const extended = session.has('ESORT') && !byDisplay;
    return { uids: [...inOrder((await session.run(sort(keys, query, { extended }), call)).order)], by: 'server' };
  }
  const messages = await factsOf(inOneMailbox(session), query, false, call);
  return { uids: sortMessages(messages, order) as Uid[], by: 'client' };
}

export interface ThreadResult {
  readonly threads: readonly ThreadNode[];
  readonly by: 'server' | 'client';
}

/** Threads by UID; where the server has not the algorithm, headers are fetched and threaded here. */
export async function threadedUids(
  session: ImapSession,
  algorithm: 'REFERENCES' | 'ORDEREDSUBJECT' | 'REFS',
  query: SearchQuery,
  call: CallOptions,
): Promise<ThreadResult> {
  if (session.has(`THREAD=${algorithm}`))
    return { threads: await session.run(thread(algorithm, query), call), by: 'server' };
  if (algorithm === 'REFS')
    throw new UnsupportedError('the server does not offer THREAD=REFS; use REFERENCES', { protocol: 'IMAP' });
  const messages = await factsOf(inOneMailbox(session), query, true, call);
  return { threads: threadMessages(messages, algorithm), by: 'client' };
}

async function factsOf(
  session: Steps,
  query: SearchQuery,
  withReferences: boolean,
  call: CallOptions,
): Promise<MessageFacts[]> {
  const found = (await session.run(search(query, { extended: session.has('ESEARCH') }), call)).uids;
  if (found.ranges.length === 0) return [];
  const messages: MessageFacts[] = [];
  await session.run(
    fetch(
      uids(found),
      { envelope: true, internalDate: true, sizeBytes: true, ...(withReferences ? { headers: ['References'] } : {}) },
      { message: (message) => messages.push(factsOfMessage(message)) },
    ),
    call,
  );
  return messages;
}

function factsOfMessage(message: FetchedMessage): MessageFacts {
  const { envelope, uid, internalDate, sizeBytes } = message;
  const header = message.sections.find((section) => section.item.startsWith('BODY[HEADER.FIELDS'))?.bytes;
  const references =
    header == null
      ? []
      : (Buffer.from(header)
          .toString('latin1')
          .match(/<[^<>\s]{1,500}>/g) ?? []);
  const inReplyTo = envelope?.inReplyTo?.match(/<[^<>\s]{1,500}>/g)?.slice(0, 1) ?? [];
  const [from, to, cc] = [envelope?.from[0], envelope?.to[0], envelope?.cc[0]];
  return {
    number: uid as number,
    subject: envelope?.subject ?? '',
    from: from?.address ?? '',
    fromName: from?.name ?? '',
    to: to?.address ?? '',
    toName: to?.name ?? '',
    cc: cc?.address ?? '',
    date: envelope?.date ?? null,
    arrival: internalDate ?? new Date(0),
    sizeBytes: sizeBytes ?? 0,
    messageId: envelope?.messageId ?? undefined,
    references: references.length > 0 ? references : inReplyTo,
  };
}
