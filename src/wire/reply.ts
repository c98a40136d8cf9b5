import { LimitError, ProtocolError } from '../errors.ts';
import type { Decoder } from './byte-queue.ts';
import { decodeText, encodeText } from './bytes.ts';
import { type Limits, defaultLimits } from './limits.ts';
import { lineDecoder } from './line.ts';

/** A server's three-digit answer, as in SMTP (RFC 5321 section 4.2), FTP (RFC 959 section 4.2) and NNTP. */
export interface Reply {
  /** 100 to 599. */
  readonly code: number;
  /** Enhanced status code of the first line that has one: '5.1.1' (RFC 2034, RFC 3463). */
  readonly enhanced?: string | undefined;
  /** The text of each line, without code, separator, enhanced status code and line end. */
  readonly lines: readonly string[];
}

export interface ReplyOptions {
  readonly limits?: Pick<Limits, 'lineBytes' | 'replyBytes' | 'replyLines'>;
  /** Read enhanced status codes into their own field (SMTP). */
  readonly enhanced?: boolean;
  /** FTP: lines inside a multi-line reply need not begin with the code (RFC 959 section 4.2). */
  readonly freeForm?: boolean;
}

const enhancedCode = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|$)/;

/**
 * Decodes whole replies. Keeps the finished lines of a reply that is still arriving, so the cost stays linear: one decoder
 * belongs to one connection.
 *
 *     reply-line = 3DIGIT [ ("-" / SP) text ] CRLF
 *     S: 250-mx.example greets you
 *     S: 250 SIZE 1000000
 *
 * Blank lines before a reply are skipped and a bare code is accepted; a code that changes inside a reply, a code outside 100
 * to 599, or a NUL is a ProtocolError. More than the caps allow is a LimitError.
 */
export function replyDecoder(options: ReplyOptions = {}): Decoder<Reply> {
  const { limits = defaultLimits, enhanced: readEnhanced = false, freeForm = false } = options;
  const decodeLine = lineDecoder(Math.min(limits.lineBytes, limits.replyBytes));
  let code = 0;
  let enhanced: string | undefined;
  let lines: string[] = [];
  let byteCount = 0;
  return (queue) => {
    for (;;) {
      const before = queue.length;
      const bytes = decodeLine(queue);
      if (bytes === undefined) return undefined;
      byteCount += before - queue.length;
      if (byteCount > limits.replyBytes || lines.length >= limits.replyLines) {
        throw new LimitError(
          `the server's reply is longer than ${limits.replyBytes} bytes or ${limits.replyLines} lines`,
          {
            reason: 'REPLY_TOO_LONG',
          },
        );
      }
      const line = decodeText(bytes);
      if (line.includes('\0')) throw new ProtocolError(`the server sent a NUL in its reply: ${line}`);
      if (line === '' && code === 0) continue;
      const lineCode = readCode(line);
      const separator = line.charAt(3);
      if (code !== 0 && freeForm && (lineCode !== code || (separator !== ' ' && separator !== ''))) {
        lines.push(lineCode === code && separator === '-' ? line.slice(4) : line);
        continue;
      }
      if (lineCode === 0 || (separator !== ' ' && separator !== '-' && separator !== '')) {
        throw new ProtocolError(`the server sent what is not a reply: ${line}`);
      }
      if (code !== 0 && lineCode !== code) {
        throw new ProtocolError(`the code of the server's reply changed from ${code} to ${lineCode}: ${line}`);
      }
      code = lineCode;
      let text = line.slice(4);
      if (readEnhanced) {
        const match = enhancedCode.exec(text);
        if (match) {
          enhanced ??= match[1];
          text = text.slice(match[0].length);
        }
      }
      lines.push(text);
      if (separator !== '-') {
        const reply = enhanced === undefined ? { code, lines } : { code, enhanced, lines };
        code = 0;
        enhanced = undefined;
        lines = [];
        byteCount = 0;
        return reply;
      }
    }
  };
}

/** The wire form of a reply. Line breaks inside a line become spaces: a reply cannot be split by what it quotes. */
export function encodeReply(reply: Reply): Uint8Array {
  const lines = reply.lines.length === 0 ? [''] : reply.lines;
  const prefix = reply.enhanced === undefined ? '' : `${reply.enhanced} `;
  let text = '';
  lines.forEach((line, index) => {
    const separator = index === lines.length - 1 ? ' ' : '-';
    text += `${reply.code}${separator}${prefix}${line.replace(/[\r\n\0]+/g, ' ')}\r\n`;
  });
  return encodeText(text);
}

/** One line for a person: '550 5.1.1 no such user'. */
export function formatReply(reply: Reply): string {
  return [reply.code, reply.enhanced, reply.lines.join(' ').trim()].filter(Boolean).join(' ');
}

function readCode(line: string): number {
  if (line.length < 3) return 0;
  let code = 0;
  for (let at = 0; at < 3; at++) {
    const digit = line.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return 0;
    code = code * 10 + digit;
  }
  return code >= 100 && code <= 599 ? code : 0;
}
