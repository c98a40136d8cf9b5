export { type RawDraft, type SendMailOptions, type SendMailResult, sendMail } from './send.ts';
