import { type Address, parseAddresses } from './address.ts';
import { decodeHeader } from './decode-header.ts';

// What nearly all address fields are: names without specials, one address each.
const simple =
  /^(?:([A-Za-z0-9][A-Za-z0-9 .'_-]{0,100}?|"[^"\\@,<>()]{1,100}") )?<([A-Za-z0-9._+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,200}[A-Za-z0-9])?)>$/;
const bare = /^[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/;

/**
 * The addresses of a field's value. The structure is read before any encoded-word is decoded, so no decoded text becomes an address.
 * Encoded-words in quotes are decoded too: RFC 2047 section 5 forbids them, and every mailer reads them.
 */
export function readAddresses(value: string): Address[] {
  if (value.length < 300) {
    if (bare.test(value)) return [{ name: '', address: value }];
    const match = simple.exec(value);
    if (match !== null && !(match[2] as string).includes('..')) {
      const name = match[1] ?? '';
      const text = name.startsWith('"') ? name.slice(1, -1) : name;
      if (!/ {2}|^ | $|=\?/.test(text)) return [{ name: text, address: match[2] as string }];
    }
  }
  const list = parseAddresses(value);
  return value.includes('=?') ? list.map(decodeName) : list;
}

function decodeName(entry: Address): Address {
  const name = decodeHeader(entry.name);
  return entry.group === undefined
    ? { name, address: entry.address }
    : { name, address: '', group: entry.group.map(decodeName) };
}
