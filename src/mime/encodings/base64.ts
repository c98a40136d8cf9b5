import { CR, LF, allocateBytes } from '../../wire/bytes.ts';

/** Bytes of one encoded line: RFC 2045 section 6.8 allows 76 characters. */
const LINE = 76;
/** Input bytes of one full line. */
export const BASE64_LINE_INPUT = 57;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

interface NativeBase64 {
  readonly prototype: {
    base64Slice(this: Uint8Array, start: number, end: number): string;
    latin1Write(this: Uint8Array, text: string, offset: number): number;
  };
}
const native = (globalThis as { Buffer?: NativeBase64 }).Buffer;

/** Length in bytes of `encodeBase64Lines` for that many input bytes. */
export function base64LinesLength(inputBytes: number): number {
  const characters = Math.ceil(inputBytes / 3) * 4;
  return characters + Math.ceil(characters / LINE) * 2;
}

/** Base64 in lines of 76 characters, each ended by CRLF. Empty input gives no line. */
export function encodeBase64Lines(bytes: Uint8Array): Uint8Array {
  const out = allocateBytes(base64LinesLength(bytes.length));
  writeBase64Lines(bytes, out, 0);
  return out;
}

/** As `encodeBase64Lines`, into `target` at `offset`; returns the offset behind. */
export function writeBase64Lines(bytes: Uint8Array, target: Uint8Array, offset: number): number {
  const total = base64LinesLength(bytes.length);
  const end = offset + total;
  // The text is first written at the far end, unbroken; then each line moves to its place. One native encode, and moves that never
  // overtake what is still to be read.
  const characters = Math.ceil(bytes.length / 3) * 4;
  let source = end - characters;
  writeBase64(bytes, target, source);
  let at = offset;
  while (source < end) {
    const lineEnd = Math.min(source + LINE, end);
    target.copyWithin(at, source, lineEnd);
    at += lineEnd - source;
    source = lineEnd;
    target[at++] = CR;
    target[at++] = LF;
  }
  return at;
}

function writeBase64(bytes: Uint8Array, target: Uint8Array, offset: number): void {
  if (native) {
    native.prototype.latin1Write.call(target, native.prototype.base64Slice.call(bytes, 0, bytes.length), offset);
    return;
  }
  let at = offset;
  for (let index = 0; index < bytes.length; index += 3) {
    const left = bytes.length - index;
    const group = ((bytes[index] as number) << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0);
    target[at++] = alphabet.charCodeAt(group >> 18);
    target[at++] = alphabet.charCodeAt((group >> 12) & 63);
    target[at++] = left > 1 ? alphabet.charCodeAt((group >> 6) & 63) : 61;
    target[at++] = left > 2 ? alphabet.charCodeAt(group & 63) : 61;
  }
}

/** Base64 without line breaks. */
export function encodeBase64(bytes: Uint8Array): string {
  if (native) return native.prototype.base64Slice.call(bytes, 0, bytes.length);
  const target = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  writeBase64(bytes, target, 0);
  return String.fromCharCode(...target);
}

/**
 * Base64 lines of a stream. Chunks may be of any length; output chunks end at line ends and are never written to again. `sizeBytes` is
 * only a hint for the size of the pieces.
 */
export async function* encodeBase64Stream(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest: Uint8Array | undefined;
  for await (let chunk of source) {
    if (rest !== undefined) {
      const joined = allocateBytes(rest.length + chunk.length);
      joined.set(rest);
      joined.set(chunk, rest.length);
      chunk = joined;
      rest = undefined;
    }
    const whole = chunk.length - (chunk.length % BASE64_LINE_INPUT);
    if (whole > 0) yield encodeBase64Lines(chunk.subarray(0, whole));
    // A copy: the source may use its chunk again once we ask for the next.
    if (whole < chunk.length) rest = chunk.slice(whole);
  }
  if (rest !== undefined) yield encodeBase64Lines(rest);
}
