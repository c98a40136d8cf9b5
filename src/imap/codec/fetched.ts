import { LimitError } from '../../errors.ts';
import { parseDateTime } from './dates.ts';
import type { BodyStructure } from './body-structure.ts';
import { readBodyStructure } from './body-structure.ts';
import { type Envelope, readEnvelope } from './envelope.ts';
import { STREAMED } from './framer.ts';
import { type ImapReader } from './reader.ts';
import type { Uid } from './sequence-set.ts';

/** What Gmail adds. @see https://developers.google.com/workspace/gmail/imap/imap-extensions */
export interface GmailFields {
  messageId?: string;
  threadId?: string;
  labels?: readonly string[];
}

/** A section of a message: what `BODY[…]` or `BINARY[…]` asked for. */
export interface FetchedSection {
  /** In upper case, without the partial: 'BODY[]', 'BODY[1.MIME]', 'BINARY[2]', 'RFC822.HEADER'. */
  readonly item: string;
  /** Where a partial begins, in bytes; undefined for the whole. */
  readonly origin: number | undefined;
  /** Null where the message has no such section. */
  readonly bytes: Uint8Array | null;
  /** True when the bytes went to a stream instead. */
  readonly streamed: boolean;
}

/** Of one message in one response: they are compared with one another. */
const MAX_SECTIONS = 10_000;
const NO_SECTIONS: readonly FetchedSection[] = [];

/** What a server said of one message. Fields that it did not mention are undefined. */
export class FetchedMessage {
  /** Its place in the mailbox when the server wrote this; 0 where UIDONLY is enabled, which knows none. */
  readonly sequence: number;
  uid: Uid | undefined = undefined;
  flags: readonly string[] | undefined = undefined;
  internalDate: Date | null | undefined = undefined;
  sizeBytes: number | undefined = undefined;
  envelope: Envelope | null | undefined = undefined;
  bodyStructure: BodyStructure | null | undefined = undefined;
  modSeq: bigint | undefined = undefined;
  emailId: string | undefined = undefined;
  threadId: string | null | undefined = undefined;
  saveDate: Date | null | undefined = undefined;
  preview: string | null | undefined = undefined;
  gmail: GmailFields | undefined = undefined;
  /** Sizes of decoded parts: 'BINARY.SIZE[1]'. */
  binarySizes: Map<string, number> | undefined = undefined;
  /** Items of extensions that are not known here, as they came. */
  other: Map<string, unknown> | undefined = undefined;
  sections: readonly FetchedSection[] = NO_SECTIONS;

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  /** The bytes of a section, `section('1.MIME')`, `section('HEADER')`, or '' for the whole; undefined where it is not here. */
  section(name: string): Uint8Array | null | undefined {
    const wanted = name.toUpperCase();
    const item = wanted.includes('[') ? wanted : `BODY[${wanted}]`;
    return this.sections.find((each) => each.item === item)?.bytes;
  }

  /** The whole message; undefined where it was not asked for. */
  get source(): Uint8Array | undefined {
    return this.section('') ?? undefined;
  }
}

const seenFlags = new Map<string, readonly string[]>();

/** A list of flags; lists that came before are shared. */
export function readFlags(reader: ImapReader): readonly string[] {
  const { text } = reader;
  if (reader.peek() === 40) {
    const end = text.indexOf(')', reader.at);
    if (end >= 0) {
      const inside = text.slice(reader.at + 1, end);
      let flags = seenFlags.get(inside);
      if (flags === undefined) {
        flags = Object.freeze(inside.split(' ').filter(Boolean));
        if (seenFlags.size >= 256) seenFlags.clear();
        if (inside.length < 200) seenFlags.set(inside, flags);
      }
      reader.at = end + 1;
      return flags;
    }
  }
  reader.skipValue();
  return [];
}

/** The list of a FETCH response. ProtocolError where it is none; items that are not known are kept in `other`. */
export function readFetched(sequence: number, reader: ImapReader): FetchedMessage {
  const message = new FetchedMessage(sequence);
  if (!reader.open()) throw reader.wrong('the items of a message were expected');
  while (!reader.close()) {
    const name = reader.fetchItem();
    reader.spaces();
    switch (name) {
      case 'UID':
        message.uid = reader.number() as Uid;
        break;
      case 'FLAGS':
        message.flags = readFlags(reader);
        break;
      case 'ENVELOPE':
        message.envelope = readEnvelope(reader);
        break;
      default:
        readItem(message, name, reader);
    }
  }
  return message;
}

