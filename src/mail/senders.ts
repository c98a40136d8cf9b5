import { isUtf8 } from 'node:buffer';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ReplyError, UsageError, messageOf } from '../errors.ts';
import type { SendOptions, SendResult, SmtpEnvelope, SmtpMessage } from '../smtp/index.ts';
import { type ByteSource, ByteStream, iterateBytes } from '../wire/byte-stream.ts';
import type { MailSender } from './send.ts';

export interface SendmailOptions {
  /** The program; default /usr/sbin/sendmail. */
  readonly command?: string | undefined;
  /** Further options for it, before ours. */
  readonly args?: readonly string[] | undefined;
}

/** Kept of what the program complains. */
const MAX_COMPLAINT = 4096;

/**
 * Hands messages to the machine's own sendmail, without a shell: `command -i -f SENDER -- RECIPIENTS`. Rejects with ReplyError where it
 * ends with another status than 0 (75 is temporary: sysexits.h), UsageError where it cannot be started.
 */
export function sendmailSender({ command = '/usr/sbin/sendmail', args = [] }: SendmailOptions = {}): MailSender {
  return {
    async send(envelope, message, options = {}) {
      const to = recipientsOf(envelope);
      // Behind a quote it would still be an option to a program that strips quotes (CVE-2016-10033).
      for (const address of [envelope.from, ...to])
        if (/^["'\\\s]*-/.test(address) || /[\r\n\0]/.test(address))
          throw new UsageError(`the address ${JSON.stringify(address)} could be taken for an option of sendmail`);
      const { promise, child } = start(
        command,
        [...args, '-i', '-f', envelope.from === '' ? '<>' : envelope.from, '--', ...to],
        options,
      );
      let sizeBytes = 0;
      const feed = async (): Promise<void> => {
        for await (const chunk of streamOf(message, options.signal)) {
          sizeBytes += chunk.length;
          if (!child.stdin.write(chunk))
            await new Promise((resume) => child.stdin.once('drain', resume).once('close', resume));
          if (child.stdin.destroyed) return;
        }
        child.stdin.end();
      };
      const fed = feed().catch((error: unknown) => {
        // A message that breaks off must not be sent as if it were whole.
        child.kill('SIGKILL');
        throw error;
      });
      const [outcome, source] = await Promise.allSettled([promise, fed]);
      if (source.status === 'rejected') throw source.reason;
      if (outcome.status === 'rejected') throw outcome.reason;
      return taken(to, `accepted by ${command}`, sizeBytes);
    },
  };
}

function start(
  command: string,
  args: readonly string[],
  options: SendOptions,
): { readonly child: ReturnType<typeof spawnPiped>; readonly promise: Promise<void> } {
  options.signal?.throwIfAborted();
  const child = spawnPiped(command, args);
  let complaint = '';
  const hear = (chunk: Buffer): void => {
    if (complaint.length < MAX_COMPLAINT) complaint += chunk.toString('utf8');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  // It may end before it has read everything: its status says why.
  child.stdin.on('error', () => {});
  const promise = new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      child.kill('SIGKILL');
      reject(options.signal?.reason as Error);
    };
    options.signal?.addEventListener('abort', onAbort);
    child.on('error', (error) =>
      reject(new UsageError(`${command} cannot be started: ${messageOf(error)}`, { cause: error })),
    );
    child.on('close', (status, signal) => {
      options.signal?.removeEventListener('abort', onAbort);
      if (status === 0) resolve();
      else
        reject(
          new ReplyError(
            `${command} ended with ${signal ?? `status ${String(status)}`}: ${complaint.trim() || 'it says nothing'}`,
            {
              protocol: 'sendmail',
              temporary: status === 75,
              reply: { code: String(status ?? signal), enhanced: undefined, text: complaint.trim() },
            },
          ),
        );
    });
  });
  return { child, promise };
}

const spawnPiped = (command: string, args: readonly string[]) =>
  spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });

/** Writes each message as a file of its own, `.eml`, beside nothing half-written: to look at, or for a server that picks them up. */
export function fileSender(folder: string): MailSender & { readonly paths: readonly string[] } {
  const paths: string[] = [];
  return {
    paths,
    async send(envelope, message, options = {}) {
      const to = recipientsOf(envelope);
      const path = join(folder, `${new Date().toISOString().replaceAll(':', '-')}-${randomUUID()}.eml`);
      const part = `${path}.part`;
      let sizeBytes = 0;
      try {
        const file = await open(part, 'wx', 0o600);
        try {
          for await (const chunk of streamOf(message, options.signal)) {
            await file.write(chunk);
            sizeBytes += chunk.length;
          }
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(part, path);
      } catch (error) {
        await rm(part, { force: true });
        throw (error as NodeJS.ErrnoException).syscall === undefined
          ? error
          : new UsageError(`the message cannot be written into ${folder}: ${messageOf(error)}`, { cause: error });
      }
      paths.push(path);
      return taken(to, `written to ${path}`, sizeBytes);
    },
  };
}

/** Hands each message to a function, as a stream: to store it, or to carry it in a way of your own. */
export function streamSender(
  consume: (message: ByteStream, envelope: { readonly from: string; readonly to: readonly string[] }) => unknown,
): MailSender {
  return {
    async send(envelope, message, options = {}) {
      const to = recipientsOf(envelope);
      let sizeBytes = 0;
      async function* counted(): AsyncIterable<Uint8Array> {
        for await (const chunk of streamOf(message, options.signal)) {
          sizeBytes += chunk.length;
          yield chunk;
        }
      }
      await consume(new ByteStream(counted()), { from: envelope.from, to });
      return taken(to, 'handed over', sizeBytes);
    },
  };
}

/** Writes each message as one line of JSON: `{ "envelope": { "from", "to" }, "message" }`, the message as text, or `"base64"` where it is not UTF-8. */
export function jsonSender(write: (line: string) => unknown): MailSender {
  return streamSender(async (message, envelope) => {
    const bytes = await message.bytes();
    const content = isUtf8(bytes)
      ? { message: Buffer.from(bytes).toString('utf8') }
      : { base64: Buffer.from(bytes).toString('base64') };
    await write(`${JSON.stringify({ envelope, ...content })}\n`);
  });
}

const recipientsOf = ({ to }: SmtpEnvelope): readonly string[] => (typeof to === 'string' ? [to] : to);

function streamOf(message: SmtpMessage, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  const held = typeof message === 'string' || message instanceof Uint8Array;
  return !held && 'stream' in message && typeof message.stream === 'function'
    ? message.stream(signal)
    : iterateBytes(message as ByteSource, 'the message');
}

function taken(to: readonly string[], text: string, sizeBytes: number): SendResult {
  const reply = { code: 250, enhanced: undefined, text };
  return {
    recipients: to.map((address) => ({ address, status: 'accepted', reply, temporary: false })),
    accepted: to,
    refused: [],
    reply,
    queueId: undefined,
    sizeBytes,
    secure: false,
  };
}
