import { UsageError } from '../errors.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import type { NntpArticleStream } from './article.ts';
import { NntpClient } from './client.ts';
import type { NntpOptions, NntpTarget } from './target.ts';
import { parseNewsUrl } from './urls.ts';

export interface ReadNewsOptions extends NntpOptions {
  /** The server of `news:` URLs, which may name none. */
  readonly server?: NntpTarget | undefined;
}

/**
 * The article that a URL names, by its id or its number, as a stream over a connection of its own, which ends with it. UsageError for the
 * URL of a group.
 *
 * @see RFC 5538
 */
export async function readNewsUrl(url: string, options: ReadNewsOptions = {}): Promise<NntpArticleStream> {
  const { server: fallback, ...rest } = options;
  const { server = fallback, messageId, group, range } = parseNewsUrl(url);
  if (server === undefined) throw new UsageError('the URL names no server: give one as `server`, or news://host/…');
  if (messageId === undefined && (range === undefined || range.from !== range.to))
    throw new UsageError('the URL names no single article: expected news:message-id or nntp://server/group/number');
  const client = await NntpClient.connect(server, rest);
  try {
    if (messageId === undefined && group !== undefined) await client.group(group, { signal: rest.signal });
    const { stream, ...name } = await client.article(messageId ?? range?.from, { signal: rest.signal });
    return { ...name, stream: new ByteStream(closing(stream, client)) };
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** A generator that never began would not close anything when it is given up. */
function closing(stream: ByteStream, client: NntpClient): AsyncIterable<Uint8Array> {
  const chunks = quitting(stream, client);
  const iterator: AsyncIterator<Uint8Array, void> = {
    next: () => chunks.next(),
    return: async () => {
      client.destroy();
      await chunks.return();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

async function* quitting(stream: ByteStream, client: NntpClient): AsyncGenerator<Uint8Array, void> {
  try {
    yield* { [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator]() };
    await client.quit();
  } finally {
    client.destroy();
  }
}
