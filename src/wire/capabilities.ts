/** What a keyword implies: `{ IMAP4REV2: ['IDLE', 'MOVE'] }`. Keys and values in upper case. */
export type Implications = Readonly<Record<string, readonly string[]>>;

/**
 * What a server says it can do: keywords with parameters. Keywords compare without case and as whole words; implied ones count.
 * Held in a Map, so that `__proto__` from the wire is only a name.
 */
export class Capabilities {
  readonly #parameters = new Map<string, readonly string[]>();

  constructor(
    entries: Iterable<readonly [keyword: string, parameters: readonly string[]]> = [],
    implied: Implications = {},
  ) {
    for (const [keyword, parameters] of entries) this.#add(keyword.toUpperCase(), parameters);
    // A Map iterates over what is added on the way, so chains of implications are followed.
    for (const keyword of this.#parameters.keys()) {
      if (!Object.hasOwn(implied, keyword)) continue;
      for (const other of implied[keyword] ?? []) if (!this.#parameters.has(other)) this.#add(other, []);
    }
  }

  #add(keyword: string, parameters: readonly string[]): void {
    this.#parameters.set(keyword, [...(this.#parameters.get(keyword) ?? []), ...parameters]);
  }

  /** True when the keyword was offered, or is implied by one that was. */
  has(keyword: string): boolean {
    return this.#parameters.has(keyword.toUpperCase());
  }

  /** The parameters as they were sent; undefined when the keyword was not offered. */
  parameters(keyword: string): readonly string[] | undefined {
    return this.#parameters.get(keyword.toUpperCase());
  }

  get size(): number {
    return this.#parameters.size;
  }

  [Symbol.iterator](): IterableIterator<readonly [string, readonly string[]]> {
    return this.#parameters.entries();
  }

  toJSON(): Record<string, readonly string[]> {
    return Object.fromEntries(this.#parameters);
  }
}

/** `SIZE 1000` or `AUTH PLAIN LOGIN`: the keyword and its parameters, split at spaces. */
export function parseCapabilityLine(line: string): readonly [keyword: string, parameters: readonly string[]] {
  const [keyword = '', ...parameters] = line.trim().split(/[ \t]+/);
  return [keyword, parameters];
}
