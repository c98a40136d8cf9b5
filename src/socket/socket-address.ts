import { isIP } from 'node:net';
import { UsageError } from '../errors.ts';
import { checkHost, formatHostPort, parsePort } from './address.ts';

/** One end of a TCP connection, or where a datagram came from. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/** Where to: an object, or 'host:port', '[::1]:port', ':port'. A port from the environment may be a string of digits. */
export type HostPort = string | { readonly host?: string | undefined; readonly port?: number | string | undefined };

/** Reads an address. UsageError that names what is wrong. Without a host it is `defaultHost`. */
export function parseHostPort(
  address: HostPort,
  defaultHost = '127.0.0.1',
): { readonly host: string; readonly port: number } {
  if (typeof address === 'string') {
    const match = /^(?:\[([0-9a-fA-F:.]+(?:%[^\]]+)?)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(address);
    if (match === null)
      throw new UsageError(
        `an address is written host:port, with brackets around IPv6; got ${JSON.stringify(address)}`,
      );
    const host = match[1] ?? match[2] ?? '';
    return { host: host === '' ? defaultHost : checkHost(host), port: parsePort(match[3]) };
  }
  if (typeof address !== 'object' || address === null)
    throw new UsageError(`an address is { host, port } or 'host:port'; got ${JSON.stringify(address)}`);
  const { host, port } = address;
  // Where a datagram came from, mostly: nothing in it needs reading.
  if (
    typeof port === 'number' &&
    port > 0 &&
    port < 65_536 &&
    Number.isInteger(port) &&
    host !== undefined &&
    isIP(host) > 0
  )
    return { host, port };
  return { host: host === undefined || host === '' ? defaultHost : checkHost(host), port: parsePort(port ?? 0) };
}

/** Node's way of saying it as ours. */
export function socketAddress(host: string, port: number): SocketAddress {
  return { host, port, family: isIP(host) === 6 ? 6 : 4 };
}

/** 'host:port', or the path of a Unix socket; an abstract name shows its NUL as @, as the system's tools do. */
export function formatPeer(address: SocketAddress | string): string {
  return typeof address === 'string' ? address.replace(/^\0/, '@') : formatHostPort(address.host, address.port);
}
