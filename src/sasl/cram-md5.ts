import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { decodeText, encodeText } from '../wire/bytes.ts';
import type { Mechanism } from './mechanism.ts';
import { checkField } from './text.ts';

const digest = (password: string, challenge: Uint8Array): string =>
  createHmac('md5', password).update(challenge).digest('hex');

/** Proof of the password by a keyed hash of the server's challenge. @see RFC 2195 section 2 */
export const cramMd5: Mechanism = {
  name: 'CRAM-MD5',
  secrecy: 'hashed',
  uses: 'password',
  client({ user, secret }) {
    checkField('CRAM-MD5', 'user', user, /[\0\r\n]/);
    checkField('CRAM-MD5', 'password', secret, /[\0\r\n]/);
    return {
      name: 'CRAM-MD5',
      start: () => undefined,
      next: (challenge) => encodeText(`${user} ${digest(secret, challenge)}`),
      finish() {},
    };
  },
  server(accounts) {
    let challenge: Uint8Array | undefined;
    return {
      name: 'CRAM-MD5',
      next(response) {
        if (challenge === undefined) {
          challenge = encodeText(`<${randomBytes(12).toString('hex')}@localhost>`);
          return { kind: 'challenge', data: challenge };
        }
        const text = decodeText(response ?? new Uint8Array(0));
        const at = text.lastIndexOf(' ');
        const user = text.slice(0, at);
        const password = accounts.password(user);
        const given = Buffer.from(
          text
            .slice(at + 1)
            .padEnd(32)
            .slice(0, 32),
        );
        if (at < 0 || password === undefined || !timingSafeEqual(given, Buffer.from(digest(password, challenge)))) {
          return { kind: 'failure', text: 'wrong user or password' };
        }
        return { kind: 'success', user, authzid: undefined };
      },
    };
  },
};