function readItem(message: FetchedMessage, given: string, reader: ImapReader): void {
  if (given.includes('[')) {
    readSection(message, given, reader);
    return;
  }
  const name = given.toUpperCase();
  switch (name) {
    case 'UID':
      message.uid = reader.number() as Uid;
      break;
    case 'FLAGS':
      message.flags = readFlags(reader);
      break;
    case 'ENVELOPE':
      message.envelope = readEnvelope(reader);
      break;
    case 'INTERNALDATE':
      message.internalDate = readDate(reader);
      break;
    case 'RFC822.SIZE':
      message.sizeBytes = reader.nil() ? undefined : reader.number();
      break;
    case 'BODY':
    case 'BODYSTRUCTURE':
      message.bodyStructure = readBodyStructure(reader);
      break;
    case 'RFC822':
    case 'RFC822.HEADER':
    case 'RFC822.TEXT':
      addSection(message, name === 'RFC822' ? 'BODY[]' : name, undefined, reader.nstringBytes());
      break;
    case 'MODSEQ':
      if (reader.open()) {
        message.modSeq = reader.bigNumber();
        while (!reader.close()) reader.skipValue();
      } else reader.skipValue();
      break;
    case 'EMAILID':
      message.emailId = listed(reader) ?? undefined;
      break;
    case 'THREADID':
      message.threadId = listed(reader);
      break;
    case 'SAVEDATE':
      message.saveDate = readDate(reader);
      break;
    case 'PREVIEW':
      message.preview = reader.nstring();
      break;
    case 'X-GM-MSGID':
      (message.gmail ??= {}).messageId = reader.atom();
      break;
    case 'X-GM-THRID':
      (message.gmail ??= {}).threadId = reader.atom();
      break;
    case 'X-GM-LABELS': {
      const labels: string[] = [];
      if (reader.open()) while (!reader.close()) labels.push(reader.nstring() ?? '');
      else reader.skipValue();
      (message.gmail ??= {}).labels = labels;
      break;
    }
    default:
      (message.other ??= new Map()).set(name, reader.value());
  }
}

function readDate(reader: ImapReader): Date | null {
  const text = reader.nstring();
  return text === null ? null : parseDateTime(text);
}

/** `(id)` or NIL. */
function listed(reader: ImapReader): string | null {
  if (!reader.open()) {
    reader.skipValue();
    return null;
  }
  const id = reader.nstring();
  while (!reader.close()) reader.skipValue();
  return id;
}

function readSection(message: FetchedMessage, name: string, reader: ImapReader): void {
  const end = name.lastIndexOf(']') + 1;
  const item = name.slice(0, end).toUpperCase();
  if (item.startsWith('BINARY.SIZE[')) {
    (message.binarySizes ??= new Map()).set(item, reader.number());
    return;
  }
  const origin = /^<([0-9]{1,15})>$/.exec(name.slice(end));
  addSection(message, item, origin === null ? undefined : Number(origin[1]), reader.nstringBytes());
}

function addSection(message: FetchedMessage, item: string, origin: number | undefined, bytes: Uint8Array | null): void {
  if (message.sections.length >= MAX_SECTIONS)
    throw new LimitError(`the server sent more than ${MAX_SECTIONS} sections of a message`, {
      protocol: 'IMAP',
      reusable: true,
    });
  // A section that comes twice counts once.
  if (message.sections.some((each) => each.item === item && each.origin === origin)) return;
  const section = { item, origin, bytes, streamed: bytes === STREAMED };
  if (message.sections.length === 0) message.sections = [section];
  else (message.sections as FetchedSection[]).push(section);
}

/** The section whose literal a line announces: `BODY[1]` for `* 2 FETCH (UID 4 BODY[1]<0> {9}`; undefined where it is none. */
export function announcedSection(line: string): string | undefined {
  const brace = line.lastIndexOf('{');
  const match = /(?:^|[ (])((?:BODY|BINARY)\[[^\]]{0,4000}\]|RFC822(?:\.HEADER|\.TEXT)?)(?:<[0-9]{1,15}>)? ~?$/i.exec(
    line.slice(Math.max(0, brace - 4100), brace),
  );
  return match === null ? undefined : (match[1] as string).toUpperCase();
}
