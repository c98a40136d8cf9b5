import type { OptionContext, OptionHandler } from './handler.ts';

const OFF = 0;
const ON = 1;
const RESTART_ANY = 2;
const RESTART_XON = 3;

/** Whether the terminal is to stop and go on at XOFF and XON, or at any key: `interact` does. @see RFC 1372 */
export function flow(context: OptionContext): OptionHandler & { readonly state: { on: boolean; restartAny: boolean } } {
  const state = { on: false, restartAny: false };
  return {
    state,
    accepts: (side) => side === 'us' && context.given.flowControl === true,
    changed(side, on) {
      // Until the server says otherwise, agreeing means that it is on.
      if (side === 'us') state.on = on;
    },
    receive([code]) {
      if (!context.on('us')) return;
      if (code === OFF || code === ON) state.on = code === ON;
      else if (code === RESTART_ANY || code === RESTART_XON) state.restartAny = code === RESTART_ANY;
      else return;
      context.events.emit('flowControl', { ...state });
    },
  };
}
