import { type CredentialOptions, credentialOptionNames, readCredentials } from '../sasl/credentials.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import type { SchemeTable } from '../socket/address.ts';
import { type ResolvedServer, type ServerOptions, type ServerTarget, resolveServer } from '../socket/target.ts';

/** What may be set beside the server's address. */
export interface Pop3Options extends ServerOptions, CredentialOptions {
  /** Log in by APOP, and by nothing else. Its MD5 is weak (CVE-2007-1558): only when asked for. */
  readonly apop?: boolean | undefined;
  /** Ask for UTF-8 in names and texts before logging in (RFC 6856). */
  readonly utf8?: boolean | undefined;
}

/** Where to connect: a URL (`pop3s://user:password@host`, `pop3://host` with STLS, `?tls=none`) or the same as an object. */
export type Pop3Target = ServerTarget<Pop3Options>;

export interface ResolvedPop3Target extends ResolvedServer<Pop3Options> {
  readonly credentials: Credentials | undefined;
}

/** @see RFC 1939 (110), RFC 8314 (995) */
export const pop3Schemes: SchemeTable = {
  protocol: 'pop3',
  schemes: { pop3: 'auto', pop3s: 'implicit', 'pop3+starttls': 'starttls' },
  port: 110,
  implicitPort: 995,
  parameters: ['allowInsecureAuth'],
};

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolvePop3Target(target: Pop3Target | undefined, options: Pop3Options = {}): ResolvedPop3Target {
  const server = resolveServer(target, options, pop3Schemes, [...credentialOptionNames, 'apop', 'utf8']);
  return { ...server, credentials: readCredentials(server.given, server.endpoint) };
}
