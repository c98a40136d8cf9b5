import type { HttpAddress } from './origin.ts';
import type { HttpFields } from './fields.ts';

/** What keeps cookies: a `CookieJar` of tough-cookie, or anything with these two. */
export interface CookieStore {
  getCookieString(url: string): string | Promise<string>;
  setCookie(cookie: string, url: string): unknown;
}

/** Of one response: cookies, and bytes of each. */
const MAX_COOKIES = 50;
const MAX_COOKIE_BYTES = 8192;
/** Sent at most. */
const MAX_SENT_BYTES = 8190;

const control = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** A jar that lasts as long as the client, by the rules of RFC 6265 and the public suffix list. */
export async function newCookieStore(): Promise<CookieStore> {
  const { CookieJar } = await import('tough-cookie');
  return new CookieJar(undefined, { rejectPublicSuffixes: true, prefixSecurity: 'strict' });
}

/** The Cookie field for a request; undefined for none. Cookies beyond the cap are left out from the end. */
export async function cookieField(store: CookieStore, address: HttpAddress): Promise<string | undefined> {
  const cookies = (await store.getCookieString(address.url))
    .split('; ')
    .filter((each) => each !== '' && !control.test(each));
  let field = '';
  for (const cookie of cookies) {
    const longer = field === '' ? cookie : `${field}; ${cookie}`;
    if (longer.length > MAX_SENT_BYTES) break;
    field = longer;
  }
  // What a field cannot carry would have been refused when it was set.
  return field === '' || !/^[\u0020-\u007e\u0080-\u00ff\t]*$/.test(field) ? undefined : field;
}

/** Keeps the cookies of a response. Those that are against the rules, too long or too many are left out. */
export async function storeCookies(store: CookieStore, address: HttpAddress, headers: HttpFields): Promise<void> {
  for (const line of headers.all('set-cookie').slice(0, MAX_COOKIES)) {
    if (line.length > MAX_COOKIE_BYTES || control.test(line)) continue;
    try {
      await store.setCookie(line, address.url);
    } catch {
      // For another site, a public suffix, or against its own prefix: not kept.
    }
  }
}
