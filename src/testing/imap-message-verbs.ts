import { decodeTransfer } from '../mime/encodings/transfer-decoding.ts';
import { formatDateTime, parseDateTime } from '../imap/codec/dates.ts';
import type { ImapReader } from '../imap/codec/reader.ts';
import { parseRanges } from '../imap/codec/sequence-set.ts';
import { sortMessages, threadMessages } from '../imap/codec/sort-thread.ts';
import { EMPTY } from '../wire/bytes.ts';
import type { Folder, FolderMessage } from './imap-account.ts';
import { ResponseWriter, messageOf, partAt, sectionOf, writeBodyStructure, writeEnvelope } from './imap-render.ts';
import { type Criterion, inRanges, readCriteria } from './imap-search.ts';
import { type Completion, Refusal, type VerbCall, type VerbHandler, type VerbSession, type View } from './imap-verb.ts';

interface Chosen {
  readonly message: FolderMessage;
  readonly sequence: number;
}

/** The messages that a set names. */
function choose({ session, reader, byUid }: VerbCall): Chosen[] {
  const view = session.selected;
  const text = reader.atom();
  reader.spaces();
  const all = view.messages.map((message, index) => ({ message, sequence: index + 1 }));
  if (text === '$') return all.filter(({ message }) => session.saved.has(message.uid));
  const ranges = parseRanges(text);
  if (ranges === undefined) throw new Refusal('BAD', 'That is no set of messages');
  const last = byUid ? (view.messages.at(-1)?.uid ?? 0) : view.messages.length;
  if (
    !byUid &&
    ranges.some(
      ([from, to]) =>
        (to !== Number.POSITIVE_INFINITY && to > view.messages.length) ||
        (from !== Number.POSITIVE_INFINITY && from > view.messages.length),
    )
  )
    throw new Refusal('BAD', 'No such message');
  return all.filter(({ message, sequence }) => inRanges(ranges, byUid ? message.uid : sequence, last));
}

const MACROS: Readonly<Record<string, readonly string[]>> = {
  ALL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'],
  FAST: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'],
  FULL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY'],
};

function fetch(call: VerbCall): Completion {
  const { session, reader, byUid } = call;
  const view = session.selected;
  let chosen = choose(call);
  const items: string[] = [];
  if (reader.open()) {
    while (!reader.close()) {
      const item = reader.fetchItem();
      items.push(item);
      reader.spaces();
      if (item.toUpperCase() === 'PREVIEW' && reader.peek() === 40) reader.skipValue();
    }
  } else items.push(...(MACROS[reader.text.slice(reader.at).toUpperCase()] ?? [reader.fetchItem()]));
  let changedSince: bigint | undefined;
  reader.spaces();
  if (!reader.ended && reader.open())
    while (!reader.close()) {
      const modifier = reader.atom().toUpperCase();
      reader.spaces();
      if (modifier === 'CHANGEDSINCE') changedSince = reader.bigNumber();
      else if (modifier === 'PARTIAL') chosen = partial(chosen, reader.atom());
      else if (modifier === 'VANISHED' && changedSince !== undefined) {
        const since = changedSince;
        const gone = view.folder.vanished.filter((each) => each.modSeq > since);
        if (gone.length > 0) session.untagged(`VANISHED (EARLIER) ${gone.map((each) => each.uid).join(',')}`);
      }
    }
  const names = items.map((item) => item.toUpperCase());
  if (changedSince !== undefined || names.includes('MODSEQ')) session.condStore = true;
  if (changedSince !== undefined && !names.includes('MODSEQ')) items.push('MODSEQ');
  if (byUid && !names.includes('UID')) items.unshift('UID');
  for (const { message, sequence } of chosen) {
    if (changedSince !== undefined && message.modSeq <= changedSince) continue;
    const writer = new ResponseWriter().text(`* ${sequence} FETCH (`);
    let marked = false;
    items.forEach((item, index) => {
      if (index > 0) writer.text(' ');
      marked = writeItem(writer, message, item) || marked;
    });
    // RFC822 and BODY[] without PEEK mark the message as seen; the new flags come along.
    if (marked && !view.readOnly && !message.flags.has('\\Seen')) {
      view.folder.setFlags(message, [...message.flags, '\\Seen']);
      if (!names.includes('FLAGS')) writer.text(` FLAGS (${[...message.flags].join(' ')})`);
    }
    session.write(writer.text(')'));
  }
  return {};
}

