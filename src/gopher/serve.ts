import type { Connection } from '../socket/connection.ts';
import { type ListenOptions, type Listener, listen } from '../socket/listener.ts';
import { encodeText } from '../wire/bytes.ts';
import { DottedEncoder } from '../wire/dotted.ts';
import { formatGopherItem, gopherRequestDecoder, isTextType } from './codec.ts';
import { type GopherDocument, GopherSite, type GopherSiteOptions } from './site.ts';

export interface ServeGopherOptions
  extends GopherSiteOptions, Pick<ListenOptions, 'host' | 'port' | 'tls' | 'timeouts' | 'maxConnections' | 'onError'> {
  /** The name that menus give the server. Default: where it listens. */
  readonly hostname?: string | undefined;
}

/**
 * Serves a folder, or a table of documents, by Gopher. Listens on loopback unless told otherwise.
 *
 *     await using server = await serveGopher({ root: 'public', host: '0.0.0.0', port: 7070, hostname: 'gopher.example.org' });
 */
export async function serveGopher(options: ServeGopherOptions): Promise<Listener> {
  const { files, root, caps, hostname, ...rest } = options;
  const site = new GopherSite({ files, root, caps });
  const listener: Listener = await listen({ protocol: 'Gopher', ...rest }, (connection) =>
    answerGopher(connection, site, { host: hostname ?? listener.host, port: listener.port }),
  );
  return listener;
}

/** Reads one request and answers it; the connection may then be closed. @see RFC 1436 section 2 */
export async function answerGopher(
  connection: Connection,
  site: GopherSite,
  place: { host: string; port: number },
): Promise<void> {
  const { selector, search, plus } = await connection.read(gopherRequestDecoder());
  const document = await site.find(selector, search, place);
  await sendDocument(connection, document ?? notFound(selector), plus !== undefined);
  await connection.close(200);
}

/** A menu of one item that says no: RFC 1436 has no other way. */
export const notFound = (selector: string): GopherDocument => ({
  type: '3',
  bytes: encodeText(
    formatGopherItem({ type: '3', title: `'${selector.replace(/[\t\r\n\0]/g, ' ').slice(0, 200)}' is not here` }),
  ),
});

/** A document with the end that its type has; for Gopher+ with its length before it, or its error. */
export async function sendDocument(
  connection: Connection,
  { type, bytes }: GopherDocument,
  plus = false,
): Promise<void> {
  if (plus) {
    const head = type === '3' ? '--1\r\n' : `+${bytes.length}\r\n`;
    await connection.write([{ bytes: encodeText(head), shown: head.trim() }, bytes]);
    if (type === '3') await connection.write([encodeText('.\r\n')]);
    return;
  }
  if (!isTextType(type)) {
    await connection.write([bytes]);
    return;
  }
  const encoder = new DottedEncoder();
  await connection.write([...encoder.push(bytes), encoder.end()]);
}
