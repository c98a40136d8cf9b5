export { TelnetClient, type TelnetStep } from './client.ts';
export type { TelnetCommandName } from './codec.ts';
export type { TelnetEventName, TelnetEvents } from './events.ts';
export type { TelnetExec, TelnetExecResult } from './exec.ts';
export { ExpectEnd, ExpectTimeout, TelnetMatch, type TelnetPattern, type TelnetSight, telnetEnd } from './expect.ts';
export type { TelnetLogin } from './login.ts';
export type { TelnetSide } from './option-engine.ts';
export type { TelnetOptionName } from './options/table.ts';
export type { TelnetOptions, TelnetTarget, TelnetWindow } from './target.ts';
