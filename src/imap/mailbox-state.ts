import type { ImapStatus } from './codec/response.ts';
import { codeOf } from './codec/response-code.ts';

/** The selected mailbox as the server last described it. */
export interface MailboxState {
  readonly name: string;
  readonly readOnly: boolean;
  /** Messages in it. */
  readonly exists: number;
  readonly recent: number;
  readonly flags: readonly string[];
  /** Flags that can be kept; `\*` means that new keywords can be made. Undefined: all of `flags`. */
  readonly permanentFlags: readonly string[] | undefined;
  readonly uidValidity: number | undefined;
  readonly uidNext: number | undefined;
  /** Undefined where the mailbox keeps no mod-sequences. */
  readonly highestModSeq: bigint | undefined;
  /** Sequence number of the first unseen message, where the server says so. */
  readonly firstUnseen: number | undefined;
  /** OBJECTID's name for it. */
  readonly mailboxId: string | undefined;
  /** UIDs do not outlive the session: they may not be kept. */
  readonly uidsNotSticky: boolean;
  /** UIDVALIDITY is another than when this session had it open before: UIDs that were kept mean nothing. */
  readonly uidValidityChanged: boolean;
  /** What the server did that RFC 9051 forbids: an EXPUNGE of a message that is not there, fewer EXISTS than before. */
  readonly anomalies: readonly string[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const MAX_ANOMALIES = 20;

/** Keeps count of a mailbox by what the server says of it. */
export class MailboxTracker {
  readonly state: Mutable<MailboxState> & { anomalies: string[] };

  constructor(name: string, readOnly: boolean) {
    this.state = {
      name,
      readOnly,
      exists: 0,
      recent: 0,
      flags: [],
      permanentFlags: undefined,
      uidValidity: undefined,
      uidNext: undefined,
      highestModSeq: undefined,
      firstUnseen: undefined,
      mailboxId: undefined,
      uidsNotSticky: false,
      uidValidityChanged: false,
      anomalies: [],
    };
  }

  exists(count: number): void {
    if (count < this.state.exists) this.#anomaly(`EXISTS fell from ${this.state.exists} to ${count} without EXPUNGE`);
    this.state.exists = count;
  }

  /** False when there is no such message. */
  expunge(sequence: number): boolean {
    if (sequence < 1 || sequence > this.state.exists) {
      this.#anomaly(`EXPUNGE ${sequence} of ${this.state.exists} messages`);
      return false;
    }
    this.state.exists--;
    return true;
  }

  vanished(count: number): void {
    this.state.exists = Math.max(0, this.state.exists - count);
  }

  code({ code }: ImapStatus): void {
    if (code === undefined) return;
    const { state } = this;
    switch (code.name) {
      case 'UIDVALIDITY':
        state.uidValidity = codeOf(code, 'UIDVALIDITY')?.value;
        break;
      case 'UIDNEXT':
        state.uidNext = codeOf(code, 'UIDNEXT')?.value;
        break;
      case 'UNSEEN':
        state.firstUnseen = codeOf(code, 'UNSEEN')?.value;
        break;
      case 'PERMANENTFLAGS':
        state.permanentFlags = codeOf(code, 'PERMANENTFLAGS')?.flags;
        break;
      case 'HIGHESTMODSEQ':
        state.highestModSeq = codeOf(code, 'HIGHESTMODSEQ')?.modSeq;
        break;
      case 'NOMODSEQ':
        state.highestModSeq = undefined;
        break;
      case 'MAILBOXID':
        state.mailboxId = codeOf(code, 'MAILBOXID')?.id;
        break;
      case 'UIDNOTSTICKY':
        state.uidsNotSticky = true;
        break;
      case 'READ-ONLY':
        state.readOnly = true;
        break;
      case 'READ-WRITE':
        state.readOnly = false;
        break;
    }
  }

  anomaly(text: string): void {
    this.#anomaly(text);
  }

  #anomaly(text: string): void {
    if (this.state.anomalies.length < MAX_ANOMALIES) this.state.anomalies.push(text);
  }
}
