import { ProtocolError, UsageError } from '../errors.ts';
import type { CallOptions, CloseReason, Connection } from '../socket/connection.ts';
import type { Secret } from '../wire/arguments.ts';
import { type ByteStream, iterateBytes } from '../wire/byte-stream.ts';
import type { Capabilities } from '../wire/capabilities.ts';
import { wholeNumber } from '../wire/limits.ts';
import { type FtpReply, checkPath, formatFtpTime, parseFtpTime, parseQuotedPath, parseSize } from './codec.ts';
import {
  type DownloadTarget,
  type FtpTransferOptions,
  type FtpTransferResult,
  type UploadSource,
  append,
  download,
  upload,
} from './files.ts';
import { type FtpHash, type FtpHashAlgorithm, remoteHash } from './hash.ts';
import type { FtpEntry } from './listing/entry.ts';
import { parseMlstLine } from './listing/mlsd.ts';
import type { FtpListing } from './listing/parse-listing.ts';
import { type ListOptions, list, names } from './listing-command.ts';
import { FtpSession } from './session.ts';
import { SessionSlot } from './slot.ts';
import { fxp } from './fxp.ts';
import { type FtpDirOptions, type FtpSyncOptions, type FtpSyncResult, sync, transferDir } from './sync.ts';
import { type FtpWalkEntry, type WalkOptions, removeDir, walk } from './tree.ts';
import { streamOf } from './stream.ts';
import { type FtpOptions, type FtpTarget, resolveFtpTarget } from './target.ts';

/**
 * An FTP session. Calls may be made concurrently and are carried out in order. A refused command, or a transfer that is aborted, leaves the
 * session usable; after a timeout or a protocol error it is closed.
 *
 * @see RFC 959
 */
export class FtpClient implements AsyncDisposable {
  readonly #slot: SessionSlot;

  private constructor(slot: SessionSlot) {
    this.#slot = slot;
  }

  /** Connects, begins TLS unless told not to, and logs in. Rejects with nothing left open. */
  static async connect(target: FtpTarget | undefined, options: FtpOptions = {}): Promise<FtpClient> {
    const resolved = resolveFtpTarget(target, options);
    return new FtpClient(new SessionSlot(resolved, await FtpSession.open(resolved)));
  }

