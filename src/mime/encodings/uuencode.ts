import { CR, LF, allocateBytes, indexOfByte, latin1 } from '../../wire/bytes.ts';
import type { Complain } from './base64-decode.ts';

export interface NamedFile {
  readonly filename: string | undefined;
  readonly bytes: Uint8Array;
}

const beginLine = /^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,1000})/;

/**
 * Decodes the first `begin MODE NAME` … `end` block. Without a begin line all of it is data; without an end it stops where the lines stop
 * being data. @see POSIX uuencode
 */
export function decodeUuencode(bytes: Uint8Array, complain?: Complain): NamedFile {
  const out = allocateBytes(Math.ceil((bytes.length * 3) / 4) + 3);
  let length = 0;
  let filename: string | undefined;
  let started = !hasBegin(bytes);
  if (started) complain?.('uuencode-invalid');
  let ended = false;
  for (let at = 0; at < bytes.length;) {
    const lf = indexOfByte(bytes, LF, at);
    let end = lf < 0 ? bytes.length : lf;
    const next = lf < 0 ? bytes.length : lf + 1;
    while (end > at && bytes[end - 1] === CR) end--;
    if (!started) {
      const match = beginLine.exec(latin1(bytes, at, Math.min(end, at + 1100)));
      if (match !== null) {
        started = true;
        filename = match[1] as string;
      }
      at = next;
      continue;
    }
    if (end - at === 3 && latin1(bytes, at, end) === 'end') {
      ended = true;
      break;
    }
    const count = end > at ? ((bytes[at] as number) - 32) & 63 : 0;
    let left = count;
    for (let index = at + 1; left > 0 && index < end; index += 4) {
      const group =
        (sixBits(bytes[index]) << 18) |
        (sixBits(bytes[index + 1]) << 12) |
        (sixBits(bytes[index + 2]) << 6) |
        sixBits(bytes[index + 3]);
      out[length++] = group >> 16;
      if (left > 1) out[length++] = group >> 8;
      if (left > 2) out[length++] = group;
      left -= 3;
    }
    if (left > 0) complain?.('uuencode-invalid');
    at = next;
  }
  if (!ended) complain?.('uuencode-invalid');
  return { filename, bytes: out.subarray(0, length) };
}

function sixBits(byte: number | undefined): number {
  return byte === undefined || byte === CR || byte === LF ? 0 : (byte - 32) & 63;
}

function hasBegin(bytes: Uint8Array): boolean {
  return /(?:^|\n)begin(?:-base64)? [0-7]{3,4} /.test(latin1(bytes, 0, Math.min(bytes.length, 65_536)));
}
