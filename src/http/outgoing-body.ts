import type { HttpFields } from './fields.ts';

/** A body that is ready to be sent. */
export interface OutgoingBody {
  /** All of it, where it is held. */
  readonly bytes?: Uint8Array | undefined;
  /** Undefined for one of unknown length: it is chunked. */
  readonly byteCount: number | undefined;
  readonly contentType: string | undefined;
  /** True when `open` may be called more than once. */
  readonly replayable: boolean;
  readonly trailers?: (() => HttpFields | Promise<HttpFields>) | undefined;
  open(): AsyncIterable<Uint8Array>;
}
