import { type Hash, createHash } from 'node:crypto';
import { LimitError } from '../../errors.ts';
import { type HeaderFields, parseSync } from '../../mime/index.ts';
import { ByteQueue } from '../../wire/byte-queue.ts';
import { encodeText, latin1 } from '../../wire/bytes.ts';
import { DottedEncoder } from '../../wire/dotted.ts';

/** How much rewriting on the way a signature survives: none, or that of white space. @see RFC 6376 section 3.4 */
export type DkimCanonicalization = 'simple' | 'relaxed';

const CRLF = encodeText('\r\n');
const BLANK_LINE = encodeText('\r\n\r\n');
const MANY_CRLF = encodeText('\r\n'.repeat(4096));
const [TAB, LF, CR, SPACE] = [9, 10, 13, 32];

/** The hash of a body in its canonical form, taken as it comes. Lines end with CRLF. @see RFC 6376 section 3.4.3, 3.4.4 */
export class BodyHash {
  readonly #relaxed: boolean;
  readonly #hash: Hash = createHash('sha256');
  /** Canonical bytes that may still be hashed: the l= tag. */
  #left: number;
  #lineEnds = 0;
  #space = false;
  #any = false;
  /** Canonical bytes hashed. */
  length = 0;

  constructor(canonicalization: DkimCanonicalization, maxBytes = Number.POSITIVE_INFINITY) {
    this.#relaxed = canonicalization === 'relaxed';
    this.#left = maxBytes;
  }

  push(chunk: Uint8Array): void {
    // Line ends and spaces are held back: at the end of a line, or of the body, they do not count. What is between goes as it is.
    for (let at = 0; at < chunk.length;) {
      const byte = chunk[at] as number;
      if (byte === LF) {
        this.#lineEnds++;
        this.#space = false;
        at++;
      } else if (byte === CR) at++;
      else if (this.#relaxed && (byte === SPACE || byte === TAB)) {
        this.#space = true;
        at++;
      } else {
        this.#flush();
        const from = at;
        while (at < chunk.length && !this.#heldBack(chunk[at] as number)) at++;
        this.#update(from === 0 && at === chunk.length ? chunk : chunk.subarray(from, at));
        this.#any = true;
      }
    }
  }

  /** Base64 of the hash. */
  digest(): string {
    if (this.#any || !this.#relaxed) this.#update(CRLF);
    return this.#hash.digest('base64');
  }

  #heldBack(byte: number): boolean {
    return byte === LF || byte === CR || (this.#relaxed && (byte === SPACE || byte === TAB));
  }

  #flush(): void {
    for (; this.#lineEnds > 0; this.#lineEnds -= Math.min(this.#lineEnds, 4096))
      this.#update(this.#lineEnds === 1 ? CRLF : MANY_CRLF.subarray(0, 2 * Math.min(this.#lineEnds, 4096)));
    if (this.#space) this.#update(ONE_SPACE);
    this.#space = false;
  }

  #update(bytes: Uint8Array): void {
    const taken = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left);
    this.#left -= taken.length;
    this.length += taken.length;
    this.#hash.update(taken);
  }
}

const ONE_SPACE = encodeText(' ');

/** A header field, line end included, in its canonical form. `raw` is a byte a character. @see RFC 6376 section 3.4.1, 3.4.2 */
export function canonicalField(raw: string, canonicalization: DkimCanonicalization): string {
  if (canonicalization === 'simple') return raw;
  const colon = raw.indexOf(':');
  const value = raw
    .slice(colon + 1)
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    // Not `trim`: to it the byte A0, as in the last of 'à', is white space too.
    .replace(/^ | $/g, '');
  return `${raw.slice(0, colon).trimEnd().toLowerCase()}:${value}\r\n`;
}

/** The signature's own field as it is signed: without the signature, and without the line end. @see RFC 6376 section 3.7 */
export function canonicalSignature(raw: string, canonicalization: DkimCanonicalization): string {
  const colon = raw.indexOf(':') + 1;
  const unsigned = raw.slice(0, colon) + raw.slice(colon).replace(/(^|;)([ \t\r\n]*b[ \t\r\n]*=)[^;]*/, '$1$2');
  return canonicalField(unsigned, canonicalization).replace(/\r\n$/, '');
}

/** The fields that a signature names, from the last of each name up; one that is not there stands for nothing. @see RFC 6376 section 5.4.2 */
export function signedFields(
  headers: HeaderFields,
  names: readonly string[],
  canonicalization: DkimCanonicalization,
): string {
  const left = new Map<string, string[]>();
  let text = '';
  for (const name of names) {
    const key = name.toLowerCase();
    let fields = left.get(key);
    if (fields === undefined) left.set(key, (fields = headers.fields(key).map((field) => latin1(field.bytes))));
    const raw = fields.pop();
    // The last field of a block may have come without its line end.
    if (raw !== undefined) text += canonicalField(raw.endsWith('\n') ? raw : `${raw}\r\n`, canonicalization);
  }
  return text;
}

const MAX_HEADER_BYTES = 1024 * 1024;

/** Reads a message, its line ends mended to CRLF: gives its header to `onHeader`, then its body, piece by piece, to what that returns. */
export async function readMessage(
  source: AsyncIterable<Uint8Array>,
  onHeader: (headers: HeaderFields) => readonly BodyHash[],
): Promise<void> {
  const mend = new DottedEncoder({ stuffDots: false });
  const queue = new ByteQueue();
  let hashes: readonly BodyHash[] | undefined;
  const take = (part: Uint8Array): void => {
    if (hashes !== undefined) {
      for (const hash of hashes) hash.push(part);
      return;
    }
    // A source may use its chunk again.
    queue.push(part.slice());
    // A message that begins with an empty line has no header.
    const end = queue.at(0) === CR && queue.at(1) === LF ? 2 : queue.indexOf(BLANK_LINE) + 4;
    if (end > 3 || end === 2) readHeader(end);
    else if (queue.length > MAX_HEADER_BYTES)
      throw new LimitError(`the header is longer than ${MAX_HEADER_BYTES} bytes`);
  };
  const readHeader = (end: number): void => {
    hashes = onHeader(parseSync(queue.take(end)).headers);
    if (queue.length > 0) take(queue.take(queue.length));
  };
  for await (const chunk of source) for (const part of mend.push(chunk)) take(part);
  const rest = mend.endLine();
  if (rest.length > 0) take(rest);
  if (hashes === undefined) readHeader(queue.length);
}
