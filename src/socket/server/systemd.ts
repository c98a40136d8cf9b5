import { UsageError } from '../../errors.ts';

/** A listening socket that systemd opened for this process. */
export interface SystemdSocket {
  readonly fd: number;
  /** FileDescriptorName= of the socket unit, else the unit's name. */
  readonly name: string;
}

/** The first descriptor, by definition: SD_LISTEN_FDS_START. */
const FIRST_FD = 3;

/**
 * The sockets that systemd passed (LISTEN_FDS, LISTEN_FDNAMES), none where it did not, or where they are for another process.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
 */
export function systemdSockets(env: Readonly<Record<string, string | undefined>> = process.env): SystemdSocket[] {
  const count = Number(env['LISTEN_FDS']);
  if (Number(env['LISTEN_PID']) !== process.pid || !Number.isInteger(count) || count < 1 || count > 1024) return [];
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':');
  return Array.from({ length: count }, (_, index) => ({ fd: FIRST_FD + index, name: names[index] || 'unknown' }));
}

/** One of them by its name; '' for the only one. UsageError, which names those that there are. */
export function systemdSocket(name: string, env?: Readonly<Record<string, string | undefined>>): SystemdSocket {
  const sockets = systemdSockets(env);
  const found =
    name === '' ? (sockets.length === 1 ? sockets[0] : undefined) : sockets.find((each) => each.name === name);
  if (found !== undefined) return found;
  const there = sockets.length === 0 ? 'none' : sockets.map((each) => each.name).join(', ');
  throw new UsageError(`systemd passed no socket ${JSON.stringify(name)}; there are: ${there}`, {
    hint: 'start the program by its socket unit',
  });
}
