import { messageOf } from '../errors.ts';

const warned = new WeakSet<object>();

/**
 * Calls a callback of the user's. What it throws, or rejects with, is a warning, once for each callback: a progress bar that fails must not
 * fail the mail.
 */
export function notify<T>(name: string, callback: (value: T) => unknown, value: T): void {
  const warn = (error: unknown): void => {
    if (warned.has(callback)) return;
    warned.add(callback);
    process.emitWarning(`postwire: the ${name} callback failed: ${messageOf(error)}`);
  };
  try {
    const result = callback(value);
    if (result instanceof Promise) result.catch(warn);
  } catch (error) {
    warn(error);
  }
}
