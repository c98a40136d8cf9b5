import type { Attachment } from './attachment.ts';
import { encodeBase64 } from './encodings/base64.ts';

/** Replaces `cid:` links in one pass; the ids are looked up, never made into a pattern. @see RFC 2392 */
export function resolveCids(
  html: string,
  files: readonly Attachment[],
  resolve: (attachment: Attachment) => string | undefined = dataUrl,
): string {
  const byId = new Map<string, Attachment>();
  for (const file of files)
    if (file.contentId !== undefined && !byId.has(file.contentId)) byId.set(file.contentId, file);
  if (byId.size === 0) return html;
  const made = new Map<Attachment, string | undefined>();
  return html.replace(/\bcid:([^\s"'<>()\\]{1,500})/gi, (link, reference: string) => {
    const file = byId.get(reference) ?? byId.get(percentDecoded(reference.replaceAll('&amp;', '&')));
    if (file === undefined) return link;
    if (!made.has(file)) made.set(file, resolve(file));
    return made.get(file) ?? link;
  });
}

function dataUrl(file: Attachment): string {
  const type = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(file.contentType)
    ? file.contentType
    : 'application/octet-stream';
  return `data:${type};base64,${encodeBase64(file.bytes())}`;
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
