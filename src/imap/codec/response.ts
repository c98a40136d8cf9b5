import { ProtocolError } from '../../errors.ts';
import { encodeText } from '../../wire/bytes.ts';
import { type Frame, type FrameLimits, ImapFramer } from './framer.ts';
import { type ImapReader, fromLatin1 } from './reader.ts';
import { type ResponseCode, parseResponseCode } from './response-code.ts';

export type StatusWord = 'OK' | 'NO' | 'BAD' | 'BYE' | 'PREAUTH';

/** A status: untagged, or the completion of a command. */
export interface ImapStatus {
  readonly kind: 'status';
  /** '*' when untagged. */
  readonly tag: string;
  readonly status: StatusWord;
  readonly code: ResponseCode | undefined;
  readonly text: string;
}

/** The server is ready for more of the command. */
export interface ImapContinuation {
  readonly kind: 'continue';
  readonly text: string;
}

/** Data: its name, the number before it, if any, and a reader that stands behind the name. */
export interface ImapData {
  readonly kind: 'data';
  /** In upper case: 'FETCH', 'LIST', 'ESEARCH'. */
  readonly name: string;
  readonly number: number | undefined;
  readonly reader: ImapReader;
}

export type ImapResponse = ImapStatus | ImapContinuation | ImapData;

const statusWords: ReadonlySet<string> = new Set(['OK', 'NO', 'BAD', 'BYE', 'PREAUTH']);
const plainLine = /^(?:\* (?:OK|NO|BAD|BYE|PREAUTH)\b|[^*])/i;

/** The framer of a client: status lines and continuations never have literals, even where their text ends in a brace. */
export const responseFramer = (limits: FrameLimits): ImapFramer =>
  new ImapFramer(limits, (line) => plainLine.test(line));

/**
 * The response of a frame.
 *
 *     S: * 3 FETCH (UID 7)
 *     S: A1 OK [READ-WRITE] done
 *     S: + go ahead
 *
 * ProtocolError where it is none of these: then nothing can be said of which command it ends.
 */
export function parseResponse({ reader }: Frame): ImapResponse {
  const line = reader.text;
  const first = line.charCodeAt(0);
  if (first === 42) return untagged(reader);
  if (first === 43) return { kind: 'continue', text: fromLatin1(line.slice(line.charCodeAt(1) === 32 ? 2 : 1)) };
  const match = /^([^\s"(){*+]{1,100}) +(OK|NO|BAD|BYE)(?: (.*))?$/is.exec(line.replace(/\0+$/, ''));
  if (match === null)
    throw new ProtocolError(`the server sent what is no IMAP response: ${line.slice(0, 200)}`, { reason: 'SYNTAX' });
  return status(match[1] as string, (match[2] as string).toUpperCase() as StatusWord, match[3] ?? '');
}

function untagged(reader: ImapReader): ImapResponse {
  if (reader.text.charCodeAt(1) !== 32) return { kind: 'data', name: 'MALFORMED', number: undefined, reader };
  reader.at = 2;
  let number: number | undefined;
  const code = reader.peek();
  if (code >= 48 && code <= 57) {
    const match = /^([0-9]{1,10}) +/.exec(reader.text.slice(2, 20));
    number = match === null ? undefined : Number(match[1]);
    if (match === null || (number as number) > 0xffff_ffff)
      return { kind: 'data', name: 'MALFORMED', number: undefined, reader };
    reader.at += match[0].length;
  }
  if (reader.ended) return { kind: 'data', name: 'MALFORMED', number, reader };
  let name: string;
  try {
    name = reader.fetchItem();
  } catch {
    return { kind: 'data', name: 'MALFORMED', number, reader };
  }
  if (name !== 'FETCH') name = name.toUpperCase();
  if (number === undefined && statusWords.has(name)) {
    const text = reader.text.slice(reader.at + 1);
    return status('*', name as StatusWord, text);
  }
  reader.spaces();
  return { kind: 'data', name, number, reader };
}

function status(tag: string, word: StatusWord, rest: string): ImapStatus {
  const { code, text } = parseResponseCode(fromLatin1(rest));
  return { kind: 'status', tag, status: word, code, text };
}

/** The wire form of a status. Line breaks in the text become spaces; `code` is written as it is. */
export function encodeStatus(tag: string, word: StatusWord, text: string, code?: string): Uint8Array {
  const clean = (code === undefined ? text : `[${code}] ${text}`).replace(/[\r\n\0]+/g, ' ');
  return encodeText(`${tag} ${word} ${clean}\r\n`);
}
