import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { ExpectTimeout, TelnetClient, type TelnetOptions, telnetEnd } from '../../src/telnet/index.ts';

/** A server with a login and a shell that this suite can run against: the fake, or a real one. */
export interface TelnetServerUnderTest {
  readonly target: string;
  readonly options: TelnetOptions;
  readonly user: string;
  readonly password: string;
  /** Of the user's shell. */
  readonly prompt: string;
  close(): Promise<void>;
}

/** What a client must do on any Telnet server with a login and a POSIX shell. */
export function telnetClientSuite(name: string, factory: () => Promise<TelnetServerUnderTest>): void {
  describe(`Telnet against ${name}`, () => {
    let server: TelnetServerUnderTest;
    beforeAll(async () => {
      server = await factory();
    }, 60_000);
    afterAll(() => server?.close());
    const connect = (): Promise<TelnetClient> => TelnetClient.connect(server.target, server.options);
    const loggedIn = async (): Promise<TelnetClient> => {
      const client = await connect();
      await client.login({ user: server.user, password: server.password, prompt: server.prompt, timeoutMs: 20_000 });
      return client;
    };

    test('login, a command, its exit status, and leave', async () => {
      await using client = await loggedIn();
      const { prompt } = server;
      expect(await client.exec('echo one two', { prompt })).toEqual({ output: 'one two\r\n', status: undefined });
      expect(await client.exec('true', { prompt, status: true })).toEqual({ output: '', status: 0 });
      expect(await client.exec('false', { prompt, status: true })).toEqual({ output: '', status: 1 });
      await client.writeLine('exit');
      const { text } = await client.expect(telnetEnd);
      expect(text).toBe('');
    });

    test('the server echoes, by an option that it asked for', async () => {
      await using client = await loggedIn();
      expect(client.options.them).toEqual(expect.arrayContaining(['ECHO']));
    });

    test('a refused login is told from a late one', async () => {
      await using client = await connect();
      const error = await client
        .login({ user: server.user, password: 'wrong', prompt: server.prompt, timeoutMs: 20_000 })
        .catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(AuthError);
      expect(String(error)).not.toContain('wrong');
    });

    test('a pattern that does not come leaves the session as it was', async () => {
      await using client = await loggedIn();
      await client.writeLine('echo left');
      const error = (await client
        .expect('never', { timeoutMs: 300 })
        .catch((caught: unknown) => caught)) as ExpectTimeout;
      expect(error).toBeInstanceOf(ExpectTimeout);
      expect(error.lastText).toContain('left');
      expect(error.options.them).toContain('ECHO');
      expect(await client.readUntil(server.prompt)).toContain('left\r\n');
    });

    test('scripts', async () => {
      await using client = await connect();
      const matches = await client.script(
        [
          { expect: 'login: ', send: server.user },
          { expect: 'Password: ', send: server.password },
          { expect: server.prompt, send: 'echo done' },
          { expect: [/d(o)ne\r?\n/, 'never'], send: 'exit' },
        ],
        { timeoutMs: 20_000 },
      );
      expect(matches.map(({ index }) => index)).toEqual([0, 0, 0, 0]);
      expect(matches[3]?.match?.[1]).toBe('o');
    });

    test('text that is not ASCII', async () => {
      await using client = await loggedIn();
      expect((await client.exec('echo Grüße 日本', { prompt: server.prompt })).output).toContain('Grüße 日本');
    });
  });
}
