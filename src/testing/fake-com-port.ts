import {
  type ComPortControl,
  type ComPortLineBit,
  type ComPortMessage,
  type ComPortModemBit,
  type ComPortPurge,
  bitsOfNames,
  comPortControls,
  comPortLineBits,
  comPortModemBits,
  comPortPurges,
  decodeComPort,
  encodeComPort,
  parseControl,
} from '../telnet/com-port-codec.ts';

export interface FakeComPortOptions {
  readonly signature?: string | undefined;
  /** Rates that the port takes; another leaves it as it is, and the answer says so. Default: all. */
  readonly baudRates?: readonly number[] | undefined;
}

type NumberCommand = Extract<ComPortMessage, { readonly value: number }>['command'];

/** The serial port of a fake Telnet server: what a client set, and what the port does by itself. @see RFC 2217 */
export class FakeComPort {
  /** The signature of the client, where it told one. */
  clientSignature: string | undefined;
  /** What was purged, in order. */
  readonly purged: ComPortPurge[] = [];
  /** True while the client wants no output. */
  suspended = false;
  readonly #options: FakeComPortOptions;
  readonly #send: (content: Uint8Array) => void;
  readonly #values = new Map<NumberCommand, number>([
    ['baud-rate', 9600],
    ['data-bits', 8],
    ['parity', 1],
    ['stop-bits', 1],
    ['line-state-mask', 0],
    ['modem-state-mask', 255],
  ]);
  readonly #controls = new Map<ComPortControl, number>([
    ['flow', 1],
    ['break', 6],
    ['dtr', 8],
    ['rts', 11],
    ['inbound-flow', 14],
  ]);
  #modem = 0;

  constructor(options: FakeComPortOptions, send: (content: Uint8Array) => void) {
    this.#options = options;
    this.#send = send;
  }

  /** How the port is set, by the names and numbers of RFC 2217. */
  get settings(): Readonly<Record<string, number | string>> {
    const number = (name: NumberCommand): number => this.#values.get(name) ?? 0;
    const word = (name: ComPortControl): string => parseControl(this.#controls.get(name) ?? 0)?.name ?? '';
    return {
      'baud-rate': number('baud-rate'),
      'data-bits': number('data-bits'),
      parity: number('parity'),
      'stop-bits': number('stop-bits'),
      ...Object.fromEntries((Object.keys(comPortControls) as ComPortControl[]).map((name) => [name, word(name)])),
    };
  }

  /** The device raises and drops lines: told to the client where its mask asks for it. */
  setModemState(on: readonly ComPortModemBit[]): void {
    const before = this.#modem;
    this.#modem = bitsOfNames(comPortModemBits, on);
    const mask = this.#values.get('modem-state-mask') ?? 0;
    if (((before ^ this.#modem) & mask) !== 0) this.#tell('modem-state', this.#modem & mask);
  }

  /** The line reports: told to the client where its mask asks for it. */
  setLineState(on: readonly ComPortLineBit[]): void {
    const value = bitsOfNames(comPortLineBits, on) & (this.#values.get('line-state-mask') ?? 0);
    if (value !== 0) this.#tell('line-state', value);
  }

  /** The port wants no more from the client, or takes it again. */
  suspendClient(on: boolean): void {
    this.#send(encodeComPort({ command: on ? 'suspend' : 'resume' }, 'server'));
  }

  /** What the client's subnegotiation asks. */
  receive(content: Uint8Array): void {
    const message = decodeComPort(content, 'client');
    if (message === undefined) return;
    switch (message.command) {
      case 'signature':
        if (message.text !== '') this.clientSignature = message.text;
        else this.#send(encodeComPort({ command: 'signature', text: this.#options.signature ?? 'fake' }, 'server'));
        return;
      case 'suspend':
      case 'resume':
        this.suspended = message.command === 'suspend';
        return;
      case 'control':
        return this.#control(message.value);
      case 'purge': {
        const which = Object.entries(comPortPurges).find(([, code]) => code === message.value)?.[0];
        if (which !== undefined) this.purged.push(which as ComPortPurge);
        return this.#tell('purge', message.value);
      }
      default:
        this.#set(message.command, message.value);
    }
  }

  #set(command: NumberCommand, value: number): void {
    const { baudRates } = this.#options;
    const isMask = command.endsWith('-mask');
    const taken = command !== 'baud-rate' || baudRates === undefined || baudRates.includes(value);
    if ((isMask || value !== 0) && taken) this.#values.set(command, value);
    this.#tell(command, this.#values.get(command) ?? 0);
    // The present state answers a mask once.
    if (command === 'modem-state-mask') this.#tell('modem-state', this.#modem & value);
  }

  #control(value: number): void {
    const asked = parseControl(value);
    if (asked === undefined) return;
    if (asked.name !== undefined) this.#controls.set(asked.control, value);
    this.#tell('control', this.#controls.get(asked.control) ?? 0);
  }

  #tell(command: NumberCommand, value: number): void {
    this.#send(encodeComPort({ command, value }, 'server'));
  }
}
