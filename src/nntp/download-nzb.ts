import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { PostwireError, ReplyError, UsageError, messageOf } from '../errors.ts';
import { YencDecoder, type YencResult, crc32Combine, safeFileName } from '../mime/index.ts';
import type { CallOptions } from '../socket/connection.ts';
import { notify } from '../socket/notify.ts';
import { checkOptions } from '../wire/arguments.ts';
import { type Nzb, type NzbFile, type NzbSegment, nameInSubject } from './codec/nzb.ts';
import { NntpPool } from './pool.ts';

/** How far a download is. */
export interface NzbProgress {
  /** Of the articles, as the NZB counts them. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** The file whose segment came last. */
  readonly item: string;
}

export interface NzbDownloadOptions extends Pick<CallOptions, 'signal'> {
  readonly pool: NntpPool;
  readonly onProgress?: ((progress: NzbProgress) => void) | undefined;
  /** Replace files that are there. Default false: the new one gets another name. */
  readonly overwrite?: boolean | undefined;
  /** Keep what came of a file that is not whole, under a name that ends in `.part`. Default false. */
  readonly keepIncomplete?: boolean | undefined;
}

/** A segment that is not in the file, and why. */
export interface NzbMissing {
  readonly number: number;
  readonly messageId: string;
  /** 'missing': no server has it; 'damaged': none has it whole; 'failed': it could not be asked for. */
  readonly reason: 'missing' | 'damaged' | 'failed';
  readonly detail: string;
}

export interface NzbFileResult {
  readonly name: string;
  /** Where it is; undefined when it is not whole, and was not to be kept. */
  readonly path: string | undefined;
  /** True when every segment came, and they are the whole file. */
  readonly complete: boolean;
  /** Bytes that were written. */
  readonly bytes: number;
  readonly missing: readonly NzbMissing[];
  /** What is wrong with the whole, though no segment is missing. */
  readonly problem: string | undefined;
}

export interface NzbDownloadResult {
  readonly files: readonly NzbFileResult[];
  readonly complete: boolean;
}

/**
 * Fetches the files of an NZB into a folder over a pool of connections, decodes them, and checks size and CRC of each part and of the whole. A file is
 * written beside, at the places that its parts name, and takes its name when it is whole. What is missing is told, not thrown; an abort, and a
 * disk that cannot be written, reject.
 */
export async function downloadNzb(nzb: Nzb, folder: string, options: NzbDownloadOptions): Promise<NzbDownloadResult> {
  checkOptions('download', options, ['pool', 'signal', 'onProgress', 'overwrite', 'keepIncomplete']);
  const { pool, signal, onProgress } = options;
  if (!(pool instanceof NntpPool)) throw new UsageError('a download needs a pool');
  await mkdir(folder, { recursive: true });
  const files = nzb.files.map((file) => new NzbFileDownload(file, folder, options));
  const tasks = files.flatMap((file) => file.source.segments.map((segment) => ({ file, segment })));
  const totalBytes = tasks.reduce((sum, { segment }) => sum + segment.sizeBytes, 0);
  let bytes = 0;
  let next = 0;
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let task = tasks[next++]; task !== undefined && failures.length === 0; task = tasks[next++]) {
      signal?.throwIfAborted();
      const { file, segment } = task;
      await file.fetch(segment);
      bytes += segment.sizeBytes;
      if (onProgress !== undefined) notify('onProgress', onProgress, { bytes, totalBytes, item: file.name });
      if (file.done) await file.finish();
    }
  };
  // No more than there is use for; each holds one decoded segment.
  const workers = Array.from({ length: Math.min(pool.capacity, tasks.length, 64) }, () =>
    work().catch((error: unknown) => failures.push(error)),
  );
  await Promise.all(workers);
  if (failures.length > 0) {
    await Promise.all(files.map((file) => file.abandon()));
    throw failures[0];
  }
  const results = await Promise.all(files.map((file) => file.finish()));
  return { files: results, complete: results.every((file) => file.complete) };
}

interface Piece {
  readonly begin: number;
  readonly length: number;
  readonly crc32: number;
}

/** One file on its way. */
class NzbFileDownload {
  readonly source: NzbFile;
  readonly #folder: string;
  readonly #options: NzbDownloadOptions;
  readonly #missing: NzbMissing[] = [];
  readonly #pieces: Piece[] = [];
  #left: number;
  #name: string | undefined;
  #sizeBytes: number | undefined;
  #fileCrc32: number | undefined;
  #handle: Promise<FileHandle> | undefined;
  #partPath: string | undefined;
  #finished: Promise<NzbFileResult> | undefined;

  constructor(source: NzbFile, folder: string, options: NzbDownloadOptions) {
    this.source = source;
    this.#folder = folder;
    this.#options = options;
    this.#left = source.segments.length;
  }

  get name(): string {
    return this.#name ?? safeFileName(nameInSubject(this.source.subject), 'download.bin');
  }

  get done(): boolean {
    return this.#left === 0;
  }

