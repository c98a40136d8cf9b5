import { isAscii } from 'node:buffer';
import { UsageError } from '../errors.ts';
import { type ByteSource, iterateBytes } from '../wire/byte-stream.ts';
import { CR, LF, encodeText, indexOfByte, indexOfBytes } from '../wire/bytes.ts';

/** A message to send: held, or streamed with what is known of it. `compose()` gives one. */
export type SmtpMessage =
  | string
  | Uint8Array
  | {
      /** Length in bytes, where it is known. */
      readonly sizeBytes?: number | undefined;
      /** True when its header has characters that need SMTPUTF8. */
      readonly needsSmtpUtf8?: boolean | undefined;
      stream(signal?: AbortSignal): AsyncIterable<Uint8Array>;
    }
  | Exclude<ByteSource, string | Uint8Array>;

export interface PreparedMessage {
  readonly held: Uint8Array | undefined;
  readonly sizeBytes: number | undefined;
  /** Known for held messages; a stream is watched while it is sent. */
  readonly eightBit: boolean | undefined;
  readonly headerUtf8: boolean | undefined;
  open(signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

const END_OF_HEADER = encodeText('\r\n\r\n');
const END_OF_HEADER_LF = encodeText('\n\n');

/** Takes a message in any of its forms. UsageError for anything else. */
export function prepareMessage(message: SmtpMessage): PreparedMessage {
  if (typeof message === 'string' || message instanceof Uint8Array) {
    const held = typeof message === 'string' ? encodeText(message) : message;
    const eightBit = !isAscii(held);
    return {
      held,
      sizeBytes: wireLength(held),
      eightBit,
      headerUtf8: eightBit && !isAscii(headerOf(held)),
      open: () => iterateBytes(held),
    };
  }
  if (typeof message === 'object' && message !== null && 'stream' in message && typeof message.stream === 'function') {
    return {
      held: undefined,
      sizeBytes: message.sizeBytes,
      eightBit: undefined,
      headerUtf8: message.needsSmtpUtf8,
      open: (signal) => message.stream(signal),
    };
  }
  if (typeof message !== 'object' || message === null)
    throw new UsageError(`the message must be text, bytes, a stream or compose()'s result; got ${typeof message}`);
  return {
    held: undefined,
    sizeBytes: undefined,
    eightBit: undefined,
    headerUtf8: undefined,
    open: () => iterateBytes(message as ByteSource, 'the message'),
  };
}

/** Length with every line end as CRLF. A message whose first line ends with CRLF is taken to have no other: SIZE is an estimate (RFC 1870). */
function wireLength(message: Uint8Array): number {
  let lf = indexOfByte(message, LF);
  if (lf < 0 || message[lf - 1] === CR) return message.length;
  let length = message.length;
  for (; lf >= 0; lf = indexOfByte(message, LF, lf + 1)) if (message[lf - 1] !== CR) length++;
  return length;
}

function headerOf(message: Uint8Array): Uint8Array {
  const crlf = indexOfBytes(message, END_OF_HEADER);
  const header = crlf < 0 ? message : message.subarray(0, crlf);
  const lf = indexOfBytes(header, END_OF_HEADER_LF);
  return lf < 0 ? header : header.subarray(0, lf);
}
