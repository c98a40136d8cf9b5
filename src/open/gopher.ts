import { gopher } from '../gopher/index.ts';
import { OpenedUrl } from './opened-url.ts';
import { type OpenOptions, dialling } from './options.ts';

/** What an item's kind says of its bytes, where it says anything. @see RFC 1436 section 3.8 */
const types: Readonly<Record<string, string>> = {
  '0': 'text/plain',
  '1': 'application/gopher-menu',
  '7': 'application/gopher-menu',
  h: 'text/html',
  g: 'image/gif',
};

/** A document or a menu, its bytes as they are. @see RFC 4266 */
export async function openGopher(url: string, options: OpenOptions): Promise<OpenedUrl> {
  const response = await gopher(url, dialling(options));
  const { sizeBytes, type } = response;
  return new OpenedUrl({
    url,
    headers: [
      ['Content-Type', types[type] ?? 'application/octet-stream'],
      ...(sizeBytes === undefined ? [] : [['Content-Length', String(sizeBytes)] as [string, string]]),
    ],
    sizeBytes,
    source: response.stream(),
    close: () => response[Symbol.asyncDispose](),
  });
}
