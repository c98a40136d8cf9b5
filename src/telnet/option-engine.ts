import type { TelnetVerb } from './codec.ts';

/** Whose behaviour an option is about: ours (WILL, DO us) or the peer's. */
export type TelnetSide = 'us' | 'them';

/** What the engine needs of its surroundings. */
export interface OptionHost {
  /** Puts a request or an answer on the wire. */
  send(verb: TelnetVerb, option: number): void;
  /** Whether a peer that asks for the option, for that side, gets it. */
  accepts(side: TelnetSide, option: number): boolean;
  /** The option was switched on or off. */
  changed?(side: TelnetSide, option: number, on: boolean): void;
}

type State = 'no' | 'yes' | 'want-no' | 'want-yes';

interface Slot {
  state: State;
  /** While we wait for an answer: we want the opposite once it is there. */
  opposite: boolean;
  /** Times the peer was refused, or had switched it on, since `calm`. */
  refused: number;
  accepted: number;
  waiting: ((on: boolean) => void)[];
}

/** How often a peer is told no, and how often it may switch one option on, before it is left without an answer. */
const MAX_REFUSALS = 2;
const MAX_ACCEPTANCES = 8;

/**
 * The Q method of RFC 1143 for every option and both sides: an answer only where the state changes, so that two engines always come to
 * rest. A peer that keeps asking is bounded beyond that: after a few refusals the same request gets no further answer, and an option that is
 * toggled over and over stays off.
 */
export class OptionEngine {
  readonly #host: OptionHost;
  readonly #slots = { us: new Map<number, Slot>(), them: new Map<number, Slot>() };

  constructor(host: OptionHost) {
    this.#host = host;
  }

  /** True while the option is on. */
  on(side: TelnetSide, option: number): boolean {
    return this.#slots[side].get(option)?.state === 'yes';
  }

  /** True when no answer is outstanding. */
  get settled(): boolean {
    return !['us' as const, 'them' as const].some((side) =>
      [...this.#slots[side].values()].some(({ state }) => state.startsWith('want')),
    );
  }

  /** Options that are on. */
  enabled(side: TelnetSide): number[] {
    return [...this.#slots[side]].filter(([, slot]) => slot.state === 'yes').map(([option]) => option);
  }

  /** Asks for it. Resolves, once the peer has answered, with whether it is on. */
  enable(side: TelnetSide, option: number): Promise<boolean> {
    return this.#ask(side, option, true);
  }

  /** Asks to end it, which cannot be refused. Resolves with whether it is on: false, unless it was enabled anew. */
  disable(side: TelnetSide, option: number): Promise<boolean> {
    return this.#ask(side, option, false);
  }

  /** Our own side goes on talking: what the peer asks from here on is not a loop. */
  calm(): void {
    for (const side of ['us', 'them'] as const)
      for (const slot of this.#slots[side].values()) slot.refused = slot.accepted = 0;
  }

  /** The connection is gone: nobody will answer any more. */
  end(): void {
    for (const side of ['us', 'them'] as const)
      for (const slot of this.#slots[side].values()) for (const resolve of slot.waiting.splice(0)) resolve(false);
  }

  /** What the peer asked or answered. */
  receive(verb: TelnetVerb, option: number): void {
    const side = verb === 'WILL' || verb === 'WONT' ? 'them' : 'us';
    const slot = this.#slot(side, option);
    if (verb === 'WILL' || verb === 'DO') this.#receiveYes(side, option, slot);
    else this.#receiveNo(side, option, slot);
    if (slot.state === 'yes' || slot.state === 'no')
      for (const resolve of slot.waiting.splice(0)) resolve(slot.state === 'yes');
  }

  #receiveYes(side: TelnetSide, option: number, slot: Slot): void {
    switch (slot.state) {
      case 'yes':
        return;
      case 'no':
        if (slot.accepted < MAX_ACCEPTANCES && this.#host.accepts(side, option)) {
          slot.accepted++;
          // First the answer: a handler may begin at once, and its first bytes belong behind it.
          this.#send(side, option, true);
          this.#set(side, option, slot, 'yes');
        } else if (slot.refused < MAX_REFUSALS) {
          slot.refused++;
          this.#send(side, option, false);
        }
        return;
      case 'want-no':
        // An error of the peer: yes is no answer to a no. RFC 1143 takes it as the opposite of what we want last.
        this.#set(side, option, slot, slot.opposite ? 'yes' : 'no');
        slot.opposite = false;
        return;
      case 'want-yes':
        if (!slot.opposite) return this.#set(side, option, slot, 'yes');
        slot.opposite = false;
        slot.state = 'want-no';
        this.#send(side, option, false);
    }
  }

  #receiveNo(side: TelnetSide, option: number, slot: Slot): void {
    switch (slot.state) {
      case 'no':
        return;
      case 'yes':
        this.#set(side, option, slot, 'no');
        this.#send(side, option, false);
        return;
      case 'want-no':
        this.#set(side, option, slot, 'no');
        if (!slot.opposite) return;
        slot.opposite = false;
        slot.state = 'want-yes';
        this.#send(side, option, true);
        return;
      case 'want-yes':
        slot.opposite = false;
        this.#set(side, option, slot, 'no');
    }
  }

  #ask(side: TelnetSide, option: number, on: boolean): Promise<boolean> {
    const slot = this.#slot(side, option);
    if (slot.state === (on ? 'yes' : 'no')) return Promise.resolve(on);
    if (slot.state === (on ? 'no' : 'yes')) {
      // What we switch off is off for us at once; what we ask for is on when the peer agrees.
      if (on) slot.state = 'want-yes';
      else this.#set(side, option, slot, 'want-no');
      slot.opposite = false;
      this.#send(side, option, on);
    } else slot.opposite = slot.state !== (on ? 'want-yes' : 'want-no');
    return new Promise((resolve) => slot.waiting.push(resolve));
  }

  #set(side: TelnetSide, option: number, slot: Slot, state: State): void {
    const before = slot.state === 'yes';
    slot.state = state;
    if (before !== (state === 'yes')) this.#host.changed?.(side, option, state === 'yes');
  }

  #send(side: TelnetSide, option: number, on: boolean): void {
    this.#host.send(side === 'us' ? (on ? 'WILL' : 'WONT') : on ? 'DO' : 'DONT', option);
  }

  #slot(side: TelnetSide, option: number): Slot {
    const slots = this.#slots[side];
    let slot = slots.get(option);
    if (slot === undefined) {
      slot = { state: 'no', opposite: false, refused: 0, accepted: 0, waiting: [] };
      slots.set(option, slot);
    }
    return slot;
  }
}
