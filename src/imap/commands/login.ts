import type { ImapCommand } from '../command.ts';
import type { ImapStatus } from '../codec/response.ts';

/** Logs in by user and password. Resolves with a refusal too. @see RFC 9051 section 6.2.3 */
export const login = (user: string, password: string): ImapCommand<ImapStatus> => ({
  verb: 'LOGIN',
  states: ['greeted'],
  alone: true,
  encode(writer) {
    writer.astring('the user', user).secret('the password', password);
  },
  accepts: () => true,
  done: (status) => status,
});
