import {
  type ComPortMessage,
  comPortLineBits,
  comPortModemBits,
  decodeComPort,
  encodeComPort,
  namesOfBits,
  parseControl,
} from '../com-port-codec.ts';
import type { OptionContext, OptionHandler } from './handler.ts';

/** An answer that is waited for. One that nobody waits for any more stays in its place: the server may yet send it. */
interface Waiter {
  readonly key: string;
  readonly settle: (message: ComPortMessage) => void;
}

/** Sends requests and hands out their answers, which come in order for each kind of them. */
export function comPort(
  context: OptionContext,
): OptionHandler & { ask(message: ComPortMessage): Promise<ComPortMessage>; tell(message: ComPortMessage): void } {
  const waiting: Waiter[] = [];
  const { events } = context;
  const tell = (message: ComPortMessage): void => context.send(encodeComPort(message, 'client'));
  return {
    accepts: (side) => side === 'us' && context.given.comPort === true,
    tell,
    ask: (message) =>
      new Promise((settle) => {
        waiting.push({ key: keyOf(message), settle });
        tell(message);
      }),
    changed(side, on) {
      if (side === 'us' && !on) context.hold(false);
    },
    receive(content) {
      const message = decodeComPort(content, 'server');
      if (message === undefined || !context.on('us')) return;
      switch (message.command) {
        case 'suspend':
        case 'resume':
          return context.hold(message.command === 'suspend');
        case 'line-state':
          return events.emit('lineState', namesOfBits(comPortLineBits, message.value));
        case 'modem-state':
          return events.emit('modemState', namesOfBits(comPortModemBits, message.value));
      }
      const key = keyOf(message);
      const at = waiting.findIndex((each) => each.key === key);
      if (at >= 0) waiting.splice(at, 1)[0]?.settle(message);
    },
  };
}

const keyOf = (message: ComPortMessage): string =>
  message.command === 'control' ? (parseControl(message.value)?.control ?? 'control') : message.command;
