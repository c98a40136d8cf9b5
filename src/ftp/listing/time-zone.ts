import { UsageError } from '../../errors.ts';

/**
 * From a server's local time to UTC: 'UTC', '+02:00', or a name such as 'Europe/Berlin', whose summer time is followed. Of an hour that
 * comes twice the earlier one is meant.
 */
export function zoneToUtc(zone: string): (localMs: number) => number {
  if (/^(?:utc|gmt|z)$/i.test(zone)) return (localMs) => localMs;
  const fixed = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (fixed !== null) {
    const offset = (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000 * (fixed[1] === '-' ? -1 : 1);
    return (localMs) => localMs - offset;
  }
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw new UsageError(
      `timeZone must be 'UTC', an offset such as '+02:00', or a name such as 'Europe/Berlin'; got ${JSON.stringify(zone)}`,
    );
  }
  const offsetAt = (utc: number): number => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(utc)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(utc / 1000) * 1000;
  };
  return (localMs) => {
    // Twice: the first guess may lie on the other side of a change.
    const guess = localMs - offsetAt(localMs);
    return localMs - offsetAt(guess);
  };
}
