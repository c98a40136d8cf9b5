import { LimitError } from '../errors.ts';
import type { ByteQueue, Decoder } from '../wire/byte-queue.ts';
import { CR, LF, concatBytes, indexOfByte } from '../wire/bytes.ts';

/** "Interpret as command": begins every command; doubled, it is the byte 255 itself. @see RFC 854 */
export const IAC = 255;

/** Commands by name. @see RFC 854, RFC 885 (EOR) */
export const telnetCommands = {
  EOF: 236,
  SUSP: 237,
  ABORT: 238,
  EOR: 239,
  SE: 240,
  NOP: 241,
  DM: 242,
  BRK: 243,
  IP: 244,
  AO: 245,
  AYT: 246,
  EC: 247,
  EL: 248,
  GA: 249,
  SB: 250,
  WILL: 251,
  WONT: 252,
  DO: 253,
  DONT: 254,
} as const;

export type TelnetCommandName = keyof typeof telnetCommands;
export type TelnetVerb = 'WILL' | 'WONT' | 'DO' | 'DONT';

/** A piece of a Telnet stream. Data has its 255s undoubled and, unless binary, no NUL behind a CR. */
export type TelnetEvent =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'command'; readonly code: number }
  | { readonly kind: 'negotiate'; readonly verb: TelnetVerb; readonly option: number }
  | { readonly kind: 'subnegotiation'; readonly option: number; readonly bytes: Uint8Array };

const { SB, SE, WILL, DONT } = telnetCommands;
const verbs: readonly TelnetVerb[] = ['WILL', 'WONT', 'DO', 'DONT'];
/** The cap on one subnegotiation, in bytes. */
export const MAX_SUBNEGOTIATION_BYTES = 16 * 1024;

export interface TelnetDecoderOptions {
  /** True while the sender is in BINARY: then NUL behind CR is data. Asked at every span. */
  readonly isBinary?: (() => boolean) | undefined;
  readonly maxSubnegotiationBytes?: number | undefined;
}

/**
 * One event of a stream, both roles. Data comes as views of what was received, everything up to the next IAC at once. LimitError when a
 * subnegotiation passes the cap. One that another command cuts short is dropped, and the command stands.
 *
 * @see RFC 854, RFC 855
 */
