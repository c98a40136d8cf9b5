/** What went wrong, by class. Every error that postwire throws by itself carries one. */
export type ErrorCode =
  | 'CONNECT'
  | 'TLS'
  | 'CLOSED'
  | 'TIMEOUT'
  | 'PROTOCOL'
  | 'LIMIT'
  | 'USAGE'
  | 'UNSUPPORTED'
  | 'REPLY'
  | 'AUTH'
  | 'ABORTED';

/** A server's answer as an error carries it. `code` is protocol specific: 550 in SMTP, 'NO' in IMAP. */
export interface ErrorReply {
  readonly code: number | string;
  /** Enhanced status code, RFC 3463: '5.1.1'. */
  readonly enhanced?: string | undefined;
  /** The server's text as it was sent, unescaped. Escape it before showing it on a terminal. */
  readonly text: string;
}

export interface ErrorDetails {
  /** Names the cause more narrowly than `code`: 'STARTTLS_INJECTION', 'TLS_MODE_MISMATCH', 'app-password-required'. */
  readonly reason?: string | undefined;
  readonly protocol?: string | undefined;
  /** What the connection was doing: 'connect', 'tls', 'greeting', 'command', 'bodyIdle'. */
  readonly phase?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** The command as the transcript shows it: secrets masked. */
  readonly command?: string | undefined;
  readonly reply?: ErrorReply | undefined;
  /** True when trying again later may succeed with nothing changed. */
  readonly temporary?: boolean | undefined;
  /** True when the connection is still in step and may be used for the next command. */
  readonly reusable?: boolean | undefined;
  /** One sentence that names the likely fix. */
  readonly hint?: string | undefined;
  /** The last lines of the wire transcript, secrets masked. */
  readonly transcript?: readonly string[] | undefined;
  readonly cause?: unknown;
}

const MAX_MESSAGE_CHARACTERS = 1024;
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Makes text from a peer safe for a terminal or a log line: control and bidirectional characters escaped, length capped. */
export function escapeControls(text: string, maxCharacters: number = MAX_MESSAGE_CHARACTERS): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}… (${text.length} characters)` : text;
  return cut
    .replace(hidden, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(/[\n\t]/g, (character) => (character === '\n' ? '\\n' : '\\t'));
}

/** The root of every error thrown by postwire. `code` says which class, `message` is one sentence for a person. */
export class PostwireError extends Error {
  readonly code: ErrorCode;
  declare readonly reason: string | undefined;
  declare readonly protocol: string | undefined;
  declare readonly phase: string | undefined;
  declare readonly host: string | undefined;
  declare readonly port: number | undefined;
  declare readonly command: string | undefined;
  declare readonly reply: ErrorReply | undefined;
  declare readonly temporary: boolean;
  declare readonly reusable: boolean;
  declare readonly hint: string | undefined;
  declare readonly transcript: readonly string[] | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(escapeControls(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    addContext(this, { temporary: false, reusable: false, ...defined(details) });
  }
}

/** Could not reach the server: name not found, refused, unreachable. `attempts` lists every address tried. */
export class ConnectError extends PostwireError {
  readonly attempts: readonly { readonly address: string; readonly error: string }[];
  constructor(
    message: string,
    details: ErrorDetails & { attempts?: readonly { readonly address: string; readonly error: string }[] } = {},
  ) {
    const { attempts = [], ...rest } = details;
    super('CONNECT', message, rest);
    this.attempts = attempts;
  }
}

/** What is known of the certificate that was refused. */
export interface CertificateSummary {
  readonly subject: string;
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
  /** SHA-256 of the certificate, as `pin` takes it: 'sha256/AB:CD:…'. */
  readonly pin: string;
}

/** The TLS handshake failed, or the certificate was refused. */
export class TlsError extends PostwireError {
  readonly certificate: CertificateSummary | undefined;
  constructor(message: string, details: ErrorDetails & { certificate?: CertificateSummary | undefined } = {}) {
    const { certificate, ...rest } = details;
    super('TLS', message, rest);
    this.certificate = certificate;
  }
}

/** The connection ended, or had ended before, so the call could not complete. */
export class ClosedError extends PostwireError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('CLOSED', message, { temporary: true, ...defined(details) });
  }
}

/** A deadline passed. `phase` says which. The connection is closed. */
export class TimeoutError extends PostwireError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('TIMEOUT', message, { temporary: true, ...defined(details) });
  }
}

/** The peer broke the protocol, or the stream is out of step. The connection is closed. */
export class ProtocolError extends PostwireError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('PROTOCOL', message, details);
  }
}

/** The peer, or the input, passed a limit. The connection, if there is one, is closed. */
export class LimitError extends PostwireError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('LIMIT', message, details);
  }
}

/** The call itself is wrong. Thrown before a byte leaves; the connection is untouched. */
export class UsageError extends PostwireError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('USAGE', message, { reusable: true, ...defined(details) });
  }
}

/** The server, or this platform, cannot do what was asked. Nothing was changed. */
export class UnsupportedError extends PostwireError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('UNSUPPORTED', message, { reusable: true, ...defined(details) });
  }
}

/** The server answered, and the answer was no. The connection is in step unless `reusable` says otherwise. */
export class ReplyError extends PostwireError {
  constructor(message: string, details: ErrorDetails & { reply: ErrorReply }) {
    super('REPLY', message, { reusable: true, ...defined(details) });
  }
}

/** Login failed. `reason` says why where the server's text tells. */
export class AuthError extends PostwireError {
  readonly mechanismsOffered: readonly string[];
  /** A page of the provider that explains the fix. */
  readonly helpUrl: string | undefined;
  /** The decoded error document of XOAUTH2 or OAUTHBEARER. */
  readonly oauth: Readonly<Record<string, unknown>> | undefined;
  constructor(
    message: string,
    details: ErrorDetails & {
      mechanismsOffered?: readonly string[] | undefined;
      helpUrl?: string | undefined;
      oauth?: Readonly<Record<string, unknown>> | undefined;
    } = {},
  ) {
    const { mechanismsOffered = [], helpUrl, oauth, ...rest } = details;
    super('AUTH', message, { reusable: true, ...defined(rest) });
    this.mechanismsOffered = mechanismsOffered;
    this.helpUrl = helpUrl;
    this.oauth = oauth;
  }
}

/** The call was given up because another call's abort or failure closed the connection under it. */
export class AbortedError extends PostwireError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('ABORTED', message, { temporary: true, ...defined(details) });
  }
}

/** Fills in what an outer layer knows (protocol, command, host) and an inner one did not. Never overwrites. */
export function addContext<E>(error: E, details: ErrorDetails): E {
  if (!(error instanceof PostwireError)) return error;
  const target = error as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(details)) {
    if (name === 'cause' || value === undefined || target[name] !== undefined) continue;
    // Own, but not enumerable where it is bulky: a printed error stays readable.
    Object.defineProperty(error, name, {
      value,
      writable: true,
      configurable: true,
      enumerable: name !== 'transcript',
    });
  }
  return error;
}

/** The sentence of any thrown value, control characters escaped. */
export function messageOf(error: unknown): string {
  return escapeControls(error instanceof Error ? error.message : String(error));
}

function defined<T extends object>(details: T): T {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined)) as T;
}
