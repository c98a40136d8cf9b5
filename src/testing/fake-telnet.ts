import { ClosedError, UsageError } from '../errors.ts';
import type { Connection } from '../socket/connection.ts';
import {
  type TelnetEvent,
  encodeNegotiation,
  encodeSubnegotiation,
  encodeTelnetData,
  telnetDecoder,
} from '../telnet/codec.ts';
import { TelnetReader, TelnetWriter } from '../telnet/compression.ts';
import type { GmcpMessage } from '../telnet/events.ts';
import { OptionEngine } from '../telnet/option-engine.ts';
import { decodeGmcp, encodeGmcp } from '../telnet/options/gmcp.ts';
import { encodeMssp } from '../telnet/options/mssp.ts';
import { type TelnetOptionName, telnetOptions } from '../telnet/options/table.ts';
import { formatTelnetEvent } from '../telnet/show.ts';
import { agreeOnTls } from '../telnet/start-tls.ts';
import { EMPTY, concatBytes, encodeText, latin1, utf8 } from '../wire/bytes.ts';
import { FakeComPort, type FakeComPortOptions } from './fake-com-port.ts';
import { FakeServer, type FakeServerOptions } from './fake-server.ts';

/** What a command of the shell prints; a function gets the words behind it. */
export type FakeTelnetCommand = string | ((words: readonly string[], terminal: FakeTerminal) => string);

/** A step of a scripted dialogue: send this, or wait for a line; text must equal the line, an expression match it. */
export type FakeTelnetStep = { readonly send: string | Uint8Array } | { readonly line: string | RegExp };

export interface FakeTelnetOptions extends FakeServerOptions {
  /** Shown first. Line ends are as given. */
  readonly banner?: string | undefined;
  readonly prompt?: string | undefined;
  /** Commands by name, beside echo, true, false, lines, more and exit. */
  readonly commands?: Readonly<Record<string, FakeTelnetCommand>> | undefined;
  /** Instead of login and shell. The connection is closed behind it. */
  readonly dialogue?: readonly FakeTelnetStep[] | undefined;
  /** What the server asks for at once: its own options ('us') and the client's. Default: ECHO and SGA; TTYPE, NAWS and NEW-ENVIRON. */
  readonly negotiate?:
    | { readonly us?: readonly TelnetOptionName[] | undefined; readonly them?: readonly TelnetOptionName[] | undefined }
    | undefined;
  /** Charsets to ask the client for, once it agrees to CHARSET. */
  readonly charsets?: readonly string[] | undefined;
  /** Compression to offer: of what the server sends (MCCP2), of what the client sends (MCCP3), or both. */
  readonly compression?: 'server' | 'client' | 'both' | undefined;
  /** Messages of GMCP to send once the client takes them, by name. With none, `{}`, GMCP is offered all the same. */
  readonly gmcp?: Readonly<Record<string, unknown>> | undefined;
  /** Status to tell by MSSP. */
  readonly mssp?: Readonly<Record<string, readonly string[]>> | undefined;
  /** A serial port that the client may set, by RFC 2217. The shell is the device behind it. */
  readonly comPort?: FakeComPortOptions | undefined;
}

/** What a client told of its side. */
export interface FakeTerminal {
  readonly terminalTypes: string[];
  columns: number | undefined;
  rows: number | undefined;
  readonly environment: Map<string, string>;
  charset: string | undefined;
  /** GMCP messages of the client, in order. */
  readonly gmcp: GmcpMessage[];
  /** The server's serial port, as this client sees it. */
  comPort: FakeComPort | undefined;
}

const { ECHO, TTYPE, NAWS, CHARSET, BINARY } = telnetOptions;
const NEW_ENVIRON = telnetOptions['NEW-ENVIRON'];
const { GMCP, MSSP, MCCP2, MCCP3 } = telnetOptions;
const COM_PORT = telnetOptions['COM-PORT'];
const TIMING_MARK = telnetOptions['TIMING-MARK'];
const MAX_LINE = 8192;

/**
 * A Telnet server for tests, made of the client's codec and option engine: login where there are `users`, a small shell, or a dialogue.
 * `on` matches the shell's commands by name; 'STARTTLS', 'CONNECT', 'LOGIN' and 'PASSWORD' stand for what comes before
 * them.
 */
export class FakeTelnet extends FakeServer {
  readonly #options: FakeTelnetOptions;
  /** What each client told of itself, in the order in which they came. */
  readonly terminals: FakeTerminal[] = [];

