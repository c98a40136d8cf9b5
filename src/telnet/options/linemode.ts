import {
  FORWARDMASK,
  MODE,
  SLC,
  SLC_ACK,
  SLC_DEFAULT,
  SLC_NOSUPPORT,
  type SlcTriplet,
  type SpecialCharacter,
  decodeSlc,
  encodeMode,
  encodeSlc,
  lineFunctions,
  parseMode,
} from '../linemode-codec.ts';
import type { OptionContext, OptionHandler } from './handler.ts';

const WILL = 251;
const WONT = 252;
const DO = 253;
const DONT = 254;

/**
 * Takes the mode and the special characters that the server sets, and says so once for each change: an answer is never answered, and what is as
 * it was gets none. Everything written leaves at once, so that whatever a FORWARDMASK names is forwarded. @see RFC 1184
 */
export function linemode(context: OptionContext): OptionHandler {
  let mask = 0;
  const characters = new Map<number, SlcTriplet>();

  const setMode = (value: number | undefined): void => {
    const asked = parseMode(value);
    if (asked === undefined || asked.ack || value === mask) return;
    mask = value ?? 0;
    context.send(encodeMode(mask, true));
    context.events.emit('lineMode', asked.mode);
  };

  const setCharacters = (triplets: readonly SlcTriplet[]): void => {
    const changed = new Map<number, SlcTriplet>();
    for (const triplet of triplets) {
      const { code, level, flags, byte } = triplet;
      if ((flags & SLC_ACK) !== 0 || code === 0) continue;
      if (code > lineFunctions.length || level === SLC_DEFAULT) {
        // Said once for each: a function that nobody knows, or that this side has no default for.
        if (characters.has(code)) continue;
        characters.set(code, { ...triplet, level: SLC_NOSUPPORT });
        changed.set(code, { code, level: SLC_NOSUPPORT, flags: 0, byte: 0 });
        continue;
      }
      const before = characters.get(code);
      if (before !== undefined && before.level === level && before.byte === byte) continue;
      const kept = level === SLC_NOSUPPORT ? { ...triplet, byte: 0 } : triplet;
      characters.set(code, kept);
      changed.set(code, { ...kept, level, flags: flags | SLC_ACK });
    }
    if (changed.size === 0) return;
    context.send(encodeSlc([...changed.values()]));
    context.events.emit('specialCharacters', special(characters));
  };

  return {
    accepts: (side) => side === 'us' && context.given.linemode === true,
    changed() {
      mask = 0;
      characters.clear();
    },
    receive(content) {
      if (!context.on('us')) return;
      const [verb, second] = content;
      if (verb === MODE) setMode(second);
      else if (verb === SLC) setCharacters(decodeSlc(content.subarray(1)));
      else if (verb === DO && second === FORWARDMASK) context.send(Uint8Array.of(WILL, FORWARDMASK));
      else if (verb === DONT && second === FORWARDMASK) context.send(Uint8Array.of(WONT, FORWARDMASK));
    },
  };
}

const special = (characters: ReadonlyMap<number, SlcTriplet>): SpecialCharacter[] =>
  lineFunctions.flatMap((name, index) => {
    const found = characters.get(index + 1);
    if (found === undefined) return [];
    return { name, byte: found.level === SLC_NOSUPPORT || found.byte === 255 ? undefined : found.byte };
  });
