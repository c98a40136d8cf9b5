import type { FakeServerOptions } from './fake-server.ts';
import type { FtpFiles } from './ftp-files.ts';
import type { FakeListing } from './ftp-listing.ts';

export interface FakeFtpOptions extends FakeServerOptions {
  /** What is on it. Default: a new, empty file system. */
  readonly files?: FtpFiles | undefined;
  /** The form of LIST. Default 'unix'. */
  readonly listing?: FakeListing | undefined;
  /** How far the clock of LIST is ahead of UTC. Default 0. */
  readonly listingOffsetMinutes?: number | undefined;
  /** Lines of FEAT: false takes one away, and its command; true adds it; text adds it with parameters. */
  readonly features?: Readonly<Record<string, boolean | string>> | undefined;
  readonly greeting?: string | undefined;
  /** With TLS: data connections must resume a session of this server (522 otherwise), as vsftpd and FileZilla Server demand. */
  readonly requireSessionReuse?: boolean | undefined;
  /** Refuse data connections without TLS (PROT C). */
  readonly requireProtection?: boolean | undefined;
  /** Take data connections to and from other hosts than the client's: FXP. */
  readonly allowForeignData?: boolean | undefined;
  /** The account that ACCT must give after the password. */
  readonly account?: string | undefined;
  /** Names that HOST may ask for. */
  readonly virtualHosts?: readonly string[] | undefined;
  /** The charset of names. Default UTF-8. */
  readonly charset?: string | undefined;
  /** What PASV tells as its address, in place of the real one: a server behind NAT. */
  readonly passiveHost?: string | undefined;
}
