import type { ImapCommand } from '../command.ts';

/** Asks for pending updates and resets the server's idle timer. @see RFC 9051 section 6.1.2 */
export const noop = (): ImapCommand<void> => ({
  verb: 'NOOP',
  states: ['greeted', 'authenticated', 'selected'],
  done() {},
});

/** Asks for a checkpoint of the selected mailbox. @see RFC 3501 section 6.4.1 */
export const check = (): ImapCommand<void> => ({ verb: 'CHECK', states: ['selected'], done() {} });
