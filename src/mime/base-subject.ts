/** A subject for threading. */
export interface BaseSubject {
  readonly text: string;
  readonly isReplyOrForward: boolean;
}

// subj-leader = (*subj-blob subj-refwd) / WSP, RFC 5256 section 5; and the marks of mailers in other languages.
const leader =
  /^(?:\[[^[\]]{0,200}\]\s*){0,5}(?:re|fwd?|aw|wg|sv|vs|vb|antw|odp|rif|tr|回复|转发|答复)\s*(?:\[[^[\]]{0,200}\]\s*)?[:：]\s*/i;
const blob = /^\[[^[\]]{0,200}\]\s*/;
const trailer = /\s*\(fwd\)\s*$/i;
const MAX_ROUNDS = 100;

/** Removes what replies, forwards and lists add. @see RFC 5256 section 2.1 */
export function baseSubject(subject: string): BaseSubject {
  // Longer than any subject; keeps the rounds below linear.
  let text = subject.slice(0, 2000).replace(/\s+/g, ' ').trim();
  let isReplyOrForward = false;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = text;
    if (trailer.test(text)) {
      text = text.replace(trailer, '');
      isReplyOrForward = true;
    }
    if (leader.test(text)) {
      text = text.replace(leader, '');
      isReplyOrForward = true;
    } else {
      const rest = text.replace(blob, '');
      if (rest !== '') text = rest;
    }
    const wrapped = /^\[fwd:(.*)\]$/is.exec(text);
    if (wrapped !== null) {
      text = (wrapped[1] as string).trim();
      isReplyOrForward = true;
    }
    if (text === before) break;
  }
  return { text, isReplyOrForward };
}
