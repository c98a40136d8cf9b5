export { type Address, type AddressInput, type AddressObject, formatAddress, parseAddresses } from './address.ts';
export {
  type ComposeOptions,
  type ComposedMessage,
  type Envelope,
  type EnvelopeInput,
  type MessageDraft,
  compose,
} from './compose.ts';
export type { AccessOptions, ContentInput } from './content.ts';
export { formatDate } from './date.ts';
export { decodeHeader } from './decode-header.ts';
export { encodeHeader } from './encoded-word.ts';
export { mediaTypeOf } from './media-types.ts';
export {
  type FilePartOptions,
  type MultipartOptions,
  type Part,
  type TextPartOptions,
  type TransferEncoding,
  filePart,
  multipart,
  textPart,
} from './part.ts';
export { type RawInput, type RawMessage, rawMessage } from './raw.ts';
export { ByteStream } from '../wire/byte-stream.ts';
export type { Attachment } from './attachment.ts';
export type { AuthenticationResult, AuthenticationResults } from './authentication-results.ts';
export { type BaseSubject, baseSubject } from './base-subject.ts';
export { type CharsetInfo, type DecodeTextOptions, type DecodedText, decodeCharset } from './charset.ts';
export type { Defect, DefectCode } from './defect.ts';
export { decodeBase64 } from './encodings/base64-decode.ts';
export { decodeQuotedPrintable } from './encodings/quoted-printable-decode.ts';
export { type NamedFile, decodeUuencode } from './encodings/uuencode.ts';
export { flow, unflow } from './flowed.ts';
export type { CalendarInput } from './calendar-part.ts';
export { attachDataUris } from './data-uris.ts';
export type { ListInput, ListLinkInput } from './list-header.ts';
export { type MessagePartOptions, messagePart } from './message-part.ts';
export { type ForwardOptions, type ReplyOptions, forward, reply } from './reply.ts';
export { type ResendInput, resend } from './resend.ts';
export {
  type DeliveryReportInput,
  type DispositionReportInput,
  type FeedbackReportInput,
  deliveryStatusBody,
  dispositionNotificationBody,
  feedbackReportBody,
} from './report-parts.ts';
export {
  YencDecoder,
  type YencOptions,
  type YencProblem,
  type YencResult,
  decodeYenc,
  encodeYenc,
} from './encodings/yenc.ts';
export { crc32, crc32Combine } from './encodings/crc32.ts';
export type { HeaderField, HeaderFields } from './header-fields.ts';
export { type HtmlToTextOptions, escapeHtml, addTextFromHtml, htmlToText, textToHtml } from './html-text.ts';
export type { ListFields, ListLink } from './list-fields.ts';
export { type CalendarView, Message, type Priority } from './message.ts';
export { MimePart } from './mime-part.ts';
export { parse, parseSync } from './parse.ts';
export { parseDate } from './parse-date.ts';
export type { ParseLimits, ParseOptions } from './parse-limits.ts';
export { type StreamedPart, readParts } from './read-parts.ts';
export { type Received, parseReceived } from './received.ts';
export { safeFileName } from './safe-file-name.ts';
export { type ThreadFacts, type ThreadNode, threadByReferences } from './thread.ts';
export { type TnefFile, readTnef } from './tnef.ts';
export { type Bounce, type BouncedRecipient, bounce } from './bounce.ts';
export { type DkimSignature, dkimSignatures, parseDkimSignature } from './dkim-signature.ts';
export { joinPartial } from './partial.ts';
export {
  type DeliveryStatus,
  type DeliveryStatusRecipient,
  type DispositionNotification,
  type FeedbackReport,
  type ReportFields,
  deliveryStatus,
  dispositionNotification,
  feedbackReport,
} from './report.ts';
