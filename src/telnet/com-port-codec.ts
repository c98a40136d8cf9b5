import { concatBytes, encodeText, utf8 } from '../wire/bytes.ts';

/** Flow control of what is sent to the device, or both ways. */
export type ComPortFlowControl = 'none' | 'xon-xoff' | 'hardware' | 'dcd' | 'dsr';
/** Flow control of what the device sends, where it differs. */
export type ComPortInboundFlowControl = 'none' | 'xon-xoff' | 'hardware' | 'dtr';
export type ComPortParity = 'none' | 'odd' | 'even' | 'mark' | 'space';

/** One bit each, the highest first. @see RFC 2217, NOTIFY-LINESTATE */
export const comPortLineBits = [
  'time-out',
  'transfer-shift-register-empty',
  'transfer-holding-register-empty',
  'break-detect',
  'framing-error',
  'parity-error',
  'overrun-error',
  'data-ready',
] as const;
export type ComPortLineBit = (typeof comPortLineBits)[number];

/** One bit each, the highest first. @see RFC 2217, NOTIFY-MODEMSTATE */
export const comPortModemBits = [
  'cd',
  'ri',
  'dsr',
  'cts',
  'delta-cd',
  'trailing-edge-ri',
  'delta-dsr',
  'delta-cts',
] as const;
export type ComPortModemBit = (typeof comPortModemBits)[number];

/** The commands by number; the server's have 100 added. */
const commands = [
  'signature',
  'baud-rate',
  'data-bits',
  'parity',
  'stop-bits',
  'control',
  'line-state',
  'modem-state',
  'suspend',
  'resume',
  'line-state-mask',
  'modem-state-mask',
  'purge',
] as const;
const FROM_SERVER = 100;

export type ComPortCommand = (typeof commands)[number];
type TextCommand = 'signature';
type BareCommand = 'suspend' | 'resume';
/** A message of either side. In a request 0 asks for the value, as an empty signature does. */
export type ComPortMessage =
  | { readonly command: TextCommand; readonly text: string }
  | { readonly command: BareCommand }
  | { readonly command: Exclude<ComPortCommand, TextCommand | BareCommand>; readonly value: number };

export type ComPortRole = 'client' | 'server';

/** The content of a subnegotiation. @see RFC 2217 */
export function encodeComPort(message: ComPortMessage, from: ComPortRole): Uint8Array {
  const code = Uint8Array.of(commands.indexOf(message.command) + (from === 'server' ? FROM_SERVER : 0));
  if ('text' in message) return concatBytes([code, encodeText(message.text)]);
  if (!('value' in message)) return code;
  const { command, value } = message;
  const bytes =
    command === 'baud-rate'
      ? Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
      : Uint8Array.of(value);
  return concatBytes([code, bytes]);
}

/** What the content says; undefined for what is no message of that side, or has no value where it needs one. */
export function decodeComPort(content: Uint8Array, from: ComPortRole): ComPortMessage | undefined {
  const command = commands[(content[0] ?? -1) - (from === 'server' ? FROM_SERVER : 0)];
  if (command === undefined) return undefined;
  if (command === 'signature') return { command, text: utf8(content.subarray(1)) };
  if (command === 'suspend' || command === 'resume') return { command };
  if (command === 'baud-rate') {
    if (content.length < 5) return undefined;
    const value = content.subarray(1, 5).reduce((sum, byte) => sum * 256 + byte, 0);
    return { command, value };
  }
  const value = content[1];
  return value === undefined ? undefined : { command, value };
}

/** What SET-CONTROL is about, each with the values that it has; the first of them asks. */
export const comPortControls = {
  flow: { ask: 0, values: { none: 1, 'xon-xoff': 2, hardware: 3, dcd: 17, dsr: 19 } },
  break: { ask: 4, values: { on: 5, off: 6 } },
  dtr: { ask: 7, values: { on: 8, off: 9 } },
  rts: { ask: 10, values: { on: 11, off: 12 } },
  'inbound-flow': { ask: 13, values: { none: 14, 'xon-xoff': 15, hardware: 16, dtr: 18 } },
} as const;
export type ComPortControl = keyof typeof comPortControls;

/** What a value of SET-CONTROL is about, and its name there; no name where it asks. */
export function parseControl(value: number): { readonly control: ComPortControl; readonly name?: string } | undefined {
  for (const [control, { ask, values }] of Object.entries(comPortControls)) {
    if (value === ask) return { control: control as ComPortControl };
    const found = Object.entries(values).find(([, code]) => code === value);
    if (found !== undefined) return { control: control as ComPortControl, name: found[0] };
  }
  return undefined;
}

export const comPortParities: Readonly<Record<ComPortParity, number>> = { none: 1, odd: 2, even: 3, mark: 4, space: 5 };
export const comPortStopBits: Readonly<Record<'1' | '2' | '1.5', number>> = { '1': 1, '2': 2, '1.5': 3 };
export const comPortPurges = { receive: 1, transmit: 2, both: 3 } as const;
export type ComPortPurge = keyof typeof comPortPurges;

/** The bits that are on, by name. */
export const namesOfBits = <Name extends string>(names: readonly Name[], value: number): Name[] =>
  names.filter((_name, index) => (value & (128 >> index)) !== 0);

export const bitsOfNames = <Name extends string>(names: readonly Name[], on: readonly Name[]): number =>
  on.reduce((bits, name) => bits | (128 >> names.indexOf(name)), 0);
