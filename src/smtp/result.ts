import { type ErrorCode, type ErrorDetails, PostwireError, type ErrorReply } from '../errors.ts';
import type { Reply } from '../wire/reply.ts';

/** What became of one recipient. */
export interface RecipientResult {
  readonly address: string;
  /** `unknown`: the message was sent and the answer lost; it may or may not have been taken. `unsent`: it was not offered to the end. */
  readonly status: 'accepted' | 'refused' | 'unknown' | 'unsent';
  /** The reply that decided it, where there was one. */
  readonly reply: ErrorReply | undefined;
  /** True when trying again later may help: 4xx, or a lost connection before the message was sent. */
  readonly temporary: boolean;
}

/** A message that the server has taken, for at least one recipient. */
export interface SendResult {
  /** In the order of the envelope. */
  readonly recipients: readonly RecipientResult[];
  readonly accepted: readonly string[];
  readonly refused: readonly RecipientResult[];
  /** The reply to the message itself. */
  readonly reply: ErrorReply;
  /** The server's queue id, where its text has one: for asking its administrator. */
  readonly queueId: string | undefined;
  /** Bytes sent, before dot-stuffing. */
  readonly sizeBytes: number;
  /** True when it went over TLS. */
  readonly secure: boolean;
}

/** The message was not taken, or it is not known whether it was. `recipients` tells what became of each. */
export class SmtpSendError extends PostwireError {
  readonly recipients: readonly RecipientResult[];
  /** True when the message was sent whole and the reply was lost: it must not be sent again blindly. @see RFC 1047 */
  readonly deliveryUnknown: boolean;
  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails & { recipients: readonly RecipientResult[]; deliveryUnknown?: boolean },
  ) {
    const { recipients, deliveryUnknown = false, ...rest } = details;
    super(code, message, rest);
    this.recipients = recipients;
    this.deliveryUnknown = deliveryUnknown;
  }
}

/**
 * Who is left to send to, after a result or an error of `send`: those refused for now, and those who were not offered the message. Not those
 * refused for good, and not those of whom nobody knows: a second copy may reach them. Empty where the error tells of no recipient.
 */
export function retryable(outcome: unknown): string[] {
  const recipients = (outcome as { recipients?: unknown } | null | undefined)?.recipients;
  if (!Array.isArray(recipients)) return [];
  return (recipients as readonly RecipientResult[])
    .filter(({ status, temporary }) => (status === 'refused' && temporary) || (status === 'unsent' && temporary))
    .map(({ address }) => address);
}

/** A reply as errors and results carry it. */
export function toErrorReply(reply: Reply): ErrorReply {
  return { code: reply.code, enhanced: reply.enhanced, text: reply.lines.join('\n') };
}

/** Queue ids as Postfix, Exim, Sendmail, Exchange and Gmail write them behind their 250. */
export function queueIdOf(text: string): string | undefined {
  return /(?:queued as|id=|queued mail for delivery \[?(?:InternalId=)?|accepted for delivery|Message accepted[^A-Z0-9]*|\bOK\b:? (?:queued as )?)\s*([A-Za-z0-9._-]{6,64})/i.exec(
    text,
  )?.[1];
}
