import { NntpClient, parseNewsUrl, readNewsUrl } from '../nntp/index.ts';
import { openedList } from './opened-list.ts';
import { hidePassword } from './hide-password.ts';
import { OpenedUrl } from './opened-url.ts';
import { type OpenOptions, withLogin } from './options.ts';
import { UsageError } from '../errors.ts';

/** An article by its id or number; of a group the numbers in it, of a server or a pattern the groups. @see RFC 5538 */
export async function openNews(url: string, options: OpenOptions): Promise<OpenedUrl> {
  const { newsServer, signal } = options;
  const { server = newsServer, messageId, group, range, wildmat } = parseNewsUrl(url);
  const shown = hidePassword(url);
  if (messageId !== undefined || (range !== undefined && range.from === range.to)) {
    const { stream } = await readNewsUrl(url, { ...withLogin(options), server: newsServer });
    return new OpenedUrl({ url: shown, headers: { 'Content-Type': 'message/rfc822' }, source: stream });
  }
  if (server === undefined) throw new UsageError('the URL names no server: give newsServer, or news://host/group');
  await using client = await NntpClient.connect(server, withLogin(options));
  if (group === undefined) {
    const groups = await client.list(wildmat, { signal });
    return openedList(
      shown,
      groups.map(({ name }) => name),
    );
  }
  const { numbers } = await client.listGroup(group, range, { signal });
  return openedList(shown, numbers.map(String));
}
