import type { TelnetWindow } from '../target.ts';
import type { OptionContext, OptionHandler } from './handler.ts';

/** Tells the size of the window when the option comes on, and at every change. @see RFC 1073 */
export function naws(context: OptionContext): OptionHandler & { resize(window: TelnetWindow): void } {
  let { window } = context.given;
  const tell = (): void => {
    if (window === undefined || !context.on('us')) return;
    const { columns, rows } = window;
    context.send(Uint8Array.of(columns >> 8, columns & 255, rows >> 8, rows & 255));
  };
  return {
    accepts: (side) => side === 'us' && window !== undefined,
    changed(side, on) {
      if (side === 'us' && on) tell();
    },
    resize(changed) {
      window = changed;
      tell();
    },
  };
}
