import { ProtocolError, UnsupportedError, UsageError } from '../errors.ts';
import { HttpFields } from './fields.ts';
import { type HttpAddress, redirectAddress } from './origin.ts';
import type { OutgoingBody } from './outgoing-body.ts';

/** What is asked, of whom. */
export interface Hop {
  readonly method: string;
  readonly address: HttpAddress;
  readonly headers: HttpFields;
  readonly body: OutgoingBody | undefined;
}

/** Fields that say who somebody is: they do not leave the origin they were meant for. */
const credentialFields = [
  'authorization',
  'cookie',
  'proxy-authorization',
  'www-authenticate',
  'cookie2',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
];
const contentFields = /^(?:content-|digest$|last-modified$|trailer$)/;

export const isRedirect = (status: number): boolean =>
  status === 301 || status === 302 || status === 303 || status === 307 || status === 308;

/**
 * The request that a redirect asks for: to http: and https: alone. 303, and 301 or 302 after POST, become GET without the body; 307 and 308
 * send it again, which a stream cannot. To another scheme, host or port no credentials go, nor a Host of the caller's.
 *
 * @see RFC 9110 section 15.4
 */
export function nextHop(hop: Hop, status: number, location: string, sensitive: readonly string[]): Hop {
  const address = redirectAddress(location, hop.address);
  if (address === undefined)
    throw new UnsupportedError(
      `${hop.address.origin} redirected to what is not an http: or https: URL: ${location.slice(0, 200)}`,
      { protocol: 'HTTP', reason: 'REDIRECT_SCHEME' },
    );
  const toGet =
    (status === 303 && hop.method !== 'HEAD') || ((status === 301 || status === 302) && hop.method === 'POST');
  const headers = new HttpFields(hop.headers);
  if (toGet) for (const [name] of hop.headers) if (contentFields.test(name.toLowerCase())) headers.delete(name);
  if (address.origin !== hop.address.origin)
    for (const name of [...credentialFields, ...sensitive, 'host']) headers.delete(name);
  if (!toGet && hop.body?.replayable === false)
    throw new UsageError(
      `${hop.address.origin} redirected (${status}), and the body is a stream that was used up; give a function that makes it anew`,
      { protocol: 'HTTP', reason: 'BODY_USED_UP' },
    );
  return { method: toGet ? 'GET' : hop.method, address, headers, body: toGet ? undefined : hop.body };
}

/** ProtocolError for a chain that goes on too long; it says where it went. */
export function tooManyRedirects(chain: readonly string[]): ProtocolError {
  const shown = chain.slice(0, 3).map((url) => url.slice(0, 100));
  return new ProtocolError(`gave up after ${chain.length} redirects: ${shown.join(', ')}, …`, {
    protocol: 'HTTP',
    reason: 'TOO_MANY_REDIRECTS',
  });
}
