import { UsageError } from '../errors.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import { type Endpoint, type SchemeTable, type TlsMode, parseTargetUrl, resolveEndpoint } from '../socket/address.ts';
import { type DialOptions, dialOptionNames } from '../socket/dial.ts';
import { type TlsOptions, type TlsSetting, readTlsSetting } from '../socket/tls.ts';
import { type Secret, checkOptions } from '../wire/arguments.ts';

/** What may be set beside the server's address. */
export interface Pop3Options extends DialOptions {
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
  /** Log in by APOP, and by nothing else. Its MD5 is weak (CVE-2007-1558): only when asked for. */
  readonly apop?: boolean | undefined;
  /** Ask for UTF-8 in names and texts before logging in (RFC 6856). */
  readonly utf8?: boolean | undefined;
}

/** Where to connect: a URL (`pop3s://user:password@host`, `pop3://host` with STLS, `?tls=none`) or the same as an object. */
export type Pop3Target =
  | string
  | (Pop3Options & {
      readonly host?: string | undefined;
      readonly port?: number | string | undefined;
      readonly path?: string | undefined;
    });

export interface ResolvedPop3Target {
  readonly endpoint: Endpoint;
  readonly tls: TlsOptions;
  readonly credentials: Credentials | undefined;
  readonly apop: boolean;
  readonly utf8: boolean;
  readonly allowInsecureAuth: boolean;
  readonly dial: DialOptions;
}

/** @see RFC 1939 (110), RFC 8314 (995) */
export const pop3Schemes: SchemeTable = {
  protocol: 'pop3',
  schemes: { pop3: 'auto', pop3s: 'implicit', 'pop3+starttls': 'starttls' },
  port: 110,
  implicitPort: 995,
  parameters: ['allowInsecureAuth'],
};

const ownOptionNames = [
  'user',
  'password',
  'token',
  'authzid',
  'mechanisms',
  'tls',
  'allowInsecureAuth',
  'apop',
  'utf8',
  'host',
  'port',
  'path',
];

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolvePop3Target(target: Pop3Target | undefined, options: Pop3Options = {}): ResolvedPop3Target {
  if (target === undefined || target === '') {
    throw new UsageError(
      'the POP3 server is not given; expected a URL such as pop3s://user:password@host (is the environment variable set?)',
    );
  }
  if (typeof target !== 'string' && (typeof target !== 'object' || target === null))
    throw new UsageError(`the POP3 server must be a URL or an object; got ${typeof target}`);
  const given: Exclude<Pop3Target, string> = typeof target === 'string' ? options : { ...target, ...options };
  checkOptions('pop3', given, [...ownOptionNames, ...dialOptionNames]);
  const { mode, options: tls } = readTlsSetting(given.tls);
  const endpoint =
    typeof target === 'string'
      ? withMode(parseTargetUrl(target, pop3Schemes), mode)
      : resolveEndpoint({ host: given.host, port: given.port, path: given.path, tls: mode }, pop3Schemes);
  const allow = given.allowInsecureAuth ?? endpoint.parameters.get('allowInsecureAuth') === 'true';
  return {
    endpoint,
    tls,
    credentials: credentialsOf(given, endpoint),
    apop: given.apop === true,
    utf8: given.utf8 === true,
    allowInsecureAuth: allow,
    dial: Object.fromEntries(dialOptionNames.map((key) => [key, given[key]])),
  };
}

function withMode(endpoint: Endpoint, mode: TlsMode | undefined): Endpoint {
  return mode === undefined || mode === 'auto' ? endpoint : { ...endpoint, tls: mode };
}

function credentialsOf(given: Pop3Options, endpoint: Endpoint): Credentials | undefined {
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
