import { UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { type ByteSource, ByteStream, iterateBytes } from '../wire/byte-stream.ts';
import { encodeText } from '../wire/bytes.ts';
import type { Uid } from './codec/sequence-set.ts';
import { type AppendResult, type SizedMessage, append } from './commands/append.ts';
import type { ImapSession } from './session.ts';

/** What may be said of a message that is added. */
export interface AppendOptions {
  readonly flags?: readonly string[] | undefined;
  /** When it arrived. Default: now. */
  readonly internalDate?: Date | undefined;
  /** Needed to stream a source; one without it is held in memory first, up to `limits.messageBytes`. */
  readonly sizeBytes?: number | undefined;
  /** It may hold NUL (literal8). Needs BINARY. */
  readonly binary?: boolean | undefined;
  /** Its header has UTF-8. Needs UTF8=ACCEPT, enabled. */
  readonly utf8?: boolean | undefined;
  readonly onProgress?: ((progress: { readonly bytes: number; readonly totalBytes: number }) => void) | undefined;
}

/** A message for `appendAll`. */
export interface AppendMessage extends AppendOptions {
  readonly source: ByteSource;
}

export interface AppendAllResult {
  /** In the order given; undefined where the server does not tell. */
  readonly uids: readonly (Uid | undefined)[];
  readonly uidValidity: number | undefined;
  /** MULTIAPPEND: each batch is added whole or not at all. */
  readonly way: 'MULTIAPPEND' | 'APPEND';
}

/** Messages of one command, and their bytes. */
const BATCH_MESSAGES = 200;
const BATCH_BYTES = 8 * 1024 * 1024;
/** Appends under way at once. */
const WINDOW = 64;

/** The message with its size known: what has none is read first. */
export async function sized(source: ByteSource, options: AppendOptions, maxBytes: number): Promise<SizedMessage> {
  const { flags, internalDate, binary, utf8, onProgress } = options;
  let bytes: ByteSource =
    typeof source === 'string' ? encodeText(source) : source instanceof ArrayBuffer ? new Uint8Array(source) : source;
  let sizeBytes = options.sizeBytes;
  if (bytes instanceof Uint8Array) {
    if (sizeBytes !== undefined && sizeBytes !== bytes.length)
      throw new UsageError(`sizeBytes is ${sizeBytes}, but the message has ${bytes.length} bytes`);
    sizeBytes = bytes.length;
  } else if (sizeBytes === undefined) {
    bytes = await new ByteStream(iterateBytes(bytes, 'the message')).bytes(maxBytes);
    sizeBytes = bytes.length;
  }
  if (onProgress !== undefined) bytes = counted(iterateBytes(bytes, 'the message'), sizeBytes, onProgress);
  return { source: bytes, sizeBytes, flags, internalDate, binary, utf8 };
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  totalBytes: number,
  onProgress: NonNullable<AppendOptions['onProgress']>,
): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    yield chunk;
    bytes += chunk.length;
    onProgress({ bytes, totalBytes });
  }
}

/** Adds many messages: by MULTIAPPEND in batches, or by APPENDs that do not wait for one another. */
export async function appendAll(
  session: ImapSession,
  mailbox: string,
  messages: Iterable<AppendMessage> | AsyncIterable<AppendMessage>,
  call: CallOptions,
): Promise<AppendAllResult> {
  const { messageBytes } = session.connection.limits;
  const together = session.has('MULTIAPPEND');
  const found: (Uid | undefined)[] = [];
  let uidValidity: number | undefined;
  const take = (result: AppendResult, count: number): void => {
    uidValidity ??= result.uidValidity;
    const uids = result.uids?.size === count ? [...result.uids] : [];
    for (let index = 0; index < count; index++) found.push(uids[index]);
  };
  const under: Promise<AppendResult>[] = [];
  const counts: number[] = [];
  const settle = async (most: number): Promise<void> => {
    while (under.length > most) take(await (under.shift() as Promise<AppendResult>), counts.shift() as number);
  };
  let batch: SizedMessage[] = [];
  let batchBytes = 0;
  const send = (): void => {
    if (batch.length === 0) return;
    const sent = session.run(append(mailbox, batch), call);
    // Seen when its turn comes, or not at all when one before it failed.
    sent.catch(() => undefined);
    under.push(sent);
    counts.push(batch.length);
    batch = [];
    batchBytes = 0;
  };
  for await (const { source, ...options } of messages) {
    const message = await sized(source, options, messageBytes);
    if (
      batch.length > 0 &&
      (!together || batch.length >= BATCH_MESSAGES || batchBytes + message.sizeBytes > BATCH_BYTES)
    )
      send();
    batch.push(message);
    batchBytes += message.sizeBytes;
    if (!together) send();
    await settle(together ? 2 : WINDOW);
  }
  send();
  await settle(0);
  return { uids: found, uidValidity, way: together ? 'MULTIAPPEND' : 'APPEND' };
}
