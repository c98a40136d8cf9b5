import { encodeText } from '../wire/bytes.ts';
import { encodeBase64 } from './encodings/base64.ts';

/** Longest encoded-word, RFC 2047 section 2. */
const MAX_WORD = 75;
const B_PREFIX = '=?UTF-8?B?';
const Q_PREFIX = '=?UTF-8?Q?';
/** Input bytes that fit in one B word: 60 characters of base64. */
const B_BYTES = 45;
const Q_CHARACTERS = MAX_WORD - Q_PREFIX.length - 2;

const plainText = /^[\u0020-\u007e]*$/;
/** An ASCII word may stand as it is up to here: it cannot be folded, and a line ends at 998. */
const MAX_PLAIN_WORD = 900;
/** RFC 2047 section 5 (3): what may stand for itself in a phrase; safe in unstructured text too. */
const qSafe = /^[A-Za-z0-9!*+\-/]$/;
const qSafeCode = Uint8Array.from({ length: 128 }, (_, code) => (qSafe.test(String.fromCharCode(code)) ? 1 : 0));

/** True when the text cannot stand as it is in a header: not printable ASCII, looks like an encoded-word, or cannot be folded. */
export function needsEncoding(text: string): boolean {
  return (
    !plainText.test(text) ||
    text.includes('=?') ||
    text.startsWith(' ') ||
    text.endsWith(' ') ||
    (text.length > MAX_PLAIN_WORD && hasLongWord(text))
  );
}

function hasLongWord(text: string): boolean {
  for (const word of text.split(' ')) if (word.length > MAX_PLAIN_WORD) return true;
  // Spaces alone cannot be folded either: a line of white space is forbidden.
  return / {500}/.test(text);
}

/**
 * Text as a list of encoded-words, each whole in itself: no character is split, each is at most 75 characters. The shorter of the two
 * forms is taken for all. A lone surrogate becomes U+FFFD. @see RFC 2047 sections 2, 4 and 5
 */
export function encodeWords(text: string): string[] {
  const wellFormed = text.toWellFormed();
  let special = 0;
  let total = 0;
  for (let at = 0; at < wellFormed.length; at++) {
    const code = wellFormed.charCodeAt(at);
    // A surrogate pair is two units of two bytes each.
    const width = code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 2 : 3;
    total += width;
    if (code > 127 || (qSafeCode[code] !== 1 && code !== 32)) special += width;
  }
  const useQ = total + 2 * special <= Math.ceil(total / 3) * 4;
  return useQ ? qWords(wellFormed) : bWords(wellFormed, total);
}

function bWords(text: string, byteCount: number): string[] {
  if (byteCount <= B_BYTES) return [`${B_PREFIX}${encodeBase64(encodeText(text))}?=`];
  const words: string[] = [];
  let start = 0;
  let bytes = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.codePointAt(at) as number;
    const width = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes + width > B_BYTES) {
      words.push(`${B_PREFIX}${encodeBase64(encodeText(text.slice(start, at)))}?=`);
      start = at;
      bytes = 0;
    }
    bytes += width;
    at += code > 0xffff ? 2 : 1;
  }
  if (at > start) words.push(`${B_PREFIX}${encodeBase64(encodeText(text.slice(start)))}?=`);
  return words;
}

function qWords(text: string): string[] {
  const words: string[] = [];
  let current = '';
  for (const character of text) {
    let encoded = character === ' ' ? '_' : character;
    if (encoded !== '_' && !qSafe.test(encoded)) {
      encoded = '';
      for (const byte of encodeText(character)) encoded += `=${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
    } else if (character === '_') {
      encoded = '=5F';
    }
    if (current.length + encoded.length > Q_CHARACTERS) {
      words.push(`${Q_PREFIX}${current}?=`);
      current = '';
    }
    current += encoded;
  }
  if (current !== '') words.push(`${Q_PREFIX}${current}?=`);
  return words;
}

/**
 * Unstructured text for a header value, ready to be folded: printable ASCII as it is, else encoded-words with a space between. The
 * value holds no line break, whatever the text held.
 */
export function encodeHeader(text: string): string {
  return needsEncoding(text) ? encodeWords(text).join(' ') : text;
}
