import { PostwireError, UnsupportedError, UsageError } from '../errors.ts';
import { checkAddrSpec, needsSmtpUtf8 } from '../wire/addr-spec.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import { parseDecimal } from '../wire/limits.ts';
import { type DeliveryOptions, deliveryParameters } from './extensions.ts';
import type { PreparedMessage } from './message.ts';
import { SmtpSendError } from './result.ts';
import type { SendOptions, SmtpEnvelope } from './send-options.ts';

/** What a server would refuse, or take in a lesser way. */
export interface PreflightFinding {
  /** 'refused': it cannot be sent as it is. 'downgraded': it can, without something that was asked for or would help. */
  readonly effect: 'refused' | 'downgraded';
  /** The capability or rule: 'SMTPUTF8', 'MESSAGE_TOO_LARGE'. */
  readonly reason: string;
  readonly text: string;
}

/** A message and its envelope, held against what a server offers. */
export interface CheckedTransaction {
  readonly from: string;
  readonly to: readonly string[];
  readonly utf8: boolean;
  readonly delivery: ReturnType<typeof deliveryParameters>;
  /** Why it cannot be sent: the first is the one to throw. */
  readonly problems: readonly PostwireError[];
}

/** Checks everything that can be known before a byte leaves. UsageError for what no server would take. */
export function checkTransaction(
  envelope: SmtpEnvelope,
  message: PreparedMessage,
  options: SendOptions,
  offered: Capabilities,
  where: string,
): CheckedTransaction {
  const from = envelope.from === '' ? '' : checkAddrSpec('envelope.from', envelope.from);
  const given = typeof envelope.to === 'string' ? [envelope.to] : envelope.to;
  if (!Array.isArray(given) || given.length === 0)
    throw new UsageError('the envelope has no recipient: give at least one address to send to');
  const to = given.map((address) => checkAddrSpec('a recipient', address));
  const problems: PostwireError[] = [];
  const needs = (capability: string, text: string): void => {
    if (!offered.has(capability)) problems.push(new UnsupportedError(text, { reason: capability }));
  };
  const utf8 = message.headerUtf8 === true || [from, ...to].some(needsSmtpUtf8);
  if (utf8) {
    const culprit = [from, ...to].find(needsSmtpUtf8);
    needs(
      'SMTPUTF8',
      culprit === undefined
        ? `the message's header has characters beyond ASCII that ${where} cannot carry: it does not offer SMTPUTF8`
        : `${where} cannot carry the address ${culprit}: it does not offer SMTPUTF8`,
    );
  }
  if (options.binary === true) {
    if (options.transfer === 'data') throw new UsageError("binary goes by BDAT: it cannot be combined with 'data'");
    needs('CHUNKING', `${where} does not offer CHUNKING, without which no binary message can be sent`);
    needs('BINARYMIME', `${where} does not offer BINARYMIME, which binary asks for`);
  } else {
    if (options.transfer === 'bdat') needs('CHUNKING', `${where} does not offer CHUNKING; use transfer: 'auto'`);
    if (message.eightBit === true)
      needs(
        '8BITMIME',
        `the message has 8-bit data and ${where} does not offer 8BITMIME; encode it as quoted-printable or base64`,
      );
  }
  const limit = parseDecimal(offered.parameters('SIZE')?.[0] ?? '') ?? 0;
  if (limit > 0 && message.sizeBytes !== undefined && message.sizeBytes > limit)
    problems.push(
      new SmtpSendError(
        'LIMIT',
        `the message has ${formatBytes(message.sizeBytes)} and ${where} takes no more than ${formatBytes(limit)}`,
        {
          reason: 'MESSAGE_TOO_LARGE',
          reusable: true,
          recipients: to.map((address) => ({ address, status: 'unsent', reply: undefined, temporary: false })),
          hint: 'send a link instead of the file, or split it',
        },
      ),
    );
  return { from, to, utf8, delivery: checkDelivery(options, offered, where, problems), problems };
}

function checkDelivery(
  options: DeliveryOptions,
  offered: Capabilities,
  where: string,
  problems: PostwireError[],
): CheckedTransaction['delivery'] {
  try {
    return deliveryParameters(options, offered, where);
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    problems.push(error);
    return { mail: {}, rcpt: () => ({}) };
  }
}

/** What this server would refuse, and what it would take in a lesser way. */
export function preflightFindings(
  envelope: SmtpEnvelope,
  message: PreparedMessage,
  options: SendOptions,
  offered: Capabilities,
  where: string,
): PreflightFinding[] {
  const { problems, to } = checkTransaction(envelope, message, options, offered, where);
  const findings = problems.map((error): PreflightFinding => ({
    effect: 'refused',
    reason: error.reason ?? error.code,
    text: error.message,
  }));
  const lesser = (reason: string, text: string): void => void findings.push({ effect: 'downgraded', reason, text });
  if (message.sizeBytes === undefined && offered.has('SIZE'))
    lesser(
      'SIZE',
      'the size is not known beforehand: a message that is too large is refused only when it has been sent',
    );
  if (message.eightBit === undefined && !offered.has('8BITMIME'))
    lesser('8BITMIME', `${where} takes no 8-bit data: if the stream turns out to have some, sending stops there`);
  const most = recipientsAtOnce(offered);
  if (to.length > most)
    lesser(
      'RCPTMAX',
      `${where} takes ${most} recipients at a time: the message goes in ${Math.ceil(to.length / most)} parts`,
    );
  return findings;
}

/** Recipients that one transaction may have. @see RFC 9422 section 4.2 */
export function recipientsAtOnce(offered: Capabilities): number {
  return limitOf(offered, 'RCPTMAX');
}

/** Transactions that one connection may have. @see RFC 9422 section 4.1 */
export function messagesPerConnection(offered: Capabilities): number {
  return limitOf(offered, 'MAILMAX');
}

function limitOf(offered: Capabilities, name: string): number {
  const word = offered.parameters('LIMITS')?.find((each) => each.toUpperCase().startsWith(`${name}=`));
  const value = word === undefined ? undefined : parseDecimal(word.slice(name.length + 1));
  return value === undefined || value < 1 ? Number.POSITIVE_INFINITY : value;
}

function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const unit = bytes < 1e6 ? 'kB' : bytes < 1e9 ? 'MB' : 'GB';
  const value = bytes / (unit === 'kB' ? 1e3 : unit === 'MB' ? 1e6 : 1e9);
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit} (${bytes} bytes)`;
}
