import type { ImapCommand } from '../command.ts';

/** Asks what the server offers. @see RFC 9051 section 6.1.1 */
export const capability = (): ImapCommand<void> => ({
  verb: 'CAPABILITY',
  states: ['greeted', 'authenticated', 'selected'],
  takes: ['CAPABILITY'],
  data({ reader }, context) {
    context.setCapabilities(reader.rest().split(' ').filter(Boolean));
  },
  done() {},
});
