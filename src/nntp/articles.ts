import { ProtocolError, UsageError } from '../errors.ts';
import { type ThreadNode, threadByReferences } from '../mime/thread.ts';
import type { CallOptions } from '../socket/connection.ts';
import type { FetchOptions, NntpFetched } from './article.ts';
import type { OverviewEntry } from './codec/overview.ts';
import type { NntpGroup } from './codec/response.ts';
import type { NntpCursor } from './cursor.ts';

/** Which articles of a group to read. */
export interface ArticlesQuery extends CallOptions {
  /** From a number on, or dated at or after a time. What comes late with an older date is missed by a time: a cursor misses nothing. */
  readonly since?: number | Date | undefined;
  /** Goes on where it was, and learns what is handed over. */
  readonly cursor?: NntpCursor | undefined;
  /** What to read of each. Default 'article'; 'overview' reads nothing more. */
  readonly part?: 'article' | 'head' | 'body' | 'overview' | undefined;
  /** Only these, by what the overview says. */
  readonly filter?: ((entry: OverviewEntry) => boolean) | undefined;
}

/** An article of a group. */
export interface NewsArticle {
  readonly number: number;
  readonly messageId: string;
  readonly overview: OverviewEntry;
  /** Undefined with `part: 'overview'`. */
  readonly bytes: Uint8Array | undefined;
}

/** What reading a group needs of a client. */
export interface ArticleSource {
  readonly selected: string | undefined;
  group(name: string, call: CallOptions): Promise<NntpGroup>;
  over(range: { readonly from: number; readonly to: number }, call: CallOptions): Promise<OverviewEntry[]>;
  fetch(which: Iterable<number>, options: FetchOptions): AsyncGenerator<NntpFetched>;
}

/** Article numbers whose overview is asked for at once. */
const OVER_COUNT = 1000;

/** The articles of a group, in the order of their numbers. One that is gone by the time it is asked for is left out. */
export async function* articlesOf(
  client: ArticleSource,
  name: string,
  query: ArticlesQuery,
): AsyncGenerator<NewsArticle> {
  const { since, cursor, part = 'article', filter, ...call } = query;
  if (typeof since === 'number' && !(Number.isSafeInteger(since) && since >= 0))
    throw new UsageError('since must be an article number or a Date');
  if (since instanceof Date && Number.isNaN(since.getTime())) throw new UsageError('since must be a valid Date');
  const { low, high } = await client.group(name, call);
  const read = cursor?.get(name) ?? 0;
  // RFC 3977 section 6.1.1: the high number never falls.
  if (read > high + 1 && high > 0)
    throw new ProtocolError(`the cursor of ${name} is at ${read}, and the server's last article is ${high}`, {
      protocol: 'NNTP',
      reason: 'RENUMBERED',
      reusable: true,
      hint: 'the numbers are those of another server, or began anew: use a new cursor',
    });
  const first = Math.max(low, 1, read + 1, typeof since === 'number' ? since : 1);
  for (let from = first; from <= high; from += OVER_COUNT) {
    const to = Math.min(from + OVER_COUNT - 1, high);
    if (client.selected !== name) await client.group(name, call);
    const entries = (await client.over({ from, to }, call)).filter(({ number }) => number >= from && number <= to);
    const wanted = entries.filter((entry) => {
      const date = since instanceof Date ? entry.date : undefined;
      // Without a readable date nobody knows: better once too often.
      return (date == null || date >= (since as Date)) && filter?.(entry) !== false;
    });
    for await (const [entry, bytes] of contents(client, name, wanted, part, call)) {
      yield { number: entry.number, messageId: entry.messageId, overview: entry, bytes };
      // The caller came back for the next: this one is in its hands.
      cursor?.set(name, entry.number);
    }
    cursor?.set(name, to);
  }
}

async function* contents(
  client: ArticleSource,
  group: string,
  entries: readonly OverviewEntry[],
  part: NonNullable<ArticlesQuery['part']>,
  call: CallOptions,
): AsyncGenerator<readonly [OverviewEntry, Uint8Array | undefined]> {
  if (part === 'overview') {
    for (const entry of entries) yield [entry, undefined];
    return;
  }
  let index = 0;
  const numbers = entries.map((entry) => entry.number);
  for await (const { bytes } of client.fetch(numbers, { ...call, part, group })) {
    const entry = entries[index++] as OverviewEntry;
    if (bytes !== undefined) yield [entry, bytes];
  }
}

/** Overview entries as trees of who answers whom; `number` is the place in `entries`, so that entries of several groups can be mixed. */
export function threadArticles(entries: readonly OverviewEntry[]): ThreadNode[] {
  const epoch = new Date(0);
  return threadByReferences(
    entries.map((entry, number) => ({
      number,
      subject: entry.subject,
      date: entry.date,
      arrival: epoch,
      messageId: entry.messageId === '' ? undefined : entry.messageId,
      references: entry.references,
    })),
  );
}
