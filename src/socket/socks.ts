import { isIPv4, isIPv6 } from 'node:net';
import { AuthError, ConnectError, ProtocolError, UsageError } from '../errors.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { concatBytes, encodeText } from '../wire/bytes.ts';
import { exactDecoder } from '../wire/line.ts';

/** Where a proxy is to lead. A name is passed on as it is: the proxy looks it up, not we. */
export interface ProxyDestination {
  readonly host: string;
  readonly port: number;
}

export interface ProxyLogin {
  readonly user: string;
  readonly password: string;
}

/** What a handshake needs: to say something, and to read with a decoder. */
export interface ProxyChannel {
  write(bytes: Uint8Array): Promise<void>;
  read<E>(decode: Decoder<E>): Promise<E>;
}

const [IPV4, DOMAIN, IPV6] = [1, 3, 4];
const replies: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'its rules do not allow it',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'the time to live expired',
  7: 'it does not know the command',
  8: 'it does not know the kind of address',
};

/** Asks a SOCKS 5 proxy for a connection. @see RFC 1928, RFC 1929 (user and password) */
export async function socks5(channel: ProxyChannel, to: ProxyDestination, login?: ProxyLogin): Promise<void> {
  const request = concatBytes([Uint8Array.of(5, 1, 0), encodeAddress(to.host), portBytes(to.port)]);
  const credentials =
    login && concatBytes([Uint8Array.of(1), counted('user', login.user), counted('password', login.password)]);
  await channel.write(login === undefined ? Uint8Array.of(5, 1, 0) : Uint8Array.of(5, 2, 0, 2));
  const [version, method] = await channel.read(exactDecoder(2));
  if (version !== 5) throw new ProtocolError('it does not speak SOCKS 5', { reason: 'NOT_SOCKS' });
  if (method === 2 && credentials !== undefined) {
    await channel.write(credentials);
    const [, status] = await channel.read(exactDecoder(2));
    if (status !== 0) throw new AuthError('it refused the user or password', { reason: 'PROXY_AUTH' });
  } else if (method !== 0) {
    throw new AuthError(
      login === undefined ? 'it wants a login' : 'it takes neither no login nor a user and password',
      { reason: 'PROXY_AUTH', hint: 'give user and password in the proxy URL: socks5://user:password@host' },
    );
  }
  await channel.write(request);
  const [, reply, , kind] = await channel.read(exactDecoder(4));
  if (reply !== 0)
    throw new ConnectError(replies[reply as number] ?? `it answered with code ${String(reply)}`, {
      reason: 'PROXY_REFUSED',
      temporary: reply !== 2 && reply !== 7 && reply !== 8,
    });
  // The address it speaks from, which says nothing here.
  const length = kind === IPV4 ? 4 : kind === IPV6 ? 16 : ((await channel.read(exactDecoder(1)))[0] as number);
  await channel.read(exactDecoder(length + 2));
}

/** Asks a SOCKS 4 proxy; with `names`, in the form of 4a that takes names. UsageError for what it cannot reach. */
export async function socks4(channel: ProxyChannel, to: ProxyDestination, user: string, names: boolean): Promise<void> {
  const numeric = isIPv4(to.host);
  if (!numeric && (!names || isIPv6(to.host)))
    throw new UsageError(
      isIPv6(to.host)
        ? `SOCKS 4 cannot reach the IPv6 address ${to.host}: use socks5://`
        : `SOCKS 4 takes no names: use socks4a:// or socks5:// to let the proxy look up ${to.host}`,
    );
  if (/\0/.test(user)) throw new UsageError('the user of a SOCKS proxy cannot contain NUL');
  const address = numeric ? Uint8Array.from(to.host.split('.'), Number) : Uint8Array.of(0, 0, 0, 1);
  const name = numeric ? [] : [hostBytes(to.host), Uint8Array.of(0)];
  await channel.write(
    concatBytes([Uint8Array.of(4, 1), portBytes(to.port), address, encodeText(user), Uint8Array.of(0), ...name]),
  );
  const [version, code] = await channel.read(exactDecoder(8));
  if (version !== 0) throw new ProtocolError('it does not speak SOCKS 4', { reason: 'NOT_SOCKS' });
  if (code !== 90)
    throw new ConnectError(code === 91 ? 'the connection failed, or is not allowed' : 'it refused the user', {
      reason: 'PROXY_REFUSED',
    });
}

const portBytes = (port: number): Uint8Array => Uint8Array.of(port >> 8, port & 255);

function encodeAddress(host: string): Uint8Array {
  if (isIPv4(host)) return Uint8Array.of(IPV4, ...host.split('.').map(Number));
  if (isIPv6(host)) return Uint8Array.of(IPV6, ...ipv6Bytes(host));
  const name = hostBytes(host);
  return concatBytes([Uint8Array.of(DOMAIN, name.length), name]);
}

/** A longer name would be cut, or run into what follows (CVE-2023-38545). */
function hostBytes(host: string): Uint8Array {
  const bytes = encodeText(host);
  if (bytes.length > 255) throw new UsageError('the host name is longer than the 255 bytes that SOCKS can carry');
  return bytes;
}

function counted(what: string, text: string): Uint8Array {
  const bytes = encodeText(text);
  if (bytes.length === 0 || bytes.length > 255)
    throw new UsageError(`the ${what} for a SOCKS proxy must have 1 to 255 bytes`);
  return concatBytes([Uint8Array.of(bytes.length), bytes]);
}

function ipv6Bytes(address: string): number[] {
  // Dotted ends and zones: the URL parser writes them as plain groups, and refuses the zone.
  const [text = ''] = address.split('%');
  const plain = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return all.flatMap((group) => [group >> 8, group & 255]);
}
