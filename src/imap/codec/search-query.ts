import { UsageError } from '../../errors.ts';
import { checkOptions } from '../../wire/arguments.ts';
import type { CommandWriter } from './command.ts';
import { formatSearchDate } from './dates.ts';
import { type MessageSet, type SequenceSet, resolveSet } from './sequence-set.ts';

/** A day: a Date (its day in UTC), or text like '2026-02-01'. */
export type SearchDay = Date | string;

/** What to look for. All of what is given must hold; `or` and `not` nest. An empty query finds everything. */
export interface SearchQuery {
  readonly seen?: boolean | undefined;
  readonly answered?: boolean | undefined;
  readonly flagged?: boolean | undefined;
  readonly deleted?: boolean | undefined;
  readonly draft?: boolean | undefined;
  readonly recent?: boolean | undefined;
  /** Has the keyword, or all of them. */
  readonly keyword?: string | readonly string[] | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly cc?: string | undefined;
  readonly bcc?: string | undefined;
  readonly subject?: string | undefined;
  readonly body?: string | undefined;
  /** Header or body. */
  readonly text?: string | undefined;
  /** Field names and what they contain; '' for any value. */
  readonly header?: Readonly<Record<string, string>> | undefined;
  /** By the day it arrived. */
  readonly since?: SearchDay | undefined;
  readonly before?: SearchDay | undefined;
  readonly on?: SearchDay | undefined;
  /** By its Date field. */
  readonly sentSince?: SearchDay | undefined;
  readonly sentBefore?: SearchDay | undefined;
  readonly sentOn?: SearchDay | undefined;
  /** By the day it came into this mailbox. Needs SAVEDATE. */
  readonly savedSince?: SearchDay | undefined;
  readonly savedBefore?: SearchDay | undefined;
  readonly savedOn?: SearchDay | undefined;
  readonly largerBytes?: number | undefined;
  readonly smallerBytes?: number | undefined;
  readonly uid?: MessageSet | undefined;
  readonly sequence?: SequenceSet | undefined;
  /** Arrived longer, or less long, ago than so many seconds. Needs WITHIN. */
  readonly olderSeconds?: number | undefined;
  readonly youngerSeconds?: number | undefined;
  /** Changed since. Needs CONDSTORE. */
  readonly modSeq?: bigint | undefined;
  /** Needs OBJECTID. */
  readonly emailId?: string | undefined;
  readonly threadId?: string | undefined;
  /** A filter that the server has under this name. Needs FILTERS. */
  readonly filter?: string | undefined;
  /** As in Gmail's search field. Needs X-GM-EXT-1. */
  readonly gmailRaw?: string | undefined;
  readonly gmailMessageId?: string | undefined;
  readonly gmailThreadId?: string | undefined;
  readonly gmailLabel?: string | undefined;
  /** To be matched loosely, as the server likes. Needs SEARCH=FUZZY. */
  readonly fuzzy?: SearchQuery | undefined;
  readonly not?: SearchQuery | readonly SearchQuery[] | undefined;
  /** At least one of these. */
  readonly or?: readonly SearchQuery[] | undefined;
  readonly and?: readonly SearchQuery[] | undefined;
}

type Compile = (writer: CommandWriter, value: never) => void;

const flag =
  (set: string, unset: string): Compile =>
  (writer, value: unknown) => {
    if (typeof value !== 'boolean')
      throw new UsageError(`${set.toLowerCase()} must be true or false; got ${JSON.stringify(value)}`);
    writer.word(value ? set : unset);
  };
const text =
  (key: string): Compile =>
  (writer, value: string) =>
    writer.word(key).string(`the search for ${key}`, value);
const day =
  (key: string): Compile =>
  (writer, value: SearchDay) =>
    writer.word(key).word(formatSearchDate(value));
const size =
  (key: string): Compile =>
  (writer, value: number) =>
    writer.word(key).number(key, value);
const atom =
  (key: string): Compile =>
  (writer, value: string) =>
    writer.word(key).atom(key, value);

