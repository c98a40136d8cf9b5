import type { HttpFieldsInit } from '../http/index.ts';
import type { NntpTarget } from '../nntp/index.ts';
import type { DialOptions } from '../socket/dial.ts';
import { dialOptionNames } from '../socket/dial.ts';
import type { TlsOptions } from '../socket/tls.ts';
import type { OpenedUrl } from './opened-url.ts';

/** How much of it has been read. */
export interface OpenProgress {
  readonly bytes: number;
  readonly totalBytes: number | undefined;
  /** The URL. */
  readonly item: string;
}

/** Opens a URL by itself, or has `next` open it, or another, by the openers behind it and what is built in. */
export type UrlOpener = (
  url: string,
  options: OpenOptions,
  next: (url: string, options?: OpenOptions) => Promise<OpenedUrl>,
) => Promise<OpenedUrl>;

/** What may be said beside the URL. The signal, as `timeoutMs`, ends opening and reading. */
export interface OpenOptions extends DialOptions {
  /** For opening and reading together. The phases have timeouts of their own, beside it. */
  readonly timeoutMs?: number | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Send passwords without TLS. */
  readonly allowInsecureAuth?: boolean | undefined;
  /** Instead of what the URL says. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Of HTTP requests. */
  readonly headers?: HttpFieldsInit | undefined;
  /** Where `news:` URLs that name no server are read. */
  readonly newsServer?: NntpTarget | undefined;
  /** The only schemes that may be opened, 'https', for URLs that somebody else chose; redirects are held to them too. Default: all. */
  readonly schemes?: readonly string[] | undefined;
  /** Asked first, in order, each with the choice to pass the URL on: for schemes of your own, caches, tests. */
  readonly openers?: readonly UrlOpener[] | undefined;
  /** LimitError when it is longer. Default: no limit. */
  readonly maxBytes?: number | undefined;
  readonly onProgress?: ((progress: OpenProgress) => void) | undefined;
}

export const openOptionNames = [
  ...dialOptionNames,
  'timeoutMs',
  'tls',
  'allowInsecureAuth',
  'user',
  'password',
  'headers',
  'newsServer',
  'schemes',
  'openers',
  'maxBytes',
  'onProgress',
];

/** What a built-in opener gets: the options, with a signal that is the caller's and the deadline's. */
export type SchemeOpener = (url: string, options: OpenOptions) => Promise<OpenedUrl>;

/** What every client takes, for whichever it is. */
export function dialling(options: OpenOptions): DialOptions & { readonly tls?: TlsOptions | undefined } {
  const names = [...dialOptionNames, 'tls'] as const;
  return Object.fromEntries(names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));
}

/** The same, and who logs in. */
export function withLogin(options: OpenOptions): DialOptions & {
  readonly tls?: TlsOptions | undefined;
  readonly user?: string;
  readonly password?: string;
  readonly allowInsecureAuth?: boolean;
} {
  const { user, password, allowInsecureAuth } = options;
  return {
    ...dialling(options),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(allowInsecureAuth === undefined ? {} : { allowInsecureAuth }),
  };
}
