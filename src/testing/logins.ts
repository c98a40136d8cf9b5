import { type Accounts, type Mechanism, mechanisms } from '../sasl/index.ts';
import type { Connection } from '../socket/connection.ts';

/** Who may log in to a fake server. */
export interface LoginOptions {
  /** Passwords by user. */
  readonly users?: Readonly<Record<string, string>> | undefined;
  /** Bearer tokens by user. */
  readonly tokens?: Readonly<Record<string, string>> | undefined;
  /** Login mechanisms to offer. Default: all that fit the users and tokens. EXTERNAL and ANONYMOUS only when named. */
  readonly mechanisms?: readonly string[] | undefined;
}

/** The mechanisms that a fake server offers on this connection: those that bind only over TLS. */
export function offeredMechanisms(options: LoginOptions, connection: Connection): Mechanism[] {
  const { users, tokens, mechanisms: wanted } = options;
  return mechanisms.filter((mechanism) => {
    if (mechanism.binds === true && connection.channelBinding('tls-server-end-point') === undefined) return false;
    if (wanted !== undefined) return wanted.includes(mechanism.name);
    return mechanism.uses !== 'nothing' && (mechanism.uses === 'token' ? tokens : users) !== undefined;
  });
}

/** What the mechanisms ask a fake server of its users. EXTERNAL takes a TLS client's word for who it is. */
export function accountsOf({ users = {}, tokens = {} }: LoginOptions, connection: Connection): Accounts {
  return {
    password: (user) => (Object.hasOwn(users, user) ? users[user] : undefined),
    token: (user, token) => Object.hasOwn(tokens, user) && tokens[user] === token,
    external: (authzid) => (connection.secure ? authzid || 'external' : undefined),
  };
}
