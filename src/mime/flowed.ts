/**
 * Undoes format=flowed: joins lines that end with a space to the next of the same quote depth, removes space-stuffing, keeps a signature
 * mark on its own, and with `delSp` drops the joining spaces. Quotes come out as `> ` for each level. Takes and gives '\n' line ends.
 * Linear. @see RFC 3676 sections 4.1 to 4.5
 */
export function unflow(text: string, delSp = false): string {
  const out: string[] = [];
  let paragraph: string[] = [];
  let depth = 0;
  const flush = (): void => {
    if (paragraph.length > 0) out.push(prefix(depth) + paragraph.join(''));
    paragraph = [];
  };
  const lines = text.split('\n');
  const ended = lines.at(-1) === '';
  if (ended) lines.pop();
  for (const line of lines) {
    let quotes = 0;
    while (line.charCodeAt(quotes) === 62) quotes++;
    let content = line.slice(line.charCodeAt(quotes) === 32 ? quotes + 1 : quotes);
    if (paragraph.length > 0 && quotes !== depth) flush();
    depth = quotes;
    if (content === '-- ') {
      flush();
      out.push(prefix(quotes) + content);
      continue;
    }
    const flowed = content.endsWith(' ');
    if (flowed && delSp) content = content.slice(0, -1);
    paragraph.push(content);
    if (!flowed) flush();
  }
  flush();
  return out.join('\n') + (ended ? '\n' : '');
}

/** Deeper quotes than this are shown as this deep: depth times lines is bounded. */
const MAX_DEPTH = 100;

function prefix(depth: number): string {
  return depth === 0 ? '' : `${'>'.repeat(Math.min(depth, MAX_DEPTH))} `;
}
