import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { ConnectError, PostwireError, ProtocolError, UsageError, messageOf } from '../errors.ts';
import { toAsciiDomain } from '../wire/addr-spec.ts';
import { checkArgument } from '../wire/arguments.ts';
import { ByteQueue, type Decoder } from '../wire/byte-queue.ts';
import { checkHost, formatHostPort, parsePort } from './address.ts';
import { httpConnect } from './http-connect.ts';
import { type ProxyDestination, type ProxyLogin, socks4, socks5 } from './socks.ts';
import { type TlsOptions, beginTls } from './tls.ts';
import { StreamTransport } from './transport.ts';

/** One proxy, or several that lead to each other, the first of which is connected to. */
export type ProxySetting = string | readonly string[];

export interface Proxy {
  readonly scheme: 'socks4' | 'socks4a' | 'socks5' | 'socks5h' | 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly login: ProxyLogin | undefined;
}

const ports = { socks4: 1080, socks4a: 1080, socks5: 1080, socks5h: 1080, http: 8080, https: 443 } as const;
const isScheme = (scheme: string): scheme is Proxy['scheme'] => Object.hasOwn(ports, scheme);

/** Reads a proxy's URL: `socks5://user:password@host:1080`, `http://host:3128`. UsageError that never quotes the password. */
export function parseProxy(text: string): Proxy {
  const example = 'socks5://user:password@host:1080';
  let url: URL;
  try {
    url = new URL(checkArgument('the proxy URL', text));
  } catch {
    throw new UsageError(`the proxy must be a URL such as ${example} or http://host:3128`);
  }
  const scheme = url.protocol.slice(0, -1);
  if (!isScheme(scheme))
    throw new UsageError(`${scheme}: is no kind of proxy; use ${Object.keys(ports).join('://, ')}://`);
  if (url.hostname === '') throw new UsageError(`the proxy URL has no host; expected one like ${example}`);
  const part = (value: string): string => {
    try {
      return decodeURIComponent(value);
    } catch {
      throw new UsageError('user or password in the proxy URL has a stray %; percent-encode it');
    }
  };
  const login = url.username === '' ? undefined : { user: part(url.username), password: part(url.password) };
  // A URL leaves out the port that its scheme has by itself: 80 for http.
  const given = /:(\d+)(?:[/?#]|$)/.exec(text.slice(text.indexOf('://') + 3).replace(/^[^/?#]*@/, ''))?.[1];
  const port = given === undefined ? ports[scheme] : parsePort(given);
  return { scheme, host: url.hostname.replace(/^\[|\]$/g, ''), port, login };
}

/**
 * The proxies for a connection: those given, those that the environment names for 'environment', or none. As curl has it:
 * `SCHEME_proxy`, then `ALL_PROXY`, and none for what `NO_PROXY` lists.
 */
export function resolveProxies(
  setting: ProxySetting | undefined,
  protocol: string,
  to: ProxyDestination,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): readonly Proxy[] {
  if (setting === undefined) return [];
  if (setting !== 'environment') return (typeof setting === 'string' ? [setting] : setting).map(parseProxy);
  const read = (name: string): string | undefined => {
    // HTTP_PROXY is what a CGI program's caller sends as a header (CVE-2016-5385).
    const upper = name === 'http_proxy' && environment['REQUEST_METHOD'] !== undefined ? undefined : name.toUpperCase();
    return environment[name] ?? (upper === undefined ? undefined : environment[upper]);
  };
  if (isExcluded(to, read('no_proxy') ?? '')) return [];
  const found = read(`${protocol.toLowerCase()}_proxy`) ?? read('all_proxy');
  if (found === undefined || found === '') return [];
  return [parseProxy(found.includes('://') ? found : `http://${found}`)];
}

/** Whether NO_PROXY lists the host: names with what is below them, addresses, CIDR ranges, `*`; each with a port if it likes. */
function isExcluded(to: ProxyDestination, list: string): boolean {
  const host = to.host.toLowerCase().replace(/\.$/, '').replace(/%.*$/, '');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '') return false;
      if (entry === '*') return true;
      const [, range = '', bits] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(entry) ?? [];
      if (bits !== undefined)
        return isIP(host) !== 0 && isIP(range) === isIP(host) && inRange(range, Number(bits), host);
      const match =
        /^\[([^\]]+)\](?::(\d+))?$/.exec(entry) ??
        (isIPv6(entry) ? [entry, entry] : /^([^:]+)(?::(\d+))?$/.exec(entry));
      const [, name = '', port] = match ?? [];
      if (port !== undefined && Number(port) !== to.port) return false;
      const bare = name
        .replace(/^\*?\./, '')
        .replace(/\.$/, '')
        .replace(/%.*$/, '');
      return bare !== '' && (host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`)));
    });
}

function inRange(range: string, bits: number, host: string): boolean {
  const family = isIPv6(host) ? 'ipv6' : 'ipv4';
  if (bits > (family === 'ipv6' ? 128 : 32)) return false;
  const subnet = new BlockList();
  subnet.addSubnet(range, bits, family);
  return subnet.check(host, family);
}

export interface TunnelOptions {
  /** TLS to the proxies themselves, for https://. */
  readonly tls: TlsOptions;
  readonly signal: AbortSignal;
  /** Connects to the first proxy. */
  connect(to: ProxyDestination): Promise<Duplex>;
}

/** A stream to the destination, through the proxies, and what has come on it already. */
export async function openTunnel(
  proxies: readonly Proxy[],
  destination: ProxyDestination,
  options: TunnelOptions,
): Promise<{ readonly stream: Duplex; readonly early: readonly Uint8Array[] }> {
  const to = { host: tunnelHost(destination.host), port: destination.port };
  let stream = await options.connect(proxies[0] as Proxy);
  const onAbort = (): void => void stream.destroy(options.signal.reason as Error);
  options.signal.addEventListener('abort', onAbort);
  try {
    for (const [index, proxy] of proxies.entries()) {
      const next = proxies[index + 1];
      try {
        if (proxy.scheme === 'https') {
          const peer = { protocol: 'HTTPS proxy', host: proxy.host, port: proxy.port };
          stream = (await beginTls(stream, peer, options.tls, options.signal)).detach();
        }
        const passed = await pass(stream, proxy, next ?? to);
        stream = passed.stream;
        if (next === undefined) return passed;
        if (passed.early.length > 0) throw new ProtocolError('it spoke before it was asked', { reason: 'OUT_OF_STEP' });
      } catch (error) {
        options.signal.throwIfAborted();
        throw explain(error, proxy, next ?? to);
      }
    }
    throw new UsageError('a proxy must be given');
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
}

/** The name as it goes on the wire: letters, digits, and nothing that could end a line. */
function tunnelHost(host: string): string {
  const checked = checkHost(host);
  if (isIP(checked) !== 0) return checked;
  const name = toAsciiDomain(checked);
  // DNS carries no more (RFC 1035 section 2.3.4), and SOCKS a byte for the length (CVE-2023-38545).
  if (name === undefined || name.length > 253 || name.split('.').some((label) => label.length > 63))
    throw new UsageError(`${JSON.stringify(host)} cannot be asked for from a proxy: it is no host name`);
  return name;
}

async function pass(
  stream: Duplex,
  proxy: Proxy,
  to: ProxyDestination,
): Promise<{ readonly stream: Duplex; readonly early: readonly Uint8Array[] }> {
  const transport = new StreamTransport(stream);
  const queue = new ByteQueue();
  const channel = {
    write: (bytes: Uint8Array) => transport.write([bytes]),
    async read<E>(decode: Decoder<E>): Promise<E> {
      for (;;) {
        const event = decode(queue);
        if (event !== undefined) return event;
        const chunk = await transport.read();
        if (chunk === null)
          throw new ConnectError('it closed the connection', { reason: 'PROXY_CLOSED', temporary: true });
        queue.push(chunk);
      }
    },
  };
  if (proxy.scheme === 'socks5' || proxy.scheme === 'socks5h') await socks5(channel, to, proxy.login);
  else if (proxy.scheme === 'http' || proxy.scheme === 'https') await httpConnect(channel, to, proxy.login);
  else await socks4(channel, to, proxy.login?.user ?? '', proxy.scheme === 'socks4a');
  const early = queue.length > 0 ? [queue.take(queue.length)] : [];
  for (let chunk = transport.tryRead(); chunk !== undefined && chunk !== null; chunk = transport.tryRead())
    early.push(chunk);
  return { stream: transport.detach(), early };
}

/** The same error, that says which proxy and where to. */
function explain(error: unknown, proxy: Proxy, to: ProxyDestination): unknown {
  if (error instanceof UsageError) return error;
  const where = `${proxy.scheme} proxy ${formatHostPort(proxy.host, proxy.port)}`;
  const known = error instanceof PostwireError ? error : undefined;
  if (known?.code === 'TLS') return error;
  return new ConnectError(`the ${where} did not connect to ${formatHostPort(to.host, to.port)}: ${messageOf(error)}`, {
    phase: 'connect',
    host: to.host,
    port: to.port,
    reason: known?.reason ?? 'PROXY',
    temporary: known?.temporary,
    hint: known?.hint,
    cause: error,
  });
}
