export { Pop3Client, type Pop3Deletions, type Pop3Message, type Pop3Query } from './client.ts';
export type { Pop3Listing, Pop3Status } from './codec.ts';
export { Pop3Cursor } from './cursor.ts';
export type { Pop3Options, Pop3Target } from './target.ts';
