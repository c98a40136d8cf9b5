import type { ImapReader } from '../imap/codec/reader.ts';
import { parseRanges } from '../imap/codec/sequence-set.ts';
import type { Folder } from './imap-account.ts';
import { ResponseWriter } from './imap-render.ts';
import { inRanges } from './imap-search.ts';
import { Refusal, type VerbHandler, type VerbSession } from './imap-verb.ts';

const words = (reader: ImapReader): string[] => {
  const found: string[] = [];
  if (reader.open()) while (!reader.close()) found.push(reader.string());
  return found;
};

/** Names with wildcards: `%` up to the delimiter, `*` anything. Linear enough for tests: patterns are short. */
function matcher(pattern: string, delimiter: string): (name: string) => boolean {
  const escaped = pattern
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/%+/g, `[^${delimiter === '.' ? '.' : `\\${delimiter}`}]*`);
  const whole = new RegExp(`^${escaped}$`, 's');
  const inbox = new RegExp(`^${escaped}$`, 'is');
  return (name) => (name === 'INBOX' ? inbox.test(name) : whole.test(name));
}

function attributes(session: VerbSession, folder: Folder): string[] {
  const { account } = session;
  const below = [...account.folders.keys()].some((name) => name.startsWith(folder.name + account.delimiter));
  return [
    below ? '\\HasChildren' : '\\HasNoChildren',
    ...(folder.specialUse === undefined || !session.has('SPECIAL-USE') ? [] : [folder.specialUse]),
  ];
}

function writeStatus(session: VerbSession, folder: Folder, items: readonly string[]): void {
  const writer = session.writeName(new ResponseWriter().text('* STATUS '), folder.name).text(' (');
  const { messages } = folder;
  const values: Readonly<Record<string, () => string>> = {
    MESSAGES: () => String(messages.length),
    RECENT: () => String(messages.filter((each) => each.flags.has('\\Recent')).length),
    UNSEEN: () => String(messages.filter((each) => !each.flags.has('\\Seen')).length),
    DELETED: () => String(messages.filter((each) => each.flags.has('\\Deleted')).length),
    UIDNEXT: () => String(folder.uidNext),
    UIDVALIDITY: () => String(folder.uidValidity),
    SIZE: () => String(messages.reduce((sum, each) => sum + each.raw.length, 0)),
    HIGHESTMODSEQ: () => String(folder.highestModSeq),
    MAILBOXID: () => `(${folder.id})`,
    APPENDLIMIT: () => String(session.options.maxMessageBytes ?? 'NIL'),
  };
  const parts = items.map((item) => {
    const value = values[item.toUpperCase()];
    if (value === undefined) throw new Refusal('BAD', `Unknown STATUS item ${item}`);
    return `${item.toUpperCase()} ${value()}`;
  });
  session.write(writer.text(`${parts.join(' ')})`));
}

