export { SyslogClient, type SyslogClientOptions, type SyslogFields } from './client.ts';
export {
  type ReceivedSyslog,
  type StructuredData,
  type SyslogEncodeOptions,
  type SyslogFacility,
  type SyslogFormat,
  type SyslogFraming,
  type SyslogMessage,
  type SyslogSeverity,
  encodeSyslog,
  encodeSyslogFrame,
  facilities,
  parseSyslog,
  severities,
  syslogFrameDecoder,
} from './codec.ts';
export { type SyslogConsole, syslogConsole } from './console.ts';
export { type OpenlogOptions, closelog, openlog, setLogUpTo, syslog } from './openlog.ts';
export { type SyslogReceiver, type SyslogServerOptions, serveSyslog } from './receiver.ts';
export type { SyslogServer, SyslogTarget, SyslogTransport } from './target.ts';
