import { decodeText } from '../../wire/bytes.ts';
import { parseDecimal } from '../../wire/limits.ts';

/** A group in LIST ACTIVE and NEWGROUPS. @see RFC 3977 section 7.6.3 */
export interface ActiveGroup {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  /** 'y' posting allowed, 'n' not, 'm' moderated; 'x', 'j' and '=other.group' in RFC 6048 section 3.1. */
  readonly status: string;
}

/** A group in LIST COUNTS. @see RFC 6048 section 2.2 */
export interface CountedGroup extends ActiveGroup {
  readonly count: number;
}

/** A line of LIST ACTIVE.TIMES. @see RFC 3977 section 7.6.4 */
export interface GroupCreation {
  readonly name: string;
  readonly createdAt: Date;
  readonly createdBy: string;
}

/** A line of LIST DISTRIB.PATS: which Distribution a group's articles should have. @see RFC 3977 section 7.6.5 */
export interface DistributionPattern {
  readonly weight: number;
  readonly wildmat: string;
  readonly distribution: string;
}

/** A line of two fields. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** The lines of a multi-line response, as text: UTF-8 where valid, else Latin-1. */
export function textLines(bytes: Uint8Array): string[] {
  const lines = decodeText(bytes).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

const each = <T>(bytes: Uint8Array, read: (line: string) => T | undefined): T[] => {
  const found: T[] = [];
  // A line that says nothing that can be understood is left out: one broken group must not hide the others.
  for (const line of textLines(bytes)) {
    const value = read(line);
    if (value !== undefined) found.push(value);
  }
  return found;
};

/** `misc.test 3002322 3000234 y` */
export const parseActive = (bytes: Uint8Array): ActiveGroup[] =>
  each(bytes, (line) => {
    const [name = '', highText = '', lowText = '', status = ''] = line.split(/[ \t]+/);
    const [high, low] = [parseDecimal(highText), parseDecimal(lowText)];
    return name === '' || high === undefined || low === undefined ? undefined : { name, high, low, status };
  });

export const formatActive = ({ name, high, low, status }: ActiveGroup): string => `${name} ${high} ${low} ${status}`;

/** `misc.test 3002322 3000234 1234 y` */
export const parseCounts = (bytes: Uint8Array): CountedGroup[] =>
  each(bytes, (line) => {
    const [name = '', highText = '', lowText = '', countText = '', status = ''] = line.split(/[ \t]+/);
    const [high, low, count] = [parseDecimal(highText), parseDecimal(lowText), parseDecimal(countText)];
    if (name === '' || high === undefined || low === undefined || count === undefined) return undefined;
    return { name, high, low, count, status };
  });

export const formatCounts = ({ name, high, low, count, status }: CountedGroup): string =>
  `${name} ${high} ${low} ${count} ${status}`;

/** `misc.test 930445408 <creatme@isc.org>` */
export const parseActiveTimes = (bytes: Uint8Array): GroupCreation[] =>
  each(bytes, (line) => {
    const match = /^([^ \t]+)[ \t]+([0-9]+)(?:[ \t]+(.*))?$/.exec(line);
    const seconds = parseDecimal(match?.[2] ?? '');
    if (match === null || seconds === undefined || seconds > 8.64e12) return undefined;
    return { name: match[1] as string, createdAt: new Date(seconds * 1000), createdBy: (match[3] ?? '').trim() };
  });

export const formatActiveTimes = ({ name, createdAt, createdBy }: GroupCreation): string =>
  `${name} ${Math.floor(createdAt.getTime() / 1000)} ${createdBy}`;

/** `misc.test General Usenet testing`: LIST NEWSGROUPS, DISTRIBUTIONS. */
export const parseNamed = (bytes: Uint8Array): NamedText[] =>
  each(bytes, (line) => {
    const match = /^([^ \t]+)(?:[ \t]+(.*))?$/.exec(line);
    return match === null ? undefined : { name: match[1] as string, text: (match[2] ?? '').trim() };
  });

/** `10:local.*:local` */
export const parseDistribPats = (bytes: Uint8Array): DistributionPattern[] =>
  each(bytes, (line) => {
    const match = /^([0-9]+):([^:]*):(.*)$/.exec(line);
    const weight = parseDecimal(match?.[1] ?? '');
    if (match === null || weight === undefined) return undefined;
    return { weight, wildmat: match[2] as string, distribution: match[3] as string };
  });

/** `foo.bar:announce@example.com`: LIST MODERATORS. @see RFC 6048 section 2.4 */
export const parseModerators = (bytes: Uint8Array): NamedText[] =>
  each(bytes, (line) => {
    const colon = line.indexOf(':');
    return colon < 1 ? undefined : { name: line.slice(0, colon), text: line.slice(colon + 1) };
  });

/** Article numbers, one a line: LISTGROUP. */
export const parseNumbers = (bytes: Uint8Array): number[] => each(bytes, (line) => parseDecimal(line.trim()));

/** `3000234 I am just a test article`: HDR, XHDR, XPAT. @see RFC 3977 section 8.5 */
export const parseHdr = (
  bytes: Uint8Array,
): { readonly number: number; readonly messageId?: string; readonly value: string }[] =>
  each(bytes, (line) => {
    const match = /^([^ \t]+)(?:[ \t](.*))?$/.exec(line);
    if (match === null) return undefined;
    const [, first = '', value = ''] = match;
    const number = parseDecimal(first);
    if (number !== undefined) return { number, value };
    // QUIRK(XHDR by message-id): old servers repeat the id instead of a number.
    return first.startsWith('<') ? { number: 0, messageId: first, value } : undefined;
  });
