import { AuthError, ConnectError, LimitError, ProtocolError } from '../errors.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { encodeText, latin1 } from '../wire/bytes.ts';
import { formatHostPort } from './address.ts';
import type { ProxyChannel, ProxyDestination, ProxyLogin } from './socks.ts';

const MAX_HEAD_BYTES = 32 * 1024;
const END = encodeText('\r\n\r\n');

/** The head of an answer, blank line included. */
const head: Decoder<string> = (queue) => {
  const end = queue.indexOf(END);
  if (end < 0 && queue.length <= MAX_HEAD_BYTES) return undefined;
  if (end < 0 || end > MAX_HEAD_BYTES) throw new LimitError(`its answer is longer than ${MAX_HEAD_BYTES} bytes`);
  return latin1(queue.take(end + 4));
};

/** Asks an HTTP proxy for a tunnel. What comes behind its answer is the tunnel's. @see RFC 9110 section 9.3.6 */
export async function httpConnect(channel: ProxyChannel, to: ProxyDestination, login?: ProxyLogin): Promise<void> {
  const where = formatHostPort(to.host, to.port);
  const credentials =
    login === undefined
      ? ''
      : `Proxy-Authorization: Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}\r\n`;
  await channel.write(encodeText(`CONNECT ${where} HTTP/1.1\r\nHost: ${where}\r\n${credentials}\r\n`));
  const answer = await channel.read(head);
  const match = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: ([^\r\n]*))?\r\n/.exec(answer);
  if (match === null) throw new ProtocolError('it does not speak HTTP', { reason: 'NOT_HTTP' });
  const status = Number(match[1]);
  if (status >= 200 && status < 300) return;
  const said = `${status} ${match[2] ?? ''}`.trim();
  if (status === 407)
    throw new AuthError(
      login === undefined ? `it wants a login: ${said}` : `it refused the user or password: ${said}`,
      {
        reason: 'PROXY_AUTH',
        hint: 'give user and password in the proxy URL: http://user:password@host',
      },
    );
  throw new ConnectError(said, { reason: 'PROXY_REFUSED', temporary: status >= 500 });
}
