import type { ImapCommand } from '../command.ts';
import { deflateLayer } from '../../socket/deflate.ts';

/** Compresses both directions from here on. @see RFC 4978 */
export const compress = (): ImapCommand<void> => {
  let agreed = false;
  return {
    verb: 'COMPRESS',
    needs: 'COMPRESS=DEFLATE',
    alone: true,
    encode(writer) {
      writer.word('DEFLATE');
    },
    done() {
      agreed = true;
    },
    upgrade(connection) {
      if (agreed) connection.wrap(deflateLayer);
    },
  };
};
