export type { ArticleChoice, FetchOptions, NntpArticle, NntpArticleStream, NntpFetched, NntpPart } from './article.ts';
export { type ArticlesQuery, type NewsArticle, threadArticles } from './articles.ts';
export { NntpClient, type NntpHeaderValue } from './client.ts';
export type { ActiveGroup, CountedGroup, DistributionPattern, GroupCreation, NamedText } from './codec/lists.ts';
export { type OverviewEntry, OverviewFormat, parseOverview } from './codec/overview.ts';
export type { NntpArticleName, NntpGroup, NntpRange, NntpStatus } from './codec/response.ts';
export { Wildmat } from './codec/wildmat.ts';
export { NntpCursor } from './cursor.ts';
export { type FeedResult, NntpPostError, type PostResult } from './post.ts';
export type { NntpOptions, NntpTarget } from './target.ts';
export { type NewsUrl, formatNewsUrl, parseNewsUrl } from './urls.ts';
export { type ThreadNode } from '../mime/thread.ts';
export { type CancelLock, cancelKeyOpens, cancelLock } from './cancel-lock.ts';
export { type Nzb, type NzbFile, type NzbSegment, formatNzb, nameInSubject, parseNzb } from './codec/nzb.ts';
export {
  type NzbDownloadOptions,
  type NzbDownloadResult,
  type NzbFileResult,
  type NzbMissing,
  type NzbProgress,
  downloadNzb,
} from './download-nzb.ts';
export { NntpPool, type NntpPoolOptions, type NntpPoolServer, type PoolReadOptions } from './pool.ts';
export { type ReadNewsOptions, readNewsUrl } from './read-url.ts';
