/**
 * Undoes format=flowed: joins lines that end with a space to the next of the same quote depth, removes space-stuffing, keeps a signature
 * mark on its own, and with `delSp` drops the joining spaces. Quotes come out as `> ` for each level. Takes and gives '\n' line ends.
 * Linear. @see RFC 3676 sections 4.1 to 4.5
 */
export function unflow(text: string, delSp = false): string {
  if (text === '') return '';
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

/** Lines are at most this long, with the space that says that they go on. */
const FLOWED_WIDTH = 72;

/**
 * Text as format=flowed: long lines are wrapped so that a reader can join them again, quotes keep their depth, the signature mark stays as it
 * is, and lines that could be taken for something else are stuffed with a space. `unflow` gives the text back, spaces at line ends apart.
 * Takes and gives '\n' line ends. Linear. @see RFC 3676 section 4.2
 */
export function flow(text: string): string {
  const out: string[] = [];
  for (const line of text.replace(/\r\n?/g, '\n').split('\n')) {
    const marks = /^(?:>[ ]?)*/.exec(line)?.[0] ?? '';
    const quotes = '>'.repeat(marks.split('>').length - 1);
    const content = line.slice(marks.length);
    if (content === '-- ') {
      out.push(prefix(quotes.length) + content);
      continue;
    }
    for (const piece of wrap(trimEnd(content), FLOWED_WIDTH - quotes.length - 1))
      out.push(quotes !== '' ? `${quotes} ${piece}` : /^(?: |>|From )/.test(piece) ? ` ${piece}` : piece);
  }
  return out.join('\n');
}

/** Pieces of at most `width` where spaces allow; all but the last end with a space. */
function* wrap(line: string, width: number): Iterable<string> {
  const most = Math.max(width, 20);
  let from = 0;
  while (line.length - from > most) {
    let space = line.lastIndexOf(' ', from + most - 1);
    if (space < from) space = line.indexOf(' ', from + most);
    // A piece that is the signature mark would be taken for one.
    if (space === from + 2 && line.startsWith('-- ', from)) space = line.indexOf(' ', from + 3);
    if (space < 0) break;
    yield line.slice(from, space + 1);
    from = space + 1;
  }
  yield line.slice(from);
}

function trimEnd(line: string): string {
  let end = line.length;
  while (end > 0 && line.charCodeAt(end - 1) === 32) end--;
  return line.slice(0, end);
}
