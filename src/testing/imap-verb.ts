import type { ImapReader } from '../imap/codec/reader.ts';
import type { Folder, FolderMessage, ImapAccount } from './imap-account.ts';
import type { ImapProfileSettings } from './imap-profiles.ts';
import type { ResponseWriter } from './imap-render.ts';

/** The answer to a command: OK, unless this is thrown. */
export class Refusal extends Error {
  readonly status: 'NO' | 'BAD';
  readonly code: string | undefined;
  constructor(status: 'NO' | 'BAD', text: string, code?: string) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

/** How a command ended well. */
export interface Completion {
  readonly text?: string;
  readonly code?: string | undefined;
}

/** The selected folder as a session was told of it. */
export interface View {
  readonly folder: Folder;
  readonly readOnly: boolean;
  /** What the session's sequence numbers stand for. */
  messages: FolderMessage[];
  /** Changes up to here were told. */
  modSeq: bigint;
}

/** What verbs use of the session that runs them. */
export interface VerbSession {
  readonly options: { readonly profile: ImapProfileSettings; readonly maxMessageBytes: number | undefined };
  /** Refused before a login. */
  readonly account: ImapAccount;
  view: View | undefined;
  /** Refused where nothing is selected. */
  readonly selected: View;
  readonly tag: string;
  readonly enabled: Set<string>;
  /** CONDSTORE is on for this session. */
  condStore: boolean;
  /** The result of the last search that was to be kept, by UID. */
  saved: ReadonlySet<number>;
  has(capability: string): boolean;
  folder(name: string): Folder;
  mailboxName(reader: ImapReader): string;
  writeName(writer: ResponseWriter, name: string): ResponseWriter;
  untagged(text: string): void;
  write(writer: ResponseWriter): void;
  tellFlags(message: FolderMessage, view: View, withUid?: boolean): void;
}

/** A command as its handler sees it: the reader stands behind the verb. */
export interface VerbCall {
  readonly session: VerbSession;
  readonly reader: ImapReader;
  readonly byUid: boolean;
}

export interface VerbHandler {
  /** A capability without which the verb is unknown. */
  readonly needs?: string;
  /** May follow UID. */
  readonly byUid?: boolean;
  /** No EXPUNGE may be told while it runs. */
  readonly keepsSequence?: boolean;
  run(call: VerbCall): Completion | Promise<Completion>;
}
