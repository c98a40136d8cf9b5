import type { OptionEngine, TelnetSide } from '../option-engine.ts';
import type { Listeners } from '../events.ts';
import type { TelnetOptions } from '../target.ts';

/** What an option's handler gets of the session. */
export interface OptionContext {
  /** What the caller gave: all that the server may be told of this side. */
  readonly given: TelnetOptions;
  readonly engine: OptionEngine;
  readonly events: Listeners;
  /** Whether this option is on. */
  on(side: TelnetSide): boolean;
  /** Sends a subnegotiation of this option. */
  send(content: Uint8Array): void;
  /** What is read from here on, and written, is text in this charset. */
  useCharset(name: string): void;
  /** Holds back what the caller writes, or lets it go again. */
  hold(on: boolean): void;
  /** What the server sends behind this subnegotiation is compressed. */
  inflate(): void;
  /** What is sent from here on is compressed, or no longer. */
  deflate(on: boolean): void;
}

/** The client's part in one option. */
export interface OptionHandler {
  /** Whether the server may have it when it asks: our side of it, or its own. */
  accepts(side: TelnetSide): boolean;
  changed?(side: TelnetSide, on: boolean): void;
  /** The content of a subnegotiation. It may come while the option is off. */
  receive?(content: Uint8Array): void;
}

/** An option with no more to it than that it is on or off. */
export const flag =
  (accepts: (side: TelnetSide, given: TelnetOptions) => boolean) =>
  ({ given }: OptionContext): OptionHandler => ({ accepts: (side) => accepts(side, given) });

/** An option of ours with a text that the server may ask for: SEND, IS. */
export const told =
  (textOf: (given: TelnetOptions) => string | undefined) =>
  (context: OptionContext): OptionHandler => ({
    accepts: (side) => side === 'us' && textOf(context.given) !== undefined,
    receive(content) {
      const text = textOf(context.given);
      if (content[0] === SEND && context.on('us') && text !== undefined) context.send(is(text));
    },
  });

export const IS = 0;
export const SEND = 1;

export const is = (text: string): Uint8Array => Uint8Array.of(IS, ...Array.from(text, (each) => each.charCodeAt(0)));
