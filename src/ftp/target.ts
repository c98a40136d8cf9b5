import { UsageError } from '../errors.ts';
import type { SchemeTable } from '../socket/address.ts';
import { type ResolvedServer, type ServerOptions, type ServerTarget, resolveServer } from '../socket/target.ts';
import { Secret, checkArgument, checkWord } from '../wire/arguments.ts';
import { type NameCharset, nameCharset } from './charset.ts';
import { zoneToUtc } from './listing/time-zone.ts';

/** What may be set beside the server's address. */
export interface FtpOptions extends ServerOptions {
  /** Default: anonymous. */
  readonly user?: string | undefined;
  readonly password?: string | Secret | undefined;
  /** For servers that ask for one behind the password (ACCT). */
  readonly account?: string | undefined;
  /** Who opens data connections: the client ('passive', the default) or the server. */
  readonly dataMode?: 'passive' | 'active' | undefined;
  /** Active mode: the address to listen on and to tell the server. Default: the control connection's own. */
  readonly activeHost?: string | undefined;
  /** Active mode: the first and the last port to listen on. Default: any. */
  readonly activePorts?: readonly [first: number, last: number] | undefined;
  /**
   * What is made of an address in the answer to PASV that is not the server's own: 'ignore' it and connect to the server (default), give
   * up with an 'error', or 'follow' it.
   */
  readonly foreignAddress?: 'ignore' | 'error' | 'follow' | undefined;
  /** With TLS: whether data connections are protected. Default 'private'. */
  readonly protection?: 'private' | 'clear' | undefined;
  /** The charset of names. Default 'utf-8', with Latin-1 for what is not. */
  readonly charset?: string | undefined;
  /** The zone of times in listings that have none: 'UTC' (default), '+02:00', 'Europe/Berlin'. */
  readonly timeZone?: string | undefined;
  /** The virtual host to ask for (HOST). True: the name connected to. @see RFC 7151 */
  readonly virtualHost?: boolean | string | undefined;
  /** The folder to begin in. Default: the path of the URL, or where the login leads. */
  readonly directory?: string | undefined;
  /** Milliseconds between NOOPs on the control connection during a transfer. Default 30,000; Infinity for none. */
  readonly noopMs?: number | undefined;
  /** Compress transfers where the server offers MODE Z. */
  readonly compress?: boolean | undefined;
}

/** Where to connect: a URL (`ftp://user:password@host/folder` with explicit TLS, `ftps://host`, `?tls=none`) or the same as an object. */
export type FtpTarget = ServerTarget<FtpOptions>;

export interface ResolvedFtpTarget extends ResolvedServer<FtpOptions> {
  readonly user: string | undefined;
  readonly password: Secret | undefined;
  readonly account: string | undefined;
  readonly dataMode: 'passive' | 'active';
  readonly activeHost: string | undefined;
  readonly activePorts: readonly [number, number] | undefined;
  readonly foreignAddress: 'ignore' | 'error' | 'follow';
  readonly protection: 'private' | 'clear';
  readonly charset: NameCharset;
  readonly timeZone: string;
  readonly virtualHost: string | undefined;
  readonly directory: string | undefined;
  readonly noopMs: number;
  readonly compress: boolean;
}

/** @see RFC 959 (21), RFC 4217 (990 for TLS from the first byte) */
export const ftpSchemes: SchemeTable = {
  protocol: 'ftp',
  schemes: { ftp: 'auto', ftps: 'implicit', 'ftp+starttls': 'starttls', ftpes: 'starttls' },
  port: 21,
  implicitPort: 990,
  parameters: ['allowInsecureAuth'],
};

const optionNames = [
  'user',
  'password',
  'account',
  'dataMode',
  'activeHost',
  'activePorts',
  'foreignAddress',
  'protection',
  'charset',
  'timeZone',
  'virtualHost',
  'directory',
  'noopMs',
  'compress',
];

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveFtpTarget(target: FtpTarget | undefined, options: FtpOptions = {}): ResolvedFtpTarget {
  const server = resolveServer(target, options, ftpSchemes, optionNames);
  const { given, endpoint } = server;
  if (endpoint.path !== undefined)
    throw new UsageError('FTP needs a host: data connections cannot go to a Unix socket');
  const user = given.user ?? endpoint.user;
  const password = given.password ?? endpoint.password;
  if (user === undefined && password !== undefined) throw new UsageError('a password is given without a user');
  if (user !== undefined && password === undefined && user !== 'anonymous')
    throw new UsageError(`user ${JSON.stringify(user)} is given without a password`);
  zoneToUtc(given.timeZone ?? 'UTC');
  const directory = given.directory ?? (typeof target === 'string' ? pathOf(target) : undefined);
  return {
    ...server,
    // One object for all connections: sessions resume only under the same. The name is the host's, wherever data connections go.
    tls: { ...server.tls, serverName: server.tls.serverName ?? endpoint.host },
    user: user === undefined ? undefined : checkArgument('user', user),
    password: password === undefined ? undefined : password instanceof Secret ? password : new Secret(password),
    account: given.account === undefined ? undefined : checkArgument('account', given.account),
    dataMode: oneOf('dataMode', given.dataMode, ['passive', 'active']),
    activeHost: given.activeHost === undefined ? undefined : checkWord('activeHost', given.activeHost),
    activePorts: ports(given.activePorts),
    foreignAddress: oneOf('foreignAddress', given.foreignAddress, ['ignore', 'error', 'follow']),
    protection: oneOf('protection', given.protection, ['private', 'clear']),
    charset: nameCharset(given.charset),
    timeZone: given.timeZone ?? 'UTC',
    virtualHost:
      given.virtualHost === true
        ? endpoint.host
        : typeof given.virtualHost === 'string'
          ? checkWord('virtualHost', given.virtualHost)
          : undefined,
    directory: directory === undefined ? undefined : checkArgument('directory', directory),
    noopMs: positive('noopMs', given.noopMs ?? 30_000),
    compress: given.compress === true,
  };
}

/** The folder of a URL: relative to the login's, as RFC 1738 section 3.2.2 has it; `%2F` in front makes it absolute. */
function pathOf(url: string): string | undefined {
  const path = new URL(url).pathname.slice(1);
  if (path === '') return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    throw new UsageError('the path in the server URL has a stray %; percent-encode it');
  }
}

function oneOf<const T extends string>(name: string, value: T | undefined, known: readonly [T, ...T[]]): T {
  if (value === undefined) return known[0];
  if (!known.includes(value))
    throw new UsageError(`${name} must be one of ${known.join(', ')}; got ${JSON.stringify(value)}`);
  return value;
}

function positive(name: string, value: number): number {
  if (typeof value !== 'number' || !(value > 0))
    throw new UsageError(`${name} must be a positive number of milliseconds; got ${JSON.stringify(value)}`);
  return value;
}

function ports(range: readonly [number, number] | undefined): readonly [number, number] | undefined {
  if (range === undefined) return undefined;
  const [first, last] = range;
  if (![first, last].every((port) => Number.isInteger(port) && port > 0 && port < 65536) || first > last)
    throw new UsageError(`activePorts must be two ports, the smaller first; got ${JSON.stringify(range)}`);
  return range;
}
