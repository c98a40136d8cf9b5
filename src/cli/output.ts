import { PostwireError, escapeControls, messageOf } from '../errors.ts';
import { exitCodeOf } from './exit-codes.ts';

const colour = (code: number, text: string): string =>
  process.stderr.isTTY === true && process.env['NO_COLOR'] === undefined ? `\u001b[${code}m${text}\u001b[0m` : text;

/** An error as `--json` shows it. */
export function errorDocument(error: unknown): Record<string, unknown> {
  if (!(error instanceof PostwireError)) return { message: messageOf(error) };
  const { code, message, reason, protocol, phase, host, port, command, reply, temporary, hint } = error;
  const recipients = (error as { recipients?: unknown }).recipients;
  const attempts = (error as { attempts?: unknown }).attempts;
  return { code, message, reason, protocol, phase, host, port, command, reply, temporary, hint, recipients, attempts };
}

/** Prints one document and nothing else to standard output. */
export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

/** Says what went wrong, as a sentence or as JSON, and sets the exit code. */
export function reportFailure(error: unknown, json: boolean): void {
  process.exitCode = exitCodeOf(error);
  if (json) {
    printJson({ ok: false, exitCode: process.exitCode, error: errorDocument(error) });
    return;
  }
  process.stderr.write(`${colour(31, 'postwire:')} ${messageOf(error)}\n`);
  if (error instanceof PostwireError) {
    if (error.hint !== undefined) process.stderr.write(`${colour(33, 'hint:')} ${escapeControls(error.hint)}\n`);
    const recipients = (error as { recipients?: readonly { address: string; status: string }[] }).recipients;
    for (const { address, status } of recipients ?? [])
      process.stderr.write(`  ${escapeControls(address)}: ${status}\n`);
  } else if (error instanceof Error && process.env['NODE_DEBUG']?.includes('postwire') === true) {
    process.stderr.write(`${error.stack ?? ''}\n`);
  }
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
