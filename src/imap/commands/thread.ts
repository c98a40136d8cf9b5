import type { ImapCommand } from '../command.ts';
import type { ImapReader } from '../codec/reader.ts';
import { type SearchQuery, writeSearchQuery } from '../codec/search-query.ts';
import type { ThreadNode } from '../codec/sort-thread.ts';

/** Finds messages and tells which answers which. @see RFC 5256 */
export function thread(
  algorithm: 'REFERENCES' | 'ORDEREDSUBJECT' | 'REFS',
  query: SearchQuery,
): ImapCommand<readonly ThreadNode[]> {
  const threads: ThreadNode[] = [];
  return {
    verb: 'UID THREAD',
    states: ['selected'],
    needs: `THREAD=${algorithm}`,
    streams: true,
    takes: ['THREAD'],
    encode(writer) {
      writer.word(algorithm).word('UTF-8');
      writeSearchQuery(writer, query);
    },
    data({ reader }) {
      while (!reader.ended) {
        reader.spaces();
        if (reader.ended) break;
        threads.push(...readThread(reader));
      }
    },
    done: () => threads,
  };
}

// thread-list = "(" (thread-members / thread-nested) ")": numbers answer one another; lists at the end are answers side by side.
function readThread(reader: ImapReader): ThreadNode[] {
  if (!reader.open()) throw reader.wrong('a thread was expected');
  const chain: { number: number; children: ThreadNode[] }[] = [];
  const loose: ThreadNode[] = [];
  while (!reader.close()) {
    if (reader.peek() === 40) (chain.at(-1)?.children ?? loose).push(...readThread(reader));
    else {
      const node = { number: reader.number(), children: [] };
      chain.at(-1)?.children.push(node);
      chain.push(node);
    }
  }
  const [first] = chain;
  if (first !== undefined) return [first];
  return loose.length > 0 ? [{ number: undefined, children: loose }] : [];
}