  get #session(): FtpSession {
    return this.#slot.current as FtpSession;
  }

  /** What the server offers (FEAT); empty where it does not say. */
  get features(): Capabilities {
    return this.#session.features;
  }

  get greeting(): string {
    return this.#session.greeting;
  }

  get secure(): boolean {
    return this.#session.connection.secure;
  }

  /** The control connection, for what this class does not do. A task with `retries` may have replaced an earlier one. */
  get connection(): Connection {
    return this.#session.connection;
  }

  /** Settles when the control connection of now has ended, with the reason. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#session.connection.closed;
  }

  /** The entries of a folder: MLSD where the server has it, else LIST in whatever form it comes. Lines not understood are counted in `skipped`. */
  async list(path?: string, options: ListOptions = {}): Promise<FtpListing> {
    return list(this.#session, path, options);
  }

  /** The names in a folder (NLST), as the server gives them: with or without the path. */
  async names(path?: string, call: CallOptions = {}): Promise<string[]> {
    return names(this.#session, path, call);
  }

  /** What the server says of one path. UnsupportedError where it has no MLST. @see RFC 3659 section 7 */
  async stat(path: string, call: CallOptions = {}): Promise<FtpEntry> {
    const reply = await this.#session.command('MLST', [checkPath('path', path)], call);
    const entry = parseMlstLine(this.#session.control.charset.redecode(reply.lines[1] ?? ''));
    if (entry !== undefined) return entry;
    throw new ProtocolError(`the server answered MLST with: ${reply.lines.join(' ')}`, { reusable: true });
  }

  /** Downloads a file into a path, a stream or a function. A path has it whole or not at all. */
  async download(remote: string, to: DownloadTarget, options: FtpTransferOptions = {}): Promise<FtpTransferResult> {
    return download(this.#slot, checkPath('remote', remote), to, options);
  }

  /** A file as a stream, with back-pressure. Until it is read or given up, other calls throw UsageError. */
  async read(
    remote: string,
    options: CallOptions & { readonly startAt?: number | undefined } = {},
  ): Promise<ByteStream> {
    return streamOf(this.#session, checkPath('remote', remote), options);
  }

  /** Uploads the file of a path, bytes or a stream. From a path or bytes it is there whole or not at all. */
  async upload(source: UploadSource, remote: string, options: FtpTransferOptions = {}): Promise<FtpTransferResult> {
    return upload(this.#slot, source, checkPath('remote', remote), options);
  }

  /** Appends to a file, or begins it. */
  async append(
    source: UploadSource,
    remote: string,
    options: Omit<FtpTransferOptions, 'resume' | 'retries' | 'beside' | 'verify'> = {},
  ): Promise<{ readonly bytes: number }> {
    return append(this.#slot, source, checkPath('remote', remote), options);
  }

  /** Every entry below a folder, folders first. Commands inside the loop work, and leaving it is free. */
  walk(path = '.', options: WalkOptions = {}): AsyncGenerator<FtpWalkEntry> {
    return walk(() => this.#session, checkPath('path', path), options);
  }

  /** Uploads a folder with everything in it. */
  async uploadDir(local: string, remote: string, options: FtpDirOptions = {}): Promise<FtpSyncResult> {
    return transferDir(this.#slot, 'upload', local, checkPath('remote', remote), options);
  }

  /** Downloads a folder with everything in it. Names of the server never lead out of `local`; what cannot be written is reported. */
  async downloadDir(remote: string, local: string, options: FtpDirOptions = {}): Promise<FtpSyncResult> {
    return transferDir(this.#slot, 'download', local, checkPath('remote', remote), options);
  }

  /** Makes the server's folder like the local one, or the other way round: what differs in size or is newer goes over. */
  async sync(local: string, remote: string, options: FtpSyncOptions = {}): Promise<FtpSyncResult> {
    return sync(this.#slot, local, checkPath('remote', remote), options);
  }

  /** Removes a folder and everything in it. */
  async removeDir(path: string, call: CallOptions = {}): Promise<{ readonly removed: number }> {
    return removeDir(this.#session, checkPath('path', path), call);
  }

  /** Copies a file to another server, past this machine (FXP). Both servers must allow it. */
  async copyTo(path: string, other: FtpClient, otherPath: string, call: CallOptions = {}): Promise<void> {
    return fxp(this.#session, checkPath('path', path), other.#session, checkPath('otherPath', otherPath), call);
  }

  /** Uploads under a name of the server's choice, which is returned as far as it told. @see RFC 1123 section 4.1.2.9 */
  async uploadUnique(
    source: Exclude<UploadSource, string>,
    call: CallOptions = {},
  ): Promise<{ readonly bytes: number; readonly name: string | undefined }> {
    const { bytes, reply, preliminary } = await this.#session.send('STOU', [], iterateBytes(source), call);
    const said = /FILE: *(.+)/i.exec(preliminary.lines.join(' ')) ?? /"([^"]+)"/.exec(reply.lines.join(' '));
    return { bytes, name: said?.[1]?.trim() };
  }

  /** The size in bytes. @see RFC 3659 section 4 */
  async size(path: string, call: CallOptions = {}): Promise<number> {
    await this.#session.binary(call);
    const reply = await this.#session.command('SIZE', [checkPath('path', path)], call, [213]);
    return this.#parsed(() => parseSize(reply.lines.join(' ')));
  }

  /** When the file was changed last. @see RFC 3659 section 3 */
  async modifiedAt(path: string, call: CallOptions = {}): Promise<Date> {
    const reply = await this.#session.command('MDTM', [checkPath('path', path)], call, [213]);
    return this.#parsed(() => {
      const time = parseFtpTime(reply.lines.join(' '));
      if (time === undefined)
        throw new ProtocolError(`the server answered MDTM with: ${reply.lines.join(' ')}`, { protocol: 'FTP' });
      return time;
    });
  }

  /** Sets it (MFMT, draft-somers-ftp-mfxx). */
  async setModifiedAt(path: string, time: Date, call: CallOptions = {}): Promise<void> {
    const stamp = formatFtpTime(new Date(Math.floor(time.getTime() / 1000) * 1000));
    await this.#session.command('MFMT', [stamp, checkPath('path', path)], call);
  }

  /** Makes a folder and returns its path as the server has it, where it says. */
  async mkdir(path: string, call: CallOptions = {}): Promise<string> {
    const reply = await this.#session.command('MKD', [checkPath('path', path)], call);
    const text = this.#session.control.text(reply);
    // QUIRK(servers that answer MKD without the path, or with 250): the one asked for.
    return text.includes('"') ? this.#parsed(() => parseQuotedPath(text)) : path;
  }

  /** Removes an empty folder. */
  async rmdir(path: string, call: CallOptions = {}): Promise<void> {
    await this.#session.command('RMD', [checkPath('path', path)], call);
  }

  async delete(path: string, call: CallOptions = {}): Promise<void> {
    await this.#session.command('DELE', [checkPath('path', path)], call);
  }

  async rename(from: string, to: string, call: CallOptions = {}): Promise<void> {
    await this.#session.pair(['RNFR', checkPath('from', from)], ['RNTO', checkPath('to', to)], call);
  }

  /** Changes the folder; '..' goes up. Resolves with what the server now calls it. */
  async cd(path: string, call: CallOptions = {}): Promise<string> {
    return this.#session.cd(path, call);
  }

  async pwd(call: CallOptions = {}): Promise<string> {
    return this.#session.pwd(call);
  }

  /** Sets permission bits, 0o644, where the server knows SITE CHMOD. */
  async chmod(path: string, mode: number, call: CallOptions = {}): Promise<void> {
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777)
      throw new UsageError(`mode must be 0 to 0o7777; got ${mode}`);
    await this.#session.command('SITE', ['CHMOD', mode.toString(8).padStart(3, '0'), checkPath('path', path)], call);
  }

  /** SITE and its arguments. */
  async site(args: readonly string[], call: CallOptions = {}): Promise<FtpReply> {
    return this.#session.command('SITE', args, call);
  }

  /** A hash of the file's content that the server makes: the strongest it offers, or the one asked for. */
  async hash(path: string, algorithm?: FtpHashAlgorithm, call: CallOptions = {}): Promise<FtpHash> {
    return remoteHash(this.#session, checkPath('path', path), algorithm, call);
  }

  /** Reserves space, for servers that want it. */
  async allocate(bytes: number, call: CallOptions = {}): Promise<void> {
    await this.#session.command('ALLO', [String(wholeNumber('bytes', bytes))], call);
  }

  /** What kind of system the server is: 'UNIX Type: L8'. */
  async system(call: CallOptions = {}): Promise<string> {
    return (await this.#session.command('SYST', [], call)).lines.join('\n');
  }

  /** The server's report on itself (STAT), or of a path. */
  async status(path?: string, call: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#session.command('STAT', path === undefined ? [] : [checkPath('path', path)], call)).lines;
  }

  async noop(call: CallOptions = {}): Promise<void> {
    await this.#session.command('NOOP', [], call);
  }

  /** Any command without a data connection; ReplyError for 4xx and 5xx. Arguments with CR, LF or NUL are refused. */
  async command(verb: string, args: readonly (string | Secret)[] = [], call: CallOptions = {}): Promise<FtpReply> {
    if (
      /^(?:RETR|STOR|STOU|APPE|LIST|NLST|MLSD|PASV|EPSV|PORT|EPRT|LPSV|LPRT|TYPE|MODE|STRU|REST|AUTH|PROT|CCC|REIN|QUIT|ABOR)$/i.test(
        verb,
      )
    )
      throw new UsageError(`${verb} changes more than its answer tells: use the method for it`);
    const accepted = Array.from({ length: 200 }, (_, index) => index + 200);
    return this.#session.command(verb, args, call, accepted);
  }

  /** Takes leave and closes. Never rejects. */
  quit(): Promise<void> {
    return this.#slot.quit();
  }

  /** Closes at once. */
  destroy(reason?: Error): void {
    this.#slot.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  /** An answer that cannot be read ends the connection: nothing more is believed. */
  #parsed<T>(parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      this.#session.connection.destroy(error as Error);
      throw error;
    }
  }
}
