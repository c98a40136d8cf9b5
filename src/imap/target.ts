import { UsageError } from '../errors.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import { type Endpoint, type SchemeTable, type TlsMode, parseTargetUrl, resolveEndpoint } from '../socket/address.ts';
import { type DialOptions, dialOptionNames } from '../socket/dial.ts';
import { type TlsOptions, type TlsSetting, readTlsSetting } from '../socket/tls.ts';
import { type Secret, checkArgument, checkOptions } from '../wire/arguments.ts';

/** What may be set beside the server's address. */
export interface ImapOptions extends DialOptions {
  readonly user?: string | undefined;
  readonly password?: string | Secret | undefined;
  /** An OAuth 2 token, or where to get one. */
  readonly token?: Credentials['token'];
  readonly authzid?: string | undefined;
  /** Only these login mechanisms, in this order. */
  readonly mechanisms?: readonly string[] | undefined;
  readonly tls?: TlsSetting | undefined;
  /** Send passwords without TLS. */
  readonly allowInsecureAuth?: boolean | undefined;
  /** Compress the conversation where the server can. Default false: on a fast line it costs more than it saves. */
  readonly compress?: boolean | undefined;
  /** What to tell the server of this program, by ID (RFC 2971). Default: nothing. */
  readonly clientId?: Readonly<Record<string, string>> | undefined;
  /** Extensions to switch on after the login where they are offered. Default: none. `['IMAP4rev2']`, `['QRESYNC']`, `['UTF8=ACCEPT']` */
  readonly enable?: readonly string[] | undefined;
}

/** Where to connect: a URL (`imaps://user:password@host`, `imap://host` with STLS, `?tls=none`) or the same as an object. */
export type ImapTarget =
  | string
  | (ImapOptions & {
      readonly host?: string | undefined;
      readonly port?: number | string | undefined;
      readonly path?: string | undefined;
    });

export interface ResolvedImapTarget {
  readonly endpoint: Endpoint;
  readonly tls: TlsOptions;
  readonly credentials: Credentials | undefined;
  readonly compress: boolean;
  readonly clientId: Readonly<Record<string, string>> | undefined;
  readonly enable: readonly string[];
  /** The mailbox that the URL's path names. */
  readonly mailbox: string | undefined;
  readonly allowInsecureAuth: boolean;
  readonly dial: DialOptions;
}

/** @see RFC 9051 section 2.1 (143), RFC 8314 (993) */
export const imapSchemes: SchemeTable = {
  protocol: 'imap',
  schemes: { imap: 'auto', imaps: 'implicit', 'imap+starttls': 'starttls' },
  port: 143,
  implicitPort: 993,
  parameters: ['allowInsecureAuth'],
};

/** A SEARCH may name a million messages in a line, a FETCH hold a message. */
const imapLimits = { lineBytes: 16 * 1024 * 1024, replyBytes: 128 * 1024 * 1024 };

const ownOptionNames = [
  'user',
  'password',
  'token',
  'authzid',
  'mechanisms',
  'tls',
  'allowInsecureAuth',
  'compress',
  'clientId',
  'enable',
  'host',
  'port',
  'path',
];

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveImapTarget(target: ImapTarget | undefined, options: ImapOptions = {}): ResolvedImapTarget {
  if (target === undefined || target === '') {
    throw new UsageError(
      'the IMAP server is not given; expected a URL such as imaps://user:password@host (is the environment variable set?)',
    );
  }
  if (typeof target !== 'string' && (typeof target !== 'object' || target === null))
    throw new UsageError(`the IMAP server must be a URL or an object; got ${typeof target}`);
  const given: Exclude<ImapTarget, string> = typeof target === 'string' ? options : { ...target, ...options };
  checkOptions('imap', given, [...ownOptionNames, ...dialOptionNames]);
  const { mode, options: tls } = readTlsSetting(given.tls);
  const { url, mailbox } = typeof target === 'string' ? splitMailbox(target) : { url: '', mailbox: undefined };
  const endpoint =
    typeof target === 'string'
      ? withMode(parseTargetUrl(url, imapSchemes), mode)
      : resolveEndpoint({ host: given.host, port: given.port, path: given.path, tls: mode }, imapSchemes);
  const allow = given.allowInsecureAuth ?? endpoint.parameters.get('allowInsecureAuth') === 'true';
  return {
    endpoint,
    tls,
    credentials: credentialsOf(given, endpoint),
    compress: given.compress === true,
    clientId: given.clientId,
    enable: given.enable ?? [],
    mailbox,
    allowInsecureAuth: allow,
    dial: {
      ...Object.fromEntries(dialOptionNames.map((key) => [key, given[key]])),
      limits: { ...imapLimits, ...given.limits },
    },
  };
}

function withMode(endpoint: Endpoint, mode: TlsMode | undefined): Endpoint {
  return mode === undefined || mode === 'auto' ? endpoint : { ...endpoint, tls: mode };
}

function credentialsOf(given: ImapOptions, endpoint: Endpoint): Credentials | undefined {
  const user = given.user ?? endpoint.user;
  const password = given.password ?? endpoint.password;
  if (user === undefined) {
    if (password !== undefined || given.token !== undefined)
      throw new UsageError('a password or token is given without a user');
    return undefined;
  }
  if (password === undefined && given.token === undefined)
    throw new UsageError(`user ${JSON.stringify(user)} is given without a password or token`);
  return { user, password, token: given.token, authzid: given.authzid, mechanisms: given.mechanisms };
}

/** The URL without its path, and the mailbox that the path names. @see RFC 5092 */
export function splitMailbox(url: string): { readonly url: string; readonly mailbox: string | undefined } {
  const match = /^([a-z0-9+.-]+:\/\/[^/?#]*)\/([^?#]*)(.*)$/is.exec(url);
  if (match === null || match[2] === '') return { url, mailbox: undefined };
  const path = (match[2] as string).replace(/;UIDVALIDITY=[0-9]+$/i, '');
  let mailbox: string;
  try {
    mailbox = decodeURIComponent(path);
  } catch {
    throw new UsageError('the mailbox in the IMAP URL is not valid percent-encoding');
  }
  return {
    url: `${match[1] as string}${match[3] as string}`,
    mailbox: checkArgument('the mailbox in the IMAP URL', mailbox),
  };
}
