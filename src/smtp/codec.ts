import { UsageError } from '../errors.ts';
import { splitAddrSpec } from '../wire/addr-spec.ts';
import { type Secret, type ShownBytes, checkArgument, checkWord, commandLine } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { Capabilities, parseCapabilityLine } from '../wire/capabilities.ts';
import type { Limits } from '../wire/limits.ts';
import { type TextCommand, commandDecoder } from '../wire/line.ts';
import { type Reply, encodeReply, replyDecoder } from '../wire/reply.ts';

/** Parameters of MAIL and RCPT: `{ SIZE: '1000', SMTPUTF8: true }`. RFC 5321 section 4.1.2 calls them esmtp-param. */
export type EsmtpParameters = Readonly<Record<string, string | number | boolean | undefined>>;

/** The decoder of a client: replies with enhanced status codes (RFC 2034). */
export const smtpReplyDecoder = (limits: Limits): Decoder<Reply> => replyDecoder({ limits, enhanced: true });

export const encodeSmtpReply: (reply: Reply) => Uint8Array = encodeReply;

/** One command line. */
export function encodeSmtpCommand(verb: string, ...words: (string | Secret)[]): ShownBytes {
  return commandLine([checkWord('the command', verb), ...words]);
}

/** `MAIL FROM:<a@b> SIZE=1000`. The address is checked already; '' is the null reverse-path. */
export function encodeMail(from: string, parameters: EsmtpParameters = {}): ShownBytes {
  return commandLine(['MAIL', `FROM:<${from}>`, ...encodeParameters(parameters)]);
}

/** `RCPT TO:<a@b>`. */
export function encodeRcpt(to: string, parameters: EsmtpParameters = {}): ShownBytes {
  return commandLine(['RCPT', `TO:<${to}>`, ...encodeParameters(parameters)]);
}

const keyword = /^[A-Za-z0-9][A-Za-z0-9-]*$/;
const parameterValue = /^[\u0021-\u003c\u003e-\u007e\u00a1-\uffff]+$/;

function encodeParameters(parameters: EsmtpParameters): string[] {
  const words: string[] = [];
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined || value === false) continue;
    if (!keyword.test(name)) throw new UsageError(`${JSON.stringify(name)} is not a parameter name of MAIL or RCPT`);
    if (value === true) {
      words.push(name);
      continue;
    }
    if (typeof value === 'number' && !(Number.isSafeInteger(value) && value >= 0))
      throw new UsageError(`${name} must be a whole number of 0 or more; got ${String(value)}`);
    const text = checkArgument(`parameter ${name}`, typeof value === 'number' ? String(value) : value);
    if (!parameterValue.test(text))
      throw new UsageError(`parameter ${name} must have no spaces, '=' or control characters: ${JSON.stringify(text)}`);
    words.push(`${name}=${text}`);
  }
  return words;
}

/** What the EHLO reply offers: every line after the first. The legacy `AUTH=` form counts as AUTH. */
export function parseEhlo(reply: Reply): Capabilities {
  return new Capabilities(
    reply.lines.slice(1).map((line) => {
      const [name, parameters] = parseCapabilityLine(line);
      return /^AUTH=/i.test(name) ? (['AUTH', [name.slice(5), ...parameters]] as const) : ([name, parameters] as const);
    }),
  );
}

/** A command as the server reads it. */
export type SmtpCommand = TextCommand;

/** The decoder of a server: one command line. @see RFC 5321 section 4.1.1 */
export const smtpCommandDecoder: (maxBytes: number) => Decoder<SmtpCommand> = commandDecoder;

export interface SmtpPath {
  /** '' for the null reverse-path. */
  readonly address: string;
  readonly parameters: ReadonlyMap<string, string | true>;
}

/** Reads `FROM:<a@b> SIZE=1` or `TO:<a@b>`; undefined when it breaks the grammar of RFC 5321 section 4.1.2. */
export function parsePath(keywordText: 'FROM' | 'TO', argument: string): SmtpPath | undefined {
  const match = /^(FROM|TO): ?<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>((?: [^ ]+)*) *$/i.exec(argument);
  if (!match || match[1]?.toUpperCase() !== keywordText) return undefined;
  // A source route is taken and ignored: RFC 5321 appendix C.
  const address = (match[2] as string).replace(/^@[^:]*:/, '');
  if (address === '') {
    if (keywordText === 'TO') return undefined;
  } else if (
    splitAddrSpec(address) === undefined &&
    !(keywordText === 'TO' && address.toLowerCase() === 'postmaster')
  ) {
    return undefined;
  }
  const parameters = new Map<string, string | true>();
  for (const word of (match[3] as string).split(' ').filter(Boolean)) {
    const [name, value] = splitOnce(word, '=');
    if (!keyword.test(name) || (value !== undefined && !parameterValue.test(value))) return undefined;
    parameters.set(name.toUpperCase(), value ?? true);
  }
  return { address, parameters };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
