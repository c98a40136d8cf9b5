import type { LineMode, SpecialCharacter } from './linemode-codec.ts';
import type { ComPortLineBit, ComPortModemBit } from './com-port-codec.ts';

/** @see https://tintin.mudhalla.net/protocols/gmcp/ */
export interface GmcpMessage {
  /** 'Char.Vitals' */
  readonly name: string;
  /** The JSON behind it; undefined where there is none. */
  readonly data: unknown;
}

/** What a session tells of beside its output, by name. */
export interface TelnetEvents {
  /** A command of the server's that is no negotiation: 'GA' and 'EOR' mark prompts. A number where it has no name. */
  readonly command: string | number;
  /** How the server wants lines to be treated; the client has agreed. @see RFC 1184 section 2.2 */
  readonly lineMode: LineMode;
  /** All special characters that are agreed on, at every change. @see RFC 1184 section 2.4 */
  readonly specialCharacters: readonly SpecialCharacter[];
  /** Whether the terminal is to heed XOFF, and what lets it go on. @see RFC 1372 */
  readonly flowControl: { readonly on: boolean; readonly restartAny: boolean };
  readonly gmcp: GmcpMessage;
  /** What a game server says of itself: by name, one value or more. @see https://tintin.mudhalla.net/protocols/mssp/ */
  readonly mssp: ReadonlyMap<string, readonly string[]>;
  /** The state of a serial line, as `comPort.watchLine` asked: all that is on. @see RFC 2217 */
  readonly lineState: readonly ComPortLineBit[];
  /** The state of a modem's lines, as `comPort.watchModem` asked: all that is on. @see RFC 2217 */
  readonly modemState: readonly ComPortModemBit[];
}

export type TelnetEventName = keyof TelnetEvents;

/** Who listens to what. */
export class Listeners {
  readonly #listeners = new Map<TelnetEventName, Set<(value: never) => void>>();

  /** Returns what ends the listening. */
  on<Name extends TelnetEventName>(name: Name, listener: (value: TelnetEvents[Name]) => void): () => void {
    let set = this.#listeners.get(name);
    if (set === undefined) this.#listeners.set(name, (set = new Set()));
    set.add(listener);
    return () => set.delete(listener);
  }

  emit<Name extends TelnetEventName>(name: Name, value: TelnetEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as (value: TelnetEvents[Name]) => void)(value);
  }
}
