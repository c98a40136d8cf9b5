import { UsageError } from '../errors.ts';
import type { SchemeTable } from '../socket/address.ts';
import { type ResolvedServer, type ServerOptions, type ServerTarget, resolveServer } from '../socket/target.ts';
import { wholeNumber } from '../wire/limits.ts';
import { checkEncoding } from './text.ts';

export interface TelnetWindow {
  readonly columns: number;
  readonly rows: number;
}

/** What may be set beside the server's address. What the server is told of this side is what is given here, and nothing else. */
export interface TelnetOptions extends ServerOptions {
  /** 'raw': plain TCP, no Telnet commands either way. Default 'telnet'. */
  readonly mode?: 'telnet' | 'raw' | undefined;
  /** Encoding of the text, either way. Default UTF-8. */
  readonly encoding?: string | undefined;
  /** True asks for BINARY both ways; false refuses it; by default the server decides. @see RFC 856 */
  readonly binary?: boolean | undefined;
  /** Names of this terminal, best first: 'xterm', or for MTTS a client's name, a terminal's and 'MTTS 137'. @see RFC 1091 */
  readonly terminalTypes?: readonly string[] | undefined;
  /** @see RFC 1073 */
  readonly window?: TelnetWindow | undefined;
  /** Variables that the server may ask for. @see RFC 1572 */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Transmit and receive speed: '38400,38400'. @see RFC 1079 */
  readonly terminalSpeed?: string | undefined;
  /** 'host:0.0'. @see RFC 1096 */
  readonly xDisplay?: string | undefined;
  /** True agrees to LINEMODE: the events 'lineMode' and 'specialCharacters' say how lines are to be treated. @see RFC 1184 */
  readonly linemode?: boolean | undefined;
  /** True agrees to flow control at the terminal: `interact` stops the output at XOFF and goes on at XON. @see RFC 1372 */
  readonly flowControl?: boolean | undefined;
  /** Charsets to agree to, best first. The one agreed on becomes the encoding. @see RFC 2066 */
  readonly charsets?: readonly string[] | undefined;
  /**
   * True asks for control of the serial port behind the server (`client.comPort`), and for BINARY unless `binary` is false. For bytes as they
   * are give `encoding: 'latin1'`. @see RFC 2217
   */
  readonly comPort?: boolean | undefined;
  /**
   * True lets the server compress what it sends (MCCP2), and compresses what is sent to it (MCCP3). What came by a compressed session can
   * tell a listener of secrets by its length: not for those. Default false.
   */
  readonly compression?: boolean | undefined;
  /** How much more may come out of compressed output than went in, beyond the first 16 MiB. Default 250. */
  readonly maxDecompressionRatio?: number | undefined;
  /** True takes messages of GMCP: the event 'gmcp', and `sendGmcp`. */
  readonly gmcp?: boolean | undefined;
  /** True takes the status of a game server, MSSP: the event 'mssp'. */
  readonly mssp?: boolean | undefined;
  /** Something sent at this interval while nothing else is. Default: nothing. */
  readonly keepalive?: { readonly intervalMs: number; readonly by?: 'NOP' | 'AYT' | undefined } | undefined;
  /** Most output that may wait, unread or unmatched, in bytes. Default 16 MiB. */
  readonly maxBufferBytes?: number | undefined;
}

/** Where to connect: `telnet://host`, `telnets://host`, `telnet+starttls://host`, or the same as an object. */
export type TelnetTarget = ServerTarget<TelnetOptions>;

export interface ResolvedTelnetTarget extends ResolvedServer<TelnetOptions> {
  readonly maxBufferBytes: number;
  readonly maxDecompressionRatio: number;
}

/** @see RFC 4248 (telnet), IANA port 992 (telnets) */
export const telnetSchemes: SchemeTable = {
  protocol: 'telnet',
  schemes: { telnet: 'none', telnets: 'implicit', 'telnet+starttls': 'starttls' },
  port: 23,
  implicitPort: 992,
};

