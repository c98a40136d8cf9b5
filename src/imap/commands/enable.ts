import type { ImapCommand } from '../command.ts';

/** Switches extensions on; resolves with those that the server did. @see RFC 9051 section 6.3.1, RFC 5161 */
export function enable(capabilities: readonly string[]): ImapCommand<readonly string[]> {
  const enabled: string[] = [];
  return {
    verb: 'ENABLE',
    needs: 'ENABLE',
    states: ['authenticated'],
    alone: true,
    takes: ['ENABLED'],
    encode(writer) {
      for (const capability of capabilities) writer.atom('a capability', capability);
    },
    data({ reader }) {
      enabled.push(...reader.rest().toUpperCase().split(' ').filter(Boolean));
    },
    done(_, context) {
      context.setEnabled(enabled);
      return enabled;
    },
  };
}
