import { decodeText, encodeText } from '../wire/bytes.ts';
import type { Mechanism, SaslServer } from './mechanism.ts';
import { checkField } from './text.ts';

/** One message from the client; `decide` says who that is. */
function oneMessage(name: string, decide: (message: string) => string | undefined): SaslServer {
  return {
    name,
    next(response) {
      if (response === undefined) return { kind: 'challenge', data: new Uint8Array(0) };
      const user = decide(decodeText(response));
      return user === undefined
        ? { kind: 'failure', text: 'not known by the connection' }
        : { kind: 'success', user, authzid: undefined };
    },
  };
}

/** The connection itself proves who this is: by the client's certificate. @see RFC 4422 appendix A */
export const external: Mechanism = {
  name: 'EXTERNAL',
  secrecy: 'hashed',
  uses: 'nothing',
  client({ authzid = '' }) {
    const message = encodeText(checkField('EXTERNAL', 'authzid', authzid, /\0/));
    return { name: 'EXTERNAL', start: () => message, next: () => message, finish() {} };
  },
  server: (accounts) => oneMessage('EXTERNAL', (authzid) => accounts.external?.(authzid)),
};

/** No proof at all; the user is a trace for the server's log. @see RFC 4505 */
export const anonymous: Mechanism = {
  name: 'ANONYMOUS',
  secrecy: 'hashed',
  uses: 'nothing',
  client({ user }) {
    const message = encodeText(checkField('ANONYMOUS', 'user', user, /[\0\r\n]/));
    return { name: 'ANONYMOUS', start: () => message, next: () => message, finish() {} };
  },
  server: () => oneMessage('ANONYMOUS', () => 'anonymous'),
};
