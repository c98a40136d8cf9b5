import { UnsupportedError, UsageError } from '../errors.ts';
import { checkAddrSpec, needsSmtpUtf8 } from '../wire/addr-spec.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import { encodeText } from '../wire/bytes.ts';
import type { EsmtpParameters } from './codec.ts';

/** When a report is wanted, and with what. @see RFC 3461 */
export interface DsnOptions {
  /** For each recipient: any of these, or 'never' alone. Default: the server's, which is on failure and delay. */
  readonly notify?: 'never' | readonly ('success' | 'failure' | 'delay')[] | undefined;
  /** How much of the message comes back: all, or its header. */
  readonly return?: 'full' | 'headers' | undefined;
  /** What the report calls the message: up to 100 printable characters. */
  readonly envelopeId?: string | undefined;
  /** The address that the author gave, where it is not the envelope's: by recipient. */
  readonly originalRecipient?: ((address: string) => string | undefined) | undefined;
}

/** What a message asks of the servers on its way. Each needs its extension: UnsupportedError, and nothing sent, where it is not offered. */
export interface DeliveryOptions {
  readonly dsn?: DsnOptions | undefined;
  /** Deliver it over TLS with checked certificates all the way, or give it back. @see RFC 8689 */
  readonly requireTls?: boolean | undefined;
  /** Deliver within so many seconds, or give it back ('return') or tell the sender ('notify'). @see RFC 2852 */
  readonly deliverBy?: { readonly seconds: number; readonly otherwise: 'return' | 'notify' } | undefined;
  /** -9 (lowest) to 9. @see RFC 6710 */
  readonly mtPriority?: number | undefined;
  /** Hold it back for so many seconds, or until then. @see RFC 4865 */
  readonly holdFor?: number | Date | undefined;
  /** Deliver only where the address has been the same person's since then; undefined asks nothing. @see RFC 7293 */
  readonly validSince?: ((address: string) => Date | undefined) | undefined;
  /** Who submitted it, in the word of a server that is trusted to say so; '' for nobody known. @see RFC 4954 section 5 */
  readonly submitter?: string | undefined;
}

export const deliveryOptionNames = [
  'dsn',
  'requireTls',
  'deliverBy',
  'mtPriority',
  'holdFor',
  'validSince',
  'submitter',
] as const;

