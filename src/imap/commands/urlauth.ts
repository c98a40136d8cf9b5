import { UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';

/** Makes URLs that others may use to fetch. The URL ends with `;URLAUTH=` and who may. @see RFC 4467 section 7 */
export function generateUrlAuth(urls: readonly string[], mechanism = 'INTERNAL'): ImapCommand<readonly string[]> {
  const found: string[] = [];
  return {
    verb: 'GENURLAUTH',
    needs: 'URLAUTH',
    takes: ['GENURLAUTH'],
    encode(writer) {
      if (urls.length === 0) throw new UsageError('GENURLAUTH needs a URL');
      for (const url of urls) writer.astring('a URL', url).atom('the mechanism', mechanism);
    },
    data({ reader }) {
      for (reader.spaces(); !reader.ended; reader.spaces()) found.push(reader.string());
    },
    done: () => found,
  };
}

/** Makes all such URLs of a mailbox invalid. @see RFC 4467 section 7 */
export const resetKey = (mailbox: string): ImapCommand<void> => ({
  verb: 'RESETKEY',
  needs: 'URLAUTH',
  encode(writer) {
    writer.mailbox(mailbox);
  },
  done() {},
});

/** What such URLs name; null for one that may not be read. @see RFC 4467 section 7 */
export function urlFetch(urls: readonly string[]): ImapCommand<ReadonlyMap<string, Uint8Array | null>> {
  const found = new Map<string, Uint8Array | null>();
  return {
    verb: 'URLFETCH',
    needs: 'URLAUTH',
    takes: ['URLFETCH'],
    encode(writer) {
      if (urls.length === 0) throw new UsageError('URLFETCH needs a URL');
      for (const url of urls) writer.astring('a URL', url);
    },
    data({ reader }) {
      for (reader.spaces(); !reader.ended; reader.spaces()) {
        const url = reader.string();
        reader.spaces();
        found.set(url, reader.nstringBytes());
      }
    },
    done: () => found,
  };
}
