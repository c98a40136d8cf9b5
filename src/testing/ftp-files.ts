import { concatBytes, encodeText } from '../wire/bytes.ts';

/** A file, folder or link of a fake server. */
export interface FtpNode {
  readonly kind: 'file' | 'directory' | 'symlink';
  modifiedAt: Date;
  mode: number;
  owner: string;
  group: string;
  /** Pieces of a file's content. */
  chunks: Uint8Array[];
  sizeBytes: number;
  /** Where a link leads. */
  readonly target: string | undefined;
}

/** The file system of a fake FTP server, in memory. Paths are absolute, with slashes. */
export class FtpFiles {
  readonly #nodes = new Map<string, FtpNode>([['/', newNode('directory')]]);
  /** Names by folder: a listing costs no walk over everything. */
  readonly #children = new Map<string, Set<string>>([['/', new Set()]]);

  /** The node of a path, links in the way not followed. */
  get(path: string): FtpNode | undefined {
    return this.#nodes.get(path);
  }

  /** As `get`, with links followed. */
  resolve(path: string, depth = 0): { readonly path: string; readonly node: FtpNode } | undefined {
    const parts = path.split('/').filter(Boolean);
    let at = '/';
    for (let index = 0; index < parts.length; index++) {
      at = join(at, parts[index] as string);
      const node = this.#nodes.get(at);
      if (node?.kind !== 'symlink') continue;
      if (depth > 20) return undefined;
      const rest = parts.slice(index + 1).join('/');
      return this.resolve(normalise(parent(at), `${node.target ?? ''}/${rest}`), depth + 1);
    }
    const node = this.#nodes.get(at);
    return node === undefined ? undefined : { path: at, node };
  }

  /** Names in a folder, in the order they came. */
  names(path: string): string[] {
    return [...(this.#children.get(path) ?? [])];
  }

  /** Every path but the root. */
  paths(): string[] {
    return [...this.#nodes.keys()].filter((path) => path !== '/');
  }

  /** Writes a file, with the folders above it. */
  write(path: string, content: string | Uint8Array, modifiedAt: Date = new Date()): FtpNode {
    const bytes = typeof content === 'string' ? encodeText(content) : content;
    const node = newNode('file', modifiedAt);
    if (bytes.length > 0) node.chunks.push(bytes);
    node.sizeBytes = bytes.length;
    this.#put(normalise('/', path), node);
    return node;
  }

  mkdir(path: string, modifiedAt: Date = new Date()): void {
    const clean = normalise('/', path);
    if (!this.#nodes.has(clean)) this.#put(clean, newNode('directory', modifiedAt));
  }

  symlink(path: string, target: string): void {
    this.#put(normalise('/', path), { ...newNode('symlink'), target, mode: 0o777 });
  }

  /** A file's content; undefined where there is none. */
  read(path: string): Uint8Array | undefined {
    const node = this.#nodes.get(normalise('/', path));
    return node?.kind === 'file' ? concatBytes(node.chunks) : undefined;
  }

  text(path: string): string | undefined {
    const bytes = this.read(path);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }

  /** Removes a path with everything below it. */
  remove(path: string): void {
    for (const name of this.names(path)) this.remove(join(path, name));
    this.#children.delete(path);
    this.#nodes.delete(path);
    this.#children.get(parent(path))?.delete(base(path));
  }

  rename(from: string, to: string): void {
    const node = this.#nodes.get(from) as FtpNode;
    const below = this.names(from);
    if (from === to) return;
    if (this.#nodes.has(to)) this.remove(to);
    this.#put(to, node);
    for (const name of below) this.rename(join(from, name), join(to, name));
    this.#children.delete(from);
    this.#nodes.delete(from);
    this.#children.get(parent(from))?.delete(base(from));
  }

  #put(path: string, node: FtpNode): void {
    if (path !== '/' && !this.#nodes.has(parent(path))) this.#put(parent(path), newNode('directory'));
    this.#nodes.set(path, node);
    if (node.kind === 'directory' && !this.#children.has(path)) this.#children.set(path, new Set());
    this.#children.get(parent(path))?.add(base(path));
  }
}

/** Adds to a file that is being uploaded. */
export function appendTo(node: FtpNode, bytes: Uint8Array): void {
  node.chunks.push(bytes);
  node.sizeBytes += bytes.length;
  node.modifiedAt = new Date();
}

/** Cuts a file off at `sizeBytes`. */
export function truncate(node: FtpNode, sizeBytes: number): void {
  const kept: Uint8Array[] = [];
  let left = sizeBytes;
  for (const chunk of node.chunks) {
    if (left <= 0) break;
    kept.push(chunk.subarray(0, left));
    left -= chunk.length;
  }
  node.chunks = kept;
  node.sizeBytes = Math.min(node.sizeBytes, sizeBytes);
}

/** A file's bytes from `start`, in pieces of at most `step`. */
export function* bytesFrom(node: FtpNode, start: number, step = 64 * 1024): Iterable<Uint8Array> {
  let skip = start;
  for (const chunk of node.chunks) {
    if (skip >= chunk.length) {
      skip -= chunk.length;
      continue;
    }
    for (let at = skip; at < chunk.length; at += step) yield chunk.subarray(at, at + step);
    skip = 0;
  }
}

function newNode(kind: FtpNode['kind'], modifiedAt: Date = new Date()): FtpNode {
  const mode = kind === 'directory' ? 0o755 : 0o644;
  return { kind, modifiedAt, mode, owner: 'ann', group: 'users', chunks: [], sizeBytes: 0, target: undefined };
}

/** An absolute path without dots, from one that may be relative. */
export function normalise(directory: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${directory}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

export const join = (directory: string, name: string): string =>
  directory === '/' ? `/${name}` : `${directory}/${name}`;
export const parent = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
export const base = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
