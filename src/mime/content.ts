import { LimitError, UnsupportedError, UsageError, messageOf } from '../errors.ts';
import { type ByteSource, iterateBytes } from '../wire/byte-stream.ts';
import { encodeText } from '../wire/bytes.ts';
import { BASE64_LINE_INPUT } from './encodings/base64.ts';

/** Where a part's bytes come from. Each has a key of its own: no text is ever taken for a path or a URL. */
export interface ContentInput {
  /** Bytes or text, held. */
  readonly content?: string | Uint8Array | undefined;
  /** A local file's path. Read when the message is, not before; its size is taken at once. */
  readonly file?: string | URL | undefined;
  /** A stream: Node, web, or an async iterable. Can be read once. */
  readonly stream?: ByteSource | undefined;
  /** http: or https: address, fetched when the message is read. */
  readonly url?: string | URL | undefined;
}

/** What a message may read beside what it is given. */
export interface AccessOptions {
  /** False refuses every `file`. Default true. Switch it off where drafts come from others. */
  readonly allowFiles?: boolean | undefined;
  /** False refuses every `url`. Default true. */
  readonly allowUrls?: boolean | undefined;
  /** Cap on what one `url` may send, in bytes. */
  readonly maxUrlBytes?: number | undefined;
}

/** A part's content, ready to be read. */
export interface Content {
  /** In messages: 'attachment hello.txt'. */
  readonly name: string;
  /** The bytes, where they are held. */
  readonly bytes: Uint8Array | undefined;
  /** Known beforehand, or undefined. */
  readonly sizeBytes: number | undefined;
  open(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Lets go of a source that will not be read. */
  discard(): void;
}

interface FileSystem {
  statSync(path: string | URL): { size: number; isFile(): boolean };
  accessSync(path: string | URL, mode: number): void;
  readonly constants: { readonly R_OK: number };
  readonly promises: {
    open(path: string | URL): Promise<{
      read(buffer: Uint8Array, offset: number, length: number, position: null): Promise<{ bytesRead: number }>;
      close(): Promise<void>;
    }>;
  };
}

/** Node's file system, where there is one: this module must load in a browser too. */
function fileSystem(): FileSystem {
  const host = (globalThis as { process?: { getBuiltinModule?: (name: string) => FileSystem | undefined } }).process;
  const fs = host?.getBuiltinModule?.('node:fs');
  if (fs === undefined) throw new UnsupportedError('files cannot be read here; give the bytes as content');
  return fs;
}

const sourceKeys = ['content', 'file', 'stream', 'url'] as const;

/** Reads exactly one of the source keys. UsageError for none, several, a missing file, or one that is not allowed. */
export function readContent(name: string, input: ContentInput, access: AccessOptions = {}): Content {
  const given = sourceKeys.filter((key) => Object.hasOwn(input, key) && input[key] !== undefined);
  if (given.length !== 1) {
    throw new UsageError(
      `${name} must have one of content, file, stream and url; it has ${given.length === 0 ? 'none' : given.join(' and ')}`,
    );
  }
  if (input.file !== undefined) return fileContent(name, input.file, access);
  if (input.url !== undefined) return urlContent(name, input.url, access);
  if (input.stream !== undefined) return streamContent(name, input.stream);
  return heldContent(name, input.content);
}

function heldContent(name: string, content: unknown): Content {
  if (typeof content !== 'string' && !(content instanceof Uint8Array)) {
    throw new UsageError(
      `${name}: content must be text or bytes; got ${content === null ? 'null' : typeof content}${typeof content === 'object' ? ' (use stream for streams)' : ''}`,
    );
  }
  const bytes = typeof content === 'string' ? encodeText(content) : content;
  return { name, bytes, sizeBytes: bytes.length, open: () => iterateBytes(bytes), discard() {} };
}

function streamContent(name: string, stream: ByteSource): Content {
  if (typeof stream === 'string' || stream instanceof Uint8Array) return heldContent(name, stream);
  if (typeof stream !== 'object' || stream === null)
    throw new UsageError(`${name}: stream must be a stream of bytes; got ${typeof stream}`);
  const chunks = iterateBytes(stream, name);
  let used = false;
  const letGo = (): void => {
    const source = stream as { destroy?: () => void; cancel?: () => Promise<void> };
    if (typeof source.destroy === 'function') source.destroy();
    else if (typeof source.cancel === 'function') source.cancel().catch(() => undefined);
  };
  return {
    name,
    bytes: undefined,
    sizeBytes: undefined,
    open(signal) {
      if (used)
        throw new UsageError(`${name} is a stream and was read already; give a file or content to send it twice`);
      used = true;
      signal?.addEventListener('abort', letGo, { once: true });
      return chunks;
    },
    discard() {
      if (used) return;
      used = true;
      letGo();
    },
  };
}

/** Read in pieces of whole base64 lines, of about 64 KiB. */
const FILE_CHUNK = BASE64_LINE_INPUT * 1150;

function fileContent(name: string, file: string | URL, access: AccessOptions): Content {
  if (access.allowFiles === false)
    throw new UsageError(`${name} is a file, and files are not allowed here`, { reason: 'FILE_ACCESS' });
  if (typeof file !== 'string' && !(file instanceof URL && file.protocol === 'file:'))
    throw new UsageError(`${name}: file must be a path`);
  const fs = fileSystem();
  let size: number;
  try {
    const status = fs.statSync(file);
    if (!status.isFile()) throw new Error('it is not a file');
    fs.accessSync(file, fs.constants.R_OK);
    size = status.size;
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${explainFileError(error)} (${String(file)})`, {
      reason: 'UNREADABLE_ATTACHMENT',
      cause: error,
    });
  }
  return {
    name,
    bytes: undefined,
    sizeBytes: size,
    async *open() {
      const handle = await fs.promises.open(file).catch((error: unknown) => {
        throw new UsageError(`${name} cannot be read: ${explainFileError(error)} (${String(file)})`, { cause: error });
      });
      try {
        const buffer = new Uint8Array(FILE_CHUNK);
        let left = size;
        while (left > 0) {
          let filled = 0;
          const wanted = Math.min(FILE_CHUNK, left);
          while (filled < wanted) {
            const { bytesRead } = await handle.read(buffer, filled, wanted - filled, null);
            if (bytesRead === 0)
              throw new UsageError(`${name} became shorter while it was being read (${String(file)})`);
            filled += bytesRead;
          }
          left -= filled;
          // The buffer is used again: whoever reads this copies what it keeps.
          yield buffer.subarray(0, filled);
        }
        const { bytesRead } = await handle.read(buffer, 0, 1, null);
        if (bytesRead > 0) throw new UsageError(`${name} became longer while it was being read (${String(file)})`);
      } finally {
        await handle.close();
      }
    },
    discard() {},
  };
}

function explainFileError(error: unknown): string {
  const code = (error as { code?: string }).code ?? '';
  const known: Record<string, string> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
    EPERM: 'permission denied',
  };
  return known[code] ?? messageOf(error);
}

function urlContent(name: string, given: string | URL, access: AccessOptions): Content {
  if (access.allowUrls === false)
    throw new UsageError(`${name} is a URL, and URLs are not allowed here`, { reason: 'URL_ACCESS' });
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new UsageError(`${name}: ${JSON.stringify(String(given))} is not a URL`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UsageError(`${name}: only http: and https: are fetched, not ${url.protocol}`);
  const maxBytes = access.maxUrlBytes ?? 64 * 1024 * 1024;
  return {
    name,
    bytes: undefined,
    sizeBytes: undefined,
    async *open(signal) {
      const shown = `${url.origin}${url.pathname}`;
      let response: Response;
      try {
        response = await fetch(url, { redirect: 'follow', ...(signal === undefined ? {} : { signal }) });
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason;
        const cause = (error as Error).cause;
        throw new UsageError(`${name} cannot be fetched from ${shown}: ${messageOf(cause ?? error)}`, { cause: error });
      }
      if (!response.ok || response.body === null) {
        await response.body?.cancel();
        throw new UsageError(`${name} cannot be fetched from ${shown}: ${response.status} ${response.statusText}`);
      }
      let length = 0;
      for await (const chunk of iterateBytes(response.body)) {
        length += chunk.length;
        if (length > maxBytes) throw new LimitError(`${name} at ${shown} is larger than ${maxBytes} bytes`);
        yield chunk;
      }
    },
    discard() {},
  };
}
