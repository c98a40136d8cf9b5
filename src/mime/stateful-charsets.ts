import { latin1 } from '../wire/bytes.ts';

/** UTF-7: `+` starts base64 of UTF-16, anything outside its alphabet ends it, `+-` is a plus. @see RFC 2152 */
export function decodeUtf7(bytes: Uint8Array): string {
  return latin1(bytes).replace(/\+([A-Za-z0-9+/]*)-?/g, (_, encoded: string) => {
    if (encoded === '') return '+';
    let units = '';
    let held = 0;
    let bits = 0;
    for (let at = 0; at < encoded.length; at++) {
      const code = encoded.charCodeAt(at);
      const value = code >= 97 ? code - 71 : code >= 65 ? code - 65 : code >= 48 ? code + 4 : code === 43 ? 62 : 63;
      held = ((held << 6) | value) & 0x3fffff;
      bits += 6;
      if (bits >= 16) {
        bits -= 16;
        units += String.fromCharCode((held >> bits) & 0xffff);
      }
    }
    return units.toWellFormed();
  });
}

/** ISO-2022-KR: shift out to KS X 1001, shift in to ASCII. @see RFC 1557 */
export function decodeIso2022Kr(bytes: Uint8Array): string {
  const shifted = new Uint8Array(bytes.length);
  let length = 0;
  let high = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === 14) high = 0x80;
    else if (byte === 15) high = 0;
    else if (byte === 27 && bytes[at + 1] === 36 && bytes[at + 2] === 41 && bytes[at + 3] === 67) at += 3;
    else {
      // A line end puts it back to ASCII.
      if (byte === 10) high = 0;
      shifted[length++] = byte > 32 ? byte | high : byte;
    }
  }
  return new TextDecoder('euc-kr').decode(shifted.subarray(0, length));
}

/** HZ: `~{` starts GB 2312, `~}` ends it, `~~` is a tilde. @see RFC 1843 */
export function decodeHz(bytes: Uint8Array): string {
  const shifted = new Uint8Array(bytes.length);
  let length = 0;
  let high = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    const next = bytes[at + 1];
    if (byte === 126 && high === 0 && (next === 123 || next === 126 || next === 10)) {
      if (next === 123) high = 0x80;
      else if (next === 126) shifted[length++] = 126;
      at++;
    } else if (byte === 126 && high !== 0 && next === 125) {
      high = 0;
      at++;
    } else {
      if (byte === 10) high = 0;
      shifted[length++] = byte > 32 ? byte | high : byte;
    }
  }
  return new TextDecoder('gbk').decode(shifted.subarray(0, length));
}
