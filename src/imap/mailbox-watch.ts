import type { ImapData, ImapStatus } from './codec/response.ts';
import { readFlags } from './codec/fetched.ts';
import { UidSet, parseRanges } from './codec/sequence-set.ts';
import type { ImapEvent } from './events.ts';
import { type MailboxState, MailboxTracker } from './mailbox-state.ts';

/** The selected mailbox, by what the server says of it while it is opened and from then on. */
export class MailboxWatch {
  readonly #emit: (event: ImapEvent) => void;
  #current: MailboxTracker | undefined;
  #opening: MailboxTracker | undefined;
  /** Of the mailboxes that this session had open. */
  readonly #uidValidities = new Map<string, number>();
  /** What made no sense: counted, for those who wonder. */
  anomalies = 0;

  constructor(emit: (event: ImapEvent) => void) {
    this.#emit = emit;
  }

  get state(): MailboxState | undefined {
    return this.#current?.state;
  }

  get opening(): boolean {
    return this.#opening !== undefined;
  }

  get #tracker(): MailboxTracker | undefined {
    return this.#opening ?? this.#current;
  }

  /** From now on what the server says is about the mailbox that is being opened. */
  begin(name: string, readOnly: boolean): void {
    this.#opening = new MailboxTracker(name, readOnly);
    this.#current = undefined;
  }

  end(status: ImapStatus): MailboxState {
    const tracker = this.#opening as MailboxTracker;
    tracker.code(status);
    this.#opening = undefined;
    this.#current = tracker;
    const { name, uidValidity } = tracker.state;
    if (uidValidity === undefined) return tracker.state;
    const before = this.#uidValidities.get(name);
    if (before !== undefined && before !== uidValidity) {
      tracker.state.uidValidityChanged = true;
      this.#emit({ type: 'uidvalidity', mailbox: name, uidValidity });
    }
    this.#uidValidities.set(name, uidValidity);
    return tracker.state;
  }

  /** No mailbox is open. */
  leave(): void {
    this.#opening = this.#current = undefined;
  }

  code(status: ImapStatus): void {
    this.#tracker?.code(status);
  }

  anomaly(text: string): void {
    this.anomalies++;
    this.#tracker?.anomaly(text);
  }

  /** Data that no command asked for. False when it is not about the mailbox. */
  data({ name, number, reader }: ImapData): boolean {
    const tracker = this.#tracker;
    switch (name) {
      case 'EXISTS': {
        if (number === undefined || tracker === undefined) break;
        const previous = tracker.state.exists;
        tracker.exists(number);
        if (tracker !== this.#opening) this.#emit({ type: 'exists', count: number, previous });
        return true;
      }
      case 'RECENT':
        if (number !== undefined && tracker !== undefined) tracker.state.recent = number;
        return true;
      case 'EXPUNGE':
        if (number === undefined || tracker === undefined) break;
        if (tracker.expunge(number)) this.#emit({ type: 'expunge', sequence: number });
        return true;
      case 'VANISHED': {
        const earlier = reader.peek() === 40;
        if (earlier) reader.skipValue();
        reader.spaces();
        const ranges = parseRanges(reader.atom());
        if (ranges === undefined) break;
        const gone = new UidSet(ranges);
        if (!earlier && Number.isFinite(gone.size)) tracker?.vanished(gone.size);
        this.#emit({ type: 'vanished', uids: gone, earlier });
        return true;
      }
      case 'FLAGS': {
        const flags = readFlags(reader);
        if (tracker !== undefined) tracker.state.flags = flags;
        if (tracker !== this.#opening) this.#emit({ type: 'flags', flags });
        return true;
      }
      case 'MALFORMED':
        break;
      default:
        return false;
    }
    this.anomaly(`${name} ${number ?? ''} makes no sense here`);
    return true;
  }
}