/** True when the item marks the message as seen. */
function writeItem(writer: ResponseWriter, message: FolderMessage, item: string): boolean {
  const name = item.toUpperCase();
  const mail = (): ReturnType<typeof messageOf> => messageOf(message.raw);
  switch (name) {
    case 'UID':
      writer.text(`UID ${message.uid}`);
      return false;
    case 'FLAGS':
      writer.text(`FLAGS (${[...message.flags].join(' ')})`);
      return false;
    case 'INTERNALDATE':
      writer.text(`INTERNALDATE "${formatDateTime(message.internalDate).padStart(26)}"`);
      return false;
    case 'RFC822.SIZE':
      writer.text(`RFC822.SIZE ${message.raw.length}`);
      return false;
    case 'ENVELOPE':
      writer.text('ENVELOPE ');
      writeEnvelope(writer, mail());
      return false;
    case 'BODYSTRUCTURE':
    case 'BODY':
      writer.text(`${name} `);
      writeBodyStructure(writer, mail().root, name === 'BODYSTRUCTURE');
      return false;
    case 'MODSEQ':
      writer.text(`MODSEQ (${message.modSeq})`);
      return false;
    case 'EMAILID':
      writer.text(`EMAILID (${message.emailId})`);
      return false;
    case 'THREADID':
      writer.text('THREADID NIL');
      return false;
    case 'SAVEDATE':
      writer.text(`SAVEDATE "${formatDateTime(message.savedAt)}"`);
      return false;
    case 'PREVIEW':
      writer.text('PREVIEW ').string(mail().preview(200));
      return false;
    case 'X-GM-MSGID':
    case 'X-GM-THRID':
      writer.text(`${name} ${1_700_000_000_000 + Number(message.emailId.slice(1))}`);
      return false;
    case 'X-GM-LABELS':
      writer.text('X-GM-LABELS (');
      [...message.flags]
        .filter((flag) => flag.startsWith('gmail:'))
        .forEach((flag, index) => writer.text(index === 0 ? '' : ' ').string(flag.slice(6)));
      writer.text(')');
      return false;
    case 'RFC822':
    case 'RFC822.TEXT':
    case 'RFC822.HEADER': {
      const section = name === 'RFC822' ? '' : name.slice(7);
      writer.text(`${name} `).literal(sectionOf(message, section) ?? EMPTY);
      return name !== 'RFC822.HEADER';
    }
  }
  const match = /^(BODY|BINARY)(\.PEEK|\.SIZE)?\[(.*)\](?:<([0-9]+)\.([0-9]+)>)?$/is.exec(item);
  if (match === null) throw new Refusal('BAD', `Unknown item ${item}`);
  const [, kind = '', mode = '', section = '', start, length] = match;
  if (kind.toUpperCase() === 'BINARY') {
    const part = partAt(mail().root, section === '' ? [] : section.split('.').map(Number));
    if (part === undefined) writer.text(`BINARY[${section}] NIL`);
    else {
      if (part.kind === 'leaf' && part.encoding.startsWith('x-'))
        throw new Refusal('NO', 'Cannot decode', 'UNKNOWN-CTE');
      const bytes =
        section === ''
          ? message.raw
          : part.kind === 'leaf'
            ? decodeTransfer(part.encoding, part.encodedBody)
            : part.encodedBody;
      if (mode.toUpperCase() === '.SIZE') writer.text(`BINARY.SIZE[${section}] ${bytes.length}`);
      else writeSlice(writer, `BINARY[${section}]`, bytes, start, length, bytes.includes(0));
    }
    return mode === '';
  }
  const bytes = sectionOf(message, section);
  if (bytes === undefined) writer.text(`BODY[${section.toUpperCase()}] NIL`);
  else writeSlice(writer, `BODY[${section.toUpperCase()}]`, bytes, start, length, false);
  return mode === '';
}

