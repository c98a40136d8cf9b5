import type { CallOptions, Connection } from '../socket/connection.ts';
import type { CommandWriter } from './codec/command.ts';
import type { FetchedMessage } from './codec/fetched.ts';
import type { ImapData, ImapStatus } from './codec/response.ts';
import type { NumberSet } from './codec/sequence-set.ts';

/** @see RFC 9051 section 3 */
export type ImapState = 'greeted' | 'authenticated' | 'selected';

/** Where a literal goes that is not to be held. A promise holds the server back until it settles. */
export interface LiteralSink {
  push(bytes: Uint8Array, last: boolean): Promise<void> | undefined;
  fail(error: Error): void;
}

/** A literal of a FETCH response, before its first byte. */
export interface AnnouncedLiteral {
  readonly sizeBytes: number;
  /** 'BODY[1]'; undefined where it is another string of the response. */
  readonly section: string | undefined;
  /** Of its message, where the server named it before the literal. */
  readonly uid: number | undefined;
  readonly sequence: number;
}

/** What a command may ask of its session. */
export interface CommandContext {
  has(capability: string): boolean;
  /** Mailbox names are UTF-8 on the wire. */
  readonly utf8Names: boolean;
  readonly tag: string;
  /** An idling command was told to end; else the server ended it by itself. */
  readonly askedToEnd: boolean;
  /** Largest message that the server takes, where it says so. */
  readonly appendLimit: number | undefined;
  /** Capabilities of the last CAPABILITY, before implications. */
  setCapabilities(words: readonly string[]): void;
  setEnabled(words: readonly string[]): void;
}

/**
 * One command: what it sends, which data it takes, and what it makes of them. A value of its own for each time it is sent, so it may
 * collect in its closure.
 */
export interface ImapCommand<T> {
  /** 'UID FETCH'. */
  readonly verb: string;
  /** Where it is allowed. Default: authenticated or selected. */
  readonly states?: readonly ImapState[];
  /** A capability that the server must offer. */
  readonly needs?: string;
  /** Writes the arguments. UsageError for what cannot be sent; then nothing leaves. */
  encode?(writer: CommandWriter, context: CommandContext): void;
  /** No other command may be in progress: it changes the session's state. */
  readonly alone?: boolean;
  /** It names messages by sequence number: nothing that could renumber them may be in progress. */
  readonly bySequence?: boolean;
  /** The server may not renumber messages while it is in progress: FETCH, STORE and SEARCH by sequence number. */
  readonly keepsSequence?: boolean;
  /** Names of the data it takes. Commands that take the same are not in progress together, unless `targets` keeps them apart. */
  readonly takes?: readonly string[];
  /** The messages that its data speak of, by UID. */
  readonly targets?: NumberSet | undefined;
  /** Data, or a status, that came while it was in progress. False: it is for somebody else. */
  data?(data: ImapData, context: CommandContext): boolean | void;
  /** A message of a FETCH response. False: it is for somebody else. */
  fetched?(message: FetchedMessage): boolean;
  /** An untagged status with a code. */
  status?(status: ImapStatus): void;
  /** A literal of a FETCH response is about to come; undefined has it held. */
  readonly literal?: ((announced: AnnouncedLiteral) => LiteralSink | undefined) | undefined;
  /** The server asks for more: the answer, without line end, or undefined when there is nothing to say. SASL, IDLE. */
  continuation?(text: string): Promise<Uint8Array> | undefined;
  /** The result. Only for OK, unless `accepts` says more. */
  done(status: ImapStatus, context: CommandContext): T;
  /** Results other than OK that are no failure. */
  accepts?(status: ImapStatus): boolean;
  /** What must happen before anything more is read: TLS, compression. */
  upgrade?(connection: Connection): Promise<void> | void;
  /** Its data may take as long as they keep coming. */
  readonly streams?: boolean;
  /** Waits for news until it is told to stop. */
  readonly idles?: boolean;
  /** True while its reader wants to be waited for. */
  full?(): boolean;
  /** It failed, or the connection did. */
  fail?(error: Error): void;
}

export interface RunOptions extends CallOptions {
  /** A `bodyIdle` timeout of its own. */
  readonly idleMs?: number | undefined;
}
