import { webcrypto } from 'node:crypto';
import type { ServerTlsOptions } from '../socket/tls.ts';

/** What the certificate of a fake server shall be like. */
export type CertificateKind = 'valid' | 'expired' | 'wrong-host' | 'self-signed';

/** A certificate with its key, PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * A certificate authority for tests, made once a process and kept in memory: no private key is shipped that somebody could come to
 * trust. Give its `ca` to clients as `tls: { ca }`.
 */
export class TestAuthority {
  readonly #x509: typeof import('@peculiar/x509');
  readonly #issuer: import('@peculiar/x509').X509Certificate;
  readonly #keys: CryptoKeyPair;
  /** The authority's certificate, PEM. */
  readonly ca: string;

  private constructor(
    x509: typeof import('@peculiar/x509'),
    issuer: import('@peculiar/x509').X509Certificate,
    keys: CryptoKeyPair,
  ) {
    this.#x509 = x509;
    this.#issuer = issuer;
    this.#keys = keys;
    this.ca = issuer.toString('pem');
  }

  static async create(): Promise<TestAuthority> {
    // Loaded only where TLS is asked for: plain fakes start in a few milliseconds.
    // @peculiar/x509 wants this polyfill to be there before it.
    await import('reflect-metadata');
    const x509 = await import('@peculiar/x509');
    x509.cryptoProvider.set(webcrypto as Crypto);
    const keys = await newKeys();
    const issuer = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: 'CN=postwire test authority',
      notBefore: days(-1),
      notAfter: days(3650),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new TestAuthority(x509, issuer, keys);
  }

  /** A certificate for this machine's loopback names, or with a flaw. */
  async issue(
    kind: CertificateKind = 'valid',
    names: readonly string[] = ['localhost', '127.0.0.1', '::1'],
  ): Promise<TestCertificate> {
    const x509 = this.#x509;
    const keys = await newKeys();
    const hosts = kind === 'wrong-host' ? ['wrong.example'] : names;
    const extensions = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((name) => ({
          type: /^[0-9.]+$|^[0-9a-f:]+$/i.test(name) ? ('ip' as const) : ('dns' as const),
          value: name,
        })),
      ),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
    ];
    const common = {
      serialNumber: serial(),
      notBefore: days(-30),
      notAfter: kind === 'expired' ? days(-1) : days(365),
      signingAlgorithm: ALGORITHM,
      extensions,
    };
    const certificate =
      kind === 'self-signed'
        ? await x509.X509CertificateGenerator.createSelfSigned({
            ...common,
            name: `CN=${hosts[0] ?? 'localhost'}`,
            keys,
          })
        : await x509.X509CertificateGenerator.create({
            ...common,
            subject: `CN=${hosts[0] ?? 'localhost'}`,
            issuer: this.#issuer.subject,
            publicKey: keys.publicKey,
            signingKey: this.#keys.privateKey,
          });
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
  }
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function newKeys(): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

const days = (count: number): Date => new Date(Date.now() + count * 86_400_000);
const serial = (): string => `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`;

let shared: Promise<TestAuthority> | undefined;
const issued = new Map<CertificateKind, Promise<TestCertificate>>();

/** The process's test authority. */
export function testAuthority(): Promise<TestAuthority> {
  shared ??= TestAuthority.create();
  return shared;
}

/** A certificate of the shared authority, one of each kind a process, with the authority's certificate. */
export async function testTls(kind: CertificateKind = 'valid'): Promise<{ ca: string; server: ServerTlsOptions }> {
  const authority = await testAuthority();
  let certificate = issued.get(kind);
  if (certificate === undefined) {
    certificate = authority.issue(kind);
    issued.set(kind, certificate);
  }
  return { ca: authority.ca, server: await certificate };
}
