import type { ImapCommand } from '../command.ts';

/** Takes leave. Any answer will do. @see RFC 9051 section 6.1.3 */
export const logout = (): ImapCommand<void> => ({
  verb: 'LOGOUT',
  states: ['greeted', 'authenticated', 'selected'],
  alone: true,
  accepts: () => true,
  done() {},
});

/** Back to the state before the login, on the same connection. @see RFC 8437 */
export const unauthenticate = (): ImapCommand<void> => ({
  verb: 'UNAUTHENTICATE',
  needs: 'UNAUTHENTICATE',
  alone: true,
  done() {},
});
