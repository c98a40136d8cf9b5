import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { AuthError } from '../errors.ts';
import { md4 } from './md4.ts';
import type { Accounts, Mechanism, SaslClient, SaslLogin, SaslServer } from './mechanism.ts';
import { checkField } from './text.ts';

const NAME = 'NTLM';
const SIGNATURE = Buffer.from('NTLMSSP\0', 'latin1');
/** Unicode, target, NTLM, always sign, extended security, target info. @see MS-NLMP section 2.2.2.5 */
const FLAGS = 0x1 | 0x4 | 0x200 | 0x8000 | 0x80000 | 0x800000;
/** 100 ns since 1601 of the Unix epoch. */
const EPOCH = 116_444_736_000_000_000n;
const TIMESTAMP = 7;

const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
const hmac = (key: Uint8Array, ...data: Uint8Array[]): Buffer =>
  createHmac('md5', key).update(Buffer.concat(data)).digest();

/** What the password becomes for one user of a domain. @see MS-NLMP section 3.3.2 */
export function ntlmKey(user: string, domain: string, password: string): Buffer {
  return hmac(md4(utf16(password)), utf16(user.toUpperCase() + domain));
}

/** The two responses of version 2: NT's and LM's. @see MS-NLMP section 3.3.2 */
export function ntlmResponses(
  key: Uint8Array,
  challenge: Uint8Array,
  clientChallenge: Uint8Array,
  time: Uint8Array,
  targetInfo: Uint8Array,
): { readonly nt: Buffer; readonly lm: Buffer } {
  const blob = Buffer.concat([
    Buffer.from([1, 1, 0, 0, 0, 0, 0, 0]),
    time,
    clientChallenge,
    Buffer.alloc(4),
    targetInfo,
    Buffer.alloc(4),
  ]);
  return {
    nt: Buffer.concat([hmac(key, challenge, blob), blob]),
    lm: Buffer.concat([hmac(key, challenge, clientChallenge), clientChallenge]),
  };
}

/** `DOMAIN\user`; all else is a user alone, who may name a domain by `user@domain`. */
function splitUser(text: string): { user: string; domain: string } {
  const at = text.indexOf('\\');
  return at < 0 ? { user: text, domain: '' } : { user: text.slice(at + 1), domain: text.slice(0, at) };
}

/** A field of a message: length, room, offset. Undefined where it points outside. */
function fieldAt(message: Buffer, at: number): Buffer | undefined {
  if (message.length < at + 8) return undefined;
  const length = message.readUInt16LE(at);
  const offset = message.readUInt32LE(at + 4);
  return offset + length > message.length ? undefined : message.subarray(offset, offset + length);
}

/** The server's clock, from its target information. */
function timestampOf(targetInfo: Buffer): Buffer | undefined {
  for (let at = 0; at + 4 <= targetInfo.length;) {
    const [id, length] = [targetInfo.readUInt16LE(at), targetInfo.readUInt16LE(at + 2)];
    if (id === 0) return undefined;
    if (id === TIMESTAMP && length === 8 && at + 12 <= targetInfo.length) return targetInfo.subarray(at + 4, at + 12);
    at += 4 + length;
  }
  return undefined;
}

function withPayload(head: Buffer, fieldsAt: number, values: readonly Buffer[]): Buffer {
  let offset = head.length;
  values.forEach((value, index) => {
    const at = fieldsAt + index * 8;
    head.writeUInt16LE(value.length, at);
    head.writeUInt16LE(value.length, at + 2);
    head.writeUInt32LE(offset, at + 4);
    offset += value.length;
  });
  return Buffer.concat([head, ...values]);
}

function header(type: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.set(SIGNATURE);
  bytes.writeUInt32LE(type, 8);
  return bytes;
}

