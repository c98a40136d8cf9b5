import { concatBytes, encodeText, latin1 } from '../wire/bytes.ts';
import { telnetOptions } from './codec.ts';
import type { OptionEngine, TelnetSide } from './options.ts';
import type { TelnetOptions, TelnetWindow } from './target.ts';

const { BINARY, ECHO, SGA, STATUS, TTYPE, EOR, NAWS, TSPEED, XDISPLOC, CHARSET } = telnetOptions;
const NEW_ENVIRON = telnetOptions['NEW-ENVIRON'];
const IS = 0;
const SEND = 1;
const VAR = 0;
const VALUE = 1;
const ESC = 2;
const USERVAR = 3;
/** Variables that every system has. @see RFC 1572 section 2 */
const wellKnown = new Set(['USER', 'JOB', 'ACCT', 'PRINTER', 'SYSTEMTYPE', 'DISPLAY']);

/** What this side agrees to, and what it says in subnegotiations: what the caller gave, and nothing else. */
export class TelnetAnswers {
  readonly #given: TelnetOptions;
  readonly #chooseCharset: (name: string) => void;
  #window: TelnetWindow | undefined;
  #nextType = 0;

  constructor(given: TelnetOptions, chooseCharset: (name: string) => void) {
    this.#given = given;
    this.#chooseCharset = chooseCharset;
    this.#window = given.window;
  }

  /** Whether the server may have the option when it asks. */
  accepts(side: TelnetSide, option: number): boolean {
    const given = this.#given;
    const wanted: Record<TelnetSide, readonly (number | false)[]> = {
      us: [
        SGA,
        STATUS,
        given.binary !== false && BINARY,
        (given.terminalTypes?.length ?? 0) > 0 && TTYPE,
        this.#window !== undefined && NAWS,
        given.terminalSpeed !== undefined && TSPEED,
        given.xDisplay !== undefined && XDISPLOC,
        given.environment !== undefined && NEW_ENVIRON,
        given.charsets !== undefined && CHARSET,
      ],
      them: [SGA, ECHO, EOR, given.binary !== false && BINARY, given.charsets !== undefined && CHARSET],
    };
    return wanted[side].includes(option);
  }

  /** The window's size as NAWS tells it; undefined where none was given. */
  windowSize(): Uint8Array | undefined {
    if (this.#window === undefined) return undefined;
    const { columns, rows } = this.#window;
    return Uint8Array.of(columns >> 8, columns & 255, rows >> 8, rows & 255);
  }

  resize(window: TelnetWindow): void {
    this.#window = window;
  }

  /** The content of the answer to a subnegotiation; undefined where there is none to give. */
  answer(option: number, bytes: Uint8Array, engine: OptionEngine): Uint8Array | undefined {
    if (option === CHARSET)
      return engine.on('us', CHARSET) || engine.on('them', CHARSET) ? this.#charset(bytes) : undefined;
    if (bytes[0] !== SEND || !engine.on('us', option)) return undefined;
    const { terminalSpeed = '', xDisplay = '' } = this.#given;
    switch (option) {
      case TTYPE:
        return is(this.#terminalType());
      case TSPEED:
        return is(terminalSpeed);
      case XDISPLOC:
        return is(xDisplay);
      case STATUS:
        return status(engine);
      case NEW_ENVIRON:
        return this.#environment(bytes.subarray(1));
    }
    return undefined;
  }

  /** One after the other; the last twice, which tells the server that it was the last, then from the start. @see RFC 1091 */
  #terminalType(): string {
    const types = this.#given.terminalTypes ?? [];
    const at = this.#nextType;
    this.#nextType = at >= types.length ? 0 : at + 1;
    return types[Math.min(at, types.length - 1)] ?? '';
  }

  /** Takes the first of ours that the server names. @see RFC 2066 */
  #charset(bytes: Uint8Array): Uint8Array | undefined {
    const REQUEST = 1;
    const ACCEPTED = 2;
    const REJECTED = 3;
    if (bytes[0] !== REQUEST) return undefined;
    let rest = bytes.subarray(1);
    // A translation table that the server offers is not taken: its name and version byte are skipped.
    if (latin1(rest, 0, Math.min(8, rest.length)) === '[TTABLE]') rest = rest.subarray(9);
    const text = latin1(rest);
    const offered = text.slice(1).split(text.charAt(0));
    for (const wanted of this.#given.charsets ?? []) {
      const name = offered.find((each) => each.toLowerCase() === wanted.toLowerCase());
      if (name === undefined) continue;
      this.#chooseCharset(wanted);
      return concatBytes([Uint8Array.of(ACCEPTED), encodeText(name)]);
    }
    return Uint8Array.of(REJECTED);
  }

  /** Only what the caller listed: the process's environment is never read. @see RFC 1572 */
  #environment(asked: Uint8Array): Uint8Array {
    const values = new Map(Object.entries(this.#given.environment ?? {}));
    const kindOf = (name: string): number => (wellKnown.has(name) ? VAR : USERVAR);
    const wanted = new Map<string, number>();
    const requests = parseRequests(asked);
    for (const { kind, name } of requests) if (name !== '') wanted.set(name, kind);
    const all = requests.length === 0;
    for (const name of values.keys())
      if (all || requests.some((each) => each.name === '' && each.kind === kindOf(name)))
        wanted.set(name, kindOf(name));
    const pieces: Uint8Array[] = [Uint8Array.of(IS)];
    for (const [name, kind] of wanted) {
      const value = values.get(name);
      pieces.push(Uint8Array.of(kind), escaped(name));
      if (value !== undefined) pieces.push(Uint8Array.of(VALUE), escaped(value));
    }
    return concatBytes(pieces);
  }
}

const is = (text: string): Uint8Array => concatBytes([Uint8Array.of(IS), encodeText(text)]);

/** What is on, as RFC 859 lists it. A code of 240 would be doubled; none of ours is. */
function status(engine: OptionEngine): Uint8Array {
  const WILL = 251;
  const DO = 253;
  const list = [
    ...engine.enabled('us').flatMap((option) => [WILL, option]),
    ...engine.enabled('them').flatMap((option) => [DO, option]),
  ];
  return Uint8Array.from([IS, ...list]);
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
