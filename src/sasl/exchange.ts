import { AuthError, type ErrorReply, UsageError, addContext } from '../errors.ts';
import { Secret } from '../wire/arguments.ts';
import { chooseMechanisms } from './choose.ts';
import type { ChannelBinder, Credentials, Mechanism, SaslClient } from './mechanism.ts';

/** A server's answer in a login, whatever protocol carries it. */
export type SaslAnswer =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  /** A challenge that cannot be decoded. */
  | { readonly kind: 'malformed'; readonly text: string }
  | { readonly kind: 'success'; readonly data?: Uint8Array | undefined }
  | { readonly kind: 'failure'; readonly reply: ErrorReply; readonly temporary: boolean };

/** How a protocol carries a login: three lines of SMTP, POP3, IMAP or NNTP. */
export interface SaslExchange {
  begin(mechanism: string, initial: Uint8Array | undefined): Promise<SaslAnswer>;
  respond(response: Uint8Array): Promise<SaslAnswer>;
  /** Sends the protocol's cancellation, and reads its answer. */
  cancel(): Promise<SaslAnswer>;
}

export interface LoginOptions {
  readonly offered: readonly string[];
  readonly credentials: Credentials;
  readonly secure: boolean;
  readonly allowInsecureAuth?: boolean | undefined;
  readonly host: string;
  readonly port: number;
  /** As registered for SASL: 'imap', 'pop', 'nntp'. Default 'smtp'. */
  readonly service?: string | undefined;
  readonly maxRounds: number;
  readonly signal?: AbortSignal | undefined;
  /** Ties the login to the TLS connection: `connection.channelBinding`. */
  readonly binder?: ChannelBinder | undefined;
  /** Watches the wait for a token: the caller's function may never answer. */
  readonly wait?: (<T>(promise: Promise<T>) => Promise<T>) | undefined;
}

/** Codes that speak of the mechanism, not of the password: RFC 4954 section 6, RFC 5321 section 4.2.3. */
const MECHANISM_REFUSED = new Set([500, 501, 502, 504, 534, 538]);

