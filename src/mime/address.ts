import { UsageError } from '../errors.ts';
import { checkAddrSpec, splitAddrSpec } from '../wire/addr-spec.ts';
import { encodeWords, needsEncoding } from './encoded-word.ts';
import { quote } from './content-type.ts';

/** A mailbox, or a group of them. */
export interface Address {
  /** Display name, decoded; '' where there is none. A group's name. */
  readonly name: string;
  /** `local@domain`; '' for a group. */
  readonly address: string;
  /** The members of a group; absent on a mailbox. */
  readonly group?: readonly Address[];
}

/** What a caller may give for an address field: text as in a header, objects, or a list of either. */
export type AddressInput = string | AddressObject | readonly (string | AddressObject)[];

export interface AddressObject {
  readonly name?: string | undefined;
  readonly address?: string | undefined;
  readonly group?: readonly (string | AddressObject)[] | undefined;
}

export interface AddressParseOptions {
  /** Throw UsageError at the first flaw, instead of taking what can be taken. */
  readonly strict?: boolean;
}

/** The most common form, with nothing in it that needs a closer look. */
const simpleMailbox = /^([^\s"(),:;<>@[\]\\]+(?: [^\s"(),:;<>@[\]\\]+)*) <([^\s"(),:;<>[\]\\]+)>$/;

const plainName = String.raw`([A-Za-z0-9.'_-]+(?: [A-Za-z0-9.'_-]+)*)|"([^\s"\\]+(?: [^\s"\\]+)*)"`;
const plainSpec = String.raw`([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*)`;
/** The next mailbox of a list, with its comma, where it is of the common forms: no escapes, no comments, single spaces. */
const plainMailbox = new RegExp(
  String.raw`[ \t]*(?:(?:(?:${plainName}) )?<${plainSpec}>|${plainSpec})[ \t]*(?:,|$)`,
  'y',
);
const MAX_PLAIN = 254;

interface Words {
  /** Text outside comments, angle brackets and separators, quotes removed. */
  phrase: string;
  /** The same as written, for a bare address. */
  raw: string;
  comment: string;
  angle: string | undefined;
}

/**
 * Reads an address list: mailboxes with and without names, groups, comments, quoted strings, obsolete routes (RFC 5322 sections 3.4
 * and 4.4). One pass, linear in the length; comments and groups are not recursed into. The structure is read before anything is
 * decoded, so no decoded text can become an address.
 *
 * Lenient by default: what is not an address yields an entry with `address: ''`, or none. With `strict`, UsageError.
 */
export function parseAddresses(text: string, options: AddressParseOptions = {}): Address[] {
  const strict = options.strict === true;
  const simple = simpleMailbox.exec(text);
  if (simple !== null && splitAddrSpec(simple[2] as string) !== undefined)
    return [{ name: simple[1] as string, address: simple[2] as string }];
  const list: Address[] = [];
  let group: { name: string; members: Address[] } | undefined;
  let words: Words = { phrase: '', raw: '', comment: '', angle: undefined };
  const flaw = (why: string): void => {
    if (strict) throw new UsageError(`address list ${JSON.stringify(text.slice(0, 200))} is malformed: ${why}`);
  };
  const finish = (): void => {
    const address = finishMailbox(words, flaw);
    words = { phrase: '', raw: '', comment: '', angle: undefined };
    if (address !== undefined) (group?.members ?? list).push(address);
  };
  const endGroup = (): void => {
    if (group !== undefined) list.push({ name: group.name, address: '', group: group.members });
    group = undefined;
  };
  let at = 0;
  let fresh = true;
  while (at < text.length) {
    if (fresh) {
      const plain = readPlainMailbox(text, at);
      if (plain !== undefined) {
        (group?.members ?? list).push(plain);
        at = plainMailbox.lastIndex;
        continue;
      }
      fresh = false;
    }
    const character = text[at] as string;
    switch (character) {
      case '"': {
        const end = skipQuoted(text, at);
        if (end > text.length) flaw('a quote is not closed');
        const raw = text.slice(at, end);
        words.raw += raw;
        words.phrase += unquote(raw);
        at = Math.min(end, text.length);
        break;
      }
      case '(': {
        const end = skipComment(text, at);
        if (end > text.length) flaw('a comment is not closed');
        words.comment ||= text.slice(at + 1, Math.min(end, text.length + 1) - 1).trim();
        at = Math.min(end, text.length);
        break;
      }
      case '<': {
        if (words.angle !== undefined) flaw('two addresses without a comma');
        let end = at + 1;
        while (end < text.length && text[end] !== '>') end = text[end] === '"' ? skipQuoted(text, end) : end + 1;
        if (end >= text.length) flaw("'<' without '>'");
        words.angle ??= text.slice(at + 1, Math.min(end, text.length));
        at = end + 1;
        break;
      }
      case '[': {
        const close = text.indexOf(']', at);
        const end = close < 0 ? text.length : close + 1;
        words.raw += text.slice(at, end);
        words.phrase += text.slice(at, end);
        at = end;
        break;
      }
      case ',':
        finish();
        fresh = true;
        at++;
        break;
      case ';':
        finish();
        if (group === undefined) flaw("';' outside a group");
        endGroup();
        at++;
        break;
      case ':':
        if (group !== undefined || words.angle !== undefined) flaw("an unexpected ':'");
        else {
          group = { name: words.phrase.trim(), members: [] };
          words = { phrase: '', raw: '', comment: '', angle: undefined };
        }
        at++;
        break;
      default: {
        if (words.angle !== undefined && !/\s/.test(character)) flaw("text behind '>'");
        let end = at + 1;
        while (end < text.length && !isSpecial(text.charCodeAt(end))) end++;
        const run = text.slice(at, end);
        words.raw += run;
        words.phrase += run;
        at = end;
      }
    }
  }
  finish();
  if (group !== undefined) flaw('a group is not closed');
  endGroup();
  return list;
}

function readPlainMailbox(text: string, at: number): Address | undefined {
  plainMailbox.lastIndex = at;
  const match = plainMailbox.exec(text);
  if (match === null) return undefined;
  const address = (match[3] ?? match[4]) as string;
  return address.length > MAX_PLAIN ? undefined : { name: match[1] ?? match[2] ?? '', address };
}

function finishMailbox(words: Words, flaw: (why: string) => void): Address | undefined {
  const phrase = /\s\s|[\t\r\n]/.test(words.phrase) ? words.phrase.replace(/\s+/g, ' ').trim() : words.phrase.trim();
  if (words.angle !== undefined) {
    // An obsolete route, '@a,@b:user@c', is skipped: RFC 5322 section 4.4.
    const address = words.angle.replace(/^\s*@[^:]*:/, '').trim();
    const valid = splitAddrSpec(address) !== undefined;
    if (!valid) flaw(`${JSON.stringify(address)} is not an address`);
    return { name: phrase === '' ? words.comment : phrase, address: valid || plausible(address) ? address : '' };
  }
  const bare = words.raw.trim();
  if (bare === '') {
    if (words.comment !== '') flaw('a comment without an address');
    return undefined;
  }
  if (splitAddrSpec(bare) === undefined) {
    flaw(`${JSON.stringify(bare)} is not an address`);
    return plausible(bare) ? { name: words.comment, address: bare } : { name: phrase, address: '' };
  }
  return { name: words.comment, address: bare };
}

/** Good enough to show as an address: one @ outside quotes, no space, no separators. */
function plausible(address: string): boolean {
  const unquoted = address.replace(/^"(?:[^"\\]|\\.)*"/, 'q');
  return /^[^\s@<>,;"()]+@[^\s@<>,;"()]+$/.test(unquoted);
}

function isSpecial(code: number): boolean {
  return code === 34 || code === 40 || code === 60 || code === 91 || code === 44 || code === 59 || code === 58;
}

function skipQuoted(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length + 1;
}

function skipComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  return text.length + 1;
}

