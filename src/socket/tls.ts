import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureVersion,
  type TLSSocket,
  type TlsOptions as NodeServerOptions,
  checkServerIdentity,
  connect as connectTls,
  createServer as createTlsServer,
} from 'node:tls';
import { type CertificateSummary, TlsError, UsageError, messageOf } from '../errors.ts';
import { type TlsaRecord, daneProblem } from './dane.ts';
import { checkArgument, checkOptions } from '../wire/arguments.ts';
import { type TlsMode, formatHostPort } from './address.ts';
import { StreamTransport, type TlsSession, type Transport } from './transport.ts';

/** PEM text or DER bytes, one or several. */
export type Pem = string | Buffer | readonly (string | Buffer)[];

/** How a client checks the server, and shows itself. Verification is always on. */
export interface TlsOptions {
  /** Authorities to trust instead of the built-in ones. */
  readonly ca?: Pem | undefined;
  /**
   * Trust exactly this certificate, whatever its chain and name: 'sha256/' and its SHA-256 fingerprint in hex, or the SHA-256 of its
   * public key (SPKI) in base64. Several may be given.
   */
  readonly pin?: string | readonly string[] | undefined;
  /** Trust what these records of the server say, and nothing else. They must have been validated by DNSSEC. @see RFC 6698 */
  readonly dane?: readonly TlsaRecord[] | undefined;
  /** Client certificate and key, PEM. */
  readonly certificate?: Pem | undefined;
  readonly key?: string | Buffer | undefined;
  readonly passphrase?: string | undefined;
  /** Default TLSv1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /** The name to ask for and to check, when it is not the host. */
  readonly serverName?: string | undefined;
  readonly ciphers?: string | undefined;
  /** Application protocols to offer (ALPN). */
  readonly alpn?: readonly string[] | undefined;
}

const tlsOptionNames = [
  'ca',
  'pin',
  'dane',
  'certificate',
  'key',
  'passphrase',
  'minVersion',
  'serverName',
  'ciphers',
  'alpn',
];

/** A mode alone, or a mode with options. */
export type TlsSetting = TlsMode | ({ readonly mode?: TlsMode | undefined } & TlsOptions);

/** Splits the `tls` option into its mode and its options, checked. */
export function readTlsSetting(setting: TlsSetting | undefined): { mode: TlsMode | undefined; options: TlsOptions } {
  if (setting === undefined || typeof setting === 'string') return { mode: setting, options: {} };
  if (typeof setting !== 'object' || setting === null) {
    throw new UsageError(
      "tls must be 'auto', 'implicit', 'starttls', 'none', or an object with mode and options; a boolean does not say which",
    );
  }
  checkOptions('tls', setting, ['mode', ...tlsOptionNames]);
  const { mode, ...options } = setting;
  if (options.minVersion !== undefined && !['TLSv1.2', 'TLSv1.3'].includes(options.minVersion)) {
    throw new UsageError(`tls.minVersion must be 'TLSv1.2' or 'TLSv1.3'; got ${JSON.stringify(options.minVersion)}`);
  }
  pinsOf(options);
  return { mode, options };
}

/** What a server needs to speak TLS. */
export interface ServerTlsOptions {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  readonly ca?: Pem | undefined;
  /** Ask clients for a certificate, and refuse those whose certificate `ca` did not sign. */
  readonly requestCert?: boolean | undefined;
  readonly minVersion?: SecureVersion | undefined;
  readonly maxVersion?: SecureVersion | undefined;
  readonly alpn?: readonly string[] | undefined;
  /** 48 bytes: listeners with the same ones resume each other's sessions. */
  readonly ticketKeys?: Buffer | undefined;
}

