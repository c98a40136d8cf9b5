export { open } from './open.ts';
export { type OpenedParts, type OpenedSource, OpenedUrl } from './opened-url.ts';
export type { OpenOptions, OpenProgress, UrlOpener } from './options.ts';