function writeSlice(
  writer: ResponseWriter,
  name: string,
  bytes: Uint8Array,
  start: string | undefined,
  length: string | undefined,
  binary: boolean,
): void {
  if (start === undefined) writer.text(`${name} `).literal(bytes, binary);
  else writer.text(`${name}<${start}> `).literal(bytes.subarray(Number(start), Number(start) + Number(length)), binary);
}

function partial<T>(all: readonly T[], text: string): T[] {
  const match = /^(-?[0-9]{1,10}):(-?[0-9]{1,10})$/.exec(text);
  if (match === null) throw new Refusal('BAD', 'That is no partial range');
  const [from, to] = [Number(match[1]), Number(match[2])];
  const list = from < 0 ? [...all].reverse() : [...all];
  const [first, last] = [Math.min(Math.abs(from), Math.abs(to)), Math.max(Math.abs(from), Math.abs(to))];
  const cut = list.slice(first - 1, last);
  return from < 0 ? cut.reverse() : cut;
}

function readFlagList(reader: ImapReader): string[] {
  const flags: string[] = [];
  if (reader.open()) while (!reader.close()) flags.push(reader.atom());
  else for (const flag of reader.rest().split(' ')) flags.push(flag);
  const system = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft'];
  return flags.map((flag) => {
    const known = system.find((each) => each.toLowerCase() === flag.toLowerCase());
    if (known === undefined && flag.startsWith('\\')) throw new Refusal('BAD', `Unknown flag ${flag}`);
    return known ?? flag;
  });
}

function writable(session: VerbSession): View {
  const view = session.selected;
  if (view.readOnly) throw new Refusal('NO', 'The mailbox is read-only', 'READ-ONLY');
  return view;
}

function store(call: VerbCall): Completion {
  const { session, reader } = call;
  const chosen = choose(call);
  const view = writable(session);
  let unchangedSince: bigint | undefined;
  if (reader.open())
    while (!reader.close()) {
      if (reader.atom().toUpperCase() !== 'UNCHANGEDSINCE') throw new Refusal('BAD', 'Unknown modifier');
      reader.spaces();
      unchangedSince = reader.bigNumber();
      session.condStore = true;
    }
  reader.spaces();
  const match = /^([+-]?)(FLAGS|X-GM-LABELS)(\.SILENT)?$/i.exec(reader.atom());
  if (match === null) throw new Refusal('BAD', 'STORE needs FLAGS');
  reader.spaces();
  const [, sign, kind = '', silent] = match;
  let flags: string[];
  if (kind.toUpperCase() === 'X-GM-LABELS') {
    flags = [];
    if (reader.open()) while (!reader.close()) flags.push(`gmail:${reader.string()}`);
  } else flags = readFlagList(reader);
  const modified: number[] = [];
  for (const { message, sequence } of chosen) {
    if (unchangedSince !== undefined && message.modSeq > unchangedSince) {
      modified.push(call.byUid ? message.uid : sequence);
      continue;
    }
    const next =
      sign === '+'
        ? [...message.flags, ...flags]
        : sign === '-'
          ? [...message.flags].filter((each) => !flags.includes(each))
          : flags;
    view.folder.setFlags(message, next);
  }
  const done = chosen.filter(({ message, sequence }) => !modified.includes(call.byUid ? message.uid : sequence));
  // Told here, or not at all: not again as a change.
  if (silent === undefined)
    for (const { message } of done)
      session.tellFlags(message, view, call.byUid && session.options.profile.quirks.storeWithoutUid !== true);
  else if (session.condStore)
    for (const { message, sequence } of done)
      session.untagged(`${sequence} FETCH (UID ${message.uid} MODSEQ (${message.modSeq}))`);
  view.modSeq = view.folder.highestModSeq;
  return { code: modified.length === 0 ? undefined : `MODIFIED ${modified.join(',')}` };
}

