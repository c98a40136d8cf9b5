import { UsageError } from '../../errors.ts';
import { checkOptions, nearest } from '../../wire/arguments.ts';
import { resolveLimits } from '../../wire/limits.ts';
import { resolveTimeouts } from '../deadlines.ts';
import { type DatagramHandler, DatagramServer, type DatagramServerOptions } from './datagram-server.ts';
import { type HandlerModule, ProcessRunner, ThreadRunner, type WorkerSettings, isHandlerModule } from './runners.ts';
import { type StreamHandler, isClass, withTicketKeys } from './serve-stream.ts';
import { type ServerAddress, parseServerAddress } from './server-address.ts';
import { StreamServer, type StreamServerOptions } from './stream-server.ts';

/**
 * How many handlers run at once: 'serial' (one after the other), a number, 'unbounded' (the default), or elsewhere: in threads or processes, each
 * with any number of connections, which share the port.
 */
export type Concurrency =
  'serial' | 'unbounded' | number | { readonly threads: number } | { readonly processes: number };

interface Place {
  readonly address: ServerAddress;
  readonly concurrency?: Concurrency | undefined;
}

export interface ServeStreamOptions extends Place, Omit<StreamServerOptions, 'concurrency'> {
  /** 'tls' is TLS from the first byte; for STARTTLS it is 'tcp', with `startTls`. */
  readonly protocol: 'tcp' | 'tls' | 'unix';
  /** A function or a class; with threads or processes the module that exports it. */
  readonly handler: StreamHandler | HandlerModule;
}

export interface ServeDatagramOptions extends Place, Omit<DatagramServerOptions, 'concurrency'> {
  readonly protocol: 'udp';
  readonly handler: DatagramHandler;
}

const shared = ['protocol', 'address', 'handler', 'concurrency', 'autoStart', 'verifyRequest', 'onError'];
const gate = ['maxConnections', 'maxConnectionsPerPeer', 'rate', 'ratePerPeer'];
const stream = [
  'name',
  'tls',
  'startTls',
  'timeouts',
  'limits',
  'proxyProtocol',
  'trace',
  'showReceived',
  'backlog',
  'allowHalfOpen',
  'maxBytesPerConnection',
  'bytesPerConnection',
];

/**
 * Starts a server.
 *
 *     const server = await serve({
 *       protocol: 'tcp',
 *       address: { host: '127.0.0.1', port: 8000 },
 *       async handler(client) {
 *         for await (const line of client) await client.writeLine(line.toUpperCase());
 *       },
 *     });
 *     await server.drain({ deadlineMs: 5000 });
 *
 * ConnectError, whose `reason` is the classic code, when the address cannot be had.
 */
export function serve(options: ServeStreamOptions): Promise<StreamServer>;
export function serve(options: ServeDatagramOptions): Promise<DatagramServer>;
export async function serve(
  options: ServeStreamOptions | ServeDatagramOptions,
): Promise<StreamServer | DatagramServer> {
  if (typeof options !== 'object' || options === null)
    throw new UsageError('serve takes { protocol, address, handler }');
  const { protocol } = options;
  if (!['tcp', 'tls', 'unix', 'udp'].includes(protocol)) {
    const near = typeof protocol === 'string' ? nearest(protocol, ['tcp', 'tls', 'unix', 'udp']) : undefined;
    throw new UsageError(
      `protocol must be 'tcp', 'tls', 'unix' or 'udp'; got ${JSON.stringify(protocol)}${near === undefined ? '' : `; did you mean '${near}'?`}`,
    );
  }
  return options.protocol === 'udp' ? serveDatagrams(options) : serveStreams(options);
}

async function serveDatagrams(options: ServeDatagramOptions): Promise<DatagramServer> {
  checkOptions('serve', options, [...shared, ...gate, 'maxQueuedBytes']);
  const { protocol, address, handler, concurrency = 'unbounded', ...rest } = options;
  if (typeof concurrency === 'object')
    throw new UsageError('datagrams are served in this process', {
      hint: "use concurrency: 'serial', a number or 'unbounded'",
    });
  isClass(handler);
  return DatagramServer.bind(parseServerAddress(address, protocol), handler, {
    ...rest,
    concurrency: handlersAtOnce(concurrency),
  });
}

async function serveStreams(options: ServeStreamOptions): Promise<StreamServer> {
  checkOptions('serve', options, [...shared, ...gate, ...stream]);
  const { protocol, address, handler, concurrency = 'unbounded', ...rest } = options;
  resolveTimeouts(rest.timeouts);
  resolveLimits(rest.limits);
  if (protocol === 'tls' && rest.tls === undefined) throw new UsageError("protocol 'tls' needs tls: { key, cert }");
  if (protocol !== 'tls' && rest.tls !== undefined)
    throw new UsageError(`tls goes with protocol 'tls'; for STARTTLS over '${protocol}' give startTls`);
  const place = parseServerAddress(address, protocol);
  if (typeof concurrency !== 'object') {
    if (isHandlerModule(handler))
      throw new UsageError('a module as handler needs concurrency: { threads } or { processes }');
    isClass(handler);
    return StreamServer.listen(place, handler, { ...rest, concurrency: handlersAtOnce(concurrency) });
  }
  if (!isHandlerModule(handler))
    throw new UsageError('threads and processes cannot be given a function', {
      hint: "name the module that exports it: handler: { module: new URL('./handler.js', import.meta.url), name: 'handle' }",
    });
  checkElsewhere(rest);
  const settings: WorkerSettings = {
    handler: { module: String(handler.module), name: handler.name },
    stream: withTicketKeys(Object.fromEntries(Object.entries(rest).filter(([key]) => stream.includes(key)))),
  };
  const [kind, count] = (Object.entries(concurrency)[0] ?? []) as [string?, number?];
  if (
    (kind !== 'threads' && kind !== 'processes') ||
    count === undefined ||
    !Number.isInteger(count) ||
    count < 1 ||
    count > 1024
  )
    throw new UsageError(`concurrency is 'serial', 'unbounded', a number, { threads: n } or { processes: n }`);
  const runner = kind === 'threads' ? new ThreadRunner(settings, count) : new ProcessRunner(settings, count);
  try {
    // A handler that cannot be loaded is known now, and not when the first client comes.
    await runner.ready();
    return await StreamServer.listen(
      place,
      () => undefined,
      { ...rest, concurrency: Number.POSITIVE_INFINITY },
      runner,
    );
  } catch (error) {
    await runner.close();
    throw error;
  }
}

function checkElsewhere(options: Omit<StreamServerOptions, 'concurrency'>): void {
  for (const name of ['trace', 'showReceived'] as const)
    if (options[name] !== undefined)
      throw new UsageError(`${name} is a function of this process; threads and processes cannot call it`);
  if (options.proxyProtocol === true && options.verifyRequest !== undefined)
    throw new UsageError('behind a proxy the client is known in the thread or process only: verify it in the handler');
}

function handlersAtOnce(concurrency: 'serial' | 'unbounded' | number): number {
  if (concurrency === 'serial') return 1;
  if (concurrency === 'unbounded') return Number.POSITIVE_INFINITY;
  if (Number.isInteger(concurrency) && concurrency > 0) return concurrency;
  throw new UsageError(
    `concurrency is 'serial', 'unbounded', a number, { threads: n } or { processes: n }; got ${JSON.stringify(concurrency)}`,
  );
}
