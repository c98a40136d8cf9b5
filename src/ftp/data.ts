import { ConnectError, ProtocolError, TimeoutError, UsageError } from '../errors.ts';
import { isLoopback } from '../socket/address.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { dial } from '../socket/dial.ts';
import { type Listener, listen } from '../socket/listener.ts';
import { type DataAddress, formatEprt, formatHostPortNumbers, parseEpsv, parsePasv } from './codec.ts';
import type { FtpControl } from './control.ts';
import type { ResolvedFtpTarget } from './target.ts';

/** A data connection under way. */
export interface DataChannel {
  /** The open connection. Never an unhandled rejection: it may be left alone. */
  readonly opened: Promise<Connection>;
  /** Gives it up, in whatever state it is, with a reset: the server must not take the end for that of the file. */
  cancel(reason?: Error): void;
}

/** What is known of the server's data connections. */
export interface DataState {
  /** False once EPSV was refused. */
  extended: boolean;
  /** True when PROT P is in force. */
  private: boolean;
}

/** Prepares the next data connection; the server connects, or is connected to, once the transfer command has left. */
export function openData(
  control: FtpControl,
  target: ResolvedFtpTarget,
  state: DataState,
  call: CallOptions,
): Promise<DataChannel> {
  return target.dataMode === 'passive' ? passive(control, target, state, call) : active(control, target, state, call);
}

async function passive(
  control: FtpControl,
  target: ResolvedFtpTarget,
  state: DataState,
  call: CallOptions,
): Promise<DataChannel> {
  const address = await passiveAddress(control, target, state, call);
  const { connection } = control;
  const controller = new AbortController();
  let open: Connection | undefined;
  const opened = dial(
    {
      protocol: 'FTP data',
      host: address.host as string,
      port: address.port,
      implicitTls: state.private,
      tls: target.tls,
      resume: connection.tlsSession,
    },
    { ...target.dial, timeouts: dataTimeouts(connection), signal: controller.signal },
  ).then((dialled) => {
    open = dialled;
    return dialled;
  });
  opened.catch(() => undefined);
  return {
    opened,
    cancel(reason) {
      controller.abort(reason ?? new ConnectError('the data connection was given up', { protocol: 'FTP' }));
      open?.reset();
    },
  };
}

/** EPSV, and PASV once that was refused; never to another host unless asked. @see RFC 2428 section 3 */
export async function passiveAddress(
  control: FtpControl,
  target: ResolvedFtpTarget,
  state: DataState,
  call: CallOptions,
): Promise<DataAddress> {
  const { connection } = control;
  // Through a proxy only the name is known.
  const peer = target.dial.connect === undefined ? (connection.remoteAddress ?? connection.host) : connection.host;
  const isIpv6 = peer.includes(':') && !/^::ffff:\d/i.test(peer);
  if (state.extended || isIpv6) {
    const reply = await control.ask(control.line('EPSV'), call);
    if (reply.code === 229)
      return { host: peer, port: outOfStep(control, () => parseEpsv(reply.lines.join(' '))).port };
    if (isIpv6 || reply.code < 500) throw control.refusal('EPSV', reply);
    state.extended = false;
  }
  const reply = await control.demand(control.line('PASV'), call, [227]);
  const address = outOfStep(control, () => parsePasv(reply.lines.join(' ')));
  if (target.foreignAddress === 'follow') return address;
  if (target.foreignAddress === 'error' && address.host !== peer.replace(/^::ffff:/i, '') && !isLoopback(peer))
    throw new ProtocolError(`the server ${peer} wants a data connection to another host, ${address.host ?? ''}`, {
      protocol: 'FTP',
      reason: 'FOREIGN_ADDRESS',
      reusable: true,
      hint: "a server behind NAT may say so by mistake: foreignAddress: 'ignore' connects to the server itself",
    });
  return { host: peer, port: address.port };
}

/** An answer that cannot be read: nothing more is believed on this connection. */
function outOfStep<T>(control: FtpControl, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    control.connection.destroy(error as Error);
    throw error;
  }
}

async function active(
  control: FtpControl,
  target: ResolvedFtpTarget,
  state: DataState,
  call: CallOptions,
): Promise<DataChannel> {
  const { connection } = control;
  const host = target.activeHost ?? connection.localAddress?.replace(/^::ffff:/i, '');
  if (host === undefined)
    throw new UsageError('active mode needs activeHost where the connection goes through a proxy');
  let settle!: { resolve: (connection: Connection) => void; reject: (error: unknown) => void };
  const accepted = new Promise<Connection>((resolve, reject) => {
    settle = { resolve, reject };
  });
  accepted.catch(() => undefined);
  let taken: Connection | undefined;
  const listener = await listenIn(host, target.activePorts, connection, async (incoming) => {
    // Whoever else connects is not the server: RFC 2577 section 3.
    const expected = connection.remoteAddress;
    if (taken !== undefined || (incoming.remoteAddress !== expected && target.foreignAddress !== 'follow')) return;
    taken = incoming;
    listener.stopListening();
    settle.resolve(incoming);
    await incoming.closed;
  });
  const timer = setTimeout(
    () => {
      settle.reject(
        new TimeoutError('the server did not open the data connection', {
          protocol: 'FTP',
          phase: 'connect',
          hint: "a firewall may keep it from connecting to this machine; try dataMode: 'passive'",
        }),
      );
    },
    Math.min(connection.timeouts.connectMs, 2 ** 31 - 1),
  );
  const opened = accepted.then(async (incoming) => {
    // In either mode the client begins the handshake: RFC 4217 section 7.
    if (state.private) await incoming.startTls(target.tls, { role: 'client', resume: connection.tlsSession });
    return incoming;
  });
  const done = (): void => {
    clearTimeout(timer);
    listener.close().catch(() => undefined);
  };
  opened.then((open) => {
    clearTimeout(timer);
    void open.closed.then(done);
  }, done);
  const cancel = (reason?: Error): void => {
    settle.reject(reason ?? new ConnectError('the data connection was given up', { protocol: 'FTP' }));
    taken?.reset();
    done();
  };
  try {
    const ipv6 = host.includes(':');
    if (state.extended || ipv6) {
      const reply = await control.ask(control.line('EPRT', formatEprt(host, listener.port)), call);
      if (reply.code >= 200 && reply.code < 300) return { opened, cancel };
      if (ipv6 || reply.code < 500) throw control.refusal('EPRT', reply);
      state.extended = false;
    }
    await control.demand(control.line('PORT', formatHostPortNumbers(host, listener.port)), call);
    return { opened, cancel };
  } catch (error) {
    cancel();
    throw error;
  }
}

async function listenIn(
  host: string,
  ports: readonly [number, number] | undefined,
  control: Connection,
  handler: (incoming: Connection) => Promise<void>,
): Promise<Listener> {
  const options = { host, protocol: 'FTP data', timeouts: dataTimeouts(control) };
  if (ports === undefined) return listen(options, handler);
  for (let port = ports[0]; ; port++) {
    try {
      return await listen({ ...options, port }, handler);
    } catch (error) {
      if (port >= ports[1] || (error as ConnectError).reason !== 'EADDRINUSE') throw error;
    }
  }
}

const dataTimeouts = ({ timeouts }: Connection): Connection['timeouts'] => ({
  ...timeouts,
  totalMs: Number.POSITIVE_INFINITY,
});
