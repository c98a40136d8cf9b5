import { UsageError } from '../errors.ts';
import { checkArgument } from '../wire/arguments.ts';

/** Where a request goes, read once: connection, Host, cookies and credentials all go by this. */
export interface HttpAddress {
  /** Scheme, host and port: what credentials and connections belong to. */
  readonly origin: string;
  readonly secure: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** As the Host field has it. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
  /** Without user and password. */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

const recent = new Map<string, HttpAddress>();
const RECENT = 256;

/**
 * Reads a URL by the URL standard. With `base` the result must be of its origin, whatever the text says. UsageError for what a parser would
 * silently mend: spaces, controls and backslashes.
 */
export function readAddress(given: string | URL, base?: HttpAddress): HttpAddress {
  const text = checkArgument('the URL', given instanceof URL ? given.href : given);
  const known = base === undefined ? recent.get(text) : undefined;
  if (known !== undefined) return known;
  if (/[\u0000-\u0020\u007f\\]/.test(text))
    throw new UsageError('the URL has a space, a control character or a backslash; percent-encode it');
  const address = resolve(text, base?.url);
  if (base !== undefined && address.origin !== base.origin)
    throw new UsageError(`${address.origin} is not ${base.origin}, the origin that this client is for`);
  if (base === undefined && address.password === undefined && text.length < 2048) {
    if (recent.size >= RECENT) recent.clear();
    recent.set(text, address);
  }
  return address;
}

/** Where a redirect leads, user and password left out; undefined when it is no http: or https: URL. */
export function redirectAddress(location: string, from: HttpAddress): HttpAddress | undefined {
  try {
    const url = new URL(location, from.url);
    url.username = '';
    url.password = '';
    return resolve(url.href);
  } catch {
    return undefined;
  }
}

function resolve(text: string, base?: string): HttpAddress {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw new UsageError('the URL is not a URL; expected one like https://example.com/path');
  }
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:')
    throw new UsageError(`${url.protocol} is not a scheme for HTTP; use https:// or http://`);
  const user = decodePart('user', url.username);
  const password = decodePart('password', url.password);
  url.username = '';
  url.password = '';
  url.hash = '';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    origin: url.origin,
    secure,
    host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    authority: url.host,
    path: `${url.pathname}${url.search}`,
    url: url.href,
    user: user === '' && password === '' ? undefined : user,
    password: password === '' ? undefined : password,
  };
}

function decodePart(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(`the ${name} in the URL has a stray %; percent-encode it`);
  }
}
