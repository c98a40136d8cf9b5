import { concatBytes } from '../../wire/bytes.ts';
import { type OptionContext, type OptionHandler, IS, SEND } from './handler.ts';

const VAR = 0;
const VALUE = 1;
const ESC = 2;
const USERVAR = 3;
/** Variables that every system has. @see RFC 1572 section 2 */
const wellKnown = new Set(['USER', 'JOB', 'ACCT', 'PRINTER', 'SYSTEMTYPE', 'DISPLAY']);

/** Only what the caller listed: the process's environment is never read. @see RFC 1572 */
export function environment(context: OptionContext): OptionHandler {
  const { environment: listed } = context.given;
  return {
    accepts: (side) => side === 'us' && listed !== undefined,
    receive(content) {
      if (content[0] === SEND && context.on('us')) context.send(answer(listed ?? {}, content.subarray(1)));
    },
  };
}

function answer(listed: Readonly<Record<string, string>>, asked: Uint8Array): Uint8Array {
  const values = new Map(Object.entries(listed));
  const kindOf = (name: string): number => (wellKnown.has(name) ? VAR : USERVAR);
  const wanted = new Map<string, number>();
  const requests = parseRequests(asked);
  for (const { kind, name } of requests) if (name !== '') wanted.set(name, kind);
  const all = requests.length === 0;
  for (const name of values.keys())
    if (all || requests.some((each) => each.name === '' && each.kind === kindOf(name))) wanted.set(name, kindOf(name));
  const pieces: Uint8Array[] = [Uint8Array.of(IS)];
  for (const [name, kind] of wanted) {
    const value = values.get(name);
    pieces.push(Uint8Array.of(kind), escaped(name));
    if (value !== undefined) pieces.push(Uint8Array.of(VALUE), escaped(value));
  }
  return concatBytes(pieces);
}

function parseRequests(bytes: Uint8Array): { kind: number; name: string }[] {
  const requests: { kind: number; name: string }[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === VAR || byte === USERVAR) requests.push({ kind: byte, name: '' });
    else {
      const last = requests.at(-1);
      if (last !== undefined) last.name += String.fromCharCode((byte === ESC ? bytes[++at] : byte) ?? 0);
    }
  }
  return requests;
}

/** A name from the server may hold the codes of this option. */
const escaped = (text: string): Uint8Array =>
  encodeLatin1(text.replace(codes, (code) => String.fromCharCode(ESC) + code));

// oxlint-disable-next-line no-control-regex -- VAR, VALUE, ESC and USERVAR
const codes = /[\u0000-\u0003]/g;

const encodeLatin1 = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
