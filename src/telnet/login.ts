import { AuthError, UsageError } from '../errors.ts';
import { Secret, checkArgument } from '../wire/arguments.ts';
import type { TelnetMatch, TelnetPattern } from './expect.ts';

export interface TelnetLogin {
  /** Left out for a device that asks for a password alone. */
  readonly user?: string | undefined;
  /** Left out for a user who has none. */
  readonly password?: string | Secret | undefined;
  readonly loginPrompt?: string | RegExp | undefined;
  readonly passwordPrompt?: string | RegExp | undefined;
  /** What says that the login was refused. */
  readonly failure?: string | RegExp | undefined;
  /** The prompt of the shell behind the login. Give it as text where you can: the default goes by `$`, `#`, `%` or `>` at the end. */
  readonly prompt?: string | RegExp | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For each of its steps. Default 10 seconds. */
  readonly timeoutMs?: number | undefined;
}

/** A prompt that nobody described: the last line, when it ends like one. */
export const defaultPrompt = /(?:^|[\r\n])[^\r\n]{0,200}[$#%>] ?(?:\u001b\[[0-9;?]{0,20}[A-Za-z] ?){0,4}$/;

const loginPrompts = /(?:^|[\r\n])[^\r\n]{0,200}(?<!last )(?:login|user ?name|user)[^\r\n:]{0,20}: ?$/i;
const passwordPrompts = /(?:^|[\r\n])[^\r\n]{0,200}(?:password|passcode|passphrase)[^\r\n:]{0,80}: ?$/i;
const failures =
  /login (?:incorrect|failed|invalid)|(?:incorrect|invalid|bad) (?:login|user|password)|(?:access|permission) denied|authentication (?:failed|failure)|(?:%|error:)[^\r\n]{0,80}(?:failed|invalid|denied)/i;

/** What a login needs of the session. */
export interface LoginSession {
  expect(patterns: readonly TelnetPattern[]): Promise<TelnetMatch>;
  writeLine(text: string | Secret): Promise<void>;
  readonly where: string;
}

/**
 * Answers the prompts, each once. AuthError when the server refuses, asks twice, or asks in another order, which it does also where a text
 * only looks like a prompt: a secret must not be typed there. Resolves with all that the server said until the prompt.
 */
export async function login(session: LoginSession, given: TelnetLogin): Promise<string> {
  const { user, password, prompt = defaultPrompt } = given;
  if (user === undefined && password === undefined) throw new UsageError('a login needs a user, a password, or both');
  if (user !== undefined) checkArgument('the user', user);
  if (password !== undefined) checkArgument('the password', password instanceof Secret ? password.reveal() : password);
  const patterns = [
    given.failure ?? failures,
    given.passwordPrompt ?? passwordPrompts,
    given.loginPrompt ?? loginPrompts,
    prompt,
  ];
  const refuse = (why: string, reason: string): AuthError =>
    new AuthError(`Telnet login at ${session.where}: ${why}`, { protocol: 'TELNET', reason, reusable: false });
  let userSent = false;
  let passwordSent = false;
  let said = '';
  for (;;) {
    // A refusal means something only once there was something to refuse; a prompt too: a banner may look like one.
    const asked = userSent || passwordSent;
    const wanted = asked ? patterns : patterns.slice(1, 3);
    const match = await session.expect(wanted);
    said += match.before + match.text;
    switch (asked ? match.index : match.index + 1) {
      case 0:
        throw refuse('the server refused the user or the password', 'REFUSED');
      case 1:
        if (password === undefined) throw refuse('the server wants a password, and none was given', 'NO_PASSWORD');
        if (passwordSent) throw refuse('the server asked for the password again, which is never sent twice', 'REFUSED');
        if (user !== undefined && !userSent)
          throw refuse('the server asked for the password before it asked for the user', 'OUT_OF_ORDER');
        passwordSent = true;
        await session.writeLine(password instanceof Secret ? password : new Secret(password));
        break;
      case 2:
        if (user === undefined) throw refuse('the server wants a user name, and none was given', 'NO_USER');
        if (userSent) throw refuse('the server asked for the user again: it refused the first', 'REFUSED');
        userSent = true;
        await session.writeLine(user);
        break;
      default:
        return said;
    }
  }
}
