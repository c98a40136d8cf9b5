import { LimitError, TimeoutError, UnsupportedError, UsageError } from '../errors.ts';
import { checkCall } from '../socket/connection.ts';
import { notify } from '../socket/notify.ts';
import { checkArgument, checkOptions } from '../wire/arguments.ts';
import type { LendingSource } from '../wire/byte-stream.ts';
import { wholeNumber } from '../wire/limits.ts';
import { openData } from './data.ts';
import { openFile } from './file.ts';
import { openFtp } from './ftp.ts';
import { openGopher } from './gopher.ts';
import { openHttp } from './http.ts';
import { openImap } from './imap.ts';
import { openNews } from './news.ts';
import { OpenedUrl } from './opened-url.ts';
import { type OpenOptions, type SchemeOpener, type UrlOpener, openOptionNames } from './options.ts';
import { openPop3 } from './pop3.ts';

const builtIn = new Map<string, SchemeOpener>([
  ...['http', 'https'].map((scheme) => [scheme, openHttp] as const),
  ...['ftp', 'ftps', 'ftpes', 'ftp+starttls'].map((scheme) => [scheme, openFtp] as const),
  ...['pop', 'pop3', 'pop3s', 'pop3+starttls'].map((scheme) => [scheme, openPop3] as const),
  ...['imap', 'imaps', 'imap+starttls'].map((scheme) => [scheme, openImap] as const),
  ...['gopher', 'gophers'].map((scheme) => [scheme, openGopher] as const),
  ...['nntp', 'nntps', 'news', 'snews'].map((scheme) => [scheme, openNews] as const),
  ['file', openFile],
  ['data', openData],
]);

/**
 * Opens what a URL names, whatever its scheme: http(s):, ftp(s):, file:, data:, pop3(s):, imap(s):, gopher(s):, nntp(s):, news:. Resolves when
 * its bytes begin to come; what is refused rejects here.
 *
 *     const page = await open('https://example.com/');
 *     console.log(page.contentType, await page.text());
 *
 * Folders and mailboxes are lists, text/plain, one name a line. UsageError for a URL that says nothing of use, UnsupportedError for a scheme
 * that nobody opens, ReplyError for what the server refuses, an HTTP status other than 2xx among it.
 *
 * @see RFC 9110, RFC 1738, RFC 8089, RFC 2397, RFC 2384, RFC 5092, RFC 4266, RFC 5538
 */
export async function open(url: string | URL, options: OpenOptions = {}): Promise<OpenedUrl> {
  checkOptions('open', options, openOptionNames);
  const { maxBytes, timeoutMs, openers = [] } = options;
  if (maxBytes !== undefined) wholeNumber('maxBytes', maxBytes);
  checkCall({ signal: options.signal, timeoutMs });
  const deadline = new AbortController();
  const timer =
    timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY
      ? undefined
      : setTimeout(
          () => deadline.abort(new TimeoutError(`the URL took longer than ${timeoutMs} ms`, { phase: 'total' })),
          Math.min(timeoutMs, 2 ** 31 - 1),
          // What is waited for keeps the process alive.
        ).unref();
  const signals = [...(options.signal === undefined ? [] : [options.signal]), deadline.signal];
  const signal = timer === undefined ? options.signal : AbortSignal.any(signals);
  try {
    signal?.throwIfAborted();
    const opened = await chain(openers)(url instanceof URL ? url.href : url, { ...options, signal });
    return guarded(opened, options, signal, () => clearTimeout(timer));
  } catch (error) {
    clearTimeout(timer);
    throw error;
  }
}

/** The openers and, behind them, what is built in. */
function chain(openers: readonly UrlOpener[]): SchemeOpener {
  let next: SchemeOpener = openBuiltIn;
  for (const opener of [...openers].reverse()) {
    const inner = next;
    next = (url, options) =>
      opener(checkScheme(url, options), options, (other, changed) => inner(other, { ...options, ...changed }));
  }
  return next;
}

async function openBuiltIn(url: string, options: OpenOptions): Promise<OpenedUrl> {
  const scheme = schemeOf(checkScheme(url, options));
  const opener = builtIn.get(scheme);
  if (opener !== undefined) return opener(url, options);
  throw new UnsupportedError(`${scheme}: URLs cannot be opened; known are ${[...builtIn.keys()].join(', ')}`, {
    hint: 'give an opener of your own for it',
  });
}

function schemeOf(url: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(checkArgument('the URL', url))?.[1];
  if (scheme === undefined) throw new UsageError('the URL has no scheme; expected one like https://example.com/path');
  return scheme.toLowerCase();
}

function checkScheme(url: string, { schemes }: OpenOptions): string {
  const scheme = schemeOf(url);
  if (schemes === undefined || schemes.includes(scheme)) return url;
  throw new UsageError(`${scheme}: is not among the schemes that may be opened: ${schemes.join(', ')}`);
}

/** The stream, counted, with the caller's signal holding to its end. */
function guarded(
  opened: OpenedUrl,
  options: OpenOptions,
  signal: AbortSignal | undefined,
  onEnd: () => void,
): OpenedUrl {
  const { maxBytes, onProgress } = options;
  const { url, headers, sizeBytes } = opened;
  let bytes = 0;
  const count = (chunk: Uint8Array): void => {
    bytes += chunk.length;
    if (maxBytes !== undefined && bytes > maxBytes)
      throw new LimitError(`${withoutSecrets(url)} is longer than ${maxBytes} bytes`, { reason: 'BODY_TOO_LONG' });
    if (onProgress !== undefined) notify('onProgress', onProgress, { bytes, totalBytes: sizeBytes, item: url });
  };
  /** Ends what is being waited for. */
  let giveUp: ((reason: unknown) => void) | undefined;
  /** What fails because the connection went is told by its cause; a source that stalls is not waited for. */
  const asked = async <T>(run: Promise<T>): Promise<T> => {
    if (signal === undefined) return run;
    try {
      return await new Promise<T>((resolve, reject) => {
        giveUp = reject;
        run.then(resolve, reject);
      });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  };
  const onAbort = (): void => {
    giveUp?.(signal?.reason);
    opened[Symbol.asyncDispose]().catch(() => undefined);
  };
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const iterator = opened[Symbol.asyncIterator]();
  const source: LendingSource = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        signal?.throwIfAborted();
        const result = await asked(iterator.next());
        if (result.done === true) {
          // It ended because it was given up.
          signal?.throwIfAborted();
          return { done: true, value: undefined };
        }
        count(result.value);
        return result;
      },
    }),
    forEach: async (consume) => {
      signal?.throwIfAborted();
      await asked(
        opened.forEach((chunk) => {
          count(chunk);
          return consume(chunk);
        }),
      );
      signal?.throwIfAborted();
    },
  };
  const close = async (whole: boolean): Promise<void> => {
    onEnd();
    signal?.removeEventListener('abort', onAbort);
    if (!whole) await opened[Symbol.asyncDispose]();
  };
  return new OpenedUrl({ url, headers, sizeBytes, source, close });
}

/** A query may hold secrets: errors leave it out. */
const withoutSecrets = (url: string): string => url.replace(/[?#].*$/s, '').slice(0, 200);
