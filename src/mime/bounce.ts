import { decodeText, encodeText, indexOfBytes } from '../wire/bytes.ts';
import type { Message } from './message.ts';
import { parseMessageIds } from './message-ids.ts';
import type { MimePart } from './mime-part.ts';
import { deliveryStatus } from './report.ts';

/** One recipient that a bounce is about. */
export interface BouncedRecipient {
  readonly recipient: string;
  /** 'failed', 'delayed', 'delivered', 'relayed', 'expanded'. */
  readonly action: string;
  /** Enhanced status code; undefined where none is given. */
  readonly status: string | undefined;
  readonly diagnostic: string | undefined;
}

/** A mail about mail that was not delivered. */
export interface Bounce {
  /** 'standard' by RFC 3464; 'text' read from what a non-standard mailer wrote. */
  readonly kind: 'standard' | 'text';
  readonly recipients: readonly BouncedRecipient[];
  /** Message-ID of the mail it is about, angle brackets kept. */
  readonly originalMessageId: string | undefined;
}

const MAX_TEXT = 200_000;
const bounceSubject =
  /undeliver|deliver(?:y|ing).{0,40}(?:fail|status|problem|error|delay|notification)|mail delivery|returned (?:mail|to sender)|failure notice|non ?remis|unzustellbar|rejected|warning: (?:message|could not)/i;
const bounceSender = /^(?:mailer-daemon|postmaster|mdaemon|mail-daemon|maildaemon)@/i;

/**
 * Reads a bounce: a delivery status notification, or the text of qmail, Exim, Postfix, Exchange and others that wrote none. Undefined when
 * the message is not one. Nothing of it is proven: anyone may send such a message.
 */
export function bounce(message: Message): Bounce | undefined {
  const status = deliveryStatus(message);
  const originalMessageId = originalId(message);
  if (status !== undefined) {
    const recipients = status.recipients.flatMap((entry): BouncedRecipient[] => {
      const recipient = entry.finalRecipient ?? entry.originalRecipient;
      return recipient === undefined
        ? []
        : [
            {
              recipient,
              action: entry.action ?? 'failed',
              status: entry.status ?? enhanced(entry.diagnostic),
              diagnostic: entry.diagnostic,
            },
          ];
    });
    if (recipients.length > 0) return { kind: 'standard', recipients, originalMessageId };
  }
  const sender = message.from[0]?.address ?? '';
  const nullSender = /^<\s*>$/.test(message.headers.get('return-path')?.trim() ?? '');
  const failed = message.headers.get('x-failed-recipients');
  if (failed === undefined && !bounceSubject.test(message.subject)) return undefined;
  if (failed === undefined && !nullSender && !bounceSender.test(sender)) return undefined;
  const text = (message.text ?? '').slice(0, MAX_TEXT);
  const recipients =
    failed === undefined
      ? textRecipients(text)
      : failed
          .split(',')
          .map((address) => address.trim())
          .filter((address) => address !== '')
          .slice(0, 1000)
          .map((recipient) => describe(recipient, text));
  return recipients.length === 0 && status === undefined ? undefined : { kind: 'text', recipients, originalMessageId };
}

/** Everything from here on is the returned mail. */
const copyMark =
  /^[ \t]*(?:-{2,}.{0,60}(?:copy of|original message|returned message|forwarded message|message follows)|.{0,40}below this line is a copy|(?:original|returned) message (?:follows|headers?))/im;

function textRecipients(text: string): BouncedRecipient[] {
  const mark = copyMark.exec(text);
  const own = mark === null ? text : text.slice(0, mark.index);
  const found = new Map<string, BouncedRecipient>();
  // An address that opens a line, in angle brackets or bare, with or without a colon: qmail, Exim, Postfix, Exchange.
  for (const match of own.matchAll(/^[ \t]*<?([\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,253}\w)>?(?::|[ \t]|$)/gm)) {
    const recipient = match[1] as string;
    if (!found.has(recipient.toLowerCase()) && found.size < 1000)
      found.set(recipient.toLowerCase(), describe(recipient, own, match.index));
  }
  return [...found.values()];
}

function describe(recipient: string, text: string, from = text.indexOf(recipient)): BouncedRecipient {
  const passage = from < 0 ? text.slice(0, 2000) : text.slice(from, from + 1000);
  const reply = /\b([245]\d\d)[ -](?:[245]\.\d{1,3}\.\d{1,3}[ -])?[^\n]{0,300}/.exec(passage);
  const lines = passage.split('\n').slice(1);
  const diagnostic = reply?.[0].trim() ?? lines.find((line) => line.trim() !== '')?.trim();
  const delayed = /will (?:continue to be|be re)tr|delayed|not yet been delivered|no action is required/i.test(text);
  return {
    recipient,
    action: delayed ? 'delayed' : 'failed',
    status: enhanced(passage) ?? (reply === null ? undefined : `${(reply[1] as string)[0]}.0.0`),
    diagnostic,
  };
}

function enhanced(text: string | undefined): string | undefined {
  return text === undefined ? undefined : /(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])/.exec(text)?.[0];
}

const messageIdField = encodeText('\nMessage-I');

/** Of the returned message, its header, or the copy in the text. */
function originalId(message: Message): string | undefined {
  const returned = message.messages[0]?.messageId;
  if (returned !== undefined) return returned;
  for (const part of message.root.walk()) {
    if (part.kind !== 'leaf' || part.path === '') continue;
    if (
      part.type === 'text/rfc822-headers' ||
      part.type === 'message/rfc822-headers' ||
      part.type === 'message/rfc822'
    ) {
      const id = idIn(part);
      if (id !== undefined) return id;
    }
  }
  return idIn(message.root);
}

function idIn(part: MimePart): string | undefined {
  const bytes = part.bytes();
  const at = indexOfBytes(bytes, messageIdField);
  const text = at < 0 ? decodeText(bytes.subarray(0, 4096)) : decodeText(bytes.subarray(at, at + 2000));
  const line = /(?:^|\n)Message-I[dD]:[ \t]*((?:[^\n]|\n[ \t])*)/.exec(text);
  return line === null ? undefined : parseMessageIds((line[1] as string).slice(0, 1000)).ids[0];
}
