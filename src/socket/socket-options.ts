import type { Socket } from 'node:net';
import { UnsupportedError, UsageError } from '../errors.ts';

/** Sets an option of a stream socket by its classic name; without a socket only checks that it could. */
export function streamOption(socket: Socket | undefined, name: string, value: unknown): void {
  switch (name) {
    case 'TCP_NODELAY':
      socket?.setNoDelay(flag(name, value));
      return;
    case 'SO_KEEPALIVE':
      socket?.setKeepAlive(flag(name, value));
      return;
    case 'TCP_KEEPIDLE':
      socket?.setKeepAlive(true, count(name, value) * 1000);
      return;
    case 'SO_REUSEADDR':
      // The event loop's library sets it for every socket that it binds; it cannot be unset.
      if (flag(name, value)) return;
      break;
    default:
  }
  throw unsupported(name, value);
}

/** What the caller asked for, and why it cannot be had. */
export function unsupported(name: string, value: unknown): UnsupportedError {
  const why: Record<string, string> = {
    SO_LINGER: 'call reset() to close with a reset; close() sends what is left',
    SO_RCVTIMEO: 'use setTimeout, or timeoutMs of the call',
    SO_SNDTIMEO: 'use setTimeout, or timeoutMs of the call',
    SO_REUSEPORT: 'let one process listen and hand out connections: serve({ concurrency: { processes } })',
    SO_OOBINLINE: 'Node has no urgent data',
    SO_BINDTODEVICE: 'bind to an address of the interface',
    SO_RCVBUF: 'it can be set on a UdpSocket only',
    SO_SNDBUF: 'it can be set on a UdpSocket only',
  };
  const shown = value === undefined ? '' : ` to ${JSON.stringify(value)}`;
  return new UnsupportedError(`Node cannot set ${name}${shown} on this socket`, {
    hint: why[name] ?? 'there is no other way; the option is left as the system has it',
  });
}

export function flag(name: string, value: unknown): boolean {
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw new UsageError(`${name} must be true or false; got ${JSON.stringify(value)}`);
}

export function count(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError(`${name} must be a whole number of 0 or more; got ${JSON.stringify(value)}`);
}
