import { ReplyError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { checkPath } from './codec.ts';
import { type FtpListing, type ListingDialect, parseListing } from './listing/parse-listing.ts';
import type { FtpSession } from './session.ts';

export interface ListOptions extends CallOptions {
  /** 'mlsd' or 'list'; default: MLSD where the server offers it. */
  readonly command?: 'mlsd' | 'list' | undefined;
  /** With LIST: ask for names that begin with a dot (`-a`). */
  readonly hidden?: boolean | undefined;
  /** With LIST: the form, where guessing goes wrong. */
  readonly dialect?: Exclude<ListingDialect, 'mlsd'> | undefined;
  /** Default 40 MiB. */
  readonly maxBytes?: number | undefined;
}

const MAX_LISTING_BYTES = 40 * 1024 * 1024;

export async function list(session: FtpSession, path: string | undefined, options: ListOptions): Promise<FtpListing> {
  const { signal, timeoutMs, maxBytes = MAX_LISTING_BYTES } = options;
  const useMlsd =
    options.command === undefined
      ? session.features.has('MLST') || session.features.has('MLSD')
      : options.command === 'mlsd';
  const { control, target } = session;
  if (useMlsd) {
    const bytes = await session.collect('MLSD', path === undefined ? [] : [checkPath('path', path)], maxBytes, {
      signal,
      timeoutMs,
    });
    return parseListing(control.charset.decode(bytes), { dialect: 'mlsd' });
  }
  const args = [...(options.hidden === true ? ['-a'] : []), ...(path === undefined ? [] : [notAnOption(path)])];
  const bytes = await collectNames(session, 'LIST', args, maxBytes, { signal, timeoutMs });
  return parseListing(control.charset.decode(bytes), { timeZone: target.timeZone, dialect: options.dialect });
}

export async function names(session: FtpSession, path: string | undefined, call: CallOptions): Promise<string[]> {
  const bytes = await collectNames(
    session,
    'NLST',
    path === undefined ? [] : [notAnOption(path)],
    MAX_LISTING_BYTES,
    call,
  );
  return session.control.charset
    .decode(bytes)
    .split(/\r?\n/)
    .filter((name) => name !== '');
}

async function collectNames(
  session: FtpSession,
  verb: string,
  args: readonly string[],
  maxBytes: number,
  call: CallOptions,
): Promise<Uint8Array> {
  try {
    return await session.collect(verb, args, maxBytes, call);
  } catch (error) {
    // QUIRK(many servers): an empty folder is "550 No files found".
    if (
      error instanceof ReplyError &&
      error.reply?.code === 550 &&
      /\b(?:no|0) (?:such )?files?(?: were)? found\b|empty/i.test(error.reply.text)
    )
      return new Uint8Array(0);
    throw error;
  }
}

/** Servers hand LIST to `ls`: a path that looks like an option must not be one. */
const notAnOption = (path: string): string => (checkPath('path', path).startsWith('-') ? `./${path}` : path);
