export { SmtpClient } from './client.ts';
export type { EsmtpParameters } from './codec.ts';
export type { SmtpMessage } from './message.ts';
export { type RecipientResult, type SendResult, SmtpSendError } from './result.ts';
export { SmtpPool, type SmtpPoolOptions } from './pool.ts';
export type { SmtpOptions, SmtpTarget } from './target.ts';
export type { Progress, SendOptions, SmtpEnvelope } from './transaction.ts';
export { Capabilities } from '../wire/capabilities.ts';
export { type Reply, formatReply } from '../wire/reply.ts';
