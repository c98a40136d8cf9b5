export { Pop3Client, type Pop3Deletions, type Pop3Message } from './client.ts';
export type { Pop3Listing, Pop3Status } from './codec.ts';
export type { Pop3Options, Pop3Target } from './target.ts';
