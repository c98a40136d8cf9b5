import { UsageError } from '../errors.ts';

/**
 * Which messages were handed over already, by their unique ids: keep it between sessions, and `messages({ cursor })` gives only what is
 * new. An id counts as seen once the caller's loop asks for the next message, so what was under way at a crash comes again. Ids that the
 * server no longer lists are forgotten.
 *
 *     const cursor = new Pop3Cursor(await readFile('seen', 'utf8').catch(() => undefined));
 *     for await (const { bytes } of client.messages({ cursor })) await maildir.add(bytes);
 *     await writeFile('seen', cursor.save());
 */
export class Pop3Cursor {
  #seen: Set<string>;

  /** `saved` is what `save` gave. UsageError when it is something else. */
  constructor(saved?: string) {
    this.#seen = new Set(saved === undefined ? [] : parseSaved(saved));
  }

  has(uid: string): boolean {
    return this.#seen.has(uid);
  }

  /** Counts the message as seen. */
  add(uid: string): void {
    this.#seen.add(uid);
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Forgets every id that is not among these. */
  retain(listed: Iterable<string>): void {
    const kept = new Set<string>();
    for (const uid of listed) if (this.#seen.has(uid)) kept.add(uid);
    this.#seen = kept;
  }

  /** One id a line: ids hold no white space (RFC 1939 section 7). */
  save(): string {
    return [...this.#seen].map((uid) => `${uid}\n`).join('');
  }
}

function parseSaved(saved: string): string[] {
  const lines = saved.split(/\r?\n/).filter((line) => line !== '');
  const wrong = lines.findIndex((line) => !/^[\u0021-\u007e]{1,70}$/.test(line));
  if (wrong >= 0) throw new UsageError(`line ${wrong + 1} of the saved cursor is no unique id`);
  return lines;
}
