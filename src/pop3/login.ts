import { createHash } from 'node:crypto';
import { UnsupportedError, UsageError } from '../errors.ts';
import { type Credentials, type SaslAnswer, type SaslExchange, checkSecretAllowed, saslLogin } from '../sasl/index.ts';
import type { Connection } from '../socket/connection.ts';
import { Secret, type ShownBytes, secret } from '../wire/arguments.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import { type Pop3Status, apopTimestamp, encodePop3Command } from './codec.ts';
import type { ResolvedPop3Target } from './target.ts';

/** What a login needs of the client that logs in. */
export interface LoginHost {
  readonly connection: Connection;
  readonly target: ResolvedPop3Target;
  readonly greeting: string;
  readonly capabilities: Capabilities;
  /** Sends one line and reads its status, whatever it is. */
  ask(name: string, line: ShownBytes): Promise<Pop3Status>;
  /** As `ask`; ReplyError unless the answer is +OK. */
  demand(name: string, line: ShownBytes): Promise<Pop3Status>;
}

/** Logs in: APOP when asked for, else SASL where offered (RFC 5034), else USER and PASS. */
export async function login(host: LoginHost, credentials: Credentials, signal?: AbortSignal): Promise<void> {
  const { connection, target } = host;
  const { password } = credentials;
  const text = password instanceof Secret ? password.reveal() : password;
  if (target.given.apop === true) {
    const stamp = apopTimestamp(host.greeting);
    if (stamp === undefined)
      throw new UnsupportedError('APOP was asked for, and the greeting has no valid timestamp', { protocol: 'POP3' });
    if (text === undefined) throw new UsageError('APOP needs a password');
    const digest = createHash('md5').update(`${stamp}${text}`).digest('hex');
    await host.demand('APOP', encodePop3Command('APOP', credentials.user, secret(digest)));
    return;
  }
  const offered = host.capabilities.parameters('SASL') ?? [];
  if (offered.length > 0 || text === undefined || credentials.mechanisms !== undefined) {
    await saslLogin(exchange(host), {
      offered,
      credentials,
      secure: connection.secure,
      allowInsecureAuth: target.allowInsecureAuth,
      host: connection.host,
      port: connection.port,
      service: 'pop',
      binder: connection.channelBinding,
      maxRounds: connection.limits.saslRounds,
      signal,
    });
    return;
  }
  checkSecretAllowed({ secure: connection.secure, allowInsecureAuth: target.allowInsecureAuth }, 'PASS');
  // Both are encoded before either leaves.
  const user = encodePop3Command('USER', credentials.user);
  const pass = encodePop3Command('PASS', secret(text));
  await host.demand('USER', user);
  await host.demand('PASS', pass);
}

function exchange(host: LoginHost): SaslExchange {
  const respond = async (response: Uint8Array): Promise<SaslAnswer> =>
    toAnswer(await host.ask('AUTH', { bytes: Buffer.from(`${base64(response)}\r\n`), shown: '***' }));
  return {
    respond,
    begin: async (mechanism, initial) => {
      const encoded = initial === undefined ? undefined : initial.length === 0 ? '=' : base64(initial);
      // RFC 5034 section 4: a line is at most 255 octets; a longer response answers an empty challenge.
      const late = encoded !== undefined && mechanism.length + encoded.length + 8 > 255;
      const words = encoded === undefined || late ? [] : [secret(encoded)];
      const answer = toAnswer(await host.ask('AUTH', encodePop3Command('AUTH', mechanism, ...words)));
      return late && answer.kind === 'challenge' ? respond(initial as Uint8Array) : answer;
    },
    cancel: async () => toAnswer(await host.ask('AUTH', encodePop3Command('*'))),
  };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function toAnswer(status: Pop3Status): SaslAnswer {
  if (status.kind === 'ok') return { kind: 'success' };
  if (status.kind === 'error')
    return {
      kind: 'failure',
      reply: { code: '-ERR', enhanced: status.code, text: status.text },
      temporary: isTemporary(status),
    };
  const text = status.text.trim();
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? { kind: 'challenge', data: Buffer.from(text, 'base64') }
    : { kind: 'malformed', text };
}

/** RFC 3206 and RFC 2449: these pass by themselves. */
export const isTemporary = (status: Pop3Status): boolean =>
  ['SYS/TEMP', 'IN-USE', 'LOGIN-DELAY'].includes(status.code ?? '');