/** Names the peer in errors. */
export interface TlsPeer {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Begins TLS as a client over a stream that nobody reads. Resolves when the handshake is done and the certificate accepted; rejects
 * with TlsError, the stream destroyed. The deadline is the caller's: aborting `signal` destroys the stream. A session of another verification is
 * not resumed: the handshake is a full one then.
 */
export function beginTls(
  stream: Duplex,
  peer: TlsPeer,
  options: TlsOptions,
  signal: AbortSignal,
  resume?: TlsSession,
): Promise<Transport> {
  const name = (options.serverName ?? peer.host).replace(/\.$/, '');
  const pins = pinsOf(options);
  const { dane } = options;
  return new Promise((resolve, reject) => {
    let certificate: PeerCertificate | undefined;
    let session: TlsSession | undefined;
    let socket: TLSSocket;
    try {
      socket = connectTls({
        socket: stream,
        host: name,
        // SNI is for names only: RFC 6066 section 3.
        ...(isIP(name) === 0 ? { servername: name } : {}),
        minVersion: options.minVersion ?? 'TLSv1.2',
        // A pinned certificate is checked below, against the pin or the records; all others by the chain and the name.
        rejectUnauthorized: pins.length === 0 && dane === undefined,
        checkServerIdentity: (_name, presented) => checkServerIdentity(name, withoutPartialWildcards(presented)),
        ...given({
          ca: options.ca as string | undefined,
          cert: options.certificate as string | undefined,
          key: options.key,
          passphrase: options.passphrase,
          ciphers: options.ciphers,
          ALPNProtocols: options.alpn as string[] | undefined,
          session: resume?.options === options && resume.serverName === name ? resume.bytes : undefined,
        }),
      });
    } catch (error) {
      stream.destroy();
      reject(new TlsError(`TLS cannot be set up: ${messageOf(error)}`, { ...peer, phase: 'tls', cause: error }));
      return;
    }
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('secure', onSecure);
      socket.off('secureConnect', onSecureConnect);
      socket.off('close', onClose);
      act();
    };
    const fail = (error: unknown): void => {
      settle(() => {
        socket.destroy();
        stream.destroy();
        reject(error);
      });
    };
    // Before Node verifies, so that the refused certificate can be shown.
    const onSecure = (): void => {
      certificate = socket.getPeerCertificate();
    };
    const onSecureConnect = (): void => {
      if (pins.length > 0 && !pinMatches(pins, socket.getPeerCertificate(true))) {
        fail(
          refusedCertificate(peer, 'it is not the pinned one', 'PIN_MISMATCH', socket.getPeerCertificate(), undefined),
        );
        return;
      }
      const problem = dane && daneProblem(dane, socket.getPeerCertificate(true), name);
      if (problem !== undefined) {
        fail(refusedCertificate(peer, problem, 'DANE_MISMATCH', socket.getPeerCertificate(), undefined));
        return;
      }
      settle(() => {
        socket.off('error', onError);
        resolve(new StreamTransport(socket, () => session));
      });
    };
    const onError = (error: Error): void => {
      fail(explainTlsError(error, peer, name, certificate));
    };
    const onClose = (): void => {
      fail(
        new TlsError(
          `${peer.protocol} server ${formatHostPort(peer.host, peer.port)} closed the connection during the TLS handshake`,
          { ...peer, phase: 'tls', temporary: true },
        ),
      );
    };
    const onAbort = (): void => fail(signal.reason as Error);
    socket.prependListener('secure', onSecure);
    // TLS 1.3 sends its tickets after the handshake, any number of them: the newest counts.
    socket.on('session', (bytes) => {
      session = { bytes, options, serverName: name };
    });
    socket.on('secureConnect', onSecureConnect);
    socket.on('error', onError);
    socket.on('error', ignore);
    socket.on('close', onClose);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}

/** Begins TLS as the server, for STARTTLS on an accepted connection. */
export function acceptTls(stream: Duplex, options: ServerTlsOptions, signal?: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const server = createTlsServer(serverOptions(options));
    const fail = (error: Error): void => {
      signal?.removeEventListener('abort', onAbort);
      stream.destroy();
      reject(
        new TlsError(`the TLS handshake with a client failed: ${messageOf(error)}`, { phase: 'tls', cause: error }),
      );
    };
    const onAbort = (): void => fail(signal?.reason as Error);
    server.on('secureConnection', (socket) => {
      signal?.removeEventListener('abort', onAbort);
      socket.on('error', ignore);
      resolve(new StreamTransport(socket));
    });
    server.on('tlsClientError', fail);
    stream.on('close', () => fail(new Error('the client closed the connection')));
    signal?.addEventListener('abort', onAbort);
    server.emit('connection', stream);
  });
}

/** Node's form of our server options. */
export function serverOptions(options: ServerTlsOptions): NodeServerOptions {
  return {
    key: options.key,
    cert: options.cert,
    minVersion: options.minVersion ?? 'TLSv1.2',
    requestCert: options.requestCert === true,
    rejectUnauthorized: options.requestCert === true,
    ...given({
      ca: options.ca as string | undefined,
      maxVersion: options.maxVersion,
      ticketKeys: options.ticketKeys,
      ALPNProtocols: options.alpn as string[] | undefined,
    }),
  };
}

const ignore = (): void => {};

/** Node lets `x*.example` match; RFC 6125 section 6.4.3 and we take a wildcard only as a whole left-most label. */
function withoutPartialWildcards(certificate: PeerCertificate): PeerCertificate {
  const names = certificate.subjectaltname;
  if (names === undefined || !names.includes('*')) return certificate;
  const kept = names.split(', ').filter((name) => !name.includes('*') || /^DNS:\*\.[^*]+$/.test(name));
  return { ...certificate, subjectaltname: kept.length === 0 ? 'DNS:invalid.invalid' : kept.join(', ') };
}

function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

