import { type FileHandle, open as openHandle, readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { UsageError, messageOf } from '../errors.ts';
import { mediaTypeOf } from '../mime/index.ts';
import { openedList } from './opened-list.ts';
import { OpenedUrl } from './opened-url.ts';

const CHUNK_BYTES = 64 * 1024;

/** A file of this machine; of a folder the names in it. @see RFC 8089 */
export async function openFile(url: string): Promise<OpenedUrl> {
  const path = pathOf(url);
  const handle = await openReadable(path);
  if (handle === undefined) return openFolder(url, path);
  try {
    const { size, mtime } = await handle.stat();
    return new OpenedUrl({
      url,
      headers: {
        'Content-Type': mediaTypeOf(path),
        'Content-Length': size,
        'Last-Modified': mtime.toUTCString(),
      },
      sizeBytes: size,
      source: chunksOf(handle),
      close: () => handle.close(),
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Undefined for a folder. UsageError for what is neither: opening a pipe waits for whoever may write to it. */
async function openReadable(path: string): Promise<FileHandle | undefined> {
  try {
    const entry = await stat(path);
    if (entry.isDirectory()) return undefined;
    if (entry.isFile()) return await openHandle(path, 'r');
  } catch (error) {
    throw new UsageError(`the file cannot be opened: ${messageOf(error)}`, { cause: error });
  }
  throw new UsageError(`${path} is neither a file nor a folder`);
}

async function openFolder(url: string, path: string): Promise<OpenedUrl> {
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  return openedList(url, names.sort());
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url.replace(/^file:\/\/localhost(?=\/)/i, 'file://').replace(/[?#].*$/s, ''));
  } catch (error) {
    throw new UsageError(`the file URL names no file of this machine: ${messageOf(error)}`, { cause: error });
  }
}

async function* chunksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
