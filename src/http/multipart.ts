import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { UsageError } from '../errors.ts';
import { checkMediaType } from '../mime/content-type.ts';
import { mediaTypeOf } from '../mime/index.ts';
import { randomHex } from '../mime/random.ts';
import { checkArgument } from '../wire/arguments.ts';
import { type ByteSource, iterateBytes } from '../wire/byte-stream.ts';
import { encodeText } from '../wire/bytes.ts';
import type { OutgoingBody } from './outgoing-body.ts';

/** One part of a form: a text, bytes or a stream with a file name, or a file. */
export type MultipartPart = {
  readonly name: string;
  readonly filename?: string | undefined;
  /** Default: by the file name; for a text none. */
  readonly contentType?: string | undefined;
} & ({ readonly value: ByteSource; readonly sizeBytes?: number | undefined } | { readonly file: string });

interface ReadyPart {
  readonly head: Uint8Array;
  readonly byteCount: number | undefined;
  readonly replayable: boolean;
  open(): AsyncIterable<Uint8Array>;
}

const CRLF = encodeText('\r\n');

/**
 * multipart/form-data, each part streamed in its turn. The length is known when that of each part is. Names are UTF-8, and what would end
 * their quotes is percent-encoded as browsers do it.
 *
 * @see RFC 7578
 */
export async function multipartBody(
  given: readonly MultipartPart[] | Readonly<Record<string, string>>,
): Promise<OutgoingBody> {
  const parts: readonly MultipartPart[] = Array.isArray(given)
    ? given
    : Object.entries(given as Readonly<Record<string, string>>).map(([name, value]) => ({ name, value }));
  const boundary = `----postwire${randomHex(16)}`;
  const ready = await Promise.all(parts.map((part) => readPart(part, boundary)));
  const end = encodeText(`--${boundary}--\r\n`);
  let byteCount: number | undefined = end.length;
  for (const part of ready)
    byteCount =
      byteCount === undefined || part.byteCount === undefined
        ? undefined
        : byteCount + part.head.length + part.byteCount + 2;
  return {
    byteCount,
    contentType: `multipart/form-data; boundary=${boundary}`,
    replayable: ready.every((part) => part.replayable),
    async *open() {
      for (const part of ready) {
        yield part.head;
        yield* part.open();
        yield CRLF;
      }
      yield end;
    },
  };
}

async function readPart(part: MultipartPart, boundary: string): Promise<ReadyPart> {
  if (typeof part?.name !== 'string') throw new UsageError('each multipart part must have a name');
  const isFile = 'file' in part;
  const filename = part.filename ?? (isFile ? basename(part.file) : undefined);
  const type =
    part.contentType === undefined
      ? filename === undefined
        ? undefined
        : mediaTypeOf(filename)
      : checkType(part.contentType);
  const head = encodeText(
    `--${boundary}\r\nContent-Disposition: form-data; name="${quoteName(part.name)}"${
      filename === undefined ? '' : `; filename="${quoteName(filename)}"`
    }\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`,
  );
  if (isFile) {
    const { size } = await stat(part.file);
    return { head, byteCount: size, replayable: true, open: () => createReadStream(part.file) };
  }
  const { value } = part;
  const bytes = typeof value === 'string' ? encodeText(value) : value instanceof Uint8Array ? value : undefined;
  const source = bytes === undefined ? iterateBytes(value, `part ${part.name}`) : undefined;
  return {
    head,
    byteCount: bytes?.length ?? part.sizeBytes,
    replayable: bytes !== undefined,
    open: () => source ?? iterateBytes(bytes as Uint8Array),
  };
}

function checkType(contentType: string): string {
  checkMediaType(checkArgument('contentType', contentType).split(';')[0]?.trim());
  return contentType;
}

/** As the HTML standard has it: the three characters that could end the value. */
const quoteName = (name: string): string =>
  name.replace(/["\r\n]/g, (character) => ({ '"': '%22', '\r': '%0D', '\n': '%0A' })[character] as string);