function unquote(raw: string): string {
  const inner = raw.slice(1, raw.endsWith('"') && raw.length > 1 ? -1 : undefined);
  return inner.includes('\\') ? inner.replace(/\\(.)/g, '$1') : inner;
}

const atomPhrase = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]*$/;

/** A display name for a header: as it is, quoted, or encoded-words. */
export function formatPhrase(name: string): string {
  if (needsEncoding(name)) return encodeWords(name).join(' ');
  return atomPhrase.test(name) && name.trim() === name && !name.includes('  ') ? name : quote(name);
}

/** One address as a header holds it: `"Doe, J." <j@example.com>`; the domain in A-labels. UsageError when it is malformed. */
export function formatAddress(address: AddressObject): string {
  const name = address.name ?? '';
  if (address.group !== undefined)
    return `${formatPhrase(name)}: ${address.group.map((member) => formatAddress(toObject(member))).join(', ')};`;
  return formatMailbox(name, checkAddrSpec('the address', address.address));
}

const formatMailbox = (name: string, spec: string): string => (name === '' ? spec : `${formatPhrase(name)} <${spec}>`);

/** As `formatAddress`, for an entry that `readAddressInput` has resolved. */
export function formatResolved(entry: Address): string {
  let text = formatted.get(entry);
  if (text === undefined) {
    text =
      entry.group === undefined
        ? formatMailbox(entry.name, entry.address)
        : `${formatPhrase(entry.name)}: ${entry.group.map(formatResolved).join(', ')};`;
    formatted.set(entry, text);
  }
  return text;
}

