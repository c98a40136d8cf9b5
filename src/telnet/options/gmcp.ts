import { encodeText, utf8 } from '../../wire/bytes.ts';
import type { OptionContext, OptionHandler } from './handler.ts';

/** A package's message: 'Char.Vitals {"hp":1}'. @see https://tintin.mudhalla.net/protocols/gmcp/ */
export const encodeGmcp = (name: string, data?: unknown): Uint8Array =>
  encodeText(data === undefined ? name : `${name} ${JSON.stringify(data)}`);

/** What a message says; undefined where it is none: data that is no JSON, or no name. */
export function decodeGmcp(content: Uint8Array): { readonly name: string; readonly data: unknown } | undefined {
  const [, name, text] = /^([\w.-]{1,256})(?:[ \r\n\t]+([^]*))?$/.exec(utf8(content)) ?? [];
  if (name === undefined) return undefined;
  if (text === undefined || text.trim() === '') return { name, data: undefined };
  try {
    return { name, data: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

export function gmcp(context: OptionContext): OptionHandler {
  return {
    accepts: (side) => side === 'them' && context.given.gmcp === true,
    receive(content) {
      const message = context.on('them') ? decodeGmcp(content) : undefined;
      if (message !== undefined) context.events.emit('gmcp', message);
    },
  };
}