  private constructor(options: FakeTelnetOptions) {
    super(options, (_code, text) => encodeText(`${text}\r\n`));
    this.#options = options;
  }

  static async start(options: FakeTelnetOptions = {}): Promise<FakeTelnet> {
    const server = new FakeTelnet(options);
    const passwords = Object.values(options.users ?? {}).filter((password) => password !== '');
    const mask = (line: string): string => passwords.reduce((text, each) => text.replaceAll(each, '***'), line);
    await server.start(options, 'TELNET', (connection) => server.#talk(connection), mask);
    return server;
  }

  get url(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    const scheme = { none: 'telnet', implicit: 'telnets', starttls: 'telnet+starttls' }[this.tlsMode];
    return `${scheme}://${host}:${this.port}`;
  }

  async #talk(connection: Connection): Promise<void> {
    const terminal: FakeTerminal = {
      terminalTypes: [],
      columns: undefined,
      rows: undefined,
      environment: new Map(),
      charset: undefined,
      gmcp: [],
      comPort: undefined,
    };
    this.terminals.push(terminal);
    const act = async (verb: string, argument: string): Promise<boolean> => {
      const outcome = await this.script.find(verb, { argument })?.perform(connection);
      if (outcome?.kind === 'gone') throw new ClosedError('the script ended the conversation');
      if (outcome?.kind === 'normal' && outcome.inject.length > 0) await connection.write([outcome.inject]);
      return outcome?.kind === 'replied';
    };
    try {
      if (this.tlsMode === 'starttls') {
        if (!(await agreeOnTls(connection, 'them'))) {
          await connection.write([encodeText('This server begins TLS, or nothing.\r\n')]);
          return await connection.close(100);
        }
        if (await act('STARTTLS', '')) return;
        await connection.startTls(this.serverTls);
      }
      const session = new FakeSession(connection, this.#options, terminal, act);
      try {
        await session.run();
      } finally {
        await session.end();
      }
      await connection.close(100);
    } catch (error) {
      // Clients leave as they like.
      if (!(error instanceof ClosedError)) throw error;
    }
  }
}

/** Starts a fake Telnet server on loopback. */
export const fakeTelnet = (options?: FakeTelnetOptions): Promise<FakeTelnet> => FakeTelnet.start(options);

/** Performs what is scripted for a command; true when that was the answer. */
type Act = (verb: string, argument: string) => Promise<boolean>;

class FakeSession {
  readonly #options: FakeTelnetOptions;
  readonly #terminal: FakeTerminal;
  readonly #act: Act;
  readonly #engine: OptionEngine;
  readonly #reader: TelnetReader<TelnetEvent>;
  readonly #writer: TelnetWriter;
  /** Typed and not yet a line. */
  #typed: Uint8Array[] = [];
  #typedBytes = 0;
  /** The line ended with CR: a LF behind it belongs to it. */
  #afterCr = false;
  readonly #lines: string[] = [];
  #hidden = false;
  /** Printed, and not yet sent. */
  readonly #held: string[] = [];
  #status = 0;

