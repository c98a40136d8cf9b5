/** The functions of special characters, by number from 1. @see RFC 1184 section 2.4 */
export const lineFunctions = [
  'SYNCH',
  'BRK',
  'IP',
  'AO',
  'AYT',
  'EOR',
  'ABORT',
  'EOF',
  'SUSP',
  'EC',
  'EL',
  'EW',
  'RP',
  'LNEXT',
  'XON',
  'XOFF',
  'FORW1',
  'FORW2',
  'MCL',
  'MCR',
  'MCWL',
  'MCWR',
  'MCBOL',
  'MCEOL',
  'INSRT',
  'OVER',
  'ECR',
  'EWR',
  'EBOL',
  'EEOL',
] as const;
export type LineFunction = (typeof lineFunctions)[number];

/** How the terminal is to treat lines. @see RFC 1184 section 2.2 */
export interface LineMode {
  /** Lines are edited here, and sent whole. */
  readonly edit: boolean;
  /** The characters for interrupt, quit and suspend are sent as commands. */
  readonly trapSignals: boolean;
  /** Tabs are expanded here. */
  readonly softTab: boolean;
  /** Control characters are echoed as they are. */
  readonly literalEcho: boolean;
}

/** A special character as both sides have it: its byte, or none. */
export interface SpecialCharacter {
  readonly name: LineFunction;
  readonly byte: number | undefined;
}

export const MODE = 1;
export const FORWARDMASK = 2;
export const SLC = 3;
const EDIT = 1;
const TRAPSIG = 2;
const MODE_ACK = 4;
const SOFT_TAB = 8;
const LIT_ECHO = 16;
export const ALL_MODES: number = EDIT | TRAPSIG | SOFT_TAB | LIT_ECHO;

/** The mode that the mask says, and whether it is an answer; undefined without a mask. */
export function parseMode(mask: number | undefined): { readonly mode: LineMode; readonly ack: boolean } | undefined {
  if (mask === undefined) return undefined;
  const has = (bit: number): boolean => (mask & bit) !== 0;
  return {
    mode: { edit: has(EDIT), trapSignals: has(TRAPSIG), softTab: has(SOFT_TAB), literalEcho: has(LIT_ECHO) },
    ack: has(MODE_ACK),
  };
}

export const encodeMode = (mask: number, ack: boolean): Uint8Array =>
  Uint8Array.of(MODE, (mask & ALL_MODES) | (ack ? MODE_ACK : 0));

/** One special character on the wire: function, level and flags, byte. */
export interface SlcTriplet {
  readonly code: number;
  readonly level: number;
  readonly flags: number;
  readonly byte: number;
}

export const SLC_NOSUPPORT = 0;
export const SLC_CANTCHANGE = 1;
export const SLC_VALUE = 2;
export const SLC_DEFAULT = 3;
export const SLC_ACK = 128;
const LEVELS = 3;

/** Triplets; what is left over at the end is none. */
export function decodeSlc(content: Uint8Array): SlcTriplet[] {
  const triplets: SlcTriplet[] = [];
  for (let at = 0; at + 2 < content.length; at += 3) {
    const [code = 0, modifiers = 0, byte = 0] = content.subarray(at, at + 3);
    triplets.push({ code, level: modifiers & LEVELS, flags: modifiers & ~LEVELS, byte });
  }
  return triplets;
}

export const encodeSlc = (triplets: readonly SlcTriplet[]): Uint8Array =>
  Uint8Array.from([SLC, ...triplets.flatMap(({ code, level, flags, byte }) => [code, level | flags, byte])]);
