import { UsageError } from '../errors.ts';
import { checkAddrSpec, needsSmtpUtf8 } from '../wire/addr-spec.ts';
import { latin1 } from '../wire/bytes.ts';
import { formatDate } from './date.ts';
import { checkFieldName, checkFieldValue, formatField } from './header-block.ts';
import { messagePart } from './message-part.ts';
import { type Part, multipart, textPart } from './part.ts';

/** What every report has. */
interface ReportInput {
  /** For people: what happened. */
  readonly text: string;
  /** The message that it is about: whole, or its header alone. */
  readonly original?: Uint8Array | undefined;
  /** Further fields of the report. */
  readonly fields?: Readonly<Record<string, string>> | undefined;
}

export interface DeliveryReportInput extends ReportInput {
  /** The server that reports. */
  readonly reportingMta: string;
  /** The ENVID of the message. */
  readonly envelopeId?: string | undefined;
  readonly arrivalDate?: Date | undefined;
  readonly recipients: readonly {
    readonly finalRecipient: string;
    readonly originalRecipient?: string | undefined;
    readonly action: 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';
    /** Enhanced status code: '5.1.1'. */
    readonly status: string;
    /** The reply of the server that refused it. */
    readonly diagnostic?: string | undefined;
    readonly remoteMta?: string | undefined;
    readonly lastAttemptDate?: Date | undefined;
    readonly willRetryUntil?: Date | undefined;
  }[];
}

export interface DispositionReportInput extends ReportInput {
  /** `name; product version` of what reports. */
  readonly reportingUa?: string | undefined;
  readonly finalRecipient: string;
  readonly originalRecipient?: string | undefined;
  readonly originalMessageId?: string | undefined;
  /** What happened to it. */
  readonly type: 'displayed' | 'deleted' | 'dispatched' | 'processed';
  /** Done by the person, and sent with the person's word; default false for both: done and sent by itself. */
  readonly manualAction?: boolean | undefined;
  readonly manuallySent?: boolean | undefined;
}

export interface FeedbackReportInput extends ReportInput {
  readonly feedbackType: 'abuse' | 'fraud' | 'virus' | 'not-spam' | 'auth-failure' | 'other';
  readonly userAgent: string;
  readonly originalMailFrom?: string | undefined;
  readonly originalRecipients?: readonly string[] | undefined;
  readonly arrivalDate?: Date | undefined;
  readonly sourceIp?: string | undefined;
  readonly reportedDomains?: readonly string[] | undefined;
}

/**
 * The body of a delivery status notification, for `body` of a draft; its envelope must be `{ from: '' }`, so that no report follows the
 * report. @see RFC 3464, RFC 6533
 */
export function deliveryStatusBody(report: DeliveryReportInput): Part {
  if (report.recipients.length === 0) throw new UsageError('a delivery report needs at least one recipient');
  const groups: Fields[] = [
    [
      ['Original-Envelope-Id', report.envelopeId],
      ['Reporting-MTA', `dns; ${report.reportingMta}`],
      ['Arrival-Date', dateText(report.arrivalDate)],
      ...Object.entries(report.fields ?? {}),
    ],
  ];
  for (const recipient of report.recipients) {
    if (!/^[245]\.\d{1,3}\.\d{1,3}$/.test(recipient.status))
      throw new UsageError(
        `status must be an enhanced status code such as 5.1.1; got ${JSON.stringify(recipient.status)}`,
      );
    groups.push([
      ['Original-Recipient', addressText(recipient.originalRecipient)],
      ['Final-Recipient', addressText(recipient.finalRecipient)],
      ['Action', recipient.action],
      ['Status', recipient.status],
      ['Remote-MTA', recipient.remoteMta === undefined ? undefined : `dns; ${recipient.remoteMta}`],
      ['Diagnostic-Code', recipient.diagnostic === undefined ? undefined : `smtp; ${oneLine(recipient.diagnostic)}`],
      ['Last-Attempt-Date', dateText(recipient.lastAttemptDate)],
      ['Will-Retry-Until', dateText(recipient.willRetryUntil)],
    ]);
  }
  return reportPart('delivery-status', groups, report);
}

