import mime from 'mime';

/** The media type for a file name's extension; application/octet-stream where it is not known. */
export function mediaTypeOf(filename: string): string {
  return mime.getType(filename) ?? 'application/octet-stream';
}
