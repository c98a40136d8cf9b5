/** How html becomes text. */
export interface HtmlToTextOptions {
  /** Longest line; false does not wrap. Default false. */
  readonly wrap?: number | false | undefined;
  /** Html beyond this many characters is left out. Default 1 000 000. */
  readonly maxCharacters?: number | undefined;
}

const MAX_CHARACTERS = 1_000_000;

/** Html as text, by html-to-text, which is loaded when it is first needed. Never throws on html; scripts and styles are left out. */
export async function htmlToText(html: string, options: HtmlToTextOptions = {}): Promise<string> {
  const { convert } = await import('html-to-text');
  const maxCharacters = options.maxCharacters ?? MAX_CHARACTERS;
  return convert(withoutDepth(html.slice(0, maxCharacters)), {
    wordwrap: options.wrap ?? false,
    limits: { maxDepth: 200, maxInputLength: maxCharacters, maxChildNodes: 100_000 },
    selectors: [
      { selector: 'img', format: 'skip' },
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true } },
    ],
  });
}

/** Elements deeper than this lose their tags: the converter's time grows with the square of the depth. */
const MAX_DEPTH = 100;
/** Elements that are closed by the next, or never: they say nothing of depth. */
const flat = new Set(
  'area base br col embed hr img input link meta source track wbr p li dt dd tr td th option thead tbody tfoot'.split(
    ' ',
  ),
);

/** The html without the tags of what is nested too deep; its text stays. One pass. */
function withoutDepth(html: string): string {
  let depth = 0;
  // A tag with '>' in an attribute is not counted; the bound keeps what is no tag from being scanned again and again.
  return html.replace(/<(\/?)([a-zA-Z][a-zA-Z0-9]{0,20})[^<>]{0,1000}>/g, (tag, close: string, name: string) => {
    if (flat.has(name.toLowerCase())) return tag;
    if (close === '') return ++depth > MAX_DEPTH ? '' : tag;
    return depth > 0 && depth-- > MAX_DEPTH ? '' : tag;
  });
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Makes text safe inside html, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] as string);
}

/** Text as html: escaped, paragraphs at empty lines, links for http(s) and mail addresses only. Linear. */
export function textToHtml(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/\n+$/, '')
    .split(/\n{2,}/)
    .map((paragraph) => `<p>${linkLines(paragraph)}</p>`)
    .join('\n');
}

const MAX_LINK = 2000;

function linkLines(paragraph: string): string {
  return paragraph
    .split(/([\s<>"']+)/)
    .map((piece) => (piece.includes('\n') ? piece.split('\n').map(escapeHtml).join('<br>\n') : linkWord(piece)))
    .join('');
}

function linkWord(word: string): string {
  const lower = word.slice(0, 8).toLowerCase();
  if ((lower.startsWith('http://') || lower.startsWith('https://')) && word.length <= MAX_LINK) {
    let end = word.length;
    while (end > 0 && '.,;:!?)]'.includes(word[end - 1] as string)) end--;
    const url = escapeHtml(word.slice(0, end));
    return `<a href="${url}">${url}</a>${escapeHtml(word.slice(end))}`;
  }
  return escapeHtml(word);
}

/** The draft with a `text` made from its html, where it has none: some readers show only that. For `prepare` of `sendMail`. */
export async function addTextFromHtml<
  D extends { readonly text?: string | undefined; readonly html?: string | undefined },
>(draft: D): Promise<D> {
  if (draft.text !== undefined || typeof draft.html !== 'string') return draft;
  return { ...draft, text: await htmlToText(draft.html) };
}
