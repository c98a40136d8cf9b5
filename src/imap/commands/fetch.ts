import { UsageError } from '../../errors.ts';
import { checkOptions } from '../../wire/arguments.ts';
import type { AnnouncedLiteral, ImapCommand, LiteralSink } from '../command.ts';
import type { CommandWriter } from '../codec/command.ts';
import type { FetchedMessage } from '../codec/fetched.ts';
import { isAtom } from '../codec/reader.ts';
import { type MessageSet, resolveSet } from '../codec/sequence-set.ts';

/** What to fetch. Nothing of this sets \Seen. The UID always comes along. */
export interface FetchQuery {
  readonly flags?: boolean | undefined;
  readonly envelope?: boolean | undefined;
  readonly bodyStructure?: boolean | undefined;
  readonly internalDate?: boolean | undefined;
  readonly sizeBytes?: boolean | undefined;
  /** The whole message, or bytes of it. */
  readonly source?: boolean | ByteRange | undefined;
  /** The header, or the fields named. */
  readonly headers?: boolean | readonly string[] | undefined;
  /** Sections as in BODY[…]: '1', '2.MIME', 'TEXT', '1.2.HEADER'. */
  readonly sections?: readonly string[] | undefined;
  /** Parts, their transfer encoding undone by the server. Needs BINARY. */
  readonly binary?: readonly string[] | undefined;
  /** Decoded sizes of parts. Needs BINARY. */
  readonly binarySizes?: readonly string[] | undefined;
  /** Needs CONDSTORE. */
  readonly modSeq?: boolean | undefined;
  /** EMAILID and THREADID. Needs OBJECTID. */
  readonly objectIds?: boolean | undefined;
  /** Needs SAVEDATE. */
  readonly saveDate?: boolean | undefined;
  /** 'lazy': only where the server has it at hand. Needs PREVIEW. */
  readonly preview?: boolean | 'lazy' | undefined;
  /** Message id, thread id and labels. Needs X-GM-EXT-1. */
  readonly gmail?: boolean | undefined;
  /** Only what changed since. Needs CONDSTORE. */
  readonly changedSince?: bigint | undefined;
  /** With `changedSince`, by UID: also tell what is gone. Needs QRESYNC, enabled. */
  readonly vanished?: boolean | undefined;
  /** Only these of the result: 1 is the first, -1 the last. Needs PARTIAL. */
  readonly partial?: readonly [from: number, to: number] | undefined;
}

export interface ByteRange {
  /** In bytes from the start. Default 0. */
  readonly start?: number | undefined;
  readonly maxBytes: number;
}

const known = [
  'flags',
  'envelope',
  'bodyStructure',
  'internalDate',
  'sizeBytes',
  'source',
  'headers',
  'sections',
  'binary',
  'binarySizes',
  'modSeq',
  'objectIds',
  'saveDate',
  'preview',
  'gmail',
  'changedSince',
  'vanished',
  'partial',
];

const part = '[1-9][0-9]{0,9}(?:\\.[1-9][0-9]{0,9}){0,99}';
const sectionForm = new RegExp(`^(?:${part})?$|^(?:${part}\\.MIME|(?:${part}\\.)?(?:HEADER|TEXT))$`, 'i');
const partForm = new RegExp(`^(?:${part})?$`);

function checkSection(section: string, form: RegExp): string {
  if (typeof section !== 'string' || !form.test(section))
    throw new UsageError(
      `not a section of a message: ${JSON.stringify(section)}; expected one like 1.2, TEXT or 1.MIME`,
    );
  return section.toUpperCase();
}

function partialOf(range: boolean | ByteRange): string {
  if (typeof range === 'boolean') return '';
  const { start = 0, maxBytes } = range;
  if (![start, maxBytes].every((each) => Number.isSafeInteger(each) && each >= 0) || maxBytes === 0)
    throw new UsageError('start and maxBytes must be whole numbers, maxBytes of 1 or more');
  return `<${start}.${maxBytes}>`;
}

