import { AuthError, UnsupportedError } from '../errors.ts';
import {
  type Credentials,
  type SaslAnswer,
  type SaslExchange,
  checkSecretAllowed,
  mechanisms,
  saslLogin,
} from '../sasl/index.ts';
import type { Connection } from '../socket/connection.ts';
import { Secret, type ShownBytes, commandLine, secret } from '../wire/arguments.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import { type NntpStatus, encodeNntpCommand } from './codec/response.ts';
import type { ResolvedNntpTarget } from './target.ts';

/** What a login needs of the session that logs in. */
export interface LoginHost {
  readonly connection: Connection;
  readonly target: ResolvedNntpTarget;
  readonly capabilities: Capabilities;
  /** Sends one line and reads its status, whatever it is. */
  ask(name: string, line: ShownBytes): Promise<NntpStatus>;
}

/**
 * Logs in: by AUTHINFO USER and PASS where the channel may carry a password and the server takes it so, else by SASL. AuthError when it is
 * refused, or nothing that is offered may be used.
 *
 * @see RFC 4643
 */
export async function login(host: LoginHost, credentials: Credentials, signal?: AbortSignal): Promise<void> {
  const { connection, target, capabilities } = host;
  const { password } = credentials;
  const text = password instanceof Secret ? password.reveal() : password;
  const offered = (capabilities.parameters('SASL') ?? []).map((name) => name.toUpperCase());
  const authinfo = (capabilities.parameters('AUTHINFO') ?? []).map((name) => name.toUpperCase());
  const mayTellPassword = connection.secure || target.allowInsecureAuth;
  // QUIRK(servers before RFC 4643): no AUTHINFO among the capabilities, or no capabilities at all, says nothing about USER.
  const takesUser = authinfo.length === 0 || authinfo.includes('USER');
  const hasMechanism = offered.some((name) =>
    mechanisms.some((each) => each.name === name && each.uses === 'password'),
  );
  const bySasl =
    text === undefined || credentials.mechanisms !== undefined || !takesUser || (!mayTellPassword && hasMechanism);
  if (bySasl) {
    await saslLogin(exchange(host), {
      offered,
      credentials,
      secure: connection.secure,
      allowInsecureAuth: target.allowInsecureAuth,
      host: connection.host,
      port: connection.port,
      service: 'nntp',
      binder: connection.channelBinding,
      maxRounds: connection.limits.saslRounds,
      signal,
    });
    return;
  }
  checkSecretAllowed({ secure: connection.secure, allowInsecureAuth: target.allowInsecureAuth }, 'AUTHINFO PASS');
  // Both are encoded before either leaves.
  const user = encodeNntpCommand('AUTHINFO', 'USER', credentials.user);
  const pass = encodeNntpCommand('AUTHINFO', 'PASS', secret(text));
  let status = await host.ask('AUTHINFO USER', user);
  if (status.code === 381) status = await host.ask('AUTHINFO PASS', pass);
  if (status.code === 281) return;
  throw refused(host, credentials.user, status);
}

function refused(host: LoginHost, user: string, { code, text }: NntpStatus): Error {
  const { host: name, port } = host.connection;
  const shared = { protocol: 'NNTP', phase: 'command', host: name, port, reply: { code, text } };
  if (code === 483)
    return new AuthError(`login as ${user} refused: ${code} ${text}`, {
      ...shared,
      reason: 'TLS_REQUIRED',
      hint: 'the server takes passwords over TLS alone: use nntps://, or tls: starttls',
    });
  if (code === 500 || code === 501 || code === 503)
    return new UnsupportedError(`NNTP server ${name}:${port} has no AUTHINFO USER: ${code} ${text}`, shared);
  return new AuthError(`login as ${user} refused: ${code} ${text}`, {
    ...shared,
    reason: code === 502 ? 'refused' : 'bad-credentials',
    temporary: code === 400 || code === 403,
    hint: code === 502 ? 'too many connections at once, or an account without access' : 'check user and password',
  });
}

function exchange(host: LoginHost): SaslExchange {
  const respond = async (response: Uint8Array): Promise<SaslAnswer> =>
    toAnswer(
      await host.ask('AUTHINFO SASL', {
        bytes: Buffer.from(`${response.length === 0 ? '=' : base64(response)}\r\n`),
        shown: '***',
      }),
    );
  return {
    respond,
    begin: async (mechanism, initial) => {
      const words = initial === undefined ? [] : [secret(initial.length === 0 ? '=' : base64(initial))];
      // RFC 4643 section 2.4.1: an initial response may make the line longer than 512 octets.
      return toAnswer(await host.ask('AUTHINFO SASL', commandLine(['AUTHINFO', 'SASL', mechanism, ...words])));
    },
    cancel: async () => toAnswer(await host.ask('AUTHINFO SASL', encodeNntpCommand('*'))),
  };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function toAnswer({ code, text }: NntpStatus): SaslAnswer {
  if (code === 281) return { kind: 'success' };
  if (code !== 283 && code !== 383)
    return { kind: 'failure', reply: { code, text }, temporary: code === 400 || code === 403 };
  const word = text.trim();
  const data = word === '=' ? '' : word;
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(data))
    return { kind: 'malformed', text: word };
  return { kind: code === 283 ? 'success' : 'challenge', data: Buffer.from(data, 'base64') };
}
