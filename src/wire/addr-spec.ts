import { UsageError } from '../errors.ts';
import { checkArgument } from './arguments.ts';
import { utf8Length } from './bytes.ts';

/** The two halves of an address, in the form that goes on the wire. */
export interface AddrSpec {
  /** Both halves joined: the address for the wire. */
  readonly wire: string;
  readonly local: string;
  /** A-labels where the name was internationalised; an address literal keeps its brackets. */
  readonly domain: string;
}

// atext of RFC 5322 section 3.2.3, and any non-ASCII character (RFC 6531 section 3.3) but separators and controls.
const atom =
  "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~\\u00a1-\\u2027\\u202f-\\u205f\\u2070-\\ud7ff\\ue000-\\ufefe\\uff00-\\uffef]|[\\ud800-\\udbff][\\udc00-\\udfff]";
const dotAtom = new RegExp(`^(?:${atom})+(?:\\.(?:${atom})+)*$`);
const quotedString = /^"(?:[\u0020\u0021\u0023-\u005b\u005d-\u007e\u00a1-\ud7ff\ue000-\uffef]|\\[\u0020-\u007e])*"$/;
const asciiDomain = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;
const addressLiteral =
  /^\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|IPv6:[0-9A-Fa-f:.]{2,45}|(?!IPv6:)[A-Za-z0-9-]+:[A-Za-z0-9:._-]+)\]$/i;

const ascii = /^[\u0000-\u007f]*$/;

/** Splits an address by the Mailbox grammar of RFC 5321 section 4.1.2 with RFC 6531; undefined when it does not fit exactly. */
export function splitAddrSpec(address: string): AddrSpec | undefined {
  // An address is asked about several times while its message is built and sent.
  let spec = recent.get(address);
  if (spec === undefined && !recent.has(address)) {
    spec = split(address);
    if (recent.size >= RECENT) recent.clear();
    if (address.length < 256) recent.set(address, spec);
  }
  return spec;
}

const RECENT = 64;
const recent = new Map<string, AddrSpec | undefined>();

function split(address: string): AddrSpec | undefined {
  const at = address.lastIndexOf('@');
  if (at < 1) return undefined;
  const local = address.slice(0, at);
  const domain = toAsciiDomain(address.slice(at + 1));
  // RFC 5321 section 4.5.3.1.1 allows 64 octets; bounce addresses in use are longer, and servers take them.
  if (domain === undefined || utf8Length(local) > 256 || domain.length > 255) return undefined;
  if (!dotAtom.test(local) && !quotedString.test(local)) return undefined;
  return { wire: `${local}@${domain}`, local, domain };
}

/** The address as it goes on the wire: the domain as A-labels. UsageError, naming `what`, when it is malformed. */
export function checkAddrSpec(what: string, address: unknown): string {
  const text = checkArgument(what, address);
  const parts = splitAddrSpec(text);
  if (parts === undefined) throw new UsageError(`${what} is not a mail address: ${JSON.stringify(text)}`);
  return parts.wire;
}

/** True when the local part needs SMTPUTF8 (RFC 6531). A domain never does: it has A-labels. */
export function needsSmtpUtf8(address: string): boolean {
  return !ascii.test(address);
}

/**
 * A domain in ASCII: as it is, an address literal, or A-labels for an internationalised name (RFC 5890, by the URL standard's
 * processing). Undefined when it is none of these.
 */
export function toAsciiDomain(domain: string): string | undefined {
  if (ascii.test(domain)) return asciiDomain.test(domain) || addressLiteral.test(domain) ? domain : undefined;
  // The URL parser would read these as something other than a name.
  if (/[\s/\\?#@:%[\]<>^|"'`(),;]/.test(domain)) return undefined;
  try {
    const host = new URL(`http://${domain.normalize('NFC')}/`).hostname;
    return asciiDomain.test(host) ? host : undefined;
  } catch {
    return undefined;
  }
}
