import { UsageError } from '../../errors.ts';
import type { CommandContext, ImapCommand } from '../command.ts';
import type { CommandWriter } from '../codec/command.ts';
import type { ImapReader } from '../codec/reader.ts';
import { type SearchQuery, needsCharset, writeSearchQuery } from '../codec/search-query.ts';
import { type NumberRange, type Uid, UidSet, parseRanges, uids } from '../codec/sequence-set.ts';
import { partialRange } from './fetch.ts';

export interface SearchOptions {
  /** Only these, which costs less than the list where there are many. Default: the list and its count. */
  readonly only?: readonly ('count' | 'min' | 'max')[] | undefined;
  /** Keep the result on the server: `SAVED` stands for it in the commands that follow. Needs SEARCHRES. */
  readonly save?: boolean | undefined;
  /** A part of the result: [1, 50] are the first, [-1, -50] the last. Needs PARTIAL, or CONTEXT=SEARCH. */
  readonly partial?: readonly [from: number, to: number] | undefined;
  /** Go on telling what comes and goes, as `search` events. Needs CONTEXT=SEARCH. */
  readonly update?: boolean | undefined;
}

/** What a search found. */
export interface SearchResult {
  /** Empty where only counts were asked for. */
  readonly uids: UidSet;
  /** The UIDs in the order that the server gave them. */
  readonly order: readonly NumberRange[];
  /** Undefined where it was not asked for. */
  readonly count: number | undefined;
  readonly min: Uid | undefined;
  readonly max: Uid | undefined;
  /** Highest of those found, where the search was by MODSEQ. */
  readonly highestModSeq: bigint | undefined;
  /** Names this search in events and to `cancelUpdate`. */
  readonly tag: string;
}

interface Collected {
  ranges: NumberRange[];
  count: number | undefined;
  min: number | undefined;
  max: number | undefined;
  modSeq: bigint | undefined;
}

/** Reads `(TAG "A1") UID ALL 1:3 COUNT 3`; false when it answers another command. @see RFC 4731 */
function readExtended(reader: ImapReader, tag: string, into: Collected): boolean {
  let own = true;
  if (reader.open()) {
    while (!reader.close()) {
      const name = reader.atom().toUpperCase();
      reader.spaces();
      const value = reader.string();
      if (name === 'TAG' && value !== tag) own = false;
    }
  }
  if (!own) return false;
  for (reader.spaces(); !reader.ended; reader.spaces()) {
    const item = reader.atom().toUpperCase();
    if (item === 'UID') continue;
    reader.spaces();
    switch (item) {
      case 'MIN':
        into.min = reader.number();
        break;
      case 'MAX':
        into.max = reader.number();
        break;
      case 'COUNT':
        into.count = reader.number();
        break;
      case 'MODSEQ':
        into.modSeq = reader.bigNumber();
        break;
      case 'ALL':
        into.ranges = parseRanges(reader.atom()) ?? [];
        break;
      case 'PARTIAL':
        if (reader.open()) {
          reader.atom();
          reader.spaces();
          if (!reader.nil()) into.ranges = parseRanges(reader.atom()) ?? [];
          while (!reader.close()) reader.skipValue();
        }
        break;
      default:
        reader.skipValue();
    }
  }
  return true;
}

/** Reads ` 2 84 882 (MODSEQ 9)`. */
function readPlain(reader: ImapReader, into: Collected): void {
  for (reader.spaces(); !reader.ended; reader.spaces()) {
    if (reader.open()) {
      reader.atom();
      reader.spaces();
      into.modSeq = reader.bigNumber();
      while (!reader.close()) reader.skipValue();
      continue;
    }
    const number = reader.number();
    if (number < 1 || number > 0xffff_ffff) throw reader.wrong('a message number was expected');
    const last = into.ranges.at(-1);
    if (last !== undefined && last[1] + 1 === number) into.ranges[into.ranges.length - 1] = [last[0], number];
    else into.ranges.push([number, number]);
  }
}

function writeReturn(writer: CommandWriter, options: SearchOptions): void {
  writer.word('RETURN').open();
  const { only, partial, save, update } = options;
  if (partial !== undefined) writer.word('PARTIAL').word(partialRange(partial));
  else if (only === undefined) writer.word('ALL');
  for (const each of only ?? ['count']) {
    if (!['count', 'min', 'max'].includes(each))
      throw new UsageError(`only takes count, min and max; got ${JSON.stringify(each)}`);
    writer.word(each.toUpperCase());
  }
  if (save === true) writer.word('SAVE');
  if (update === true) writer.word('UPDATE');
  writer.close();
}

