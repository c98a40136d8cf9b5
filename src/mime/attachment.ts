import { UnsupportedError } from '../errors.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import type { MimePart } from './mime-part.ts';
import { safeFileName } from './safe-file-name.ts';

/** A file in a message. A view: nothing is decoded before `bytes`, `stream`, `text` or `save`. */
export interface Attachment {
  /** As the message gives it, decoded; it may be a path, or hostile. */
  readonly filename: string | undefined;
  /** A base name that is safe to write: never empty, no separators, no control characters, no device names. */
  readonly safeName: string;
  /** In lower case: 'image/png'. */
  readonly contentType: string;
  readonly disposition: string | undefined;
  /** Content-ID without angle brackets: what `cid:` refers to. */
  readonly contentId: string | undefined;
  /** Bytes in the message; for base64 about four thirds of the file. */
  readonly encodedSizeBytes: number;
  /** The part that holds it. */
  readonly part: MimePart;
  /** The file's bytes; decoded at each call. A view of the message where nothing is encoded. */
  bytes(): Uint8Array;
  stream(): ByteStream;
  /** The file as text, '\n' line ends. */
  text(): string;
  /**
   * Writes the file into `dir` under its safe name and returns the path. Never outside `dir`, never over a file that is there: a number
   * is added. UnsupportedError where there is no file system.
   */
  save(dir: string): Promise<string>;
}

/** The part as an attachment. */
export function partAttachment(part: MimePart): Attachment {
  return makeAttachment(
    part,
    part.filename,
    part.type,
    () => part.bytes(),
    () => part.text(),
  );
}

/** A file inside a part: of a TNEF container, or a uuencoded block. */
export function makeAttachment(
  part: MimePart,
  filename: string | undefined,
  contentType: string,
  bytes: () => Uint8Array,
  text: () => string,
): Attachment {
  const extension = contentType === 'message/rfc822' || contentType === 'message/global' ? '.eml' : '';
  const safeName = safeFileName(filename, `attachment${part.path === '' ? '' : `-${part.path}`}${extension}`);
  return {
    filename,
    safeName,
    contentType,
    disposition: part.disposition,
    contentId: part.contentId,
    encodedSizeBytes: part.endOffset - part.bodyOffset,
    part,
    bytes,
    text,
    stream: () => new ByteStream(once(bytes)),
    save: (dir) => saveFile(dir, safeName, bytes()),
  };
}

async function* once(bytes: () => Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes();
}

interface FileSystem {
  readonly promises: {
    writeFile(path: string, bytes: Uint8Array, options: { flag: string }): Promise<void>;
    mkdir(path: string, options: { recursive: boolean }): Promise<unknown>;
  };
}

async function saveFile(dir: string, name: string, bytes: Uint8Array): Promise<string> {
  const host = (globalThis as { process?: { getBuiltinModule?: (name: string) => FileSystem | undefined } }).process;
  const fs = host?.getBuiltinModule?.('node:fs');
  if (fs === undefined) throw new UnsupportedError('files cannot be written here; take the bytes');
  await fs.promises.mkdir(dir, { recursive: true });
  const dot = name.lastIndexOf('.');
  const stem = dot > 0 ? name.slice(0, dot) : name;
  const extension = dot > 0 ? name.slice(dot) : '';
  for (let count = 1; ; count++) {
    const path = `${dir}${/[/\\]$/.test(dir) ? '' : '/'}${count === 1 ? name : `${stem} (${count})${extension}`}`;
    try {
      // 'wx' neither overwrites nor follows a link.
      await fs.promises.writeFile(path, bytes, { flag: 'wx' });
      return path;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST' || count >= 10_000) throw error;
    }
  }
}
