import { constants } from 'node:os';
import {
  ClosedError,
  ConnectError,
  type ErrorDetails,
  PostwireError,
  TimeoutError,
  UnsupportedError,
  UsageError,
  messageOf,
} from '../errors.ts';

/** What glibc's resolver returns, as C and Python know it. */
const resolverErrors: Readonly<Record<string, number>> = { ENOTFOUND: -2, EAI_AGAIN: -3, EAI_FAIL: -4, ENODATA: -5 };

const sentences: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not permitted',
  EPERM: 'not permitted',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the peer reset the connection',
  ECONNABORTED: 'the connection was aborted',
  EPIPE: 'the peer has closed the connection',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'timed out',
  ENOENT: 'no such file',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name server does not answer',
  EMSGSIZE: 'the datagram is too long',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files on this machine',
  ENOBUFS: 'no buffer space',
};

/** The number of a classic error code on this machine: 'ECONNREFUSED' is 111 on Linux. 0 for one that there is none of. */
export function errorNumber(code: string): number {
  return resolverErrors[code] ?? (constants.errno as Record<string, number>)[code] ?? 0;
}

/** The classic code of a number that `connectEx` gave: 111 is 'ECONNREFUSED' on Linux. Undefined for 0 and for numbers unknown. */
export function errorCode(number: number): string | undefined {
  const all = { ...(constants.errno as Record<string, number>), ...resolverErrors };
  return Object.keys(all).find((code) => all[code] === number);
}

/** What a classic code means, in words. */
export function describeErrorCode(code: string): string | undefined {
  return Object.hasOwn(sentences, code) ? sentences[code] : undefined;
}

/**
 * A failed system call as an error of ours; `reason` is its classic code. What was ours already is returned as it is.
 *
 * Errors that end a conversation are ClosedError, those of making one ConnectError, what only the caller can mend UsageError.
 */
export function systemError(doing: string, error: unknown, details: ErrorDetails = {}): Error {
  if (error instanceof PostwireError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (typeof code !== 'string') return error instanceof Error ? error : new Error(messageOf(error));
  const why = describeErrorCode(code) ?? messageOf(error);
  const message = `${doing}: ${why}`;
  const all: ErrorDetails = { ...details, reason: code, cause: error };
  switch (code) {
    case 'ETIMEDOUT':
      return new TimeoutError(message, all);
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'EPIPE':
    case 'ERR_STREAM_DESTROYED':
    case 'ERR_SOCKET_CLOSED':
    case 'ERR_SOCKET_DGRAM_NOT_RUNNING':
    case 'ERR_STREAM_WRITE_AFTER_END':
      return new ClosedError(message, all);
    case 'EMSGSIZE':
    case 'EINVAL':
    case 'ENAMETOOLONG':
      return new UsageError(message, all);
    case 'EAFNOSUPPORT':
    case 'EOPNOTSUPP':
    case 'ENOPROTOOPT':
    case 'ENOTSUP':
      return new UnsupportedError(message, all);
    default:
      return new ConnectError(message, { ...all, temporary: code !== 'ENOTFOUND' && code !== 'EACCES' });
  }
}
