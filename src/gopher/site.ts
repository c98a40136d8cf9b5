import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { UsageError } from '../errors.ts';
import { decodeText, encodeText } from '../wire/bytes.ts';
import { formatGopherItem } from './codec.ts';

/** What a site says for a selector. */
export interface GopherDocument {
  /** The item's type: how the document ends goes by it. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Answers of a search, or of any other selector that is made when it is asked for. */
export type GopherHandler = (request: {
  readonly selector: string;
  readonly search: string | undefined;
}) => Promise<GopherDocument | string> | GopherDocument | string;

export interface GopherSiteOptions {
  /** Documents by their path: '/docs/a.txt'. Folders are what their paths say. One named `gophermap` is its folder's menu. */
  readonly files?: Readonly<Record<string, string | Uint8Array | GopherHandler>> | undefined;
  /** A folder to serve: what begins with a dot, and links that lead out of it, are not. */
  readonly root?: string | undefined;
  /** What caps.txt says; text replaces it whole, false takes it away. */
  readonly caps?: Readonly<Record<string, string>> | string | false | undefined;
}

const types: Readonly<Record<string, string>> = {
  '.txt': '0',
  '.md': '0',
  '.gif': 'g',
  '.png': 'I',
  '.jpg': 'I',
  '.jpeg': 'I',
  '.html': 'h',
  '.htm': 'h',
  '.pdf': 'd',
  '.mp3': 's',
  '.wav': 's',
  '.zip': '5',
  '.gz': '5',
  '.tar': '5',
  '.xml': 'X',
};

/** The type of a file, by its name; text where the bytes are, else binary. */
export function gopherTypeOf(name: string, bytes?: Uint8Array): string {
  const known = types[extname(name).toLowerCase()];
  if (known !== undefined) return known;
  return bytes !== undefined && !bytes.subarray(0, 1024).includes(0) ? '0' : '9';
}

/** The documents of a Gopher server: a table, a folder, or both; menus from gophermaps, or from what is there. */
export class GopherSite {
  readonly #files = new Map<string, string | Uint8Array | GopherHandler>();
  readonly #root: string | undefined;
  readonly #caps: GopherSiteOptions['caps'];

  constructor(options: GopherSiteOptions = {}) {
    for (const [path, content] of Object.entries(options.files ?? {}))
      this.#files.set(cleanPath(path) ?? path, content);
    this.#root = options.root;
    this.#caps = options.caps;
  }

