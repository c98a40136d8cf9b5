import type { ImapCommand } from '../command.ts';

/** Waits for news until the session ends it; resolves with false when the server ended it by itself. @see RFC 9051 section 6.3.13, RFC 2177 */
export const idle = (): ImapCommand<boolean> => ({
  verb: 'IDLE',
  needs: 'IDLE',
  alone: true,
  idles: true,
  done: (_, context) => context.askedToEnd,
});
