import { UnsupportedError, UsageError } from '../errors.ts';
import { type CallOptions, checkCall } from '../socket/connection.ts';
import {
  type ComPortControl,
  type ComPortFlowControl,
  type ComPortInboundFlowControl,
  type ComPortLineBit,
  type ComPortMessage,
  type ComPortModemBit,
  type ComPortParity,
  type ComPortPurge,
  bitsOfNames,
  comPortControls,
  comPortLineBits,
  comPortModemBits,
  comPortParities,
  comPortPurges,
  comPortStopBits,
  parseControl,
} from './com-port-codec.ts';
import { telnetOptions } from './options/table.ts';
import type { TelnetSession } from './session.ts';

/** How the serial port behind a server is set. */
export interface ComPortSettings {
  /** Bits per second. */
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: ComPortParity;
  readonly stopBits: 1 | 1.5 | 2;
  /** Of what is sent to the device; of both ways unless `inboundFlowControl` says otherwise. */
  readonly flowControl: ComPortFlowControl;
  readonly inboundFlowControl: ComPortInboundFlowControl;
}

/** The lines that this side drives. */
export interface ComPortLines {
  readonly break: boolean;
  readonly dtr: boolean;
  readonly rts: boolean;
}

type Request = { readonly message: ComPortMessage; readonly read: (answer: ComPortMessage) => unknown };
type NumberCommand = Extract<ComPortMessage, { readonly value: number }>['command'];

/** One value on the wire: how it is checked and written, asked for, and read. */
interface Field {
  readonly encode: (value: unknown) => number | undefined;
  readonly expected: string;
  readonly command: NumberCommand;
  readonly ask: number;
  readonly read: (code: number) => unknown;
}

const named = (command: NumberCommand, ask: number, codes: Readonly<Record<string, number>>): Field => ({
  command,
  ask,
  expected: Object.keys(codes).join(', '),
  encode: (value) => (Object.hasOwn(codes, String(value)) ? codes[String(value)] : undefined),
  read: (code) => Object.entries(codes).find(([, each]) => each === code)?.[0],
});
const control = (name: ComPortControl): Field =>
  named('control', comPortControls[name].ask, comPortControls[name].values);
const asNumber = (field: Field): Field => ({
  ...field,
  encode: (value) => (typeof value === 'number' ? field.encode(value) : undefined),
  read: (code) => {
    const name = field.read(code);
    return name === undefined ? undefined : Number(name);
  },
});
const asSwitch = (field: Field): Field => ({ ...field, read: (code) => field.read(code) === 'on' });

const settingFields: Readonly<Record<keyof ComPortSettings, Field>> = {
  baudRate: {
    command: 'baud-rate',
    ask: 0,
    expected: 'a whole number from 1 to 4294967295',
    encode: (value) =>
      typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 2 ** 32 ? value : undefined,
    read: (code) => code,
  },
  dataBits: asNumber(named('data-bits', 0, { 5: 5, 6: 6, 7: 7, 8: 8 })),
  parity: named('parity', 0, comPortParities),
  stopBits: asNumber(named('stop-bits', 0, comPortStopBits)),
  flowControl: control('flow'),
  inboundFlowControl: control('inbound-flow'),
};
const lineFields: Readonly<Record<keyof ComPortLines, Field>> = {
  break: asSwitch(control('break')),
  dtr: asSwitch(control('dtr')),
  rts: asSwitch(control('rts')),
};

/**
 * The serial port behind a server that speaks RFC 2217. Calls may be made concurrently: requests leave at once, and each gets its own answer.
 * UnsupportedError where the server has no such port, or does not take a value; ExpectTimeout when it does not answer.
 *
 * @see RFC 2217
 */
export class TelnetComPort {
  readonly #session: TelnetSession;

  constructor(session: TelnetSession) {
    this.#session = session;
  }