  constructor(connection: Connection, options: FakeTelnetOptions, terminal: FakeTerminal, act: Act) {
    this.#options = options;
    this.#terminal = terminal;
    this.#act = act;
    this.#engine = new OptionEngine({
      send: (verb, option) => this.#send(encodeNegotiation(verb, option), { kind: 'negotiate', verb, option }),
      accepts: (side, option) =>
        option === BINARY ||
        option === telnetOptions.SGA ||
        (side === 'us' && option === ECHO) ||
        (side === 'them' && option === NAWS) ||
        (side === 'them' && option === COM_PORT && options.comPort !== undefined),
      changed: (side, option, on) => {
        if (on && side === 'them') this.#ask(option);
        if (on && side === 'us') this.#begin(option);
      },
    });
    if (options.comPort !== undefined)
      terminal.comPort = new FakeComPort(options.comPort, (content) => this.#sub(COM_PORT, content));
    const decode = telnetDecoder({ isBinary: () => this.#engine.on('them', BINARY) });
    this.#reader = new TelnetReader(connection, decode, 250);
    this.#writer = new TelnetWriter(connection);
  }

  async run(): Promise<void> {
    const { negotiate, charsets, compression, gmcp, mssp, banner = '', dialogue } = this.#options;
    for (const name of negotiate?.us ?? ['ECHO', 'SGA']) void this.#engine.enable('us', telnetOptions[name]);
    for (const name of negotiate?.them ?? ['TTYPE', 'NAWS', 'NEW-ENVIRON'])
      void this.#engine.enable('them', telnetOptions[name]);
    if (compression === 'server' || compression === 'both') void this.#engine.enable('us', MCCP2);
    if (compression === 'client' || compression === 'both') void this.#engine.enable('us', MCCP3);
    if (gmcp !== undefined) void this.#engine.enable('us', GMCP);
    if (mssp !== undefined) void this.#engine.enable('us', MSSP);
    if (charsets !== undefined) void this.#engine.enable('them', CHARSET);
    if (await this.#act('CONNECT', '')) return;
    await this.#print(banner);
    if (dialogue !== undefined) return this.#perform(dialogue);
    if (this.#options.users !== undefined && !(await this.#login(this.#options.users))) return;
    await this.#shell();
  }

  /** Sends what is left, and frees what compresses. */
  async end(): Promise<void> {
    this.#writer.deflate(false);
    await this.#writer.flushed();
    this.#reader.end();
  }

  async #perform(steps: readonly FakeTelnetStep[]): Promise<void> {
    for (const step of steps) {
      if ('send' in step) {
        if (typeof step.send === 'string') await this.#print(step.send);
        else await this.#writer.write([step.send]);
        continue;
      }
      const line = await this.#line();
      if (typeof step.line === 'string' ? step.line !== line : !step.line.test(line))
        throw new UsageError(`the dialogue wants ${String(step.line)}; the client sent ${JSON.stringify(line)}`);
    }
  }

  async #login(users: Readonly<Record<string, string>>): Promise<boolean> {
    for (let attempt = 0; attempt < 3; attempt++) {
      await this.#print('login: ');
      const user = await this.#line();
      if (!(await this.#act('LOGIN', user))) {
        await this.#print('Password: ');
      }
      this.#hidden = true;
      const password = await this.#line();
      this.#hidden = false;
      await this.#print('\r\n');
      if (await this.#act('PASSWORD', user)) continue;
      if (Object.hasOwn(users, user) && users[user] === password) {
        await this.#print(`Welcome, ${user}\r\n`);
        return true;
      }
      await this.#print('\r\nLogin incorrect\r\n');
    }
    return false;
  }

  async #shell(): Promise<void> {
    for (;;) {
      await this.#print(this.#options.prompt ?? '$ ');
      const line = await this.#line();
      const [name = '', ...words] = line.trim().split(/ +/);
      if (name === '') continue;
      if (await this.#act(name, words.join(' '))) continue;
      if (name === 'exit') return;
      await this.#run(name, words);
    }
  }

  async #run(name: string, words: readonly string[]): Promise<void> {
    const { commands = {} } = this.#options;
    const before = this.#status;
    this.#status = 0;
    const own = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (own !== undefined) return this.#print(typeof own === 'string' ? own : own(words, this.#terminal));
    const [count = 0] = words.map(Number);
    switch (name) {
      case 'echo':
        return this.#print(`${words.map((word) => (word === '$?' ? String(before) : word)).join(' ')}\r\n`);
      case 'true':
        return;
      case 'lines':
        for (let number = 1; number <= count; number++) await this.#print(`line ${number}\r\n`);
        return;
      case 'more':
        for (let page = 1; page <= count; page++) {
          await this.#print(`page ${page}\r\n`);
          if (page < count) {
            await this.#print('--More--');
            await this.#key();
            await this.#print('\r        \r');
          }
        }
        return;
      default:
        this.#status = name === 'false' ? 1 : 127;
        if (name !== 'false') await this.#print(`${name}: not found\r\n`);
    }
  }

  /** Text with its 255s doubled; a terminal gets what is printed, so that line ends are the caller's. */
  #print(text: string): Promise<void> {
    if (text === '') return Promise.resolve();
    this.#held.push(text);
    return this.#terminal.comPort?.suspended === true ? Promise.resolve() : this.#release();
  }

  /** Prints what waits: a client may have suspended its serial port. */
  #release(): Promise<void> {
    const text = this.#held.splice(0).join('');
    if (text === '') return Promise.resolve();
    return this.#writer.write([{ bytes: encodeTelnetData(encodeText(text), true), shown: text.replace(/\r?\n$/, '') }]);
  }

  #send(bytes: Uint8Array, event: TelnetEvent): void {
    this.#writer.write([{ bytes, shown: formatTelnetEvent(event) }]).catch(() => undefined);
  }

