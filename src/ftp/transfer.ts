import { ClosedError, PostwireError, ProtocolError, ReplyError, TimeoutError } from '../errors.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { formatMs, timerMs } from '../socket/deadlines.ts';
import type { ShownBytes } from '../wire/arguments.ts';
import type { ByteQueue } from '../wire/byte-queue.ts';
import { EMPTY } from '../wire/bytes.ts';
import type { BodySpan } from '../wire/dotted.ts';
import type { FtpReply } from './codec.ts';
import { type FtpControl, verbOf } from './control.ts';
import type { DataChannel } from './data.ts';

/** How long the server may take to answer ABOR. */
const ABORT_MS = 10_000;
/** A refusal in mid-transfer: how long the data connection may go on. */
const REFUSED_GRACE_MS = 2000;
/** Storing what was sent may take the server longer than a plain command. */
const STORE_FACTOR = 5;

/** Whatever has come; the data ends with its connection. */
export const dataSpan = (queue: ByteQueue): BodySpan | undefined =>
  queue.length > 0
    ? { bytes: queue.take(queue.length), last: false }
    : queue.ended
      ? { bytes: EMPTY, last: true }
      : undefined;

/** The failure lies with the caller's own source or target, so the data connection is given up and the session kept. */
export class LocalFailure extends Error {
  constructor(cause: unknown) {
    super('the local side failed', { cause });
  }
}

/** The replies to a transfer, as they come; NOOP and ABOR may put theirs in between. */
class ReplyPump {
  readonly preliminary: Promise<FtpReply>;
  readonly final: Promise<FtpReply>;
  readonly #control: FtpControl;
  readonly #verb: string;
  #settlePreliminary!: (reply: FtpReply) => void;
  /** Replies that must come before the control connection is in step again. */
  #expected = 1;
  #finished = false;
  readonly #collected: FtpReply[] = [];

