import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { AuthError, UsageError } from '../errors.ts';
import { decodeText, encodeText } from '../wire/bytes.ts';
import type { Accounts, ChannelBinder, Mechanism, SaslClient, SaslLogin, SaslServer, SaslStep } from './mechanism.ts';
import { checkField, saslprep } from './text.ts';

const derive = promisify(pbkdf2);

/** Below, the password is too cheap to guess; above, a server could keep us busy (CVE-2026-42256). */
const MIN_ITERATIONS = 4096;
const MAX_ITERATIONS = 600_000;

/** RFC 5802 section 5.1: '=' and ',' in names. */
const escapeName = (name: string): string => name.replace(/=/g, '=3D').replace(/,/g, '=2C');
const unescapeName = (name: string): string => name.replace(/=2C/g, ',').replace(/=3D/g, '=');

interface Keys {
  readonly clientSignature: Buffer;
  readonly proof: Buffer;
  readonly serverSignature: Buffer;
  readonly storedKey: Buffer;
}

async function keysFor(
  hash: string,
  password: string,
  salt: Buffer,
  iterations: number,
  authMessage: string,
): Promise<Keys> {
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const salted = await derive(saslprep(password), salt, iterations, createHash(hash).digest().length, hash);
  const clientKey = hmac(salted, 'Client Key');
  const storedKey = createHash(hash).update(clientKey).digest();
  const clientSignature = hmac(storedKey, authMessage);
  return {
    clientSignature,
    proof: xor(clientKey, clientSignature),
    serverSignature: hmac(hmac(salted, 'Server Key'), authMessage),
    storedKey,
  };
}

function xor(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ (right[index] as number)));
}

/** `r=…,s=…,i=…` as a map from letter to value. */
function attributes(message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}

/** The binding of this connection: of TLS 1.3 where it is that. */
function bindingOf(binder: ChannelBinder | undefined): { type: string; data: Uint8Array } | undefined {
  for (const type of ['tls-exporter', 'tls-server-end-point']) {
    const data = binder?.(type);
    if (data !== undefined) return { type, data };
  }
  return undefined;
}

function scramClient(name: string, hash: string, plus: boolean, given: SaslLogin): SaslClient {
  const { user, secret: password, authzid, couldBind } = given;
  checkField(name, 'user', user, /\0/);
  checkField(name, 'authzid', authzid ?? '', /\0/);
  const nonce = randomBytes(18).toString('base64');
  const binding = plus ? bindingOf(given.binder) : undefined;
  if (plus && binding === undefined)
    throw new UsageError(`${name} binds the login to TLS, and this connection has nothing to bind to`);
  // RFC 5802 section 6: 'y' tells that we would have bound, had the server offered it.
  const flag = binding !== undefined ? `p=${binding.type}` : couldBind === true && bindingOf(given.binder) ? 'y' : 'n';
  const header = `${flag},${authzid === undefined ? '' : `a=${escapeName(authzid)}`},`;
  const first = `n=${escapeName(saslprep(user))},r=${nonce}`;
  let expected: Buffer | undefined;
  let verified = false;
  const refuse = (why: string): AuthError =>
    new AuthError(`${name}: the server's part of the login is wrong: ${why}`, {
      reusable: false,
      reason: 'SERVER_NOT_VERIFIED',
    });
  return {
    name,
    start: () => encodeText(header + first),
    async next(challenge) {
      const message = decodeText(challenge);
      const fields = attributes(message);
      if (fields.has('e'))
        throw new AuthError(`${name}: the server refused: ${fields.get('e') ?? ''}`, { reason: 'bad-credentials' });
      if (expected !== undefined) {
        const signature = Buffer.from(fields.get('v') ?? '', 'base64');
        if (signature.length !== expected.length || !timingSafeEqual(signature, expected))
          throw refuse('its signature does not match the password');
        verified = true;
        return new Uint8Array(0);
      }
      const serverNonce = fields.get('r') ?? '';
      const iterations = /^[0-9]{1,10}$/.test(fields.get('i') ?? '') ? Number(fields.get('i')) : 0;
      const salt = Buffer.from(fields.get('s') ?? '', 'base64');
      if (fields.has('m')) throw refuse('it asks for an unknown extension');
      if (!serverNonce.startsWith(nonce) || serverNonce.length === nonce.length)
        throw refuse('its nonce does not extend ours');
      if (salt.length === 0) throw refuse('it sent no salt');
      if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
        throw refuse(`${fields.get('i') ?? 'no'} iterations; only ${MIN_ITERATIONS} to ${MAX_ITERATIONS} are accepted`);
      }
      const bound = Buffer.concat([Buffer.from(header), binding?.data ?? Buffer.alloc(0)]);
      const final = `c=${bound.toString('base64')},r=${serverNonce}`;
      const keys = await keysFor(hash, password, salt, iterations, `${first},${message},${final}`);
      expected = keys.serverSignature;
      return encodeText(`${final},p=${keys.proof.toString('base64')}`);
    },
    finish() {
      if (!verified) throw refuse('it reported success without proving that it knows the password');
    },
  };
}

