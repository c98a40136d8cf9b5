import { LimitError, UsageError } from '../../errors.ts';
import type { ByteSource } from '../../wire/byte-stream.ts';
import type { ImapCommand } from '../command.ts';
import type { CommandWriter } from '../codec/command.ts';
import { formatDateTime } from '../codec/dates.ts';
import { codeOf } from '../codec/response-code.ts';
import { type Uid, type UidSet, resolveSet, type MessageSet } from '../codec/sequence-set.ts';

/** A message to be added, of a size that is known. */
export interface SizedMessage {
  readonly source: ByteSource;
  readonly sizeBytes: number;
  readonly flags?: readonly string[] | undefined;
  /** When it arrived. Default: now. */
  readonly internalDate?: Date | undefined;
  /** It may hold NUL: needs BINARY. */
  readonly binary?: boolean | undefined;
  /** Its header has UTF-8: needs UTF8=ACCEPT, enabled. */
  readonly utf8?: boolean | undefined;
}

/** A message put together on the server from what it has, and from text. @see RFC 4469 */
export interface CatenatePart {
  /** An IMAP URL of a message or part on this server. */
  readonly url?: string | undefined;
  readonly text?: Uint8Array | undefined;
}

export interface AppendResult {
  /** Undefined where the server does not tell (no UIDPLUS). */
  readonly uidValidity: number | undefined;
  readonly uids: UidSet | undefined;
  readonly uid: Uid | undefined;
}

function writeMessage(writer: CommandWriter, message: SizedMessage, limit: number | undefined): void {
  const { source, sizeBytes, flags = [], internalDate, binary = false, utf8 = false } = message;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
    throw new UsageError('sizeBytes must be a whole number of 0 or more');
  if (limit !== undefined && sizeBytes > limit)
    throw new LimitError(`the message has ${sizeBytes} bytes; the server takes at most ${limit}`, {
      reason: 'APPENDLIMIT',
      reusable: true,
    });
  if (flags.length > 0) writer.flags(flags);
  if (internalDate !== undefined) writer.word(`"${formatDateTime(internalDate)}"`);
  if (utf8) writer.word('UTF8').open().stream(source, sizeBytes, { binary: true }).close();
  else writer.stream(source, sizeBytes, { binary });
}

const result = (status: Parameters<ImapCommand<unknown>['done']>[0]): AppendResult => {
  const code = codeOf(status.code, 'APPENDUID');
  const [range] = code?.uids.ranges ?? [];
  return { uidValidity: code?.uidValidity, uids: code?.uids, uid: range?.[0] as Uid | undefined };
};

/** Adds messages to a mailbox: several in one go where the server has MULTIAPPEND. @see RFC 9051 section 6.3.12, RFC 3502 */
export const append = (mailbox: string, messages: readonly SizedMessage[]): ImapCommand<AppendResult> => ({
  verb: 'APPEND',
  ...(messages.length > 1 ? { needs: 'MULTIAPPEND' } : messages[0]?.binary === true ? { needs: 'BINARY' } : {}),
  streams: true,
  encode(writer, context) {
    if (messages.length === 0) throw new UsageError('APPEND needs a message');
    writer.mailbox(mailbox);
    for (const message of messages) writeMessage(writer, message, context.appendLimit);
  },
  done: result,
});

/** Puts a message together on the server. @see RFC 4469 */
export const catenate = (
  mailbox: string,
  parts: readonly CatenatePart[],
  flags: readonly string[],
): ImapCommand<AppendResult> => ({
  verb: 'APPEND',
  needs: 'CATENATE',
  streams: true,
  encode(writer) {
    if (parts.length === 0) throw new UsageError('CATENATE needs a part');
    writer.mailbox(mailbox);
    if (flags.length > 0) writer.flags(flags);
    writer.word('CATENATE').open();
    for (const { url, text } of parts) {
      if ((url === undefined) === (text === undefined)) throw new UsageError('a part is either a url or text');
      if (url !== undefined) writer.word('URL').astring('the URL', url);
      else writer.word('TEXT').literal(text as Uint8Array);
    }
    writer.close();
  },
  done: result,
});

/** Puts a message in another's place. @see RFC 8508 */
export const replace = (old: MessageSet, mailbox: string, message: SizedMessage): ImapCommand<AppendResult> => {
  const { byUid } = resolveSet(old);
  let told: AppendResult | undefined;
  return {
    verb: byUid ? 'UID REPLACE' : 'REPLACE',
    needs: 'REPLACE',
    states: ['selected'],
    bySequence: !byUid,
    streams: true,
    takes: ['APPENDUID'],
    encode(writer, context) {
      writer.set(old).mailbox(mailbox);
      writeMessage(writer, message, context.appendLimit);
    },
    status(status) {
      if (status.code?.name === 'APPENDUID') told = result(status);
    },
    done: (status) => told ?? result(status),
  };
};
