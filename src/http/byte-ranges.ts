import { ProtocolError, UsageError } from '../errors.ts';
import { parseParameterized } from '../mime/parameters.ts';
import { ByteQueue } from '../wire/byte-queue.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { LF, latin1 } from '../wire/bytes.ts';
import { parseDecimal, resolveLimits } from '../wire/limits.ts';
import { parseFields } from './codec.ts';
import type { HttpFields } from './fields.ts';

/** A part of a file, as the server sent it. */
export interface HttpRange {
  /** Places in the file, the first 0; `end` is behind the last. */
  readonly range: { readonly start: number; readonly end: number };
  /** Of the whole file; undefined where the server does not tell. */
  readonly totalBytes: number | undefined;
  /** The part's own fields; of a response that is no multipart, the response's. */
  readonly headers: HttpFields;
  /** The part's bytes. What is not read when the next part is asked for is passed by. */
  readonly stream: ByteStream;
}

/** Fields of one part, and what stands between parts. */
const MAX_HEAD_BYTES = 16 * 1024;

/**
 * The ranges of a response in the order that they come: those of multipart/byteranges, the one of a 206 without, or all of a 200, which is
 * what a server sends that does not do ranges. A part's length is that of its Content-Range: nothing in its bytes can end it early.
 *
 * @see RFC 9110 section 14.6
 */
export async function* readRanges(
  status: number,
  headers: HttpFields,
  body: ByteStream,
): AsyncGenerator<HttpRange, void> {
  try {
    if (status !== 200 && status !== 206) throw new UsageError(`a response with status ${status} has no ranges`);
    const type = parseParameterized(headers.get('content-type') ?? '', { maxParameters: 20 });
    if (status === 206 && type.value === 'multipart/byteranges') {
      const boundary = type.parameters.get('boundary');
      if (boundary === undefined || boundary === '' || boundary.length > 200) throw bad('its boundary is missing');
      yield* new RangeReader(body, boundary).parts();
      return;
    }
    if (status === 200) {
      const totalBytes = body.sizeBytes;
      const range = { start: 0, end: totalBytes ?? Number.POSITIVE_INFINITY };
      yield { range, totalBytes, headers, stream: body };
    } else yield { ...parseContentRange(headers.get('content-range')), headers, stream: body };
  } finally {
    await body[Symbol.asyncDispose]();
  }
}

class RangeReader {
  readonly #queue = new ByteQueue();
  readonly #source: AsyncIterator<Uint8Array, unknown>;
  readonly #delimiter: string;
  #budget = MAX_HEAD_BYTES;

  constructor(body: ByteStream, boundary: string) {
    this.#source = body[Symbol.asyncIterator]();
    this.#delimiter = `--${boundary}`;
  }

  async *parts(): AsyncGenerator<HttpRange, void> {
    while (await this.#toNextPart()) {
      const headers = await this.#head();
      const place = parseContentRange(headers.get('content-range'));
      const part = { left: place.range.end - place.range.start, open: true };
      yield { ...place, headers, stream: new ByteStream(this.#bytes(part), part.left) };
      part.open = false;
      while (part.left > 0) await this.#take(part);
    }
    // What follows is to be ignored, and read, so that the connection can be used again.
    for (;;) {
      this.#spend(this.#queue.length);
      this.#queue.take(this.#queue.length);
      if (!(await this.#fill())) return;
    }
  }

  /** Skips what stands before a delimiter line; false at the last. */
  async #toNextPart(): Promise<boolean> {
    this.#budget = MAX_HEAD_BYTES;
    for (;;) {
      const line = (await this.#line()).trimEnd();
      if (line === this.#delimiter) return true;
      if (line === `${this.#delimiter}--`) return false;
    }
  }

  async #head(): Promise<HttpFields> {
    this.#budget = MAX_HEAD_BYTES;
    let text = '';
    for (;;) {
      const line = await this.#line();
      if (line === '\r\n' || line === '\n') return parseFields('part header', text, resolveLimits());
      text += line;
    }
  }

  /** With its end. The last of all may be without. */
  async #line(): Promise<string> {
    for (;;) {
      const at = this.#queue.indexOf(LF);
      if (at >= 0) {
        this.#spend(at + 1);
        return latin1(this.#queue.take(at + 1));
      }
      if (this.#queue.length > this.#budget) this.#spend(this.#queue.length);
      if (await this.#fill()) continue;
      if (this.#queue.length === 0) throw bad('it ends before its last boundary');
      return latin1(this.#queue.take(this.#queue.length));
    }
  }

  #spend(bytes: number): void {
    this.#budget -= bytes;
    if (this.#budget < 0) throw bad(`more than ${MAX_HEAD_BYTES} bytes stand between its parts`);
  }

  async *#bytes(part: { left: number; readonly open: boolean }): AsyncGenerator<Uint8Array, void> {
    while (part.left > 0) {
      if (!part.open) throw new UsageError('this range is over: the next one has been asked for');
      yield await this.#take(part);
    }
  }

  async #take(part: { left: number }): Promise<Uint8Array> {
    if (this.#queue.length === 0 && !(await this.#fill())) throw bad('it ends within a part');
    const bytes = this.#queue.take(Math.min(part.left, this.#queue.length));
    part.left -= bytes.length;
    return bytes;
  }

  async #fill(): Promise<boolean> {
    const { done, value } = (await this.#source.next()) as IteratorResult<Uint8Array, undefined>;
    if (done === true) return false;
    this.#queue.push(value);
    return true;
  }
}

/** `bytes 0-499/1234`. @see RFC 9110 section 14.4 */
function parseContentRange(value: string | undefined): Pick<HttpRange, 'range' | 'totalBytes'> {
  const match = /^bytes +([0-9]+)-([0-9]+)\/([0-9]+|\*)$/i.exec(value ?? '');
  const first = parseDecimal(match?.[1] ?? '');
  const last = parseDecimal(match?.[2] ?? '');
  const totalBytes = match?.[3] === '*' ? undefined : parseDecimal(match?.[3] ?? '');
  if (
    first === undefined ||
    last === undefined ||
    last < first ||
    (match?.[3] !== '*' && !(totalBytes !== undefined && last < totalBytes))
  )
    throw bad(`a Content-Range is ${JSON.stringify(value?.slice(0, 100) ?? 'missing')}`);
  return { range: { start: first, end: last + 1 }, totalBytes };
}

const bad = (why: string): ProtocolError =>
  new ProtocolError(`the response's ranges cannot be read: ${why}`, { protocol: 'HTTP', reason: 'BAD_RANGES' });
