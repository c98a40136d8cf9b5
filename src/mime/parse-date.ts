const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** Minutes east of Greenwich. @see RFC 5322 section 4.3 */
const zones: Readonly<Record<string, number>> = {
  ut: 0,
  utc: 0,
  gmt: 0,
  z: 0,
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
};

const MAX_LENGTH = 500;

// [day-name ","] day month year hour ":" minute [":" second] zone, with the separators that mailers use in place of spaces.
const rfc5322 =
  /^(?:[a-z]{2,9}\.?\s?,?\s*)?(\d{1,2})[\s-]+([a-z]{3})[a-z]{0,6}\.?,?[\s-]+(\d{2,4}),?\s+(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:\.\d{1,9})?)?(?:\s*(am|pm)\b)?\s*(?:([+-])(\d{2}):?(\d{2})|([a-z]{1,5})\b)?/i;
// As asctime writes it: 'Sat Jan  2 15:04:05 2010'.
const asctime = /^[a-z]{3},?\s+([a-z]{3})\s+(\d{1,2})\s+(\d{1,2}):(\d{2}):(\d{2})\s+(?:([a-z]{1,5})\s+)?(\d{4})/i;
const iso =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?\s*(?:(z)|([+-])(\d{2}):?(\d{2}))?$/i;

/**
 * A date as mail has it: RFC 5322 section 3.3, the obsolete forms of section 4.3 (two-digit years, zone names, comments), and what asctime
 * and ISO 8601 write. Null when it is none, or names a day, time or zone that does not exist.
 */
export function parseDate(text: string): Date | null {
  if (text.length > MAX_LENGTH) return null;
  const clean = (text.includes('(') ? withoutComments(text) : text).replace(/\s+/g, ' ').trim();
  const match = rfc5322.exec(clean);
  if (match !== null) {
    const [, day, month, year, hour, minute, second = '0', half, sign, zoneHour, zoneMinute, zoneName] = match;
    const zone = sign === undefined ? nameZone(zoneName) : offset(sign, Number(zoneHour), Number(zoneMinute));
    return make(
      fullYear(year as string),
      months.indexOf((month as string).toLowerCase()),
      Number(day),
      half === undefined ? Number(hour) : halfDay(Number(hour), half),
      Number(minute),
      Number(second),
      zone,
    );
  }
  const unix = asctime.exec(clean);
  if (unix !== null) {
    const [, month, day, hour, minute, second, zoneName, year] = unix;
    const monthIndex = months.indexOf((month as string).toLowerCase());
    return make(
      Number(year),
      monthIndex,
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
      nameZone(zoneName),
    );
  }
  const standard = iso.exec(clean);
  if (standard !== null) {
    const [, year, month, day, hour, minute, second = '0', , sign, zoneHour, zoneMinute] = standard;
    const zone = sign === undefined ? 0 : offset(sign, Number(zoneHour), Number(zoneMinute));
    return make(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), zone);
  }
  return null;
}

function withoutComments(text: string): string {
  let out = '';
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '\\') at++;
    else if (character === '(') depth++;
    else if (character === ')') depth = Math.max(0, depth - 1);
    else if (depth === 0) out += character;
  }
  return out;
}

/** Two digits: 00 to 49 are of this century; three digits count from 1900. */
function fullYear(text: string): number {
  const year = Number(text);
  if (text.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return text.length === 3 ? 1900 + year : year;
}

function halfDay(hour: number, half: string): number {
  if (hour < 1 || hour > 12) return Number.NaN;
  return (hour % 12) + (half.toLowerCase() === 'pm' ? 12 : 0);
}

/** Unknown names, and the military letters that mailers got wrong, mean no known zone: UTC. */
function nameZone(name: string | undefined): number {
  return name === undefined ? 0 : (zones[name.toLowerCase()] ?? 0);
}

function offset(sign: string, hours: number, minutes: number): number {
  if (minutes > 59 || hours > 24) return Number.NaN;
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes);
}

function make(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  zone: number,
): Date | null {
  if (!(year >= 1900 && year <= 9999) || month < 0 || !(hour <= 23) || minute > 59 || second > 60) return null;
  // A leap second is shown as the last second of its minute.
  const local = Date.UTC(year, month, day, hour, minute, Math.min(second, 59));
  if (new Date(local).getUTCDate() !== day || new Date(local).getUTCMonth() !== month) return null;
  const time = local - zone * 60_000;
  return Number.isNaN(time) ? null : new Date(time);
}
