import { UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { concatBytes, encodeText } from '../wire/bytes.ts';
import { type Address, type AddressInput, flattenAddresses, formatResolved, readAddressInput } from './address.ts';
import { newMessageId } from './compose.ts';
import { type AccessOptions, readContent } from './content.ts';
import { formatDate } from './date.ts';
import { formatField } from './header-block.ts';
import type { RawInput } from './raw.ts';

/** Who sends a message on, and to whom. */
export interface ResendInput {
  readonly from: AddressInput;
  readonly to?: AddressInput | undefined;
  readonly cc?: AddressInput | undefined;
  /** In the envelope only. */
  readonly bcc?: AddressInput | undefined;
  /** Default: now. */
  readonly date?: Date | undefined;
}

/**
 * A message sent on unchanged: Resent-* fields go before it, everything else stays, so that it reads as if it had come from its author. The
 * result is what `sendMail` takes. @see RFC 5322 section 3.6.6
 */
export function resend(
  message: RawInput,
  who: ResendInput,
  access: AccessOptions = {},
): { readonly raw: RawInput; readonly envelope: { readonly from: string; readonly to: readonly string[] } } {
  checkOptions('resend', who, ['from', 'to', 'cc', 'bcc', 'date']);
  const [from, to, cc, bcc] = (['from', 'to', 'cc', 'bcc'] as const).map((name) =>
    readAddressInput(name, who[name]),
  ) as [Address[], Address[], Address[], Address[]];
  const author = flattenAddresses(from)[0];
  if (author === undefined || from.length > 1) throw new UsageError('from must be the one address that resends');
  const recipients = [...new Set(flattenAddresses([...to, ...cc, ...bcc]).map(({ address }) => address))];
  if (recipients.length === 0) throw new UsageError('the message has no recipient: give to, cc or bcc');
  const field = (name: string, list: readonly Address[]): string =>
    list.length === 0 ? '' : formatField(name, list.map(formatResolved).join(', '));
  const head = encodeText(
    `${field('Resent-From', from)}${field('Resent-To', to)}${field('Resent-Cc', cc)}Resent-Date: ${formatDate(who.date ?? new Date())}\r\n${formatField('Resent-Message-ID', newMessageId(author))}`,
  );
  const content = readContent('the message', message, access);
  const envelope = { from: author.address, to: recipients };
  if (content.bytes !== undefined) return { raw: { content: concatBytes([head, content.bytes]) }, envelope };
  async function* joined(): AsyncIterable<Uint8Array> {
    yield head;
    yield* content.open();
  }
  return { raw: { stream: joined() }, envelope };
}
