import { UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { type Endpoint, type SchemeTable, type TlsMode, parseTargetUrl, resolveEndpoint } from './address.ts';
import type { Connection } from './connection.ts';
import { type DialOptions, dial, dialOptionNames } from './dial.ts';
import { type TlsOptions, type TlsSetting, readTlsSetting } from './tls.ts';

/** What every protocol's options hold. */
export interface ServerOptions extends DialOptions {
  readonly tls?: TlsSetting | undefined;
  /** Send passwords without TLS. */
  readonly allowInsecureAuth?: boolean | undefined;
}

/** Where to connect: a URL (`imaps://user:password@host`, `?tls=none`) or the same as an object, options in it. */
export type ServerTarget<Options extends ServerOptions> = string | (Options & ServerPlace);

interface ServerPlace {
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  /** A Unix socket, instead of host and port. */
  readonly path?: string | undefined;
}

export interface ResolvedServer<Options extends ServerOptions> {
  /** Target and options as one; the options win. */
  readonly given: Options;
  readonly endpoint: Endpoint;
  readonly tls: TlsOptions;
  readonly allowInsecureAuth: boolean;
  readonly dial: DialOptions;
}

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveServer<Options extends ServerOptions>(
  target: ServerTarget<Options> | undefined,
  options: Options,
  table: SchemeTable,
  optionNames: readonly string[],
): ResolvedServer<Options> {
  const name = table.protocol.toUpperCase();
  if (target === undefined || target === '')
    throw new UsageError(
      `the ${name} server is not given; expected a URL such as ${table.protocol}://user:password@host:${table.port} (is the environment variable set?)`,
    );
  if (typeof target !== 'string' && (typeof target !== 'object' || target === null))
    throw new UsageError(`the ${name} server must be a URL or an object; got ${typeof target}`);
  const given: Options & ServerPlace = typeof target === 'string' ? options : { ...target, ...options };
  checkOptions(table.protocol, given, [
    ...optionNames,
    'tls',
    'allowInsecureAuth',
    'host',
    'port',
    'path',
    ...dialOptionNames,
  ]);
  const { mode, options: tls } = readTlsSetting(given.tls);
  const endpoint =
    typeof target === 'string'
      ? withMode(parseTargetUrl(target, table), mode)
      : resolveEndpoint({ host: given.host, port: given.port, path: given.path, tls: mode }, table);
  return {
    given,
    endpoint,
    tls,
    allowInsecureAuth: given.allowInsecureAuth ?? endpoint.parameters.get('allowInsecureAuth') === 'true',
    dial: Object.fromEntries(dialOptionNames.map((key) => [key, given[key]])),
  };
}

/** Connects to it, with TLS from the first byte where the target says so. */
export function dialServer(server: ResolvedServer<ServerOptions>, protocol: string): Promise<Connection> {
  const { host, port, path, tls } = server.endpoint;
  return dial({ protocol, host, port, path, implicitTls: tls === 'implicit', tls: server.tls }, server.dial);
}

function withMode(endpoint: Endpoint, mode: TlsMode | undefined): Endpoint {
  return mode === undefined || mode === 'auto' ? endpoint : { ...endpoint, tls: mode };
}
