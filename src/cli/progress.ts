import { Presets, SingleBar } from 'cli-progress';

/** Below, there is nothing to watch. */
const WORTH_SHOWING = 1_000_000;

/** A progress bar on standard error, for long transfers on a terminal; elsewhere it does nothing. */
export function progressBar(label: string): {
  update(progress: { bytes: number; totalBytes: number | undefined }): void;
  stop(): void;
} {
  let bar: SingleBar | undefined;
  return {
    update({ bytes, totalBytes }) {
      if (process.stderr.isTTY !== true || (totalBytes ?? bytes) < WORTH_SHOWING) return;
      if (bar === undefined) {
        const megabytes = (value: number): string => (value / 1e6).toFixed(1);
        bar = new SingleBar(
          {
            stream: process.stderr,
            hideCursor: true,
            clearOnComplete: true,
            format: `${label} [{bar}] {percentage}% | {value}/{total} MB | {eta_formatted}`,
            formatValue: (value, _options, type) =>
              type === 'value' || type === 'total' ? megabytes(value) : String(value),
          },
          Presets.shades_classic,
        );
        bar.start(totalBytes ?? bytes, 0);
      }
      bar.update(bytes);
    },
    stop() {
      bar?.stop();
    },
  };
}
