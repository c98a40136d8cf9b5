import { type OptionContext, type OptionHandler, IS, SEND } from './handler.ts';

/** Tells what is on. A code of 240 would be doubled; none of ours is. @see RFC 859 */
export function status(context: OptionContext): OptionHandler {
  const WILL = 251;
  const DO = 253;
  return {
    accepts: (side) => side === 'us',
    receive(content) {
      if (content[0] !== SEND || !context.on('us')) return;
      const { engine } = context;
      const list = [
        ...engine.enabled('us').flatMap((option) => [WILL, option]),
        ...engine.enabled('them').flatMap((option) => [DO, option]),
      ];
      context.send(Uint8Array.from([IS, ...list]));
    },
  };
}
