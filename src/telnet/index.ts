export { TelnetClient, type TelnetStep } from './client.ts';
export type { TelnetCommandName, TelnetOptionName } from './codec.ts';
export type { TelnetExec, TelnetExecResult } from './exec.ts';
export { ExpectEnd, ExpectTimeout, TelnetMatch, type TelnetPattern, type TelnetSight, telnetEnd } from './expect.ts';
export type { TelnetLogin } from './login.ts';
export type { TelnetSide } from './options.ts';
export type { TelnetOptions, TelnetTarget, TelnetWindow } from './target.ts';
