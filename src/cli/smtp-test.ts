import type { Command } from 'commander';
import { UsageError, escapeControls } from '../errors.ts';
import { SmtpClient } from '../smtp/index.ts';
import { smtpSchemes } from '../smtp/target.ts';
import { printJson, reportFailure } from './output.ts';
import { type ServerFlags, addServerFlags, readServerFlags } from './server-flags.ts';

interface TestFlags extends ServerFlags {
  readonly to?: string;
  readonly from?: string;
  readonly stopAfter?: string;
  readonly json?: boolean;
}

const stages = ['connect', 'auth', 'mail', 'rcpt'];

/** `postwire smtp test`: how far a message would come, without one being sent. */
export function addSmtpCommand(program: Command): void {
  const smtp = program.command('smtp').description('talk to an SMTP server');
  addServerFlags(smtp.command('test'), 'the same as the argument')
    .description('connect, begin TLS, log in and name a recipient, and say what the server answered; nothing is sent')
    .argument('[url]', 'smtp://user@host:587 or smtps://user@host; default: the environment variable SMTP_URL')
    .option('--from <address>', 'sender to name; default: nobody', '')
    .option('--to <address>', 'recipient to name')
    .option('--stop-after <stage>', `one of ${stages.join(', ')}; default: as far as is asked for`)
    .option('--json', 'print one JSON document')
    .action(async (url: string | undefined, flags: TestFlags) => {
      try {
        await test(url === undefined ? flags : { ...flags, server: url });
      } catch (error) {
        reportFailure(error, flags.json === true);
      }
    });
}

async function test(flags: TestFlags): Promise<void> {
  const last = flags.stopAfter ?? 'rcpt';
  if (!stages.includes(last)) throw new UsageError(`--stop-after must be one of ${stages.join(', ')}; got ${last}`);
  if (flags.to === undefined && flags.stopAfter === 'rcpt') throw new UsageError('--stop-after rcpt needs --to');
  const { server, options } = await readServerFlags(flags, {
    variable: 'SMTP_URL',
    schemes: smtpSchemes,
    example: 'smtp://user@mail.example.com:587',
  });
  const { user, password, token, ...connect } = options;
  const began = performance.now();
  const without = withoutLogin(server);
  const client = await SmtpClient.connect(without, connect);
  const found: Record<string, unknown> = { connectMs: Math.round(performance.now() - began) };
  try {
    const { tls, host, port } = client.connection;
    Object.assign(found, {
      host,
      port,
      greeting: client.greeting,
      tls:
        tls === undefined ? null : { protocol: tls.protocol, cipher: tls.cipher, fingerprint256: tls.fingerprint256 },
      capabilities: [...client.capabilities].map(([name, parameters]) => [name, ...parameters].join(' ')),
    });
    if (user !== undefined && last !== 'connect') found['login'] = await client.login({ user, password, token });
    if (flags.to !== undefined && (last === 'mail' || last === 'rcpt')) {
      found['mail'] = (await client.mail(flags.from ?? '')).lines.join(' ');
      if (last === 'rcpt') found['rcpt'] = (await client.rcpt(flags.to)).lines.join(' ');
      await client.rset();
    }
  } finally {
    await client.quit();
  }
  if (flags.json === true) {
    printJson({ ok: true, ...found });
    return;
  }
  for (const [name, value] of Object.entries(found)) {
    const lines = Array.isArray(value) ? value : [typeof value === 'string' ? value : JSON.stringify(value)];
    for (const line of lines) process.stdout.write(`${name.padEnd(12)} ${escapeControls(String(line), 1000)}\n`);
  }
}

/** Logging in is a step of its own here. */
function withoutLogin(server: string): string {
  const url = new URL(server);
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
}
