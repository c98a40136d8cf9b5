import { UsageError } from '../errors.ts';
import { ByteStream } from '../wire/byte-stream.ts';
import { encodeText } from '../wire/bytes.ts';
import { type DkimSignOptions, checkDkimOptions, dkimSign } from './dkim/sign.ts';
import {
  type AccessOptions,
  type ComposedMessage,
  type EnvelopeInput,
  type MessageDraft,
  type RawInput,
  compose,
  rawMessage,
} from '../mime/index.ts';
import {
  type Progress,
  type SendOptions,
  type SendResult,
  deliveryOptionNames,
  type SmtpEnvelope,
  type SmtpMessage,
  SmtpClient,
  type SmtpOptions,
  type SmtpTarget,
} from '../smtp/index.ts';

/** A ready message with the envelope it goes in. */
export interface RawDraft {
  readonly raw: RawInput;
  readonly envelope: Required<EnvelopeInput>;
}

/** What takes a message and sends it: an `SmtpPool`, an `SmtpClient`, or one of your own. */
export interface MailSender {
  send(envelope: SmtpEnvelope, message: SmtpMessage, options?: SendOptions): Promise<SendResult>;
}

/** Changes a draft before it is built: fills a template, adds a text, attaches images. */
export type PrepareDraft = (draft: MessageDraft) => MessageDraft | Promise<MessageDraft>;

export interface SendMailOptions extends SmtpOptions, Omit<SendOptions, 'signal'>, AccessOptions {
  /** Signs the message, once for each; it is then read once more, so an attachment that can be read only once cannot be sent. */
  readonly dkim?: DkimSignOptions | readonly DkimSignOptions[] | undefined;
  /** What is done with the draft first, in order: `addTextFromHtml`, `attachDataUris`, or a template of your own. Not for a raw message. */
  readonly prepare?: PrepareDraft | readonly PrepareDraft[] | undefined;
  /** Called as the message goes out. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface SendMailResult extends SendResult {
  /** With angle brackets; undefined for a raw message. */
  readonly messageId: string | undefined;
}

const sendKeys = [
  'onPartial',
  'transfer',
  'binary',
  'mailParameters',
  'rcptParameters',
  'onProgress',
  'timeoutMs',
  ...deliveryOptionNames,
] as const;
const accessKeys = ['allowFiles', 'allowUrls', 'maxUrlBytes'] as const;

/**
 * Sends one message: builds it, connects, begins TLS, logs in, sends, takes leave. The message is built first, so that a wrong address or
 * a missing file is found before anything is connected.
 *
 *     await sendMail('smtp://me:secret@mail.example.com', { from: 'me@example.com', to: 'you@example.com', subject: 'Hi', text: 'Hello' });
 *
 * Resolves when the server has taken the message for at least one recipient; look at `refused` for the others. Rejects with UsageError,
 * ConnectError, TlsError, AuthError, SmtpSendError (`deliveryUnknown` when the last reply was lost), TimeoutError or the signal's reason.
 */
export async function sendMail(
  server: SmtpTarget | MailSender | undefined,
  draft: MessageDraft | RawDraft,
  options: SendMailOptions = {},
): Promise<SendMailResult> {
  const smtp: Record<string, unknown> = { ...options };
  for (const key of [...sendKeys, ...accessKeys, 'dkim', 'prepare']) delete smtp[key];
  const signers = options.dkim === undefined ? [] : [options.dkim].flat();
  for (const signer of signers) checkDkimOptions(signer);
  const access = Object.fromEntries(accessKeys.map((key) => [key, options[key]])) as AccessOptions;
  const unsigned = await build(await prepared(draft, options), access, options.signal);
  if (unsigned.envelope.to.length === 0) throw new UsageError('the message has no recipient: give to, cc or bcc');
  const message = await sign(unsigned, signers, options.signal);
  const given = isSender(server) ? server : undefined;
  if (given !== undefined) {
    const own = Object.keys(smtp).filter((key) => key !== 'signal');
    if (own.length > 0) throw new UsageError(`${own.join(', ')}: set this where the connection is made`);
  }
  const client = given === undefined ? await SmtpClient.connect(server as SmtpTarget | undefined, smtp) : undefined;
  try {
    const sendOptions = Object.fromEntries(sendKeys.map((key) => [key, options[key]])) as SendOptions;
    const body = message.held ? await message.stream(options.signal).bytes() : message;
    const sender = (client ?? given) as MailSender;
    const result = await sender.send(message.envelope, body, { ...sendOptions, signal: options.signal });
    return { ...result, messageId: message.composed?.messageId };
  } finally {
    await client?.quit();
  }
}

async function prepared(
  draft: MessageDraft | RawDraft,
  { prepare }: SendMailOptions,
): Promise<MessageDraft | RawDraft> {
  if (prepare === undefined) return draft;
  if (typeof draft !== 'object' || draft === null || 'raw' in draft)
    throw new UsageError('prepare changes a draft, and a raw message is built already');
  let changed: MessageDraft = draft;
  for (const step of [prepare].flat()) changed = await step(changed);
  return changed;
}

const isSender = (server: unknown): server is MailSender =>
  typeof server === 'object' && server !== null && typeof (server as Partial<MailSender>).send === 'function';

async function sign(
  message: Built,
  signers: readonly DkimSignOptions[],
  signal: AbortSignal | undefined,
): Promise<Built> {
  if (signers.length === 0) return message;
  const fields: string[] = [];
  for (const signer of signers) fields.push(await dkimSign(message.stream(signal), signer));
  const prefix = encodeText(fields.join(''));
  const stream = (abort?: AbortSignal): ByteStream =>
    new ByteStream(
      (async function* signed() {
        yield prefix;
        yield* message.stream(abort);
      })(),
    );
  return {
    ...message,
    sizeBytes: message.sizeBytes === undefined ? undefined : message.sizeBytes + prefix.length,
    stream,
  };
}

interface Built {
  readonly composed: ComposedMessage | undefined;
  /** True when it is worth sending as one array. */
  readonly held: boolean;
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
  readonly sizeBytes: number | undefined;
  readonly needsSmtpUtf8?: boolean | undefined;
  stream(signal?: AbortSignal): ByteStream;
}

/** Below, one write is cheaper than streaming. */
const HELD_BYTES = 256 * 1024;

async function build(draft: MessageDraft | RawDraft, access: AccessOptions, signal?: AbortSignal): Promise<Built> {
  if (typeof draft === 'object' && draft !== null && 'raw' in draft) {
    if (draft.envelope?.from === undefined || draft.envelope.to === undefined)
      throw new UsageError('a raw message needs an envelope: { from, to }');
    const raw = await rawMessage(draft.raw, access, signal);
    const { from, to } = draft.envelope;
    return {
      composed: undefined,
      held: raw.sizeBytes !== undefined && raw.sizeBytes <= HELD_BYTES,
      envelope: { from, to: typeof to === 'string' ? [to] : to },
      sizeBytes: raw.sizeBytes,
      needsSmtpUtf8: raw.needsSmtpUtf8,
      stream: () => raw.stream(),
    };
  }
  const composed = compose(draft, access);
  return {
    composed,
    held: composed.sizeBytes !== undefined && composed.sizeBytes <= HELD_BYTES,
    envelope: composed.envelope,
    sizeBytes: composed.sizeBytes,
    needsSmtpUtf8: composed.needsSmtpUtf8,
    stream: (signal) => composed.stream(signal),
  };
}
