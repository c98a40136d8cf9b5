import { UsageError } from '../../errors.ts';
import { checkOptions } from '../../wire/arguments.ts';
import { type HostPort, formatPeer, parseHostPort } from '../socket-address.ts';
import { checkPath } from '../unix.ts';
import { systemdSocket } from './systemd.ts';

/**
 * Where a server listens: host and port, as an object or 'host:port'; a Unix socket's path; a descriptor that the process was started
 * with; or 'systemd:NAME' ('systemd:' for the only one) for a socket that systemd opened.
 */
export type ServerAddress = HostPort | { readonly path: string } | { readonly fd: number };

export type ListeningPlace =
  | { readonly kind: 'host'; readonly host: string; readonly port: number }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number };

export function parseServerAddress(address: ServerAddress, protocol: string): ListeningPlace {
  if (typeof address === 'string' && address.startsWith('systemd:'))
    return { kind: 'fd', fd: systemdSocket(address.slice('systemd:'.length)).fd };
  if (typeof address === 'object' && address !== null && 'fd' in address) {
    checkOptions('address', address, ['fd']);
    if (!Number.isInteger(address.fd) || address.fd < 0)
      throw new UsageError(`address.fd must be a descriptor; got ${String(address.fd)}`);
    return { kind: 'fd', fd: address.fd };
  }
  if (protocol === 'unix') {
    const path = typeof address === 'string' ? address : (address as { path?: unknown })?.path;
    return { kind: 'path', path: checkPath(path) };
  }
  return { kind: 'host', ...parseHostPort(address as HostPort) };
}

export function formatPlace(place: ListeningPlace): string {
  if (place.kind === 'fd') return `descriptor ${place.fd}`;
  return place.kind === 'path' ? formatPeer(place.path) : formatPeer({ ...place, family: 4 });
}
