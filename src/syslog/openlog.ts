import { UsageError } from '../errors.ts';
import { SyslogClient, type SyslogClientOptions } from './client.ts';
import { type SyslogFacility, type SyslogSeverity, severities } from './codec.ts';
import type { SyslogTarget } from './target.ts';

export interface OpenlogOptions extends Omit<SyslogClientOptions, 'appName' | 'procId' | 'facility'> {
  /** The process id stands behind the name (LOG_PID). Default false. */
  readonly pid?: boolean | undefined;
  readonly facility?: SyslogFacility | undefined;
  /** Default: the stream socket /dev/log. Where that is a datagram socket, name the daemon's UDP or TCP address. */
  readonly target?: SyslogTarget | undefined;
}

let log: SyslogClient | undefined;
let worst: readonly SyslogSeverity[] = severities;
let warned = false;

/** Says how `syslog` names this program, and where its messages go. UsageError for options that cannot be. */
export function openlog(ident: string, options: OpenlogOptions = {}): void {
  const { pid = false, target = { path: '/dev/log' }, ...rest } = options;
  const previous = log;
  log = SyslogClient.open(target, {
    format: 'rfc3164',
    onError: warnOnce,
    ...rest,
    appName: ident.replace(/[^\x21-\x7e]/g, '_'),
    procId: pid ? String(process.pid) : '',
  });
  void previous?.close();
}

/** Queues a message. Without `openlog` before, the program is named after its script. */
export function syslog(message: string): void;
export function syslog(severity: SyslogSeverity, message: string): void;
export function syslog(first: string, message?: string): void {
  const severity = message === undefined ? 'info' : (first as SyslogSeverity);
  if (!severities.includes(severity))
    throw new UsageError(`severity must be one of ${severities.join(', ')}; got ${JSON.stringify(severity)}`);
  if (log === undefined) openlog(process.argv[1]?.replace(/^.*\//, '').slice(0, 48) || 'node');
  if (worst.includes(severity)) log?.log(severity, message ?? first);
}

/** Only messages that are this bad, or worse, are sent from now on. Returns what was set before. */
export function setLogUpTo(severity: SyslogSeverity): SyslogSeverity {
  const at = severities.indexOf(severity);
  if (at < 0) throw new UsageError(`severity must be one of ${severities.join(', ')}; got ${JSON.stringify(severity)}`);
  const before = worst.at(-1) as SyslogSeverity;
  worst = severities.slice(0, at + 1);
  return before;
}

/** Sends what waits, and closes. The next `syslog` opens anew. */
export async function closelog(): Promise<void> {
  const closing = log;
  log = undefined;
  await closing?.close();
}

function warnOnce(error: unknown): void {
  if (warned) return;
  warned = true;
  process.emitWarning(`syslog: ${error instanceof Error ? error.message : String(error)}`);
}
