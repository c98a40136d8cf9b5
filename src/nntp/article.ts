import type { ReplyError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import type { ByteStream } from '../wire/byte-stream.ts';
import type { NntpArticleName } from './codec/response.ts';

/** An article, its header or its body, in memory. */
export interface NntpArticle extends NntpArticleName {
  readonly bytes: Uint8Array;
}

/** The same as a stream, with back-pressure. */
export interface NntpArticleStream extends NntpArticleName {
  readonly stream: ByteStream;
}

/** One that was asked for by `fetch`: with its bytes, or with the server's no. */
export type NntpFetched =
  | (NntpArticle & { readonly asked: number | string; readonly error?: undefined })
  | { readonly asked: number | string; readonly bytes?: undefined; readonly error: ReplyError };

/** An article by its number in the group, by its message-id, or the current one. */
export type ArticleChoice = number | string | undefined;

export type NntpPart = 'article' | 'head' | 'body';

/** How many articles are read at once. */
export interface FetchOptions extends CallOptions {
  /** Default 'article'. */
  readonly part?: NntpPart | undefined;
  /** Whose numbers are asked for. */
  readonly group?: string | undefined;
}
