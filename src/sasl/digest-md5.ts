import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { AuthError } from '../errors.ts';
import { decodeText, encodeText } from '../wire/bytes.ts';
import type { Accounts, Mechanism, SaslClient, SaslLogin, SaslServer, SaslStep } from './mechanism.ts';
import { checkField } from './text.ts';

const NAME = 'DIGEST-MD5';

/** `name=value` and `name="quoted"`, names in lower case; of a repeated one the first counts. */
function directives(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of text.slice(0, 4096).matchAll(/([a-zA-Z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    const name = (match[1] as string).toLowerCase();
    const value = match[2] === undefined ? match[3] : match[2].replace(/\\(.)/g, '$1');
    if (!found.has(name)) found.set(name, value as string);
  }
  return found;
}

const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;
const md5 = (data: string | Buffer): Buffer => createHash('md5').update(data).digest();

interface Exchange {
  readonly user: string;
  readonly realm: string;
  readonly password: string;
  readonly nonce: string;
  readonly cnonce: string;
  readonly uri: string;
  readonly authzid: string | undefined;
}

/** The proof of either side: A2 is 'AUTHENTICATE:' for the client and ':' for the server. @see RFC 2831 section 2.1.2.1 */
function proof({ user, realm, password, nonce, cnonce, uri, authzid }: Exchange, prefix: string): string {
  const secret = md5(`${user}:${realm}:${password}`);
  const tail = `:${nonce}:${cnonce}${authzid === undefined ? '' : `:${authzid}`}`;
  const first = md5(Buffer.concat([secret, Buffer.from(tail)])).toString('hex');
  const second = md5(`${prefix}${uri}`).toString('hex');
  return md5(`${first}:${nonce}:00000001:${cnonce}:auth:${second}`).toString('hex');
}

function same(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}

function digestClient({ user, secret, authzid, host, service }: SaslLogin): SaslClient {
  for (const [name, value] of Object.entries({ user, password: secret, authzid: authzid ?? '' }))
    checkField(NAME, name, value, /[\0\r\n]/);
  let expected: string | undefined;
  let verified = false;
  const refuse = (why: string): AuthError =>
    new AuthError(`${NAME}: the server's part of the login is wrong: ${why}`, {
      reusable: false,
      reason: 'SERVER_NOT_VERIFIED',
    });
  return {
    name: NAME,
    start: () => undefined,
    next(challenge) {
      const fields = directives(decodeText(challenge));
      if (expected !== undefined) {
        if (!same(fields.get('rspauth') ?? '', expected)) throw refuse('its answer does not match the password');
        verified = true;
        return new Uint8Array(0);
      }
      const nonce = fields.get('nonce');
      if (nonce === undefined || (fields.get('algorithm') ?? '').toLowerCase() !== 'md5-sess')
        throw refuse('it sent no nonce, or an algorithm other than md5-sess');
      if (!(fields.get('qop') ?? 'auth').split(/[\s,]+/).includes('auth'))
        throw refuse('it offers no login without a security layer');
      const realm = fields.get('realm') ?? '';
      const cnonce = randomBytes(18).toString('base64');
      const uri = `${service ?? 'smtp'}/${host}`;
      const exchange: Exchange = { user, realm, password: secret, nonce, cnonce, uri, authzid };
      expected = proof(exchange, ':');
      const words = [
        'charset=utf-8',
        `username=${quote(user)}`,
        ...(fields.has('realm') ? [`realm=${quote(realm)}`] : []),
        `nonce=${quote(nonce)}`,
        'nc=00000001',
        `cnonce=${quote(cnonce)}`,
        `digest-uri=${quote(uri)}`,
        `response=${proof(exchange, 'AUTHENTICATE:')}`,
        'qop=auth',
        ...(authzid === undefined ? [] : [`authzid=${quote(authzid)}`]),
      ];
      return encodeText(words.join(','));
    },
    finish() {
      if (!verified) throw refuse('it reported success without proving that it knows the password');
    },
  };
}

function digestServer(accounts: Accounts): SaslServer {
  const nonce = randomBytes(18).toString('base64');
  const realm = 'localhost';
  let asked = false;
  let success: SaslStep | undefined;
  return {
    name: NAME,
    next(response) {
      if (!asked) {
        asked = true;
        const text = `realm=${quote(realm)},nonce=${quote(nonce)},qop="auth",algorithm=md5-sess,charset=utf-8`;
        return { kind: 'challenge', data: encodeText(text) };
      }
      if (success !== undefined) return success;
      const fields = directives(decodeText(response ?? new Uint8Array(0)));
      const user = fields.get('username') ?? '';
      const known = accounts.password(user);
      const exchange: Exchange = {
        user,
        realm: fields.get('realm') ?? '',
        password: known ?? '',
        nonce,
        cnonce: fields.get('cnonce') ?? '',
        uri: fields.get('digest-uri') ?? '',
        authzid: fields.get('authzid'),
      };
      const right = same(fields.get('response') ?? '', proof(exchange, 'AUTHENTICATE:'));
      // A nonce that is used again, or another's, is a login that was recorded.
      if (known === undefined || !right || fields.get('nonce') !== nonce || fields.get('nc') !== '00000001')
        return { kind: 'failure', text: 'wrong user or password' };
      success = { kind: 'success', user, authzid: exchange.authzid };
      return { kind: 'challenge', data: encodeText(`rspauth=${proof(exchange, ':')}`) };
    },
  };
}

/** For old servers that have nothing better: MD5, and declared historic by RFC 6331. Only without a security layer. @see RFC 2831 */
export const digestMd5: Mechanism = {
  name: NAME,
  secrecy: 'hashed',
  uses: 'password',
  client: digestClient,
  server: digestServer,
};
