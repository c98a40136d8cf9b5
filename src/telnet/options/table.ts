import { charset } from './charset.ts';
import { comPort } from './com-port.ts';
import { environment } from './environment.ts';
import { flow } from './flow.ts';
import { gmcp } from './gmcp.ts';
import { flag, told } from './handler.ts';
import { linemode } from './linemode.ts';
import { mccp2, mccp3 } from './mccp.ts';
import { mssp } from './mssp.ts';
import { naws } from './naws.ts';
import { status } from './status.ts';
import { terminalType } from './terminal-type.ts';

/** Options by name. */
export const telnetOptions = {
  BINARY: 0,
  ECHO: 1,
  SGA: 3,
  STATUS: 5,
  'TIMING-MARK': 6,
  TTYPE: 24,
  EOR: 25,
  NAWS: 31,
  TSPEED: 32,
  LFLOW: 33,
  LINEMODE: 34,
  XDISPLOC: 35,
  'NEW-ENVIRON': 39,
  CHARSET: 42,
  'COM-PORT': 44,
  'START-TLS': 46,
  MSSP: 70,
  MCCP2: 86,
  MCCP3: 87,
  GMCP: 201,
} as const;

export type TelnetOptionName = keyof typeof telnetOptions;

/** What the client does with each. One without a handler is refused. */
export const optionHandlers = {
  /** @see RFC 856 */
  BINARY: flag((_side, given) => given.binary !== false),
  /** @see RFC 857 */
  ECHO: flag((side) => side === 'them'),
  /** @see RFC 858 */
  SGA: flag(() => true),
  STATUS: status,
  TTYPE: terminalType,
  /** @see RFC 885 */
  EOR: flag((side) => side === 'them'),
  NAWS: naws,
  /** @see RFC 1079 */
  TSPEED: told((given) => given.terminalSpeed),
  /** @see RFC 1096 */
  XDISPLOC: told((given) => given.xDisplay),
  LFLOW: flow,
  LINEMODE: linemode,
  'NEW-ENVIRON': environment,
  CHARSET: charset,
  'COM-PORT': comPort,
  MSSP: mssp,
  MCCP2: mccp2,
  MCCP3: mccp3,
  GMCP: gmcp,
};

const names = new Map<number, string>(Object.entries(telnetOptions).map(([name, code]) => [code, name]));

/** 'ECHO', or the number of an option that has no name here. */
export const optionName = (option: number): string => names.get(option) ?? String(option);
