import { isIP } from 'node:net';
import { UsageError } from '../errors.ts';
import { checkArgument, checkOptions } from '../wire/arguments.ts';

/** How TLS is used. `auto` goes by port or URL scheme and always requires it. */
export type TlsMode = 'auto' | 'implicit' | 'starttls' | 'none';

export const tlsModes: readonly TlsMode[] = ['auto', 'implicit', 'starttls', 'none'];

/** What a URL or an object says of the server, before a protocol reads its own options. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** A Unix socket's path; then host and port only name the peer in messages. */
  readonly path?: string | undefined;
  readonly tls: Exclude<TlsMode, 'auto'>;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** URL query parameters that are not `tls`. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** What a protocol knows of its URLs and ports. */
export interface SchemeTable {
  /** 'smtp', in messages and as the object form's default. */
  readonly protocol: string;
  readonly schemes: Readonly<Record<string, TlsMode>>;
  readonly port: number;
  readonly implicitPort: number;
  /** All ports where TLS begins at once: 465. */
  readonly implicitPorts?: readonly number[];
  /** Query parameters that the protocol understands, beside `tls`. */
  readonly parameters?: readonly string[];
}

/** The object form of a target, as far as every protocol shares it. Values from the environment (strings) are taken. */
export interface EndpointOptions {
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  readonly path?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: TlsMode | undefined;
}

/** Reads a target URL. UsageError that names the part at fault and never quotes the password. */
export function parseTargetUrl(text: string, table: SchemeTable): Endpoint {
  const example = `${table.protocol}://user:password@host:${table.port}`;
  let url: URL;
  try {
    url = new URL(checkArgument('the server URL', text));
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError('the server URL contains a line break or a NUL');
    throw new UsageError(`the server URL is not a URL; expected one like ${example}`);
  }
  const scheme = url.protocol.slice(0, -1);
  if (!Object.hasOwn(table.schemes, scheme)) {
    throw new UsageError(
      `${scheme}: is not a scheme for ${table.protocol}; use ${Object.keys(table.schemes)
        .map((name) => `${name}://`)
        .join(' or ')}`,
    );
  }
  if (url.hostname === '') throw new UsageError(`the server URL has no host; expected one like ${example}`);
  const parameters = new Map<string, string>();
  let tls: TlsMode = table.schemes[scheme] as TlsMode;
  for (const [name, value] of url.searchParams) {
    if (name === 'tls') tls = parseTlsMode(value);
    else parameters.set(name, value);
  }
  checkOptions('URL', Object.fromEntries(parameters), [...(table.parameters ?? []), 'tls']);
  const port = url.port === '' ? undefined : Number(url.port);
  return resolveEndpoint(
    {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      user: decodePart('user', url.username),
      password: decodePart('password', url.password),
      tls,
    },
    table,
    parameters,
  );
}

/** Fills in port and TLS mode of an object target. */
export function resolveEndpoint(
  options: EndpointOptions,
  table: SchemeTable,
  parameters: ReadonlyMap<string, string> = new Map(),
): Endpoint {
  const path = options.path === undefined ? undefined : checkArgument('path', options.path);
  const mode = options.tls === undefined ? 'auto' : parseTlsMode(options.tls);
  const host = options.host === undefined && path !== undefined ? 'localhost' : checkHost(options.host);
  const port = options.port === undefined ? defaultPort(mode, table) : parsePort(options.port);
  const implicit = (table.implicitPorts ?? [table.implicitPort]).includes(port);
  const tls = mode === 'auto' ? (implicit ? 'implicit' : 'starttls') : mode;
  return { host, port, path, tls, user: options.user, password: options.password, parameters };
}

function defaultPort(mode: TlsMode, table: SchemeTable): number {
  return mode === 'implicit' ? table.implicitPort : table.port;
}

/** A host name or address without anything else in it. */
export function checkHost(value: unknown): string {
  const host = checkArgument('host', value).trim();
  if (host === '' || /[\s/\\@?#<>"]/.test(host)) {
    throw new UsageError(`host must be a name or an IP address; got ${JSON.stringify(value)}`);
  }
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** 0 to 65535, as a number or as digits from the environment. */
export function parsePort(value: unknown): number {
  const port = typeof value === 'string' && /^[0-9]{1,5}$/.test(value) ? Number(value) : value;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new UsageError(`port must be a whole number from 0 to 65535; got ${JSON.stringify(value)}`);
  }
  return port;
}

export function parseTlsMode(value: unknown): TlsMode {
  if (typeof value === 'boolean') {
    throw new UsageError(
      `tls: ${value} does not say which kind; use 'auto', 'implicit' (TLS from the first byte), 'starttls' or 'none'`,
    );
  }
  if (!tlsModes.includes(value as TlsMode)) {
    throw new UsageError(`tls must be one of 'auto', 'implicit', 'starttls', 'none'; got ${JSON.stringify(value)}`);
  }
  return value as TlsMode;
}

/** 'host:port', with brackets around an IPv6 address. */
export function formatHostPort(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for names and addresses of this machine. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host === '::1' || /^127\.[0-9]+\.[0-9]+\.[0-9]+$/.test(host) || host.endsWith('.localhost')
  );
}

function decodePart(name: string, text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(`the ${name} in the server URL has a stray %; percent-encode it`);
  }
}
