import type { HeaderFields } from './header-fields.ts';

/** Where a List-* field leads. */
export interface ListLink {
  readonly url: string | undefined;
  /** The address of the first mailto: link. */
  readonly mail: string | undefined;
  /** Every link, in the order of preference. */
  readonly links: readonly string[];
}

/** The List-* fields. What is absent is undefined. */
export interface ListFields {
  /** The identifier without angle brackets. */
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly help: ListLink | undefined;
  readonly subscribe: ListLink | undefined;
  readonly unsubscribe: ListLink | undefined;
  readonly post: ListLink | undefined;
  readonly owner: ListLink | undefined;
  readonly archive: ListLink | undefined;
  /** True when the https link of `unsubscribe` takes a POST. @see RFC 8058 section 3.1 */
  readonly oneClick: boolean;
}

const MAX_LENGTH = 20_000;

/** @see RFC 2369 section 3, RFC 2919 section 3 */
export function readListFields(headers: HeaderFields): ListFields {
  const link = (name: string): ListLink | undefined => {
    const field = headers.field(`list-${name}`);
    if (field === undefined) return undefined;
    const links = [...field.value.slice(0, MAX_LENGTH).matchAll(/<([^<>]*)>/g)].map((match) =>
      (match[1] as string).replace(/\s+/g, ''),
    );
    const mail = links.find((url) => /^mailto:/i.test(url));
    return {
      url: links.find((url) => /^https?:/i.test(url)),
      mail: mail === undefined ? undefined : percentDecoded(mail.slice(7).replace(/\?.*$/s, '')),
      links,
    };
  };
  const idText = headers.get('list-id')?.slice(0, MAX_LENGTH);
  const open = idText?.lastIndexOf('<') ?? -1;
  const id =
    open < 0
      ? idText?.trim()
      : idText
          ?.slice(open + 1)
          .replace(/>.*$/s, '')
          .trim();
  const name =
    open <= 0
      ? undefined
      : idText
          ?.slice(0, open)
          .trim()
          .replace(/^"(.*)"$/s, '$1') || undefined;
  const unsubscribe = link('unsubscribe');
  return {
    id: id === '' ? undefined : id,
    name,
    help: link('help'),
    subscribe: link('subscribe'),
    unsubscribe,
    post: link('post'),
    owner: link('owner'),
    archive: link('archive'),
    oneClick:
      /^List-Unsubscribe=One-Click$/i.test(headers.get('list-unsubscribe-post')?.trim() ?? '') &&
      unsubscribe?.links.some((url) => /^https:/i.test(url)) === true,
  };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
