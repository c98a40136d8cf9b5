import { decodeText } from '../wire/bytes.ts';
import { decodeHeader } from './decode-header.ts';
import type { Message } from './message.ts';
import { parseMessageIds } from './message-ids.ts';
import type { MimePart } from './mime-part.ts';
import { parseDate } from './parse-date.ts';

/** Fields by name in lower case; each name with all its values. */
export type ReportFields = ReadonlyMap<string, readonly string[]>;

/** What happened to one recipient. @see RFC 3464 section 2.3 */
export interface DeliveryStatusRecipient {
  readonly finalRecipient: string | undefined;
  readonly originalRecipient: string | undefined;
  /** In lower case: 'failed', 'delayed', 'delivered', 'relayed', 'expanded'. */
  readonly action: string | undefined;
  /** Enhanced status code: '5.1.1'. */
  readonly status: string | undefined;
  readonly diagnostic: string | undefined;
  readonly remoteMta: string | undefined;
  readonly lastAttemptDate: Date | null;
  readonly fields: ReportFields;
}

/** A delivery status notification. @see RFC 3464 */
export interface DeliveryStatus {
  readonly reportingMta: string | undefined;
  readonly originalEnvelopeId: string | undefined;
  readonly arrivalDate: Date | null;
  readonly fields: ReportFields;
  readonly recipients: readonly DeliveryStatusRecipient[];
}

/** A message disposition notification. @see RFC 8098 section 3 */
export interface DispositionNotification {
  readonly finalRecipient: string | undefined;
  readonly originalRecipient: string | undefined;
  readonly originalMessageId: string | undefined;
  /** As written: 'manual-action/MDN-sent-manually; displayed'. */
  readonly disposition: string | undefined;
  /** In lower case: 'displayed', 'deleted', 'dispatched', 'processed'. */
  readonly type: string | undefined;
  readonly reportingUa: string | undefined;
  readonly fields: ReportFields;
}

/** A complaint. @see RFC 5965 section 3 */
export interface FeedbackReport {
  /** In lower case: 'abuse', 'fraud', 'not-spam'. */
  readonly feedbackType: string | undefined;
  readonly userAgent: string | undefined;
  readonly originalMailFrom: string | undefined;
  readonly originalRecipients: readonly string[];
  readonly sourceIp: string | undefined;
  readonly reportedDomains: readonly string[];
  readonly arrivalDate: Date | null;
  readonly fields: ReportFields;
}

const MAX_GROUPS = 10_000;

/** The delivery status of the message, or undefined. */
export function deliveryStatus(message: Message): DeliveryStatus | undefined {
  const part = find(message, ['message/delivery-status', 'message/global-delivery-status']);
  if (part === undefined) return undefined;
  const groups = fieldGroups(part);
  // Some mailers leave the fields of the message out.
  const first = groups[0];
  const hasMessageFields = first !== undefined && !first.has('final-recipient') && !first.has('original-recipient');
  const fields = hasMessageFields ? first : new Map<string, readonly string[]>();
  const recipients = groups.slice(hasMessageFields ? 1 : 0).filter((group) => group.size > 0);
  return {
    reportingMta: typed(fields, 'reporting-mta'),
    originalEnvelopeId: one(fields, 'original-envelope-id'),
    arrivalDate: date(fields, 'arrival-date'),
    fields,
    recipients: recipients.map((group) => ({
      finalRecipient: typed(group, 'final-recipient'),
      originalRecipient: typed(group, 'original-recipient'),
      action: one(group, 'action')
        ?.toLowerCase()
        .match(/[a-z]+/)?.[0],
      status: one(group, 'status')?.match(/[245]\.\d{1,3}\.\d{1,3}/)?.[0],
      diagnostic: typed(group, 'diagnostic-code'),
      remoteMta: typed(group, 'remote-mta'),
      lastAttemptDate: date(group, 'last-attempt-date'),
      fields: group,
    })),
  };
}

/** The disposition notification of the message, or undefined. */
export function dispositionNotification(message: Message): DispositionNotification | undefined {
  const part = find(message, ['message/disposition-notification', 'message/global-disposition-notification']);
  const fields = part === undefined ? undefined : fieldGroups(part)[0];
  if (fields === undefined) return undefined;
  const disposition = one(fields, 'disposition');
  return {
    finalRecipient: typed(fields, 'final-recipient'),
    originalRecipient: typed(fields, 'original-recipient'),
    originalMessageId: parseMessageIds(one(fields, 'original-message-id') ?? '').ids[0],
    disposition,
    type: disposition
      ?.split(';')
      .at(-1)
      ?.trim()
      .toLowerCase()
      .match(/^[a-z-]+/)?.[0],
    reportingUa: one(fields, 'reporting-ua'),
    fields,
  };
}

/** The complaint that the message is, or undefined. */
export function feedbackReport(message: Message): FeedbackReport | undefined {
  const part = find(message, ['message/feedback-report']);
  const fields = part === undefined ? undefined : fieldGroups(part)[0];
  if (fields === undefined) return undefined;
  return {
    feedbackType: one(fields, 'feedback-type')?.toLowerCase(),
    userAgent: one(fields, 'user-agent'),
    originalMailFrom: bare(one(fields, 'original-mail-from')),
    originalRecipients: (fields.get('original-rcpt-to') ?? []).map((text) => bare(text) as string),
    sourceIp: one(fields, 'source-ip'),
    reportedDomains: fields.get('reported-domain') ?? [],
    arrivalDate: date(fields, 'arrival-date') ?? date(fields, 'received-date'),
    fields,
  };
}

/** The part of one of these types, not inside another message. */
function find(message: Message, types: readonly string[]): MimePart | undefined {
  const stack: MimePart[] = [message.root];
  for (let part = stack.pop(); part !== undefined; part = stack.pop()) {
    if (types.includes(part.type)) return part;
    if (part.kind === 'multipart') stack.push(...part.parts.toReversed());
  }
  return undefined;
}

/** Groups of fields between blank lines. */
function fieldGroups(part: MimePart): Map<string, readonly string[]>[] {
  const text = decodeText(part.bytes())
    .replace(/\r\n?/g, '\n')
    .replace(/\n[ \t]+(?=\S)/g, ' ');
  const groups: Map<string, readonly string[]>[] = [];
  for (const block of text.split(/\n(?:[ \t]*\n)+/).slice(0, MAX_GROUPS)) {
    const fields = new Map<string, readonly string[]>();
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon <= 0) continue;
      const name = line.slice(0, colon).trim().toLowerCase();
      fields.set(name, [...(fields.get(name) ?? []), decodeHeader(line.slice(colon + 1).trim())]);
    }
    if (fields.size > 0) groups.push(fields);
  }
  return groups;
}

function one(fields: ReportFields, name: string): string | undefined {
  return fields.get(name)?.[0];
}

/** A value behind its type: 'rfc822; a@b' is 'a@b', 'smtp; 550 …' is '550 …'. */
function typed(fields: ReportFields, name: string): string | undefined {
  const value = one(fields, name)?.replace(/^\s*[A-Za-z0-9-]{1,40}\s*;\s*/, '');
  return name.endsWith('-recipient') ? bare(value) : value;
}

function bare(text: string | undefined): string | undefined {
  return text?.trim().replace(/^<(.*)>$/, '$1');
}

function date(fields: ReportFields, name: string): Date | null {
  const text = one(fields, name);
  return text === undefined ? null : parseDate(text);
}
