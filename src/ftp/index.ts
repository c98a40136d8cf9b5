export { FtpClient } from './client.ts';
export type { FtpReply } from './codec.ts';
export type { DownloadTarget, FtpTransferOptions, FtpTransferResult, UploadSource } from './files.ts';
export type { FtpHash, FtpHashAlgorithm } from './hash.ts';
export type { ListOptions } from './listing-command.ts';
export type { FtpEntry } from './listing/entry.ts';
export { type FtpListing, type ListingDialect, type ListingOptions, parseListing } from './listing/parse-listing.ts';
export type { FtpProgress } from './progress.ts';
export type { FtpOptions, FtpTarget } from './target.ts';
