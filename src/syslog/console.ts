import { format } from 'node:util';
import type { SyslogFields } from './client.ts';
import type { SyslogSeverity } from './codec.ts';

/** The methods of `console` that loggers are made of. */
export interface SyslogConsole {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  trace(...values: unknown[]): void;
  assert(condition: unknown, ...values: unknown[]): void;
}

/** Logs as `console` does, with its formats, to syslog: `error` as err, `warn` as warning, `info` and `log` as info, `debug` and `trace` as debug. */
export function syslogConsole(
  client: { log(severity: SyslogSeverity, message: string, fields?: SyslogFields): boolean },
  fields: SyslogFields = {},
): SyslogConsole {
  const at =
    (severity: SyslogSeverity) =>
    (...values: unknown[]): void =>
      void client.log(severity, format(...values), fields);
  return {
    debug: at('debug'),
    trace: at('debug'),
    log: at('info'),
    info: at('info'),
    warn: at('warning'),
    error: at('err'),
    assert: (condition, ...values) => {
      if (condition === false || condition === undefined || condition === null || condition === 0 || condition === '')
        at('err')('Assertion failed', ...values);
    },
  };
}
