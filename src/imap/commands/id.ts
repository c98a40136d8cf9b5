import { UsageError } from '../../errors.ts';
import type { ImapCommand } from '../command.ts';

/** Tells the server what this program is, and resolves with what the server says of itself. @see RFC 2971 */
export function id(fields: Readonly<Record<string, string>> | null): ImapCommand<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  return {
    verb: 'ID',
    needs: 'ID',
    states: ['greeted', 'authenticated', 'selected'],
    takes: ['ID'],
    encode(writer) {
      const entries = Object.entries(fields ?? {});
      if (entries.length > 30) throw new UsageError('ID takes at most 30 fields');
      if (entries.length === 0) {
        writer.word('NIL');
        return;
      }
      writer.open();
      for (const [name, value] of entries) {
        if (/[\r\n]/.test(name + value)) throw new UsageError(`the ID field ${JSON.stringify(name)} has a line break`);
        writer.string('the name of an ID field', name).string(`the ID field ${name}`, value);
      }
      writer.close();
    },
    data({ reader }) {
      if (!reader.open()) return;
      while (!reader.close()) {
        const name = reader.nstring();
        reader.spaces();
        const value = reader.peek() === 41 ? null : reader.nstring();
        if (name !== null && value !== null) found.set(name.toLowerCase(), value);
      }
    },
    done: () => found,
  };
}
