import type { Address } from '../../mime/address.ts';
import { decodeHeader } from '../../mime/decode-header.ts';
import { parseDate } from '../../mime/parse-date.ts';
import { type ImapReader, fromLatin1 } from './reader.ts';

/** One entry of an address list as it stands. */
interface RawAddress {
  readonly name: string | null;
  readonly mailbox: string | null;
  readonly host: string | null;
}

/** Its address lists, in the order of the wire. */
const LISTS = 6;
const [FROM, SENDER, REPLY_TO, TO, CC, BCC] = [0, 1, 2, 3, 4, 5] as const;

/**
 * The header of a message as the server parsed it. It is taken apart when it comes, and decoded (encoded-words, dates) when it is asked
 * for. @see RFC 9051 section 7.5.2
 */
export class Envelope {
  /** The Date field as it stands; null where there is none. `date` is the moment. */
  readonly dateText: string | null;
  readonly inReplyTo: string | null;
  /** With its angle brackets. */
  readonly messageId: string | null;
  readonly #rawSubject: string | null;
  readonly #lists: readonly (readonly RawAddress[])[];
  #subject: string | null | undefined;
  #addresses: (readonly Address[] | undefined)[] | undefined;

  /** @internal */
  constructor(reader: ImapReader) {
    this.dateText = reader.listString();
    this.#rawSubject = reader.listString();
    const lists: (readonly RawAddress[])[] = [];
    for (let list = 0; list < LISTS; list++) lists.push(readList(reader));
    this.#lists = lists;
    this.inReplyTo = reader.listString();
    this.messageId = reader.listString();
  }

  /** The moment of the Date field; null where there is none, or it cannot be read. */
  get date(): Date | null {
    const { dateText } = this;
    return dateText === null ? null : parseDate(dateText);
  }
  /** Decoded. */
  get subject(): string | null {
    this.#subject ??= decoded(this.#rawSubject);
    return this.#subject;
  }
  get from(): readonly Address[] {
    return this.#list(FROM);
  }
  get sender(): readonly Address[] {
    return this.#list(SENDER);
  }
  get replyTo(): readonly Address[] {
    return this.#list(REPLY_TO);
  }
  get to(): readonly Address[] {
    return this.#list(TO);
  }
  get cc(): readonly Address[] {
    return this.#list(CC);
  }
  get bcc(): readonly Address[] {
    return this.#list(BCC);
  }

  toJSON(): Record<string, unknown> {
    const { date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageId } = this;
    return { date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageId };
  }

  #list(field: number): readonly Address[] {
    this.#addresses ??= [];
    let list = this.#addresses[field];
    if (list === undefined) {
      list = addresses(this.#lists[field] as readonly RawAddress[]);
      this.#addresses[field] = list;
    }
    return list;
  }
}

const NO_ADDRESSES: readonly RawAddress[] = [];

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

const encoded = /=\?|[\u0080-\u00ff]/;

function decoded(text: string | null): string | null {
  return text === null || !encoded.test(text) ? text : decodeHeader(fromLatin1(text));
}

// "(" 1*("(" name SP route SP mailbox SP host ")") ")" / NIL
function readList(reader: ImapReader): readonly RawAddress[] {
  reader.spaces();
  if (!reader.open()) {
    if (reader.peek() !== 41) reader.skipValue();
    return NO_ADDRESSES;
  }
  const list: RawAddress[] = [];
  while (!reader.close()) {
    if (!reader.open()) {
      reader.skipValue();
      continue;
    }
    const name = reader.listString();
    reader.listString();
    const mailbox = reader.listString();
    list.push({ name, mailbox, host: reader.listString() });
    while (!reader.close()) reader.skipValue();
  }
  return list;
}

/** A group begins with a NIL host and ends with a NIL mailbox. */
function addresses(raw: readonly RawAddress[]): readonly Address[] {
  const list: Address[] = [];
  let group: Address[] | undefined;
  for (const { name, mailbox, host } of raw) {
    if (host === null && name === null && mailbox === null) group = undefined;
    else if (host === null && mailbox !== null && name === null) {
      group = [];
      list.push({ name: decoded(mailbox) as string, address: '', group });
    } else {
      // QUIRK(Dovecot, Courier): a missing host or mailbox is written as MISSING_DOMAIN or as NIL.
      const address = mailbox === null ? '' : host === null || host === '' ? mailbox : `${mailbox}@${host}`;
      (group ?? list).push({ name: decoded(name) ?? '', address: fromLatin1(address) });
    }
  }
  return list;
}
