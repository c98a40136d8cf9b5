import { UsageError } from '../errors.ts';
import { checkOptions } from '../wire/arguments.ts';
import { formatPhrase } from './address.ts';
import { formatField } from './header-block.ts';

/** A link of a List-* field: an address of mail or a URL, the preferred first. */
export type ListLinkInput = string | URL | readonly (string | URL)[];

/** What a message of a mailing list says of its list. @see RFC 2369, RFC 2919 */
export interface ListInput {
  /** The identifier, `news.example.com`, alone or with a name for people. */
  readonly id?: string | { readonly id: string; readonly name?: string | undefined } | undefined;
  readonly help?: ListLinkInput | undefined;
  readonly subscribe?: ListLinkInput | undefined;
  readonly unsubscribe?: ListLinkInput | undefined;
  /** False says that nobody may post. */
  readonly post?: ListLinkInput | false | undefined;
  readonly owner?: ListLinkInput | undefined;
  readonly archive?: ListLinkInput | undefined;
  /**
   * The https link of `unsubscribe` unsubscribes whoever sends a POST to it, without a question. Gmail and Yahoo demand it of senders in
   * bulk; a DKIM signature must cover it, as `dkim` does by itself. @see RFC 8058
   */
  readonly oneClick?: boolean | undefined;
}

const linkNames = ['help', 'subscribe', 'unsubscribe', 'post', 'owner', 'archive'] as const;
const MAX_LINKS = 50;

/** The fields, formatted. UsageError for what is no link, or a one-click without an https link. */
export function formatListFields(list: ListInput): string {
  checkOptions('list', list, ['id', 'oneClick', ...linkNames]);
  let header = '';
  if (list.id !== undefined) {
    const { id, name } = typeof list.id === 'string' ? { id: list.id, name: undefined } : list.id;
    const bare = id.replace(/^<(.*)>$/, '$1');
    if (!/^[!#-'*+\-/-9=?A-Z^-~]+(?:\.[!#-'*+\-/-9=?A-Z^-~]+)+$/.test(bare) || bare.length > 255)
      throw new UsageError(`list.id must be a name such as news.example.com; got ${JSON.stringify(id)}`);
    header += formatField('List-Id', name === undefined ? `<${bare}>` : `${formatPhrase(name)} <${bare}>`);
  }
  for (const name of linkNames) {
    const given = list[name];
    if (given === undefined) continue;
    const value = given === false ? 'NO' : formatLinks(name, given);
    if (given === false && name !== 'post') throw new UsageError(`list.${name} cannot be false: leave it out`);
    header += formatField(`List-${name[0]?.toUpperCase() ?? ''}${name.slice(1)}`, value);
  }
  if (list.oneClick === true) {
    const links = list.unsubscribe === undefined ? [] : [list.unsubscribe].flat().map(String);
    if (links.filter((link) => /^https:/i.test(link)).length !== 1)
      throw new UsageError('list.oneClick needs exactly one https: link in list.unsubscribe (RFC 8058 section 3.1)');
    header += 'List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n';
  }
  return header;
}

function formatLinks(name: string, given: ListLinkInput): string {
  const links = [given].flat();
  if (links.length === 0 || links.length > MAX_LINKS)
    throw new UsageError(`list.${name} must have 1 to ${MAX_LINKS} links; it has ${links.length}`);
  return links.map((link) => `<${formatLink(name, link)}>`).join(', ');
}

function formatLink(name: string, link: string | URL): string {
  const text = typeof link === 'string' ? link.trim() : String(link);
  const url = /^[^\s:/@]+@[^\s:/@]+$/.test(text) ? `mailto:${text}` : text;
  // What the URL parser gives has no space, no bracket and no character beyond ASCII.
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^(?:https?|mailto|ftp|news|nntp):$/.test(parsed.protocol))
    throw new UsageError(`list.${name} must be a mail address or a URL; got ${JSON.stringify(text)}`);
  return parsed.href.replace(/[<>,\s]/g, (character) => encodeURIComponent(character));
}
