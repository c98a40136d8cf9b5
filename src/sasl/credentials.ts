import { UsageError } from '../errors.ts';
import type { Secret } from '../wire/arguments.ts';
import type { Credentials } from './mechanism.ts';

/** What a protocol's options say of who logs in. */
export interface CredentialOptions {
  readonly user?: string | undefined;
  readonly password?: string | Secret | undefined;
  /** An OAuth 2 token, or where to get one. */
  readonly token?: Credentials['token'];
  readonly authzid?: string | undefined;
  /** Only these login mechanisms, in this order. EXTERNAL (a client's certificate) and ANONYMOUS need no password. */
  readonly mechanisms?: readonly string[] | undefined;
}

export const credentialOptionNames = ['user', 'password', 'token', 'authzid', 'mechanisms'];

/** Who logs in, by the options or else by the URL; undefined when nobody does. UsageError for half of it. */
export function readCredentials(
  given: CredentialOptions,
  url: { readonly user?: string | undefined; readonly password?: string | undefined },
): Credentials | undefined {
  const user = given.user ?? url.user;
  const password = given.password ?? url.password;
  const unproved = given.mechanisms?.some((name) => /^(?:EXTERNAL|ANONYMOUS)$/i.test(name)) === true;
  if (unproved && password === undefined && given.token === undefined)
    return { user: user ?? '', authzid: given.authzid, mechanisms: given.mechanisms };
  if (user === undefined) {
    if (password !== undefined || given.token !== undefined)
      throw new UsageError('a password or token is given without a user');
    return undefined;
  }
  if (password === undefined && given.token === undefined)
    throw new UsageError(`user ${JSON.stringify(user)} is given without a password or token`);
  return { user, password, token: given.token, authzid: given.authzid, mechanisms: given.mechanisms };
}
