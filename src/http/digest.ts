import { createHash, randomBytes } from 'node:crypto';
import { UnsupportedError } from '../errors.ts';
import type { Challenge } from './challenge.ts';

/** Hash of Node by the name of RFC 7616 section 6.1, strongest first. */
const hashes: Readonly<Record<string, string>> = { 'SHA-512-256': 'sha512-256', 'SHA-256': 'sha256', MD5: 'md5' };
const order = Object.keys(hashes);

/** The strongest Digest challenge that is understood. */
export function chooseDigest(challenges: readonly Challenge[]): Challenge | undefined {
  const rank = (challenge: Challenge): number => order.indexOf(algorithmOf(challenge).base);
  return challenges
    .filter((each) => each.scheme === 'digest' && each.parameters.has('nonce') && rank(each) >= 0)
    .sort((left, right) => rank(left) - rank(right))[0];
}

function algorithmOf(challenge: Challenge): { name: string; base: string; session: boolean } {
  const name = challenge.parameters.get('algorithm') ?? 'MD5';
  const session = /-sess$/i.test(name);
  return { name, base: name.replace(/-sess$/i, '').toUpperCase(), session };
}

export interface DigestInput {
  readonly user: string;
  readonly password: string;
  readonly method: string;
  /** As in the request line. */
  readonly uri: string;
  /** The body, where it is held: for auth-int. */
  readonly body?: Uint8Array | undefined;
}

/**
 * The answers to one challenge: one for each request, counted, until the server has another nonce. A session's key (-sess) is made of its
 * first client nonce.
 *
 * @see RFC 7616 section 3.4
 */
export class DigestSession {
  readonly #challenge: Challenge;
  readonly #cnonce: string;
  #count = 0;

  constructor(challenge: Challenge, cnonce: string = randomBytes(16).toString('hex')) {
    this.#challenge = challenge;
    this.#cnonce = cnonce;
  }

  /** The Authorization field. UnsupportedError where the server insists on a body's hash, and the body is a stream. */
  authorize(input: DigestInput): string {
    const { parameters } = this.#challenge;
    const { name, base, session } = algorithmOf(this.#challenge);
    const hash = (text: string | Uint8Array): string =>
      createHash(hashes[base] as string)
        .update(text)
        .digest('hex');
    const realm = parameters.get('realm') ?? '';
    const nonce = parameters.get('nonce') ?? '';
    const opaque = parameters.get('opaque');
    const offered = parameters
      .get('qop')
      ?.split(',')
      .map((each) => each.trim().toLowerCase());
    const qop =
      offered === undefined
        ? undefined
        : offered.includes('auth')
          ? 'auth'
          : offered.includes('auth-int')
            ? 'auth-int'
            : '';
    if (qop === '' || (qop === 'auth-int' && input.body === undefined))
      throw new UnsupportedError(
        qop === ''
          ? 'the server wants a kind of Digest that is not known'
          : 'the server wants the hash of the body (auth-int), and the body is a stream: give it as bytes',
        { protocol: 'HTTP' },
      );
    const count = (++this.#count).toString(16).padStart(8, '0');
    const cnonce = this.#cnonce;
    const key = hash(`${input.user}:${realm}:${input.password}`);
    const first = session ? hash(`${key}:${nonce}:${cnonce}`) : key;
    const action = `${input.method}:${input.uri}`;
    const second = hash(qop === 'auth-int' ? `${action}:${hash(input.body as Uint8Array)}` : action);
    const response = hash(
      qop === undefined ? `${first}:${nonce}:${second}` : `${first}:${nonce}:${count}:${cnonce}:${qop}:${second}`,
    );
    const userHash = parameters.get('userhash')?.toLowerCase() === 'true';
    const fields = [
      userHash
        ? `username="${hash(`${input.user}:${realm}`)}"`
        : /^[\u0020-\u007e]*$/.test(input.user)
          ? `username=${quote(input.user)}`
          : `username*=UTF-8''${encodeURIComponent(input.user)}`,
      `realm=${quote(realm)}`,
      `nonce=${quote(nonce)}`,
      `uri=${quote(input.uri)}`,
      `response="${response}"`,
    ];
    if (parameters.has('algorithm')) fields.push(`algorithm=${name}`);
    if (qop !== undefined) fields.push(`qop=${qop}`, `nc=${count}`);
    if (qop !== undefined || session) fields.push(`cnonce="${cnonce}"`);
    if (opaque !== undefined) fields.push(`opaque=${quote(opaque)}`);
    if (userHash) fields.push('userhash=true');
    return `Digest ${fields.join(', ')}`;
  }
}

const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
