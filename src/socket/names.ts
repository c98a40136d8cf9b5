import { type LookupAddress } from 'node:dns';
import { lookup, lookupService, reverse } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { UnsupportedError, UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { checkHost, parsePort } from './address.ts';
import { TcpSocket } from './tcp.ts';
import { systemError } from './system-error.ts';
import { UdpSocket } from './udp.ts';
import { UnixSocket } from './unix.ts';

/** One way to reach a service. */
export interface AddressInfo {
  readonly family: 4 | 6;
  readonly type: 'stream' | 'datagram';
  readonly host: string;
  readonly port: number;
}

export interface AddressQuery {
  readonly family?: 4 | 6 | undefined;
  /** Default: both. */
  readonly type?: 'stream' | 'datagram' | undefined;
}

/** Services that are looked for on every machine, also where it has no /etc/services: name, port, and the protocol where it is one alone. */
const wellKnown =
  'echo 7,discard 9,daytime 13,chargen 19,ftp-data 20 tcp,ftp 21 tcp,ssh 22 tcp,telnet 23 tcp,smtp 25 tcp,time 37,whois 43 tcp,domain 53,' +
  'bootps 67 udp,bootpc 68 udp,tftp 69 udp,gopher 70 tcp,finger 79 tcp,http 80 tcp,kerberos 88,pop3 110 tcp,sunrpc 111,auth 113 tcp,' +
  'nntp 119 tcp,ntp 123 udp,imap2 143 tcp,imap 143 tcp,snmp 161,irc 194,ldap 389,https 443,submissions 465 tcp,syslog 514 udp,' +
  'submission 587 tcp,nntps 563 tcp,ldaps 636,syslog-tls 6514 tcp,ftps 990 tcp,telnets 992 tcp,imaps 993 tcp,pop3s 995 tcp,socks 1080 tcp,' +
  'mysql 3306 tcp,postgresql 5432 tcp,xmpp-client 5222 tcp,redis 6379 tcp,http-alt 8080 tcp';

interface Service {
  readonly names: readonly string[];
  readonly port: number;
  readonly protocol: string;
}

let services: readonly Service[] | undefined;

function knownServices(): readonly Service[] {
  if (services !== undefined) return services;
  const found: Service[] = [];
  try {
    for (const line of readFileSync('/etc/services', 'utf8').split('\n')) {
      const [name, where = '', ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
      const match = /^(\d{1,5})\/(\w+)$/.exec(where);
      if (name === undefined || match === null) continue;
      found.push({ names: [name, ...aliases], port: Number(match[1]), protocol: match[2] as string });
    }
  } catch {
    // Slim systems have none.
  }
  for (const entry of wellKnown.split(',')) {
    const [name = '', port, only] = entry.split(' ');
    for (const protocol of only === undefined ? ['tcp', 'udp'] : [only])
      found.push({ names: [name], port: Number(port), protocol });
  }
  return (services = found);
}

/** The port of a service: `getServByName('smtp')` is 25. UsageError for one that is not known. */
export function getServByName(name: string, protocol?: 'tcp' | 'udp'): number {
  const found = knownServices().find(
    (service) => service.names.includes(name) && (protocol === undefined || service.protocol === protocol),
  );
  if (found === undefined)
    throw new UsageError(
      `no service ${JSON.stringify(name)}${protocol === undefined ? '' : ` over ${protocol}`} is known`,
    );
  return found.port;
}

/** The name of a port's service: `getServByPort(25)` is 'smtp'. UsageError for one that is not known. */
export function getServByPort(port: number, protocol?: 'tcp' | 'udp'): string {
  const found = knownServices().find(
    (service) => service.port === parsePort(port) && (protocol === undefined || service.protocol === protocol),
  );
  if (found === undefined) throw new UsageError(`no service of port ${port} is known`);
  return found.names[0] as string;
}

/** Every address and kind of socket for a host and a port or a service's name. ConnectError with `reason` ENOTFOUND or EAI_AGAIN. */
export async function getAddrInfo(
  host: string,
  service: number | string = 0,
  query: AddressQuery = {},
): Promise<AddressInfo[]> {
  checkOptions('getAddrInfo', query, ['family', 'type']);
  const name = checkHost(host);
  const port = typeof service === 'string' && !/^\d+$/.test(service) ? getServByName(service) : parsePort(service);
  const types = query.type === undefined ? (['stream', 'datagram'] as const) : [query.type];
  return (await addresses(name, query.family)).flatMap(({ address, family }) =>
    types.map((type) => ({ family: family === 6 ? 6 : 4, type, host: address, port }) as const),
  );
}

/** The first IPv4 address of a name. */
export async function getHostByName(host: string): Promise<string> {
  return (await addresses(checkHost(host), 4))[0]?.address as string;
}

/** The names of an address, as its reverse zone has them. */
export async function getHostByAddr(address: string): Promise<string[]> {
  if (isIP(address) === 0) throw new UsageError(`${JSON.stringify(address)} is no IP address`);
  try {
    return await reverse(address);
  } catch (error) {
    throw systemError(`cannot find the name of ${address}`, error, { host: address });
  }
}

/** Host and service names of an address and a port, as the system's files and resolver have them. */
export async function getNameInfo(address: string, port: number): Promise<{ host: string; service: string }> {
  if (isIP(address) === 0) throw new UsageError(`${JSON.stringify(address)} is no IP address`);
  try {
    const { hostname: host, service } = await lookupService(address, parsePort(port));
    return { host, service };
  } catch (error) {
    throw systemError(`cannot find the name of ${address}`, error, { host: address, port });
  }
}

/** This machine's name. */
export const getHostName = (): string => hostname();

async function addresses(host: string, family: 4 | 6 | undefined): Promise<LookupAddress[]> {
  try {
    return await lookup(host, { all: true, verbatim: true, family: family ?? 0 });
  } catch (error) {
    throw systemError(`cannot find ${host}`, error, { host });
  }
}

/**
 * A socket of a family and a type, as `socket()` makes them. UnsupportedError, saying what to use, for those that Node has none of:
 * raw and seqpacket sockets, and datagrams of the Unix family.
 */
export function createSocket(family: 'inet' | 'inet6', type?: 'stream'): TcpSocket;
export function createSocket(family: 'inet' | 'inet6', type: 'datagram'): UdpSocket;
export function createSocket(family: 'unix', type?: 'stream'): UnixSocket;
export function createSocket(family: string, type?: string): TcpSocket | UdpSocket | UnixSocket;
export function createSocket(family: string, type = 'stream'): TcpSocket | UdpSocket | UnixSocket {
  const number = family === 'inet6' ? 6 : 4;
  if (family === 'inet' || family === 'inet6') {
    if (type === 'stream') return new TcpSocket({ family: number });
    if (type === 'datagram') return new UdpSocket({ family: number });
  }
  if (family === 'unix' && type === 'stream') return new UnixSocket();
  const hint =
    family === 'unix' && type === 'datagram'
      ? 'use a stream socket; for the system log, a SyslogClient over UDP or TCP'
      : type === 'raw'
        ? 'run a program that may open one (ping, tcpdump), or use a native addon'
        : type === 'seqpacket'
          ? 'use a stream socket and a frame around each message: netstringDecoder, lengthPrefixDecoder'
          : "the families are 'inet', 'inet6' and 'unix', the types 'stream' and 'datagram'";
  throw new UnsupportedError(`Node has no ${type} sockets of the family ${family}`, { hint });
}
