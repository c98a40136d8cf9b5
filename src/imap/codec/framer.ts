import { LimitError, ProtocolError } from '../../errors.ts';
import type { ByteQueue } from '../../wire/byte-queue.ts';
import { LF, concatBytes, latin1 } from '../../wire/bytes.ts';
import { ImapReader } from './reader.ts';

/** Caps of one response or command. */
export interface FrameLimits {
  /** One line, literals apart. */
  readonly lineBytes: number;
  /** One literal that is held in memory. */
  readonly literalBytes: number;
  /** All lines and held literals together. */
  readonly totalBytes: number;
}

/** A literal whose marker was read and whose bytes come next. */
export interface LiteralStart {
  readonly kind: 'literal';
  readonly sizeBytes: number;
  /** The peer waits for a continuation before it sends the bytes: a server's concern. */
  readonly synchronizing: boolean;
  /** The line that announced it, marker included. */
  readonly line: string;
  /** True when this is the first line of the response or command. */
  readonly first: boolean;
}

/** Bytes of a literal that was let through with `stream`. */
export interface LiteralSpan {
  readonly kind: 'span';
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** A whole response or command. */
export interface Frame {
  readonly kind: 'frame';
  readonly reader: ImapReader;
}

export type FrameEvent = LiteralStart | LiteralSpan | Frame;

const CLOSE_BRACE = 125;
const MAX_MARKER_DIGITS = 4096;

/** Most responses have no literals: they share this. Never pushed to. */
const NONE: Uint8Array[] = [];

/** What a streamed literal leaves in the text. */
export const STREAMED: Uint8Array = new Uint8Array(0);

/**
 * Cuts a stream into responses or commands: lines, and the literals that their ends announce. Every literal is announced by an event
 * before its bytes are touched; the caller may then have it streamed. Otherwise it is collected as it arrives: nothing is allocated
 * for a size that was only announced.
 *
 *     frame = 1*(text ["~"] "{" number ["+" / "-"] "}" CRLF *OCTET) text CRLF
 */
export class ImapFramer {
  readonly #limits: FrameLimits;
  /** Lines of this kind have no literals, whatever they end with. */
  readonly #isPlain: (line: string) => boolean;
  #lines: string[] = [];
  #literals: Uint8Array[] = NONE;
  #totalBytes = 0;
  #left = 0;
  #size = 0;
  #inLiteral = false;
  #streaming = false;
  #chunks: Uint8Array[] = [];

  constructor(limits: FrameLimits, isPlain: (line: string) => boolean = () => false) {
    this.#limits = limits;
    this.#isPlain = isPlain;
  }

  /** True while the next bytes are a literal's. */
  get inLiteral(): boolean {
    return this.#inLiteral;
  }

  /** Bytes of the current literal that are yet to come. */
  get leftBytes(): number {
    return this.#left;
  }

  /** The lines so far, to tell what a literal belongs to. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Hands the literal that was just announced out as spans, instead of keeping it. */
  stream(): void {
    this.#streaming = true;
    this.#totalBytes -= this.#size;
  }

  /** Forgets the command whose literal was just announced: its bytes will not come (a server that refused it). */
  drop(): void {
    this.#inLiteral = false;
    this.#reset();
  }

  #reset(): void {
    this.#lines = [];
    this.#literals = NONE;
    this.#totalBytes = 0;
  }

  readonly decode = (queue: ByteQueue): FrameEvent | undefined => {
    for (;;) {
      if (this.#inLiteral) {
        const span = this.#literal(queue);
        if (span !== undefined) return span;
        if (this.#inLiteral) return undefined;
      }
      const at = queue.indexOf(LF);
      const { lineBytes, totalBytes } = this.#limits;
      if (at < 0 ? queue.length >= lineBytes : at >= lineBytes)
        throw new LimitError(`the peer sent a line longer than ${lineBytes} bytes`, { reason: 'LINE_TOO_LONG' });
      if (at < 0) return undefined;
      const bytes = queue.take(at + 1);
      const line = latin1(bytes, 0, at > 0 && bytes[at - 1] === 13 ? at - 1 : at);
      this.#totalBytes += at + 1;
      if (this.#totalBytes > totalBytes) throw this.#tooLong();
      const first = this.#lines.length === 0;
      this.#lines.push(line);
      if (line.charCodeAt(line.length - 1) === CLOSE_BRACE && !(first && this.#isPlain(line))) {
        const start = this.#marker(line, first);
        if (start !== undefined) return start;
      }
      const reader = new ImapReader(this.#lines, this.#literals);
      this.#reset();
      return { kind: 'frame', reader };
    }
  };

  #marker(line: string, first: boolean): LiteralStart | undefined {
    let at = line.length - 2;
    const sign = line[at];
    const synchronizing = sign !== '+' && sign !== '-';
    if (!synchronizing) at--;
    const end = at + 1;
    while (at >= 0 && line.charCodeAt(at) >= 48 && line.charCodeAt(at) <= 57) at--;
    if (at < 0 || line[at] !== '{' || end === at + 1) return undefined;
    if (end - at > MAX_MARKER_DIGITS) throw new ProtocolError('the peer announced a literal with thousands of digits');
    const sizeBytes = Number(line.slice(at + 1, end));
    if (!Number.isSafeInteger(sizeBytes))
      throw new ProtocolError(`the peer announced a literal of ${line.slice(at)} bytes`);
    this.#inLiteral = true;
    this.#streaming = false;
    this.#left = this.#size = sizeBytes;
    this.#totalBytes += sizeBytes;
    this.#chunks = [];
    return { kind: 'literal', sizeBytes, synchronizing, line, first };
  }

  /** A span of a streamed literal; undefined when nothing is to be told: not enough bytes, or a kept one that is complete. */
  #literal(queue: ByteQueue): LiteralSpan | undefined {
    if (!this.#streaming) {
      const { literalBytes, totalBytes } = this.#limits;
      if (this.#size > literalBytes)
        throw new LimitError(`the peer announced a literal of ${this.#size} bytes; at most ${literalBytes} are held`, {
          reason: 'LITERAL_TOO_LONG',
          hint: 'stream it, or raise limits.messageBytes',
        });
      if (this.#totalBytes > totalBytes) throw this.#tooLong();
    }
    const take = Math.min(this.#left, queue.length);
    if (take === 0 && this.#left > 0) return undefined;
    const bytes = queue.take(take);
    this.#left -= take;
    const last = this.#left === 0;
    if (this.#streaming) {
      if (last) {
        this.#inLiteral = false;
        this.#add(STREAMED);
      }
      return { kind: 'span', bytes, last };
    }
    if (last && this.#chunks.length === 0) this.#add(bytes);
    else this.#chunks.push(bytes);
    if (last) {
      if (this.#chunks.length > 0) this.#add(concatBytes(this.#chunks));
      this.#chunks = [];
      this.#inLiteral = false;
    }
    return undefined;
  }

  #add(literal: Uint8Array): void {
    if (this.#literals === NONE) this.#literals = [];
    this.#literals.push(literal);
  }

  #tooLong(): LimitError {
    return new LimitError(`the peer sent more than ${this.#limits.totalBytes} bytes in one response`, {
      reason: 'RESPONSE_TOO_LONG',
    });
  }
}
