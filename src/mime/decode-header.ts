import { EMPTY, allocateBytes, encodeText, latin1 } from '../wire/bytes.ts';
import { decodeCharset, isKnownCharset } from './charset.ts';
import { decodeBase64 } from './encodings/base64-decode.ts';

// Charset, language (RFC 2231 section 5), encoding, text. Spaces in Q text are against the standard and common.
const encodedWord = /=\?([\x21-\x29\x2b-\x3e\x40-\x7e]{1,60})(?:\*[A-Za-z0-9-]{0,20})?\?([bBqQ])\?([^?\r\n]*)\?=/y;

/**
 * Decodes the encoded-words of unstructured text; the white space between two of them goes, and bytes of adjacent words in one charset
 * are joined before decoding, because mailers split characters. What is not a valid word stays as it is. Linear. @see RFC 2047 section 6
 */
export function decodeHeader(text: string): string {
  if (!text.includes('=?')) return text;
  let out = '';
  let charset = '';
  let written = '';
  const pending = new PendingBytes();
  const flush = (): void => {
    if (pending.any) out += decodeCharset(pending.take(), charset).text;
  };
  let at = 0;
  while (at < text.length) {
    const start = text.indexOf('=?', at);
    if (start < 0) break;
    encodedWord.lastIndex = start;
    const match = encodedWord.exec(text);
    if (match === null || (match[1] !== written && !isKnownCharset(match[1] as string))) {
      const end = match === null ? start + 2 : encodedWord.lastIndex;
      flush();
      out += text.slice(at, end);
      at = end;
      continue;
    }
    const between = text.slice(at, start);
    // White space between two encoded-words belongs to neither.
    if (between !== '' && (!pending.any || between.trim() !== '')) {
      flush();
      out += between;
    }
    if (match[1] !== written) {
      written = match[1] as string;
      const label = written.toLowerCase();
      if (label !== charset) flush();
      charset = label;
    }
    const content = match[3] as string;
    if (match[2] === 'b' || match[2] === 'B') pending.add(decodeBase64(encodeText(content)));
    else decodeQ(content, charset, pending);
    at = encodedWord.lastIndex;
  }
  flush();
  return out + text.slice(at);
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** The Q encoding. @see RFC 2047 section 4.2 */
function decodeQ(text: string, label: string, pending: PendingBytes): void {
  const eightBit = /[^\u0000-\u007f]/.test(text);
  // Raw 8-bit characters are against the standard; they are meant in the word's own charset.
  const utf8 = eightBit && (label === 'utf-8' || label === 'utf8' || /[^\u0000-\u00ff]/.test(text));
  const octets = utf8 ? latin1(encodeText(text)) : text;
  const bytes = pending.reserve(octets.length);
  let length = pending.length;
  for (let at = 0; at < octets.length; at++) {
    const code = octets.charCodeAt(at);
    if (code === 61) {
      const high = hexDigit(octets.charCodeAt(at + 1));
      const low = hexDigit(octets.charCodeAt(at + 2));
      if (high >= 0 && low >= 0) {
        bytes[length++] = high * 16 + low;
        at += 2;
        continue;
      }
    }
    bytes[length++] = code === 95 ? 32 : code;
  }
  pending.wrote(length);
}

/** The bytes of adjacent words, in a buffer that grows geometrically. */
class PendingBytes {
  /** True when a word came, be it an empty one. */
  any = false;
  length = 0;
  #bytes: Uint8Array = EMPTY;

  /** The buffer, with room for so many bytes behind `length`. */
  reserve(byteCount: number): Uint8Array {
    const needed = this.length + byteCount;
    if (needed > this.#bytes.length) {
      const larger = allocateBytes(Math.max(64, 2 * needed));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    return this.#bytes;
  }

  wrote(length: number): void {
    this.length = length;
    this.any = true;
  }

  add(bytes: Uint8Array): void {
    this.reserve(bytes.length).set(bytes, this.length);
    this.wrote(this.length + bytes.length);
  }

  /** What came, valid until more is added. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.length);
    this.length = 0;
    this.any = false;
    return bytes;
  }
}
