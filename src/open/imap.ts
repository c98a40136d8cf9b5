import { UnsupportedError, UsageError } from '../errors.ts';
import { type BodyStructure, ImapClient, partsOf, uid } from '../imap/index.ts';
import { openedList } from './opened-list.ts';
import { hidePassword } from './hide-password.ts';
import { decodePart, readMailUrl } from './mail-url.ts';
import { OpenedUrl } from './opened-url.ts';
import { type OpenOptions, withLogin } from './options.ts';

/** What the path of an IMAP URL names. */
interface ImapPlace {
  readonly mailbox: string | undefined;
  readonly uidValidity: number | undefined;
  readonly uid: number | undefined;
  readonly section: string;
  /** In bytes. */
  readonly partial: { readonly start: number; readonly count: number | undefined } | undefined;
}

/**
 * A message, or a section of it, `imaps://user@host/INBOX/;UID=20/;SECTION=1.2`; of a mailbox the UIDs in it, of a server its mailboxes.
 * Nothing is marked as seen.
 *
 * @see RFC 5092
 */
export async function openImap(url: string, options: OpenOptions): Promise<OpenedUrl> {
  const { server, mechanism, path, query } = readMailUrl(url);
  if (query !== undefined)
    throw new UnsupportedError('searches in IMAP URLs are not carried out: use ImapClient and its search', {
      protocol: 'IMAP',
    });
  const place = readPlace(path);
  const { signal } = options;
  const shown = hidePassword(url);
  const client = await ImapClient.connect(server, {
    ...withLogin(options),
    ...(mechanism === undefined ? {} : { mechanisms: [mechanism] }),
  });
  try {
    if (place.mailbox === undefined) {
      const mailboxes = await client.list('*', {}, { signal });
      await client.logout();
      return openedList(
        shown,
        mailboxes.map(({ name }) => name),
      );
    }
    await client.examine(place.mailbox, { uidValidity: place.uidValidity, signal });
    if (place.uid === undefined) {
      const { uids } = await client.search({}, { signal });
      await client.logout();
      return openedList(shown, [...uids].map(String));
    }
    return await openMessage(client, place, place.uid, shown, signal);
  } catch (error) {
    client.destroy();
    throw error;
  }
}

async function openMessage(
  client: ImapClient,
  { section, partial }: ImapPlace,
  number: number,
  url: string,
  signal: AbortSignal | undefined,
): Promise<OpenedUrl> {
  const message = uid(number);
  const headers: [string, string][] = [];
  if (section === '') headers.push(['Content-Type', 'message/rfc822']);
  else {
    const known = await client.fetchOne(message, { bodyStructure: true }, { signal });
    headers.push(...describe(section, known?.bodyStructure ?? undefined));
  }
  const stream = await client.download(message, section, { signal });
  const whole = stream.sizeBytes;
  const end = partial?.count === undefined ? whole : Math.min(partial.start + partial.count, whole ?? Infinity);
  const sizeBytes = partial === undefined ? whole : end === undefined ? undefined : Math.max(0, end - partial.start);
  if (sizeBytes !== undefined) headers.push(['Content-Length', String(sizeBytes)]);
  return new OpenedUrl({
    url,
    headers,
    sizeBytes,
    source: partial === undefined ? stream : slice(stream, partial.start, partial.count),
    // A part that was read ends before the message does.
    close: async (all) => {
      if (all && partial === undefined) await client.logout();
      else client.destroy();
    },
  });
}

/** What the structure says of a section. Its transfer encoding is not undone. */
function describe(section: string, structure: BodyStructure | undefined): [string, string][] {
  if (/(?:HEADER|MIME)$/i.test(section)) return [['Content-Type', 'text/rfc822-headers']];
  const part = structure === undefined ? undefined : [...partsOf(structure)].find((each) => each.path === section);
  if (part === undefined) return [['Content-Type', 'application/octet-stream']];
  const parameters = [...part.parameters].map(([name, value]) => `; ${name}="${value.replace(/["\\]/g, '\\$&')}"`);
  return [
    ['Content-Type', `${part.type}${parameters.join('')}`.replace(/[^\u0020-\u007e]/g, '?')],
    ['Content-Transfer-Encoding', part.encoding ?? '7bit'],
  ];
}

async function* slice(
  source: AsyncIterable<Uint8Array>,
  start: number,
  count: number | undefined,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  const end = count === undefined ? Number.POSITIVE_INFINITY : start + count;
  for await (const chunk of source) {
    const wanted = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += chunk.length;
    if (wanted.length > 0) yield wanted;
    if (at >= end) return;
  }
}

function readPlace(path: string): ImapPlace {
  const match =
    /^(.*?)(?:;UIDVALIDITY=([0-9]+))?(?:\/;UID=([0-9]+)(?:\/;SECTION=([^;]+?))?(?:\/;PARTIAL=([0-9]+)(?:\.([0-9]+))?)?)?\/?$/is.exec(
      path,
    );
  const [, mailbox = '', validity, number, section = '', start, count] = match ?? [];
  if (match === null || mailbox.includes(';') || (mailbox === '' && path.replace(/\/$/, '') !== ''))
    throw new UsageError('the path of the IMAP URL is none: expected mailbox;UIDVALIDITY=n/;UID=n/;SECTION=part');
  const whole = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
  return {
    mailbox: mailbox === '' ? undefined : decodePart(mailbox),
    uidValidity: whole(validity),
    uid: whole(number),
    section: decodePart(section).toUpperCase(),
    partial: start === undefined ? undefined : { start: Number(start), count: whole(count) },
  };
}