function select(session: VerbSession, reader: ImapReader, readOnly: boolean): { code: string } {
  const { account } = session;
  const name = session.mailboxName(reader);
  session.view = undefined;
  const folder = session.folder(name);
  let qresync: { uidValidity: number; modSeq: bigint; known: string | undefined } | undefined;
  reader.spaces();
  if (reader.open()) {
    while (!reader.close()) {
      const parameter = reader.atom().toUpperCase();
      reader.spaces();
      if (parameter === 'CONDSTORE') session.condStore = true;
      else if (parameter === 'QRESYNC' && reader.open()) {
        if (!session.enabled.has('QRESYNC')) throw new Refusal('BAD', 'ENABLE QRESYNC first');
        const uidValidity = reader.number();
        reader.spaces();
        const modSeq = reader.bigNumber();
        reader.spaces();
        const known = reader.peek() >= 48 && reader.peek() <= 57 ? reader.atom() : undefined;
        while (!reader.close()) reader.skipValue();
        qresync = { uidValidity, modSeq, known };
      } else throw new Refusal('BAD', `Unknown parameter ${parameter}`);
    }
  }
  account.sync();
  const messages = [...folder.messages];
  session.view = { folder, readOnly, messages, modSeq: folder.highestModSeq };
  session.untagged('FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)');
  session.untagged(
    `OK [PERMANENTFLAGS (${readOnly ? '' : '\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*'})] Flags permitted`,
  );
  session.untagged(`${messages.length} EXISTS`);
  session.untagged(`${messages.filter((each) => each.flags.has('\\Recent')).length} RECENT`);
  const unseen = messages.findIndex((each) => !each.flags.has('\\Seen'));
  if (unseen >= 0) session.untagged(`OK [UNSEEN ${unseen + 1}] First unseen`);
  session.untagged(`OK [UIDVALIDITY ${folder.uidValidity}] UIDs valid`);
  session.untagged(`OK [UIDNEXT ${folder.uidNext}] Predicted next UID`);
  if (session.has('CONDSTORE')) session.untagged(`OK [HIGHESTMODSEQ ${folder.highestModSeq}] Highest`);
  if (session.has('OBJECTID')) session.untagged(`OK [MAILBOXID (${folder.id})] Ok`);
  if (qresync !== undefined && qresync.uidValidity === folder.uidValidity) {
    const { modSeq, known } = qresync;
    const ranges = known === undefined ? undefined : parseRanges(known);
    const gone = folder.vanished.filter(
      (each) => each.modSeq > modSeq && (ranges === undefined || inRanges(ranges, each.uid, folder.uidNext)),
    );
    if (gone.length > 0) session.untagged(`VANISHED (EARLIER) ${gone.map((each) => each.uid).join(',')}`);
    session.condStore = true;
    for (const message of messages) if (message.modSeq > modSeq) session.tellFlags(message, session.view, true);
  }
  return { code: readOnly ? 'READ-ONLY' : 'READ-WRITE' };
}

