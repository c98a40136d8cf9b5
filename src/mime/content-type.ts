import { UsageError } from '../errors.ts';
import { encodeText } from '../wire/bytes.ts';
import { encodeWords } from './encoded-word.ts';

const token = /^[A-Za-z0-9!#$%&'*+\-.^_`{|}~]+$/;
const mediaType = /^[A-Za-z0-9!#$&^_.+-]{1,127}\/[A-Za-z0-9!#$&^_.+-]{1,127}$/;
/** attribute-char of RFC 2231 section 7. */
const attributeChar = /^[A-Za-z0-9!#$&+\-.^_`{|}~]$/;
/** Characters of one section of a continued parameter: the whole must fit a folded line. */
const SECTION = 60;

/** 'type/subtype' in lower case. UsageError otherwise. */
export function checkMediaType(value: unknown): string {
  if (typeof value !== 'string' || !mediaType.test(value))
    throw new UsageError(`${JSON.stringify(value)} is not a media type such as text/plain`);
  return value.toLowerCase();
}

/** A parameter name or a charset: a token of RFC 2045 section 5.1. UsageError otherwise. */
export function checkToken(what: string, value: unknown): string {
  if (typeof value !== 'string' || !token.test(value))
    throw new UsageError(`${what} must be a word of letters, digits and -_.; got ${JSON.stringify(value)}`);
  return value;
}

/** A value in quotes, with the quote and the backslash escaped. For printable ASCII. */
export function quote(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

const printable = /^[\u0020-\u007e]*$/;

/** Short printable ASCII that no reader takes for something encoded, or trims. */
const isPlain = (value: string): boolean =>
  printable.test(value) && value.length <= SECTION && !/=\?|''|^ | $/.test(value);

/**
 * `; name=value`, each piece ready to be folded at its leading space. Short printable ASCII is quoted; everything else takes the extended
 * form of RFC 2231 (charset, percent-encoding), in sections when it is long. CR, LF and NUL are dropped: no file name means them.
 */
export function formatParameter(name: string, value: string): string {
  const clean = value.replace(/[\r\n\0]/g, '').toWellFormed();
  if (isPlain(clean)) return `; ${name}=${token.test(clean) ? clean : quote(clean)}`;
  const sections: string[] = [];
  let section = '';
  for (const character of clean) {
    let encoded = character;
    if (!attributeChar.test(character)) {
      encoded = '';
      for (const byte of encodeText(character)) encoded += `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
    }
    if (section.length + encoded.length > SECTION) {
      sections.push(section);
      section = '';
    }
    section += encoded;
  }
  sections.push(section);
  if (sections.length === 1) return `; ${name}*=utf-8''${section}`;
  return sections.map((text, index) => `; ${name}*${index}*=${index === 0 ? "utf-8''" : ''}${text}`).join('');
}

/**
 * The `name` parameter of a Content-Type, for clients that know neither RFC 2231 nor Content-Disposition: encoded-words in quotes, which
 * the standard forbids and every such client reads. @see RFC 2047 section 5, and its breach by practice
 */
export function formatLegacyName(value: string): string {
  const clean = value.replace(/[\r\n\0]/g, '').toWellFormed();
  if (isPlain(clean)) return `; name=${token.test(clean) ? clean : quote(clean)}`;
  return `; name="${encodeWords(clean).join(' ')}"`;
}
