import type { ImapCommand } from '../command.ts';
import { type ImapReader, readMailbox } from '../codec/reader.ts';

/** How much of a resource is used. STORAGE counts units of 1024 bytes. */
export interface QuotaResource {
  readonly name: string;
  readonly used: number;
  readonly limit: number;
}

export interface Quota {
  readonly root: string;
  readonly resources: readonly QuotaResource[];
}

function read(reader: ImapReader): Quota {
  const root = reader.string();
  const resources: QuotaResource[] = [];
  reader.spaces();
  if (reader.open())
    while (!reader.close()) {
      const name = reader.atom().toUpperCase();
      reader.spaces();
      const used = reader.number();
      reader.spaces();
      resources.push({ name, used, limit: reader.number() });
    }
  return { root, resources };
}

/** What of a quota is used. @see RFC 9208 section 4.1.2 */
export function getQuota(root: string): ImapCommand<Quota> {
  let found: Quota = { root, resources: [] };
  return {
    verb: 'GETQUOTA',
    needs: 'QUOTA',
    takes: ['QUOTA'],
    encode(writer) {
      writer.string('the quota root', root);
    },
    data({ reader }) {
      found = read(reader);
    },
    done: () => found,
  };
}

/** The quotas that a mailbox counts towards. @see RFC 9208 section 4.1.3 */
export function getQuotaRoot(mailbox: string): ImapCommand<readonly Quota[]> {
  const found: Quota[] = [];
  return {
    verb: 'GETQUOTAROOT',
    needs: 'QUOTA',
    takes: ['QUOTA', 'QUOTAROOT'],
    encode(writer) {
      writer.mailbox(mailbox);
    },
    data({ name, reader }, { utf8Names }) {
      if (name === 'QUOTAROOT') readMailbox(reader, utf8Names);
      else found.push(read(reader));
    },
    done: () => found,
  };
}

/** Changes limits; those that are not named are lifted. @see RFC 9208 section 4.1.4 */
export function setQuota(root: string, limits: Readonly<Record<string, number>>): ImapCommand<Quota | undefined> {
  let found: Quota | undefined;
  return {
    verb: 'SETQUOTA',
    needs: 'QUOTA',
    takes: ['QUOTA'],
    encode(writer) {
      writer.string('the quota root', root).open();
      for (const [name, limit] of Object.entries(limits)) writer.atom('a resource', name).number(name, limit);
      writer.close();
    },
    data({ reader }) {
      found = read(reader);
    },
    done: () => found,
  };
}
