import { ImapClient, type ImapOptions, type SearchQuery, type Uid, UidSet } from '../imap/index.ts';
import type { CallOptions } from '../socket/connection.ts';
import { type Mailbox, MailboxMessage, type MailboxQuery } from './mailbox-message.ts';

/** Messages asked for together, and the bytes of a batch. */
const BATCH_MESSAGES = 50;
const BATCH_BYTES = 4 * 1024 * 1024;

interface Listed {
  readonly uid: Uid;
  readonly sizeBytes: number;
}

/** Opens the mailbox that the URL's path names; INBOX where it names none. */
export async function openImapMailbox(url: string, options: ImapOptions): Promise<Mailbox> {
  const client = await ImapClient.connect(url, options);
  try {
    await client.select(client.targetMailbox ?? 'INBOX');
  } catch (error) {
    await client.logout();
    throw error;
  }
  return {
    messages: (query) => messages(client, query ?? {}),
    async close() {
      await client.logout();
      return { numbers: [], state: 'committed' };
    },
    async [Symbol.asyncDispose]() {
      await client.logout();
    },
  };
}

async function* messages(client: ImapClient, query: MailboxQuery): AsyncGenerator<MailboxMessage> {
  const { skip, signal, timeoutMs, ...search } = query;
  const call = { signal, timeoutMs };
  const prefix = String(client.mailbox?.uidValidity ?? 0);
  const wanted = await list(client, search, (uid) => skip?.has(`${prefix}-${uid}`) === true, call);
  let at = 0;
  const next = (): Promise<MailboxMessage[]> | undefined => {
    const from = at;
    for (let bytes = 0; at < wanted.length && at - from < BATCH_MESSAGES; at++) {
      bytes += wanted[at]?.sizeBytes ?? 0;
      if (at > from && bytes > BATCH_BYTES) break;
    }
    if (at === from) return undefined;
    const batch = read(client, prefix, wanted.slice(from, at), call);
    // Seen when it is awaited, or not at all after a break.
    batch.catch(() => undefined);
    return batch;
  };
  // One batch ahead: the next is on its way while this one is looked at.
  for (let batch = next(); batch !== undefined;) {
    const ready = await batch;
    batch = next();
    yield* ready;
  }
}

async function list(
  client: ImapClient,
  search: SearchQuery,
  skipped: (uid: Uid) => boolean,
  call: CallOptions,
): Promise<Listed[]> {
  const found = (await client.search(search, call)).uids;
  if (found.ranges.length === 0) return [];
  const listed: Listed[] = [];
  for (const { uid, sizeBytes = 0 } of await client.fetchAll(new UidSet(found.ranges), { sizeBytes: true }, call))
    if (uid !== undefined && !skipped(uid)) listed.push({ uid, sizeBytes });
  return listed.sort((left, right) => left.uid - right.uid);
}

async function read(
  client: ImapClient,
  prefix: string,
  wanted: readonly Listed[],
  call: CallOptions,
): Promise<MailboxMessage[]> {
  const fetched = await client.fetchAll(
    wanted.map(({ uid }) => uid),
    { source: true, flags: true },
    call,
  );
  const ready: MailboxMessage[] = [];
  for (const { uid, source, flags = [] } of fetched) {
    if (uid === undefined || source === undefined) continue;
    ready.push(
      new MailboxMessage(`${prefix}-${uid}`, source, flags, {
        async delete() {
          await client.store(uid, { add: ['\\Deleted'], silent: true });
          await client.expunge(uid);
        },
        async move(mailbox) {
          await client.move(uid, mailbox);
        },
        async setFlags(change) {
          if (change.add !== undefined && change.add.length > 0)
            await client.store(uid, { add: change.add, silent: true });
          if (change.remove !== undefined && change.remove.length > 0)
            await client.store(uid, { remove: change.remove, silent: true });
        },
      }),
    );
  }
  return ready.sort((left, right) => Number(left.uid?.split('-')[1]) - Number(right.uid?.split('-')[1]));
}
