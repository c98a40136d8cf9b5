import { UsageError } from '../errors.ts';
import { checkArgument } from '../wire/arguments.ts';
import { type GopherItem, checkSelector } from './codec.ts';

/** What a Gopher URL names. */
export interface GopherUrl {
  /** The server's part alone: 'gopher://host:70'. */
  readonly server: string;
  readonly type: string;
  readonly selector: string;
  readonly search: string | undefined;
  /** What Gopher+ adds: '+', '+text/plain', '!', '$'. */
  readonly plus: string | undefined;
}

/**
 * Reads `gopher://host:port/Tselector%09search%09plus`. UsageError for what is none, and for line breaks behind the percent-encoding: a
 * request must not become two. `?` is part of the selector.
 *
 * @see RFC 4266
 */
export function parseGopherUrl(text: string): GopherUrl {
  const match = /^(gophers?):\/\/([^/?#]*)(?:\/([^#]*)|([?][^#]*))?(?:#.*)?$/is.exec(checkArgument('the URL', text));
  if (match === null || match[2] === '')
    throw new UsageError('the URL is no Gopher URL: expected gopher://host/1/selector');
  const [, scheme = '', authority = '', path = '', query = ''] = match;
  const decoded = decode(path);
  const type = decoded.slice(0, 1);
  const [selector = '', search, plus, ...more] = (decoded.slice(1) + decode(query)).split('\t');
  if (more.length > 0) throw new UsageError('the URL has more tabs than a Gopher request');
  if (type !== '' && !/^[\u0021-\u007e]$/.test(type))
    throw new UsageError(`the item type in the URL is ${JSON.stringify(type)}`);
  return {
    server: `${scheme.toLowerCase()}://${authority}`,
    type: type === '' ? '1' : type,
    selector: checkSelector(selector),
    search:
      search === undefined || (search === '' && plus !== undefined) ? undefined : checkSelector(search, 'the search'),
    plus: plus === undefined ? undefined : checkSelector(plus, 'the Gopher+ field'),
  };
}

/** The URL of an item; what a `URL:` item leads to is not this, and is in `item.url`. UsageError for one that has no place. */
export function formatGopherUrl(
  item: Pick<GopherItem, 'type' | 'selector' | 'host' | 'port'>,
  options: { readonly search?: string | undefined; readonly secure?: boolean | undefined } = {},
): string {
  const { type, selector, host, port } = item;
  if (host === '' || port < 1 || port > 65_535 || !/^[\u0021-\u007e]$/.test(type) || /[\s/?#@\\]/.test(host))
    throw new UsageError('the item names no place');
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const search = options.search === undefined ? '' : `%09${encode(checkSelector(options.search, 'the search'))}`;
  const scheme = options.secure === true ? 'gophers' : 'gopher';
  return `${scheme}://${name}${port === 70 ? '' : `:${port}`}/${encode(type)}${encode(checkSelector(selector))}${search}`;
}

const encode = (text: string): string => encodeURIComponent(text.toWellFormed()).replace(/%2F/g, '/');

function decode(text: string): string {
  try {
    return checkArgument('the URL', decodeURIComponent(text));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError('the URL has a stray %, or bytes that are no UTF-8; percent-encode it');
  }
}
