/** One method's result. */
export interface AuthenticationResult {
  /** In lower case: 'dkim', 'spf', 'dmarc'. */
  readonly method: string;
  /** In lower case: 'pass', 'fail', 'none'. */
  readonly result: string;
  readonly reason: string | undefined;
  /** 'header.d': 'example.com', 'smtp.mailfrom': …; names in lower case. */
  readonly properties: ReadonlyMap<string, string>;
}

export interface AuthenticationResults {
  /** Who checked. */
  readonly server: string;
  readonly results: readonly AuthenticationResult[];
}

const MAX_LENGTH = 20_000;

/** Splits an Authentication-Results field. @see RFC 8601 section 2.2 */
export function parseAuthenticationResults(value: string): AuthenticationResults {
  const clauses = split(value.slice(0, MAX_LENGTH));
  const server = clauses[0]?.[0] ?? '';
  const results: AuthenticationResult[] = [];
  for (const words of clauses.slice(1)) {
    const first = /^([A-Za-z0-9-]+)(?:\/\d+)?=([A-Za-z]+)$/.exec(words[0] ?? '');
    if (first === null) continue;
    const properties = new Map<string, string>();
    let reason: string | undefined;
    for (const word of words.slice(1)) {
      const equals = word.indexOf('=');
      if (equals <= 0) continue;
      const name = word.slice(0, equals).toLowerCase();
      if (name === 'reason') reason ??= word.slice(equals + 1);
      else if (!properties.has(name)) properties.set(name, word.slice(equals + 1));
    }
    results.push({
      method: (first[1] as string).toLowerCase(),
      result: (first[2] as string).toLowerCase(),
      reason,
      properties,
    });
  }
  return { server, results };
}

/** Words of each clause between semicolons: comments and quotes removed, no white space around '='. */
function split(text: string): string[][] {
  const clauses: string[][] = [[]];
  let word = '';
  const finish = (): void => {
    if (word !== '') (clauses.at(-1) as string[]).push(word);
    word = '';
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === '\\') at++;
        word += text[at] ?? '';
      }
    } else if (character === '(') {
      let depth = 0;
      for (; at < text.length; at++) {
        if (text[at] === '\\') at++;
        else if (text[at] === '(') depth++;
        else if (text[at] === ')' && --depth === 0) break;
      }
    } else if (character === ';') {
      finish();
      clauses.push([]);
    } else if (/\s/.test(character)) {
      let next = at;
      while (next < text.length && /\s/.test(text[next] as string)) next++;
      if (text[next] !== '=' && !word.endsWith('=')) finish();
      at = next - 1;
    } else word += character;
  }
  finish();
  return clauses;
}
