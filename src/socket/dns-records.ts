import { resolveMx, resolveTxt } from 'node:dns/promises';

/** Gives the TXT records of a name, each as its strings; rejects with code 'ENOTFOUND' or 'ENODATA' where there are none. */
export type TxtResolver = (name: string) => Promise<readonly (readonly string[])[]>;

/** The system's name servers. */
export const systemTxtResolver: TxtResolver = (name) => resolveTxt(name);

/** A mail exchanger of a domain. `secure` where DNSSEC vouches for it. */
export interface MxRecord {
  readonly exchange: string;
  /** The lowest goes first. */
  readonly priority: number;
  readonly secure?: boolean | undefined;
}

/** Gives the mail exchangers of a domain; rejects as `TxtResolver`. */
export type MxResolver = (domain: string) => Promise<readonly MxRecord[]>;

/** The system's name servers, which tell nothing of DNSSEC. */
export const systemMxResolver: MxResolver = (domain) => resolveMx(domain);