function scramServer(
  name: string,
  hash: string,
  plus: boolean,
  accounts: Accounts,
  binder: ChannelBinder | undefined,
): SaslServer {
  const salt = randomBytes(16);
  let first:
    { user: string; authzid: string | undefined; bare: string; header: Buffer; serverFirst: string } | undefined;
  let success: SaslStep | undefined;
  return {
    name,
    async next(response) {
      if (response === undefined) return { kind: 'challenge', data: new Uint8Array(0) };
      if (success !== undefined) return success;
      const message = decodeText(response);
      if (first === undefined) {
        const match = /^((?:([ny])|p=([A-Za-z0-9.-]+)),(?:a=([^,]*))?,)(n=([^,]*),r=([^,]+))$/.exec(message);
        if (!match) return { kind: 'failure', text: 'malformed first message' };
        const bound = match[3] === undefined ? undefined : binder?.(match[3]);
        if (plus !== (match[3] !== undefined)) return { kind: 'failure', text: `${name} with the wrong binding flag` };
        if (plus && bound === undefined) return { kind: 'failure', text: 'unsupported channel binding' };
        // The client could bind, and believes that we cannot: somebody took our offer away.
        if (match[2] === 'y' && bindingOf(binder) !== undefined)
          return { kind: 'failure', text: 'server does support channel binding' };
        const nonce = `${match[7] ?? ''}${randomBytes(18).toString('base64')}`;
        const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${MIN_ITERATIONS}`;
        first = {
          user: unescapeName(match[6] ?? ''),
          authzid: match[4] === undefined ? undefined : unescapeName(match[4]),
          bare: match[5] ?? '',
          header: Buffer.concat([Buffer.from(match[1] ?? ''), bound ?? Buffer.alloc(0)]),
          serverFirst,
        };
        return { kind: 'challenge', data: encodeText(serverFirst) };
      }
      const fields = attributes(message);
      const withoutProof = message.slice(0, message.lastIndexOf(',p='));
      const proof = Buffer.from(message.slice(withoutProof.length + 3), 'base64');
      const known = accounts.password(first.user);
      const keys = await keysFor(
        hash,
        known ?? randomBytes(8).toString('hex'),
        salt,
        MIN_ITERATIONS,
        `${first.bare},${first.serverFirst},${withoutProof}`,
      );
      const nonceOk = fields.get('r') === attributes(first.serverFirst).get('r');
      const bindingOk = fields.get('c') === first.header.toString('base64');
      if (
        known === undefined ||
        !nonceOk ||
        !bindingOk ||
        proof.length !== keys.proof.length ||
        !timingSafeEqual(proof, keys.proof)
      ) {
        return { kind: 'failure', text: 'wrong user or password' };
      }
      success = { kind: 'success', user: first.user, authzid: first.authzid };
      return { kind: 'challenge', data: encodeText(`v=${keys.serverSignature.toString('base64')}`) };
    },
  };
}

function scram(name: string, hash: string): Mechanism {
  const plus = name.endsWith('-PLUS');
  return {
    name,
    secrecy: 'hashed',
    uses: 'password',
    binds: plus,
    client: (given) => scramClient(name, hash, plus, given),
    server: (accounts, binder) => scramServer(name, hash, plus, accounts, binder),
  };
}

/** Tied to the TLS connection: nobody between the two can pass the login on. @see RFC 5802 section 6, RFC 9266 */
export const scramSha1Plus: Mechanism = scram('SCRAM-SHA-1-PLUS', 'sha1');
export const scramSha256Plus: Mechanism = scram('SCRAM-SHA-256-PLUS', 'sha256');
export const scramSha512Plus: Mechanism = scram('SCRAM-SHA-512-PLUS', 'sha512');

/** Mutual proof of the password, salted and iterated. @see RFC 5802 */
export const scramSha1: Mechanism = scram('SCRAM-SHA-1', 'sha1');
/** @see RFC 7677 */
export const scramSha256: Mechanism = scram('SCRAM-SHA-256', 'sha256');
/** @see draft-melnikov-scram-sha-512 */
export const scramSha512: Mechanism = scram('SCRAM-SHA-512', 'sha512');
