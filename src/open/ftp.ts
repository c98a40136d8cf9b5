import { ReplyError, UnsupportedError, UsageError } from '../errors.ts';
import { FtpClient, type FtpEntry } from '../ftp/index.ts';
import { mediaTypeOf } from '../mime/index.ts';
import { hidePassword } from './hide-password.ts';
import { openedList } from './opened-list.ts';
import { OpenedUrl } from './opened-url.ts';
import { type OpenOptions, withLogin } from './options.ts';

/** A file by RETR; the names in a folder where the path ends in a slash or in `;type=d`. @see RFC 1738 section 3.2 */
export async function openFtp(url: string, options: OpenOptions): Promise<OpenedUrl> {
  const { server, path, isFolder } = readFtpUrl(url);
  const { signal } = options;
  const client = await FtpClient.connect(server, withLogin(options));
  try {
    const shown = hidePassword(url);
    if (isFolder) {
      const listing = await client.list(path === '' ? undefined : path, { signal });
      await client.quit();
      return openedList(shown, listing.map(nameOf));
    }
    const entry = await client.stat(path, { signal }).catch(ignoreRefusal);
    const sizeBytes = entry?.sizeBytes ?? (await client.size(path, { signal }).catch(ignoreRefusal));
    const modified = entry?.modifiedAt ?? (await client.modifiedAt(path, { signal }).catch(ignoreRefusal));
    const source = await client.read(path, { signal });
    return new OpenedUrl({
      url: shown,
      headers: [
        ['Content-Type', mediaTypeOf(path)],
        ...(sizeBytes === undefined ? [] : [['Content-Length', String(sizeBytes)] as [string, string]]),
        ...(modified === undefined ? [] : [['Last-Modified', modified.toUTCString()] as [string, string]]),
      ],
      sizeBytes,
      source,
      close: (whole) => (whole ? client.quit() : client.destroy()),
    });
  } catch (error) {
    client.destroy();
    throw error;
  }
}

const nameOf = (entry: FtpEntry): string => (entry.type === 'directory' ? `${entry.name}/` : entry.name);

/** What the server would not tell is not known; the transfer says what is wrong. */
function ignoreRefusal(error: unknown): undefined {
  if (error instanceof ReplyError || error instanceof UnsupportedError) return undefined;
  throw error;
}

/** The URL's server, and its path relative to the login's folder; `%2F` in front makes it absolute. */
function readFtpUrl(url: string): { readonly server: string; readonly path: string; readonly isFolder: boolean } {
  const match = /^([a-z0-9+.-]+:\/\/[^/?#]*)(?:\/([^?#]*))?(\?[^#]*)?(?:#.*)?$/is.exec(url);
  if (match === null) throw new UsageError('the FTP URL has no server; expected ftp://host/path');
  const [, server = '', path = '', query = ''] = match;
  const type = /;type=([aid])$/i.exec(path)?.[1]?.toLowerCase();
  if (type === 'a') throw new UsageError('ASCII transfers (;type=a) change the bytes of a file: leave it out');
  let name: string;
  try {
    name = decodeURIComponent(type === undefined ? path : path.slice(0, -';type=x'.length));
  } catch {
    throw new UsageError('the path in the FTP URL has a stray %; percent-encode it');
  }
  return { server: `${server}${query}`, path: name, isFolder: type === 'd' || name === '' || name.endsWith('/') };
}
