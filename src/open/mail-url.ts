import { UsageError } from '../errors.ts';

/** A mailbox's URL, taken apart: `scheme://user;AUTH=mechanism@host:port/path?query`. */
export interface MailUrl {
  /** What the client connects to: without path and mechanism. */
  readonly server: string;
  /** 'SCRAM-SHA-256', '+APOP'; undefined for any. */
  readonly mechanism: string | undefined;
  /** As it is written, without the slash in front. */
  readonly path: string;
  /** What asks something of the mailbox: not of the connection. */
  readonly query: string | undefined;
}

/** @see RFC 2384, RFC 5092 */
export function readMailUrl(url: string): MailUrl {
  const match = /^([a-z0-9+.-]+:\/\/)(?:([^/?#]*)@)?([^/?#@]+)(?:\/([^?#]*))?(?:\?([^#]*))?(?:#.*)?$/is.exec(url);
  if (match === null) throw new UsageError('the mailbox URL has no server; expected one like imaps://user@host/INBOX');
  const [, scheme = '', login, host = '', path = '', query] = match;
  const auth = login === undefined ? null : /;AUTH=([^:;]+)/i.exec(login);
  const user = auth === null ? login : login?.replace(auth[0], '');
  const said = auth?.[1] === undefined ? undefined : decodePart(auth[1]);
  const mechanism = said === '*' ? undefined : said;
  // Parameters of the connection may stand where a search would.
  const isSetting =
    query !== undefined && /^(?:tls|allowInsecureAuth)=[^&]*(?:&(?:tls|allowInsecureAuth)=[^&]*)*$/.test(query);
  return {
    server: `${scheme}${user === undefined || user === '' ? '' : `${user}@`}${host}${isSetting ? `?${query}` : ''}`,
    mechanism,
    path,
    query: isSetting ? undefined : query,
  };
}

export function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError('the mailbox URL has a stray %; percent-encode it');
  }
}
