import { PostwireError } from '../errors.ts';
import { NntpPostError } from '../nntp/index.ts';
import { SmtpSendError } from '../smtp/index.ts';

/** Exit codes of every sub-command, by class of failure. They do not change within a major version. */
export const exitCodes = {
  ok: 0,
  /** A fault of postwire itself, or of the system. */
  internal: 1,
  /** Wrong arguments or a malformed message; nothing was connected. */
  usage: 2,
  connect: 3,
  tls: 4,
  auth: 5,
  /** The server said: not now (4xx). */
  refusedTemporary: 6,
  /** The server said: no (5xx). */
  refusedPermanent: 7,
  timeout: 8,
  /** The connection broke, or the peer broke the protocol or a limit. */
  protocol: 9,
  /** Sent, and the answer was lost: it may have been delivered. */
  deliveryUnknown: 10,
  /** Some recipients were refused; the others have it. */
  partial: 11,
  aborted: 130,
} as const;

/** The exit code for a thrown value. */
export function exitCodeOf(error: unknown): number {
  if ((error instanceof SmtpSendError || error instanceof NntpPostError) && error.deliveryUnknown)
    return exitCodes.deliveryUnknown;
  if (!(error instanceof PostwireError))
    return error instanceof Error && error.name === 'AbortError' ? exitCodes.aborted : exitCodes.internal;
  switch (error.code) {
    case 'USAGE':
    case 'UNSUPPORTED':
      return exitCodes.usage;
    case 'CONNECT':
      return exitCodes.connect;
    case 'TLS':
      return exitCodes.tls;
    case 'AUTH':
      return exitCodes.auth;
    case 'REPLY':
      return error.temporary ? exitCodes.refusedTemporary : exitCodes.refusedPermanent;
    case 'TIMEOUT':
      return exitCodes.timeout;
    case 'ABORTED':
      return exitCodes.aborted;
    case 'LIMIT':
      return error instanceof SmtpSendError ? exitCodes.refusedPermanent : exitCodes.protocol;
    default:
      return exitCodes.protocol;
  }
}
