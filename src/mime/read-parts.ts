import { LimitError } from '../errors.ts';
import { type ByteSource, ByteStream, iterateBytes } from '../wire/byte-stream.ts';
import { decodeCharset } from './charset.ts';
import { type Defect, DefectList } from './defect.ts';
import { transferDecoder } from './encodings/transfer-decoding.ts';
import type { HeaderFields } from './header-fields.ts';
import { parseParameterized } from './parameters.ts';
import { type ParseOptions, resolveParseLimits } from './parse-limits.ts';
import { MimeReader, type PartHead } from './reader.ts';
import { safeFileName } from './safe-file-name.ts';

/** A leaf of a message that is being read. Its body can be read once, and only until the next part is asked for. */
export interface StreamedPart {
  /** Place in the tree: '' where the message is one part, '1', '2.1'. */
  readonly path: string;
  readonly headers: HeaderFields;
  /** In lower case: 'text/plain'. */
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly encoding: string;
  readonly disposition: string | undefined;
  /** As the message gives it, decoded. */
  readonly filename: string | undefined;
  /** A base name that is safe to write. */
  readonly safeName: string;
  /** Bytes from the start of the message to the header and to the body. */
  readonly offset: number;
  readonly bodyOffset: number;
  /** The header of the message that the part is in. */
  readonly messageHeaders: HeaderFields;
  /** What was repaired so far, in the whole message. */
  readonly defects: readonly Defect[];
  /** The body with its transfer encoding undone. A chunk is valid until the next. A second call reads on where the first stopped. */
  stream(): ByteStream;
  /** The decoded body, collected. LimitError beyond `maxBytes`, default 64 MiB. */
  bytes(maxBytes?: number): Promise<Uint8Array>;
  /** The body as text, '\n' line ends. LimitError beyond `maxBytes`, default 64 MiB. */
  text(maxBytes?: number): Promise<string>;
}

type Event =
  | { readonly kind: 'part'; readonly head: PartHead }
  | { readonly kind: 'body'; readonly bytes: Uint8Array }
  | { readonly kind: 'end'; readonly head: PartHead };

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Reads a message from a stream in constant memory: yields each leaf in order, its body to be streamed. A body that is not read, or not to
 * its end, is passed over when the next part is asked for; leaving the loop closes the source. Holds one chunk of the source and one header.
 * Never throws on mail; LimitError for depth, parts, header bytes and header count.
 */
export async function* readParts(source: ByteSource, options: ParseOptions = {}): AsyncGenerator<StreamedPart, void> {
  const limits = resolveParseLimits(options.limits);
  const defects = new DefectList();
  let events: Event[] = [];
  let next = 0;
  const reader = new MimeReader(
    {
      part: (head) => void events.push({ kind: 'part', head }),
      body: (bytes) => void events.push({ kind: 'body', bytes }),
      end: (head) => void events.push({ kind: 'end', head }),
    },
    limits,
    defects.report,
    options.fallbackCharset,
  );
  const iterator = iterateBytes(source, 'the message')[Symbol.asyncIterator]();
  let ended = false;
  const pull = async (): Promise<Event | undefined> => {
    while (next >= events.length) {
      if (ended) return undefined;
      events = [];
      next = 0;
      const chunk = await iterator.next();
      if (chunk.done === true) {
        ended = true;
        reader.end();
      } else if (chunk.value.length > 0) reader.push(chunk.value);
    }
    return events[next++];
  };
  try {
    for (let event = await pull(); event !== undefined; event = await pull()) {
      if (event.kind !== 'part' || event.head.kind !== 'leaf') continue;
      const { head } = event;
      let open = true;
      const decoder = transferDecoder(head.encoding, (code) => defects.report(code, head.bodyOffset));
      const body = async function* (): AsyncGenerator<Uint8Array, void> {
        while (open) {
          const piece = await pull();
          if (piece === undefined || piece.kind !== 'body') {
            open = false;
            const last = decoder.end();
            if (last.length > 0) yield last;
            return;
          }
          const decoded = decoder.push(piece.bytes);
          if (decoded.length > 0) yield decoded;
        }
      };
      const part = streamedPart(head, body, options, defects, limits.parameters);
      yield part;
      while (open) {
        const piece = await pull();
        if (piece === undefined || piece.kind !== 'body') open = false;
      }
    }
  } finally {
    await iterator.return?.();
  }
}

function streamedPart(
  head: PartHead,
  body: () => AsyncGenerator<Uint8Array, void>,
  options: ParseOptions,
  defects: DefectList,
  maxParameters: number,
): StreamedPart {
  const field = head.headers.field('content-disposition');
  const disposition =
    field === undefined
      ? undefined
      : parseParameterized(field.octets, {
          maxParameters,
          fallback: options.fallbackCharset,
          complain: (code) => defects.report(code, field.offset),
        });
  const filename = disposition?.parameters.get('filename') ?? head.contentType.parameters.get('name');
  let root = head;
  while (root.parent !== undefined && root.parent.kind !== 'message') root = root.parent;
  const collect = async (maxBytes = DEFAULT_MAX_BYTES): Promise<Uint8Array> => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of body()) {
      length += chunk.length;
      if (length > maxBytes) throw new LimitError(`the part is longer than ${maxBytes} bytes`);
      chunks.push(chunk.slice());
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  };
  return {
    path: head.path,
    headers: head.headers,
    type: head.contentType.value,
    parameters: head.contentType.parameters,
    encoding: head.encoding,
    disposition: disposition?.value,
    filename,
    safeName: safeFileName(filename, `attachment${head.path === '' ? '' : `-${head.path}`}`),
    offset: head.offset,
    bodyOffset: head.bodyOffset,
    messageHeaders: root.headers,
    defects: defects.list,
    stream: () => new ByteStream(body()),
    bytes: collect,
    async text(maxBytes) {
      const bytes = await collect(maxBytes);
      const label = head.headers.has('content-type') ? head.contentType.parameters.get('charset') : undefined;
      const decoded = decodeCharset(bytes, label, {
        html: head.contentType.value === 'text/html',
        fallback: options.fallbackCharset,
      });
      return decoded.text.replace(/\r\n/g, '\n');
    },
  };
}
