import { concatBytes, encodeText, latin1 } from '../../wire/bytes.ts';
import type { OptionContext, OptionHandler } from './handler.ts';

const REQUEST = 1;
const ACCEPTED = 2;
const REJECTED = 3;

/** Takes the first of ours that the server names; from there on it is the encoding. @see RFC 2066 */
export function charset(context: OptionContext): OptionHandler {
  const { charsets = [] } = context.given;
  return {
    accepts: () => context.given.charsets !== undefined,
    receive(content) {
      if (content[0] !== REQUEST || !(context.on('us') || context.on('them'))) return;
      let rest = content.subarray(1);
      // A translation table that the server offers is not taken: its name and version byte are skipped.
      if (latin1(rest, 0, Math.min(8, rest.length)) === '[TTABLE]') rest = rest.subarray(9);
      const text = latin1(rest);
      const offered = text.slice(1).split(text.charAt(0));
      for (const wanted of charsets) {
        const name = offered.find((each) => each.toLowerCase() === wanted.toLowerCase());
        if (name === undefined) continue;
        context.useCharset(wanted);
        context.send(concatBytes([Uint8Array.of(ACCEPTED), encodeText(name)]));
        return;
      }
      context.send(Uint8Array.of(REJECTED));
    },
  };
}
