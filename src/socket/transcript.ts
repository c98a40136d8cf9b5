import { channel } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';
import { UsageError, escapeControls } from '../errors.ts';
import { notify } from './notify.ts';
import type { WirePart } from '../wire/arguments.ts';
import { decodeText } from '../wire/bytes.ts';

/** One line of the wire log. */
export interface TraceEntry {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Numbers the connections of this process. */
  readonly connection: number;
  readonly protocol: string;
  /** C: from the client, S: from the server, *: a remark (connected, TLS begun, closed). */
  readonly from: 'C' | 'S' | '*';
  /** Without line end; secrets are `***`, bodies are counted. Control characters are escaped. */
  readonly text: string;
}

/** Where the wire log goes: `true` for standard error, a stream, or a function called with each line. */
export type Trace = true | { write(text: string): unknown } | ((entry: TraceEntry) => void);

const KEPT = 24;
const MAX_LINE = 400;
const debug = debuglog('postwire');
const wireChannel = channel('postwire:wire');
let connections = 0;

interface Kept {
  readonly time: number;
  readonly from: 'C' | 'S' | '*';
  readonly shown: string | Uint8Array;
  bodyBytes: number;
}

/** `S: 220 ready`, as kept on errors and written to a trace stream. */
export function formatTraceEntry(entry: Pick<TraceEntry, 'from' | 'text'>): string {
  return `${entry.from}: ${entry.text}`;
}

/**
 * The wire log of one connection. The last lines are always kept, unrendered, because an error wants them; rendering happens only for
 * a trace, NODE_DEBUG=postwire, a subscriber of the diagnostics channel `postwire:wire`, or an error.
 */
export class Transcript {
  readonly #kept: Kept[] = [];
  readonly #hidden: string[] = [];
  readonly #connection = ++connections;
  readonly #protocol: string;
  readonly #we: 'C' | 'S';
  readonly #showReceived: ((line: string) => string) | undefined;
  readonly #sinks: ((entry: TraceEntry) => void)[] = [];

  constructor(protocol: string, role: 'client' | 'server', trace?: Trace, showReceived?: (line: string) => string) {
    this.#showReceived = showReceived;
    this.#protocol = protocol;
    this.#we = role === 'client' ? 'C' : 'S';
    if (trace !== undefined) this.#sinks.push(sinkOf(trace));
    if (debug.enabled)
      this.#sinks.push((entry) => debug('%d %s %s', entry.connection, entry.protocol, formatTraceEntry(entry)));
    if (wireChannel.hasSubscribers) this.#sinks.push((entry) => wireChannel.publish(entry));
  }

  /** From now on this text shows as ***, whoever sends it: a server may echo what it was given. */
  hide(text: string): void {
    if (text.length >= 4 && !this.#hidden.includes(text)) this.#hidden.push(text);
  }

  /** `text` without what is hidden. */
  mask(text: string): string {
    let masked = text;
    for (const hidden of this.#hidden) masked = masked.replaceAll(hidden, '***');
    return masked;
  }

  sent(part: WirePart): void {
    if (part instanceof Uint8Array) this.#body(this.#we, part.length);
    else this.#add(this.#we, part.shown);
  }

  /** `bytes` may hold several lines: the record keeps them together until it is shown. */
  received(bytes: Uint8Array, kind: 'text' | 'secret' | 'body'): void {
    const from = this.#we === 'C' ? 'S' : 'C';
    if (kind === 'body') this.#body(from, bytes.length);
    else if (kind === 'secret') this.#add(from, '***');
    else
      this.#add(
        from,
        this.#showReceived === undefined ? bytes : this.#showReceived(decodeText(bytes.subarray(0, 4 * MAX_LINE))),
      );
  }

  note(text: string): void {
    this.#add('*', text);
  }

  /** The last lines, oldest first, each as `C: …`. */
  last(count: number = KEPT): string[] {
    return this.#kept.slice(-count).map((kept) => formatTraceEntry({ from: kept.from, text: this.mask(render(kept)) }));
  }

  #add(from: 'C' | 'S' | '*', shown: string | Uint8Array): void {
    const kept: Kept = { time: Date.now(), from, shown, bodyBytes: 0 };
    this.#keep(kept);
    if (this.#sinks.length > 0) this.#publish(kept);
  }

  #body(from: 'C' | 'S', byteCount: number): void {
    const last = this.#kept.at(-1);
    if (last !== undefined && last.bodyBytes > 0 && last.from === from) last.bodyBytes += byteCount;
    else this.#keep({ time: Date.now(), from, shown: '', bodyBytes: byteCount });
    if (this.#sinks.length > 0) this.#publish({ time: Date.now(), from, shown: '', bodyBytes: byteCount });
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    if (this.#kept.length > 2 * KEPT) this.#kept.splice(0, KEPT);
  }

  #publish(kept: Kept): void {
    const entry = {
      time: kept.time,
      connection: this.#connection,
      protocol: this.#protocol,
      from: kept.from,
      text: this.mask(render(kept)),
    };
    for (const sink of this.#sinks) sink(entry);
  }
}

function render(kept: Kept): string {
  if (kept.bodyBytes > 0) return `[${kept.bodyBytes} bytes of body]`;
  const text = typeof kept.shown === 'string' ? kept.shown : decodeText(kept.shown.subarray(0, 4 * MAX_LINE));
  return escapeControls(text.replace(/\r?\n$/, ''), MAX_LINE);
}

function sinkOf(trace: Trace): (entry: TraceEntry) => void {
  if (typeof trace === 'function') return (entry) => notify('trace', trace, entry);
  const stream = trace === true ? process.stderr : trace;
  if (typeof stream?.write !== 'function') throw new UsageError('trace must be true, a stream or a function');
  return (entry) => notify('trace', (line: string) => void stream.write(line), `${formatTraceEntry(entry)}\n`);
}
