import { AuthError, UnsupportedError, UsageError } from '../errors.ts';
import { type Credentials, type SaslAnswer, type SaslExchange, saslLogin } from '../sasl/index.ts';
import type { CallOptions } from '../socket/connection.ts';
import { Secret } from '../wire/arguments.ts';
import type { ImapStatus } from './codec/response.ts';
import { temporaryCodes } from './codec/response-code.ts';
import { authenticate } from './commands/authenticate.ts';
import { login } from './commands/login.ts';
import type { ImapSession } from './session.ts';
import type { ResolvedImapTarget } from './target.ts';

/** Logs in: by SASL where the server offers a mechanism, else by LOGIN. Nothing is sent where LOGINDISABLED forbids it. */
export async function logIn(
  session: ImapSession,
  target: ResolvedImapTarget,
  credentials: Credentials,
  call: CallOptions,
): Promise<void> {
  const { connection } = session;
  const { host, port, secure } = connection;
  const offered = session.features.capabilities.parameters('AUTH') ?? [];
  const { password } = credentials;
  const text = password instanceof Secret ? password.reveal() : password;
  const loginAllowed = !session.has('LOGINDISABLED') && text !== undefined && credentials.mechanisms === undefined;
  if (offered.length > 0 || credentials.mechanisms !== undefined || text === undefined) {
    try {
      await saslLogin(exchange(session, call), {
        offered,
        credentials,
        secure,
        allowInsecureAuth: target.allowInsecureAuth,
        host,
        port,
        service: 'imap',
        binder: connection.channelBinding,
        maxRounds: connection.limits.saslRounds,
        signal: call.signal,
        wait: (promise) => connection.waitFor(promise, 'command', call),
      });
      return;
    } catch (error) {
      // QUIRK(servers with mechanisms that nobody has): LOGIN is what they are used with.
      const unusable = error instanceof AuthError && error.reply === undefined && error.reason === 'NO_MECHANISM';
      if (!unusable || !loginAllowed) throw error;
    }
  }
  if (session.has('LOGINDISABLED'))
    throw new UnsupportedError(
      `IMAP server ${host}:${port} does not allow a login ${secure ? 'by password' : 'without TLS'}`,
      {
        protocol: 'IMAP',
        reason: 'LOGINDISABLED',
        hint: secure ? 'use a token or a client certificate' : 'use imaps://, or tls: starttls',
      },
    );
  if (!secure && !target.allowInsecureAuth)
    throw new UsageError('the password would cross the network in the clear', {
      hint: 'use imaps://, or set allowInsecureAuth for a server on this machine',
    });
  const status = await session.run(login(credentials.user, text), call);
  if (status.status !== 'OK')
    throw new AuthError(
      `login as ${credentials.user} refused: ${status.status} ${status.code?.name ?? ''} ${status.text}`.replace(
        '  ',
        ' ',
      ),
      {
        protocol: 'IMAP',
        host,
        port,
        phase: 'command',
        reason: status.code?.name ?? 'bad-credentials',
        reply: { code: status.status, enhanced: status.code?.name, text: status.text },
        temporary: temporaryCodes.has(status.code?.name ?? ''),
        hint: 'check user and password; many providers want an app password here instead of the account password',
      },
    );
}

/** AUTHENTICATE is one command that lasts for the whole exchange: challenges are its go-aheads. */
function exchange(session: ImapSession, call: CallOptions): SaslExchange {
  let answerChallenge: ((response: Uint8Array | 'cancel') => void) | undefined;
  let next: ((answer: SaslAnswer) => void) | undefined;
  let fail: ((error: unknown) => void) | undefined;
  const answered = (): Promise<SaslAnswer> =>
    new Promise((resolve, reject) => {
      next = resolve;
      fail = reject;
    });
  const respond = (response: Uint8Array | 'cancel'): Promise<SaslAnswer> => {
    const answer = answered();
    answerChallenge?.(response);
    return answer;
  };
  return {
    begin(mechanism, initial) {
      const answer = answered();
      const early = initial !== undefined && session.has('SASL-IR');
      let late = early ? undefined : initial;
      const command = authenticate(mechanism, early ? initial : undefined, (text) => {
        if (late !== undefined) {
          const first = late;
          late = undefined;
          return Promise.resolve(base64(first));
        }
        return new Promise((resolve, reject) => {
          answerChallenge = (response) =>
            response === 'cancel' ? reject(new UsageError('the login was given up')) : resolve(base64(response));
          next?.(challenge(text));
        });
      });
      session.run(command, call).then(
        (status) => next?.(toAnswer(status)),
        (error: unknown) => fail?.(error),
      );
      return answer;
    },
    respond,
    // The server's answer to a cancellation is a refusal, however it is worded.
    cancel: () =>
      respond('cancel').catch(() => ({
        kind: 'failure',
        reply: { code: 'NO', text: 'the login was given up' },
        temporary: false,
      })),
  };
}

const base64 = (bytes: Uint8Array): Uint8Array => Buffer.from(Buffer.from(bytes).toString('base64'));

function challenge(given: string): SaslAnswer {
  const text = given.trim();
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? { kind: 'challenge', data: Buffer.from(text, 'base64') }
    : { kind: 'malformed', text };
}

function toAnswer(status: ImapStatus): SaslAnswer {
  if (status.status === 'OK') return { kind: 'success' };
  const name = status.code?.name;
  return {
    kind: 'failure',
    reply: { code: status.status, enhanced: name, text: status.text },
    temporary: temporaryCodes.has(name ?? ''),
  };
}
