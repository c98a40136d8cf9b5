import { CR, LF, allocateBytes, indexOfByte, latin1 } from '../../wire/bytes.ts';
import type { Complain } from './base64-decode.ts';
import type { NamedFile } from './uuencode.ts';

/** Decodes the `=ybegin` … `=yend` block and checks the size and the CRC that it names. @see yEnc draft 1.3 */
export function decodeYenc(bytes: Uint8Array, complain?: Complain): NamedFile {
  const out = allocateBytes(bytes.length);
  let length = 0;
  let filename: string | undefined;
  let started = false;
  let ended = false;
  for (let at = 0; at < bytes.length;) {
    const lf = indexOfByte(bytes, LF, at);
    let end = lf < 0 ? bytes.length : lf;
    const next = lf < 0 ? bytes.length : lf + 1;
    while (end > at && bytes[end - 1] === CR) end--;
    if (bytes[at] === 61 && bytes[at + 1] === 121) {
      const line = latin1(bytes, at, Math.min(end, at + 1100));
      if (line.startsWith('=ybegin ')) {
        started = true;
        filename = /\bname=(.*)$/.exec(line)?.[1]?.trim();
      } else if (line.startsWith('=yend')) {
        ended = true;
        const size = /\bsize=(\d{1,15})\b/.exec(line);
        const crc = /\bp?crc32=([0-9a-f]{1,8})\b/i.exec(line);
        if (size !== null && Number(size[1]) !== length) complain?.('yenc-invalid');
        if (crc !== null && Number.parseInt(crc[1] as string, 16) !== crc32(out.subarray(0, length)))
          complain?.('yenc-invalid');
        break;
      }
    } else if (started) {
      for (let index = at; index < end; index++) {
        let byte = bytes[index] as number;
        if (byte === 61 && index + 1 < end) byte = (bytes[++index] as number) - 64;
        out[length++] = byte - 42;
      }
    }
    at = next;
  }
  if (!ended) complain?.('yenc-invalid');
  return { filename, bytes: out.subarray(0, length) };
}

const table = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  table[byte] = value;
}

/** CRC-32 of ISO 3309, as yEnc and ZIP use it. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (let at = 0; at < bytes.length; at++)
    value = (value >>> 8) ^ (table[(value ^ (bytes[at] as number)) & 255] as number);
  return (value ^ 0xffffffff) >>> 0;
}
