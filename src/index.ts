export * from './errors.ts';
export {
  type DkimCanonicalization,
  type DkimResult,
  type DkimSignOptions,
  type DkimStatus,
  type DkimVerifyOptions,
  type MboxLockOptions,
  type SendmailOptions,
  fileSender,
  sendmailSender,
  type TxtResolver,
  appendMbox,
  dkimSign,
  dkimVerify,
  withMboxLock,
  Maildir,
  type MaildirEntry,
  type MaildirFlag,
  type MboxEntry,
  type MboxVariant,
  type MboxWriteOptions,
  type RawDraft,
  type ReadMboxOptions,
  type SendMailOptions,
  type SendMailResult,
  type MailSender,
  formatMboxEntry,
  readMbox,
  sendMail,
  type Mailbox,
  MailboxMessage,
  type FlagSetting,
  type MailboxOptions,
  type MailboxQuery,
  openMailbox,
} from './mail/index.ts';
export { type ComposedMessage, type MessageDraft, compose } from './mime/index.ts';
export {
  type SendOptions,
  type SendResult,
  SmtpClient,
  type SmtpOptions,
  SmtpPool,
  type SmtpPoolOptions,
  SmtpSendError,
  type SmtpTarget,
} from './smtp/index.ts';
export {
  Pop3Client,
  Pop3Cursor,
  type Pop3Deletions,
  type Pop3Message,
  type Pop3Options,
  type Pop3Target,
} from './pop3/index.ts';
export {
  FtpClient,
  type FtpEntry,
  type FtpOptions,
  type FtpProgress,
  type FtpSyncResult,
  type FtpTarget,
} from './ftp/index.ts';
export { ImapClient, type ImapOptions, type ImapTarget, type SearchQuery } from './imap/index.ts';
export {
  HttpClient,
  type HttpClientOptions,
  HttpFields,
  type HttpRequestOptions,
  HttpResponse,
  request,
  xmlRpc,
} from './http/index.ts';
export {
  ExpectEnd,
  ExpectTimeout,
  TelnetClient,
  TelnetMatch,
  type TelnetOptions,
  type TelnetPattern,
  type TelnetTarget,
  telnetEnd,
} from './telnet/index.ts';
export { NntpClient, NntpCursor, type NntpOptions, type NntpTarget } from './nntp/index.ts';
export { type GopherItem, type GopherOptions, GopherResponse, gopher } from './gopher/index.ts';
export { type OpenOptions, OpenedUrl, type UrlOpener, open } from './open/index.ts';
export type { Trace, TraceEntry } from './socket/index.ts';
export { SyslogClient, type SyslogClientOptions, type SyslogTarget } from './syslog/index.ts';