  async fetch(segment: NzbSegment): Promise<void> {
    const { pool, signal } = this.#options;
    let decoded: { readonly chunks: readonly Uint8Array[]; readonly result: YencResult } | undefined;
    try {
      await pool.read('body', segment.messageId, {
        signal,
        accept: ({ bytes }) => {
          const decoder = new YencDecoder();
          const chunks = decoder.push(bytes);
          const result = decoder.end();
          if (decoded === undefined || result.ok) decoded = { chunks, result };
          return result.ok;
        },
      });
    } catch (error) {
      if (signal?.aborted === true || !(error instanceof PostwireError) || error instanceof UsageError) throw error;
      const gone = error instanceof ReplyError && error.reply?.code === 430;
      this.#lose(segment, gone ? 'missing' : 'failed', messageOf(error));
      return;
    }
    const why = decoded === undefined ? 'nothing came' : this.#misfit(decoded.result);
    if (decoded === undefined || why !== undefined) {
      this.#lose(segment, 'damaged', why ?? '');
      return;
    }
    const { chunks, result } = decoded;
    this.#name ??= safeFileName(result.name, this.name);
    this.#sizeBytes ??= result.sizeBytes;
    this.#fileCrc32 ??= result.fileCrc32;
    const handle = await (this.#handle ??= this.#open());
    let at = result.part?.begin ?? 0;
    this.#pieces.push({ begin: at, length: result.bytes, crc32: result.crc32 });
    for (const chunk of chunks) {
      for (let done = 0; done < chunk.length;)
        done += (await handle.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
      at += chunk.length;
    }
    this.#left--;
  }

  #lose({ number, messageId }: NzbSegment, reason: NzbMissing['reason'], detail: string): void {
    this.#missing.push({ number, messageId, reason, detail });
    this.#left--;
  }

  /** Why a decoded part cannot be of this file. No place in it is believed that the articles could not fill. */
  #misfit({ ok, problems, sizeBytes, part }: YencResult): string | undefined {
    if (!ok) return problems.join(', ');
    const announced = this.source.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
    if (sizeBytes === undefined || sizeBytes > Math.max(2 * announced, 64 * 1024 * 1024))
      return `it says that the file has ${sizeBytes ?? 'unknown'} bytes`;
    if (this.#sizeBytes !== undefined && sizeBytes !== this.#sizeBytes) return 'it is of a file of another size';
    if (part === undefined && this.source.segments.length > 1) return 'it says nothing of its place';
    return undefined;
  }

  async #open(): Promise<FileHandle> {
    this.#partPath = join(this.#folder, `${this.name}.${randomBytes(6).toString('hex')}.part`);
    return open(this.#partPath, 'wx');
  }

  finish(): Promise<NzbFileResult> {
    this.#finished ??= this.#finish();
    return this.#finished;
  }

  async #finish(): Promise<NzbFileResult> {
    const { name } = this;
    await (await this.#handle)?.close();
    this.#handle = undefined;
    const bytes = this.#pieces.reduce((sum, { length }) => sum + length, 0);
    const missing = [...this.#missing].sort((left, right) => left.number - right.number);
    const problem = missing.length > 0 ? undefined : this.#wholeProblem();
    const complete = missing.length === 0 && problem === undefined;
    let path: string | undefined;
    if (this.#partPath !== undefined) {
      if (complete) path = await this.#takePlace(this.#partPath, name);
      else if (this.#options.keepIncomplete === true) path = this.#partPath;
      else await rm(this.#partPath, { force: true });
    }
    return { name, path, complete, bytes, missing, problem };
  }

  /** The parts must be the file from its first byte to its last, once each. */
  #wholeProblem(): string | undefined {
    if (this.#pieces.length === 0) return 'it has no segments';
    let end = 0;
    let crc = 0;
    for (const { begin, length, crc32 } of [...this.#pieces].sort((left, right) => left.begin - right.begin)) {
      if (begin !== end) return `its parts ${begin < end ? 'overlap' : 'leave a gap'} at byte ${Math.min(begin, end)}`;
      crc = end === 0 ? crc32 : crc32Combine(crc, crc32, length);
      end += length;
    }
    if (end !== this.#sizeBytes) return `it has ${end} of ${this.#sizeBytes ?? 0} bytes`;
    if (this.#fileCrc32 !== undefined && this.#fileCrc32 !== crc) return 'its CRC is another than the poster named';
    return undefined;
  }

  /** Its own name, or one that is free. */
  async #takePlace(partPath: string, name: string): Promise<string> {
    const wanted = join(this.#folder, name);
    if (this.#options.overwrite === true) {
      await rename(partPath, wanted);
      return wanted;
    }
    const extension = extname(name);
    for (let count = 1; ; count++) {
      const path =
        count === 1
          ? wanted
          : join(this.#folder, `${name.slice(0, name.length - extension.length)} (${count})${extension}`);
      try {
        // Unlike a rename it never replaces what came there meanwhile.
        await link(partPath, path);
        await rm(partPath);
        return path;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || count > 1000) throw error;
      }
    }
  }

  /** Nothing is left behind. */
  async abandon(): Promise<void> {
    await (await this.#handle?.catch(() => undefined))?.close().catch(() => undefined);
    if (this.#partPath !== undefined) await rm(this.#partPath, { force: true });
  }
}