/** The parameters of MAIL and of each RCPT that these options make. */
export function deliveryParameters(
  options: DeliveryOptions,
  offered: Capabilities,
  where: string,
): { readonly mail: EsmtpParameters; rcpt(address: string): EsmtpParameters } {
  const needs = (capability: string, option: string): void => {
    if (!offered.has(capability))
      throw new UnsupportedError(`${where} does not offer ${capability}, which ${option} asks for`, {
        reason: capability,
      });
  };
  const mail: Record<string, string | number | boolean | undefined> = {};
  const { dsn, requireTls, deliverBy, mtPriority, holdFor, validSince, submitter } = options;
  if (requireTls === true) {
    needs('REQUIRETLS', 'requireTls');
    mail['REQUIRETLS'] = true;
  }
  if (deliverBy !== undefined) {
    needs('DELIVERBY', 'deliverBy');
    const least = Number(offered.parameters('DELIVERBY')?.[0] ?? 1);
    const { seconds, otherwise } = deliverBy;
    if (!(Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= 999_999_999))
      throw new UsageError('deliverBy.seconds must be a whole number from 1 to 999999999');
    if (otherwise !== 'return' && otherwise !== 'notify')
      throw new UsageError(`deliverBy.otherwise must be 'return' or 'notify'; got ${JSON.stringify(otherwise)}`);
    if (otherwise === 'return' && seconds < least)
      throw new UnsupportedError(`${where} cannot promise delivery in less than ${least} seconds`, {
        reason: 'DELIVERBY',
      });
    mail['BY'] = `${seconds};${otherwise === 'return' ? 'R' : 'N'}`;
  }
  if (mtPriority !== undefined) {
    needs('MT-PRIORITY', 'mtPriority');
    if (!(Number.isInteger(mtPriority) && Math.abs(mtPriority) <= 9))
      throw new UsageError(`mtPriority must be a whole number from -9 to 9; got ${String(mtPriority)}`);
    mail['MT-PRIORITY'] = String(mtPriority);
  }
  if (holdFor !== undefined) {
    needs('FUTURERELEASE', 'holdFor');
    if (holdFor instanceof Date) {
      if (Number.isNaN(holdFor.getTime())) throw new UsageError('holdFor is not a valid date');
      mail['HOLDUNTIL'] = holdFor.toISOString().replace(/\.\d+Z$/, 'Z');
    } else if (Number.isSafeInteger(holdFor) && holdFor > 0 && holdFor <= 999_999_999) mail['HOLDFOR'] = holdFor;
    else throw new UsageError('holdFor must be a date, or a whole number of seconds from 1 to 999999999');
    const most = Number(offered.parameters('FUTURERELEASE')?.[0] ?? Number.NaN);
    const seconds = holdFor instanceof Date ? (holdFor.getTime() - Date.now()) / 1000 : holdFor;
    if (seconds > most)
      throw new UnsupportedError(`${where} holds a message for no longer than ${most} seconds`, {
        reason: 'FUTURERELEASE',
      });
  }
  if (submitter !== undefined) {
    needs('AUTH', 'submitter');
    mail['AUTH'] = submitter === '' ? '<>' : xtext(checkAddrSpec('submitter', submitter));
  }
  if (validSince !== undefined) needs('RRVS', 'validSince');
  const since = (address: string): EsmtpParameters => {
    const date = validSince?.(address);
    if (date === undefined) return {};
    if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw new UsageError('validSince must give a date');
    return { RRVS: date.toISOString().replace(/\.\d+Z$/, 'Z') };
  };
  if (dsn === undefined) return { mail, rcpt: since };
  needs('DSN', 'dsn');
  const { envelopeId, notify, originalRecipient } = dsn;
  if (dsn.return !== undefined) {
    if (dsn.return !== 'full' && dsn.return !== 'headers')
      throw new UsageError(`dsn.return must be 'full' or 'headers'; got ${JSON.stringify(dsn.return)}`);
    mail['RET'] = dsn.return === 'full' ? 'FULL' : 'HDRS';
  }
  if (envelopeId !== undefined) {
    if (!/^[ -~]{1,100}$/.test(envelopeId))
      throw new UsageError('dsn.envelopeId must be 1 to 100 printable ASCII characters');
    mail['ENVID'] = xtext(envelopeId);
  }
  const when = typeof notify === 'string' ? [notify] : notify;
  for (const each of when ?? [])
    if (!['success', 'failure', 'delay'].includes(each) && notify !== 'never')
      throw new UsageError(
        `dsn.notify must be 'never', or a list of 'success', 'failure', 'delay'; got ${JSON.stringify(each)}`,
      );
  if (when?.length === 0) throw new UsageError("dsn.notify is empty: say 'never', or when");
  return {
    mail,
    rcpt(address) {
      const original = originalRecipient?.(address);
      return {
        NOTIFY: when?.join(',').toUpperCase(),
        ORCPT: original === undefined ? undefined : originalAddress(original),
        ...since(address),
      };
    },
  };
}

/** `rfc822;` with xtext, or `utf-8;` where it has other characters. @see RFC 3461 section 4.2, RFC 6533 section 3 */
function originalAddress(address: string): string {
  const checked = checkAddrSpec('dsn.originalRecipient', address);
  return needsSmtpUtf8(checked)
    ? `utf-8;${checked.replace(/[\\+=\s]/g, (character) => `\\x{${character.charCodeAt(0).toString(16).toUpperCase()}}`)}`
    : `rfc822;${xtext(checked)}`;
}

/** Printable ASCII; '+', '=' and all else as +HH. @see RFC 3461 section 4 */
export function xtext(text: string): string {
  let encoded = '';
  for (const byte of encodeText(text))
    encoded +=
      byte > 32 && byte < 127 && byte !== 43 && byte !== 61
        ? String.fromCharCode(byte)
        : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
}