const formatted = new WeakMap<Address, string>();

function toObject(input: string | AddressObject): AddressObject {
  if (typeof input !== 'string') return input;
  const [first, ...rest] = parseAddresses(input, { strict: true });
  if (first === undefined || rest.length > 0) throw new UsageError(`${JSON.stringify(input)} is not one address`);
  return first;
}

const addressKeys = new Set(['name', 'address', 'group']);

/** An address field's value as a list, checked, with addresses in the form for the wire. UsageError that names the field. */
export function readAddressInput(field: string, input: AddressInput | undefined): Address[] {
  if (input === undefined) return [];
  const list: Address[] = [];
  for (const entry of Array.isArray(input)
    ? (input as readonly (string | AddressObject)[])
    : [input as string | AddressObject]) {
    if (typeof entry === 'string') list.push(...readAddressText(field, entry));
    else list.push(resolveEntry(field, readAddressObject(field, entry)));
  }
  return list;
}

/** The author of a mailing is the same in each message, and so are many recipients: what was read last is kept. */
const recent = new Map<string, readonly Address[]>();
const RECENT = 64;

function readAddressText(field: string, text: string): readonly Address[] {
  let list = recent.get(text);
  if (list !== undefined) return list;
  // A line break is refused before parsing: it must not vanish as white space.
  if (lineBreaker.test(text)) throw new UsageError(`${field} contains a line break or a NUL: ${JSON.stringify(text)}`);
  try {
    list = parseAddresses(text, { strict: true });
  } catch (error) {
    throw new UsageError(`${field}: ${(error as Error).message}`);
  }
  list = list.map((entry) => resolveEntry(field, entry));
  if (recent.size >= RECENT) recent.clear();
  if (text.length < 256) recent.set(text, list);
  return list;
}

function readAddressObject(field: string, entry: unknown): Address {
  if (typeof entry !== 'object' || entry === null)
    throw new UsageError(`${field} must be text, { name, address } or a list of them; got ${typeof entry}`);
  for (const key of Object.keys(entry))
    if (!addressKeys.has(key))
      throw new UsageError(`${field} has an unknown key ${key}; known are name, address, group`);
  const { name = '', address = '', group } = entry as AddressObject;
  if (typeof name !== 'string' || typeof address !== 'string')
    throw new UsageError(`${field}: name and address must be text`);
  if (group !== undefined) return { name, address: '', group: readAddressInput(field, group) };
  return { name, address };
}

/** The entry, checked, its address in the form for the wire. */
function resolveEntry(field: string, entry: Address): Address {
  if (lineBreaker.test(entry.name))
    throw new UsageError(`${field}: the name ${JSON.stringify(entry.name)} contains a line break or a NUL`);
  if (entry.group !== undefined)
    return { name: entry.name, address: '', group: entry.group.map((member) => resolveEntry(field, member)) };
  const address = checkAddrSpec(field, entry.address);
  return address === entry.address ? entry : { name: entry.name, address };
}

const lineBreaker = /[\r\n\0]/;

/** The mailboxes of a list, groups opened. */
export function flattenAddresses(list: readonly Address[]): Address[] {
  // Nearly always there is no group.
  return list.every((entry) => entry.group === undefined) ? [...list] : list.flatMap((entry) => entry.group ?? [entry]);
}