  /** The document; undefined where there is none. A selector with '..' in it names none. */
  async find(
    selector: string,
    search: string | undefined,
    place: { host: string; port: number },
  ): Promise<GopherDocument | undefined> {
    const path = cleanPath(selector);
    if (path === undefined) return undefined;
    if (path === 'caps.txt' && this.#caps !== false && !this.#files.has(path))
      return { type: '0', bytes: encodeText(this.#capsText()) };
    const own = this.#files.get(path);
    if (typeof own === 'function') {
      const made = await own({ selector, search });
      return typeof made === 'string' ? { type: '7', bytes: encodeText(made) } : made;
    }
    if (own !== undefined) {
      const bytes = typeof own === 'string' ? encodeText(own) : own;
      return { type: gopherTypeOf(path, bytes), bytes };
    }
    const menu = await this.#menu(path, place);
    if (menu !== undefined) return { type: '1', bytes: encodeText(menu) };
    const bytes = await this.#readFile(path);
    return bytes === undefined ? undefined : { type: gopherTypeOf(path, bytes), bytes };
  }

  /** @see the caps.txt convention: key=value lines behind the word CAPS */
  #capsText(): string {
    if (typeof this.#caps === 'string') return this.#caps;
    const keys = {
      CapsVersion: '1',
      ExpireCapsAfter: '3600',
      PathDelimeter: '/',
      PathIdentity: '.',
      PathParent: '..',
      PathParentDouble: 'FALSE',
      ServerSoftware: 'postwire',
      ...(this.#caps === false ? {} : this.#caps),
    };
    return `CAPS\r\n${Object.entries(keys)
      .map(([key, value]) => `${key}=${value}\r\n`)
      .join('')}`;
  }

  async #menu(path: string, place: { host: string; port: number }): Promise<string | undefined> {
    const prefix = path === '' ? '' : `${path}/`;
    const names = new Map<string, string>();
    for (const key of this.#files.keys()) {
      if (!key.startsWith(prefix)) continue;
      const [first = '', ...rest] = key.slice(prefix.length).split('/');
      names.set(
        first,
        rest.length > 0
          ? '1'
          : typeof this.#files.get(key) === 'function'
            ? '7'
            : gopherTypeOf(first, asBytes(this.#files.get(key))),
      );
    }
    for (const entry of await this.#readFolder(path)) names.set(entry.name, entry.type);
    if (names.size === 0 && path !== '') return undefined;
    if (names.has('gophermap')) {
      const own = this.#files.get(`${prefix}gophermap`);
      const text = own === undefined ? await this.#readFile(`${prefix}gophermap`) : asBytes(own);
      if (text !== undefined) return renderGophermap(decodeText(text), prefix, place);
    }
    return [...names]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, type]) => formatGopherItem({ type, title: name, selector: `/${prefix}${name}`, ...place }))
      .join('');
  }

  #inRoot(path: string): string | undefined {
    return this.#root === undefined || path.split('/').some((part) => part.startsWith('.'))
      ? undefined
      : join(this.#root, path);
  }

  async #readFolder(path: string): Promise<{ name: string; type: string }[]> {
    const folder = this.#inRoot(path);
    if (folder === undefined) return [];
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    return entries
      .filter(
        (entry) =>
          !entry.name.startsWith('.') && !/[\t\r\n]/.test(entry.name) && (entry.isFile() || entry.isDirectory()),
      )
      .map((entry) => ({ name: entry.name, type: entry.isDirectory() ? '1' : gopherTypeOf(entry.name) }));
  }

  async #readFile(path: string): Promise<Uint8Array | undefined> {
    const file = this.#inRoot(path);
    if (file === undefined || this.#root === undefined) return undefined;
    try {
      const [real, root] = await Promise.all([realpath(file), realpath(this.#root)]);
      if (!real.startsWith(`${root}/`) || !(await stat(real)).isFile()) return undefined;
      return await readFile(real);
    } catch {
      return undefined;
    }
  }
}

const asBytes = (content: string | Uint8Array | GopherHandler | undefined): Uint8Array | undefined =>
  typeof content === 'string' ? encodeText(content) : content instanceof Uint8Array ? content : undefined;

/** A path without slashes around it; undefined when it would leave the site. */
function cleanPath(selector: string): string | undefined {
  const parts = selector.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') || /[\0\\]/.test(selector) ? undefined : parts.join('/');
}

/**
 * A gophermap as a menu: a line without a tab is information; fields that are left out are filled in with the server's own; a selector that does not begin
 * with a slash is within the folder. `#` begins a comment, a line of one dot ends the map.
 */
export function renderGophermap(
  text: string,
  prefix: string,
  place: { readonly host: string; readonly port: number },
): string {
  let menu = '';
  for (const line of text.split(/\r?\n/)) {
    if (line === '.') break;
    if (line.startsWith('#')) continue;
    const [first = '', selector, host, port] = line.split('\t');
    if (selector === undefined) {
      menu += formatGopherItem({ type: 'i', title: line.startsWith('i') ? line.slice(1) : line });
      continue;
    }
    const type = first.slice(0, 1);
    const title = first.slice(1);
    if (!/^[\u0021-\u007e]$/.test(type))
      throw new UsageError(`a gophermap's line has no type: ${JSON.stringify(line)}`);
    const wanted = selector === '' ? title : selector;
    const absolute = wanted.startsWith('/') || wanted.startsWith('URL:') || (host !== undefined && host !== '');
    menu += formatGopherItem({
      type,
      title,
      selector: absolute ? wanted : `/${prefix}${wanted}`,
      host: host === undefined || host === '' ? place.host : host,
      port: port === undefined || port === '' ? place.port : Number(port),
    });
  }
  // The last line of a file has an end too, which is no empty line of information.
  return menu.replace(/i\t\terror\.host\t1\r\n$/, '');
}
