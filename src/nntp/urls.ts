import { UsageError } from '../errors.ts';
import { checkArgument } from '../wire/arguments.ts';
import { checkWildmat } from './codec/wildmat.ts';
import { checkGroup, checkMessageId, parseRange } from './codec/response.ts';

/** What a news or nntp URL names. */
export interface NewsUrl {
  /** The server's part alone, for `NntpClient.connect`; undefined in `news:` URLs that leave it to the reader. */
  readonly server: string | undefined;
  readonly group?: string | undefined;
  /** Groups by pattern: `news:comp.*`. */
  readonly wildmat?: string | undefined;
  readonly messageId?: string | undefined;
  /** Numbers in the group: `nntp://server/group/5`, and `5-9` beside what the RFC has. */
  readonly range?: { readonly from: number; readonly to: number } | undefined;
}

/**
 * Reads `news:group`, `news:message-id`, `news://server/group`, `nntp://server/group/number`, and the same with an s for TLS. UsageError for
 * what is none; percent-encoding is taken off before anything is checked.
 *
 * @see RFC 5538
 */
export function parseNewsUrl(text: string): NewsUrl {
  const match = /^(news|nntp|nntps|snews):(?:\/\/([^/?#]*))?\/?([^?#]*)(\?[^#]*)?$/i.exec(
    checkArgument('the URL', text),
  );
  if (match === null)
    throw new UsageError('the URL is no news URL: expected news:group, news:message-id or nntp://server/group/number');
  const [, schemeText = '', authority, path = '', query = ''] = match;
  const scheme = schemeText.toLowerCase();
  const secure = scheme === 'nntps' || scheme === 'snews';
  if (authority === undefined && scheme === 'nntp')
    throw new UsageError('an nntp URL names its server: nntp://server/group');
  const server =
    authority === undefined || authority === '' ? undefined : `${secure ? 'nntps' : 'nntp'}://${authority}${query}`;
  const words = path.split('/').map(decodePart);
  if (words.at(-1) === '') words.pop();
  const [first, second] = words;
  // The slashes of an id need not be encoded.
  const whole = words.join('/');
  if (whole.includes('@')) return { server, messageId: checkMessageId(whole.startsWith('<') ? whole : `<${whole}>`) };
  if (words.length > 2) throw new UsageError(`a news URL has a group and a number; got ${JSON.stringify(whole)}`);
  if (first === undefined || first === '*') return { server, wildmat: first };
  if (/[*?,!]/.test(first)) return { server, wildmat: checkWildmat(first) };
  const group = checkGroup(first);
  if (second === undefined) return { server, group };
  const range = parseRange(second);
  if (range === undefined) throw new UsageError(`the article number in the URL is ${JSON.stringify(second)}`);
  return { server, group, range };
}

/** The URL of an article by its id, or of a group. @see RFC 5538 section 2.2 */
export function formatNewsUrl(name: { readonly group: string } | { readonly messageId: string }): string {
  if ('group' in name) return `news:${encodeURIComponent(checkGroup(name.group))}`;
  const id = checkMessageId(name.messageId).slice(1, -1);
  return `news:${encodeURIComponent(id).replace(/%40/g, '@').replace(/%24/g, '$').replace(/%2B/g, '+')}`;
}

function decodePart(text: string): string {
  try {
    return checkArgument('the URL', decodeURIComponent(text));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError('the URL has a stray %; percent-encode it');
  }
}