function command(
  verb: 'UID SEARCH' | 'UID SORT',
  extended: boolean,
  options: SearchOptions,
  encode: (writer: CommandWriter, context: CommandContext) => void,
): ImapCommand<SearchResult> {
  const found: Collected = { ranges: [], count: undefined, min: undefined, max: undefined, modSeq: undefined };
  let tag = '';
  return {
    verb,
    states: ['selected'],
    streams: true,
    ...(options.save === true ? { needs: 'SEARCHRES' } : {}),
    // Without tags in the answers two searches could not be told apart.
    takes: extended ? ['ESEARCH', verb.slice(4)] : [verb.slice(4)],
    encode(writer, context) {
      tag = context.tag;
      if (extended) writeReturn(writer, options);
      encode(writer, context);
    },
    data({ name, reader }, context) {
      if (name === 'ESEARCH') return readExtended(reader, context.tag, found);
      readPlain(reader, found);
      return true;
    },
    done(_, context) {
      tag = context.tag;
      const set = new UidSet(found.ranges);
      let [min, max] = [Number.POSITIVE_INFINITY, 0];
      for (const [from, to] of found.ranges) {
        min = Math.min(min, from);
        max = Math.max(max, to);
      }
      const any = found.ranges.length > 0;
      return {
        uids: set,
        order: found.ranges,
        // What the server left out follows from the list, where there is one.
        count: found.count ?? (any || !extended || options.only === undefined ? set.size : undefined),
        min: (found.min ?? (any ? min : undefined)) as Uid | undefined,
        max: (found.max ?? (any ? max : undefined)) as Uid | undefined,
        highestModSeq: found.modSeq,
        tag,
      };
    },
  };
}

/** Finds messages, by UID. @see RFC 9051 section 6.4.4, RFC 4731, RFC 5182, RFC 9394 */
export const search = (
  query: SearchQuery,
  options: SearchOptions & { readonly extended: boolean },
): ImapCommand<SearchResult> =>
  command('UID SEARCH', options.extended, options, (writer) => {
    if (needsCharset(query) && !writer.context.utf8) writer.word('CHARSET').word('UTF-8');
    writeSearchQuery(writer, query);
  });

/** A key to sort by; `-date` is the latest first. */
export type SortKey = SortWord | `-${SortWord}`;
export type SortWord =
  'arrival' | 'cc' | 'date' | 'from' | 'sizeBytes' | 'subject' | 'to' | 'displayFrom' | 'displayTo';

const sortWords: Readonly<Record<SortWord, string>> = {
  arrival: 'ARRIVAL',
  cc: 'CC',
  date: 'DATE',
  from: 'FROM',
  sizeBytes: 'SIZE',
  subject: 'SUBJECT',
  to: 'TO',
  displayFrom: 'DISPLAYFROM',
  displayTo: 'DISPLAYTO',
};

/** The keys as the protocol has them. UsageError for one that is not known. */
export function sortOrder(keys: readonly SortKey[]): string[] {
  if (keys.length === 0) throw new UsageError('sort needs at least one key');
  return keys.flatMap((key) => {
    const word = sortWords[key.replace(/^-/, '') as SortWord];
    if (word === undefined)
      throw new UsageError(
        `not a key to sort by: ${JSON.stringify(key)}; there are ${Object.keys(sortWords).join(', ')}`,
      );
    return key.startsWith('-') ? ['REVERSE', word] : [word];
  });
}

/** Finds messages and puts them in order. @see RFC 5256, RFC 5267 */
export const sort = (
  keys: readonly SortKey[],
  query: SearchQuery,
  options: SearchOptions & { readonly extended: boolean },
): ImapCommand<SearchResult> =>
  command('UID SORT', options.extended, options, (writer) => {
    writer.open();
    for (const word of sortOrder(keys)) writer.word(word);
    writer.close().word('UTF-8');
    writeSearchQuery(writer, query);
  });

/** Ends the updates of searches, by their tags. @see RFC 5267 section 4.3 */
export const cancelUpdate = (tags: readonly string[]): ImapCommand<void> => ({
  verb: 'CANCELUPDATE',
  states: ['selected'],
  encode(writer) {
    for (const tag of tags) writer.string('a tag', tag);
  },
  done() {},
});

/** Every UID found, in the server's order. */
export function* inOrder(ranges: readonly NumberRange[]): Iterable<Uid> {
  for (const [from, to] of ranges) for (const each of uids(`${from}:${to}`)) yield each;
}
