import { type ChildProcess, spawn } from 'node:child_process';
import { type Socket as DatagramSocket, createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { type Server, type Socket, createServer, isIPv6 } from 'node:net';
import { LimitError, UnsupportedError, UsageError, messageOf } from '../../errors.ts';
import { checkHost, formatHostPort, parsePort } from '../address.ts';
import { notify } from '../notify.ts';
import { listenOn } from '../stream-listener.ts';
import { systemError } from '../system-error.ts';
import { checkPath } from '../unix.ts';
import { type SuperService, parseInetd } from './inetd.ts';

export interface SuperServerOptions {
  /** What programs find in their environment. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Hears of programs that cannot be started, that fail, and of connections that are refused. */
  readonly onError?: ((error: unknown, service: SuperService) => void) | undefined;
}

/** A service that is listened for. */
export interface RunningService {
  readonly service: SuperService;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly path: string | undefined;
}

const MAX_INSTANCES = 40;
/** A program that waits and ends at once is not started again before this. */
const RESTART_MS = 1000;
/** What a program that is told to end may take. */
const END_MS = 1000;

interface Slot extends RunningService {
  /** Undefined while a program has the only hold of a listening socket. */
  readonly server: Server | DatagramSocket | undefined;
  readonly children: Set<ChildProcess>;
  restart?: NodeJS.Timeout;
}

/**
 * Starts programs for others to talk to, as inetd and xinetd do. A 'nowait' program is started for each connection, which is its standard input and
 * output. A 'wait' program gets the listening socket as its standard input, and is started with the server and again when it ends:
 * Node cannot see that somebody knocks without letting them in. While it is started again its port is closed for a moment.
 *
 *     const server = await SuperServer.start('127.0.0.1:2000 stream tcp nowait nobody /bin/cat cat');
 */
export class SuperServer implements AsyncDisposable {
  readonly #options: SuperServerOptions;
  readonly #slots: Slot[] = [];
  #closed = false;

  private constructor(options: SuperServerOptions) {
    this.#options = options;
  }

  /** Listens for all services, described by a list or by the text of an inetd.conf; or for none, when one cannot be had. */
  static async start(
    services: string | readonly SuperService[],
    options: SuperServerOptions = {},
  ): Promise<SuperServer> {
    const server = new SuperServer(options);
    const list = typeof services === 'string' ? parseInetd(services) : services;
    const checked = list.map((service) => ({ service, ids: check(service) }));
    try {
      for (const { service, ids } of checked) await server.#open(service, ids);
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  get services(): readonly RunningService[] {
    return this.#slots;
  }

  /** Programs that run now. */
  get running(): number {
    return this.#slots.reduce((sum, { children }) => sum + children.size, 0);
  }

  /** Stops listening, and ends the programs: politely, and after a second for good. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const slot of this.#slots) {
      clearTimeout(slot.restart);
      slot.server?.close();
    }
    const children = this.#slots.flatMap((slot) => [...slot.children]);
    this.#slots.length = 0;
    await Promise.all(children.map(end));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(service: SuperService, ids: Ids): Promise<void> {
    const { host = '127.0.0.1', port = 0, protocol } = service;
    const path = protocol === 'unix' ? service.path : undefined;
    const where = path ?? formatHostPort(host, port);
    try {
      if (protocol === 'udp') {
        const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
        await new Promise<void>((resolve, reject) => {
          socket.once('error', reject);
          socket.bind({ address: host, port, exclusive: true }, resolve);
        });
        stopReading(socket);
        const slot = {
          service,
          server: socket,
          children: new Set<ChildProcess>(),
          host,
          port: socket.address().port,
          path,
        };
        this.#add(slot);
        this.#keepRunning(slot, ids, fdOf(socket));
        return;
      }
      if (service.wait) {
        await this.#startWaiting({ service, server: undefined, children: new Set(), host, port, path }, ids);
        return;
      }
      const children = new Set<ChildProcess>();
      const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
        this.#serve(socket, service, ids, children),
      );
      await listenOn(server, path === undefined ? { host, port } : { path });
      const bound = server.address();
      const actual = typeof bound === 'object' && bound !== null ? bound.port : undefined;
      this.#add({ service, server, children, host: path === undefined ? host : undefined, port: actual, path });
    } catch (error) {
      throw systemError(`cannot listen on ${where} for ${service.name}`, error, { phase: 'listen' });
    }
  }

  #add(slot: Slot): void {
    this.#slots.push(slot);
    slot.server?.on('error', (error: Error) => this.#report(error, slot.service));
  }

  /** One program for one connection. */
  #serve(socket: Socket, service: SuperService, ids: Ids, children: Set<ChildProcess>): void {
    socket.on('error', () => {});
    if (children.size >= (service.maxInstances ?? MAX_INSTANCES)) {
      socket.destroy();
      this.#report(new LimitError(`${service.name} runs ${children.size} times already`, { temporary: true }), service);
      return;
    }
    this.#spawn(service, ids, fdOf(socket), children, {
      REMOTE_HOST: socket.remoteAddress,
      REMOTE_PORT: socket.remotePort === undefined ? undefined : String(socket.remotePort),
    });
    // The program has its own hold of it now.
    socket.destroy();
  }

  /** Listens, and leaves the socket to the program alone, in one turn: of two that accept, one would take what is the other's. */
  async #startWaiting(slot: Slot, ids: Ids): Promise<void> {
    const { host, port } = slot;
    const server = createServer();
    await listenOn(server, { host, port });
    const { port: actual } = server.address() as { port: number };
    const known = this.#slots.includes(slot) ? slot : { ...slot, port: actual };
    if (known !== slot) this.#add(known);
    this.#keepRunning(known, ids, fdOf(server));
    server.close();
  }

  #keepRunning(slot: Slot, ids: Ids, fd: number): void {
    const { service } = slot;
    const again = (): void => {
      if (this.#closed) return;
      slot.restart = setTimeout(() => {
        if (slot.server !== undefined) this.#keepRunning(slot, ids, fd);
        else
          this.#startWaiting(slot, ids).catch((error: unknown) => {
            this.#report(systemError(`cannot listen for ${service.name} again`, error, { phase: 'listen' }), service);
            again();
          });
      }, RESTART_MS);
    };
    const child = this.#spawn(service, ids, fd, slot.children, {});
    child?.once('exit', again);
  }

  #spawn(
    service: SuperService,
    ids: Ids,
    fd: number,
    children: Set<ChildProcess>,
    env: NodeJS.ProcessEnv,
  ): ChildProcess | undefined {
    try {
      const child = spawn(service.program, [...(service.args ?? [])], {
        ...ids,
        env: { ...(this.#options.env ?? process.env), ...env },
        stdio: [fd, fd, 'inherit'],
      });
      children.add(child);
      child.once('error', (error) => {
        children.delete(child);
        this.#report(new UsageError(`${service.name}: ${service.program} cannot be run: ${messageOf(error)}`), service);
      });
      child.once('exit', (code) => {
        children.delete(child);
        if (code !== 0 && code !== null && !this.#closed)
          this.#report(new Error(`${service.name}: ${service.program} ended with ${code}`), service);
      });
      return child;
    } catch (error) {
      this.#report(error, service);
      return undefined;
    }
  }

  #report(error: unknown, service: SuperService): void {
    const { onError } = this.#options;
    if (onError !== undefined) notify('onError', (reported: unknown) => onError(reported, service), error);
  }
}

interface Ids {
  readonly uid?: number;
  readonly gid?: number;
}

function check(service: SuperService): Ids {
  const { name, protocol, wait, program } = service;
  if (typeof program !== 'string' || !program.startsWith('/'))
    throw new UsageError(`${name}: the program must be a whole path; got ${JSON.stringify(program)}`);
  if (!['tcp', 'udp', 'unix'].includes(protocol)) throw new UsageError(`${name}: protocol must be tcp, udp or unix`);
  if (protocol === 'udp' && !wait)
    throw new UnsupportedError(`${name}: a datagram has no connection to give a program`, {
      hint: 'use wait: the program reads the socket',
    });
  if (protocol === 'unix' && wait)
    throw new UnsupportedError(`${name}: Node removes a Unix socket's file when it gives the socket away`, {
      hint: 'use nowait, or a TCP port of this machine',
    });
  if (protocol === 'unix') checkPath(service.path);
  else {
    parsePort(service.port);
    if (service.host !== undefined) checkHost(service.host);
  }
  return service.user === undefined || service.user === '' ? {} : idsOf(name, service.user);
}

function idsOf(name: string, user: string): Ids {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((each) => each.split(':'))
    .find(([each]) => each === user);
  if (line === undefined) throw new UsageError(`${name}: there is no user ${JSON.stringify(user)}`);
  const [uid, gid] = [Number(line[2]), Number(line[3])];
  if (process.getuid?.() === uid) return {};
  if (process.getuid?.() !== 0) throw new UsageError(`${name}: only root may run a program as ${user}`);
  return { uid, gid };
}

/** Node has no public way to ask for it. */
function fdOf(holder: Socket | Server | DatagramSocket): number {
  const handle = isDatagram(holder) ? handleOf(holder) : (holder as { _handle?: { fd?: number } })._handle;
  if (handle?.fd === undefined) throw new UnsupportedError('this version of Node does not tell a socket’s descriptor');
  return handle.fd;
}

const isDatagram = (holder: object): holder is DatagramSocket => 'setBroadcast' in holder;

/** `_handle` of a datagram socket is deprecated, and warns. */
function handleOf(socket: DatagramSocket): { fd?: number; recvStop?: () => void } | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find((each) => each.description === 'state symbol');
  const states = socket as unknown as Record<symbol, { handle?: { fd?: number; recvStop?: () => void } } | undefined>;
  return symbol === undefined ? undefined : states[symbol]?.handle;
}

/** The program is to read it, not we. */
const stopReading = (socket: DatagramSocket): void => handleOf(socket)?.recvStop?.();

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(timer);
}
