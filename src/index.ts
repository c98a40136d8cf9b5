export * from './errors.ts';
export { type RawDraft, type SendMailOptions, type SendMailResult, sendMail } from './mail/index.ts';
export { type ComposedMessage, type MessageDraft, compose } from './mime/index.ts';
export {
  type SendOptions,
  type SendResult,
  SmtpClient,
  type SmtpOptions,
  SmtpSendError,
  type SmtpTarget,
} from './smtp/index.ts';
export { Pop3Client, type Pop3Deletions, type Pop3Message, type Pop3Options, type Pop3Target } from './pop3/index.ts';
export type { Trace, TraceEntry } from './socket/index.ts';
