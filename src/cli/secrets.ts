import { openSync, readFileSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { UsageError, messageOf } from '../errors.ts';

/** The first line of a file, for a password or a token. */
export function readSecretFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`the secret in ${path} cannot be read: ${messageOf(error)}`);
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line === '') throw new UsageError(`${path} has no secret on its first line`);
  return line;
}

/** Asks on the terminal, whatever standard input is, and shows nothing of what is typed. UsageError where there is no terminal. */
export async function promptSecret(question: string): Promise<string> {
  let input: ReadStream;
  try {
    input = new ReadStream(openSync(process.platform === 'win32' ? '\\\\.\\CONIN$' : '/dev/tty', 'r+'));
  } catch {
    throw new UsageError(
      'a password is needed: set POSTWIRE_PASSWORD, use --password-file, or run in a terminal to be asked',
    );
  }
  process.stderr.write(question);
  input.setRawMode(true);
  let typed = '';
  try {
    for await (const chunk of input) {
      for (const character of String(chunk)) {
        if (character === '\r' || character === '\n') return typed;
        if (character === '\u0003' || character === '\u0004') throw new UsageError('no password was given');
        typed = character === '\u007f' || character === '\b' ? typed.slice(0, -1) : typed + character;
      }
    }
    return typed;
  } finally {
    if (!input.destroyed) input.setRawMode(false);
    input.destroy();
    process.stderr.write('\n');
  }
}

/** Refuses a password in an argument: others on the machine can read it. */
export function checkNoSecret(url: string, variable?: string): void {
  if (/^[a-z0-9+.-]+:\/\/[^/@]*:[^/@]*@/i.test(url)) {
    throw new UsageError(
      `a password in the arguments can be read by everybody on this machine: ${variable === undefined ? '' : `put the URL in ${variable}, `}use --password-file, or leave it out to be asked`,
    );
  }
}
