import { isAscii } from 'node:buffer';
import iconv from 'iconv-lite';
import { UsageError } from '../errors.ts';
import { decodeText, encodeText, latin1 } from '../wire/bytes.ts';

/** How a server writes names. */
export interface NameCharset {
  readonly name: string;
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
  /** Text that was read as UTF-8 or Latin-1 before, as what it is. */
  redecode(text: string): string;
}

/** UTF-8, with Latin-1 for what is not: no byte is lost. @see RFC 2640 section 3.1 */
const utf8: NameCharset = {
  name: 'utf-8',
  encode: encodeText,
  decode: (bytes) => (isAscii(bytes) ? latin1(bytes) : decodeText(bytes)),
  redecode: (text) => text,
};

/** UsageError for a charset that is not known, and, when encoding, for a name that it cannot write. */
export function nameCharset(label: string | undefined): NameCharset {
  if (label === undefined || /^utf-?8$/i.test(label)) return utf8;
  if (typeof label !== 'string' || !iconv.encodingExists(label))
    throw new UsageError(`charset ${JSON.stringify(label)} is not known; use 'utf-8', 'latin1', 'gbk', 'shift_jis', …`);
  const decode = (bytes: Uint8Array): string => iconv.decode(Buffer.from(bytes), label);
  return {
    name: label,
    decode,
    encode(text) {
      const bytes = iconv.encode(text, label);
      // A letter that is replaced would name another file.
      if (decode(bytes) !== text)
        throw new UsageError(`${JSON.stringify(text.trimEnd())} cannot be written in ${label}`);
      return bytes;
    },
    redecode: (text) => decode(originalBytes(text)),
  };
}

/** What `decodeText` was given. Where two answers are possible, the one that was not UTF-8. */
function originalBytes(text: string): Uint8Array {
  if (!/[\u0080-\uffff]/.test(text) || /[^\u0000-\u00ff]/.test(text)) return encodeText(text);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return decodeText(bytes) === latin1(bytes) ? bytes : encodeText(text);
}