interface Refusal {
  readonly mechanism: string;
  readonly reply: ErrorReply;
  readonly temporary: boolean;
  readonly oauth: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Logs in with the strongest mechanism; when the server refuses it over TLS, with one that sends the password another way. A token callback is asked once
 * more, with `force`, when its token is refused. Resolves with the mechanism's name.
 *
 * Rejects with AuthError: refused (the reply of the first refusal), nothing suitable offered, or a server that cannot prove itself.
 */
export async function saslLogin(exchange: SaslExchange, options: LoginOptions): Promise<string> {
  const { credentials, secure } = options;
  const candidates = chooseMechanisms(options);
  let refusal: Refusal | undefined;
  // A caller who lists mechanisms without -PLUS does not want to bind.
  const mayBind = secure && (credentials.mechanisms ?? ['-PLUS']).some((name) => /-PLUS$/i.test(name));
  const refusedKinds = new Set<Mechanism['secrecy']>();
  for (const mechanism of candidates) {
    if (refusedKinds.has(mechanism.secrecy)) continue;
    let force = false;
    for (;;) {
      const secret = await secretOf(credentials, force, options);
      const client = mechanism.client({
        user: credentials.user,
        secret,
        authzid: credentials.authzid,
        host: options.host,
        port: options.port,
        service: options.service,
        binder: options.binder,
        couldBind: mayBind && !options.offered.some((name) => /-PLUS$/i.test(name)),
      });
      const failed = await runMechanism(client, exchange, options.maxRounds);
      if (failed === undefined) return mechanism.name;
      refusal ??= failed;
      if (failed.temporary) throw refused(refusal, options);
      if (force || typeof credentials.token !== 'function') {
        // Every attempt counts towards a lockout. A server may hold the password in a form that hashed mechanisms cannot use, so
        // one of each kind is tried; more only where it was the mechanism that was refused.
        if (!MECHANISM_REFUSED.has(Number(failed.reply.code))) refusedKinds.add(mechanism.secrecy);
        break;
      }
      force = true;
    }
    // Stepping down to a weaker mechanism is safe only where nobody can have forged the refusal.
    if (!secure) break;
  }
  throw refused(refusal as Refusal, options);
}

async function secretOf(credentials: Credentials, force: boolean, options: LoginOptions): Promise<string> {
  if (typeof credentials.token === 'function') {
    const asked = Promise.resolve(credentials.token({ force, signal: options.signal }));
    const token = await (options.wait === undefined ? asked : options.wait(asked));
    if (typeof token !== 'string') throw new UsageError(`the token function must give a string; got ${typeof token}`);
    return token;
  }
  const secret = credentials.token ?? credentials.password ?? '';
  return secret instanceof Secret ? secret.reveal() : secret;
}

async function runMechanism(
  client: SaslClient,
  exchange: SaslExchange,
  maxRounds: number,
): Promise<Refusal | undefined> {
  let answer = await exchange.begin(client.name, client.start());
  for (let round = 0; answer.kind === 'challenge' || answer.kind === 'malformed'; round++) {
    let response: Uint8Array;
    try {
      if (answer.kind === 'malformed')
        throw new AuthError(`${client.name}: the server sent a challenge that is not base64: ${answer.text}`, {
          reason: 'MALFORMED_CHALLENGE',
        });
      if (round >= maxRounds)
        throw new AuthError(`${client.name}: the server sent more than ${maxRounds} challenges`, {
          reason: 'TOO_MANY_CHALLENGES',
        });
      response = await client.next(answer.data);
    } catch (error) {
      await exchange.cancel();
      throw error;
    }
    answer = await exchange.respond(response);
  }
  if (answer.kind === 'success') {
    // Some protocols carry the server's last message beside its success.
    if (answer.data !== undefined && answer.data.length > 0) await client.next(answer.data);
    client.finish();
    return undefined;
  }
  const oauth = (client as { oauth?: Readonly<Record<string, unknown>> }).oauth;
  return { mechanism: client.name, reply: answer.reply, temporary: answer.temporary, oauth };
}

function refused(refusal: Refusal, options: LoginOptions): AuthError {
  const { reply, mechanism, oauth } = refusal;
  const advice = adviseOn(reply);
  const shown = [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ');
  return addContext(
    new AuthError(`login as ${options.credentials.user} by ${mechanism} refused: ${shown}`, {
      ...advice,
      reply,
      temporary: refusal.temporary,
      mechanismsOffered: options.offered,
      oauth,
    }),
    { phase: 'command', host: options.host, port: options.port },
  );
}

/** What servers' refusals mean, by their text: providers use the same codes for quite different faults. */
function adviseOn(reply: ErrorReply): { reason: string; hint: string; helpUrl?: string } {
  const text = `${reply.enhanced ?? ''} ${reply.text}`;
  if (
    /application-specific password|app(lication)?[ -]password|InvalidSecondFactor|BadCredentials.*gsmtp|gmail|google/i.test(
      text,
    )
  ) {
    return {
      reason: /web browser|WebLoginRequired/i.test(text) ? 'web-login-required' : 'app-password-required',
      hint: 'this provider does not take the account password here: make an app password, or log in with a token (OAuth 2)',
      helpUrl: 'https://support.google.com/accounts/answer/185833',
    };
  }
  if (
    /basic authentication is disabled|SmtpClientAuthentication is disabled|5\.7\.139|authentication unsuccessful.*(disabled|security defaults)/i.test(
      text,
    )
  ) {
    return {
      reason: 'basic-auth-disabled',
      hint: 'this provider no longer takes passwords here: log in with a token (OAuth 2), or let the administrator enable SMTP AUTH',
      helpUrl:
        'https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission',
    };
  }
  if (/web ?login|log in via your web browser/i.test(text))
    return { reason: 'web-login-required', hint: 'log in to the account once with a browser, then try again' };
  return {
    reason: 'bad-credentials',
    hint: 'check user and password; many providers want an app password here instead of the account password',
  };
}

/** The mechanism of that name for a server, or undefined. */
export function findMechanism(name: string, among: readonly Mechanism[]): Mechanism | undefined {
  return among.find((mechanism) => mechanism.name === name.toUpperCase());
}
