// What runs in a worker thread or process of a server: it is given connections, and serves them with the handler of the module it is told.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { ClosedError, PostwireError, messageOf } from '../../errors.ts';
import { PortStream } from './port-stream.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './runners.ts';
import { type StreamHandler, type StreamHooks, isClass, serveStream } from './serve-stream.ts';

const draining = new AbortController();
const hooks: StreamHooks = { draining: draining.signal, closers: new Set() };
let settings: WorkerSettings | undefined;
let handler: StreamHandler | undefined;

function tell(message: FromWorker): void {
  if (parentPort !== null) parentPort.postMessage(message);
  // A server that died meanwhile is told nothing.
  else if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

async function load({ module, name = 'handler' }: WorkerSettings['handler']): Promise<StreamHandler> {
  const url = /^(?:file|data|node):/.test(module) ? module : pathToFileURL(module).href;
  const exported = ((await import(url)) as Record<string, unknown>)[name] as StreamHandler;
  isClass(exported);
  return exported;
}

async function serveOne(message: ToWorker & { readonly kind: 'serve' }, stream: Duplex): Promise<void> {
  try {
    if (handler === undefined || settings === undefined) throw new ClosedError('the worker has no handler');
    await serveStream(stream, handler, settings.stream, message.peer, hooks);
    tell({ kind: 'done', id: message.id });
  } catch (error) {
    const code = error instanceof PostwireError ? error.code : 'CLOSED';
    tell({ kind: 'done', id: message.id, error: { code, message: messageOf(error) } });
  }
}

function receive(message: ToWorker, socket?: Socket): void {
  switch (message.kind) {
    case 'settings':
      settings = message.settings;
      load(settings.handler).then(
        (loaded) => {
          handler = loaded;
          tell({ kind: 'ready' });
        },
        (error: unknown) => tell({ kind: 'failed', error: messageOf(error) }),
      );
      return;
    case 'serve': {
      // A socket may have ended on its way here.
      const stream = parentPort === null ? socket : new PortStream(message.port as MessagePort);
      if (stream === undefined) tell({ kind: 'done', id: message.id });
      else void serveOne(message, stream);
      return;
    }
    case 'drain':
      draining.abort(new ClosedError('the server stops'));
      return;
    case 'close':
      for (const close of hooks.closers) close(new ClosedError('the server was closed'));
      // Not within the message's own turn: Node still works on the channel.
      if (parentPort === null) setImmediate(() => process.disconnect());
      else parentPort.close();
  }
}

if (parentPort === null) {
  process.on('message', receive as (message: unknown, socket: unknown) => void);
  process.on('disconnect', () => process.exit(0));
} else parentPort.on('message', receive);
