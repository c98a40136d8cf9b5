import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { MessageChannel, Worker } from 'node:worker_threads';
import { ClosedError, ConnectError, PostwireError, UsageError } from '../../errors.ts';
import type { SocketAddress } from '../socket-address.ts';
import { PortStream } from './port-stream.ts';
import type { StreamSettings } from './serve-stream.ts';
import type { Runner } from './stream-server.ts';

/** Where a handler is found by threads and processes. */
export interface HandlerModule {
  readonly module: string | URL;
  /** What the module exports it as. Default 'handler'. */
  readonly name?: string | undefined;
}

export interface WorkerSettings {
  readonly handler: { readonly module: string; readonly name: string | undefined };
  readonly stream: StreamSettings;
}

/** What the server tells a worker. A process gets the socket with 'serve', a thread the port of its bytes. */
export type ToWorker =
  | { readonly kind: 'settings'; readonly settings: WorkerSettings }
  | { readonly kind: 'serve'; readonly id: number; readonly peer: SocketAddress | string; readonly port?: unknown }
  | { readonly kind: 'drain' }
  | { readonly kind: 'close' };

/** What a worker tells the server. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'done'; readonly id: number; readonly error?: { code: string; message: string } | undefined };

export function isHandlerModule(handler: unknown): handler is HandlerModule {
  const module: unknown =
    typeof handler === 'object' && handler !== null ? (handler as HandlerModule).module : undefined;
  return typeof module === 'string' || module instanceof URL;
}

/** How long a worker that was told to end may take. */
const END_MS = 1000;

/** One thread or process, and the connections that it has. */
interface Hand {
  readonly ready: Promise<void>;
  readonly pending: Map<number, { resolve: () => void; reject: (error: Error) => void }>;
  send(message: ToWorker, socket?: Socket): void;
  end(): Promise<void>;
}

/** Gives each connection to the hand that has the fewest; a hand that dies is replaced by the next connection. */
abstract class HandsRunner implements Runner {
  readonly #hands: (Hand | undefined)[];
  #ids = 0;
  #closed = false;

  constructor(count: number) {
    this.#hands = Array.from({ length: count }, () => undefined);
  }

  protected abstract hire(): Hand;
  /** Resolves, at the latest soon after the handler has ended, when the server is done with the socket. */
  protected abstract give(hand: Hand, id: number, socket: Socket, peer: SocketAddress | string): Promise<void>;

