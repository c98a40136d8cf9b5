export {
  type MailSender,
  type PrepareDraft,
  type RawDraft,
  type SendMailOptions,
  type SendMailResult,
  sendMail,
} from './send.ts';
export { type OAuth2Options, oauth2Refresh } from './oauth2.ts';
export { type MailResolver, type MxSenderOptions, mxSender } from './delivery/mx.ts';
export { type MtaStsPolicy, mtaStsAllows, parseMtaStsPolicy } from './delivery/mta-sts.ts';
export { type Provider, provider } from './providers.ts';
export {
  type MboxEntry,
  type MboxVariant,
  type MboxWriteOptions,
  type ReadMboxOptions,
  formatMboxEntry,
  readMbox,
} from './mbox.ts';
export { type SendmailOptions, fileSender, jsonSender, sendmailSender, streamSender } from './senders.ts';
export { type MboxLockOptions, appendMbox, withMboxLock } from './mbox-file.ts';
export { Maildir, type MaildirEntry, type MaildirFlag } from './maildir.ts';
export { type DkimSignOptions, dkimSign } from './dkim/sign.ts';
export { type DkimResult, type DkimStatus, type DkimVerifyOptions, dkimVerify } from './dkim/verify.ts';
export type { DkimCanonicalization } from './dkim/canonical.ts';
export type { TxtResolver } from '../socket/dns-records.ts';
export { type MailboxOptions, openMailbox } from './mailbox.ts';
export { type FlagSetting, type Mailbox, MailboxMessage, type MailboxQuery } from './mailbox-message.ts';
