import { decodeText, encodeText } from '../wire/bytes.ts';
import { type Mechanism, passwordMatches } from './mechanism.ts';
import { checkField } from './text.ts';

/** User name and password, each as the answer to a prompt. Obsolete, but what many servers offer. @see draft-murchison-sasl-login */
export const login: Mechanism = {
  name: 'LOGIN',
  secrecy: 'plain',
  uses: 'password',
  client({ user, secret }) {
    const answers = [
      encodeText(checkField('LOGIN', 'user', user, /[\0\r\n]/)),
      encodeText(checkField('LOGIN', 'password', secret, /[\0\r\n]/)),
    ];
    let asked = 0;
    return {
      name: 'LOGIN',
      start: () => undefined,
      // The prompts' wording differs between servers; their order does not.
      next: () => answers[asked++] ?? new Uint8Array(0),
      finish() {},
    };
  },
  server(accounts) {
    let user: string | undefined;
    let asked = false;
    return {
      name: 'LOGIN',
      next(response) {
        if (response === undefined && !asked) {
          asked = true;
          return { kind: 'challenge', data: encodeText('Username:') };
        }
        const text = decodeText(response ?? new Uint8Array(0));
        if (user === undefined) {
          user = text;
          return { kind: 'challenge', data: encodeText('Password:') };
        }
        if (!passwordMatches(accounts, user, text)) return { kind: 'failure', text: 'wrong user or password' };
        return { kind: 'success', user, authzid: undefined };
      },
    };
  },
};
