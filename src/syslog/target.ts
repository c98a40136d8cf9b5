import { UsageError } from '../errors.ts';
import { checkArgument, checkOptions } from '../wire/arguments.ts';
import { checkHost, parsePort } from '../socket/address.ts';
import type { TlsOptions } from '../socket/tls.ts';
import type { SyslogFraming } from './codec.ts';

export type SyslogTransport = 'udp' | 'tcp' | 'tls' | 'unix';

/** Where messages go. */
export interface SyslogServer {
  /** Default 'udp', or 'unix' with a path. */
  readonly transport?: SyslogTransport | undefined;
  readonly host?: string | undefined;
  /** Default 514, for TLS 6514. */
  readonly port?: number | string | undefined;
  /** A Unix stream socket. */
  readonly path?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  /** How messages are told apart on a stream. Default 'octet-counting'; on a Unix socket 'lf'. */
  readonly framing?: SyslogFraming | undefined;
}

/** A URL (`syslog://host:514` for UDP, `syslog+tcp://`, `syslog+tls://`, `syslog+unix:///path`) or an object. */
export type SyslogTarget = string | SyslogServer;

export interface ResolvedSyslogServer {
  readonly transport: SyslogTransport;
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly tls: TlsOptions | undefined;
  readonly framing: SyslogFraming;
  /** In messages. */
  readonly shown: string;
}

const schemes: Readonly<Record<string, SyslogTransport>> = {
  'syslog:': 'udp',
  'syslog+udp:': 'udp',
  'syslog+tcp:': 'tcp',
  'syslog+tls:': 'tls',
  'syslogs:': 'tls',
  'syslog+unix:': 'unix',
};

/** Reads a target; UsageError that names what is wrong. */
export function resolveSyslogServer(target: SyslogTarget | undefined): ResolvedSyslogServer {
  if (target === undefined || target === '')
    throw new UsageError(
      'the syslog server is not given; expected a URL such as syslog://host:514 or syslog+tls://host (is the environment variable set?)',
    );
  const given = typeof target === 'string' ? fromUrl(target) : target;
  if (typeof given !== 'object' || given === null)
    throw new UsageError(`the syslog server must be a URL or an object; got ${typeof target}`);
  checkOptions('syslog', given, ['transport', 'host', 'port', 'path', 'tls', 'framing']);
  const transport = given.transport ?? (given.path === undefined ? 'udp' : 'unix');
  if (!['udp', 'tcp', 'tls', 'unix'].includes(transport))
    throw new UsageError(`transport must be 'udp', 'tcp', 'tls' or 'unix'; got ${JSON.stringify(transport)}`);
  const framing = given.framing ?? (transport === 'unix' ? 'lf' : 'octet-counting');
  if (framing !== 'octet-counting' && framing !== 'lf')
    throw new UsageError(`framing must be 'octet-counting' or 'lf'; got ${JSON.stringify(framing)}`);
  // RFC 5425 section 4.3: TLS knows no other.
  if (transport === 'tls' && framing === 'lf') throw new UsageError("over TLS framing must be 'octet-counting'");
  if (given.tls !== undefined && transport !== 'tls') throw new UsageError("tls goes with transport: 'tls'");
  if (transport === 'unix') {
    const path = checkArgument('path', given.path?.replace(/^\0/, '@') ?? '');
    if (path === '') throw new UsageError('a Unix socket needs a path');
    return { transport, host: 'localhost', port: 0, path: given.path, tls: undefined, framing, shown: path };
  }
  if (given.path !== undefined) throw new UsageError(`a path goes with transport: 'unix', not '${transport}'`);
  const host = checkHost(given.host ?? 'localhost');
  const port = parsePort(given.port ?? (transport === 'tls' ? 6514 : 514));
  return { transport, host, port, path: undefined, tls: given.tls, framing, shown: `${host}:${port}` };
}

function fromUrl(text: string): SyslogServer {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`the syslog server is not a URL; expected one like syslog://host:514`);
  }
  const transport = Object.hasOwn(schemes, url.protocol) ? schemes[url.protocol] : undefined;
  if (transport === undefined)
    throw new UsageError(
      `${url.protocol} is not a scheme for syslog; use ${Object.keys(schemes)
        .map((scheme) => `${scheme}//`)
        .join(', ')}`,
    );
  const parameters = Object.fromEntries(url.searchParams);
  checkOptions('URL', parameters, ['framing']);
  const framing = parameters['framing'] as SyslogFraming | undefined;
  if (transport === 'unix') return { transport, path: decodeURIComponent(url.pathname), framing };
  return {
    transport,
    framing,
    host: url.hostname === '' ? undefined : url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? undefined : url.port,
  };
}
