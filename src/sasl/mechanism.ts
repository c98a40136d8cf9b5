import type { Secret } from '../wire/arguments.ts';

/** What a token callback is told. */
export interface TokenRequest {
  /** True when the token given before was refused: fetch a new one. */
  readonly force: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Who logs in, and with what. A token and a password exclude each other. */
export interface Credentials {
  readonly user: string;
  readonly password?: string | Secret | undefined;
  /** An OAuth 2 access token, or where to get one. Asked once more with `force` when the server refuses it. */
  readonly token?: string | ((request: TokenRequest) => string | Promise<string>) | undefined;
  /** The identity to act as, when it is not `user`. */
  readonly authzid?: string | undefined;
  /** Only these mechanisms, in this order; EXTERNAL and ANONYMOUS are used only when they are named here. Default: the strongest offered first. */
  readonly mechanisms?: readonly string[] | undefined;
}

/**
 * The client's side of one login. `start` gives the initial response: undefined when the server speaks first, which is not the same
 * as an empty one (RFC 4422 section 3). Thrown UsageError: the credentials cannot be put in this mechanism's form.
 */
export interface SaslClient {
  readonly name: string;
  start(): Uint8Array | undefined;
  /** The answer to a challenge. Throws AuthError when the server's part is wrong. */
  next(challenge: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Called on the server's success. Throws AuthError when the server has not proved itself as the mechanism asks. */
  finish(): void;
}

/** What the server's side of a login says next. */
export type SaslStep =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  | { readonly kind: 'success'; readonly user: string; readonly authzid: string | undefined }
  | { readonly kind: 'failure'; readonly text: string };

/** The server's side of one login. The first call gets the initial response, or undefined where there was none. */
export interface SaslServer {
  readonly name: string;
  next(response: Uint8Array | undefined): SaslStep | Promise<SaslStep>;
}

/** Gives what ties a login to its TLS connection, by the type of binding; undefined where there is none. @see RFC 5056 */
export type ChannelBinder = (type: string) => Uint8Array | undefined;

/** What a server knows of its users. */
export interface Accounts {
  /** The user's password, or undefined where there is no such user. */
  password(user: string): string | undefined;
  /** Decides instead of a comparison, for mechanisms that see the password itself. */
  accepts?(user: string, password: string): boolean;
  /** The user that the connection itself proves (by a client's certificate); `authzid` is whom the client asks to be, '' for that user. */
  external?(authzid: string): string | undefined;
  /** True when the bearer token is good for the user. */
  token?(user: string, token: string): boolean;
}

/** True when the password is the user's. For mechanisms that see it. */
export function passwordMatches(
  accounts: Accounts,
  user: string,
  password: string,
  prepare: (text: string) => string = (text) => text,
): boolean {
  if (accounts.accepts !== undefined) return accounts.accepts(user, password);
  const expected = accounts.password(user);
  return expected !== undefined && prepare(expected) === prepare(password);
}

/** One mechanism, both sides. `secrecy` tells what an eavesdropper gets. */
export interface Mechanism {
  readonly name: string;
  /** 'plain': the password or token itself crosses the wire; 'hashed': proof of it does. */
  readonly secrecy: 'plain' | 'hashed';
  readonly uses: 'password' | 'token' | 'nothing';
  /** True where it ties the login to the TLS connection. */
  readonly binds?: boolean | undefined;
  client(login: SaslLogin): SaslClient;
  server(accounts: Accounts, binder?: ChannelBinder): SaslServer;
}

/** What a client logs in with. */
export interface SaslLogin {
  readonly user: string;
  readonly secret: string;
  readonly authzid: string | undefined;
  readonly host: string;
  readonly port: number;
  /** The service's name as registered for SASL: 'smtp', 'imap', 'pop'. Default 'smtp'. */
  readonly service?: string | undefined;
  readonly binder?: ChannelBinder | undefined;
  /** True where we could bind and the server does not offer it: saying so shows it that nobody took its offer away. */
  readonly couldBind?: boolean | undefined;
}