/** What STORE, COPY and others that need a mailbox do not concern. */
export const folderVerbs: Readonly<Record<string, VerbHandler>> = {
  NOOP: { run: () => ({}) },
  CHECK: { run: () => ({}) },
  ID: {
    needs: 'ID',
    run({ session }) {
      session.untagged('ID ("name" "postwire fake" "vendor" "postwire")');
      return {};
    },
  },
  ENABLE: {
    needs: 'ENABLE',
    run({ session, reader }) {
      const known = ['CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT', 'IMAP4REV2'];
      const enabled = reader
        .rest()
        .toUpperCase()
        .split(' ')
        .filter((each) => known.includes(each) && session.has(each));
      for (const each of enabled) session.enabled.add(each);
      if (enabled.includes('CONDSTORE') || enabled.includes('QRESYNC')) session.condStore = true;
      session.untagged(`ENABLED${enabled.map((each) => ` ${each}`).join('')}`);
      return {};
    },
  },
  NAMESPACE: {
    needs: 'NAMESPACE',
    run({ session }) {
      session.untagged(`NAMESPACE (("" "${session.account.delimiter}")) NIL NIL`);
      return {};
    },
  },
  SELECT: { run: ({ session, reader }) => select(session, reader, false) },
  EXAMINE: { run: ({ session, reader }) => select(session, reader, true) },
  CREATE: {
    run({ session, reader }) {
      const { account } = session;
      const name = session.mailboxName(reader).replace(new RegExp(`\\${account.delimiter}$`), '');
      if (name === '' || account.folders.has(name)) throw new Refusal('NO', 'There is such a mailbox', 'ALREADYEXISTS');
      let use: string | undefined;
      reader.spaces();
      if (reader.open()) {
        reader.atom();
        reader.spaces();
        use = words(reader)[0];
      }
      const levels = name.split(account.delimiter);
      for (let depth = 1; depth < levels.length; depth++) {
        const parent = levels.slice(0, depth).join(account.delimiter);
        if (!account.folders.has(parent)) account.create(parent);
      }
      const folder = account.create(name, use);
      folder.subscribed = false;
      return { code: session.has('OBJECTID') ? `MAILBOXID (${folder.id})` : undefined };
    },
  },
  DELETE: {
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      if (folder.name === 'INBOX') throw new Refusal('NO', 'INBOX stays', 'CANNOT');
      session.account.folders.delete(folder.name);
      return {};
    },
  },
  RENAME: {
    run({ session, reader }) {
      const { account } = session;
      const from = existing(session, session.mailboxName(reader));
      reader.spaces();
      const to = session.mailboxName(reader);
      if (account.folders.has(to)) throw new Refusal('NO', 'There is such a mailbox', 'ALREADYEXISTS');
      if (from.name === 'INBOX') {
        // RFC 9051 section 6.3.6: INBOX stays, its messages go.
        const target = account.create(to);
        for (const message of from.messages)
          target.add({ raw: message.raw, flags: [...message.flags], internalDate: message.internalDate });
        from.remove(new Set(from.messages));
        return {};
      }
      const prefix = from.name + account.delimiter;
      for (const [name, folder] of Array.from(account.folders)) {
        if (folder !== from && !name.startsWith(prefix)) continue;
        account.folders.delete(name);
        folder.name = to + name.slice(from.name.length);
        account.folders.set(folder.name, folder);
      }
      return {};
    },
  },
  SUBSCRIBE: {
    run({ session, reader }) {
      existing(session, session.mailboxName(reader)).subscribed = true;
      return {};
    },
  },
  UNSUBSCRIBE: {
    run({ session, reader }) {
      existing(session, session.mailboxName(reader)).subscribed = false;
      return {};
    },
  },
  STATUS: {
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      reader.spaces();
      writeStatus(session, folder, words(reader));
      return {};
    },
  },
  LIST: { run: ({ session, reader }) => list(session, reader) },
  LSUB: {
    run({ session, reader }) {
      const { account } = session;
      const reference = session.mailboxName(reader);
      reader.spaces();
      const matches = matcher(reference + session.mailboxName(reader), account.delimiter);
      for (const folder of account.folders.values())
        if (folder.subscribed && matches(folder.name))
          session.write(session.writeName(new ResponseWriter().text(`* LSUB () "${account.delimiter}" `), folder.name));
      return {};
    },
  },
  GETQUOTA: { needs: 'QUOTA', run: ({ session, reader }) => quota(session, reader.string()) },
  GETQUOTAROOT: {
    needs: 'QUOTA',
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      session.write(session.writeName(new ResponseWriter().text('* QUOTAROOT '), folder.name).text(' ""'));
      return quota(session, '');
    },
  },
  SETQUOTA: {
    needs: 'QUOTA',
    run({ session, reader }) {
      const root = reader.string();
      reader.spaces();
      const [name, value] = words(reader);
      if (name?.toUpperCase() !== 'STORAGE' || value === undefined) throw new Refusal('NO', 'Only STORAGE is counted');
      session.account.quotaBytes = Number(value) * 1024;
      return quota(session, root);
    },
  },
  GETACL: {
    needs: 'ACL',
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      const writer = session.writeName(new ResponseWriter().text('* ACL '), folder.name);
      for (const [identifier, rights] of folder.acl) writer.text(' ').string(identifier).text(` ${rights}`);
      session.write(writer);
      return {};
    },
  },
  SETACL: {
    needs: 'ACL',
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      reader.spaces();
      const identifier = reader.string();
      reader.spaces();
      const given = reader.string();
      const before = folder.acl.get(identifier) ?? '';
      const rights = given.startsWith('+')
        ? Array.from(new Set(before + given.slice(1))).join('')
        : given.startsWith('-')
          ? Array.from(before)
              .filter((each) => !given.includes(each))
              .join('')
          : given;
      folder.acl.set(identifier, rights);
      return {};
    },
  },
  DELETEACL: {
    needs: 'ACL',
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      reader.spaces();
      folder.acl.delete(reader.string());
      return {};
    },
  },
  LISTRIGHTS: {
    needs: 'ACL',
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      reader.spaces();
      session.write(
        session
          .writeName(new ResponseWriter().text('* LISTRIGHTS '), folder.name)
          .text(' ')
          .string(reader.string())
          .text(' "" l r s w i p k x t e a'),
      );
      return {};
    },
  },
  MYRIGHTS: {
    needs: 'ACL',
    run({ session, reader }) {
      const folder = existing(session, session.mailboxName(reader));
      session.write(
        session
          .writeName(new ResponseWriter().text('* MYRIGHTS '), folder.name)
          .text(` ${folder.acl.get(session.account.user) ?? 'lr'}`),
      );
      return {};
    },
  },
  GETMETADATA: {
    needs: 'METADATA',
    run({ session, reader }) {
      if (reader.peek() === 40) reader.skipValue();
      reader.spaces();
      const name = session.mailboxName(reader);
      const entries = name === '' ? session.account.metadata : existing(session, name).metadata;
      reader.spaces();
      const wanted = reader.peek() === 40 ? words(reader) : [reader.string()];
      const writer = session.writeName(new ResponseWriter().text('* METADATA '), name).text(' (');
      wanted.forEach((each, index) =>
        writer
          .text(index === 0 ? '' : ' ')
          .string(each)
          .text(' ')
          .string(entries.get(each.toLowerCase()) ?? null),
      );
      session.write(writer.text(')'));
      return {};
    },
  },
  SETMETADATA: {
    needs: 'METADATA',
    run({ session, reader }) {
      const name = session.mailboxName(reader);
      const entries = name === '' ? session.account.metadata : existing(session, name).metadata;
      reader.spaces();
      if (reader.open())
        while (!reader.close()) {
          const entry = reader.string().toLowerCase();
          reader.spaces();
          const value = reader.nstring();
          if (value === null) entries.delete(entry);
          else entries.set(entry, value);
        }
      return {};
    },
  },
};

