import { UsageError } from '../errors.ts';
import { type CredentialOptions, credentialOptionNames, readCredentials } from '../sasl/credentials.ts';
import type { Credentials } from '../sasl/mechanism.ts';
import type { SchemeTable } from '../socket/address.ts';
import { type ResolvedServer, type ServerOptions, type ServerTarget, resolveServer } from '../socket/target.ts';
import { checkArgument } from '../wire/arguments.ts';

/** What may be set beside the server's address. */
export interface ImapOptions extends ServerOptions, CredentialOptions {
  /** Compress the conversation where the server can. Default false: on a fast line it costs more than it saves. */
  readonly compress?: boolean | undefined;
  /** What to tell the server of this program, by ID (RFC 2971). Default: nothing. */
  readonly clientId?: Readonly<Record<string, string>> | undefined;
  /** Extensions to switch on after the login where they are offered: 'IMAP4rev2', 'QRESYNC', 'UTF8=ACCEPT'. Default: none. */
  readonly enable?: readonly string[] | undefined;
}

/**
 * Where to connect: a URL (`imaps://user:password@host/mailbox`, `imap://host` with STARTTLS, `?tls=none`) or the same as an object.
 *
 * @see RFC 5092
 */
export type ImapTarget = ServerTarget<ImapOptions>;

export interface ResolvedImapTarget extends ResolvedServer<ImapOptions> {
  readonly credentials: Credentials | undefined;
  /** The mailbox that the URL's path names. */
  readonly mailbox: string | undefined;
}

/** @see RFC 9051 section 2.1 (143), RFC 8314 (993) */
export const imapSchemes: SchemeTable = {
  protocol: 'imap',
  schemes: { imap: 'auto', imaps: 'implicit', 'imap+starttls': 'starttls' },
  port: 143,
  implicitPort: 993,
  parameters: ['allowInsecureAuth'],
};

/** A SEARCH may name a million messages in a line, a FETCH hold a message. */
const imapLimits = { lineBytes: 16 * 1024 * 1024, replyBytes: 128 * 1024 * 1024 };

/** Checks a target and its options; UsageError that names what is wrong. Nothing is connected. */
export function resolveImapTarget(target: ImapTarget | undefined, options: ImapOptions = {}): ResolvedImapTarget {
  const { url, mailbox } = typeof target === 'string' ? splitMailbox(target) : { url: target, mailbox: undefined };
  const server = resolveServer(url, options, imapSchemes, [...credentialOptionNames, 'compress', 'clientId', 'enable']);
  return {
    ...server,
    dial: { ...server.dial, limits: { ...imapLimits, ...server.given.limits } },
    credentials: readCredentials(server.given, server.endpoint),
    mailbox,
  };
}

/** The URL without its path, and the mailbox that the path names. */
function splitMailbox(url: string): { readonly url: string; readonly mailbox: string | undefined } {
  const match = /^([a-z0-9+.-]+:\/\/[^/?#]*)\/([^?#]*)(.*)$/is.exec(url);
  if (match === null || match[2] === '') return { url, mailbox: undefined };
  const path = (match[2] as string).replace(/;UIDVALIDITY=[0-9]+$/i, '');
  let mailbox: string;
  try {
    mailbox = decodeURIComponent(path);
  } catch {
    throw new UsageError('the mailbox in the IMAP URL is not valid percent-encoding');
  }
  return {
    url: `${match[1] as string}${match[3] as string}`,
    mailbox: checkArgument('the mailbox in the IMAP URL', mailbox),
  };
}