/** The items in parentheses, and the modifiers. UsageError for what is not known. */
export function writeFetchQuery(writer: CommandWriter, query: FetchQuery): void {
  if (typeof query !== 'object' || query === null)
    throw new UsageError('what to fetch must be an object, such as { envelope: true }');
  checkOptions('fetch', query, known);
  const items = ['UID'];
  const add = (wanted: unknown, ...words: string[]): void => {
    if (wanted === true) items.push(...words);
  };
  add(query.flags, 'FLAGS');
  add(query.internalDate, 'INTERNALDATE');
  add(query.sizeBytes, 'RFC822.SIZE');
  add(query.envelope, 'ENVELOPE');
  add(query.bodyStructure, 'BODYSTRUCTURE');
  add(query.modSeq, 'MODSEQ');
  add(query.objectIds, 'EMAILID', 'THREADID');
  add(query.saveDate, 'SAVEDATE');
  add(query.gmail, 'X-GM-MSGID', 'X-GM-THRID', 'X-GM-LABELS');
  if (query.preview !== undefined && query.preview !== false)
    items.push(query.preview === 'lazy' ? 'PREVIEW (LAZY)' : 'PREVIEW');
  add(query.headers, 'BODY.PEEK[HEADER]');
  if (Array.isArray(query.headers))
    items.push(`BODY.PEEK[HEADER.FIELDS (${fieldNames(query.headers as readonly string[])})]`);
  for (const section of query.sections ?? []) items.push(`BODY.PEEK[${checkSection(section, sectionForm)}]`);
  for (const section of query.binary ?? []) items.push(`BINARY.PEEK[${checkSection(section, partForm)}]`);
  for (const section of query.binarySizes ?? []) items.push(`BINARY.SIZE[${checkSection(section, partForm)}]`);
  if (query.source !== undefined && query.source !== false) items.push(`BODY.PEEK[]${partialOf(query.source)}`);
  writer.open();
  for (const item of items) writer.word(item);
  writer.close();
  const { changedSince, vanished, partial } = query;
  if (vanished === true && changedSince === undefined) throw new UsageError('vanished needs changedSince');
  if (changedSince === undefined && partial === undefined) return;
  writer.open();
  if (changedSince !== undefined) writer.word('CHANGEDSINCE').bigNumber('changedSince', changedSince);
  if (vanished === true) writer.word('VANISHED');
  if (partial !== undefined) writer.word('PARTIAL').word(partialRange(partial));
  writer.close();
}

/** `1:50` or `-1:-50`. @see RFC 9394 */
export function partialRange([from, to]: readonly [number, number]): string {
  const valid = [from, to].every((each) => Number.isSafeInteger(each) && each !== 0) && from < 0 === to < 0;
  if (!valid) throw new UsageError(`partial must be two whole numbers of the same sign, not 0; got ${from}, ${to}`);
  return `${from}:${to}`;
}

function fieldNames(names: readonly string[]): string {
  if (names.length === 0) throw new UsageError('headers must name at least one field');
  for (const name of names)
    if (!isAtom(name) || !/^[!-9;-~]+$/.test(name) || name.includes(']'))
      throw new UsageError(`not the name of a header field: ${JSON.stringify(name)}`);
  return names.join(' ');
}

/** What a FETCH does with what it gets. */
export interface FetchReceiver {
  message(message: FetchedMessage): void;
  readonly literal?: ((announced: AnnouncedLiteral) => LiteralSink | undefined) | undefined;
  full?(): boolean;
  fail?(error: Error): void;
  done?(): void;
}

/** Only these, and the server may be telling a change that nobody asked for. */
const idle = new Set(['flags', 'modSeq', 'changedSince', 'vanished', 'partial']);

/** Reads messages. @see RFC 9051 sections 6.4.5 and 6.4.9 */
export function fetch(messages: MessageSet, query: FetchQuery, receiver: FetchReceiver): ImapCommand<void> {
  const { byUid, set } = resolveSet(messages);
  const asksForMore = Object.entries(query).some(
    ([key, value]) => value !== undefined && value !== false && !idle.has(key),
  );
  return {
    verb: byUid ? 'UID FETCH' : 'FETCH',
    states: ['selected'],
    bySequence: !byUid,
    keepsSequence: !byUid,
    takes: ['FETCH'],
    targets: byUid ? set : undefined,
    streams: true,
    encode(writer, context) {
      if (query.vanished === true && !context.has('QRESYNC')) throw new UsageError('vanished needs QRESYNC');
      writer.set(messages);
      writeFetchQuery(writer, query);
    },
    fetched(message) {
      if (asksForMore && isUpdate(message)) return false;
      if (byUid && message.uid === undefined) return false;
      if (set !== undefined && !set.has(byUid ? (message.uid as number) : message.sequence) && !lastOf(set))
        return false;
      receiver.message(message);
      return true;
    },
    get literal() {
      return receiver.literal;
    },
    full: () => receiver.full?.() === true,
    fail: (error) => receiver.fail?.(error),
    done: () => receiver.done?.(),
  };
}

/** A `*` names the last message, which may be below the range's other end. */
const lastOf = (set: { readonly ranges: readonly (readonly [number, number])[] }): boolean =>
  set.ranges.some(([, to]) => to === Number.POSITIVE_INFINITY);

/** True for a response with flags alone: a change by somebody else. */
function isUpdate(message: FetchedMessage): boolean {
  return (
    message.flags !== undefined &&
    message.sections.length === 0 &&
    message.envelope === undefined &&
    message.bodyStructure === undefined &&
    message.internalDate === undefined &&
    message.sizeBytes === undefined &&
    message.binarySizes === undefined &&
    message.emailId === undefined &&
    message.threadId === undefined &&
    message.saveDate === undefined &&
    message.preview === undefined &&
    message.gmail === undefined &&
    message.other === undefined
  );
}