function transfer(call: VerbCall, move: boolean): Completion {
  const { session, reader } = call;
  const chosen = choose(call);
  const target = session.folder(session.mailboxName(reader));
  const view = move ? writable(session) : session.selected;
  const { account } = session;
  const copies = chosen.map(({ message }) =>
    account.append(target, {
      raw: message.raw,
      flags: [...message.flags].filter((flag) => flag !== '\\Recent'),
      internalDate: message.internalDate,
      emailId: message.emailId,
    }),
  );
  const code =
    chosen.length === 0 || !session.has('UIDPLUS')
      ? undefined
      : `COPYUID ${target.uidValidity} ${chosen.map(({ message }) => message.uid).join(',')} ${copies.map(({ uid }) => uid).join(',')}`;
  if (!move) return { code };
  if (code !== undefined) session.untagged(`OK [${code}] Moved`);
  view.folder.remove(new Set(chosen.map(({ message }) => message)));
  return {};
}

/** `(flags) "date" literal`, as APPEND and REPLACE have it. */
function readNewMessage(
  session: VerbSession,
  reader: ImapReader,
): { raw: Uint8Array; flags: string[]; internalDate: Date | undefined } {
  let flags: string[] = [];
  let internalDate: Date | undefined;
  if (reader.peek() === 40) {
    flags = readFlagList(reader);
    reader.spaces();
  }
  if (reader.peek() === 34) {
    const date = parseDateTime(reader.string());
    if (date === null) throw new Refusal('BAD', 'That is no date');
    internalDate = date;
    reader.spaces();
  }
  if (/^UTF8 \(/i.test(reader.text.slice(reader.at))) {
    reader.atom();
    reader.spaces();
    reader.open();
    const raw = reader.literal().slice();
    reader.close();
    return { raw, flags, internalDate };
  }
  if (!reader.atLiteral()) throw new Refusal('BAD', 'A literal was expected');
  const raw = reader.literal().slice();
  const { quotaBytes, usedBytes } = session.account;
  if (quotaBytes !== undefined && usedBytes + raw.length > quotaBytes)
    throw new Refusal('NO', 'The mailbox is full', 'OVERQUOTA');
  return { raw, flags, internalDate };
}

function append({ session, reader }: VerbCall): Completion {
  const folder = session.folder(session.mailboxName(reader));
  const { maxMessageBytes } = session.options;
  const given: ReturnType<typeof readNewMessage>[] = [];
  for (;;) {
    reader.spaces();
    if (reader.ended) break;
    given.push(readNewMessage(session, reader));
  }
  if (given.length === 0) throw new Refusal('BAD', 'APPEND needs a message');
  if (given.length > 1 && !session.has('MULTIAPPEND')) throw new Refusal('BAD', 'One message at a time');
  if (maxMessageBytes !== undefined && given.some(({ raw }) => raw.length > maxMessageBytes))
    throw new Refusal('NO', 'Too large', 'TOOBIG');
  const added = given.map((message) => session.account.append(folder, message));
  return {
    code: session.has('UIDPLUS')
      ? `APPENDUID ${folder.uidValidity} ${added.map(({ uid }) => uid).join(',')}`
      : undefined,
  };
}

function expungeMarked(session: VerbSession, only?: ReadonlySet<FolderMessage>): void {
  const { folder } = writable(session);
  folder.remove(
    new Set(
      folder.messages.filter((message) => message.flags.has('\\Deleted') && (only === undefined || only.has(message))),
    ),
  );
}

interface Search {
  readonly options: ReadonlySet<string> | undefined;
  readonly partial: string | undefined;
  readonly found: Chosen[];
}

function readReturn(reader: ImapReader): { options: Set<string> | undefined; partial: string | undefined } {
  if (!/^RETURN \(/i.test(reader.text.slice(reader.at))) return { options: undefined, partial: undefined };
  reader.atom();
  reader.spaces();
  const options = new Set<string>();
  let range: string | undefined;
  if (reader.open())
    while (!reader.close()) {
      const option = reader.atom().toUpperCase();
      options.add(option);
      reader.spaces();
      if (option === 'PARTIAL') range = reader.atom();
    }
  reader.spaces();
  if (options.size === 0) options.add('ALL');
  return { options, partial: range };
}

function checkCharset(charset: string): void {
  if (!/^(?:us-ascii|utf-8)$/i.test(charset)) throw new Refusal('NO', 'Unknown charset', 'BADCHARSET (US-ASCII UTF-8)');
}

function runCriteria(session: VerbSession, criteria: Criterion): Chosen[] {
  const { messages } = session.selected;
  const [lastSequence, lastUid] = [messages.length, messages.at(-1)?.uid ?? 0];
  return messages
    .map((message, index) => ({ message, sequence: index + 1 }))
    .filter(({ message, sequence }) => criteria({ message, sequence, lastSequence, lastUid }));
}

function search(call: VerbCall): Completion {
  const { session, reader, byUid } = call;
  const { options, partial: range } = readReturn(reader);
  if (/^CHARSET /i.test(reader.text.slice(reader.at))) {
    reader.atom();
    reader.spaces();
    checkCharset(reader.string());
    reader.spaces();
  }
  const usesModSeq = /\bMODSEQ\b/i.test(reader.text.slice(reader.at));
  if (usesModSeq) session.condStore = true;
  const found = runCriteria(session, readCriteria(reader, session.saved));
  answer(session, byUid, 'SEARCH', { options, partial: range, found }, usesModSeq);
  return {};
}

function answer(
  session: VerbSession,
  byUid: boolean,
  verb: 'SEARCH' | 'SORT',
  { options, partial: range, found }: Search,
  withModSeq: boolean,
): void {
  const numberOf = ({ message, sequence }: Chosen): number => (byUid ? message.uid : sequence);
  const numbers = found.map(numberOf);
  const highest = found.reduce((most, { message }) => (message.modSeq > most ? message.modSeq : most), 0n);
  if (options?.has('SAVE') === true) session.saved = new Set(found.map(({ message }) => message.uid));
  if (options === undefined) {
    session.untagged(
      `${verb}${numbers.map((each) => ` ${each}`).join('')}${withModSeq && found.length > 0 ? ` (MODSEQ ${highest})` : ''}`,
    );
    return;
  }
  if (options.size === 1 && options.has('SAVE')) return;
  const parts = [`ESEARCH (TAG "${session.tag}")${byUid ? ' UID' : ''}`];
  if (numbers.length > 0) {
    if (options.has('MIN')) parts.push(`MIN ${verb === 'SORT' ? numbers[0] : Math.min(...numbers)}`);
    if (options.has('MAX')) parts.push(`MAX ${verb === 'SORT' ? numbers.at(-1) : Math.max(...numbers)}`);
    if (options.has('ALL')) parts.push(`ALL ${compact(numbers)}`);
  }
  if (range !== undefined) {
    const cut = partial(numbers, range);
    parts.push(`PARTIAL (${range} ${cut.length === 0 ? 'NIL' : compact(cut)})`);
  }
  if (options.has('COUNT')) parts.push(`COUNT ${numbers.length}`);
  if (withModSeq && numbers.length > 0) parts.push(`MODSEQ ${highest}`);
  session.untagged(parts.join(' '));
}

/** Ascending neighbours as ranges. */
function compact(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length;) {
    let end = at;
    while (end + 1 < numbers.length && numbers[end + 1] === (numbers[end] as number) + 1) end++;
    parts.push(end > at ? `${numbers[at]}:${numbers[end]}` : String(numbers[at]));
    at = end + 1;
  }
  return parts.join(',');
}

const facts = ({ message, sequence }: Chosen): Parameters<typeof sortMessages>[0][number] => {
  const mail = messageOf(message.raw);
  return {
    number: sequence,
    subject: mail.subject,
    from: mail.from[0]?.address ?? '',
    fromName: mail.from[0]?.name ?? '',
    to: mail.to[0]?.address ?? '',
    toName: mail.to[0]?.name ?? '',
    cc: mail.cc[0]?.address ?? '',
    date: mail.date,
    arrival: message.internalDate,
    sizeBytes: message.raw.length,
    messageId: mail.messageId,
    references: mail.references.length > 0 ? mail.references : mail.inReplyTo.slice(0, 1),
  };
};

function sort(call: VerbCall): Completion {
  const { session, reader, byUid } = call;
  const { options, partial: range } = readReturn(reader);
  const keys: string[] = [];
  if (reader.open()) while (!reader.close()) keys.push(reader.atom().toUpperCase());
  if (keys.length === 0) throw new Refusal('BAD', 'SORT needs keys');
  reader.spaces();
  checkCharset(reader.string());
  reader.spaces();
  const found = runCriteria(session, readCriteria(reader, session.saved));
  const bySequence = new Map(found.map((each) => [each.sequence, each]));
  const sorted = sortMessages(found.map(facts), keys).map((number) => bySequence.get(number) as Chosen);
  answer(session, byUid, 'SORT', { options, partial: range, found: sorted }, false);
  return {};
}

function thread(call: VerbCall): Completion {
  const { session, reader, byUid } = call;
  const algorithm = reader.atom().toUpperCase();
  if (algorithm !== 'REFERENCES' && algorithm !== 'ORDEREDSUBJECT') throw new Refusal('BAD', 'Unknown algorithm');
  reader.spaces();
  checkCharset(reader.string());
  reader.spaces();
  const found = runCriteria(session, readCriteria(reader, session.saved));
  const numberOf = new Map(found.map(({ message, sequence }) => [sequence, byUid ? message.uid : sequence]));
  const threads = threadMessages(found.map(facts), algorithm);
  type Node = (typeof threads)[number];
  const write = (node: Node): string => {
    const own = node.number === undefined ? '' : String(numberOf.get(node.number));
    if (node.children.length === 0) return own;
    if (node.children.length === 1 && own !== '') return `${own} ${write(node.children[0] as Node)}`;
    return `${own === '' ? '' : `${own} `}${node.children.map((child) => `(${write(child)})`).join('')}`;
  };
  session.untagged(`THREAD${threads.length === 0 ? '' : ` ${threads.map((each) => `(${write(each)})`).join('')}`}`);
  return {};
}

/** What works on the messages of a mailbox. */
export const messageVerbs: Readonly<Record<string, VerbHandler>> = {
  FETCH: { byUid: true, keepsSequence: true, run: fetch },
  STORE: { byUid: true, keepsSequence: true, run: store },
  SEARCH: { byUid: true, keepsSequence: true, run: search },
  SORT: { byUid: true, keepsSequence: true, needs: 'SORT', run: sort },
  THREAD: { byUid: true, keepsSequence: true, needs: 'THREAD=REFERENCES', run: thread },
  COPY: { byUid: true, run: (call) => transfer(call, false) },
  MOVE: { byUid: true, needs: 'MOVE', run: (call) => transfer(call, true) },
  APPEND: { run: append },
  REPLACE: {
    byUid: true,
    needs: 'REPLACE',
    run(call) {
      const { session, reader } = call;
      const [old] = choose(call);
      if (old === undefined) throw new Refusal('NO', 'No such message', 'NONEXISTENT');
      const folder: Folder = session.folder(session.mailboxName(reader));
      reader.spaces();
      const added = session.account.append(folder, readNewMessage(session, reader));
      session.untagged(`OK [APPENDUID ${folder.uidValidity} ${added.uid}] Replaced`);
      writable(session).folder.remove(new Set([old.message]));
      return {};
    },
  },
  EXPUNGE: {
    byUid: true,
    run(call) {
      const { session, byUid } = call;
      if (byUid && !session.has('UIDPLUS')) throw new Refusal('BAD', 'Unknown command UID EXPUNGE');
      expungeMarked(session, byUid ? new Set(choose(call).map(({ message }) => message)) : undefined);
      return { code: session.condStore ? `HIGHESTMODSEQ ${session.selected.folder.highestModSeq}` : undefined };
    },
  },
  CLOSE: {
    run({ session }) {
      if (!session.selected.readOnly) expungeMarked(session);
      session.view = undefined;
      return {};
    },
  },
  UNSELECT: {
    needs: 'UNSELECT',
    run({ session }) {
      void session.selected;
      session.view = undefined;
      return {};
    },
  },
};
