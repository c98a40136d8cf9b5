import { type ErrorDetails, type ErrorReply, ReplyError } from '../errors.ts';
import type { ResponseCode } from './codec/response-code.ts';

/** NO, BAD or BYE to a command, with its response code typed: the URLs of a REFERRAL, the charsets of BADCHARSET. */
export class ImapReplyError extends ReplyError {
  readonly responseCode: ResponseCode | undefined;
  constructor(message: string, details: ErrorDetails & { reply: ErrorReply; responseCode?: ResponseCode | undefined }) {
    const { responseCode, ...rest } = details;
    super(message, rest);
    this.responseCode = responseCode;
  }
}
