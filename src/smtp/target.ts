import { UsageError } from '../errors.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import { type Endpoint, type SchemeTable, type TlsMode, parseTargetUrl, resolveEndpoint } from '../socket/address.ts';
import { type DialOptions, dialOptionNames } from '../socket/dial.ts';
import { type TlsOptions, type TlsSetting, readTlsSetting } from '../socket/tls.ts';
import { toAsciiDomain } from '../wire/addr-spec.ts';
import { type Secret, checkOptions } from '../wire/arguments.ts';

/** What may be set beside the server's address. */
export interface SmtpOptions extends DialOptions {
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
  /** Our name in EHLO. Default: the local address as a literal, which tells nothing about this machine. */
  readonly name?: string | undefined;
}

/** Where to connect: a URL (`smtp://user:password@host:587`, `smtps://host`, `?tls=none`) or the same as an object. */
export type SmtpTarget =
  | string
  | (SmtpOptions & {
      readonly host?: string | undefined;
      readonly port?: number | string | undefined;
      readonly path?: string | undefined;
    });

export interface ResolvedSmtpTarget {
  readonly endpoint: Endpoint;
  readonly tls: TlsOptions;
  readonly credentials: Credentials | undefined;
  readonly name: string | undefined;
  readonly allowInsecureAuth: boolean;
  readonly dial: DialOptions;
}

/** @see RFC 6409 (587), RFC 8314 (465) */
export const smtpSchemes: SchemeTable = {
  protocol: 'smtp',
  schemes: {
    smtp: 'auto',
    smtps: 'implicit',
    'smtp+starttls': 'starttls',
    submission: 'auto',
    submissions: 'implicit',
  },
  port: 587,
  implicitPort: 465,
  parameters: ['name', 'allowInsecureAuth'],
};

const ownOptionNames = [
  'user',
  'password',
  'token',
  'authzid',
  'mechanisms',
  'tls',
  'allowInsecureAuth',
  'name',
  'host',
  'port',
  'path',
];

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveSmtpTarget(target: SmtpTarget | undefined, options: SmtpOptions = {}): ResolvedSmtpTarget {
  if (target === undefined || target === '') {
    throw new UsageError(
      'the SMTP server is not given; expected a URL such as smtp://user:password@host:587 (is the environment variable set?)',
    );
  }
  if (typeof target !== 'string' && (typeof target !== 'object' || target === null))
    throw new UsageError(`the SMTP server must be a URL or an object; got ${typeof target}`);
  const given: Exclude<SmtpTarget, string> = typeof target === 'string' ? options : { ...target, ...options };
  checkOptions('smtp', given, [...ownOptionNames, ...dialOptionNames]);
  const { mode, options: tls } = readTlsSetting(given.tls);
  const endpoint =
    typeof target === 'string'
      ? withMode(parseTargetUrl(target, smtpSchemes), mode)
      : resolveEndpoint({ host: given.host, port: given.port, path: given.path, tls: mode }, smtpSchemes);
  const name = given.name ?? endpoint.parameters.get('name');
  if (name !== undefined && toAsciiDomain(name) === undefined)
    throw new UsageError(
      `name must be a host name or an address literal such as [192.0.2.1]; got ${JSON.stringify(name)}`,
    );
  const allow = given.allowInsecureAuth ?? endpoint.parameters.get('allowInsecureAuth') === 'true';
  return {
    endpoint,
    tls,
    credentials: credentialsOf(given, endpoint),
    name,
    allowInsecureAuth: allow,
    dial: Object.fromEntries(dialOptionNames.map((key) => [key, given[key]])),
  };
}

function withMode(endpoint: Endpoint, mode: TlsMode | undefined): Endpoint {
  return mode === undefined || mode === 'auto' ? endpoint : { ...endpoint, tls: mode };
}

function credentialsOf(given: SmtpOptions, endpoint: Endpoint): Credentials | undefined {
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
