import { type CredentialOptions, credentialOptionNames, readCredentials } from '../sasl/credentials.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import type { SchemeTable } from '../socket/address.ts';
import { type ResolvedServer, type ServerOptions, type ServerTarget, resolveServer } from '../socket/target.ts';

/** What may be set beside the server's address. */
export interface NntpOptions extends ServerOptions, CredentialOptions {
  /** 'reader' (default) says MODE READER where the server asks for it; 'transit' feeds a server: IHAVE, CHECK, TAKETHIS. */
  readonly mode?: 'reader' | 'transit' | undefined;
  /** Compress both ways where the server can (RFC 8054). Default false. */
  readonly compress?: boolean | undefined;
}

/** Where to connect: a URL (`nntps://user:password@host`, `nntp://host` with STARTTLS, `?tls=none`) or the same as an object. */
export type NntpTarget = ServerTarget<NntpOptions>;

export interface ResolvedNntpTarget extends ResolvedServer<NntpOptions> {
  readonly credentials: Credentials | undefined;
}

/** @see RFC 3977 section 3 (119), RFC 8143 (563), RFC 5538 */
export const nntpSchemes: SchemeTable = {
  protocol: 'nntp',
  schemes: { nntp: 'auto', nntps: 'implicit', 'nntp+starttls': 'starttls', news: 'auto', snews: 'implicit' },
  port: 119,
  implicitPort: 563,
  parameters: ['allowInsecureAuth'],
};

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveNntpTarget(target: NntpTarget | undefined, options: NntpOptions = {}): ResolvedNntpTarget {
  const server = resolveServer(target, options, nntpSchemes, [...credentialOptionNames, 'mode', 'compress']);
  return { ...server, credentials: readCredentials(server.given, server.endpoint) };
}
