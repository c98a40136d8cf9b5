import { AuthError, type ErrorDetails, UsageError } from '../errors.ts';
import { cramMd5 } from './cram-md5.ts';
import { digestMd5 } from './digest-md5.ts';
import { anonymous, external } from './external.ts';
import { login } from './login.ts';
import type { ChannelBinder, Credentials, Mechanism } from './mechanism.ts';
import { ntlm } from './ntlm.ts';
import { oauthBearer, xoauth2 } from './oauth.ts';
import { plain } from './plain.ts';
import { scramSha1, scramSha1Plus, scramSha256, scramSha256Plus, scramSha512, scramSha512Plus } from './scram.ts';

/** The binding of TLS 1.3 first. */
export const bindingTypes = ['tls-exporter', 'tls-server-end-point'] as const;

/** Every mechanism, strongest first. A new one is a file and a line here. */
export const mechanisms: readonly Mechanism[] = [
  scramSha512Plus,
  scramSha256Plus,
  scramSha1Plus,
  scramSha512,
  scramSha256,
  scramSha1,
  digestMd5,
  cramMd5,
  ntlm,
  oauthBearer,
  xoauth2,
  plain,
  login,
  external,
  anonymous,
];

export interface MechanismChoice {
  /** Names that the server offers, in any case. */
  readonly offered: readonly string[];
  readonly credentials: Credentials;
  /** True over TLS, and on other channels that nobody can listen to. */
  readonly secure: boolean;
  /** Ties the login to the TLS connection, where there is one. */
  readonly binder?: ChannelBinder | undefined;
  /** Let the password cross the wire in the clear. */
  readonly allowInsecureAuth?: boolean | undefined;
}

/**
 * The mechanisms to try, strongest first: offered by the server, known here, fit for the credentials, and not listed out by the caller.
 * Without TLS those that send the password or token itself are left out, unless the caller allows it: the socket decides, not the
 * server's word. AuthError when none is left, with the reason.
 */
export function chooseMechanisms(choice: MechanismChoice): readonly Mechanism[] {
  const { credentials, secure, allowInsecureAuth = false } = choice;
  const offered = choice.offered.map((name) => name.toUpperCase());
  const wanted = credentials.mechanisms?.map((name) => {
    const known = mechanisms.find((mechanism) => mechanism.name === name.toUpperCase());
    if (!known)
      throw new UsageError(
        `mechanism ${JSON.stringify(name)} is not known; there are ${mechanisms.map((each) => each.name).join(', ')}`,
      );
    return known;
  });
  const uses = credentials.token === undefined ? 'password' : 'token';
  const unproved = wanted?.some((mechanism) => mechanism.uses === 'nothing') === true;
  if (credentials.token === undefined && credentials.password === undefined && !unproved)
    throw new UsageError(`user ${JSON.stringify(credentials.user)} is given without a password or token`);
  const bound = choice.binder !== undefined && bindingTypes.some((type) => choice.binder?.(type) !== undefined);
  const fitting = (wanted ?? mechanisms).filter(
    (mechanism) =>
      offered.includes(mechanism.name) &&
      (mechanism.uses === uses || (wanted !== undefined && mechanism.uses === 'nothing')) &&
      (mechanism.binds !== true || bound),
  );
  const safe = fitting.filter((mechanism) => secure || allowInsecureAuth || mechanism.secrecy === 'hashed');
  if (safe.length > 0) return safe;
  const details = { mechanismsOffered: offered, reusable: true };
  if (fitting.length > 0)
    throw insecureAuth(`the server offers only ${fitting.map((each) => each.name).join(', ')}, which`, uses, details);
  throw new AuthError(
    offered.length === 0
      ? 'the server offers no login'
      : `the server offers ${offered.join(', ')}, none of which can be used with ${wanted === undefined ? `a ${uses}` : `a ${uses} and the mechanisms ${wanted.map((each) => each.name).join(', ')}`}`,
    {
      ...details,
      reason: 'NO_MECHANISM',
      hint:
        offered.length === 0 ? 'it may offer it only after TLS, or need none: leave out user and password' : undefined,
    },
  );
}

/** For logins that send the password itself, outside SASL (PASS, LOGIN): AuthError unless the channel is secure or the caller allows it. */
export function checkSecretAllowed(channel: { secure: boolean; allowInsecureAuth: boolean }, command: string): void {
  if (!channel.secure && !channel.allowInsecureAuth) throw insecureAuth(command, 'password', { reusable: true });
}

function insecureAuth(what: string, uses: string, details: ErrorDetails): AuthError {
  return new AuthError(`${what} would send the ${uses} over an unencrypted connection`, {
    ...details,
    reason: 'INSECURE_AUTH',
    hint: `use TLS, or set allowInsecureAuth: true if you accept that others can read the ${uses}`,
  });
}

/** The strongest of `chooseMechanisms`. */
export function chooseMechanism(choice: MechanismChoice): Mechanism {
  return chooseMechanisms(choice)[0] as Mechanism;
}
