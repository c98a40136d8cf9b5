import type { MimePart } from './mime-part.ts';

/** Which parts of a message are what. */
export interface BodyParts {
  readonly plain: readonly MimePart[];
  readonly html: readonly MimePart[];
  readonly attachments: readonly MimePart[];
  /** What the text shows or refers to: disposition inline, or with a Content-ID inside multipart/related. */
  readonly inline: readonly MimePart[];
  readonly calendar: readonly MimePart[];
}

interface Sorted {
  plain: MimePart[];
  html: MimePart[];
  attachments: MimePart[];
  inline: MimePart[];
  calendar: MimePart[];
}

const empty = (): Sorted => ({ plain: [], html: [], attachments: [], inline: [], calendar: [] });

/**
 * Sorts the leaves. Text and html without disposition 'attachment' make up the body; of the parts of multipart/alternative the last of each
 * type counts (RFC 2046 section 5.1.4). A message inside is an attachment, its parts are its own. Depth is bounded by the reader.
 */
export function sortParts(root: MimePart): BodyParts {
  const sorted = empty();
  sort(root, false, sorted);
  return sorted;
}

function sort(part: MimePart, related: boolean, into: Sorted): void {
  if (part.kind === 'multipart') {
    if (part.type === 'multipart/alternative') {
      sortAlternative(part, related, into);
      return;
    }
    for (const child of part.parts) sort(child, related || part.type === 'multipart/related', into);
    return;
  }
  const attached = part.disposition === 'attachment';
  if (part.type === 'text/calendar' || part.type === 'application/ics') into.calendar.push(part);
  if (!attached && part.kind === 'leaf') {
    if (part.type === 'text/plain' || part.type.startsWith('multipart/')) {
      into.plain.push(part);
      return;
    }
    if (part.type === 'text/html') {
      into.html.push(part);
      return;
    }
    if (part.disposition === 'inline' || (related && part.contentId !== undefined)) {
      into.inline.push(part);
      return;
    }
  }
  into.attachments.push(part);
}

function sortAlternative(part: MimePart, related: boolean, into: Sorted): void {
  let plain: MimePart[] = [];
  let html: MimePart[] = [];
  for (const child of part.parts) {
    const own = empty();
    sort(child, related, own);
    if (own.plain.length > 0) plain = own.plain;
    if (own.html.length > 0) html = own.html;
    into.attachments.push(...own.attachments);
    into.inline.push(...own.inline);
    into.calendar.push(...own.calendar);
  }
  into.plain.push(...plain);
  into.html.push(...html);
}
