import { X509Certificate, createHash } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';

/** A TLSA record that was validated by DNSSEC: what a server's certificate, or its authority, must be. @see RFC 6698 section 2.1 */
export interface TlsaRecord {
  /** 3: the certificate itself (DANE-EE). 2: an authority in the chain it sends (DANE-TA). 0 and 1 are of no use for SMTP. */
  readonly usage: number;
  /** 0: the whole certificate, 1: its public key. */
  readonly selector: number;
  /** 0: as it is, 1: SHA-256, 2: SHA-512. */
  readonly matchingType: number;
  readonly data: Uint8Array;
}

/** True for records that a check can go by. Others count as if they were not there. @see RFC 7672 section 3.1 */
export function isUsableTlsa({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  return (usage === 2 || usage === 3) && selector <= 1 && matchingType <= 2 && data.length > 0;
}

const MAX_CHAIN = 10;

/** Why no record admits the certificate that was presented; undefined when one does. @see RFC 7671 section 5, RFC 7672 section 3 */
export function daneProblem(
  records: readonly TlsaRecord[],
  presented: DetailedPeerCertificate,
  host: string,
): string | undefined {
  const chain: X509Certificate[] = [];
  for (
    let next: DetailedPeerCertificate | undefined = presented;
    next?.raw !== undefined && chain.length < MAX_CHAIN && !chain.some(({ raw }) => raw.equals(next?.raw as Buffer));
    next = next.issuerCertificate
  )
    chain.push(new X509Certificate(next.raw));
  const [leaf] = chain;
  if (leaf === undefined) return 'it sent no certificate';
  // The record binds the certificate to the name: neither the name in it nor its dates count (RFC 7671 section 5.1).
  if (records.some((record) => record.usage === 3 && matches(record, leaf))) return undefined;
  for (const record of records) {
    const anchor = record.usage === 2 ? chain.findIndex((certificate) => matches(record, certificate)) : -1;
    if (anchor < 0 || !isChain(chain.slice(0, anchor + 1))) continue;
    if (leaf.checkHost(host, { partialWildcards: false }) !== undefined) return undefined;
    return 'it is for another name';
  }
  return 'no TLSA record matches it';
}

function matches({ selector, matchingType, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: 'spki', format: 'der' });
  const hash = matchingType === 1 ? 'sha256' : matchingType === 2 ? 'sha512' : undefined;
  return (hash === undefined ? bytes : createHash(hash).update(bytes).digest()).equals(data);
}

/** Each is issued by the next, and all are valid now. */
function isChain(chain: readonly X509Certificate[]): boolean {
  const now = Date.now();
  return chain.every((certificate, index) => {
    if (Date.parse(certificate.validFrom) > now || Date.parse(certificate.validTo) < now) return false;
    const issuer = chain[index + 1];
    return issuer === undefined || (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
  });
}
