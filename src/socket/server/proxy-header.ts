import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { ClosedError, ProtocolError, TimeoutError, UsageError } from '../../errors.ts';
import { ByteQueue, type Decoder } from '../../wire/byte-queue.ts';
import { concatBytes, encodeText, latin1 } from '../../wire/bytes.ts';
import { formatMs, timerMs } from '../deadlines.ts';
import { type SocketAddress, socketAddress } from '../socket-address.ts';

/** What a proxy says of the connection that it passes on. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Undefined where the proxy speaks for itself (LOCAL, a health check) or does not know (UNKNOWN). */
  readonly source: SocketAddress | string | undefined;
  readonly destination: SocketAddress | string | undefined;
}

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const V1 = encodeText('PROXY ');
/** Version 1 says so itself: with CRLF no line is longer. */
const V1_BYTES = 107;
/** Addresses take 216 bytes at most; the rest is for extensions, which are passed over. */
const V2_BYTES = 1024;

/**
 * The header of the PROXY protocol, version 1 (`PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`) or 2 (binary). ProtocolError for anything else.
 *
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
export const proxyHeaderDecoder: Decoder<ProxyHeader> = (queue) => {
  const head = queue.peek(SIGNATURE.length);
  if (beginsLike(head, SIGNATURE)) return head.length < SIGNATURE.length ? undefined : decodeV2(queue);
  if (!beginsLike(head.subarray(0, V1.length), V1)) throw malformed('it begins with neither PROXY nor the signature');
  const at = queue.indexOf(10);
  if (at < 0 ? queue.length >= V1_BYTES : at >= V1_BYTES) throw malformed('its line is too long');
  return at < 0 ? undefined : parseV1(latin1(queue.take(at + 1)));
};

function beginsLike(head: Uint8Array, whole: Uint8Array): boolean {
  return head.every((byte, index) => byte === whole[index]);
}

function parseV1(line: string): ProxyHeader {
  if (/^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/.test(line)) return { version: 1, source: undefined, destination: undefined };
  const match = /^PROXY TCP([46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) ([0-9]{1,5}) ([0-9]{1,5})\r\n$/.exec(line);
  const [, family, from = '', to = '', fromPort, toPort] = match ?? [];
  const ports = [Number(fromPort), Number(toPort)] as const;
  if (match === null || isIP(from) !== Number(family) || isIP(to) !== Number(family) || Math.max(...ports) > 65_535)
    throw malformed('its line cannot be read');
  return { version: 1, source: socketAddress(from, ports[0]), destination: socketAddress(to, ports[1]) };
}

function decodeV2(queue: ByteQueue): ProxyHeader | undefined {
  if (queue.length < 16) return undefined;
  const head = queue.peek(16);
  const [command, kind, high, low] = [head[12], head[13], head[14], head[15]] as [number, number, number, number];
  const length = high * 256 + low;
  if (command >> 4 !== 2 || (command & 15) > 1) throw malformed('its version or command is not known');
  if (length > V2_BYTES) throw malformed('it is too long');
  if (queue.length < 16 + length) return undefined;
  const body = queue.take(16 + length).subarray(16);
  const local = (command & 15) === 0;
  const size = { 1: 12, 2: 36, 3: 216 }[kind >> 4] ?? 0;
  if (!local && body.length < size) throw malformed('its addresses are cut short');
  if (local || size === 0) return { version: 2, source: undefined, destination: undefined };
  if (kind >> 4 === 3)
    return { version: 2, source: pathOf(body.subarray(0, 108)), destination: pathOf(body.subarray(108, 216)) };
  const width = size === 12 ? 4 : 16;
  const at = (offset: number, portAt: number): SocketAddress =>
    socketAddress(
      addressOf(body.subarray(offset, offset + width)),
      (body[portAt] as number) * 256 + (body[portAt + 1] as number),
    );
  return { version: 2, source: at(0, 2 * width), destination: at(width, 2 * width + 2) };
}

function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2)
    groups.push((((bytes[at] as number) << 8) | (bytes[at + 1] as number)).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

const pathOf = (bytes: Uint8Array): string => latin1(bytes).replace(/\0+$/, '');

/** The header that a proxy of yours sends first. Version 1 by default. */
export function encodeProxyHeader(header: {
  readonly version?: 1 | 2 | undefined;
  readonly source?: SocketAddress | undefined;
  readonly destination?: SocketAddress | undefined;
}): Uint8Array {
  const { version = 1, source, destination } = header;
  if (source === undefined || destination === undefined) {
    return version === 1 ? encodeText('PROXY UNKNOWN\r\n') : concatBytes([SIGNATURE, Uint8Array.of(0x20, 0x00, 0, 0)]);
  }
  const family = isIP(source.host);
  if (family === 0 || isIP(destination.host) !== family)
    throw new UsageError('the addresses of a PROXY header are two IP addresses of one family');
  if (version === 1)
    return encodeText(`PROXY TCP${family} ${source.host} ${destination.host} ${source.port} ${destination.port}\r\n`);
  const ports = new Uint8Array(4);
  new DataView(ports.buffer).setUint16(0, source.port);
  new DataView(ports.buffer).setUint16(2, destination.port);
  const addresses = [bytesOf(source.host, family), bytesOf(destination.host, family)];
  const length = family === 4 ? 12 : 36;
  return concatBytes([SIGNATURE, Uint8Array.of(0x21, family === 4 ? 0x11 : 0x21, 0, length), ...addresses, ports]);
}

function bytesOf(address: string, family: number): Uint8Array {
  if (family === 4) return Uint8Array.from(address.split('.'), Number);
  const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [head = '', tail] = plain.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]));
}

const malformed = (why: string): ProtocolError =>
  new ProtocolError(`a client sent no PROXY header that can be read: ${why}`, { reason: 'PROXY_HEADER' });

/** Reads the header off a stream that nobody reads yet; what came behind it is put back. */
export function readProxyHeader(stream: Duplex, timeoutMs: number, signal: AbortSignal): Promise<ProxyHeader> {
  const queue = new ByteQueue();
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onReadable = (): void => {
      for (let chunk = stream.read() as Uint8Array | null; chunk !== null; chunk = stream.read() as Uint8Array | null) {
        queue.push(chunk);
        let header: ProxyHeader | undefined;
        try {
          header = proxyHeaderDecoder(queue);
        } catch (error) {
          settle(() => reject(error));
          return;
        }
        if (header === undefined) continue;
        const found = header;
        settle(() => {
          if (queue.length > 0) stream.unshift(queue.take(queue.length));
          resolve(found);
        });
        return;
      }
    };
    const onEnd = (): void => settle(() => reject(new ClosedError('a client left before its PROXY header')));
    const onAbort = (): void => settle(() => reject(signal.reason));
    const timer =
      timeoutMs === Number.POSITIVE_INFINITY
        ? undefined
        : setTimeout(
            () =>
              settle(() =>
                reject(
                  new TimeoutError(`a client sent no PROXY header within ${formatMs(timeoutMs)}`, {
                    phase: 'greeting',
                  }),
                ),
              ),
            timerMs(timeoutMs),
          );
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}
