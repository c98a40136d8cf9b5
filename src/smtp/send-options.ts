import type { CallOptions } from '../socket/connection.ts';
import type { EsmtpParameters } from './codec.ts';
import type { DeliveryOptions } from './extensions.ts';

/** Who a message goes to and where its failures go. */
export interface SmtpEnvelope {
  /** '' for the null reverse-path of failure reports. */
  readonly from: string;
  readonly to: string | readonly string[];
}

export interface SendOptions extends CallOptions, DeliveryOptions {
  /** What to do when some recipients are refused: send to the others (default), or to none. */
  readonly onPartial?: 'send' | 'abort' | undefined;
  /**
   * 'data', 'bdat' (CHUNKING), or 'auto': BDAT for short messages where the server has it, in one flight with the envelope. With 'bdat'
   * further short messages leave before the first is answered: the fastest way, but a lost connection leaves each of them unknown.
   */
  readonly transfer?: 'auto' | 'data' | 'bdat' | undefined;
  /** The message goes as it is, line ends and all: parts in binary are allowed. The server must have BINARYMIME. @see RFC 3030 section 3 */
  readonly binary?: boolean | undefined;
  /** Further parameters of MAIL. */
  readonly mailParameters?: EsmtpParameters | undefined;
  /** Further parameters of each RCPT. */
  readonly rcptParameters?: ((address: string) => EsmtpParameters) | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface Progress {
  readonly bytes: number;
  readonly totalBytes: number | undefined;
  readonly item: string;
}
