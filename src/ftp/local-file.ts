import { type FileHandle, constants, lstat, open, realpath, rename, rm, utimes } from 'node:fs/promises';
import { ProtocolError } from '../errors.ts';

const READ_BYTES = 512 * 1024;
const WRITE_BYTES = 1024 * 1024;

/** A file's bytes from `startAt`, in large pieces, one read ahead. A piece is valid until the next but one is asked for. */
export async function* readFileFrom(file: string, startAt: number): AsyncIterable<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const buffers = [
      Buffer.allocUnsafeSlow(READ_BYTES),
      Buffer.allocUnsafeSlow(READ_BYTES),
      Buffer.allocUnsafeSlow(READ_BYTES),
    ];
    let position = startAt;
    let turn = 0;
    const read = (): Promise<{ bytesRead: number; buffer: Buffer }> => {
      const buffer = buffers[turn++ % buffers.length] as Buffer;
      const reading = handle.read(buffer, 0, READ_BYTES, position);
      reading.catch(() => undefined);
      return reading;
    };
    let next = read();
    for (;;) {
      const { bytesRead, buffer } = await next;
      if (bytesRead === 0) return;
      position += bytesRead;
      next = read();
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/**
 * A local file that grows beside its place (`name.part`) and takes it when it is whole. What was there before stays until then. A symbolic
 * link is never written through.
 */
export class PartFile {
  readonly path: string;
  readonly partPath: string;
  readonly #handle: FileHandle;
  #position: number;
  /** What is being filled; chunks are only lent. */
  #buffer: Uint8Array | undefined;
  #spare: Uint8Array | undefined;
  #filled = 0;
  #writing: Promise<void> | undefined;
  /** Bytes at the end of what was there, which come again and must be the same. */
  #overlap: Uint8Array;

  private constructor(path: string, handle: FileHandle, startAt: number, overlap: Uint8Array) {
    this.path = path;
    this.partPath = `${path}.part`;
    this.#handle = handle;
    this.#position = startAt;
    this.#overlap = overlap;
  }

  /** The size of what an earlier try left; 0 where there is nothing that may be continued. */
  static async leftBytes(path: string): Promise<number> {
    const found = await lstat(`${path}.part`).catch(() => undefined);
    return found?.isFile() === true ? found.size : 0;
  }

  /** Opens the part file, empty, or continued at `left` bytes less an overlap that is compared. */
  static async open(path: string, left: number): Promise<PartFile> {
    const partPath = `${path}.part`;
    const before = await lstat(path).catch(() => undefined);
    // Never more rights than the file had that it replaces.
    const mode = before?.isFile() === true ? before.mode & 0o777 : 0o666;
    if (left === 0) {
      await rm(partPath, { force: true });
      return new PartFile(
        path,
        await open(partPath, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode),
        0,
        new Uint8Array(0),
      );
    }
    const handle = await open(partPath, constants.O_RDWR | constants.O_NOFOLLOW);
    const overlap = Buffer.alloc(Math.min(left, 64 * 1024));
    const startAt = left - overlap.length;
    await handle.read(overlap, 0, overlap.length, startAt);
    return new PartFile(path, handle, startAt, overlap);
  }

  /** Where the server is to begin. */
  get position(): number {
    return this.#position;
  }

  /** Takes a chunk; waits while an earlier one is being written. */
  write(chunk: Uint8Array): Promise<void> | void {
    let fresh = chunk;
    if (this.#overlap.length > 0) {
      const count = Math.min(chunk.length, this.#overlap.length);
      if (Buffer.compare(chunk.subarray(0, count), this.#overlap.subarray(0, count)) !== 0) throw changed();
      this.#overlap = this.#overlap.subarray(count);
      this.#position += count;
      fresh = chunk.subarray(count);
      if (fresh.length === 0) return;
    }
    this.#buffer ??= Buffer.allocUnsafeSlow(WRITE_BYTES);
    if (this.#filled + fresh.length > WRITE_BYTES) return this.#overflow(fresh);
    this.#buffer.set(fresh, this.#filled);
    this.#filled += fresh.length;
  }

  async #overflow(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#filled === WRITE_BYTES) await this.#flush();
      this.#buffer ??= Buffer.allocUnsafeSlow(WRITE_BYTES);
      const part = chunk.subarray(at, at + WRITE_BYTES - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
    }
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const [buffer, bytes, position] = [this.#buffer, this.#filled, this.#position];
    if (buffer === undefined || bytes === 0) return;
    this.#buffer = this.#spare;
    this.#spare = buffer;
    this.#filled = 0;
    this.#position += bytes;
    // Not awaited here: the next chunks are read meanwhile, into the other buffer.
    this.#writing = writeAll(this.#handle, buffer.subarray(0, bytes), position);
    this.#writing.catch(() => undefined);
  }

  /** Everything that came is on its way to the disk, and the file closed. */
  async close(): Promise<void> {
    try {
      await this.#flush();
      await this.#writing;
    } finally {
      await this.#handle.close();
    }
  }

  /** Takes its place. */
  async finish(modifiedAt?: Date): Promise<void> {
    if (modifiedAt !== undefined) await utimes(this.partPath, new Date(), modifiedAt);
    await rename(this.partPath, this.path);
  }

  async remove(): Promise<void> {
    await rm(this.partPath, { force: true });
  }
}

/** A disk that is nearly full takes less at once: the rest says why. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;)
    at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

/** The file that a path means: a link's end, so that the link stays. */
export async function followLink(path: string): Promise<string> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isSymbolicLink() === true ? realpath(path).catch(() => path) : path;
}

export const changed = (): ProtocolError =>
  new ProtocolError('the remote file has changed since the part of it that is here: it cannot be continued', {
    protocol: 'FTP',
    reason: 'CHANGED',
    reusable: true,
    hint: 'transfer it anew, without resume',
  });
