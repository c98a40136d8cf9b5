import { LimitError, UsageError } from '../errors.ts';
import { type ByteSource, ByteStream, iterateBytes } from '../wire/byte-stream.ts';
import { encodeText } from '../wire/bytes.ts';
import { DefectList } from './defect.ts';
import { Message } from './message.ts';
import { type MessageContext, MimePart } from './mime-part.ts';
import { type ParseOptions, resolveParseLimits } from './parse-limits.ts';
import { MimeReader, type PartHead } from './reader.ts';

/**
 * Reads a message that is held in memory. The structure is read at once; everything else when it is asked for. The bytes must not change
 * while the message is in use. Never throws on mail: what is repaired is listed in `defects`. LimitError beyond `limits`.
 */
export function parseSync(input: Uint8Array | ArrayBuffer | string, options: ParseOptions = {}): Message {
  const bytes =
    typeof input === 'string' ? encodeText(input) : input instanceof ArrayBuffer ? new Uint8Array(input) : input;
  if (!(bytes instanceof Uint8Array)) throw new UsageError(`the message must be bytes or text; got ${typeof input}`);
  return new Message(readTree(bytes, options));
}

/** Collects a message from any source of bytes and reads it. LimitError when it is longer than `limits.messageBytes`. */
export async function parse(source: ByteSource, options: ParseOptions = {}): Promise<Message> {
  if (typeof source === 'string' || source instanceof Uint8Array || source instanceof ArrayBuffer)
    return parseSync(source, options);
  const { messageBytes } = resolveParseLimits(options.limits);
  return parseSync(await new ByteStream(copied(iterateBytes(source, 'the message'))).bytes(messageBytes), options);
}

/** A source may use its chunks again. */
async function* copied(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) yield chunk.slice();
}

/** The tree of parts. */
export function readTree(source: Uint8Array, options: ParseOptions): MimePart {
  const limits = resolveParseLimits(options.limits);
  if (source.length > limits.messageBytes)
    throw new LimitError(`the message is longer than ${limits.messageBytes} bytes`);
  const defects = new DefectList();
  const context: MessageContext = { source, defects, limits, fallback: options.fallbackCharset };
  const open: MimePart[][] = [[]];
  const reader = new MimeReader(
    {
      part() {
        open.push([]);
      },
      body() {},
      end(head: PartHead, endOffset: number) {
        const parts = open.pop() as MimePart[];
        (open.at(-1) as MimePart[]).push(new MimePart(head, endOffset, parts, context));
      },
    },
    limits,
    defects.report,
    options.fallbackCharset,
  );
  reader.push(source);
  reader.end();
  return (open[0] as MimePart[])[0] as MimePart;
}