function existing(session: VerbSession, name: string): Folder {
  const folder = session.account.folders.get(name);
  if (folder === undefined) throw new Refusal('NO', 'No such mailbox', 'NONEXISTENT');
  return folder;
}

function quota(session: VerbSession, root: string): Record<string, never> {
  const { account } = session;
  if (root !== '') throw new Refusal('NO', 'No such quota root');
  const limit =
    account.quotaBytes === undefined
      ? ''
      : `STORAGE ${Math.ceil(account.usedBytes / 1024)} ${Math.floor(account.quotaBytes / 1024)}`;
  session.untagged(`QUOTA "" (${limit})`);
  return {};
}

function list(session: VerbSession, reader: ImapReader): Record<string, never> {
  const { account } = session;
  const selections = new Set(words(reader).map((each) => each.toUpperCase()));
  reader.spaces();
  const reference = session.mailboxName(reader);
  reader.spaces();
  const patterns: string[] = [];
  if (reader.open()) while (!reader.close()) patterns.push(session.mailboxName(reader));
  else patterns.push(session.mailboxName(reader));
  if (patterns.length === 1 && patterns[0] === '') {
    session.untagged(`LIST (\\Noselect) "${account.delimiter}" ""`);
    return {};
  }
  const returns = new Set<string>();
  let status: string[] | undefined;
  reader.spaces();
  if (!reader.ended) {
    reader.atom();
    reader.spaces();
    if (reader.open())
      while (!reader.close()) {
        const word = reader.atom().toUpperCase();
        returns.add(word);
        reader.spaces();
        if (word === 'STATUS') status = words(reader);
      }
  }
  const matchers = patterns.map((pattern) => matcher(reference + pattern, account.delimiter));
  for (const folder of account.folders.values()) {
    if (!matchers.some((matches) => matches(folder.name))) continue;
    if (selections.has('SUBSCRIBED') && !folder.subscribed) continue;
    if (selections.has('SPECIAL-USE') && folder.specialUse === undefined) continue;
    const subscribed = folder.subscribed && (returns.has('SUBSCRIBED') || selections.has('SUBSCRIBED'));
    const all = [...attributes(session, folder), ...(subscribed ? ['\\Subscribed'] : [])];
    session.write(
      session.writeName(new ResponseWriter().text(`* LIST (${all.join(' ')}) "${account.delimiter}" `), folder.name),
    );
    if (returns.has('MYRIGHTS'))
      session.write(
        session
          .writeName(new ResponseWriter().text('* MYRIGHTS '), folder.name)
          .text(` ${folder.acl.get(account.user) ?? 'lr'}`),
      );
    if (status !== undefined) writeStatus(session, folder, status);
  }
  return {};
}
