import { UsageError } from '../errors.ts';
import type { SearchQuery } from '../imap/index.ts';
import { nearest } from '../wire/arguments.ts';

type Writable = { -readonly [K in keyof SearchQuery]: SearchQuery[K] };

const words: Readonly<Record<string, Partial<SearchQuery>>> = {
  all: {},
  seen: { seen: true },
  unseen: { seen: false },
  unread: { seen: false },
  flagged: { flagged: true },
  unflagged: { flagged: false },
  answered: { answered: true },
  unanswered: { answered: false },
  deleted: { deleted: true },
  draft: { draft: true },
};

const day = (text: string): string => {
  const ago = /^([0-9]{1,4})([dw])$/.exec(text);
  if (ago !== null)
    return new Date(Date.now() - Number(ago[1]) * (ago[2] === 'w' ? 7 : 1) * 86_400_000).toISOString().slice(0, 10);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text))
    throw new UsageError(`a day must be like 2026-02-01, or 7d for a week ago; got ${JSON.stringify(text)}`);
  return text;
};
const number = (text: string): number => {
  if (!/^[0-9]{1,10}$/.test(text))
    throw new UsageError(`a size must be a number of bytes; got ${JSON.stringify(text)}`);
  return Number(text);
};

const keys: Readonly<Record<string, (value: string) => SearchQuery>> = {
  from: (value) => ({ from: value }),
  to: (value) => ({ to: value }),
  cc: (value) => ({ cc: value }),
  subject: (value) => ({ subject: value }),
  body: (value) => ({ body: value }),
  text: (value) => ({ text: value }),
  keyword: (value) => ({ keyword: value }),
  uid: (value) => ({ uid: value }),
  since: (value) => ({ since: day(value) }),
  before: (value) => ({ before: day(value) }),
  on: (value) => ({ on: day(value) }),
  larger: (value) => ({ largerBytes: number(value) }),
  smaller: (value) => ({ smallerBytes: number(value) }),
};

/** The terms of a command line as a search: `unseen`, `from:ann`, `not:flagged`, or words that must occur. UsageError for an unknown key. */
export function parseSearchTerms(terms: readonly string[]): SearchQuery {
  const all: SearchQuery[] = terms.map((term) => {
    const not = term.toLowerCase().startsWith('not:');
    const plain = not ? term.slice(4) : term;
    const query = parseTerm(plain);
    return not ? { not: query } : query;
  });
  const [only] = all;
  return all.length === 1 && only !== undefined ? only : all.length === 0 ? {} : { and: all };
}

function parseTerm(term: string): SearchQuery {
  const word: Writable | undefined = Object.hasOwn(words, term.toLowerCase()) ? words[term.toLowerCase()] : undefined;
  if (word !== undefined) return word;
  const match = /^([a-z]+):(.*)$/is.exec(term);
  if (match === null) return { text: term };
  const key = (match[1] as string).toLowerCase();
  const read = Object.hasOwn(keys, key) ? keys[key] : undefined;
  if (read === undefined) {
    const near = nearest(key, Object.keys(keys));
    throw new UsageError(
      `unknown search key ${key}:${near === undefined ? `; there are ${Object.keys(keys).join(', ')}` : `; did you mean ${near}:?`}`,
    );
  }
  return read(match[2] as string);
}
