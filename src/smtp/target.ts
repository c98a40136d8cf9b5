import { UsageError } from '../errors.ts';
import { type CredentialOptions, credentialOptionNames, readCredentials } from '../sasl/credentials.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import type { SchemeTable } from '../socket/address.ts';
import { type ResolvedServer, type ServerOptions, type ServerTarget, resolveServer } from '../socket/target.ts';
import { toAsciiDomain } from '../wire/addr-spec.ts';

/** What may be set beside the server's address. */
export interface SmtpOptions extends ServerOptions, CredentialOptions {
  /** Our name in EHLO. Default: the local address as a literal, which tells nothing about this machine. */
  readonly name?: string | undefined;
}

/** Where to connect: a URL (`smtp://user:password@host:587`, `smtps://host`, `?tls=none`) or the same as an object. */
export type SmtpTarget = ServerTarget<SmtpOptions>;

export interface ResolvedSmtpTarget extends ResolvedServer<SmtpOptions> {
  readonly credentials: Credentials | undefined;
  readonly name: string | undefined;
}

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
  const server = resolveServer(target, options, smtpSchemes, [...credentialOptionNames, 'name']);
  const name = server.given.name ?? server.endpoint.parameters.get('name');
  if (name !== undefined && toAsciiDomain(name) === undefined)
    throw new UsageError(
      `name must be a host name or an address literal such as [192.0.2.1]; got ${JSON.stringify(name)}`,
    );
  return { ...server, credentials: readCredentials(server.given, server.endpoint), name };
}
