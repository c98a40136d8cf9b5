import { UsageError } from '../errors.ts';
import { checkArgument } from '../wire/arguments.ts';

/** Lines are folded to this where white space allows: RFC 5322 section 2.1.1. */
const FOLD = 78;
/** No line may be longer, CRLF apart. */
const MAX_LINE = 998;

const fieldName = /^[\u0021-\u0039\u003b-\u007e]+$/;
const tooControlled = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** A field name: printable ASCII without colon (RFC 5322 section 2.2). UsageError otherwise. */
export function checkFieldName(name: unknown): string {
  const text = checkArgument('a header name', name);
  if (!fieldName.test(text) || text.length > 200)
    throw new UsageError(`${JSON.stringify(text)} is not a header name: printable ASCII without spaces and colon is`);
  return text;
}

/** The value of a field as the caller gave it: one line of text without control characters. UsageError otherwise. */
export function checkFieldValue(name: string, value: unknown): string {
  const text = checkArgument(`header ${name}`, value);
  if (tooControlled.test(text))
    throw new UsageError(`header ${name} contains a control character: ${JSON.stringify(text)}`);
  return text;
}

/**
 * One field, folded at spaces, with its CRLF. The value is checked already; every space may become a fold, so encoded-words and
 * parameters must be whole between spaces. UsageError when a piece without space makes a line longer than 998.
 */
export function formatField(name: string, value: string): string {
  if (name.length + 2 + value.length <= FOLD && value !== '') return `${name}: ${value}\r\n`;
  let text = `${name}:`;
  let column = text.length;
  let at = 0;
  while (at < value.length) {
    // A piece is a word with the spaces before its end; runs of spaces stay together with the word behind them.
    let end = at;
    while (end < value.length && value.charCodeAt(end) === 32) end++;
    end = value.indexOf(' ', end);
    if (end < 0) end = value.length;
    const piece = value.slice(at, end);
    if (at === 0) {
      text += ` ${piece}`;
      column += 1 + piece.length;
    } else if (column + piece.length > FOLD && piece.trim() !== '') {
      text += `\r\n${piece}`;
      column = piece.length;
    } else {
      text += piece;
      column += piece.length;
    }
    if (column > MAX_LINE)
      throw new UsageError(
        `header ${name} has a part of ${piece.length} characters without a space; a line may have ${MAX_LINE}`,
      );
    at = end;
  }
  return `${text}\r\n`;
}
