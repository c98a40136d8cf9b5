import type { Connection } from '../socket/connection.ts';
import { encodeText } from '../wire/bytes.ts';
import { encodeReply } from '../wire/reply.ts';

/** What a command is matched against: its fields by name. Text matches when it is contained, without case. */
export type Match =
  Readonly<Record<string, string | RegExp | undefined>> | ((fields: Readonly<Record<string, string>>) => boolean);

type Action =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'inject'; readonly bytes: Uint8Array }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'close' | 'reset' | 'end' | 'silence' };

/** What the script made of a command. `normal`: answer as usual, and send `inject` in the same write. */
export type Outcome =
  { readonly kind: 'normal'; readonly inject: Uint8Array } | { readonly kind: 'replied' } | { readonly kind: 'gone' };

/** How a protocol writes a reply: 451 and a text, or '-ERR' and a text. */
export type EncodeReply = (code: number | string, text: string) => Uint8Array;

const smtpStyle: EncodeReply = (code, text) => encodeReply({ code: Number(code), lines: text.split('\n') });

/**
 * One scripted misbehaviour: `on('RCPT', { to: 'bob' }).times(2).reply(451, '4.2.1 later')`. Actions happen in the order they are
 * written. Until an action is added the rule only counts.
 */
export class FaultRule {
  readonly #verb: string;
  readonly #match: Match | undefined;
  readonly #encode: EncodeReply;
  #left = Number.POSITIVE_INFINITY;
  #skip = 0;
  #bodyBytes: number | undefined;
  readonly #actions: Action[] = [];
  /** Commands that matched, whether or not the rule acted. */
  count = 0;

  constructor(verb: string, match?: Match, encode: EncodeReply = smtpStyle) {
    this.#encode = encode;
    this.#verb = verb.toUpperCase();
    this.#match = match;
  }

  /** Act on this many matching commands, then no more. */
  times(count: number): this {
    this.#left = count;
    return this;
  }

  once(): this {
    return this.times(1);
  }

  /** Let this many matching commands pass first. */
  skip(count: number): this {
    this.#skip = count;
    return this;
  }

  /** Act within the body, once this many bytes of it have come. */
  afterBytes(count: number): this {
    this.#bodyBytes = count;
    return this;
  }

  /** Answer with this code and text, instead of the usual answer. An enhanced status code may begin the text. */
  reply(code: number | string, text: string): this {
    this.#actions.push({ kind: 'send', bytes: this.#encode(code, text) });
    return this;
  }

  /** Answer with exactly these bytes. */
  raw(bytes: string | Uint8Array): this {
    this.#actions.push({ kind: 'send', bytes: typeof bytes === 'string' ? encodeText(bytes) : bytes });
    return this;
  }

  /** Answer as usual, with these bytes behind it in the same segment: what an attacker adds before TLS. */
  inject(bytes: string | Uint8Array): this {
    this.#actions.push({ kind: 'inject', bytes: typeof bytes === 'string' ? encodeText(bytes) : bytes });
    return this;
  }

  /** Wait first. */
  delay(ms: number): this {
    this.#actions.push({ kind: 'delay', ms });
    return this;
  }

  /** Close the connection (FIN). */
  close(): this {
    this.#actions.push({ kind: 'close' });
    return this;
  }

  /** Close the connection with a reset (RST). */
  reset(): this {
    this.#actions.push({ kind: 'reset' });
    return this;
  }

  /** Close our direction only. */
  end(): this {
    this.#actions.push({ kind: 'end' });
    return this;
  }

  /** Never answer again. */
  silence(): this {
    this.#actions.push({ kind: 'silence' });
    return this;
  }

  /** The body byte count at which the rule acts; undefined for one that acts on the command itself. */
  get bodyBytes(): number | undefined {
    return this.#bodyBytes;
  }

  /** True when the rule acts on this command. Counts it. */
  takes(verb: string, fields: Readonly<Record<string, string>>, inBody: boolean): boolean {
    if (
      (this.#bodyBytes !== undefined) !== inBody ||
      this.#verb !== verb.toUpperCase() ||
      !matches(this.#match, fields)
    )
      return false;
    this.count++;
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    if (this.#left <= 0 || this.#actions.length === 0) return false;
    this.#left--;
    return true;
  }

  /** `prepare` may finish what is sent: IMAP puts the command's tag in. */
  async perform(
    connection: Connection,
    prepare: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
  ): Promise<Outcome> {
    let replied = false;
    let inject = new Uint8Array(0);
    for (const action of this.#actions) {
      switch (action.kind) {
        case 'delay':
          await sleep(action.ms, connection);
          break;
        case 'send': {
          replied = true;
          const bytes = prepare(action.bytes);
          await connection.write([{ bytes, shown: new TextDecoder('latin1').decode(bytes) }]);
          break;
        }
        case 'inject':
          inject = Uint8Array.from(action.bytes);
          break;
        case 'close':
          await connection.close(50);
          return { kind: 'gone' };
        case 'reset':
          connection.reset();
          return { kind: 'gone' };
        case 'end':
          await connection.halfClose();
          replied = true;
          break;
        case 'silence':
          await connection.closed;
          return { kind: 'gone' };
      }
    }
    return replied ? { kind: 'replied' } : { kind: 'normal', inject };
  }
}

function matches(match: Match | undefined, fields: Readonly<Record<string, string>>): boolean {
  if (match === undefined) return true;
  if (typeof match === 'function') return match(fields);
  return Object.entries(match).every(([name, wanted]) => {
    if (wanted === undefined) return true;
    const value = Object.hasOwn(fields, name) ? (fields[name] as string) : '';
    return wanted instanceof RegExp ? wanted.test(value) : value.toLowerCase().includes(wanted.toLowerCase());
  });
}

/** Waits, or returns when the connection ends. */
async function sleep(ms: number, connection: Connection): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
    connection.closed,
  ]);
  clearTimeout(timer);
}

/** The rules of a fake server, newest first. */
export class FaultScript {
  #rules: FaultRule[] = [];
  readonly #encode: EncodeReply | undefined;

  constructor(encode?: EncodeReply) {
    this.#encode = encode;
  }

  on(verb: string, match?: Match): FaultRule {
    const rule = new FaultRule(verb, match, this.#encode);
    this.#rules.unshift(rule);
    return rule;
  }

  /** The rule that acts on this command, if any. */
  find(verb: string, fields: Readonly<Record<string, string>> = {}): FaultRule | undefined {
    return this.#rules.find((rule) => rule.takes(verb, fields, false));
  }

  /** The rule that acts within this command's body, if any. */
  findInBody(verb: string, fields: Readonly<Record<string, string>> = {}): FaultRule | undefined {
    return this.#rules.find((rule) => rule.takes(verb, fields, true));
  }

  clear(): void {
    this.#rules = [];
  }
}
