import { encodeText } from '../wire/bytes.ts';
import { type Mechanism, passwordMatches } from './mechanism.ts';
import { checkField, saslprep, splitNul } from './text.ts';

/** The password itself, in one message. @see RFC 4616 section 2 */
export const plain: Mechanism = {
  name: 'PLAIN',
  secrecy: 'plain',
  uses: 'password',
  client({ user, secret, authzid = '' }) {
    const fields = { authzid, user: saslprep(user), password: saslprep(secret) };
    for (const [name, value] of Object.entries(fields)) checkField('PLAIN', name, value, /\0/);
    const message = encodeText(`${fields.authzid}\0${fields.user}\0${fields.password}`);
    return { name: 'PLAIN', start: () => message, next: () => message, finish() {} };
  },
  server(accounts) {
    return {
      name: 'PLAIN',
      next(response) {
        if (response === undefined) return { kind: 'challenge', data: new Uint8Array(0) };
        const [authzid, user, password, ...rest] = splitNul(response);
        if (user === undefined || password === undefined || rest.length > 0)
          return { kind: 'failure', text: 'malformed PLAIN message' };
        if (!passwordMatches(accounts, user, password, saslprep))
          return { kind: 'failure', text: 'wrong user or password' };
        return { kind: 'success', user, authzid: authzid === '' ? undefined : authzid };
      },
    };
  },
};
