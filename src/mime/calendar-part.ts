import { UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { type FilePartOptions, type Part, textPart } from './part.ts';

/** An invitation, or another calendar object. @see RFC 5545, RFC 6047 */
export interface CalendarInput {
  /** The iCalendar text. */
  readonly content: string;
  /** 'REQUEST', 'REPLY', 'CANCEL', …: default, and otherwise the same as, the METHOD that the text names. */
  readonly method?: string | undefined;
  /** Its name as a file. Default 'invite.ics'. */
  readonly filename?: string | undefined;
  /** False leaves out the copy as an attachment, which clients without a calendar open. Default true. */
  readonly attach?: boolean | undefined;
}

/** The invitation as an alternative to the text, and as a file. UsageError where it is no calendar, or its method another. */
export function calendarParts(calendar: CalendarInput): { readonly part: Part; readonly file?: FilePartOptions } {
  checkOptions('calendar', calendar, ['content', 'method', 'filename', 'attach']);
  const { content, attach = true, filename = 'invite.ics' } = calendar;
  if (typeof content !== 'string' || !/^\ufeff?\s*BEGIN:VCALENDAR\s/i.test(content))
    throw new UsageError('calendar.content must be iCalendar text, which begins with BEGIN:VCALENDAR');
  const named = /^METHOD(?:;[^:\r\n]*)?:[ \t]*([A-Za-z-]{1,40})[ \t]*\r?$/im.exec(content)?.[1]?.toUpperCase();
  const method = calendar.method?.toUpperCase() ?? named;
  if (method !== named)
    throw new UsageError(
      `calendar.method is ${method ?? 'missing'} and the text says ${named === undefined ? 'no METHOD' : `METHOD:${named}`}: both must say the same (RFC 6047 section 2.4)`,
    );
  const parameters = method === undefined ? undefined : { method };
  const part = textPart(content, { subtype: 'calendar', parameters });
  return attach ? { part, file: { content, filename, type: 'application/ics' } } : { part };
}
