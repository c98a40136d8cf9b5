/** What may be queued: a task, and optionally bytes that may leave with the task before it. */
export interface QueueTask<T> {
  /** Does the work, alone. `ahead` is true when `sendAhead`'s bytes have already left. */
  run(ahead: boolean): Promise<T>;
  /** True while the task's first bytes may be sent by the one before it. */
  readonly mayGoAhead?: (() => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Entry {
  readonly task: QueueTask<unknown>;
  // Each entry's own type is known to its task alone.
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** Stops listening to the signal. */
  release: () => void;
  ahead: boolean;
}

/**
 * Runs tasks one after another, in the order they came: callers may call concurrently and replies still match commands. A waiting task
 * whose signal aborts is dropped at once; a failed task does not stop the next.
 */
export class SerialQueue {
  readonly #waiting: Entry[] = [];
  readonly #onChange: ((busy: boolean) => void) | undefined;
  #running = false;

  /** `onChange` hears when work begins and when none is left. */
  constructor(onChange?: (busy: boolean) => void) {
    this.#onChange = onChange;
  }

  get length(): number {
    return this.#waiting.length + (this.#running ? 1 : 0);
  }

  run<T>(task: QueueTask<T> | (() => Promise<T>)): Promise<T> {
    const entryTask: QueueTask<T> = typeof task === 'function' ? { run: task } : task;
    return new Promise<T>((resolve, reject) => {
      const { signal } = entryTask;
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const entry: Entry = {
        task: entryTask,
        resolve,
        reject,
        release: nothing,
        ahead: false,
      };
      if (signal !== undefined) {
        const onAbort = (): void => this.#drop(entry, signal);
        signal.addEventListener('abort', onAbort);
        entry.release = () => signal.removeEventListener('abort', onAbort);
      }
      this.#waiting.push(entry);
      if (!this.#running) void this.#work();
    });
  }

  /** How many waiting tasks have sent their first bytes. */
  get aheadCount(): number {
    const first = this.#waiting.findIndex((entry) => !entry.ahead);
    return first < 0 ? this.#waiting.length : first;
  }

  /**
   * For the running task: the next one whose first bytes have not left, if they may leave now, behind those of the running one and of all
   * before it. The caller must write them: the task will not.
   */
  takeAhead(accepts: (task: QueueTask<unknown>) => boolean = () => true): QueueTask<unknown> | undefined {
    const entry = this.#waiting[this.aheadCount];
    if (entry === undefined || entry.task.mayGoAhead?.() !== true || !accepts(entry.task)) return undefined;
    entry.ahead = true;
    return entry.task;
  }

  #drop(entry: Entry, signal: AbortSignal): void {
    const index = this.#waiting.indexOf(entry);
    // Once its bytes have left, the task must run, and see the abort by itself.
    if (index < 0 || entry.ahead) return;
    this.#waiting.splice(index, 1);
    entry.release();
    entry.reject(signal.reason);
  }

  async #work(): Promise<void> {
    this.#running = true;
    this.#onChange?.(true);
    for (let entry = this.#waiting.shift(); entry !== undefined; entry = this.#waiting.shift()) {
      entry.release();
      try {
        entry.resolve((await entry.task.run(entry.ahead)) as never);
      } catch (error) {
        entry.reject(error);
      }
    }
    this.#running = false;
    this.#onChange?.(false);
  }
}

const nothing = (): void => {};
