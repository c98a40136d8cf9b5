import { parseDate } from '../mime/index.ts';
import { parseSearchDate } from '../imap/codec/dates.ts';
import type { ImapReader } from '../imap/codec/reader.ts';
import { type NumberRange, parseRanges } from '../imap/codec/sequence-set.ts';
import { decodeText } from '../wire/bytes.ts';
import type { FolderMessage } from './imap-account.ts';
import { messageOf } from './imap-render.ts';

/** What a search is tried on. */
export interface Candidate {
  readonly message: FolderMessage;
  readonly sequence: number;
  /** The last message's numbers, for `*`. */
  readonly lastSequence: number;
  readonly lastUid: number;
}

export type Criterion = (candidate: Candidate) => boolean;

/** Thrown for what the grammar does not know: the server answers BAD. */
export class BadSearch extends Error {}

const flags: Readonly<Record<string, string>> = {
  ANSWERED: '\\Answered',
  DELETED: '\\Deleted',
  DRAFT: '\\Draft',
  FLAGGED: '\\Flagged',
  SEEN: '\\Seen',
  RECENT: '\\Recent',
};
const DAY_MS = 86_400_000;
const dayOf = (date: Date): number => Math.floor(date.getTime() / DAY_MS);

/** True when the number is one of the set; `*` is the last. */
export function inRanges(ranges: readonly NumberRange[], number: number, last: number): boolean {
  return ranges.some(([from, to]) => {
    const [start, end] = [from === Number.POSITIVE_INFINITY ? last : from, to === Number.POSITIVE_INFINITY ? last : to];
    return number >= Math.min(start, end) && number <= Math.max(start, end);
  });
}

/** All keys up to the end of the line or list, which must all hold. `saved` is what `$` stands for. */
export function readCriteria(reader: ImapReader, saved: ReadonlySet<number>): Criterion {
  const all: Criterion[] = [];
  for (;;) {
    reader.spaces();
    if (reader.ended || reader.peek() === 41) break;
    all.push(readKey(reader, saved));
  }
  if (all.length === 0) throw new BadSearch('no search key');
  return (candidate) => all.every((criterion) => criterion(candidate));
}

