import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { UsageError } from '../errors.ts';
import { parseTlsMode } from '../socket/address.ts';
import { TelnetClient, type TelnetOptions } from '../telnet/index.ts';
import { secret } from '../wire/arguments.ts';
import { reportFailure, say } from './output.ts';
import { readText } from './server-flags.ts';

interface TelnetFlags {
  readonly raw?: boolean;
  readonly tls?: string;
  readonly ca?: string;
  readonly pin?: string;
  readonly encoding?: string;
  readonly escape: string;
  readonly timeout?: string;
  readonly ansi?: boolean;
  readonly trace?: boolean;
}

type Step = { readonly kind: 'expect' | 'send' | 'send-env'; readonly text: string };

/** `postwire telnet HOST [PORT]`: interactive, a script of --expect and --send, or standard input. */
export function addTelnetCommand(program: Command): void {
  const steps: Step[] = [];
  const step =
    (kind: Step['kind']) =>
    (text: string): undefined => {
      steps.push({ kind, text });
    };
  program
    .command('telnet')
    .description('talk to a Telnet server, or with --raw to any TCP server')
    .argument('<host>', 'a name or an address')
    .argument('[port]', 'default 23, with --tls implicit 992')
    .option('--expect <text>', 'wait for this text, or /expression/; repeat, in order with --send', step('expect'))
    .option('--send <text>', 'send this line', step('send'))
    .option(
      '--send-env <variable>',
      'send the line in this environment variable, which is shown nowhere',
      step('send-env'),
    )
    .option('--raw', 'plain TCP: no Telnet commands')
    .option('--tls <mode>', 'implicit (TELNETS), starttls or none')
    .option('--ca <file>', 'trust this authority (PEM)')
    .option('--pin <pin>', 'trust exactly this certificate: sha256/…')
    .option('--encoding <name>', 'of the text; default utf-8')
    .option('--escape <character>', 'leaves an interactive session, with Control', ']')
    .option('--timeout <seconds>', 'for each wait of a script; default 10')
    .option('--ansi', 'leave control sequences in the output of a script')
    .option('--trace', 'show the conversation on standard error')
    .action(async (host: string, port: string | undefined, flags: TelnetFlags) => {
      try {
        await telnet(host, port, flags, steps);
      } catch (error) {
        reportFailure(error, false);
      }
    });
}

async function telnet(
  host: string,
  port: string | undefined,
  flags: TelnetFlags,
  steps: readonly Step[],
): Promise<void> {
  const seconds = flags.timeout === undefined ? undefined : Number(flags.timeout);
  if (seconds !== undefined && !(seconds > 0))
    throw new UsageError(`--timeout must be a number of seconds; got ${flags.timeout ?? ''}`);
  if (!/^[@-_a-z]$/.test(flags.escape)) throw new UsageError('--escape must be one letter, or one of @ [ \\ ] ^ _');
  const script = steps.map(readStep);
  const interactive = script.length === 0 && process.stdin.isTTY === true && process.stdout.isTTY === true;
  const mode = flags.tls === undefined ? undefined : parseTlsMode(flags.tls);
  const options: TelnetOptions = {
    mode: flags.raw === true ? 'raw' : 'telnet',
    encoding: flags.encoding,
    tls: {
      mode: mode ?? 'none',
      ...(flags.ca === undefined ? {} : { ca: readText(flags.ca, '--ca') }),
      ...(flags.pin === undefined ? {} : { pin: flags.pin }),
    },
    ...(flags.trace === true ? { trace: process.stderr } : {}),
    // Of the terminal that the user sits at; the rest of the environment is nobody's business.
    ...(interactive
      ? {
          terminalTypes: [process.env['TERM'] ?? 'dumb'],
          window: { columns: process.stdout.columns, rows: process.stdout.rows },
        }
      : {}),
  };
  const client = await TelnetClient.connect({ host, port }, options);
  try {
    const timeoutMs = seconds === undefined ? undefined : seconds * 1000;
    if (script.length > 0) await runScript(client, script, timeoutMs, flags.ansi === true);
    else if (interactive) await talk(client, flags.escape);
    else await pipe(client, timeoutMs, flags.raw === true);
  } finally {
    await client.close();
  }
}

type ScriptStep = { readonly expect: string | RegExp } | { readonly send: string | ReturnType<typeof secret> };

function readStep({ kind, text }: Step): ScriptStep {
  if (kind === 'send') return { send: text };
  if (kind === 'send-env') {
    const value = process.env[text];
    if (value === undefined) throw new UsageError(`--send-env: the environment variable ${text} is not set`);
    return { send: secret(value) };
  }
  const expression = /^\/(.+)\/([imsu]*)$/s.exec(text);
  if (expression === null) return { expect: text };
  try {
    return { expect: new RegExp(expression[1] as string, expression[2]) };
  } catch {
    throw new UsageError(`--expect: ${text} is not a regular expression`);
  }
}

async function runScript(
  client: TelnetClient,
  script: readonly ScriptStep[],
  timeoutMs: number | undefined,
  ansi: boolean,
): Promise<void> {
  for (const step of script) {
    if ('send' in step) {
      await client.writeLine(step.send);
      continue;
    }
    const match = await client.expect(step.expect, { timeoutMs });
    const text = client.connection.transcript.mask(match.before + match.text);
    process.stdout.write(ansi ? text : withoutControls(text));
  }
}

/** Lines and tabs stay; what could move a cursor or rename a window does not. */
const withoutControls = (text: string): string =>
  text
    // oxlint-disable-next-line no-control-regex -- that is what it takes away
    .replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)/g, '')
    // oxlint-disable-next-line no-control-regex -- that is what it takes away
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '');

/** The terminal's keys go to the server as they are pressed. Control and the escape character leave. */
async function talk(client: TelnetClient, escape: string): Promise<void> {
  const { stdin, stdout } = process;
  const leave = String.fromCharCode(escape.toUpperCase().charCodeAt(0) & 31);
  const keys = new PassThrough();
  const onKeys = (chunk: Buffer): void => {
    const text = chunk.toString();
    const at = text.indexOf(leave);
    const typed = at < 0 ? text : text.slice(0, at);
    const echoed = client.options.them.includes('ECHO');
    if (!echoed) stdout.write(typed.replaceAll('\r', '\r\n'));
    if (typed !== '') keys.write(echoed ? typed : typed.replaceAll('\r', '\n'));
    if (at >= 0) keys.end();
  };
  const onResize = (): void => client.resize({ columns: stdout.columns, rows: stdout.rows });
  say(`connected; Control-${escape} leaves`);
  stdin.setRawMode(true);
  stdin.on('data', onKeys);
  stdout.on('resize', onResize);
  try {
    await client.interact(keys, stdout);
  } finally {
    stdin.off('data', onKeys);
    stdout.off('resize', onResize);
    stdin.setRawMode(false);
    stdin.pause();
  }
}

/** Standard input goes to the server; what it says until it ends goes to standard output. */
async function pipe(client: TelnetClient, timeoutMs: number | undefined, raw: boolean): Promise<void> {
  if ((await client.interact(process.stdin, process.stdout)) === 'server') return;
  if (raw) await client.connection.halfClose();
  for (;;) {
    const text = await client.readSome({ timeoutMs: timeoutMs ?? Number.POSITIVE_INFINITY });
    if (text === '') return;
    if (!process.stdout.write(text)) await new Promise((resume) => process.stdout.once('drain', resume));
  }
}
