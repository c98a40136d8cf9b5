import type { HeaderFields } from './header-fields.ts';

/** The tags of one DKIM-Signature field; the signature is not checked here. @see RFC 6376 section 3.5 */
export interface DkimSignature {
  /** 'rsa-sha256', 'ed25519-sha256'. */
  readonly algorithm: string | undefined;
  readonly domain: string | undefined;
  readonly selector: string | undefined;
  /** Names of the signed fields in lower case, in order. */
  readonly signedFields: readonly string[];
  readonly canonicalization: { readonly header: string; readonly body: string };
  readonly signedAt: Date | null;
  readonly expiresAt: Date | null;
  /** Every tag; white space removed from b, bh and h. */
  readonly tags: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 65_536;

/** Every DKIM-Signature field, in order. */
export function dkimSignatures(headers: HeaderFields): DkimSignature[] {
  return headers.fields('dkim-signature').map((field) => parseDkimSignature(field.value));
}

/** Splits a DKIM-Signature value into its tags. The first of a repeated tag wins. @see RFC 6376 section 3.2 */
export function parseDkimSignature(value: string): DkimSignature {
  const tags = new Map<string, string>();
  for (const item of value.slice(0, MAX_LENGTH).split(';')) {
    const equals = item.indexOf('=');
    if (equals < 0) continue;
    const name = item.slice(0, equals).trim();
    let text = item.slice(equals + 1).trim();
    if (name === 'b' || name === 'bh' || name === 'h') text = text.replace(/\s+/g, '');
    if (name !== '' && !tags.has(name)) tags.set(name, text);
  }
  const [header = 'simple', body = 'simple'] = (tags.get('c') ?? 'simple/simple').toLowerCase().split('/');
  return {
    algorithm: tags.get('a')?.toLowerCase(),
    domain: tags.get('d')?.toLowerCase(),
    selector: tags.get('s'),
    signedFields: (tags.get('h') ?? '')
      .toLowerCase()
      .split(':')
      .filter((name) => name !== ''),
    canonicalization: { header, body },
    signedAt: seconds(tags.get('t')),
    expiresAt: seconds(tags.get('x')),
    tags,
  };
}

function seconds(text: string | undefined): Date | null {
  return text !== undefined && /^\d{1,12}$/.test(text) ? new Date(Number(text) * 1000) : null;
}