/** The body of a message disposition notification, a receipt. @see RFC 8098 */
export function dispositionNotificationBody(report: DispositionReportInput): Part {
  const action = report.manualAction === true ? 'manual-action' : 'automatic-action';
  const sent = report.manuallySent === true ? 'MDN-sent-manually' : 'MDN-sent-automatically';
  const fields: Fields = [
    ['Reporting-UA', report.reportingUa],
    ['Original-Recipient', addressText(report.originalRecipient)],
    ['Final-Recipient', addressText(report.finalRecipient)],
    ['Original-Message-ID', report.originalMessageId],
    ['Disposition', `${action}/${sent}; ${report.type}`],
    ...Object.entries(report.fields ?? {}),
  ];
  return reportPart('disposition-notification', [fields], report);
}

/** The body of a complaint in the abuse reporting format. @see RFC 5965 */
export function feedbackReportBody(report: FeedbackReportInput): Part {
  const angle = (address: string | undefined): string | undefined =>
    address === undefined ? undefined : `<${address === '' ? '' : checkAddrSpec('an address of the report', address)}>`;
  const fields: Fields = [
    ['Feedback-Type', report.feedbackType],
    ['User-Agent', report.userAgent],
    ['Version', '1'],
    ['Original-Mail-From', angle(report.originalMailFrom)],
    ['Arrival-Date', dateText(report.arrivalDate)],
    ['Source-IP', report.sourceIp],
    ...(report.originalRecipients ?? []).map((each): [string, string | undefined] => ['Original-Rcpt-To', angle(each)]),
    ...(report.reportedDomains ?? []).map((each): [string, string] => ['Reported-Domain', each]),
    ...Object.entries(report.fields ?? {}),
  ];
  return reportPart('feedback-report', [fields], report);
}

type Fields = (readonly [name: string, value: string | undefined])[];

const utf8Types: Readonly<Record<string, string>> = {
  'delivery-status': 'message/global-delivery-status',
  'disposition-notification': 'message/global-disposition-notification',
};

function reportPart(type: string, groups: readonly Fields[], { text, original }: ReportInput): Part {
  const status = groups
    .map((fields) =>
      fields
        .map(([name, value]) =>
          value === undefined ? '' : formatField(checkFieldName(name), checkFieldValue(name, value)),
        )
        .join(''),
    )
    .join('\r\n');
  const utf8 = /[^\u0000-\u007f]/.test(status);
  const media = (utf8 ? utf8Types[type] : undefined) ?? `message/${type}`;
  const parts: Part[] = [
    textPart(text),
    {
      // RFC 6533 section 3 allows an encoding of the types for UTF-8 only.
      header: `Content-Type: ${media}\r\nContent-Transfer-Encoding: ${utf8 ? 'base64' : '7bit'}\r\n`,
      body: { kind: 'text', text: status, encoding: utf8 ? 'base64' : '7bit' },
    },
  ];
  if (original !== undefined) parts.push(originalPart(original));
  return multipart('report', parts, { parameters: { 'report-type': type } });
}

/** The message whole, or its header where there is no body. @see RFC 6522 section 4 */
function originalPart(original: Uint8Array): Part {
  const text = latin1(original);
  const headerOnly = !/\r?\n\r?\n[^]/.test(text);
  if (!headerOnly || /[^\u0000-\u007f]/.test(text)) return messagePart(original);
  return {
    header: 'Content-Type: text/rfc822-headers; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n',
    body: { kind: 'text', text, encoding: '7bit' },
  };
}

function addressText(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const checked = checkAddrSpec('a recipient of the report', address);
  return `${needsSmtpUtf8(checked) ? 'utf-8' : 'rfc822'}; ${checked}`;
}

const dateText = (date: Date | undefined): string | undefined => (date === undefined ? undefined : formatDate(date));
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
