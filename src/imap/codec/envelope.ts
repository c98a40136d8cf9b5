import { type Address, decodeHeader, parseDate } from '../../mime/index.ts';
import { type ImapReader, fromLatin1 } from './reader.ts';

/** The header of a message as the server parsed it. Names and the subject are decoded. @see RFC 9051 section 7.5.2 */
export class Envelope {
  /** The Date field as it stands; null where there is none. `date` is the moment. */
  readonly dateText: string | null;
  readonly subject: string | null;
  readonly from: readonly Address[];
  readonly sender: readonly Address[];
  readonly replyTo: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  /** With its angle brackets. */
  readonly inReplyTo: string | null;
  readonly messageId: string | null;

  /** @internal */
  constructor(reader: ImapReader) {
    this.dateText = item(reader);
    this.subject = decoded(item(reader));
    this.from = addresses(reader);
    this.sender = addresses(reader);
    this.replyTo = addresses(reader);
    this.to = addresses(reader);
    this.cc = addresses(reader);
    this.bcc = addresses(reader);
    this.inReplyTo = item(reader);
    this.messageId = item(reader);
  }

  /** The moment of the Date field; null where there is none, or it cannot be read. */
  get date(): Date | null {
    return this.dateText === null ? null : parseDate(this.dateText);
  }

  toJSON(): Record<string, unknown> {
    const { dateText: _, ...rest } = this;
    return { date: this.date, ...rest };
  }
}

const NO_ADDRESSES: readonly Address[] = [];

/** An envelope, or null for NIL or for what is none. */
export function readEnvelope(reader: ImapReader): Envelope | null {
  reader.spaces();
  if (!reader.open()) {
    reader.skipValue();
    return null;
  }
  const envelope = new Envelope(reader);
  while (!reader.close()) reader.skipValue();
  return envelope;
}

/** The next string of a list, or null where it is NIL or the list has ended early. */
function item(reader: ImapReader): string | null {
  reader.spaces();
  return reader.peek() === 41 ? null : reader.nstringLatin1();
}

const encoded = /=\?|[\u0080-\u00ff]/;

function decoded(text: string | null): string | null {
  return text === null || !encoded.test(text) ? text : decodeHeader(fromLatin1(text));
}

// (name route mailbox host); a group begins with a NIL host and ends with a NIL mailbox.
function addresses(reader: ImapReader): readonly Address[] {
  reader.spaces();
  if (!reader.open()) {
    if (reader.peek() !== 41) reader.skipValue();
    return NO_ADDRESSES;
  }
  const list: Address[] = [];
  let group: { name: string; address: string; group: Address[] } | undefined;
  while (!reader.close()) {
    if (!reader.open()) {
      reader.skipValue();
      continue;
    }
    const name = decoded(item(reader));
    item(reader);
    const mailbox = item(reader);
    const host = item(reader);
    while (!reader.close()) reader.skipValue();
    if (host === null && name === null && mailbox === null) group = undefined;
    else if (host === null && mailbox !== null && name === null) {
      group = { name: decoded(mailbox) as string, address: '', group: [] };
      list.push(group);
    } else {
      // QUIRK(Dovecot, Courier): a missing host or mailbox is written as MISSING_DOMAIN or as NIL.
      const address = mailbox === null ? '' : host === null || host === '' ? mailbox : `${mailbox}@${host}`;
      (group?.group ?? list).push({ name: name ?? '', address: fromLatin1(address) });
    }
  }
  return list;
}
