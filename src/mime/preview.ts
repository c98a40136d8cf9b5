/** The html beyond this is not looked at for a preview. */
const MAX_HTML = 100_000;
const MAX_TEXT = 20_000;

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** The first words of a message in one line. */
export function makePreview(text: string | undefined, html: string | undefined, maxCharacters: number): string {
  const source =
    text !== undefined && text.trim() !== ''
      ? withoutQuotes(text.slice(0, MAX_TEXT))
      : stripTags((html ?? '').slice(0, MAX_HTML));
  const line = source.replace(/(?:\s|\u00a0|\u00ad|\u034f|[\u200b-\u200f]|\u2060|\ufeff)+/g, ' ').trim();
  const characters = Array.from(line.slice(0, maxCharacters * 2 + 2));
  if (characters.length <= maxCharacters) return line;
  return `${characters
    .slice(0, Math.max(0, maxCharacters - 1))
    .join('')
    .trimEnd()}…`;
}

function withoutQuotes(text: string): string {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (/^-- ?\r?$/.test(line)) break;
    if (!line.startsWith('>')) lines.push(line);
  }
  return lines.join(' ');
}

/** The text of html, roughly; in one pass over its tags. */
function stripTags(html: string): string {
  let out = '';
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    if (open < 0) {
      out += html.slice(at);
      break;
    }
    out += html.slice(at, open);
    if (html.startsWith('<!--', open)) {
      const close = html.indexOf('-->', open + 4);
      at = close < 0 ? html.length : close + 3;
      continue;
    }
    const close = html.indexOf('>', open);
    if (close < 0) break;
    const name = /^<(script|style|head|title)\b/i.exec(html.slice(open, open + 10))?.[1]?.toLowerCase();
    at = close + 1;
    if (name !== undefined) {
      const end = new RegExp(`</${name}`, 'gi');
      end.lastIndex = at;
      const match = end.exec(html);
      at = match === null ? html.length : match.index;
    } else if (!/^<\/?(?:a|b|i|u|em|strong|span|font)\b/i.test(html.slice(open, open + 10))) out += ' ';
  }
  return out.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities[String(name).toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    return code > 31 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : ' ';
  });
}
