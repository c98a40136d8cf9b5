import { Capabilities } from '../wire/capabilities.ts';
import type { EncodeContext } from './codec/command.ts';

/** Each revision's base has what were extensions before it. */
const implied = {
  IMAP4REV2: [
    'BINARY',
    'CHILDREN',
    'ENABLE',
    'ESEARCH',
    'IDLE',
    'LIST-EXTENDED',
    'LIST-STATUS',
    'LITERAL-',
    'MOVE',
    'NAMESPACE',
    'SASL-IR',
    'SEARCHRES',
    'SPECIAL-USE',
    'STATUS=SIZE',
    'UIDPLUS',
    'UNSELECT',
  ],
  QRESYNC: ['CONDSTORE', 'ENABLE'],
  'UTF8=ONLY': ['UTF8=ACCEPT'],
  'LITERAL+': ['LITERAL-'],
  'SORT=DISPLAY': ['SORT'],
  METADATA: ['METADATA-SERVER'],
};

/** Words that come with different values: AUTH=PLAIN and AUTH=LOGIN. They are found by the word alone, too. */
const valued = /^(?:AUTH|APPENDLIMIT|COMPRESS|THREAD|RIGHTS|QUOTA|MESSAGELIMIT)$/i;

/** What a server says it can do, and what of it was switched on. */
export class ServerFeatures {
  capabilities = new Capabilities();
  readonly enabled = new Set<string>();
  /** Set where they may have changed, until the server names them again. */
  stale = false;

  set(words: readonly string[]): void {
    this.stale = false;
    this.capabilities = new Capabilities(
      words.map((word) => {
        const equals = word.indexOf('=');
        return equals > 0 && valued.test(word.slice(0, equals))
          ? [word.slice(0, equals), [word.slice(equals + 1)]]
          : [word, []];
      }),
      implied,
    );
  }

  /** Forgets what was offered. */
  drop(): void {
    this.capabilities = new Capabilities();
  }

  enable(words: readonly string[]): void {
    for (const word of words) this.enabled.add(word.toUpperCase());
  }

  /** True when the server offers it, as `COMPRESS=DEFLATE` or `IDLE`. */
  has(capability: string): boolean {
    if (this.capabilities.has(capability)) return true;
    const equals = capability.indexOf('=');
    if (equals < 0) return false;
    const value = capability.slice(equals + 1).toUpperCase();
    const values = this.capabilities.parameters(capability.slice(0, equals)) ?? [];
    return values.some((each) => each.toUpperCase() === value);
  }

  /** Mailbox names and quoted strings are UTF-8. */
  get utf8(): boolean {
    return this.enabled.has('UTF8=ACCEPT') || this.enabled.has('IMAP4REV2');
  }

  /** Largest message that APPEND takes, where the server says so. */
  get appendLimit(): number | undefined {
    const limit = Number(this.capabilities.parameters('APPENDLIMIT')?.[0] ?? Number.NaN);
    return Number.isSafeInteger(limit) ? limit : undefined;
  }

  get encodeContext(): EncodeContext {
    const { utf8 } = this;
    const literals = this.capabilities.has('LITERAL+') ? 'any' : this.capabilities.has('LITERAL-') ? 'small' : 'none';
    return { literals, utf8, utf8Names: utf8 };
  }
}
