import { UsageError } from '../errors.ts';

let lastSecond = Number.NaN;
let lastText = '';

/** A date as RFC 5322 section 3.3 writes it, in UTC: 'Tue, 17 Nov 2026 10:11:12 +0000'. UsageError when it is invalid. */
export function formatDate(date: Date): string {
  const second = Math.floor(date.getTime() / 1000);
  if (second === lastSecond) return lastText;
  const year = date.getUTCFullYear();
  if (Number.isNaN(second) || year < 1900 || year > 9999)
    throw new UsageError('date is not a valid date between the years 1900 and 9999');
  lastText = `${date.toUTCString().slice(0, -3)}+0000`;
  lastSecond = second;
  return lastText;
}
