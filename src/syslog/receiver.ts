import { UsageError } from '../errors.ts';
import { wholeNumber } from '../wire/limits.ts';
import type { SocketAddress } from '../socket/socket-address.ts';
import type { DatagramServer } from '../socket/server/datagram-server.ts';
import { type ServeDatagramOptions, type ServeStreamOptions, serve } from '../socket/server/serve.ts';
import type { StreamServer } from '../socket/server/stream-server.ts';
import { type ReceivedSyslog, parseSyslog, syslogFrameDecoder } from './codec.ts';

/** Takes one message. While its promise is pending, that client's next message waits. */
export type SyslogReceiver = (message: ReceivedSyslog, from: SocketAddress | string) => void | Promise<void>;

interface ReceiverOptions {
  /** A longer message closes its connection; datagrams are cut. Default 65,536 bytes. */
  readonly maxMessageBytes?: number | undefined;
}

export type SyslogServerOptions =
  (ReceiverOptions & Omit<ServeStreamOptions, 'handler'>) | (ReceiverOptions & Omit<ServeDatagramOptions, 'handler'>);

/**
 * A syslog server: messages of either format, over UDP, or over TCP, TLS and Unix sockets in frames of either kind, as they come. It takes all
 * options of `serve`: limits, rates, idle timeouts, drain.
 */
export function serveSyslog(
  options: ReceiverOptions & Omit<ServeStreamOptions, 'handler'>,
  receive: SyslogReceiver,
): Promise<StreamServer>;
export function serveSyslog(
  options: ReceiverOptions & Omit<ServeDatagramOptions, 'handler'>,
  receive: SyslogReceiver,
): Promise<DatagramServer>;
export async function serveSyslog(
  options: SyslogServerOptions,
  receive: SyslogReceiver,
): Promise<StreamServer | DatagramServer> {
  if (typeof receive !== 'function') throw new UsageError('a function that takes the messages is needed');
  const { maxMessageBytes, ...rest } = options;
  const maxBytes = wholeNumber('maxMessageBytes', maxMessageBytes ?? 65_536);
  if (rest.protocol === 'udp')
    return serve({
      ...rest,
      handler: ({ data, address }) => receive(parseSyslog(data.subarray(0, maxBytes)), address),
    });
  return serve({
    ...rest,
    async handler(client) {
      const decode = syslogFrameDecoder(maxBytes);
      for (let frame = await client.readFrame(decode); frame !== undefined; frame = await client.readFrame(decode)) {
        const received = receive(parseSyslog(frame), client.address);
        if (received !== undefined) await received;
      }
    },
  });
}