const optionNames = [
  'mode',
  'encoding',
  'binary',
  'terminalTypes',
  'window',
  'environment',
  'terminalSpeed',
  'xDisplay',
  'linemode',
  'flowControl',
  'charsets',
  'comPort',
  'compression',
  'maxDecompressionRatio',
  'gmcp',
  'mssp',
  'keepalive',
  'maxBufferBytes',
];

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveTelnetTarget(
  target: TelnetTarget | undefined,
  options: TelnetOptions = {},
): ResolvedTelnetTarget {
  const server = resolveServer(target, options, telnetSchemes, optionNames);
  const { given } = server;
  // A host and a port say nothing of TLS, and hardly a server has its option; options of TLS, or the word itself, ask for it.
  const unasked = server.endpoint.tls === 'starttls' && given.tls === undefined && typeof target !== 'string';
  const endpoint = unasked ? { ...server.endpoint, tls: 'none' as const } : server.endpoint;
  if (endpoint.tls === 'starttls' && given.mode === 'raw')
    throw new UsageError("raw mode cannot negotiate TLS: use tls: 'implicit' or 'none'");
  if (given.mode !== undefined && given.mode !== 'telnet' && given.mode !== 'raw')
    throw new UsageError(`mode must be 'telnet' or 'raw'; got ${JSON.stringify(given.mode)}`);
  for (const encoding of [given.encoding ?? 'utf-8', ...(given.charsets ?? [])]) checkEncoding(encoding);
  for (const type of given.terminalTypes ?? []) checkValue('a terminal type', type);
  for (const name of given.charsets ?? []) checkValue('a charset', name);
  for (const [name, value] of Object.entries(given.environment ?? {})) {
    checkValue('the name of an environment variable', name);
    checkValue(`the environment variable ${name}`, value);
  }
  if (given.terminalSpeed !== undefined && !/^[0-9]{1,9},[0-9]{1,9}$/.test(given.terminalSpeed))
    throw new UsageError("terminalSpeed must be two numbers such as '38400,38400'");
  if (given.xDisplay !== undefined) checkValue('xDisplay', given.xDisplay);
  if (given.window !== undefined) checkWindow(given.window);
  if (given.comPort === true && given.mode === 'raw') throw new UsageError('there is no comPort in raw mode');
  if (given.keepalive !== undefined) {
    const { intervalMs, by = 'NOP' } = given.keepalive;
    if (!(typeof intervalMs === 'number' && intervalMs > 0 && intervalMs < 2 ** 31))
      throw new UsageError('keepalive.intervalMs must be a positive number of milliseconds');
    if (by !== 'NOP' && by !== 'AYT') throw new UsageError("keepalive.by must be 'NOP' or 'AYT'");
    if (given.mode === 'raw') throw new UsageError('there is no keepalive in raw mode');
  }
  return {
    ...server,
    endpoint,
    maxDecompressionRatio: wholeNumber('maxDecompressionRatio', given.maxDecompressionRatio ?? 250),
    maxBufferBytes: wholeNumber('maxBufferBytes', given.maxBufferBytes ?? 16 * 1024 * 1024),
  };
}

/** What travels in a subnegotiation is printable ASCII: nothing in it can be mistaken for a command. */
function checkValue(name: string, value: unknown): void {
  if (typeof value !== 'string' || !/^[\u0020-\u007e]{1,1024}$/.test(value))
    throw new UsageError(`${name} must be 1 to 1024 printable ASCII characters; got ${JSON.stringify(value)}`);
}

/** UsageError unless both fit the option. @see RFC 1073 */
export function checkWindow({ columns, rows }: TelnetWindow): void {
  for (const size of [columns, rows])
    if (!Number.isInteger(size) || size < 0 || size > 65535)
      throw new UsageError(`columns and rows must be whole numbers from 0 to 65535; got ${String(size)}`);
}
