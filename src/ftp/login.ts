import { AuthError, ProtocolError, TlsError, UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { secret } from '../wire/arguments.ts';
import { Capabilities, parseCapabilityLine } from '../wire/capabilities.ts';
import { formatReply } from '../wire/reply.ts';
import type { FtpReply } from './codec.ts';
import type { FtpControl } from './control.ts';
import type { ResolvedFtpTarget } from './target.ts';

/** The greeting's text. 120 asks to wait. @see RFC 959 section 5.4 */
export async function readGreeting(control: FtpControl, target: ResolvedFtpTarget, call: CallOptions): Promise<string> {
  for (;;) {
    const reply = await control.greeting(call);
    if (reply.code === 120) continue;
    if (reply.code === 220) return reply.lines.join('\n');
    if (reply.code >= 400) throw control.refusal('the connection', reply);
    // "You are logged in" before anything was asked would let somebody in the middle skip TLS (CVE-2021-22946).
    if (reply.code === 230 && target.endpoint.tls === 'none') return reply.lines.join('\n');
    throw new ProtocolError(`the server greeted with ${formatReply(reply)}`, { protocol: 'FTP', phase: 'greeting' });
  }
}

/** Explicit TLS. What was queued in the clear closes the connection. @see RFC 4217 section 4 */
export async function secure(control: FtpControl, target: ResolvedFtpTarget, call: CallOptions): Promise<void> {
  const { connection } = control;
  const reply = await control.ask(control.line('AUTH', 'TLS'), call);
  if (reply.code !== 234)
    throw new TlsError(`FTP server ${connection.host}:${connection.port} cannot begin TLS: ${formatReply(reply)}`, {
      protocol: 'FTP',
      reason: 'STARTTLS_UNAVAILABLE',
      hint: "use ftps:// where the server has a port of its own for TLS, or tls: 'none' if you accept that others can read everything",
    });
  await connection.startTls(target.tls, call);
}

/** USER, PASS and ACCT as far as the server asks for them. AuthError when it refuses. */
export async function login(control: FtpControl, target: ResolvedFtpTarget, call: CallOptions): Promise<void> {
  const { connection } = control;
  const { user = 'anonymous', password = secret('anonymous@'), account } = target;
  if (target.user !== undefined && target.password !== undefined && !connection.secure && !target.allowInsecureAuth)
    throw new UsageError('the password would cross the network in the clear', {
      hint: 'leave out tls: none, or set allowInsecureAuth for a server on this machine',
    });
  // All are encoded before any leaves.
  const userLine = control.line('USER', user);
  const passLine = control.line('PASS', password);
  const accountLine = account === undefined ? undefined : control.line('ACCT', secret(account));
  connection.transcript.hide(password.reveal());
  let reply = await control.ask(userLine, call);
  if (reply.code === 331) reply = await control.ask(passLine, call);
  if (reply.code === 332) {
    if (accountLine === undefined) throw refused(control, reply, 'the server asks for an account: set account');
    reply = await control.ask(accountLine, call);
  }
  if (reply.code !== 230 && reply.code !== 202) throw refused(control, reply);
}

function refused(control: FtpControl, reply: FtpReply, hint?: string): AuthError {
  const { host, port, transcript } = control.connection;
  return new AuthError(`FTP login refused by ${host}:${port}: ${transcript.mask(formatReply(reply))}`, {
    protocol: 'FTP',
    host,
    port,
    phase: 'command',
    command: 'USER',
    temporary: reply.code < 500,
    reply: { code: reply.code, text: transcript.mask(reply.lines.join('\n')) },
    hint: hint ?? control.refusal('USER', reply).hint,
    transcript: transcript.last(),
  });
}

/** What the server offers; empty where it has no FEAT. @see RFC 2389 section 3.2 */
export async function readFeatures(control: FtpControl, call: CallOptions): Promise<Capabilities> {
  const reply = await control.ask(control.line('FEAT'), call);
  if (reply.code !== 211) return new Capabilities();
  return new Capabilities(
    reply.lines
      .slice(1, -1)
      .filter((line) => line.trim() !== '')
      .map(parseCapabilityLine),
  );
}

/** Protects data connections. An error, never clear data, when the server refuses. @see RFC 4217 section 9 */
export async function protect(control: FtpControl, level: 'P' | 'C', call: CallOptions): Promise<void> {
  await control.demand(control.line('PBSZ', '0'), call);
  await control.demand(control.line('PROT', level), call);
}
