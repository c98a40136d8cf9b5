import type { ImapCommand } from '../command.ts';
import type { ImapStatus } from '../codec/response.ts';

/**
 * A SASL exchange: each go-ahead of the server is a challenge, answered by what `respond` gives, in base64. Resolves with a refusal too.
 *
 *     C: A1 AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=
 *
 * @see RFC 9051 section 6.2.2, RFC 4959
 */
export const authenticate = (
  mechanism: string,
  initial: Uint8Array | undefined,
  respond: (challenge: string) => Promise<Uint8Array>,
): ImapCommand<ImapStatus> => ({
  verb: 'AUTHENTICATE',
  states: ['greeted'],
  alone: true,
  encode(writer) {
    writer.atom('the mechanism', mechanism);
    if (initial !== undefined) writer.base64(initial);
  },
  continuation: respond,
  accepts: () => true,
  done: (status) => status,
});