  constructor(control: FtpControl, verb: string) {
    this.#control = control;
    this.#verb = verb;
    let fail!: (error: unknown) => void;
    this.preliminary = new Promise((resolve, reject) => {
      this.#settlePreliminary = resolve;
      fail = reject;
    });
    this.final = this.#run();
    this.final.catch(fail);
    this.preliminary.catch(() => undefined);
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Sends a command whose answer may come before or behind the transfer's own. */
  interject(line: ShownBytes): void {
    if (this.#finished) return;
    this.#expected++;
    this.#control.connection.write([line]).catch(() => undefined);
  }

  async #run(): Promise<FtpReply> {
    try {
      while (this.#collected.length < this.#expected) {
        const reply = await this.#control.read(this.#verb, { timeoutMs: Number.POSITIVE_INFINITY });
        this.#settlePreliminary(reply);
        if (reply.code >= 200) this.#collected.push(reply);
      }
    } finally {
      this.#finished = true;
    }
    // 200 answers NOOP; a transfer ends with another code.
    return (this.#collected.find((reply) => reply.code !== 200) ?? this.#collected[0]) as FtpReply;
  }
}

export interface TransferPlan {
  readonly control: FtpControl;
  readonly data: DataChannel;
  readonly line: ShownBytes;
  readonly noopMs: number;
  readonly direction: 'download' | 'upload';
}

/**
 * One transfer: the command, the data connection, the replies. It has succeeded only when `body` is done and the server said so. A local
 * failure or an abort leaves the session in step; the data connection ends with a reset, so that the server does not take a part for the whole.
 */
export async function transfer<T>(
  plan: TransferPlan,
  call: CallOptions,
  body: (data: Connection, preliminary: FtpReply) => Promise<T>,
): Promise<{ readonly result: T; readonly reply: FtpReply }> {
  const { control, data, line } = plan;
  const { connection } = control;
  const verb = verbOf(line);
  const commandMs = call.timeoutMs ?? connection.timeouts.commandMs;
  let open: Connection | undefined;
  let stop!: (reason: unknown) => void;
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  stopped.catch(() => undefined);
  const onAbort = (): void => {
    data.cancel(call.signal?.reason as Error);
    stop(call.signal?.reason);
  };
  await connection.write([line]);
  const pump = new ReplyPump(control, verb);
  pump.final.catch(() => undefined);
  call.signal?.addEventListener('abort', onAbort);
  if (call.signal?.aborted === true) onAbort();
  let keepAlive: NodeJS.Timeout | undefined;
  let grace: NodeJS.Timeout | undefined;
  try {
    const preliminary = await Promise.race([within(connection, pump.preliminary, commandMs, verb), stopped]);
    if (preliminary.code >= 200) {
      data.cancel();
      if (preliminary.code >= 400) throw control.refusal(line.shown, preliminary);
      throw outOfStep(connection, `the server answered ${verb} with ${preliminary.code}, without a transfer`);
    }
    open = await Promise.race([data.opened, stopped, failure(pump.final, control, line)]);
    const connected = open;
    pump.final.then(
      (reply) => {
        if (reply.code < 400) return;
        grace = setTimeout(() => connected.destroy(control.refusal(line.shown, reply)), REFUSED_GRACE_MS);
      },
      (error: unknown) => connected.destroy(error as Error),
    );
    if (plan.noopMs !== Number.POSITIVE_INFINITY) {
      keepAlive = setInterval(() => pump.interject(control.line('NOOP')), timerMs(plan.noopMs));
      keepAlive.unref();
    }
    const result = await Promise.race([body(connected, preliminary), stopped]);
    const reply = await Promise.race([
      within(connection, pump.final, plan.direction === 'upload' ? commandMs * STORE_FACTOR : commandMs, verb),
      stopped,
    ]);
    if (reply.code >= 400) throw control.refusal(line.shown, reply);
    return { result, reply };
  } catch (error) {
    throw await settle(plan, pump, call, error, commandMs);
  } finally {
    clearInterval(keepAlive);
    clearTimeout(grace);
    call.signal?.removeEventListener('abort', onAbort);
    open?.destroy();
  }
}

/** Brings the control connection back in step after a failure, or closes it, and says what the caller shall see. */
async function settle(
  plan: TransferPlan,
  pump: ReplyPump,
  call: CallOptions,
  error: unknown,
  commandMs: number,
): Promise<unknown> {
  const { control, data, line } = plan;
  const { connection } = control;
  const aborted = call.signal?.aborted === true;
  const local = error instanceof LocalFailure;
  const shown = aborted ? call.signal?.reason : local ? error.cause : error;
  // What the connection itself died of is the better explanation.
  if (!connection.open) {
    data.cancel();
    return aborted || local || error instanceof ReplyError ? shown : (connection.failure ?? shown);
  }
  data.cancel(shown instanceof Error ? shown : undefined);
  if (pump.finished) {
    const reply = await pump.final;
    // The data broke because the server refused: its words say why.
    return reply.code >= 400 && !aborted && !local && !(error instanceof ReplyError)
      ? control.refusal(line.shown, reply, error)
      : keepsSession(shown);
  }
  // A server that has closed the data by itself will say why; one that waits for us must be told.
  const byItself = !aborted && !local && error instanceof ClosedError;
  if (!byItself) pump.interject(control.line('ABOR'));
  try {
    const reply = await within(connection, pump.final, byItself ? commandMs : Math.min(ABORT_MS, commandMs), 'ABOR');
    if (byItself && reply.code >= 400) return control.refusal(line.shown, reply, error);
    return keepsSession(shown);
  } catch {
    return shown;
  }
}

/** The error of a data connection, when the control connection is in step. */
function keepsSession(error: unknown): unknown {
  if (error instanceof PostwireError && !error.reusable)
    Object.defineProperty(error, 'reusable', { value: true, configurable: true, enumerable: true });
  return error;
}

/** Rejects when the transfer ends with a refusal before its data connection is open. */
async function failure(final: Promise<FtpReply>, control: FtpControl, line: ShownBytes): Promise<never> {
  const reply = await final;
  if (reply.code >= 400) throw control.refusal(line.shown, reply);
  return new Promise<never>(() => {});
}

/** The promise, or a TimeoutError that closes the connection. */
async function within<T>(connection: Connection, promise: Promise<T>, timeoutMs: number, verb: string): Promise<T> {
  if (timeoutMs === Number.POSITIVE_INFINITY) return promise;
  const timer = setTimeout(() => {
    const { host, port } = connection;
    connection.destroy(
      new TimeoutError(
        `gave up waiting for the answer of FTP server ${host}:${port} to ${verb} after ${formatMs(timeoutMs)}`,
        {
          protocol: 'FTP',
          phase: 'command',
          command: verb,
          host,
          port,
          transcript: connection.transcript.last(),
        },
      ),
    );
  }, timerMs(timeoutMs));
  try {
    return await promise;
  } catch (error) {
    throw connection.failure instanceof TimeoutError ? connection.failure : error;
  } finally {
    clearTimeout(timer);
  }
}

export function outOfStep(connection: Connection, message: string): ProtocolError {
  const error = new ProtocolError(message, { protocol: 'FTP', reason: 'OUT_OF_STEP' });
  connection.destroy(error);
  return error;
}
