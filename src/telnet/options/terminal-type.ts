import { type OptionContext, type OptionHandler, SEND, is } from './handler.ts';

/** One name after the other; the last twice, which tells the server that it was the last, then from the start. @see RFC 1091 */
export function terminalType(context: OptionContext): OptionHandler {
  const types = context.given.terminalTypes ?? [];
  let next = 0;
  return {
    accepts: (side) => side === 'us' && types.length > 0,
    receive(content) {
      if (content[0] !== SEND || !context.on('us')) return;
      const at = next;
      next = at >= types.length ? 0 : at + 1;
      context.send(is(types[Math.min(at, types.length - 1)] ?? ''));
    },
  };
}
