import { UsageError } from '../errors.ts';
import { checkArgument } from '../wire/arguments.ts';

/** Header fields as a caller may give them. An array of values makes a field line of each. */
export type HttpFieldsInit =
  | HttpFields
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** token of RFC 9110 section 5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** field-value of RFC 9110 section 5.5: no controls but the tab; octets above 127 as characters of that number. */
const fieldValue = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/**
 * Header fields in the order of the wire; names compare without case. Values are what was between the optional spaces, each octet as the
 * character of that number.
 *
 * @see RFC 9110 section 5
 */
export class HttpFields implements Iterable<readonly [name: string, value: string]> {
  /** Name, lower-case name and value of each field line, one behind the other. */
  readonly #lines: string[] = [];

  constructor(init?: HttpFieldsInit) {
    if (init === undefined) return;
    if (init instanceof HttpFields) {
      this.#lines = [...init.#lines];
      return;
    }
    if (typeof init !== 'object' || init === null) throw new UsageError('headers must be an object or a list of pairs');
    if (Symbol.iterator in init) {
      for (const [name, value] of init) this.append(name, value);
      return;
    }
    for (const [name, value] of Object.entries(init)) {
      if (value === undefined) continue;
      if (typeof value === 'string' || typeof value === 'number') this.append(name, String(value));
      else if (Array.isArray(value)) for (const each of value as readonly string[]) this.append(name, each);
      else throw new UsageError(`header ${name} must be a string, a number or a list of strings`);
    }
  }

  /** Of field lines that were checked already: a decoder's way in. */
  addChecked(name: string, lowerName: string, value: string): void {
    this.#lines.push(name, lowerName, value);
  }

  /** Adds all field lines of another. */
  addAll(fields: HttpFields): this {
    this.#lines.push(...fields.#lines);
    return this;
  }

  /** Adds a field line. UsageError for what could not cross the wire as it is. */
  append(name: string, value: string): this {
    checkFieldName(name);
    this.#lines.push(name, name.toLowerCase(), checkFieldValue(name, value));
    return this;
  }

  /** One field line instead of all of that name. */
  set(name: string, value: string): this {
    checkFieldName(name);
    checkFieldValue(name, value);
    this.delete(name);
    return this.append(name, value);
  }

  /** Sets it unless it is there. */
  setDefault(name: string, value: string): this {
    return this.has(name) ? this : this.append(name, value);
  }

  delete(name: string): boolean {
    const wanted = name.toLowerCase();
    let found = false;
    for (let at = this.#lines.length - 3; at >= 0; at -= 3) {
      if (this.#lines[at + 1] !== wanted) continue;
      this.#lines.splice(at, 3);
      found = true;
    }
    return found;
  }

  has(name: string): boolean {
    const wanted = name.toLowerCase();
    for (let at = 1; at < this.#lines.length; at += 3) if (this.#lines[at] === wanted) return true;
    return false;
  }

  /** The value; several of one name are joined with commas (RFC 9110 section 5.3). Set-Cookie is for `all`. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase();
    let joined: string | undefined;
    for (let at = 1; at < this.#lines.length; at += 3) {
      if (this.#lines[at] !== wanted) continue;
      const value = this.#lines[at + 1] as string;
      joined = joined === undefined ? value : `${joined}, ${value}`;
    }
    return joined;
  }

  /** The values of each field line of that name. */
  all(name: string): string[] {
    const wanted = name.toLowerCase();
    const values: string[] = [];
    for (let at = 1; at < this.#lines.length; at += 3)
      if (this.#lines[at] === wanted) values.push(this.#lines[at + 1] as string);
    return values;
  }

  /** The members of a field that is a list of tokens, in lower case. */
  tokens(name: string): string[] {
    const value = this.get(name);
    return value === undefined
      ? []
      : value
          .split(',')
          .map((each) => each.trim().toLowerCase())
          .filter(Boolean);
  }

  /** Field lines. */
  get count(): number {
    return this.#lines.length / 3;
  }

  *[Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    for (let at = 0; at < this.#lines.length; at += 3) yield [this.#lines[at] as string, this.#lines[at + 2] as string];
  }

  /** As an object with lower-case names and without a prototype; several of one name are joined. */
  toJSON(): Record<string, string> {
    const fields = Object.create(null) as Record<string, string>;
    for (let at = 0; at < this.#lines.length; at += 3) {
      const name = this.#lines[at + 1] as string;
      const value = this.#lines[at + 2] as string;
      fields[name] = name in fields ? `${fields[name]}, ${value}` : value;
    }
    return fields;
  }

  /** The field lines as they go on the wire; `mask` decides which values only show as ***. */
  format(mask?: (lowerName: string) => boolean): string {
    let text = '';
    const lines = this.#lines;
    for (let at = 0; at < lines.length; at += 3)
      text += `${lines[at]}: ${mask?.(lines[at + 1] as string) === true ? '***' : lines[at + 2]}\r\n`;
    return text;
  }

  /** True when a field line's name passes. */
  some(test: (lowerName: string) => boolean): boolean {
    for (let at = 1; at < this.#lines.length; at += 3) if (test(this.#lines[at] as string)) return true;
    return false;
  }
}

/** Names seen before, with their lower-case form: few names make up all traffic. */
const knownNames = new Map<string, string>();

/** The lower-case form of a field name; undefined when it is not a token. */
export function lowerFieldName(name: string): string | undefined {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  if (!token.test(name)) return undefined;
  const lower = name.toLowerCase();
  if (name.length <= 64 && knownNames.size < 1000) knownNames.set(name, lower);
  return lower;
}

export const isToken = (text: string): boolean => token.test(text);

function checkFieldName(name: unknown): void {
  checkArgument('a header name', name);
  if (lowerFieldName(name as string) === undefined)
    throw new UsageError(`${JSON.stringify(name)} is not a header name: it must be a token`);
}

function checkFieldValue(name: string, value: unknown): string {
  const text = checkArgument(`header ${name}`, value);
  if (!fieldValue.test(text))
    throw new UsageError(`header ${name} has a character that a header cannot carry; encode it first`);
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}
