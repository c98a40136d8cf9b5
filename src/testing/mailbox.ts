import type { MailStore, StoredMail } from './mail-store.ts';

/** What the sessions of all protocols share of a store: who holds which mailbox, and what was expunged. */
interface Shared {
  readonly locks: Set<string>;
  /** `user id` of messages that are gone from that mailbox: the store itself keeps them for its tests. */
  readonly expunged: Set<string>;
}

const sharedOf = new WeakMap<MailStore, Shared>();

/** One user's mail in a store, as mailbox protocols see it. */
export class Mailbox {
  readonly #store: MailStore;
  readonly #user: string;
  readonly #shared: Shared;

  constructor(store: MailStore, user: string) {
    this.#store = store;
    this.#user = user.toLowerCase();
    this.#shared = sharedOf.get(store) ?? { locks: new Set(), expunged: new Set() };
    sharedOf.set(store, this.#shared);
  }

  /** What is there now, oldest first. A user without a domain has the mail of that name at every domain. */
  messages(): readonly StoredMail[] {
    const own = (to: string): boolean =>
      to.toLowerCase() === this.#user || (!this.#user.includes('@') && to.toLowerCase().startsWith(`${this.#user}@`));
    return this.#store.messages.filter(
      (mail) => mail.envelope.to.some(own) && !this.#shared.expunged.has(`${this.#user} ${mail.id}`),
    );
  }

  /** Stays the same for ever, for a message. */
  uid(mail: StoredMail): string {
    return `postwire-${mail.id}`;
  }

  /** False when another session has it. */
  lock(): boolean {
    if (this.#shared.locks.has(this.#user)) return false;
    this.#shared.locks.add(this.#user);
    return true;
  }

  unlock(): void {
    this.#shared.locks.delete(this.#user);
  }

  expunge(mail: StoredMail): void {
    this.#shared.expunged.add(`${this.#user} ${mail.id}`);
  }
}
