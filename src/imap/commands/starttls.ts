import type { ImapCommand } from '../command.ts';
import type { TlsOptions } from '../../socket/tls.ts';
import type { CallOptions } from '../../socket/connection.ts';
import type { ImapStatus } from '../codec/response.ts';

/** Begins TLS before anything more is read. Resolves with a refusal too. @see RFC 9051 section 6.2.1 */
export function startTls(options: TlsOptions, call: CallOptions): ImapCommand<ImapStatus> {
  let agreed = false;
  return {
    verb: 'STARTTLS',
    states: ['greeted'],
    alone: true,
    accepts: () => true,
    done(status) {
      agreed = status.status === 'OK';
      return status;
    },
    async upgrade(connection) {
      if (agreed) await connection.startTls(options, call);
    },
  };
}
