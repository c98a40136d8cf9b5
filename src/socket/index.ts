export {
  type Endpoint,
  type EndpointOptions,
  type SchemeTable,
  type TlsMode,
  formatHostPort,
  parseTargetUrl,
  resolveEndpoint,
} from './address.ts';
export {
  type CallOptions,
  type CloseReason,
  Connection,
  type ConnectionOptions,
  type Phase,
  type ReadOptions,
} from './connection.ts';
export { type TimeoutOptions, type Timeouts, defaultTimeouts } from './deadlines.ts';
export { type DialOptions, type DialTarget, dial } from './dial.ts';
export type { Lookup, ResolvedAddress } from './happy-eyeballs.ts';
export { type ConnectionHandler, type ListenOptions, type Listener, listen } from './listener.ts';
export { type AddressBlock, addressFilter } from './address-filter.ts';
export { type Proxy, type ProxySetting, parseProxy, resolveProxies } from './proxy.ts';
export { readGreeting } from './greeting.ts';
export { duplexPair, memoryPair } from './memory.ts';
export { type QueueTask, SerialQueue } from './serial-queue.ts';
export { type ResolvedServer, type ServerOptions, type ServerTarget, dialServer, resolveServer } from './target.ts';
export type { ServerTlsOptions, TlsOptions, TlsSetting } from './tls.ts';
export { type Trace, type TraceEntry, Transcript, formatTraceEntry } from './transcript.ts';
export { StreamTransport, type TlsInfo, type Transport } from './transport.ts';
export { type Limits, defaultLimits } from '../wire/limits.ts';
export { type BodySpan, dottedDecoder } from '../wire/dotted.ts';
export { ByteQueue, type Decoder } from '../wire/byte-queue.ts';
export { type ByteSource, ByteStream } from '../wire/byte-stream.ts';
export { anyBytes, exactDecoder, lineDecoder, untilDecoder } from '../wire/line.ts';
export { type Reply, encodeReply, formatReply, replyDecoder } from '../wire/reply.ts';
export { type WirePart, commandLine, secret } from '../wire/arguments.ts';
export { StreamSocket, type SendOptions } from './stream-socket.ts';
export { TcpListener, type TcpListenOptions, TcpSocket, type TcpSocketOptions } from './tcp.ts';
export { UnixListener, UnixSocket } from './unix.ts';
export type { SocketFile, SocketFileOptions } from './socket-file.ts';
export type { HostPort, SocketAddress } from './socket-address.ts';
export { describeErrorCode, errorCode, errorNumber } from './system-error.ts';
export { type Datagram, UdpSocket, type UdpSocketOptions } from './udp.ts';
export {
  type AddressInfo,
  type AddressQuery,
  createSocket,
  getAddrInfo,
  getHostByAddr,
  getHostByName,
  getHostName,
  getNameInfo,
  getServByName,
  getServByPort,
} from './names.ts';
export { type Concurrency, type ServeDatagramOptions, type ServeStreamOptions, serve } from './server/serve.ts';
export { type DrainResult, StreamServer } from './server/stream-server.ts';
export {
  type DatagramHandler,
  type DatagramHandlerObject,
  type DatagramRequest,
  DatagramServer,
} from './server/datagram-server.ts';
export {
  type StreamHandler,
  type StreamHandlerObject,
  type StreamSettings,
  serveInMemory,
} from './server/serve-stream.ts';
export { StreamClient } from './server/stream-client.ts';
export type { HandlerModule } from './server/runners.ts';
export type { ServerAddress } from './server/server-address.ts';
export { type ProxyHeader, encodeProxyHeader, proxyHeaderDecoder } from './server/proxy-header.ts';
export { type SystemdSocket, systemdSockets } from './server/systemd.ts';
export { type Rate } from './rate.ts';
export {
  type LengthPrefix,
  encodeLengthPrefix,
  encodeNetstring,
  lengthPrefixDecoder,
  netstringDecoder,
} from '../wire/framing.ts';
export { type RunningService, SuperServer, type SuperServerOptions } from './server/super-server.ts';
export { type SuperService, parseInetd } from './server/inetd.ts';