function pinsOf(options: TlsOptions): string[] {
  const pins = options.pin === undefined ? [] : typeof options.pin === 'string' ? [options.pin] : [...options.pin];
  return pins.map((pin) => {
    checkArgument('tls.pin', pin);
    const match = /^sha256\/(.+)$/.exec(pin.trim());
    const value = match?.[1]?.replace(/:/g, '');
    if (value !== undefined && /^[0-9a-fA-F]{64}$/.test(value)) return value.toUpperCase();
    if (value !== undefined && /^[A-Za-z0-9+/]{43}=$/.test(value)) return value;
    throw new UsageError(
      `tls.pin must be 'sha256/' and a SHA-256 fingerprint in hex, or of the public key in base64; got ${JSON.stringify(pin)}`,
    );
  });
}

function pinMatches(pins: readonly string[], certificate: DetailedPeerCertificate): boolean {
  if (certificate.fingerprint256 === undefined) return false;
  const fingerprint = certificate.fingerprint256.replace(/:/g, '').toUpperCase();
  const pinnedKeys = pins.filter((pin) => pin.length === 44);
  if (pins.includes(fingerprint)) return true;
  if (pinnedKeys.length === 0 || certificate.pubkey === undefined) return false;
  return pinnedKeys.includes(createHash('sha256').update(spkiOf(certificate)).digest('base64'));
}

function spkiOf(certificate: DetailedPeerCertificate): Buffer {
  return certificate.pubkey as Buffer;
}

function summarise(certificate: PeerCertificate | undefined): CertificateSummary | undefined {
  if (certificate?.fingerprint256 === undefined) return undefined;
  const name = (parts: object | undefined): string =>
    Object.entries(parts ?? {})
      .map(([key, value]) => `${key}=${String(value)}`)
      .join(', ');
  return {
    subject: name(certificate.subject),
    issuer: name(certificate.issuer),
    validFrom: certificate.valid_from,
    validTo: certificate.valid_to,
    pin: `sha256/${certificate.fingerprint256}`,
  };
}

const certificateProblems: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    'it is self-signed',
    'if this is your server, pin the certificate or give its authority as tls.ca',
  ],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'its chain ends in an unknown authority',
    'give that authority as tls.ca; a proxy or virus scanner may have put it there',
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'its issuer is unknown',
    'the server may not send its intermediate certificate; give the authority as tls.ca or pin the certificate',
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['its issuer is unknown', 'give the authority as tls.ca or pin the certificate'],
  UNABLE_TO_GET_ISSUER_CERT: ['its issuer is unknown', 'give the authority as tls.ca or pin the certificate'],
  CERT_HAS_EXPIRED: ['it has expired', 'the server needs a new certificate; check this machine’s clock too'],
  CERT_NOT_YET_VALID: ['it is not valid yet', 'check this machine’s clock'],
  CERT_REVOKED: ['it was revoked', 'the server needs a new certificate'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'it is for another name',
    'connect by a name in the certificate, or set tls.serverName to it',
  ],
};

function explainTlsError(
  error: Error,
  peer: TlsPeer,
  name: string,
  certificate: PeerCertificate | undefined,
): TlsError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const problem = Object.hasOwn(certificateProblems, code) ? certificateProblems[code] : undefined;
  if (problem) return refusedCertificate(peer, problem[0], code, certificate, error, problem[1], name);
  const where = `${peer.protocol} server ${formatHostPort(peer.host, peer.port)}`;
  const details = { ...peer, phase: 'tls', cause: error };
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|wrong version number/i.test(`${code} ${error.message}`)
  ) {
    return new TlsError(`${where} answered the TLS handshake in plaintext`, {
      ...details,
      reason: 'TLS_MODE_MISMATCH',
      hint: `port ${peer.port} speaks plaintext first: use tls: 'starttls' (or 'none' where the server has no TLS)`,
    });
  }
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|ALERT_PROTOCOL_VERSION/i.test(`${code} ${error.message}`)) {
    return new TlsError(`${where} offers no TLS version that is still safe`, {
      ...details,
      reason: 'TLS_VERSION',
      hint: 'the server must allow TLS 1.2 or newer',
    });
  }
  return new TlsError(`TLS handshake with ${where} failed: ${messageOf(error)}`, {
    ...details,
    reason: code === '' ? undefined : code,
    temporary: code === 'ECONNRESET',
  });
}

function refusedCertificate(
  peer: TlsPeer,
  why: string,
  reason: string,
  presented: PeerCertificate | undefined,
  cause: Error | undefined,
  hint?: string,
  name: string = peer.host,
): TlsError {
  const certificate = summarise(presented);
  const pin = certificate === undefined ? '' : `; its pin is ${certificate.pin}`;
  return new TlsError(
    `the certificate of ${peer.protocol} server ${formatHostPort(peer.host, peer.port)} was refused for ${name}: ${why}`,
    {
      ...peer,
      phase: 'tls',
      reason,
      certificate,
      hint: hint === undefined ? `the certificate shown has${pin.slice(5)}` : `${hint}${pin}`,
      cause,
    },
  );
}
