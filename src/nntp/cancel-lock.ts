import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { UsageError } from '../errors.ts';
import { Secret } from '../wire/arguments.ts';
import { checkMessageId } from './codec/response.ts';

type Scheme = 'sha256' | 'sha1';

/** What locks an article, and what opens it. */
export interface CancelLock {
  /** The Cancel-Lock field of the article. */
  readonly lock: string;
  /** The Cancel-Key field of the article that cancels or supersedes it. Keep it to yourself until then. */
  readonly key: string;
}

/**
 * The lock of an article, made from a secret: with the same secret, user and id the key can be made again whenever it is wanted.
 *
 * @see RFC 8315 section 4
 */
export function cancelLock(
  messageId: string,
  secret: string | Secret,
  options: { readonly user?: string | undefined; readonly scheme?: Scheme | undefined } = {},
): CancelLock {
  const { user = '', scheme = 'sha256' } = options;
  if (scheme !== 'sha256' && scheme !== 'sha1') throw new UsageError("scheme must be 'sha256' or 'sha1'");
  const text = secret instanceof Secret ? secret.reveal() : secret;
  if (typeof text !== 'string' || text === '') throw new UsageError('the secret must not be empty');
  const key = createHmac(scheme, text)
    .update(`${user}${checkMessageId(messageId)}`)
    .digest('base64');
  return { lock: `${scheme}:${hash(scheme, key)}`, key: `${scheme}:${key}` };
}

/** True when one of the keys opens one of the locks. Both are fields as they stand: several elements, with comments. @see RFC 8315 section 3.5 */
export function cancelKeyOpens(lockField: string, keyField: string): boolean {
  const locks = readElements(lockField);
  return readElements(keyField).some(
    ({ scheme, value }) =>
      (scheme === 'sha256' || scheme === 'sha1') &&
      locks.some((lock) => lock.scheme === scheme && same(lock.value, hash(scheme, value))),
  );
}

const hash = (scheme: Scheme, key: string): string => createHash(scheme).update(key).digest('base64');

function readElements(field: string): { readonly scheme: string; readonly value: string }[] {
  return field
    .slice(0, 10_000)
    .replace(/\([^()]*\)/g, ' ')
    .split(/\s+/)
    .flatMap((word) => {
      // QUIRK(clue-string of RFC 8315 section 3.1): old articles have one behind a second colon.
      const match = /^([A-Za-z0-9]+):([A-Za-z0-9+/]+=*)(?::.*)?$/.exec(word);
      return match === null ? [] : [{ scheme: (match[1] as string).toLowerCase(), value: match[2] as string }];
    });
}

function same(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
