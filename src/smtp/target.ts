import { UsageError } from '../errors.ts';
import { type CredentialOptions, credentialOptionNames, readCredentials } from '../sasl/credentials.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import type { SchemeTable } from '../socket/address.ts';
import { type ResolvedServer, type ServerOptions, type ServerTarget, resolveServer } from '../socket/target.ts';
import { toAsciiDomain } from '../wire/addr-spec.ts';

/** What may be set beside the server's address. */
export interface SmtpOptions extends ServerOptions, CredentialOptions {
  /** Speak LMTP: each recipient has its own reply (RFC 2033). Also by `lmtp://`. */
  readonly lmtp?: boolean | undefined;
  /** Our name in EHLO. Default: the local address as a literal, which tells nothing about this machine. */
  readonly name?: string | undefined;
}

/** Where to connect: a URL (`smtp://user:password@host:587`, `smtps://host`, `?tls=none`) or the same as an object. */
export type SmtpTarget = ServerTarget<SmtpOptions>;

export interface ResolvedSmtpTarget extends ResolvedServer<SmtpOptions> {
  readonly credentials: Credentials | undefined;
  readonly name: string | undefined;
  readonly lmtp: boolean;
}

/** LMTP has no port of its own: 24 is what servers use by default. @see RFC 2033 */
export const lmtpSchemes: SchemeTable = {
  protocol: 'lmtp',
  schemes: { lmtp: 'auto', lmtps: 'implicit', 'lmtp+starttls': 'starttls' },
  port: 24,
  implicitPort: -1,
  parameters: ['name', 'allowInsecureAuth'],
};

/** @see RFC 6409 (587), RFC 8314 (465) */
export const smtpSchemes: SchemeTable = {
  protocol: 'smtp',
  schemes: {
    smtp: 'auto',
    smtps: 'implicit',
    'smtp+starttls': 'starttls',
    submission: 'auto',
    submissions: 'implicit',
  },
  port: 587,
  implicitPort: 465,
  parameters: ['name', 'allowInsecureAuth'],
};

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveSmtpTarget(target: SmtpTarget | undefined, options: SmtpOptions = {}): ResolvedSmtpTarget {
  const asked = options.lmtp ?? (typeof target === 'object' && target !== null ? target.lmtp : undefined);
  const lmtp = asked ?? (typeof target === 'string' && /^lmtp/i.test(target));
  const server = resolveServer(target, options, lmtp ? lmtpSchemes : smtpSchemes, [
    ...credentialOptionNames,
    'name',
    'lmtp',
  ]);
  const name = server.given.name ?? server.endpoint.parameters.get('name');
  if (name !== undefined && toAsciiDomain(name) === undefined)
    throw new UsageError(
      `name must be a host name or an address literal such as [192.0.2.1]; got ${JSON.stringify(name)}`,
    );
  return { ...server, credentials: readCredentials(server.given, server.endpoint), name, lmtp };
}
