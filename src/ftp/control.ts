import { ReplyError, addContext } from '../errors.ts';
import type { CallOptions, Connection } from '../socket/connection.ts';
import { readGreeting } from '../socket/greeting.ts';
import type { Secret, ShownBytes } from '../wire/arguments.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import { formatReply } from '../wire/reply.ts';
import type { NameCharset } from './charset.ts';
import { type FtpReply, encodeFtpCommand, ftpReplyDecoder } from './codec.ts';

/** The control connection: commands out, replies in. Order is the caller's matter. */
export class FtpControl {
  readonly connection: Connection;
  readonly charset: NameCharset;
  readonly #decode: Decoder<FtpReply>;

  constructor(connection: Connection, charset: NameCharset) {
    this.connection = connection;
    this.charset = charset;
    this.#decode = ftpReplyDecoder(connection.limits);
  }

  /** The bytes of a command; UsageError when an argument would end the line. */
  line(verb: string, ...args: readonly (string | Secret)[]): ShownBytes {
    return encodeFtpCommand(
      verb,
      args,
      this.charset.name === 'utf-8' ? undefined : (text) => this.charset.encode(text),
    );
  }

  /** The next reply. After 421 the connection is closed and the reply thrown: the server is going. */
  async read(verb: string, call: CallOptions = {}): Promise<FtpReply> {
    let reply: FtpReply;
    try {
      reply = this.connection.tryRead(this.#decode) ?? (await this.connection.read(this.#decode, call));
    } catch (error) {
      throw addContext(error, { command: verb });
    }
    return this.#checked(verb, reply);
  }

  #checked(verb: string, reply: FtpReply): FtpReply {
    if (reply.code !== 421) return reply;
    const error = this.refusal(verb, reply);
    this.connection.destroy(error);
    throw error;
  }

  /** The first reply. */
  async greeting(call: CallOptions): Promise<FtpReply> {
    return this.#checked('the connection', await readGreeting(this.connection, this.#decode, call));
  }

  async ask(line: ShownBytes, call: CallOptions = {}): Promise<FtpReply> {
    await this.connection.write([line], call);
    return this.read(verbOf(line), call);
  }

  /** As `ask`; ReplyError unless the answer is one of `codes`, or any 2xx without them. */
  async demand(line: ShownBytes, call: CallOptions = {}, codes?: readonly number[]): Promise<FtpReply> {
    const reply = await this.ask(line, call);
    if (codes === undefined ? reply.code >= 200 && reply.code < 300 : codes.includes(reply.code)) return reply;
    throw this.refusal(line.shown, reply);
  }

  refusal(command: string, reply: FtpReply, cause?: unknown): ReplyError {
    const { host, port, transcript } = this.connection;
    return new ReplyError(`FTP ${command} refused by ${host}:${port}: ${formatReply(reply)}`, {
      protocol: 'FTP',
      phase: 'command',
      host,
      port,
      command,
      temporary: reply.code < 500,
      reusable: reply.code !== 421,
      transcript: transcript.last(),
      reply: { code: reply.code, text: reply.lines.join('\n') },
      hint: hintOf(reply),
      cause,
    });
  }

  /** The text of a reply, in the charset of names. */
  text(reply: FtpReply): string {
    return this.charset.redecode(reply.lines.join('\n'));
  }
}

export const verbOf = (line: ShownBytes): string => line.shown.split(' ', 1)[0] as string;

function hintOf(reply: FtpReply): string | undefined {
  const text = reply.lines.join(' ');
  if ((reply.code === 425 || reply.code === 522) && /session|reuse|ssl|tls/i.test(text))
    return 'the server wants data connections to resume the TLS session of the control connection, and could not; a proxy between may terminate TLS';
  if (reply.code === 425)
    return "the data connection failed: a firewall may block it; try the other dataMode ('passive' or 'active')";
  if (reply.code === 530 && /anonymous/i.test(text)) return 'the server wants a user and a password';
  if (reply.code === 503 && /ssl|tls|auth/i.test(text)) return 'the server wants TLS first: leave out tls: none';
  if (reply.code === 452 || reply.code === 552) return 'the disk or the quota of the server is full';
  return undefined;
}
