import { TimeoutError } from '../../errors.ts';
import { formatMs, timerMs } from '../deadlines.ts';

/** Runs jobs in the order in which they come, so many at once. With a limit of 0 they wait until they are asked for one by one. */
export class JobQueue<Job> {
  readonly #run: (job: Job) => Promise<void>;
  readonly #takers: ((job: Job) => void)[] = [];
  #waiting: Job[] = [];
  #next = 0;
  #limit: number;
  #running = 0;
  #onRoom: (() => void) | undefined;
  readonly #onIdle: (() => void)[] = [];

  /** `run` must not reject. */
  constructor(limit: number, run: (job: Job) => Promise<void>) {
    this.#limit = limit;
    this.#run = run;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  set limit(limit: number) {
    this.#limit = limit;
    this.#start();
  }

  add(job: Job): void {
    const taker = this.#takers.shift();
    if (taker !== undefined) taker(job);
    else if (this.#running < this.#limit && this.waiting === 0) void this.run(job);
    else {
      this.#waiting.push(job);
      this.#start();
    }
  }

  /** Runs one job, that waits or comes within the time, to its end. TimeoutError when none comes. */
  async one(timeoutMs: number): Promise<void> {
    const ready = this.#shift();
    if (ready !== undefined) return this.run(ready);
    const job = await new Promise<Job>((resolve, reject) => {
      const take = (taken: Job): void => {
        clearTimeout(timer);
        resolve(taken);
      };
      const expire = (): void => {
        this.#takers.splice(this.#takers.indexOf(take), 1);
        reject(new TimeoutError(`nothing came within ${formatMs(timeoutMs)}`, { reusable: true }));
      };
      const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(expire, timerMs(timeoutMs));
      this.#takers.push(take);
    });
    await this.run(job);
  }

  /** Runs a job now, whatever the limit. */
  run(job: Job): Promise<void> {
    this.#running++;
    return this.#run(job).then(this.#onDone);
  }

  /** Resolves when a further job would run at once. One waits at a time. */
  async room(): Promise<void> {
    while (this.#running >= this.#limit) await new Promise<void>((resolve) => (this.#onRoom = resolve));
  }

  /** Takes away the jobs that have not begun. */
  clear(): Job[] {
    const left = this.#waiting.slice(this.#next);
    this.#waiting = [];
    this.#next = 0;
    return left;
  }

  /** Resolves when none is running, or so much later. */
  async idle(timeoutMs: number): Promise<void> {
    if (this.#running === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle.push(resolve);
      timer = setTimeout(resolve, timerMs(timeoutMs));
    });
    clearTimeout(timer);
  }

  readonly #onDone = (): void => {
    this.#running--;
    this.#start();
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
    if (this.#running === 0) for (const onIdle of this.#onIdle.splice(0)) onIdle();
  };

  #shift(): Job | undefined {
    if (this.waiting === 0) return undefined;
    const job = this.#waiting[this.#next++] as Job;
    // Moved down now and then, not for each: a queue of thousands stays cheap.
    if (this.#next > 1024 && this.#next * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    if (this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    return job;
  }

  #start(): void {
    while (this.#running < this.#limit) {
      const job = this.#shift();
      if (job === undefined) return;
      void this.run(job);
    }
  }
}
