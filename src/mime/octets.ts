import { allocateBytes } from '../wire/bytes.ts';

interface NativeLatin1 {
  readonly prototype: { latin1Write(this: Uint8Array, text: string, offset: number): number };
}
const native = (globalThis as { Buffer?: NativeLatin1 }).Buffer;

/** The bytes of text that has one character a byte: what `latin1` makes text of. */
export function octetsOf(text: string): Uint8Array {
  const bytes = allocateBytes(text.length);
  if (native) native.prototype.latin1Write.call(bytes, text, 0);
  else for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