export function telnetDecoder(options: TelnetDecoderOptions = {}): Decoder<TelnetEvent> {
  const { isBinary = () => false, maxSubnegotiationBytes = MAX_SUBNEGOTIATION_BYTES } = options;
  /** The last data byte was a CR: a NUL behind it belongs to it, even with commands between. */
  let afterCr = false;
  /** What has come of a subnegotiation, its option first; undefined outside of one. */
  let sub: Uint8Array[] | undefined;
  let subBytes = 0;

  /** The span without NULs behind CRs: the span itself where there are none, which is nearly always. */
  const takeData = (span: Uint8Array): Uint8Array => {
    if (isBinary()) {
      afterCr = false;
      return span;
    }
    const kept: Uint8Array[] = [];
    let from = 0;
    for (let at = indexOfByte(span, 0); at >= 0; at = indexOfByte(span, 0, at + 1)) {
      if (!(at === 0 ? afterCr : span[at - 1] === CR)) continue;
      kept.push(span.subarray(from, at));
      from = at + 1;
    }
    afterCr = span[span.length - 1] === CR;
    return from === 0 ? span : concatBytes([...kept, span.subarray(from)]);
  };

  const addToSub = (span: Uint8Array): void => {
    subBytes += span.length;
    if (subBytes > maxSubnegotiationBytes)
      throw new LimitError(`the peer sent a subnegotiation longer than ${maxSubnegotiationBytes} bytes`, {
        reason: 'SUBNEGOTIATION_TOO_LONG',
      });
    // A copy: a piece of a byte must not keep the whole chunk that it came in.
    sub?.push(Uint8Array.from(span));
  };

  /** Plain bytes or, at an IAC, one whole command; undefined where more is needed; 'nothing' for what yields no event. */
  const step = (queue: ByteQueue): TelnetEvent | 'nothing' | undefined => {
    const at = queue.indexOf(IAC);
    if (at !== 0) {
      if (queue.length === 0) return undefined;
      const span = queue.take(at < 0 ? queue.length : at);
      if (sub !== undefined) {
        addToSub(span);
        return 'nothing';
      }
      const bytes = takeData(span);
      return bytes.length === 0 ? 'nothing' : { kind: 'data', bytes };
    }
    const code = queue.at(1);
    if (code === undefined) return undefined;
    if (code === IAC) {
      const byte = queue.take(2).subarray(1);
      if (sub === undefined) {
        afterCr = false;
        return { kind: 'data', bytes: byte };
      }
      addToSub(byte);
      return 'nothing';
    }
    if (code >= WILL && code <= DONT) {
      const option = queue.at(2);
      if (option === undefined) return undefined;
      queue.take(3);
      sub = undefined;
      return { kind: 'negotiate', verb: verbs[code - WILL] as TelnetVerb, option };
    }
    queue.take(2);
    if (code === SE) {
      const bytes = sub === undefined ? undefined : concatBytes(sub);
      sub = undefined;
      // One without an option, or an end without a beginning, says nothing.
      if (bytes === undefined || bytes.length === 0) return 'nothing';
      return { kind: 'subnegotiation', option: bytes[0] as number, bytes: bytes.subarray(1) };
    }
    sub = code === SB ? [] : undefined;
    subBytes = 0;
    return code === SB ? 'nothing' : { kind: 'command', code };
  };

  return (queue) => {
    for (;;) {
      const event = step(queue);
      if (event !== 'nothing') return event;
    }
  };
}

/** Doubles every 255. The very same bytes where there is none. */
export function escapeIac(bytes: Uint8Array): Uint8Array {
  let at = indexOfByte(bytes, IAC);
  if (at < 0) return bytes;
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (; at >= 0; at = indexOfByte(bytes, IAC, at + 1)) {
    pieces.push(bytes.subarray(from, at + 1));
    from = at;
  }
  return concatBytes([...pieces, bytes.subarray(from)]);
}

/** Data as it travels: 255 doubled and, unless binary, NUL behind every CR that no LF follows. @see RFC 854, "The NVT printer" */
export function encodeTelnetData(bytes: Uint8Array, binary = false): Uint8Array {
  if (binary) return escapeIac(bytes);
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (let at = indexOfByte(bytes, CR); at >= 0; at = indexOfByte(bytes, CR, at + 1)) {
    if (bytes[at + 1] === LF) continue;
    pieces.push(bytes.subarray(from, at + 1), NUL);
    from = at + 1;
  }
  return escapeIac(pieces.length === 0 ? bytes : concatBytes([...pieces, bytes.subarray(from)]));
}

const NUL = Uint8Array.of(0);

export const encodeCommand = (name: TelnetCommandName): Uint8Array => Uint8Array.of(IAC, telnetCommands[name]);

export const encodeNegotiation = (verb: TelnetVerb, option: number): Uint8Array =>
  Uint8Array.of(IAC, telnetCommands[verb], option);

/** IAC SB option … IAC SE, the content's 255s doubled. */
export const encodeSubnegotiation = (option: number, bytes: Uint8Array): Uint8Array =>
  concatBytes([Uint8Array.of(IAC, SB), escapeIac(Uint8Array.of(option)), escapeIac(bytes), Uint8Array.of(IAC, SE)]);

const commandNames = new Map<number, TelnetCommandName>(
  Object.entries(telnetCommands).map(([name, code]) => [code, name as TelnetCommandName]),
);

/** The name of a command; undefined where it has none. */
export const commandName = (code: number): TelnetCommandName | undefined => commandNames.get(code);
