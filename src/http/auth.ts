import { UsageError } from '../errors.ts';
import { checkSecretAllowed } from '../sasl/index.ts';
import { Secret, checkArgument, checkOptions } from '../wire/arguments.ts';
import { parseChallenges } from './challenge.ts';
import { DigestSession, chooseDigest } from './digest.ts';
import type { HttpFields } from './fields.ts';
import type { HttpAddress } from './origin.ts';
import type { OutgoingBody } from './outgoing-body.ts';

/** Who asks. `auto` waits for what the server wants, and prefers Digest; `basic` is sent without being asked. */
export type HttpAuth =
  | {
      readonly user: string;
      readonly password: string | Secret;
      readonly scheme?: 'auto' | 'basic' | 'digest' | undefined;
    }
  | { readonly token: string | Secret };

/** What was learned of an origin: the next request need not be refused first. */
type Learned = { readonly kind: 'basic' } | { readonly kind: 'digest'; readonly session: DigestSession };

/** UsageError for what is neither a login nor a token. */
export function checkAuth(auth: HttpAuth): HttpAuth {
  if (typeof auth !== 'object' || auth === null) throw new UsageError('auth must be { user, password } or { token }');
  if ('token' in auth) {
    checkOptions('auth', auth, ['token']);
    checkSecretText('auth.token', auth.token);
    return auth;
  }
  checkOptions('auth', auth, ['user', 'password', 'scheme']);
  checkArgument('auth.user', auth.user);
  checkSecretText('auth.password', auth.password);
  const { scheme = 'auto' } = auth;
  if (!['auto', 'basic', 'digest'].includes(scheme))
    throw new UsageError(`auth.scheme must be 'auto', 'basic' or 'digest'; got ${JSON.stringify(scheme)}`);
  if (scheme !== 'digest' && auth.user.includes(':'))
    throw new UsageError('auth.user has a colon, which Basic cannot carry');
  return auth;
}

/** The refusal does not quote it. */
function checkSecretText(name: string, value: unknown): void {
  const text = value instanceof Secret ? value.reveal() : value;
  if (typeof text !== 'string') throw new UsageError(`${name} must be a string`);
  if (/[\r\n\0]/.test(text)) throw new UsageError(`${name} contains a line break or a NUL`);
}

/** What a request's Authorization field depends on. */
export interface AuthInput {
  readonly address: HttpAddress;
  readonly method: string;
  readonly body: OutgoingBody | undefined;
}

/** The logins of a client, by origin and user: nothing learned for one serves another. */
export class HttpLogins {
  readonly #learned = new Map<string, Learned>();
  readonly #allowInsecureAuth: boolean;

  constructor(allowInsecureAuth: boolean) {
    this.#allowInsecureAuth = allowInsecureAuth;
  }

  /** The field to send at once; undefined to wait for a challenge. */
  field(auth: HttpAuth, input: AuthInput): string | undefined {
    if ('token' in auth) {
      this.#demandSecrecy(input.address, 'a bearer token');
      return `Bearer ${reveal(auth.token)}`;
    }
    const learned = this.#learned.get(keyOf(auth.user, input.address));
    if (learned?.kind === 'digest') return digestField(learned.session, auth, input);
    return learned?.kind === 'basic' || auth.scheme === 'basic' ? this.#basic(auth, input.address) : undefined;
  }

  /** The field that answers a 401; undefined when there is none, or the last one was this login's best. */
  answer(auth: HttpAuth, input: AuthInput, headers: HttpFields, sent: string | undefined): string | undefined {
    if ('token' in auth) return undefined;
    const { scheme = 'auto' } = auth;
    const challenges = parseChallenges(headers.all('www-authenticate'));
    const digest = scheme === 'basic' ? undefined : chooseDigest(challenges);
    const key = keyOf(auth.user, input.address);
    if (digest !== undefined) {
      // The same nonce refused again is a wrong password; another nonce is news where the server says so, or for the first time.
      if (sent?.startsWith('Digest ') === true && digest.parameters.get('stale')?.toLowerCase() !== 'true') {
        this.#learned.delete(key);
        return undefined;
      }
      const session = new DigestSession(digest);
      if (this.#learned.size >= 1000) this.#learned.clear();
      this.#learned.set(key, { kind: 'digest', session });
      return digestField(session, auth, input);
    }
    if (sent !== undefined || scheme === 'digest' || !challenges.some((each) => each.scheme === 'basic')) {
      this.#learned.delete(key);
      return undefined;
    }
    this.#learned.set(key, { kind: 'basic' });
    return this.#basic(auth, input.address);
  }

  #basic(auth: { readonly user: string; readonly password: string | Secret }, address: HttpAddress): string {
    this.#demandSecrecy(address, 'Basic');
    return `Basic ${Buffer.from(`${auth.user}:${reveal(auth.password)}`).toString('base64')}`;
  }

  #demandSecrecy(address: HttpAddress, what: string): void {
    checkSecretAllowed({ secure: address.secure, allowInsecureAuth: this.#allowInsecureAuth }, what);
  }
}

const reveal = (text: string | Secret): string => (text instanceof Secret ? text.reveal() : text);
const keyOf = (user: string, address: HttpAddress): string => `${address.origin} ${user}`;

const digestField = (
  session: DigestSession,
  auth: { readonly user: string; readonly password: string | Secret },
  input: AuthInput,
): string =>
  session.authorize({
    user: auth.user,
    password: reveal(auth.password),
    method: input.method,
    uri: input.address.path,
    body: input.body === undefined ? new Uint8Array(0) : input.body.bytes,
  });
