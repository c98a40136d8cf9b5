import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** How a login can be tied to its TLS connection. @see RFC 9266, RFC 5929 section 4 */
export type ChannelBindingType = 'tls-exporter' | 'tls-server-end-point';

/**
 * Bytes that both ends of this very TLS connection know, and nobody between them. Undefined where that type does not fit: tls-exporter
 * needs TLS 1.3, and tls-server-end-point a certificate signed with a hash that it names.
 */
export function channelBinding(socket: TLSSocket, type: string, role: 'client' | 'server'): Uint8Array | undefined {
  if (type === 'tls-exporter')
    return socket.getProtocol() === 'TLSv1.3'
      ? socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
      : undefined;
  if (type !== 'tls-server-end-point') return undefined;
  const certificate: { raw?: Buffer } | null =
    role === 'client' ? socket.getPeerCertificate() : socket.getCertificate();
  const raw = certificate?.raw;
  const hash = raw === undefined ? undefined : signatureHash(raw);
  return raw === undefined || hash === undefined ? undefined : createHash(hash).update(raw).digest();
}

/** By the object identifiers in hexadecimal; MD5 and SHA-1 count as SHA-256. @see RFC 5929 section 4.1 */
const hashes: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256',
  '2a864886f70d010105': 'sha256',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d0401': 'sha256',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
};

/** The hash of a certificate's signature: Certificate { tbs { [0] version, serial, algorithm { oid } } }, RFC 5280 section 4.1. */
function signatureHash(der: Uint8Array): string | undefined {
  const enter = (at: number): { start: number; end: number } => {
    const first = der[at + 1] ?? 0;
    const width = first < 128 ? 0 : first & 127;
    let length = width === 0 ? first : 0;
    for (let index = 0; index < width; index++) length = length * 256 + (der[at + 2 + index] ?? 0);
    const start = at + 2 + width;
    return { start, end: start + length };
  };
  let at = enter(enter(0).start).start;
  if (der[at] === 0xa0) at = enter(at).end;
  const oid = enter(enter(enter(at).end).start);
  return hashes[Buffer.from(der.subarray(oid.start, oid.end)).toString('hex')];
}
