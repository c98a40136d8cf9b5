import type { ImapCommand } from '../command.ts';
import { type ImapReader, readMailbox } from '../codec/reader.ts';

export interface Namespace {
  readonly prefix: string;
  /** Null where names are flat. */
  readonly delimiter: string | null;
}

export interface Namespaces {
  readonly personal: readonly Namespace[];
  readonly otherUsers: readonly Namespace[];
  readonly shared: readonly Namespace[];
}

/** Where mailboxes are. @see RFC 9051 section 6.3.10, RFC 2342 */
export function namespace(): ImapCommand<Namespaces> {
  let found: Namespaces = { personal: [], otherUsers: [], shared: [] };
  return {
    verb: 'NAMESPACE',
    needs: 'NAMESPACE',
    takes: ['NAMESPACE'],
    data({ reader }, { utf8Names }) {
      found = {
        personal: read(reader, utf8Names),
        otherUsers: read(reader, utf8Names),
        shared: read(reader, utf8Names),
      };
    },
    done: () => found,
  };
}

function read(reader: ImapReader, utf8Names: boolean): Namespace[] {
  const list: Namespace[] = [];
  reader.spaces();
  if (!reader.open()) {
    if (!reader.ended) reader.skipValue();
    return list;
  }
  while (!reader.close()) {
    if (!reader.open()) {
      reader.skipValue();
      continue;
    }
    const prefix = readMailbox(reader, utf8Names);
    reader.spaces();
    list.push({ prefix, delimiter: reader.nstring() });
    while (!reader.close()) reader.skipValue();
  }
  return list;
}
