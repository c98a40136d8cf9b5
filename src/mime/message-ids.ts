/**
 * The message ids of Message-ID, In-Reply-To and References, angle brackets kept. What is no id is left out; encoded-words are not decoded
 * in them. Linear. @see RFC 5322 section 3.6.4
 */
export function parseMessageIds(text: string, max = Number.POSITIVE_INFINITY): { ids: string[]; clean: boolean } {
  const ids: string[] = [];
  let clean = true;
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('<', at);
    if (open < 0) break;
    const close = text.indexOf('>', open + 1);
    if (close < 0) {
      clean = false;
      break;
    }
    // The innermost bracket starts the id.
    const start = text.lastIndexOf('<', close);
    const id = text.slice(start + 1, close).replace(/\s+/g, '');
    if (id === '') clean = false;
    else if (ids.length >= max) return { ids, clean: false };
    else ids.push(`<${id}>`);
    at = close + 1;
  }
  // Some mailers leave the brackets out.
  if (ids.length === 0 && text.trim() !== '' && !text.includes('<')) {
    clean = false;
    for (const word of text.trim().split(/\s+/).slice(0, Math.min(max, 10_000)))
      if (word.includes('@')) ids.push(`<${word}>`);
  }
  return { ids, clean };
}
