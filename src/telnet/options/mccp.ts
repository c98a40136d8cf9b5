import { EMPTY } from '../../wire/bytes.ts';
import type { OptionContext, OptionHandler } from './handler.ts';

/** The server compresses what it sends, from where it says so. @see https://tintin.mudhalla.net/protocols/mccp/ */
export function mccp2(context: OptionContext): OptionHandler {
  return {
    accepts: (side) => side === 'them' && context.given.compression === true,
    receive() {
      if (context.on('them')) context.inflate();
    },
  };
}

/** The client compresses what it sends, once the server may have it so. @see https://tintin.mudhalla.net/protocols/mccp/ */
export function mccp3(context: OptionContext): OptionHandler {
  return {
    accepts: (side) => side === 'them' && context.given.compression === true,
    changed(side, on) {
      if (side !== 'them') return;
      if (on) context.send(EMPTY);
      context.deflate(on);
    },
  };
}
