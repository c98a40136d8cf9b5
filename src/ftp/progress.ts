import { notify } from '../socket/notify.ts';

/** How far a transfer is. */
export interface FtpProgress {
  /** Bytes of the file that are there, resumed ones included. */
  readonly bytes: number;
  /** Undefined where nobody knows. */
  readonly totalBytes: number | undefined;
  /** The remote path. */
  readonly item: string;
  /** Since the transfer began, resumed bytes not counted. */
  readonly bytesPerSecond: number;
}

const EVERY_MS = 100;

/** Counts, and tells about it some times a second and at the end. */
export class ProgressMeter {
  readonly #report: ((progress: FtpProgress) => void) | undefined;
  readonly #item: string;
  readonly #totalBytes: number | undefined;
  readonly #started = performance.now();
  readonly #startBytes: number;
  #bytes: number;
  #told = -1;
  #next = 0;

  constructor(
    report: ((progress: FtpProgress) => void) | undefined,
    item: string,
    totalBytes: number | undefined,
    startBytes = 0,
  ) {
    this.#report = report;
    this.#item = item;
    this.#totalBytes = totalBytes;
    this.#bytes = this.#startBytes = startBytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#report === undefined) return;
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + EVERY_MS;
    this.#tell(now);
  }

  done(): void {
    if (this.#report !== undefined && this.#told !== this.#bytes) this.#tell(performance.now());
  }

  #tell(now: number): void {
    this.#told = this.#bytes;
    const seconds = Math.max((now - this.#started) / 1000, 1e-6);
    notify('onProgress', this.#report as (progress: FtpProgress) => void, {
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
      item: this.#item,
      bytesPerSecond: Math.round((this.#bytes - this.#startBytes) / seconds),
    });
  }
}
