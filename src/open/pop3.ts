import { UsageError } from '../errors.ts';
import { Pop3Client } from '../pop3/index.ts';
import { openedList } from './opened-list.ts';
import { hidePassword } from './hide-password.ts';
import { readMailUrl } from './mail-url.ts';
import { OpenedUrl } from './opened-url.ts';
import { type OpenOptions, withLogin } from './options.ts';

/**
 * A message by its number, `pop3s://user@host/3`; of a mailbox number, size and unique id of each message. Nothing is deleted.
 *
 * @see RFC 2384
 */
export async function openPop3(url: string, options: OpenOptions): Promise<OpenedUrl> {
  const { server, mechanism, path, query } = readMailUrl(url.replace(/^pop:/i, 'pop3:'));
  if (query !== undefined) throw new UsageError('a POP3 URL has no query');
  if (path !== '' && !/^[1-9][0-9]{0,9}$/.test(path))
    throw new UsageError('the path of a POP3 URL is the number of a message');
  const { signal } = options;
  const shown = hidePassword(url);
  const client = await Pop3Client.connect(server, {
    ...withLogin(options),
    ...(mechanism === undefined
      ? {}
      : mechanism.toUpperCase() === '+APOP'
        ? { apop: true }
        : { mechanisms: [mechanism] }),
  });
  try {
    if (path === '') {
      const { entries: sizes } = await client.list({ signal });
      const uids = client.capabilities.has('UIDL')
        ? (await client.uidl({ signal })).entries
        : new Map<number, string>();
      await client.quit();
      const lines = [...sizes].map(([number, size]) => `${number} ${size} ${uids.get(number) ?? ''}`.trimEnd());
      return openedList(shown, lines);
    }
    const source = await client.retr(Number(path), { signal });
    return new OpenedUrl({
      url: shown,
      headers: { 'Content-Type': 'message/rfc822' },
      source,
      close: async (whole) => {
        if (whole) await client.quit();
        else client.destroy();
      },
    });
  } catch (error) {
    client.destroy();
    throw error;
  }
}
