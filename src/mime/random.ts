/** Random characters for boundaries and message ids, from the system's generator: not to be guessed, not to collide. */
const pool = new Uint8Array(4096);
let used = pool.length;

/** `byteCount` random bytes in hex. Twelve bytes are 96 bits. */
export function randomHex(byteCount: number): string {
  if (used + byteCount > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  let text = '';
  for (let at = used; at < used + byteCount; at++) text += hex[pool[at] as number];
  // Given out once only.
  pool.fill(0, used, used + byteCount);
  used += byteCount;
  return text;
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
