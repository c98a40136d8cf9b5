import { LimitError, ProtocolError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import type { TelnetMatch, TelnetPattern } from './expect.ts';
import { defaultPrompt } from './login.ts';

export interface TelnetExec extends CallOptions {
  /** What the shell shows when it is done. Give it as text where you can: the default goes by `$`, `#`, `%` or `>` at the end. */
  readonly prompt?: string | RegExp | undefined;
  /** What a pager shows when it wants a key; false where there is none. Default: `--More--` and its kind. */
  readonly pager?: string | RegExp | false | undefined;
  /** The key for the next page. Default a space. */
  readonly pagerKey?: string | undefined;
  /** Pages before it is given up. Default 1000. */
  readonly maxPages?: number | undefined;
  /** Ask the shell for the exit status (`echo $?`) once the command is done. */
  readonly status?: boolean | undefined;
}

export interface TelnetExecResult {
  /** What the command printed: without its echo, the prompt, and what pagers put between. Lines end as the server ends them. */
  readonly output: string;
  /** With `status` alone. */
  readonly status: number | undefined;
}

const pagers =
  /-{2,3} ?\(?more\)?[^\r\n]{0,60}?-{2,3}(?:\([^\r\n)]{0,20}\))?|<-{2,3} ?more ?-{2,3}>|press (?:any key|space|return) to continue[^\r\n]{0,40}/i;
/** How a pager takes its prompt away again: back over it, blanks, back. */
// oxlint-disable-next-line no-control-regex -- that is what it sends
const wiped = /^(?:\r[ ]+\r|[\b]+[ ]+[\b]+|\r?\u001b\[[0-9]{0,3}[DK](?:[ ]+\u001b\[[0-9]{0,3}D)?|\r\u001b\[K)/;

/** What running a command needs of the session. */
export interface ExecSession {
  expect(patterns: readonly TelnetPattern[], timeoutMs: number | undefined): Promise<TelnetMatch>;
  write(text: string): Promise<void>;
  writeLine(text: string): Promise<void>;
}

export async function exec(session: ExecSession, command: string, options: TelnetExec): Promise<TelnetExecResult> {
  const output = await run(session, command, options);
  if (options.status !== true) return { output, status: undefined };
  const answer = (await run(session, 'echo $?', options)).trim();
  if (!/^[0-9]{1,3}$/.test(answer))
    throw new ProtocolError(
      `the shell does not tell an exit status: it answered ${JSON.stringify(answer.slice(0, 100))}`,
      {
        protocol: 'TELNET',
        reusable: true,
      },
    );
  return { output, status: Number(answer) };
}

async function run(session: ExecSession, command: string, options: TelnetExec): Promise<string> {
  const { prompt = defaultPrompt, pager = pagers, pagerKey = ' ', maxPages = 1000 } = options;
  const patterns = pager === false ? [prompt] : [prompt, pager];
  await session.writeLine(command);
  let output = '';
  for (let pages = 0; ; pages++) {
    const match = await session.expect(patterns, options.timeoutMs);
    const before =
      pages === 0 ? withoutEcho(match.before + kept(match), command) : match.before.replace(wiped, '') + kept(match);
    output += before;
    if (match.index === 0) return output;
    if (pages >= maxPages)
      throw new LimitError(`the pager asked for more than ${maxPages} pages`, { protocol: 'TELNET' });
    await session.write(pagerKey);
  }
}

/** The line end that the default prompt's pattern takes belongs to the output. */
const kept = (match: TelnetMatch): string =>
  match.index === 0 && match.match !== undefined ? (/^[\r\n]+/.exec(match.text)?.[0] ?? '') : '';

/** The terminal's echo of the command comes first, its line end with it. */
function withoutEcho(output: string, command: string): string {
  return output.startsWith(command) ? output.slice(command.length).replace(/^\r*\n/, '') : output;
}
