import { AuthError } from '../errors.ts';
import { decodeText, encodeText } from '../wire/bytes.ts';
import type { Accounts, Mechanism, SaslClient, SaslServer } from './mechanism.ts';
import { checkField } from './text.ts';

const SOH = '\u0001';

/** The error document that a server sends as a challenge when it refuses a token; undefined when it is none. */
export function decodeOAuthError(challenge: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const document: unknown = JSON.parse(decodeText(challenge));
    return typeof document === 'object' && document !== null ? (document as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A client of either mechanism: one message; a challenge can only be an error, which must be answered before the server says no.
 * The document is kept for the AuthError that follows.
 */
function bearerClient(
  name: string,
  message: string,
  answer: string,
): SaslClient & { oauth: Readonly<Record<string, unknown>> | undefined } {
  return {
    name,
    oauth: undefined,
    start: () => encodeText(message),
    next(challenge) {
      if (challenge.length === 0) return encodeText(message);
      if (this.oauth !== undefined)
        throw new AuthError(`${name}: the server keeps asking after refusing the token`, { reusable: false });
      this.oauth = decodeOAuthError(challenge) ?? { error: decodeText(challenge) };
      return encodeText(answer);
    },
    finish() {},
  };
}

function bearerServer(name: string, accounts: Accounts, userOf: (message: string) => string | undefined): SaslServer {
  let refused = false;
  return {
    name,
    next(response) {
      if (refused) return { kind: 'failure', text: 'token refused' };
      if (response === undefined) return { kind: 'challenge', data: new Uint8Array(0) };
      const message = decodeText(response);
      const user = userOf(message);
      const token = /(?:^|\u0001)auth=Bearer ([^\u0001]*)\u0001/i.exec(message)?.[1];
      if (user !== undefined && token !== undefined && accounts.token?.(user, token) === true)
        return { kind: 'success', user, authzid: undefined };
      refused = true;
      return {
        kind: 'challenge',
        data: encodeText(JSON.stringify({ status: '401', schemes: 'bearer', scope: 'mail' })),
      };
    },
  };
}

/** Google's and Microsoft's form of a bearer token. @see https://developers.google.com/gmail/imap/xoauth2-protocol */
export const xoauth2: Mechanism = {
  name: 'XOAUTH2',
  secrecy: 'plain',
  uses: 'token',
  client({ user, secret }) {
    checkField('XOAUTH2', 'user', user, /[\0\u0001\r\n]/);
    checkField('XOAUTH2', 'token', secret, /[\0\u0001\r\n]/);
    return bearerClient('XOAUTH2', `user=${user}${SOH}auth=Bearer ${secret}${SOH}${SOH}`, '');
  },
  server: (accounts) => bearerServer('XOAUTH2', accounts, (message) => /^user=([^\u0001]*)\u0001/.exec(message)?.[1]),
};

/** A bearer token in the standard's form. @see RFC 7628 section 3.1 */
export const oauthBearer: Mechanism = {
  name: 'OAUTHBEARER',
  secrecy: 'plain',
  uses: 'token',
  client({ user, secret, host, port }) {
    checkField('OAUTHBEARER', 'user', user, /[\0\u0001\r\n]/);
    checkField('OAUTHBEARER', 'token', secret, /[\0\u0001\r\n]/);
    const authzid = user.replace(/=/g, '=3D').replace(/,/g, '=2C');
    return bearerClient(
      'OAUTHBEARER',
      `n,a=${authzid},${SOH}host=${host}${SOH}port=${port}${SOH}auth=Bearer ${secret}${SOH}${SOH}`,
      SOH,
    );
  },
  server: (accounts) =>
    bearerServer('OAUTHBEARER', accounts, (message) =>
      /^n,a=([^,]*),/.exec(message)?.[1]?.replace(/=2C/g, ',').replace(/=3D/g, '='),
    ),
};
