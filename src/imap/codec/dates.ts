import { UsageError } from '../../errors.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (number: number): string => String(number).padStart(2, '0');

/** `"17-Jul-1996 02:44:25 -0700"` as the moment it names; null where it is none. @see RFC 9051 section 9, date-time */
export function parseDateTime(text: string): Date | null {
  const match = /^ ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2})(?: ([+-])(\d{2})(\d{2}))?$/.exec(
    text.trimEnd(),
  );
  if (match === null) return null;
  const month = months.findIndex((name) => name.toLowerCase() === (match[2] as string).toLowerCase());
  if (month < 0) return null;
  const offset = (match[7] === '-' ? -1 : 1) * (Number(match[8] ?? 0) * 60 + Number(match[9] ?? 0));
  const date = new Date(0);
  date.setUTCFullYear(Number(match[3]), month, Number(match[1]));
  date.setUTCHours(Number(match[4]), Number(match[5]) - offset, Number(match[6]));
  return Number.isNaN(date.getTime()) ? null : date;
}

/** The moment as APPEND takes it, in UTC. UsageError for an invalid date. */
export function formatDateTime(date: Date): string {
  checkDate(date);
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${two(date.getUTCDate())}-${months[date.getUTCMonth()] as string}-${year(date)} ${time} +0000`;
}

/** The day, in UTC, as SEARCH takes it: `1-Feb-1994`. Text of the form `1994-02-01` names the day itself. */
export function formatSearchDate(date: Date | string): string {
  const day = typeof date === 'string' ? parseDay(date) : date;
  checkDate(day);
  return `${day.getUTCDate()}-${months[day.getUTCMonth()] as string}-${year(day)}`;
}

/** The day that SEARCH names; null where it is none. */
export function parseSearchDate(text: string): Date | null {
  return parseDateTime(`${text} 00:00:00 +0000`);
}

function parseDay(text: string): Date {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text))
    throw new UsageError(`a day must be a Date or text like 2026-02-01; got ${JSON.stringify(text)}`);
  return new Date(`${text}T00:00:00Z`);
}

const year = (date: Date): string => String(date.getUTCFullYear()).padStart(4, '0');

function checkDate(date: Date): void {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw new UsageError('the date is not a valid Date');
  if (date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) throw new UsageError('the year must be 1 to 9999');
}
