import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { UsageError, escapeControls, messageOf } from '../errors.ts';
import { type SchemeTable, parseTargetUrl, parseTlsMode } from '../socket/address.ts';
import type { TlsOptions } from '../socket/tls.ts';
import { checkNoSecret, promptSecret, readSecretFile } from './secrets.ts';

/** What every sub-command that talks to a server takes. */
export interface ServerFlags {
  readonly server?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  readonly tls?: string;
  readonly ca?: string;
  readonly pin?: string;
  readonly allowInsecureAuth?: boolean;
  readonly timeout?: string;
  readonly trace?: boolean;
}

export function addServerFlags(command: Command, server: string): Command {
  return command
    .option('--server <url>', server)
    .option('--user <name>', 'log in as; the password comes from POSTWIRE_PASSWORD, --password-file or a prompt')
    .option('--password-file <file>', 'file with the password on its first line')
    .option('--token-file <file>', 'file with an OAuth 2 token on its first line; default: POSTWIRE_TOKEN')
    .option('--tls <mode>', 'auto, implicit, starttls or none')
    .option('--ca <file>', 'trust this authority (PEM)')
    .option('--pin <pin>', 'trust exactly this certificate: sha256/…')
    .option('--allow-insecure-auth', 'log in without TLS')
    .option('--timeout <seconds>', 'give up after this long')
    .option('--trace', 'show the conversation, secrets masked, on standard error');
}

/** Options that every client understands. */
export interface ServerOptions {
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly tls?: TlsOptions;
  readonly allowInsecureAuth?: boolean;
  readonly timeouts?: { readonly totalMs: number; readonly connectMs: number };
  readonly trace?: NodeJS.WriteStream;
}

/** The server's URL and the options, with secrets from the environment, a file or a prompt. UsageError where something is missing. */
export async function readServerFlags(
  flags: ServerFlags,
  from: { readonly variable: string; readonly schemes: SchemeTable; readonly example: string },
): Promise<{ server: string; options: ServerOptions }> {
  if (flags.server !== undefined) checkNoSecret(flags.server, from.variable);
  const server = flags.server ?? process.env[from.variable] ?? '';
  if (server === '')
    throw new UsageError(`no server: use --server, or set ${from.variable}, for example to ${from.example}`);
  const endpoint = parseTargetUrl(server, from.schemes);
  const user = flags.user ?? endpoint.user;
  const token = flags.tokenFile === undefined ? process.env['POSTWIRE_TOKEN'] : readSecretFile(flags.tokenFile);
  let password: string | undefined;
  if (user !== undefined && token === undefined) {
    password =
      flags.passwordFile === undefined
        ? (process.env['POSTWIRE_PASSWORD'] ?? endpoint.password)
        : readSecretFile(flags.passwordFile);
    password ??= await promptSecret(`Password for ${escapeControls(user)}: `);
  }
  const seconds = flags.timeout === undefined ? undefined : Number(flags.timeout);
  if (seconds !== undefined && !(seconds > 0))
    throw new UsageError(`--timeout must be a number of seconds; got ${flags.timeout ?? ''}`);
  const tls = {
    ...(flags.tls === undefined ? {} : { mode: parseTlsMode(flags.tls) }),
    ...(flags.ca === undefined ? {} : { ca: readText(flags.ca, '--ca') }),
    ...(flags.pin === undefined ? {} : { pin: flags.pin }),
  };
  const options: ServerOptions = {
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(user === undefined || token === undefined ? {} : { token }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(flags.allowInsecureAuth === true ? { allowInsecureAuth: true } : {}),
    ...(seconds === undefined
      ? {}
      : { timeouts: { totalMs: seconds * 1000, connectMs: Math.min(seconds * 1000, 30_000) } }),
    ...(flags.trace === true ? { trace: process.stderr } : {}),
  };
  return { server, options };
}

/** A text file that a flag names. */
export function readText(file: string, flag: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${flag}: ${messageOf(error)}`);
  }
}