function ntlmClient({ user: given, secret }: SaslLogin): SaslClient {
  checkField(NAME, 'user', given, /[\0\r\n]/);
  const { user, domain } = splitUser(given);
  const hello = header(1, 32);
  hello.writeUInt32LE(FLAGS, 12);
  let said = false;
  return {
    name: NAME,
    start: () => hello,
    next(bytes) {
      const challenge = Buffer.from(bytes);
      // A server that did not take the first message asks for it: it has nothing to say yet.
      if (!said && !challenge.subarray(0, 8).equals(SIGNATURE)) {
        said = true;
        return hello;
      }
      const info = challenge.length >= 48 ? fieldAt(challenge, 40) : undefined;
      if (challenge.length < 48 || challenge.readUInt32LE(8) !== 2 || info === undefined)
        throw new AuthError(`${NAME}: the server's challenge is malformed, or older than version 2`, {
          reason: 'MALFORMED_CHALLENGE',
        });
      const clock = timestampOf(info);
      const time = clock ?? Buffer.alloc(8);
      if (clock === undefined) time.writeBigUInt64LE(EPOCH + BigInt(Date.now()) * 10_000n);
      const key = ntlmKey(user, domain, secret);
      const { nt, lm } = ntlmResponses(key, challenge.subarray(24, 32), randomBytes(8), time, info);
      // With the server's clock the LM response must be empty: MS-NLMP section 3.1.5.1.2.
      const responses = [clock === undefined ? lm : Buffer.alloc(24), nt];
      const message = header(3, 64);
      message.writeUInt32LE(FLAGS, 60);
      return withPayload(message, 12, [...responses, utf16(domain), utf16(user), Buffer.alloc(0), Buffer.alloc(0)]);
    },
    finish() {},
  };
}

function ntlmServer(accounts: Accounts): SaslServer {
  const challenge = randomBytes(8);
  let asked = false;
  return {
    name: NAME,
    next(response) {
      const message = Buffer.from(response ?? []);
      if (message.length < 12 || !message.subarray(0, 8).equals(SIGNATURE))
        return response === undefined
          ? { kind: 'challenge', data: new Uint8Array(0) }
          : { kind: 'failure', text: 'malformed message' };
      if (!asked && message.readUInt32LE(8) === 1) {
        asked = true;
        const name = utf16('LOCALHOST');
        const time = Buffer.alloc(12);
        time.writeUInt16LE(TIMESTAMP, 0);
        time.writeUInt16LE(8, 2);
        time.writeBigUInt64LE(EPOCH + BigInt(Date.now()) * 10_000n, 4);
        const info = Buffer.concat([Buffer.from([2, 0, name.length, 0]), name, time, Buffer.alloc(4)]);
        const head = header(2, 48);
        head.writeUInt32LE(FLAGS, 20);
        head.set(challenge, 24);
        const filled = withPayload(head, 12, [name]);
        filled.writeUInt16LE(info.length, 40);
        filled.writeUInt16LE(info.length, 42);
        filled.writeUInt32LE(filled.length, 44);
        return { kind: 'challenge', data: Buffer.concat([filled, info]) };
      }
      const [nt, domainBytes, userBytes] = [20, 28, 36].map((at) => fieldAt(message, at));
      if (!asked || nt === undefined || nt.length < 44 || domainBytes === undefined || userBytes === undefined)
        return { kind: 'failure', text: 'malformed message, or NTLM before version 2' };
      const [user, domain] = [userBytes.toString('utf16le'), domainBytes.toString('utf16le')];
      const known = domain === '' ? user : `${domain}\\${user}`;
      const password = accounts.password(known);
      const proof = hmac(ntlmKey(user, domain, password ?? ''), challenge, nt.subarray(16));
      return password !== undefined && timingSafeEqual(proof, nt.subarray(0, 16))
        ? { kind: 'success', user: known, authzid: undefined }
        : { kind: 'failure', text: 'wrong user or password' };
    },
  };
}

/** NTLM version 2, for Exchange servers that have nothing better over a connection that nobody can read. @see MS-NLMP */
export const ntlm: Mechanism = {
  name: NAME,
  secrecy: 'hashed',
  uses: 'password',
  client: ntlmClient,
  server: ntlmServer,
};
