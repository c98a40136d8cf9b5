import { decodeText, encodeText, isAscii } from '../wire/bytes.ts';
import { filePart, type Part } from './part.ts';

const MAX_LINE = 998;

export interface MessagePartOptions {
  /** Shown to the reader, '.eml' by habit. */
  readonly filename?: string | undefined;
}

/**
 * A whole message inside another, as it is. It may not be encoded (RFC 2046 section 5.2.1), so one that is not clean text, with lines of at
 * most 998 characters, goes as a file of octets.
 */
export function messagePart(bytes: Uint8Array, options: MessagePartOptions = {}): Part {
  const text = decodeText(bytes);
  const utf8 = !isAscii(bytes);
  const clean =
    !text.includes('\0') &&
    !/\r(?!\n)/.test(text) &&
    !new RegExp(`[^\\n]{${MAX_LINE + 1}}`).test(text) &&
    (!utf8 || sameBytes(encodeText(text), bytes));
  if (!clean) return filePart({ content: bytes, filename: options.filename ?? 'message.eml', type: 'message/rfc822' });
  const name = options.filename === undefined ? '' : filenameField(options.filename);
  return {
    header: `Content-Type: message/rfc822\r\n${name}Content-Transfer-Encoding: ${utf8 ? '8bit' : '7bit'}\r\n`,
    body: { kind: 'text', text, encoding: utf8 ? '8bit' : '7bit' },
  };
}

/** Content-Disposition as `filePart` writes it. */
function filenameField(filename: string): string {
  const { header } = filePart({ content: '', filename });
  return header.slice(header.indexOf('Content-Disposition:'));
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
