import { type NumberRange, UidSet, parseRanges, type Uid } from './sequence-set.ts';

/** Where APPEND, COPY or MOVE put messages, where the server says so (UIDPLUS). @see RFC 4315 */
export interface CopiedUids {
  readonly uidValidity: number;
  readonly source: UidSet;
  readonly destination: UidSet;
}

interface NumberCode<N extends string> {
  readonly name: N;
  readonly value: number;
}

/** What stood in square brackets in a status response. `name` is in upper case; codes that carry something have it typed. */
export type ResponseCode =
  | { readonly name: 'APPENDUID'; readonly uidValidity: number; readonly uids: UidSet }
  | ({ readonly name: 'COPYUID' } & CopiedUids)
  | { readonly name: 'CAPABILITY'; readonly capabilities: readonly string[] }
  | { readonly name: 'PERMANENTFLAGS'; readonly flags: readonly string[] }
  | NumberCode<'UIDNEXT'>
  | NumberCode<'UIDVALIDITY'>
  | NumberCode<'UNSEEN'>
  | NumberCode<'APPENDLIMIT'>
  | NumberCode<'TOOBIG'>
  | { readonly name: 'HIGHESTMODSEQ'; readonly modSeq: bigint }
  | { readonly name: 'MODIFIED'; readonly ranges: readonly NumberRange[] }
  | { readonly name: 'BADCHARSET'; readonly charsets: readonly string[] }
  | { readonly name: 'REFERRAL'; readonly urls: readonly string[] }
  | { readonly name: 'MAILBOXID'; readonly id: string }
  | {
      readonly name: 'INPROGRESS';
      readonly tag: string | undefined;
      readonly done: number | undefined;
      readonly goal: number | undefined;
    }
  | { readonly name: 'MESSAGELIMIT'; readonly limit: number; readonly lastUid: number | undefined }
  | { readonly name: 'METADATA'; readonly what: string; readonly value: number | undefined }
  | { readonly name: string; readonly argument: string | undefined };

/** Codes of RFC 5530 and others by which a refusal may be told: compare with `error.reply.enhanced`. */
export const temporaryCodes: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'INUSE',
  'LIMIT',
  'THROTTLED',
  'SERVERBUG',
  'CONTACTADMIN',
]);

const uint32 = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= 0xffff_ffff ? value : undefined;
};

/** The code of `text`, and the text behind it. An unclosed bracket is text. Never throws: what has no sense is kept as an argument. */
export function parseResponseCode(text: string): { readonly code: ResponseCode | undefined; readonly text: string } {
  if (!text.startsWith('[')) return { code: undefined, text };
  const end = codeEnd(text);
  if (end < 0) return { code: undefined, text };
  const inside = text.slice(1, end);
  const space = inside.indexOf(' ');
  const name = (space < 0 ? inside : inside.slice(0, space)).toUpperCase();
  const argument = space < 0 ? undefined : inside.slice(space + 1);
  const rest = text.slice(end + 1).replace(/^ /, '');
  if (name === '') return { code: undefined, text };
  return { code: typed(name, argument) ?? { name, argument }, text: rest };
}

/** The bracket that closes the code: not one in a quoted string, as in BADCHARSET or REFERRAL. */
function codeEnd(text: string): number {
  let quoted = false;
  for (let at = 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) quoted = !quoted;
    else if (quoted && code === 92) at++;
    else if (!quoted && code === 93) return at;
  }
  // A quote that does not end: the first bracket must do.
  return quoted ? text.indexOf(']') : -1;
}

const words = (text: string): string[] =>
  text
    .replace(/^\(|\)$/g, '')
    .split(' ')
    .filter(Boolean);

function typed(name: string, argument: string | undefined): ResponseCode | undefined {
  if (argument === undefined) return undefined;
  const [first = '', second, third] = argument.split(' ');
  switch (name) {
    case 'CAPABILITY':
      return { name, capabilities: words(argument) };
    case 'PERMANENTFLAGS':
      return { name, flags: words(argument) };
    case 'UIDNEXT':
    case 'UIDVALIDITY':
    case 'UNSEEN':
    case 'APPENDLIMIT':
    case 'TOOBIG': {
      const value = uint32(first);
      return value === undefined || (name === 'UIDVALIDITY' && value === 0)
        ? undefined
        : ({ name, value } as NumberCode<'UIDNEXT'>);
    }
    case 'HIGHESTMODSEQ': {
      if (!/^[0-9]{1,19}$/.test(first)) return undefined;
      const modSeq = BigInt(first);
      return modSeq < 2n ** 63n ? { name, modSeq } : undefined;
    }
    case 'APPENDUID': {
      const [uidValidity, ranges] = [uint32(first), parseRanges(second ?? '')];
      return uidValidity === undefined || ranges === undefined
        ? undefined
        : { name, uidValidity, uids: new UidSet(ranges) };
    }
    case 'COPYUID': {
      const [uidValidity, source, destination] = [uint32(first), parseRanges(second ?? ''), parseRanges(third ?? '')];
      if (uidValidity === undefined || source === undefined || destination === undefined) return undefined;
      const sets = { source: new UidSet(source), destination: new UidSet(destination) };
      // Sets of different size say nothing about which message became which.
      return sets.source.size === sets.destination.size && Number.isFinite(sets.source.size)
        ? { name, uidValidity, ...sets }
        : undefined;
    }
    case 'MODIFIED': {
      const ranges = parseRanges(first);
      return ranges === undefined ? undefined : { name, ranges };
    }
    case 'BADCHARSET':
      return { name, charsets: words(argument).map((word) => word.replace(/^"|"$/g, '')) };
    case 'REFERRAL':
      return { name, urls: words(argument) };
    case 'MAILBOXID':
      return { name, id: words(argument)[0] ?? '' };
    case 'INPROGRESS': {
      const [tag, done, goal] = words(argument);
      return {
        name,
        tag: tag === undefined || tag.toUpperCase() === 'NIL' ? undefined : tag.replaceAll('"', ''),
        done: uint32(done),
        goal: uint32(goal),
      };
    }
    case 'MESSAGELIMIT': {
      const limit = uint32(first);
      return limit === undefined ? undefined : { name, limit, lastUid: uint32(second) };
    }
    case 'METADATA':
      return { name, what: first.toUpperCase(), value: uint32(second) };
    default:
      return undefined;
  }
}

/** Source to destination, one by one, lazily. */
export function* copiedPairs(copied: CopiedUids): Iterable<readonly [Uid, Uid]> {
  const destination = copied.destination[Symbol.iterator]();
  for (const source of copied.source) yield [source, destination.next().value as Uid];
}

/** The code of that name, typed. */
export function codeOf<N extends ResponseCode['name']>(
  code: ResponseCode | undefined,
  name: N,
): Extract<ResponseCode, { name: N }> | undefined {
  return code !== undefined && code.name === name && !('argument' in code)
    ? (code as Extract<ResponseCode, { name: N }>)
    : undefined;
}
