import type { ImapCommand } from '../command.ts';
import { textOfValue } from '../codec/reader.ts';

/** Asks for texts in one of these languages; resolves with the one chosen, or, with none given, with those there are. @see RFC 5255 section 3 */
export function language(tags: readonly string[]): ImapCommand<readonly string[]> {
  let found: string[] = [];
  return {
    verb: 'LANGUAGE',
    needs: 'LANGUAGE',
    states: ['greeted', 'authenticated', 'selected'],
    takes: ['LANGUAGE'],
    encode(writer) {
      for (const tag of tags) writer.astring('a language', tag);
    },
    data({ reader }) {
      const value = reader.value();
      found = (Array.isArray(value) ? value : [value]).map((each) => textOfValue(each) ?? '').filter(Boolean);
    },
    done: () => found,
  };
}

/** Which order and equality of text the server uses; with names, asks for one. @see RFC 5255 section 4.7 */
export function comparator(names: readonly string[]): ImapCommand<string | undefined> {
  let active: string | undefined;
  return {
    verb: 'COMPARATOR',
    needs: 'I18NLEVEL=2',
    takes: ['COMPARATOR'],
    encode(writer) {
      for (const name of names) writer.string('a comparator', name);
    },
    data({ reader }) {
      active = reader.string();
    },
    done: () => active,
  };
}
