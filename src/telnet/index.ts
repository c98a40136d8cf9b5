export { TelnetClient, type TelnetStep } from './client.ts';
export type { ComPortLines, ComPortSettings, TelnetComPort } from './com-port.ts';
export type { TelnetCommandName } from './codec.ts';
export type { GmcpMessage, TelnetEventName, TelnetEvents } from './events.ts';
export type { TelnetExec, TelnetExecResult } from './exec.ts';
export { ExpectEnd, ExpectTimeout, TelnetMatch, type TelnetPattern, type TelnetSight, telnetEnd } from './expect.ts';
export type { LineFunction, LineMode, SpecialCharacter } from './linemode-codec.ts';
export type { TelnetLogin } from './login.ts';
export type { TelnetSide } from './option-engine.ts';
export type {
  ComPortFlowControl,
  ComPortInboundFlowControl,
  ComPortLineBit,
  ComPortModemBit,
  ComPortParity,
  ComPortPurge,
} from './com-port-codec.ts';
export type { TelnetOptionName } from './options/table.ts';
export type { TelnetOptions, TelnetTarget, TelnetWindow } from './target.ts';