function readKey(reader: ImapReader, saved: ReadonlySet<number>): Criterion {
  reader.spaces();
  if (reader.open()) {
    const inner = readCriteria(reader, saved);
    if (!reader.close()) throw new BadSearch('a list that does not end');
    return inner;
  }
  const word = reader.atom();
  const key = word.toUpperCase();
  const next = (): string => {
    reader.spaces();
    return reader.string();
  };
  const flag = flags[key];
  if (flag !== undefined) return ({ message }) => message.flags.has(flag);
  const unset = key.startsWith('UN') ? flags[key.slice(2)] : undefined;
  if (unset !== undefined) return ({ message }) => !message.flags.has(unset);
  const number = (): number => {
    reader.spaces();
    return reader.number();
  };
  const day = (): number => {
    const date = parseSearchDate(next());
    if (date === null) throw new BadSearch('not a date');
    return dayOf(date);
  };
  switch (key) {
    case 'ALL':
      return () => true;
    case 'NEW':
      return ({ message }) => message.flags.has('\\Recent') && !message.flags.has('\\Seen');
    case 'OLD':
      return ({ message }) => !message.flags.has('\\Recent');
    case 'NOT': {
      const inner = readKey(reader, saved);
      return (candidate) => !inner(candidate);
    }
    case 'OR': {
      const [left, right] = [readKey(reader, saved), readKey(reader, saved)];
      return (candidate) => left(candidate) || right(candidate);
    }
    case 'FUZZY':
      return readKey(reader, saved);
    case 'KEYWORD':
    case 'UNKEYWORD': {
      const wanted = next().toLowerCase();
      return ({ message }) => [...message.flags].some((each) => each.toLowerCase() === wanted) === (key === 'KEYWORD');
    }
    case 'FROM':
    case 'TO':
    case 'CC':
    case 'BCC':
    case 'SUBJECT':
      return inField(key, next());
    case 'HEADER':
      return inField(next(), next());
    case 'BODY':
    case 'TEXT': {
      const wanted = next().toLowerCase();
      return ({ message }) => {
        const mail = messageOf(message.raw);
        const texts = [...mail.root.walk()]
          .filter((part) => part.kind === 'leaf' && part.type.startsWith('text/'))
          .map((part) => part.text());
        if (key === 'TEXT') for (const field of mail.headers) texts.push(`${field.name}: ${field.text}`);
        return texts.some((each) => each.toLowerCase().includes(wanted));
      };
    }
    case 'BEFORE':
    case 'ON':
    case 'SINCE':
      return compareDay(key, day(), ({ message }) => message.internalDate);
    case 'SENTBEFORE':
    case 'SENTON':
    case 'SENTSINCE':
      return compareDay(key.slice(4), day(), ({ message }) =>
        sentDay(messageOf(message.raw).headers.field('date')?.value ?? ''),
      );
    case 'SAVEDBEFORE':
    case 'SAVEDON':
    case 'SAVEDSINCE':
      return compareDay(key.slice(5), day(), ({ message }) => message.savedAt);
    case 'SAVEDATESUPPORTED':
      return () => true;
    case 'OLDER':
    case 'YOUNGER': {
      const seconds = number();
      return ({ message }) => Date.now() - message.internalDate.getTime() >= seconds * 1000 === (key === 'OLDER');
    }
    case 'LARGER': {
      const bytes = number();
      return ({ message }) => message.raw.length > bytes;
    }
    case 'SMALLER': {
      const bytes = number();
      return ({ message }) => message.raw.length < bytes;
    }
    case 'MODSEQ': {
      reader.spaces();
      const modSeq = reader.bigNumber();
      return ({ message }) => message.modSeq >= modSeq;
    }
    case 'EMAILID': {
      const id = next();
      return ({ message }) => message.emailId === id;
    }
    case 'UID': {
      reader.spaces();
      const text = reader.atom();
      if (text === '$') return ({ message }) => saved.has(message.uid);
      const ranges = parseRanges(text);
      if (ranges === undefined) throw new BadSearch('not a set');
      return ({ message, lastUid }) => inRanges(ranges, message.uid, lastUid);
    }
    case '$':
      return ({ message }) => saved.has(message.uid);
    case 'X-GM-RAW': {
      const wanted = next().toLowerCase();
      return ({ message }) => decodeText(message.raw).toLowerCase().includes(wanted);
    }
  }
  const ranges = parseRanges(word);
  if (ranges === undefined) throw new BadSearch(`unknown search key ${word}`);
  return ({ sequence, lastSequence }) => inRanges(ranges, sequence, lastSequence);
}

function inField(name: string, value: string): Criterion {
  const wanted = value.toLowerCase();
  return ({ message }) => {
    const { headers } = messageOf(message.raw);
    if (wanted === '') return headers.has(name);
    return headers.getAll(name).some((each) => each.toLowerCase().includes(wanted));
  };
}

/** The day that the Date field names, whatever its zone. */
function sentDay(text: string): Date | null {
  const date = parseDate(text);
  const zone = /([+-])(\d{2})(\d{2})\s*(?:\(|$)/.exec(text);
  if (date === null || zone === null) return date;
  const minutes = Number(zone[2]) * 60 + Number(zone[3]);
  return new Date(date.getTime() + (zone[1] === '-' ? -1 : 1) * minutes * 60_000);
}

function compareDay(how: string, day: number, dateOf: (candidate: Candidate) => Date | null): Criterion {
  return (candidate) => {
    const date = dateOf(candidate);
    if (date === null) return false;
    const own = dayOf(date);
    return how === 'BEFORE' ? own < day : how === 'ON' ? own === day : own >= day;
  };
}