const keys: Readonly<Record<keyof SearchQuery, Compile>> = {
  seen: flag('SEEN', 'UNSEEN'),
  answered: flag('ANSWERED', 'UNANSWERED'),
  flagged: flag('FLAGGED', 'UNFLAGGED'),
  deleted: flag('DELETED', 'UNDELETED'),
  draft: flag('DRAFT', 'UNDRAFT'),
  recent: flag('RECENT', 'NOT RECENT'),
  keyword: (writer, value: string | readonly string[]) => {
    for (const each of typeof value === 'string' ? [value] : value) {
      if (each.startsWith('\\'))
        throw new UsageError(`${each} is a system flag: search for seen, answered, flagged, deleted or draft`);
      writer.word('KEYWORD').atom('a keyword', each);
    }
  },
  from: text('FROM'),
  to: text('TO'),
  cc: text('CC'),
  bcc: text('BCC'),
  subject: text('SUBJECT'),
  body: text('BODY'),
  text: text('TEXT'),
  header: (writer, value: Readonly<Record<string, string>>) => {
    for (const [name, contained] of Object.entries(value)) {
      if (!/^[!-9;-~]+$/.test(name)) throw new UsageError(`not the name of a header field: ${JSON.stringify(name)}`);
      writer.word('HEADER').astring('the field name', name).string(`the search in ${name}`, contained);
    }
  },
  since: day('SINCE'),
  before: day('BEFORE'),
  on: day('ON'),
  sentSince: day('SENTSINCE'),
  sentBefore: day('SENTBEFORE'),
  sentOn: day('SENTON'),
  savedSince: day('SAVEDSINCE'),
  savedBefore: day('SAVEDBEFORE'),
  savedOn: day('SAVEDON'),
  largerBytes: size('LARGER'),
  smallerBytes: size('SMALLER'),
  uid: (writer, value: MessageSet) => {
    const { text: set, byUid } = resolveSet(value);
    if (!byUid) throw new UsageError('uid takes UIDs; use sequence for sequence numbers');
    if (set !== '$') writer.word('UID');
    writer.word(set);
  },
  sequence: (writer, value: SequenceSet) => {
    const { text: set, byUid } = resolveSet(value);
    if (byUid) throw new UsageError('sequence takes sequence numbers: sequences(…)');
    writer.word(set);
  },
  olderSeconds: size('OLDER'),
  youngerSeconds: size('YOUNGER'),
  modSeq: (writer, value: bigint) => writer.word('MODSEQ').bigNumber('modSeq', value),
  emailId: atom('EMAILID'),
  threadId: atom('THREADID'),
  filter: atom('FILTER'),
  gmailRaw: text('X-GM-RAW'),
  gmailMessageId: atom('X-GM-MSGID'),
  gmailThreadId: atom('X-GM-THRID'),
  gmailLabel: text('X-GM-LABELS'),
  fuzzy: (writer, value: SearchQuery) => {
    writer.word('FUZZY');
    group(writer, value);
  },
  not: (writer, value: SearchQuery | readonly SearchQuery[]) => {
    for (const each of asList(value)) {
      writer.word('NOT');
      group(writer, each);
    }
  },
  or: (writer, value: readonly SearchQuery[]) => {
    if (value.length === 0) throw new UsageError('or needs at least one alternative');
    value.forEach((each, index) => {
      if (index < value.length - 1) writer.word('OR');
      group(writer, each);
    });
  },
  and: (writer, value: readonly SearchQuery[]) => {
    for (const each of value) group(writer, each);
  },
};

const asList = (value: SearchQuery | readonly SearchQuery[]): readonly SearchQuery[] =>
  Array.isArray(value) ? (value as readonly SearchQuery[]) : [value as SearchQuery];

function group(writer: CommandWriter, query: SearchQuery): void {
  writer.open();
  writeSearchQuery(writer, query);
  writer.close();
}

/** Writes the keys of a query; `ALL` for an empty one. UsageError for an unknown key or a value that cannot be sent. */
export function writeSearchQuery(writer: CommandWriter, query: SearchQuery): void {
  if (typeof query !== 'object' || query === null || Array.isArray(query))
    throw new UsageError('a search must be an object, such as { seen: false }');
  checkOptions('search', query, Object.keys(keys));
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) writer.word('ALL');
  for (const [key, value] of given) keys[key as keyof SearchQuery](writer, value as never);
}

/** True when the query has text beyond ASCII, for which SEARCH must name a charset. */
export function needsCharset(query: SearchQuery): boolean {
  return Object.values(query).some((value: unknown) =>
    typeof value === 'string'
      ? /[^\u0000-\u007f]/.test(value)
      : Array.isArray(value)
        ? value.some((each: unknown) => (typeof each === 'object' && each !== null ? needsCharset(each) : false))
        : typeof value === 'object' &&
          value !== null &&
          !(value instanceof Date) &&
          Object.getPrototypeOf(value) === Object.prototype &&
          needsCharset(value),
  );
}