  /** What the server calls its port; '' where it does not say. */
  async signature(call: CallOptions = {}): Promise<string> {
    const [text] = await this.#ask(
      [{ message: { command: 'signature', text: '' }, read: (answer) => ('text' in answer ? answer.text : '') }],
      call,
    );
    return text as string;
  }

  /**
   * How the port is set. What the server does not tell in words of RFC 2217 is undefined; some answer nothing to one of them, such as
   * `inboundFlowControl`: ask for `fields` then.
   */
  settings(
    call: CallOptions & { readonly fields?: readonly (keyof ComPortSettings)[] | undefined } = {},
  ): Promise<Partial<ComPortSettings>> {
    const { fields = Object.keys(settingFields) as (keyof ComPortSettings)[] } = call;
    for (const field of fields) checkField(settingFields, field);
    return this.#read(settingFields, fields, call);
  }

  /** Sets what is given, all at once. UnsupportedError where the server answers with another value, which it keeps. */
  async configure(settings: Partial<ComPortSettings>, call: CallOptions = {}): Promise<void> {
    await this.#write(settingFields, settings, call);
  }

  /** The state of the lines that this side drives. */
  lines(call: CallOptions = {}): Promise<Partial<ComPortLines>> {
    return this.#read(lineFields, Object.keys(lineFields) as (keyof ComPortLines)[], call);
  }

  /** Drives lines: `{ dtr: false, rts: true }`. `break: true` holds the break until it is set to false. */
  async setLines(lines: Partial<ComPortLines>, call: CallOptions = {}): Promise<void> {
    const words = Object.entries(lines).map(([name, on]) => {
      if (typeof on !== 'boolean') throw new UsageError(`${name} must be true or false`);
      return [name, on ? 'on' : 'off'];
    });
    await this.#write(lineFields, Object.fromEntries(words) as Record<string, unknown>, call);
  }

  /** Sends a break of that length, in milliseconds. Default 250. It is ended also where the wait is aborted. */
  async sendBreak(call: CallOptions & { readonly durationMs?: number | undefined } = {}): Promise<void> {
    const { durationMs = 250, signal } = call;
    if (!(durationMs > 0 && durationMs < 60_000))
      throw new UsageError('durationMs must be a positive number of milliseconds below 60000');
    await this.setLines({ break: true }, call);
    try {
      await new Promise<void>((resolve, reject) => {
        signal?.throwIfAborted();
        const onAbort = (): void => {
          clearTimeout(timer);
          reject(signal?.reason as Error);
        };
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        }, durationMs);
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      if (!this.#session.ended) await this.setLines({ break: false }, { timeoutMs: call.timeoutMs });
    }
  }

  /** Throws away what waits in the server's buffers. */
  async purge(which: ComPortPurge, call: CallOptions = {}): Promise<void> {
    if (!Object.hasOwn(comPortPurges, which))
      throw new UsageError(`purge takes receive, transmit or both; got ${JSON.stringify(which)}`);
    await this.#ask([{ message: { command: 'purge', value: comPortPurges[which] }, read: () => undefined }], call);
  }

  /** Says which states of the line the event 'lineState' is to tell. */
  watchLine(bits: readonly ComPortLineBit[], call: CallOptions = {}): Promise<void> {
    return this.#watch('line-state-mask', comPortLineBits, bits, call);
  }

  /** Says changes of which of the modem's lines the event 'modemState' is to tell. Most servers tell the present state once, at that. */
  watchModem(bits: readonly ComPortModemBit[], call: CallOptions = {}): Promise<void> {
    return this.#watch('modem-state-mask', comPortModemBits, bits, call);
  }

  /** Asks the server to send no output until `resume`. When it asks that of us, what is written waits. */
  async suspend(call: CallOptions = {}): Promise<void> {
    await this.#open(call);
    this.#session.handlers['COM-PORT'].tell({ command: 'suspend' });
  }

  async resume(call: CallOptions = {}): Promise<void> {
    await this.#open(call);
    this.#session.handlers['COM-PORT'].tell({ command: 'resume' });
  }

  async #watch<Name extends string>(
    command: 'line-state-mask' | 'modem-state-mask',
    names: readonly Name[],
    bits: readonly Name[],
    call: CallOptions,
  ): Promise<void> {
    for (const bit of bits)
      if (!names.includes(bit))
        throw new UsageError(`${JSON.stringify(bit)} is none of the states; there are ${names.join(', ')}`);
    await this.#open(call);
    // QUIRK(ser2net 4.3): it does as it is told and answers nothing, so the answer of those that give one is not waited for.
    this.#session.handlers['COM-PORT'].tell({ command, value: bitsOfNames(names, bits) });
  }

  async #read<Fields extends object>(
    fields: Readonly<Record<keyof Fields, Field>>,
    names: readonly (keyof Fields)[],
    call: CallOptions,
  ): Promise<Partial<Fields>> {
    const requests = names.map((name) => {
      const { command, ask, read } = fields[name];
      return { message: { command, value: ask } as const, read: (answer: ComPortMessage) => read(valueOf(answer)) };
    });
    const answers = await this.#ask(requests, call);
    return Object.fromEntries(names.map((name, index) => [name, answers[index]])) as Partial<Fields>;
  }

  async #write(
    fields: Readonly<Record<string, Field>>,
    values: Readonly<Record<string, unknown>>,
    call: CallOptions,
  ): Promise<void> {
    const given = Object.entries(values).filter(([, value]) => value !== undefined);
    const codes = given.map(([name, value]) => {
      const field = checkField(fields, name);
      const code = field.encode(value);
      if (code === undefined) throw new UsageError(`${name} must be ${field.expected}; got ${JSON.stringify(value)}`);
      return { name, field, code, value };
    });
    const answers = await this.#ask(
      codes.map(({ field, code }) => ({ message: { command: field.command, value: code } as const, read: valueOf })),
      call,
    );
    const refused = codes.find(({ code }, index) => answers[index] !== code);
    if (refused === undefined) return;
    const { name, field, value } = refused;
    const answer = answers[codes.indexOf(refused)] as number;
    const kept = field.command === 'control' ? parseControl(answer)?.name : field.read(answer);
    throw new UnsupportedError(
      `${this.#session.where} does not set ${name} to ${String(value)}; it says ${JSON.stringify(kept) ?? 'nothing'}`,
      { ...this.#session.details(), reason: 'COM_PORT_REFUSED', reusable: true },
    );
  }

  async #ask(requests: readonly Request[], call: CallOptions): Promise<unknown[]> {
    await this.#open(call);
    const { handlers } = this.#session;
    const answers = requests.map(async ({ message, read }) => read(await handlers['COM-PORT'].ask(message)));
    const what = requests.map(({ message }) => message.command).join(', ');
    const result = await this.#session.within(
      Promise.race([Promise.all(answers), this.#session.over]),
      `an answer about its serial port (${what})`,
      call,
    );
    if (result === undefined) throw this.#session.closedError();
    return result;
  }

  async #open(call: CallOptions): Promise<void> {
    const session = this.#session;
    session.needsTelnet();
    checkCall(call);
    const COM_PORT = telnetOptions['COM-PORT'];
    if (!session.accepts('us', COM_PORT))
      throw new UsageError('the serial port is not asked for: connect with comPort: true');
    if (session.engine.on('us', COM_PORT)) return;
    const on = await session.within(session.engine.enable('us', COM_PORT), 'an answer about COM-PORT', call);
    if (session.ended) throw session.closedError();
    if (!on)
      throw new UnsupportedError(`${session.where} has no serial port to control: it refuses COM-PORT`, {
        ...session.details(),
        reason: 'NO_COM_PORT',
        reusable: true,
      });
  }
}

const valueOf = (answer: ComPortMessage): number => ('value' in answer ? answer.value : 0);

function checkField(fields: Readonly<Record<string, Field>>, name: string): Field {
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field === undefined)
    throw new UsageError(`${JSON.stringify(name)} is not set so; there are ${Object.keys(fields).join(', ')}`);
  return field;
}