  /** All of them at once, so that the first connections do not wait. */
  protected hireAll(): void {
    for (let at = 0; at < this.#hands.length; at++) this.#hands[at] = this.#hireAt(at);
  }

  async run(socket: Socket, peer: SocketAddress | string): Promise<void> {
    if (this.#closed) throw new ClosedError('the server was closed');
    let least = 0;
    for (let at = 0; at < this.#hands.length; at++)
      if ((this.#hands[at]?.pending.size ?? 0) < (this.#hands[least]?.pending.size ?? 0)) least = at;
    const hand = (this.#hands[least] ??= this.#hireAt(least));
    const id = ++this.#ids;
    const done = new Promise<void>((resolve, reject) => hand.pending.set(id, { resolve, reject }));
    done.catch(() => undefined);
    await hand.ready;
    const given = this.give(hand, id, socket, peer);
    try {
      await done;
    } finally {
      await given;
    }
  }

  /** Resolves when every hand can serve; rejects with why one cannot. */
  async ready(): Promise<void> {
    await Promise.all(this.#hands.map(async (hand) => hand?.ready));
  }

  drain(): void {
    for (const hand of this.#hands) hand?.send({ kind: 'drain' });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#hands.map(async (hand) => hand?.end()));
  }

  #hireAt(at: number): Hand {
    const hand = this.hire();
    hand.ready.catch(() => {
      if (this.#hands[at] === hand) this.#hands[at] = undefined;
    });
    return hand;
  }

  /** The part that threads and processes share: messages in, and what their end means. */
  protected watch(
    events: {
      on(event: 'message', listener: (message: FromWorker) => void): unknown;
      on(event: 'exit', listener: (code: number | null) => void): unknown;
      on(event: 'error', listener: (error: Error) => void): unknown;
    },
    what: string,
  ): { pending: Hand['pending']; ready: Promise<void>; exited: Promise<void> } {
    const pending: Hand['pending'] = new Map();
    let onExit!: () => void;
    const exited = new Promise<void>((resolve) => (onExit = resolve));
    const ready = new Promise<void>((resolve, reject) => {
      const gone = (error: Error): void => {
        reject(error);
        for (const { reject: rejectOne } of pending.values()) rejectOne(error);
        pending.clear();
        for (let at = 0; at < this.#hands.length; at++)
          if (this.#hands[at]?.pending === pending) this.#hands[at] = undefined;
      };
      events.on('message', (message) => {
        if (message.kind === 'ready') resolve();
        else if (message.kind === 'failed') gone(new UsageError(`the handler cannot be loaded: ${message.error}`));
        else {
          const waiting = pending.get(message.id);
          pending.delete(message.id);
          if (message.error === undefined) waiting?.resolve();
          else waiting?.reject(new PostwireError(message.error.code as 'CLOSED', message.error.message));
        }
      });
      events.on('error', (error) => gone(new ConnectError(`${what} failed: ${error.message}`, { cause: error })));
      events.on('exit', (code) => {
        gone(new ClosedError(`${what} ended${code === null ? '' : ` with ${code}`}; its connections are lost`));
        onExit();
      });
    });
    ready.catch(() => undefined);
    return { pending, ready, exited };
  }
}

const entry = (): URL => new URL('./worker-entry.js', import.meta.url);

/** Handlers in threads. The server's thread moves the bytes. */
export class ThreadRunner extends HandsRunner {
  readonly #settings: WorkerSettings;

  constructor(settings: WorkerSettings, count: number) {
    super(count);
    this.#settings = settings;
    this.hireAll();
  }

  protected hire(): Hand {
    const worker = new Worker(entry(), { workerData: { postwireWorker: true } });
    const { pending, ready, exited } = this.watch(worker, 'a worker thread');
    worker.postMessage({ kind: 'settings', settings: this.#settings } satisfies ToWorker);
    return {
      ready,
      pending,
      send: (message) => {
        const port = 'port' in message ? [message.port as never] : [];
        worker.postMessage(message, port);
      },
      end: async () => {
        worker.postMessage({ kind: 'close' } satisfies ToWorker);
        const timer = setTimeout(() => void worker.terminate(), END_MS);
        await exited;
        clearTimeout(timer);
      },
    };
  }

  protected give(hand: Hand, id: number, socket: Socket, peer: SocketAddress | string): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const relay = new PortStream(port1);
    relay.on('error', ignore);
    socket.setNoDelay(true);
    socket.pipe(relay);
    relay.pipe(socket);
    const closed = new Promise<void>((resolve) => {
      if (socket.closed) resolve();
      socket.once('close', () => {
        relay.destroy();
        resolve();
      });
      relay.once('close', () => {
        // What the handler has written leaves still; a client that does not take it is not waited for.
        const timer = setTimeout(() => socket.destroy(), END_MS);
        socket.once('close', () => clearTimeout(timer));
        socket.destroySoon();
      });
    });
    hand.send({ kind: 'serve', id, peer, port: port2 });
    return closed;
  }
}

/** Handlers in processes, which get the sockets themselves. */
export class ProcessRunner extends HandsRunner {
  readonly #settings: WorkerSettings;

  constructor(settings: WorkerSettings, count: number) {
    super(count);
    this.#settings = settings;
    this.hireAll();
  }

  protected hire(): Hand {
    const child: ChildProcess = fork(entry(), { serialization: 'advanced' });
    const { pending, ready, exited } = this.watch(child, 'a worker process');
    child.send({ kind: 'settings', settings: this.#settings } satisfies ToWorker, ignore);
    return {
      ready,
      pending,
      send: (message, socket) => {
        if (!child.connected) return;
        if (socket === undefined) child.send(message, ignore);
        else child.send(message, socket, {}, ignore);
      },
      end: async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        if (child.connected) child.send({ kind: 'close' } satisfies ToWorker, ignore);
        const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
        await exited;
        clearTimeout(timer);
      },
    };
  }

  protected give(hand: Hand, id: number, socket: Socket, peer: SocketAddress | string): Promise<void> {
    hand.send({ kind: 'serve', id, peer }, socket);
    return Promise.resolve();
  }
}

const ignore = (): void => {};
