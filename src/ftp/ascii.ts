import { CR, LF, indexOfByte } from '../wire/bytes.ts';

/** Line ends from the network's CRLF to LF, over chunk borders. A CR that no LF follows stays. @see RFC 959 section 3.1.1.1 */
export async function* fromNetworkText(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let held = false;
  for await (const chunk of chunks) {
    const out = new Uint8Array(chunk.length + 1);
    let length = 0;
    let at = 0;
    if (held && chunk.length > 0) {
      if (chunk[0] !== LF) out[length++] = CR;
      held = false;
    }
    while (at < chunk.length) {
      const next = indexOfByte(chunk, CR, at);
      const end = next < 0 ? chunk.length : next;
      out.set(chunk.subarray(at, end), length);
      length += end - at;
      at = end;
      if (next < 0) break;
      if (next + 1 === chunk.length) held = true;
      else if (chunk[next + 1] !== LF) out[length++] = CR;
      at++;
    }
    if (length > 0) yield out.subarray(0, length);
  }
  if (held) yield Uint8Array.of(CR);
}

/** Line ends to CRLF, over chunk borders. What is CRLF already stays. */
export async function* toNetworkText(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let last = 0;
  for await (const chunk of chunks) {
    const out = new Uint8Array(2 * chunk.length);
    let length = 0;
    for (const byte of chunk) {
      if (byte === LF && last !== CR) out[length++] = CR;
      out[length++] = byte;
      last = byte;
    }
    if (length > 0) yield out.subarray(0, length);
  }
}
