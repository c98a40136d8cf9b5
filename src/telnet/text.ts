import { isAscii } from 'node:buffer';
import iconv from 'iconv-lite';
import { UsageError } from '../errors.ts';
import { encodeText } from '../wire/bytes.ts';

/**
 * Text of a session in its encoding, both ways. What comes is turned into well-formed UTF-8, characters that are split over chunks held
 * back: patterns can then be sought as bytes, and no cut is ever within a character. ASCII passes as it is, uncopied.
 */
export class TelnetText {
  readonly encoding: string;
  readonly #decoder: { write(bytes: Buffer): string; end(): string | undefined };
  /** Whether ASCII bytes always are ASCII characters in it: there is nothing to hold back behind one. */
  readonly #plain: boolean;
  #pending = false;

  /** UsageError for an encoding that is not known. */
  constructor(encoding = 'utf-8') {
    checkEncoding(encoding);
    this.encoding = encoding;
    this.#plain =
      /^(?:utf-?8|us-?ascii|ascii|latin-?1|iso-?8859-?[0-9]+|windows-?125[0-9]|cp(?:437|850|125[0-9]))$/i.test(
        encoding,
      );
    this.#decoder = iconv.getDecoder(encoding, { stripBOM: false });
  }

  /** The bytes of the wire as UTF-8. */
  decode(bytes: Uint8Array): Uint8Array {
    if (this.#plain && !this.#pending && isAscii(bytes)) return bytes;
    const text = this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#pending = bytes.length > 0 && (bytes[bytes.length - 1] as number) > 127;
    return encodeText(text);
  }

  /** What was held back, at the end. */
  end(): Uint8Array {
    return encodeText(this.#decoder.end() ?? '');
  }

  /** UsageError for text that the encoding cannot write. */
  encode(text: string): Uint8Array {
    const bytes = iconv.encode(text, this.encoding);
    if (iconv.decode(bytes, this.encoding, { stripBOM: false }) !== text)
      throw new UsageError(`the text has characters that cannot be written in ${this.encoding}`);
    return bytes;
  }
}

/** UsageError for an encoding that is not known. */
export function checkEncoding(encoding: unknown): void {
  if (typeof encoding !== 'string' || !iconv.encodingExists(encoding))
    throw new UsageError(
      `encoding ${JSON.stringify(encoding)} is not known; use 'utf-8', 'latin1', 'gbk', 'shift_jis', …`,
    );
}