  /** The next line that the client types. */
  async #line(): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      await this.#next();
    }
  }

  /** A key: what is typed outside of a line. */
  async #key(): Promise<void> {
    while (this.#typedBytes === 0 && this.#lines.length === 0) await this.#next();
    this.#typed = [];
    this.#typedBytes = 0;
    this.#lines.length = 0;
  }

  async #next(): Promise<void> {
    const event = this.#reader.tryNext('text') ?? (await this.#reader.next({ phase: 'idle' }));
    if (event.kind === 'data') this.#type(event.bytes);
    else if (event.kind === 'negotiate') {
      if (event.option !== TIMING_MARK) this.#engine.receive(event.verb, event.option);
      else if (event.verb === 'DO')
        this.#send(encodeNegotiation('WILL', TIMING_MARK), { kind: 'negotiate', verb: 'WILL', option: TIMING_MARK });
    } else if (event.kind === 'subnegotiation') this.#told(event.option, event.bytes);
    else if (event.code === 246) await this.#print('\r\n[yes]\r\n');
  }

  #type(bytes: Uint8Array): void {
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      const joined = byte === 10 && this.#afterCr;
      this.#afterCr = byte === 13;
      if (byte !== 13 && byte !== 10) continue;
      if (!joined) {
        this.#typed.push(bytes.subarray(from, at));
        this.#lines.push(utf8(concatBytes(this.#typed)));
        this.#echo(`${this.#lines.at(-1) as string}\r\n`);
        this.#typed = [];
        this.#typedBytes = 0;
      }
      from = at + 1;
    }
    if (from === bytes.length) return;
    this.#typed.push(bytes.subarray(from));
    this.#typedBytes += bytes.length - from;
    if (this.#typedBytes > MAX_LINE) throw new ClosedError('the client typed a line without end');
  }

  /** A whole line at once: this terminal has no editing. */
  #echo(text: string): void {
    if (!this.#hidden && this.#engine.on('us', ECHO)) void this.#print(text).catch(() => undefined);
  }

  /** Asks for what the option is there to tell. */
  #ask(option: number): void {
    const SEND = 1;
    if (option === TTYPE || option === NEW_ENVIRON) this.#sub(option, Uint8Array.of(SEND));
    if (option === CHARSET) this.#sub(option, encodeText(`\u0001;${(this.#options.charsets ?? []).join(';')}`));
  }

  /** Does what the option is there for, once the client has agreed. */
  #begin(option: number): void {
    const { gmcp = {}, mssp = {} } = this.#options;
    if (option === GMCP) for (const [name, data] of Object.entries(gmcp)) this.#sub(GMCP, encodeGmcp(name, data));
    if (option === MSSP) this.#sub(MSSP, encodeMssp(Object.entries(mssp)));
    if (option !== MCCP2) return;
    this.#sub(MCCP2, EMPTY);
    this.#writer.deflate(true);
  }

  #sub(option: number, bytes: Uint8Array): void {
    this.#send(encodeSubnegotiation(option, bytes), { kind: 'subnegotiation', option, bytes });
  }

  #told(option: number, bytes: Uint8Array): void {
    const terminal = this.#terminal;
    const [first = 0, second = 0, third = 0, fourth = 0] = bytes;
    if (option === MCCP3 && this.#engine.on('us', MCCP3)) this.#reader.inflate();
    else if (option === GMCP) {
      const message = decodeGmcp(bytes);
      if (message !== undefined) terminal.gmcp.push(message);
    } else if (option === COM_PORT) {
      terminal.comPort?.receive(bytes);
      if (terminal.comPort?.suspended === false) this.#release().catch(() => undefined);
    } else if (option === NAWS) {
      terminal.columns = first * 256 + second;
      terminal.rows = third * 256 + fourth;
    } else if (option === TTYPE && first === 0) {
      const name = latin1(bytes, 1);
      // The last one comes twice.
      if (terminal.terminalTypes.at(-1) === name || terminal.terminalTypes.length >= 16) return;
      terminal.terminalTypes.push(name);
      this.#sub(TTYPE, Uint8Array.of(1));
    } else if (option === CHARSET && first === 2) terminal.charset = latin1(bytes, 1);
    else if (option === NEW_ENVIRON && first === 0) {
      // oxlint-disable-next-line no-control-regex -- VAR and USERVAR begin a name, VALUE a value
      for (const entry of latin1(bytes, 1)
        .split(/[\u0000\u0003]/)
        .slice(1)) {
        const [name = '', value] = entry.split('\u0001');
        if (value !== undefined) terminal.environment.set(name, value);
      }
    }
  }
}
