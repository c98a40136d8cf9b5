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
export { decodeHeader, encodeHeader } from './encoded-word.ts';
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
