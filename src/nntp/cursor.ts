import { UsageError } from '../errors.ts';
import { checkGroup } from './codec/response.ts';

/**
 * How far each group was read on one server: keep it between sessions, and `articles(group, { cursor })` gives only what is new. An article
 * counts as read once the caller's loop asks for the next, so what was under way at a crash comes again. Numbers are the server's own: a
 * cursor is of no use with another.
 *
 *     const cursor = new NntpCursor(await readFile('seen', 'utf8').catch(() => undefined));
 *     for await (const article of client.articles('misc.test', { cursor })) await keep(article.bytes);
 *     await writeFile('seen', cursor.save());
 */
export class NntpCursor {
  readonly #read = new Map<string, number>();

  /** `saved` is what `save` gave. UsageError when it is something else. */
  constructor(saved?: string) {
    for (const [index, line] of (saved ?? '').split(/\r?\n/).entries()) {
      if (line === '') continue;
      const match = /^([^\s,*?]+) ([0-9]{1,15})$/.exec(line);
      if (match === null) throw new UsageError(`line ${index + 1} of the saved cursor is no group and number`);
      this.#read.set(match[1] as string, Number(match[2]));
    }
  }

  /** The highest number that was read; 0 for none. */
  get(group: string): number {
    return this.#read.get(group) ?? 0;
  }

  /** Counts everything up to that number as read. */
  set(group: string, number: number): void {
    if (!Number.isSafeInteger(number) || number < 0) throw new UsageError('a cursor holds whole numbers of 0 or more');
    this.#read.set(checkGroup(group), number);
  }

  /** One group a line. */
  save(): string {
    return [...this.#read].map(([group, number]) => `${group} ${number}\n`).join('');
  }
}
