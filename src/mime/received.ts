import { parseDate } from './parse-date.ts';

/** One hop of a message. What a field leaves out is undefined. */
export interface Received {
  /** The name the client gave. */
  readonly from: string | undefined;
  /** What the server knew about the client: the comment behind `from`. */
  readonly fromInfo: string | undefined;
  readonly by: string | undefined;
  readonly via: string | undefined;
  /** The protocol: 'ESMTPS'. */
  readonly with: string | undefined;
  readonly id: string | undefined;
  readonly for: string | undefined;
  readonly date: Date | null;
}

const keywords = new Set(['from', 'by', 'via', 'with', 'id', 'for']);
const MAX_LENGTH = 20_000;

/** Splits a Received field into its clauses. Linear; nothing in it may be relied on but what your own servers wrote. @see RFC 5321 section 4.4 */
export function parseReceived(value: string): Received {
  const text = value.slice(0, MAX_LENGTH);
  const words: { readonly text: string; readonly comment: boolean }[] = [];
  let lastSemicolon = -1;
  for (let at = 0; at < text.length;) {
    const character = text[at] as string;
    if (character === '(') {
      let depth = 0;
      let end = at;
      for (; end < text.length; end++) {
        if (text[end] === '\\') end++;
        else if (text[end] === '(') depth++;
        else if (text[end] === ')' && --depth === 0) break;
      }
      words.push({ text: text.slice(at + 1, end), comment: true });
      at = end + 1;
    } else if (character === ';') {
      lastSemicolon = at++;
    } else if (/\s/.test(character)) at++;
    else {
      let end = at + 1;
      while (end < text.length && !/[\s(;]/.test(text[end] as string)) end++;
      words.push({ text: text.slice(at, end), comment: false });
      at = end;
      if (lastSemicolon >= 0) break;
    }
  }
  const found: Record<string, string> = {};
  let fromInfo: string | undefined;
  let current: string | undefined;
  for (const word of words) {
    if (word.comment) {
      if (current === 'from') fromInfo ??= word.text;
      continue;
    }
    const key = word.text.toLowerCase();
    if (keywords.has(key) && found[key] === undefined) {
      current = key;
      found[key] = '';
    } else if (current !== undefined && found[current] === '') found[current] = word.text;
  }
  const semicolon = text.lastIndexOf(';');
  const clause = (name: string): string | undefined => found[name] || undefined;
  return {
    from: clause('from'),
    fromInfo,
    by: clause('by'),
    via: clause('via'),
    with: clause('with'),
    id: clause('id'),
    for: clause('for')?.replace(/^<(.*)>$/, '$1'),
    date: semicolon < 0 ? null : parseDate(text.slice(semicolon + 1).trim()),
  };
}
