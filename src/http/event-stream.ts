import { LimitError, ProtocolError, UsageError } from '../errors.ts';
import { wholeNumber } from '../wire/limits.ts';
import type { HttpClient } from './client.ts';
import { HttpFields } from './fields.ts';
import type { HttpRequestOptions } from './options.ts';
import { isPassingError, isPassingStatus, wait } from './retry.ts';

/** A server-sent event. */
export interface ServerEvent {
  /** Default 'message'. */
  readonly type: string;
  readonly data: string;
  /** The last id that was given, by this event or one before. */
  readonly id: string;
}

export interface EventOptions extends Omit<HttpRequestOptions, 'decompress' | 'retries'> {
  /** Where to go on: an id from before. */
  readonly lastEventId?: string | undefined;
  /** Before connecting again; the server may say otherwise, up to a minute. Default 3000. */
  readonly reconnectMs?: number | undefined;
  /** Failures in a row before it is given up. Default 10. */
  readonly maxFailures?: number | undefined;
  /** Characters of one event. Default 1 MiB. */
  readonly maxEventCharacters?: number | undefined;
}

const MAX_RECONNECT_MS = 60_000;

/**
 * Reads an event stream's lines: give it text as it comes, it gives back what is whole. Linear, whatever the pieces; LimitError for an event
 * over the cap. @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class EventParser {
  readonly #maxCharacters: number;
  /** Pieces of the line that is not whole. */
  #partial: string[] = [];
  #partialLength = 0;
  #afterCr = false;
  #begun = false;
  #data: string[] = [];
  #dataLength = 0;
  #type = '';
  lastEventId: string;
  /** What the server asked to wait before connecting again. */
  retryMs: number | undefined;

  constructor(maxCharacters: number = 1024 * 1024, lastEventId = '') {
    this.#maxCharacters = maxCharacters;
    this.lastEventId = lastEventId;
  }

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let from = 0;
    if (!this.#begun && text.length > 0) {
      this.#begun = true;
      if (text.startsWith('\ufeff')) from = 1;
    }
    if (this.#afterCr && text.length > 0) {
      this.#afterCr = false;
      if (text[0] === '\n') from = 1;
    }
    const end = /\r\n?|\n/g;
    end.lastIndex = from;
    for (let match = end.exec(text); match !== null; match = end.exec(text)) {
      this.#keep(text.slice(from, match.index));
      const line = this.#partial.join('');
      this.#partial = [];
      this.#partialLength = 0;
      from = end.lastIndex;
      // The other half of CRLF may be in the next piece.
      this.#afterCr = match[0] === '\r' && from === text.length;
      const event = this.#line(line);
      if (event !== undefined) events.push(event);
    }
    this.#keep(text.slice(from));
    return events;
  }

  #keep(piece: string): void {
    if (piece === '') return;
    this.#partialLength += piece.length;
    if (this.#partialLength + this.#dataLength > this.#maxCharacters)
      throw new LimitError(`the server sent an event longer than ${this.#maxCharacters} characters`, {
        protocol: 'HTTP',
        reason: 'EVENT_TOO_LONG',
      });
    this.#partial.push(piece);
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.#data.push(value);
      this.#dataLength += value.length + 1;
    } else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.lastEventId = value;
    else if (field === 'retry' && /^[0-9]{1,15}$/.test(value)) this.retryMs = Math.min(Number(value), MAX_RECONNECT_MS);
    return undefined;
  }

  #dispatch(): ServerEvent | undefined {
    const type = this.#type === '' ? 'message' : this.#type;
    const data = this.#data;
    this.#type = '';
    this.#data = [];
    this.#dataLength = 0;
    return data.length === 0 ? undefined : { type, data: data.join('\n'), id: this.lastEventId };
  }
}

/**
 * The events of a URL, for as long as the loop runs: where the connection ends it is made again, and the server is told the last id. 204 ends
 * it, as do a status that does not pass, another content type, and too many failures in a row.
 */
export async function* events(
  client: HttpClient,
  url: string | URL,
  options: EventOptions = {},
): AsyncGenerator<ServerEvent, void> {
  const { lastEventId = '', reconnectMs = 3000, maxFailures = 10, maxEventCharacters, ...rest } = options;
  let waitMs = wholeNumber('reconnectMs', reconnectMs);
  wholeNumber('maxFailures', maxFailures);
  let lastId = lastEventId;
  for (let failures = 0; ;) {
    const headers = new HttpFields(options.headers).setDefault('Accept', 'text/event-stream');
    headers.set('Cache-Control', 'no-store');
    if (lastId !== '') headers.set('Last-Event-ID', latin1Bytes(lastId));
    const parser = new EventParser(maxEventCharacters, lastId);
    try {
      await using response = await client.request(url, { ...rest, headers });
      if (response.status === 204) return;
      if (isPassingStatus(response.status) && failures < maxFailures) failures++;
      else {
        await response.expectOk();
        const type = response.headers.get('content-type') ?? '';
        if (!/^text\/event-stream *(?:;|$)/i.test(type))
          throw new ProtocolError(`the server answered with ${type === '' ? 'no type' : type}, not with events`, {
            protocol: 'HTTP',
            reason: 'NOT_EVENTS',
          });
        const decoder = new TextDecoder();
        for await (const chunk of response.stream()) {
          const found = parser.push(decoder.decode(chunk, { stream: true }));
          failures = 0;
          yield* found;
        }
        // An end without an event is no progress.
        if (++failures > maxFailures) return;
      }
    } catch (error) {
      if (options.signal?.aborted === true || !isPassingError(error) || ++failures > maxFailures) throw error;
    }
    waitMs = parser.retryMs ?? waitMs;
    lastId = parser.lastEventId;
    await wait(waitMs, options.signal);
  }
}

/** A header's characters are bytes: UTF-8, as browsers send it. UsageError for what no header carries. */
function latin1Bytes(text: string): string {
  const bytes = Buffer.from(text).toString('latin1');
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(bytes))
    throw new UsageError('the last event id has a control character');
  return bytes;
}
