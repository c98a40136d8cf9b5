import { randomBytes } from 'node:crypto';
import { UsageError } from '../errors.ts';
import { parseSync } from '../mime/index.ts';
import type { OverviewFields } from '../nntp/codec/overview.ts';
import { checkGroup, isMessageId } from '../nntp/codec/response.ts';
import { concatBytes, encodeText, indexOfBytes, latin1 } from '../wire/bytes.ts';

/** An article as the server keeps it. */
export interface StoredArticle {
  readonly messageId: string;
  readonly raw: Uint8Array;
  /** Its number in each group. */
  readonly numbers: ReadonlyMap<string, number>;
  readonly receivedAt: Date;
}

/** A group and its articles. */
export interface StoredGroup {
  readonly name: string;
  readonly description: string;
  /** 'y', 'n' or 'm'. */
  readonly status: string;
  readonly createdAt: Date;
  readonly articles: ReadonlyMap<number, StoredArticle>;
  readonly low: number;
  readonly high: number;
}

interface Group {
  readonly name: string;
  readonly description: string;
  readonly status: string;
  readonly createdAt: Date;
  readonly articles: Map<number, StoredArticle>;
  low: number;
  high: number;
}

export interface NewGroup {
  readonly description?: string | undefined;
  readonly status?: string | undefined;
  readonly createdAt?: Date | undefined;
  /** The number of its first article. Default 1. */
  readonly first?: number | undefined;
}

const BLANK_LINE = encodeText('\r\n\r\n');

/** The groups and articles of news servers. Several servers may share one. */
export class NewsStore {
  readonly #groups = new Map<string, Group>();
  readonly #articles = new Map<string, StoredArticle>();

  get groups(): readonly StoredGroup[] {
    return [...this.#groups.values()];
  }

  get articles(): readonly StoredArticle[] {
    return [...this.#articles.values()];
  }

  group(name: string): StoredGroup | undefined {
    return this.#groups.get(name);
  }

  article(messageId: string): StoredArticle | undefined {
    return this.#articles.get(messageId);
  }

  addGroup(name: string, options: NewGroup = {}): StoredGroup {
    const { description = '', status = 'y', createdAt = new Date(), first = 1 } = options;
    const group = {
      name: checkGroup(name),
      description,
      status,
      createdAt,
      articles: new Map(),
      low: first,
      high: first - 1,
    };
    this.#groups.set(name, group);
    return group;
  }

  /**
   * Files an article in the groups that its Newsgroups names, those that exist; all of them are made when `makeGroups`. Path and Message-ID
   * are added where they are missing. UsageError when there is no such group, or the id is here already.
   */
  add(article: string | Uint8Array, options: { readonly makeGroups?: boolean } = {}): StoredArticle {
    let raw = typeof article === 'string' ? encodeText(article) : article;
    const { headers } = parseSync(raw);
    const names = (headers.get('newsgroups') ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    if (options.makeGroups === true) for (const name of names) if (!this.#groups.has(name)) this.addGroup(name);
    const groups = names.flatMap((name) => this.#groups.get(name) ?? []);
    if (groups.length === 0) throw new UsageError(`no such newsgroup: ${names.join(', ') || 'none is named'}`);
    let messageId = headers.get('message-id')?.trim();
    if (messageId === undefined) {
      messageId = `<${randomBytes(9).toString('hex')}@fake.postwire.test>`;
      raw = concatBytes([encodeText(`Message-ID: ${messageId}\r\n`), raw]);
    }
    if (!isMessageId(messageId)) throw new UsageError(`not a message-id: ${messageId}`);
    if (this.#articles.has(messageId)) throw new UsageError(`${messageId} is here already`);
    if (headers.get('path') === undefined)
      raw = concatBytes([encodeText('Path: fake.postwire.test!not-for-mail\r\n'), raw]);
    const numbers = new Map<string, number>();
    const stored: StoredArticle = { messageId, raw, numbers, receivedAt: new Date() };
    for (const group of groups) {
      group.high++;
      group.articles.set(group.high, stored);
      numbers.set(group.name, group.high);
    }
    this.#articles.set(messageId, stored);
    return stored;
  }

  /** Takes it out of every group: it was cancelled, or has expired. */
  remove(messageId: string): void {
    const article = this.#articles.get(messageId);
    if (article === undefined) return;
    this.#articles.delete(messageId);
    for (const [name, number] of article.numbers) {
      const group = this.#groups.get(name);
      group?.articles.delete(number);
      if (group === undefined) continue;
      while (group.low <= group.high && !group.articles.has(group.low)) group.low++;
    }
  }
}

/** An article's header without the blank line, and its body. */
export function splitArticle(raw: Uint8Array): { readonly head: Uint8Array; readonly body: Uint8Array } {
  const end = indexOfBytes(raw, BLANK_LINE);
  return end < 0
    ? { head: raw, body: raw.subarray(raw.length) }
    : { head: raw.subarray(0, end + 2), body: raw.subarray(end + 4) };
}

/** One field as it stands, unfolded; undefined where it is missing. */
export function rawField(article: StoredArticle, name: string): string | undefined {
  const { head } = splitArticle(article.raw);
  const text = latin1(head);
  const lower = name.toLowerCase();
  if (lower === ':bytes') return String(article.raw.length);
  if (lower === ':lines') return String(latin1(splitArticle(article.raw).body).split('\n').length - 1);
  if (lower === 'xref')
    return `fake.postwire.test ${[...article.numbers].map(([group, number]) => `${group}:${number}`).join(' ')}`;
  for (const line of text.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const colon = line.indexOf(':');
    if (line.slice(0, colon).toLowerCase() === lower)
      return Buffer.from(line.slice(colon + 1).trim(), 'latin1').toString('utf8');
  }
  return undefined;
}

/** What an overview has of an article. */
export function overviewFields(article: StoredArticle): OverviewFields {
  const fields: Record<string, string | undefined> = {};
  for (const name of ['subject', 'from', 'date', 'message-id', 'references', ':bytes', ':lines', 'xref'])
    fields[name] = rawField(article, name);
  return fields;
}
