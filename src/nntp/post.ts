import { type ErrorCode, type ErrorDetails, PostwireError, UsageError, messageOf } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { type ByteSource, iterateBytes } from '../wire/byte-stream.ts';
import { latin1 } from '../wire/bytes.ts';
import { DottedEncoder } from '../wire/dotted.ts';
import { type NntpStatus, checkMessageId, encodeNntpCommand } from './codec/response.ts';
import type { NntpSession } from './session.ts';

/** The article was not taken, or it is not known whether it was. */
export class NntpPostError extends PostwireError {
  /**
   * True when it was sent whole and the answer was lost: it must not be posted again blindly. With a Message-ID of its own it may be: the
   * server then refuses the second.
   */
  readonly deliveryUnknown: boolean;
  constructor(code: ErrorCode, message: string, details: ErrorDetails & { deliveryUnknown?: boolean } = {}) {
    const { deliveryUnknown = false, ...rest } = details;
    super(code, message, rest);
    this.deliveryUnknown = deliveryUnknown;
  }
}

export interface PostResult {
  readonly code: number;
  readonly text: string;
  /** The id that the server names in its answer, or the article has; undefined where neither tells. */
  readonly messageId: string | undefined;
  /** Bytes sent, before dot-stuffing. */
  readonly sizeBytes: number;
}

/** What a feed is told of one article. @see RFC 4644 */
export type FeedResult = 'accepted' | 'later' | 'refused';

const codes = { POST: { go: 340, done: 240 }, IHAVE: { go: 335, done: 235 } } as const;

/** POST or IHAVE: asks, sends, and reads what became of it. */
export function sendArticle(
  session: NntpSession,
  verb: 'POST' | 'IHAVE',
  article: ByteSource,
  call: CallOptions,
  messageId?: string,
): Promise<PostResult> {
  const line = encodeNntpCommand(verb, ...(messageId === undefined ? [] : [checkMessageId(messageId)]));
  const source = iterateBytes(article, 'the article');
  const { go, done: taken } = codes[verb];
  return session.run(
    {
      name: verb,
      line,
      ok: [go],
      alone: true,
      async done() {
        const { sizeBytes, head } = await sendBody(session, verb, source, call);
        const status = await lastWord(session, verb, call);
        if (status.code !== taken) throw refusal(session, verb, status);
        const own = /(?:^|\r?\n)Message-ID:[ \t]*(<[^<>\s]+>)/i.exec(head)?.[1];
        const named = /<[^<>\s]+@[^<>\s]+>/.exec(status.text)?.[0];
        return { ...status, messageId: messageId ?? own ?? named, sizeBytes };
      },
    },
    call,
  );
}

/** TAKETHIS: the article follows its command at once. */
export function takeThis(
  session: NntpSession,
  messageId: string,
  article: ByteSource,
  call: CallOptions,
): Promise<FeedResult> {
  const id = checkMessageId(messageId);
  const line = encodeNntpCommand('TAKETHIS', id);
  const source = iterateBytes(article, 'the article');
  return session.alone('TAKETHIS', call, async () => {
    await session.connection.write([line], call);
    await sendBody(session, 'TAKETHIS', source, call);
    const status = await lastWord(session, 'TAKETHIS', call);
    checkFed(session, 'TAKETHIS', id, status);
    if (status.code === 239) return 'accepted';
    if (status.code === 439) return 'refused';
    throw refusal(session, 'TAKETHIS', status);
  });
}

/** The id in the answer must be the one that was asked about: RFC 4644 section 2.4. */
export function checkFed(session: NntpSession, verb: string, id: string, status: NntpStatus): void {
  const named = status.text.split(' ', 1)[0] ?? '';
  if (named.startsWith('<') && named !== id)
    throw session.outOfStep(`the NNTP server answered ${verb} ${id} for ${named}`, verb);
}

/** As many bytes of an article as are looked at for its Message-ID. */
const HEAD_BYTES = 64 * 1024;

async function sendBody(
  session: NntpSession,
  verb: string,
  source: AsyncIterable<Uint8Array>,
  call: CallOptions,
): Promise<{ readonly sizeBytes: number; readonly head: string }> {
  const { connection } = session;
  const encoder = new DottedEncoder();
  let sizeBytes = 0;
  let head = '';
  try {
    for await (const chunk of connection.pull(source, call)) {
      sizeBytes += chunk.length;
      if (head.length < HEAD_BYTES) head += latin1(chunk, 0, Math.min(chunk.length, HEAD_BYTES - head.length));
      await connection.write(encoder.push(chunk), call);
      // An answer before the end is a no; what is not sent need not be.
      const early = connection.pendingBytes > 0 ? session.tryStatus() : undefined;
      if (early !== undefined) throw refusal(session, verb, early, true);
    }
    if (sizeBytes === 0) throw new UsageError('the article is empty');
    await connection.write([encoder.end()], call);
  } catch (error) {
    // Half an article has left: the connection cannot be used for anything else.
    const said = error instanceof NntpPostError ? undefined : lastWords(session);
    const shown = said === undefined ? error : refusal(session, verb, said, true);
    connection.destroy(shown as Error);
    throw shown;
  }
  const end = head.search(/\r?\n\r?\n/);
  return { sizeBytes, head: end < 0 ? head : head.slice(0, end) };
}

/** What the server said before it hung up. */
function lastWords(session: NntpSession): NntpStatus | undefined {
  try {
    return session.tryStatus();
  } catch {
    return undefined;
  }
}

/** The answer to the whole article: once it is lost nobody knows what became of it. */
async function lastWord(session: NntpSession, verb: string, call: CallOptions): Promise<NntpStatus> {
  try {
    return await session.status(verb, {
      ...call,
      timeoutMs: call.timeoutMs ?? 5 * session.connection.timeouts.commandMs,
    });
  } catch (error) {
    if (call.signal?.aborted === true) throw error;
    const code = error instanceof PostwireError ? error.code : 'CLOSED';
    throw new NntpPostError(
      code,
      `the article was sent, and the server's answer to it was lost: it may or may not have been taken (${messageOf(error)})`,
      {
        protocol: 'NNTP',
        phase: 'command',
        host: session.connection.host,
        port: session.connection.port,
        command: verb,
        cause: error,
        deliveryUnknown: true,
        hint: 'look for its Message-ID before posting it again',
      },
    );
  }
}

function refusal(session: NntpSession, verb: string, { code, text }: NntpStatus, early = false): NntpPostError {
  const { host, port, transcript } = session.connection;
  return new NntpPostError('REPLY', `NNTP ${verb} refused by ${host}:${port}: ${code} ${text}`, {
    protocol: 'NNTP',
    phase: 'command',
    host,
    port,
    command: verb,
    temporary: [400, 403, 431, 436].includes(code),
    reusable: !early,
    transcript: transcript.last(),
    reply: { code, text },
  });
}
