import { resolveTxt } from 'node:dns/promises';

/** Gives the TXT records of a name, each as its strings; rejects with code 'ENOTFOUND' or 'ENODATA' where there are none. */
export type TxtResolver = (name: string) => Promise<readonly (readonly string[])[]>;

/** The system's name servers. */
export const systemTxtResolver: TxtResolver = (name) => resolveTxt(name);
