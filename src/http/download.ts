import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ProtocolError, UsageError } from '../errors.ts';
import type { HttpClient } from './client.ts';
import { HttpFields } from './fields.ts';
import type { HttpRequestOptions } from './options.ts';
import type { HttpResponse } from './response.ts';

/** How a file is fetched. */
export interface DownloadOptions extends Omit<
  HttpRequestOptions,
  'method' | 'body' | 'json' | 'form' | 'multipart' | 'decompress'
> {
  /** Go on with what an earlier call left beside the file, if the server still has the same. Default false. */
  readonly resume?: boolean | undefined;
  /** Replace a file that is there. Default false. */
  readonly overwrite?: boolean | undefined;
}

export interface DownloadResult {
  /** Bytes of the whole file. */
  readonly sizeBytes: number;
  /** How many of them were there from before. */
  readonly resumedFrom: number;
  readonly response: HttpResponse;
}

/**
 * Fetches into a file, in memory that does not grow. It is written beside as `file.part` and renamed when it is whole: what bears the name
 * is never half a file. With `resume` the part, and what the server said of it, stay after a failure; the next call asks for the rest, on
 * the condition that it is of the same (If-Range), and begins anew where it is not. UsageError when the file exists, before anything is
 * asked; ReplyError for a status that brings no file.
 *
 * @see RFC 9110 section 13.1.5
 */
export async function download(
  client: HttpClient,
  url: string | URL,
  file: string,
  options: DownloadOptions = {},
): Promise<DownloadResult> {
  const { resume = false, overwrite = false, onProgress, ...rest } = options;
  if (!overwrite && (await exists(file))) throw new UsageError(`${file} exists; give overwrite: true to replace it`);
  // Without resuming nobody else's part is touched.
  const part = resume ? `${file}.part` : `${file}.${randomBytes(6).toString('hex')}.part`;
  const note = `${part}.validator`;
  const kept = resume ? await readPart(part, note) : undefined;
  const headers = new HttpFields(options.headers);
  headers.set('Accept-Encoding', 'identity');
  if (kept !== undefined) headers.set('Range', `bytes=${kept.sizeBytes}-`).set('If-Range', kept.validator);
  const ask = (fields: HttpFields): Promise<HttpResponse> =>
    client.request(url, { ...rest, headers: fields, decompress: false, method: 'GET' });
  let response = await ask(headers);
  let from = kept !== undefined && response.status === 206 ? kept.sizeBytes : 0;
  if (kept !== undefined && response.status === 416) {
    // There is no rest, or the part is longer than what is there now.
    await response.dispose();
    headers.delete('Range');
    headers.delete('If-Range');
    response = await ask(headers);
    from = 0;
  }
  await response.expectOk();
  if (from > 0 || response.status === 206) checkRange(response, from);
  const validator = validatorOf(response);
  let handle: FileHandle | undefined;
  try {
    await mkdir(dirname(file), { recursive: true });
    handle = await open(part, resume ? (from > 0 ? 'r+' : 'w') : 'wx');
    if (resume) await (validator === undefined ? rm(note, { force: true }) : writeFile(note, validator));
    const total = response.sizeBytes === undefined ? undefined : from + response.sizeBytes;
    const file_ = handle;
    let at = from;
    await response.stream().forEach(async (chunk) => {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await file_.write(chunk, done, chunk.length - done, at + done);
        done += bytesWritten;
      }
      at += chunk.length;
      onProgress?.({ bytes: at, totalBytes: total });
    });
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(part, file);
    await rm(note, { force: true });
    return { sizeBytes: at, resumedFrom: from, response };
  } catch (error) {
    await handle?.close();
    await response.dispose();
    if (!resume) await rm(part, { force: true });
    throw error;
  }
}

/** A part that may be gone on with: what is there of it, and by what to know that the rest is of the same. */
async function readPart(part: string, note: string): Promise<{ sizeBytes: number; validator: string } | undefined> {
  try {
    const [{ size }, validator] = await Promise.all([stat(part), readFile(note, 'utf8')]);
    return size > 0 && validator !== '' ? { sizeBytes: size, validator } : undefined;
  } catch {
    return undefined;
  }
}

/** A strong validator alone proves that bytes are the same: RFC 9110 section 13.1.5. */
function validatorOf(response: HttpResponse): string | undefined {
  const etag = response.headers.get('etag');
  if (etag !== undefined) return etag.startsWith('"') ? etag : undefined;
  return response.headers.get('last-modified');
}

/** ProtocolError unless the range is the one that was asked for. */
function checkRange(response: HttpResponse, from: number): void {
  const field = response.headers.get('content-range') ?? '';
  const match = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15}|\*)$/.exec(field);
  const length = match === null ? undefined : Number(match[2]) - Number(match[1]) + 1;
  const last = match === null || match[3] === '*' || Number(match[3]) === Number(match[2]) + 1;
  if (match === null || Number(match[1]) !== from || !last || (response.sizeBytes ?? length) !== length)
    throw new ProtocolError(`the server sent another range than was asked for: ${field}`, {
      protocol: 'HTTP',
      reason: 'BAD_RANGE',
    });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
