import { concatBytes, encodeText, utf8 } from '../../wire/bytes.ts';
import type { OptionContext, OptionHandler } from './handler.ts';

const VAR = 1;
const VAL = 2;

/** A game server's status: each name with its values. @see https://tintin.mudhalla.net/protocols/mssp/ */
export const encodeMssp = (status: Iterable<readonly [string, readonly string[]]>): Uint8Array =>
  concatBytes(
    [...status].flatMap(([name, values]) => [
      Uint8Array.of(VAR),
      encodeText(name),
      ...values.flatMap((value) => [Uint8Array.of(VAL), encodeText(value)]),
    ]),
  );

/** What stands before the first name, and a value without a name, says nothing. A name that comes again adds to its values. */
export function decodeMssp(content: Uint8Array): Map<string, string[]> {
  const status = new Map<string, string[]>();
  let values: string[] | undefined;
  for (let at = content.findIndex((byte) => byte === VAR || byte === VAL); at >= 0 && at < content.length;) {
    let end = at + 1;
    while (end < content.length && content[end] !== VAR && content[end] !== VAL) end++;
    const text = utf8(content.subarray(at + 1, end));
    if (content[at] === VAL) values?.push(text);
    else {
      values = status.get(text) ?? [];
      status.set(text, values);
    }
    at = end;
  }
  return status;
}

export function mssp(context: OptionContext): OptionHandler {
  return {
    accepts: (side) => side === 'them' && context.given.mssp === true,
    receive(content) {
      if (context.on('them')) context.events.emit('mssp', decodeMssp(content));
    },
  };
}
