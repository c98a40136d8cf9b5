/** Stands before a name that is no modified UTF-7: what follows is the name on the wire, a character a byte. */
const RAW = '\ufffd';
const PLAIN = /^[\u0020-\u0025\u0027-\u007e]*$/;

/** A mailbox name in modified UTF-7: printable ASCII as it is, `&` as `&-`, the rest in base64 of UTF-16. @see RFC 3501 section 5.1.3 */
export function encodeUtf7(name: string): string {
  if (PLAIN.test(name)) return name;
  if (name.startsWith(RAW) && /^[\u0000-\u00ff]*$/.test(name.slice(1))) return name.slice(1);
  return name.replace(/&|[^\u0020-\u007e]+/g, (run) => (run === '&' ? '&-' : `&${encodeRun(run)}-`));
}

function encodeRun(run: string): string {
  const bytes = new Uint8Array(run.length * 2);
  for (let at = 0; at < run.length; at++) {
    const code = run.charCodeAt(at);
    bytes[2 * at] = code >> 8;
    bytes[2 * at + 1] = code & 255;
  }
  return btoa(String.fromCharCode(...bytes))
    .replace(/=+$/, '')
    .replaceAll('/', ',');
}

/**
 * The text of a name in modified UTF-7, given a character a byte. A name that is not valid, or not the one way to write what it says, is
 * given as it is behind U+FFFD: so no two mailboxes share a name, and each can be selected by the name that it was listed under.
 */
export function decodeUtf7(wire: string): string {
  if (PLAIN.test(wire)) return wire;
  const decoded = wire.replace(/&([^-]*)-/g, (_, run: string) => (run === '' ? '&' : (decodeRun(run) ?? RAW)));
  return decoded.isWellFormed() && !decoded.includes(RAW) && encodeUtf7(decoded) === wire ? decoded : RAW + wire;
}

function decodeRun(run: string): string | undefined {
  if (!/^[A-Za-z0-9+,]+$/.test(run)) return undefined;
  let bytes: string;
  try {
    bytes = atob(run.replaceAll(',', '/'));
  } catch {
    return undefined;
  }
  let text = '';
  for (let at = 0; at + 1 < bytes.length; at += 2)
    text += String.fromCharCode((bytes.charCodeAt(at) << 8) | bytes.charCodeAt(at + 1));
  return text;
}
