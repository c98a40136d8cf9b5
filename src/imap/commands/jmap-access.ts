import type { ImapCommand } from '../command.ts';

/** Where the same mail can be had by JMAP: the URL of its session. @see RFC 9698 section 3 */
export function getJmapAccess(): ImapCommand<string | undefined> {
  let url: string | undefined;
  return {
    verb: 'GETJMAPACCESS',
    needs: 'JMAPACCESS',
    takes: ['JMAPACCESS'],
    data({ reader }) {
      url = reader.nstring() ?? undefined;
    },
    done: () => url,
  };
}
