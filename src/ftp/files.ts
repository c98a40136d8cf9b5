import { rm, stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { AbortedError, ProtocolError, ReplyError, UnsupportedError, UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { checkOptions } from '../wire/arguments.ts';
import { type ByteSource, iterateBytes } from '../wire/byte-stream.ts';
import { wholeNumber } from '../wire/limits.ts';
import { parseFtpTime, parseSize } from './codec.ts';
import { type FtpHash, localHash, offeredHashes, remoteHash } from './hash.ts';
import { PartFile, changed, followLink, readFileFrom } from './local-file.ts';
import { type FtpProgress, ProgressMeter } from './progress.ts';
import { type FtpSession, type Sink, copyOf } from './session.ts';
import { type SessionSlot, withRetries } from './slot.ts';

/** Where a download goes: a path, a stream, or a function that takes the chunks. */
export type DownloadTarget =
  string | Writable | WritableStream<Uint8Array> | ((chunk: Uint8Array) => Promise<void> | void);

/** What is uploaded: the file of a path, bytes, or a stream. */
export type UploadSource = string | Exclude<ByteSource, string>;

export interface FtpTransferOptions extends CallOptions {
  /** 'ascii' converts line ends. Default 'binary'. */
  readonly type?: 'binary' | 'ascii' | undefined;
  readonly onProgress?: ((progress: FtpProgress) => void) | undefined;
  /** Go on where an earlier try ended (its `.part` file), where there is one. */
  readonly resume?: boolean | undefined;
  /** Tries after a failure that may pass, reconnecting where needed; one that gets further counts anew. Default 0. */
  readonly retries?: number | undefined;
  /**
   * What is compared at the end: 'size', or a 'hash' of the content, which the server must be able to make. 'auto' (default): the size,
   * and the hash of a resumed file where the server can.
   */
  readonly verify?: 'auto' | 'size' | 'hash' | 'none' | undefined;
  /** Write to `name.part` and rename when it is whole. Default true for files. */
  readonly beside?: boolean | undefined;
  /** Keep the time of the last change, where the server tells it or can set it (MFMT). */
  readonly preserveTime?: boolean | undefined;
  /** The size of the remote file, where it is known: saves asking. */
  readonly expectedBytes?: number | undefined;
}

export const transferOptionNames = [
  'signal',
  'timeoutMs',
  'type',
  'onProgress',
  'resume',
  'retries',
  'verify',
  'beside',
  'preserveTime',
  'expectedBytes',
];

export interface FtpTransferResult {
  /** The size of the whole file; of what was sent, for a stream. */
  readonly bytes: number;
  /** Bytes that an earlier try had brought over. */
  readonly resumedBytes: number;
  /** What was compared at the end. */
  readonly verified: 'hash' | 'size' | 'none';
}

/** Asks for a size; undefined where the server cannot tell. ReplyError when there is no such file. */
export async function remoteSize(session: FtpSession, path: string, call: CallOptions): Promise<number | undefined> {
  if (session.features.size > 0 && !session.features.has('SIZE')) return undefined;
  // QUIRK(vsftpd, ProFTPD): in ASCII the size is refused, or that of the converted file.
  await session.binary(call);
  const reply = await session.ask('SIZE', [path], call);
  return reply.code === 213 ? parseSize(reply.lines.join(' ')) : undefined;
}

export async function download(
  slot: SessionSlot,
  remote: string,
  to: DownloadTarget,
  options: FtpTransferOptions = {},
): Promise<FtpTransferResult> {
  checkTransfer(options);
  if (typeof to === 'string') return downloadFile(slot, remote, await followLink(to), options);
  const sink = sinkOf(to);
  needsPath(options, 'a download into a stream');
  const session = slot.current ?? (await slot.session(options.signal));
  const total = await expected(session, remote, options);
  const meter = new ProgressMeter(options.onProgress, remote, total);
  const bytes = await session.receive(
    'RETR',
    [remote],
    metered((chunk) => sink.write(copyOf(chunk)), meter),
    dataOptions(options),
  );
  await sink.end();
  meter.done();
  checkSize(remote, bytes, total, options);
  return { bytes, resumedBytes: 0, verified: total === undefined || options.verify === 'none' ? 'none' : 'size' };
}

async function downloadFile(
  slot: SessionSlot,
  remote: string,
  local: string,
  options: FtpTransferOptions,
): Promise<FtpTransferResult> {
  const { resume = false, retries = 0, verify = 'auto' } = options;
  if (options.beside === false) throw new UsageError('a download to a path is always written beside and renamed');
  if (resume && options.type === 'ascii') throw new UsageError('an ASCII transfer cannot be resumed: sizes differ');
  let received = 0;
  let kept = false;
  try {
    return await withRetries(
      slot,
      retries,
      options.signal,
      () => received,
      async (session, attempt) => {
        const total = await expected(session, remote, options);
        const mayContinue = options.type !== 'ascii' && (resume || attempt > 0);
        const left = mayContinue ? await PartFile.leftBytes(local) : 0;
        if (total !== undefined && left > total) throw changed();
        const file = await PartFile.open(local, left);
        kept = true;
        const startAt = file.position;
        const meter = new ProgressMeter(options.onProgress, remote, total, startAt);
        let bytes: number;
        try {
          const sink = (chunk: Uint8Array): Promise<void> | void => {
            received += chunk.length;
            meter.add(chunk.length);
            return file.write(chunk);
          };
          bytes = startAt + (await session.receive('RETR', [remote], sink, { ...dataOptions(options), startAt }));
        } finally {
          await file.close();
        }
        meter.done();
        checkSize(remote, bytes, total, options);
        const hashed = await verifyHash(
          session,
          remote,
          file.partPath,
          verify === 'hash',
          left > 0 && verify === 'auto',
          options,
        );
        await file.finish(options.preserveTime === true ? await modifiedAt(session, remote, options) : undefined);
        kept = false;
        const verified = hashed ? 'hash' : total === undefined || verify === 'none' ? 'none' : 'size';
        return { bytes, resumedBytes: left, verified };
      },
    );
  } catch (error) {
    // Whoever asked for resuming will come back for it, unless it is of another file.
    if (kept && (!resume || isChanged(error))) await rm(`${local}.part`, { force: true });
    throw error;
  }
}

export async function upload(
  slot: SessionSlot,
  source: UploadSource,
  remote: string,
  options: FtpTransferOptions = {},
): Promise<FtpTransferResult> {
  checkTransfer(options);
  if (typeof source === 'string' || source instanceof Uint8Array) return uploadAgain(slot, source, remote, options);
  needsPath(options, 'an upload from a stream');
  const session = slot.current ?? (await slot.session(options.signal));
  const meter = new ProgressMeter(options.onProgress, remote, options.expectedBytes);
  const beside = options.beside === true;
  const path = beside ? `${remote}.part` : remote;
  const onSent = (bytes: number): void => meter.add(bytes);
  const { bytes } = await session.send('STOR', [path], iterateBytes(source), { ...dataOptions(options), onSent });
  meter.done();
  if (options.expectedBytes !== undefined) checkSize(remote, bytes, options.expectedBytes, options);
  if (beside) await takePlace(session, path, remote, options);
  return { bytes, resumedBytes: 0, verified: 'none' };
}

/** An upload that can begin anew: of a path, or of bytes. */
async function uploadAgain(
  slot: SessionSlot,
  source: string | Uint8Array,
  remote: string,
  options: FtpTransferOptions,
): Promise<FtpTransferResult> {
  const { resume = false, retries = 0, verify = 'auto', beside = true } = options;
  if (resume && options.type === 'ascii') throw new UsageError('an ASCII transfer cannot be resumed: sizes differ');
  if (resume && !beside) throw new UsageError('only an upload that is written beside can be resumed');
  if (verify === 'hash' && typeof source !== 'string')
    throw new UsageError("verify: 'hash' needs a path to read again");
  const found = typeof source === 'string' ? await statFile(source) : undefined;
  const total = found?.size ?? (source as Uint8Array).length;
  const path = beside ? `${remote}.part` : remote;
  let sent = 0;
  return withRetries(
    slot,
    retries,
    options.signal,
    () => sent,
    async (session, attempt) => {
      const mayContinue = beside && options.type !== 'ascii' && (resume || attempt > 0);
      const left = mayContinue ? ((await remoteSize(session, path, options)) ?? 0) : 0;
      if (left > total) throw changed();
      // What an earlier run left must be the beginning of what we have. All is compared at the end once more.
      if (left > 0 && attempt === 0 && typeof source === 'string' && offeredHashes(session).size > 0) {
        const there = await remoteHash(session, path, undefined, options);
        if (there.hex !== (await localHash(source, there.algorithm, left))) throw changed();
      }
      const meter = new ProgressMeter(options.onProgress, remote, total, left);
      const bytes = typeof source === 'string' ? readFileFrom(source, left) : iterateBytes(source.subarray(left));
      const onSent = (count: number): void => {
        sent += count;
        meter.add(count);
      };
      // APPE goes on at the end of what is there, which was just asked: servers without REST for STOR know it.
      const append =
        left > 0 && session.features.parameters('REST')?.some((word) => word.toUpperCase() === 'STREAM') !== true;
      await session.send(append ? 'APPE' : 'STOR', [path], bytes, {
        ...dataOptions(options),
        onSent,
        startAt: append ? 0 : left,
      });
      meter.done();
      let verified: FtpTransferResult['verified'] = 'none';
      if (left > 0 && verify !== 'none') {
        const size = await remoteSize(session, path, options);
        if (size !== undefined) {
          checkSize(remote, size, total, options);
          verified = 'size';
        }
      }
      if (typeof source === 'string') {
        const wanted = left > 0 && verify === 'auto';
        if (await verifyHash(session, path, source, verify === 'hash', wanted, options)) verified = 'hash';
      }
      if (beside) await takePlace(session, path, remote, options);
      if (options.preserveTime === true && found !== undefined) await keepTime(session, remote, found.mtime, options);
      return { bytes: total, resumedBytes: left, verified };
    },
  );
}

/** Appends to a remote file, or begins it. Never tried again: nobody could tell what is there already. */
export async function append(
  slot: SessionSlot,
  source: UploadSource,
  remote: string,
  options: Omit<FtpTransferOptions, 'resume' | 'retries' | 'beside' | 'verify'> = {},
): Promise<{ readonly bytes: number }> {
  checkTransfer(options);
  needsPath(options, 'appending');
  const session = slot.current ?? (await slot.session(options.signal));
  const total = typeof source === 'string' ? (await statFile(source)).size : options.expectedBytes;
  const meter = new ProgressMeter(options.onProgress, remote, total);
  const bytes = typeof source === 'string' ? readFileFrom(source, 0) : iterateBytes(source);
  const onSent = (count: number): void => meter.add(count);
  const result = await session.send('APPE', [remote], bytes, { ...dataOptions(options), onSent });
  meter.done();
  return { bytes: result.bytes };
}

/** The part file becomes the file, in place of what was there. */
async function takePlace(session: FtpSession, part: string, remote: string, call: CallOptions): Promise<void> {
  const { signal, timeoutMs } = call;
  try {
    await session.pair(['RNFR', part], ['RNTO', remote], { signal, timeoutMs });
  } catch (error) {
    if (!(error instanceof ReplyError) || error.command?.startsWith('RNTO') !== true) throw error;
    // QUIRK(servers that rename onto nothing only, IIS among them): what is there goes first.
    await session.command('DELE', [remote], { signal, timeoutMs });
    await session.pair(['RNFR', part], ['RNTO', remote], { signal, timeoutMs });
  }
}

export async function keepTime(session: FtpSession, remote: string, time: Date, call: CallOptions): Promise<boolean> {
  if (!session.features.has('MFMT')) return false;
  const stamp = time.toISOString().replace(/[-:TZ]|\.\d+/g, '');
  await session.command('MFMT', [stamp, remote], { signal: call.signal, timeoutMs: call.timeoutMs });
  return true;
}

async function modifiedAt(session: FtpSession, remote: string, call: CallOptions): Promise<Date | undefined> {
  const reply = await session.ask('MDTM', [remote], { signal: call.signal, timeoutMs: call.timeoutMs });
  return reply.code === 213 ? parseFtpTime(reply.lines.join(' ')) : undefined;
}

async function verifyHash(
  session: FtpSession,
  remote: string,
  local: string,
  must: boolean,
  should: boolean,
  call: CallOptions,
): Promise<boolean> {
  if (!must && !(should && offeredHashes(session).size > 0)) return false;
  let there: FtpHash;
  try {
    there = await remoteHash(session, remote, undefined, { signal: call.signal, timeoutMs: call.timeoutMs });
  } catch (error) {
    // QUIRK(ProFTPD): hashes are offered, and refused for files over a configured size.
    if (must || !(error instanceof ReplyError || error instanceof UnsupportedError)) throw error;
    return false;
  }
  const here = await localHash(local, there.algorithm);
  if (here !== there.hex)
    throw new ProtocolError(`${remote} is not the same here and there: ${there.algorithm} ${here} and ${there.hex}`, {
      protocol: 'FTP',
      reason: 'HASH_MISMATCH',
      reusable: true,
    });
  return true;
}

function checkSize(remote: string, bytes: number, total: number | undefined, options: FtpTransferOptions): void {
  if (total === undefined || total === bytes || options.type === 'ascii' || options.verify === 'none') return;
  throw new ProtocolError(`${remote} is ${total} bytes long, and ${bytes} came over`, {
    protocol: 'FTP',
    reason: 'TRUNCATED',
    temporary: true,
    reusable: true,
  });
}

async function expected(session: FtpSession, remote: string, options: FtpTransferOptions): Promise<number | undefined> {
  if (options.expectedBytes !== undefined) return options.expectedBytes;
  return options.type === 'ascii'
    ? undefined
    : remoteSize(session, remote, { signal: options.signal, timeoutMs: options.timeoutMs });
}

const dataOptions = ({ signal, timeoutMs, type }: FtpTransferOptions): FtpTransferOptions => ({
  signal,
  timeoutMs,
  type,
});

function checkTransfer(options: FtpTransferOptions): void {
  checkOptions('transfer', options, transferOptionNames);
  if (options.retries !== undefined) wholeNumber('retries', options.retries);
  if (options.expectedBytes !== undefined) wholeNumber('expectedBytes', options.expectedBytes);
}

function needsPath(options: FtpTransferOptions, what: string): void {
  if (options.resume === true) throw new UsageError(`${what} cannot be resumed: give a path`);
  if ((options.retries ?? 0) > 0) throw new UsageError(`${what} cannot be tried again: give a path`);
  if (options.verify === 'hash') throw new UsageError(`${what} cannot be compared by hash: give a path`);
  if (options.preserveTime === true) throw new UsageError(`${what} has no time to keep: give a path`);
}

async function statFile(path: string): Promise<{ readonly size: number; readonly mtime: Date }> {
  const found = await stat(path);
  if (!found.isFile()) throw new UsageError(`${path} is no file; use uploadDir for a folder`);
  return found;
}

const isChanged = (error: unknown): boolean =>
  (error as ProtocolError).reason === 'CHANGED' || (error as ProtocolError).reason === 'HASH_MISMATCH';

function metered(sink: Sink, meter: ProgressMeter): Sink {
  return (chunk) => {
    meter.add(chunk.length);
    return sink(chunk);
  };
}

/** A sink over what the caller gave; `end` resolves when it has taken everything. */
function sinkOf(to: Exclude<DownloadTarget, string>): { readonly write: Sink; readonly end: () => Promise<void> } {
  if (typeof to === 'function') return { write: to, end: () => Promise.resolve() };
  if (to instanceof WritableStream) {
    const writer = to.getWriter();
    return { write: (chunk) => writer.write(chunk), end: () => writer.close() };
  }
  if (typeof to?.write !== 'function' || typeof to.once !== 'function')
    throw new UsageError('a download goes to a path, a stream or a function');
  let failed: Error | undefined;
  to.on('error', (error: Error) => {
    failed = error;
  });
  const closed = new Promise<never>((_, reject) => {
    const gone = (): void => reject(failed ?? new AbortedError('the stream that takes the download was closed'));
    to.once('close', gone);
    to.once('error', gone);
  });
  closed.catch(() => undefined);
  return {
    write(chunk) {
      if (failed !== undefined) throw failed;
      if (to.destroyed) throw new AbortedError('the stream that takes the download was closed');
      if (to.write(chunk)) return;
      return Promise.race([new Promise<void>((resolve) => void to.once('drain', resolve)), closed]);
    },
    end: () =>
      Promise.race([
        new Promise<void>((resolve) => {
          to.end(resolve);
        }),
        closed,
      ]),
  };
}
