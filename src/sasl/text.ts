import { createRequire } from 'node:module';
import { UsageError } from '../errors.ts';
import { decodeText } from '../wire/bytes.ts';

type Saslprep = (text: string, options: { readonly allowUnassigned: boolean }) => string;

/** Its tables take ten megabytes and a tenth of a second: loaded for the first text that needs them. */
let library: Saslprep | undefined;
const load = (): Saslprep => (library ??= createRequire(import.meta.url)('@mongodb-js/saslprep') as Saslprep);

/**
 * Prepares a user name or password for comparison: SASLprep, RFC 4013. Text that it forbids (unassigned or control characters) is used
 * as it is in the `lenient` form, which passwords already in use need.
 */
export function saslprep(text: string, mode: 'strict' | 'lenient' = 'lenient'): string {
  // Most are ASCII without controls, which SASLprep leaves alone.
  if (/^[\u0020-\u007e]*$/.test(text)) return text;
  try {
    return load()(text, { allowUnassigned: true });
  } catch (error) {
    if (mode === 'lenient') return text;
    throw new UsageError(`SASLprep forbids this text: ${error instanceof Error ? error.message : 'not allowed'}`, {
      cause: error,
    });
  }
}

/** UsageError, which does not quote the value, when a login field holds a character that would end it. */
export function checkField(mechanism: string, name: string, value: string, forbidden: RegExp): string {
  if (forbidden.test(value))
    throw new UsageError(
      `${mechanism}: the ${name} contains a character that this mechanism cannot carry (NUL, line break or control)`,
    );
  return value;
}

/** The fields of a NUL-separated message. */
export function splitNul(bytes: Uint8Array): string[] {
  return decodeText(bytes).split('\0');
}
