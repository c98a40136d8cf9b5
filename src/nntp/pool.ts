import { ClosedError, PostwireError, ReplyError, UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { checkOptions } from '../wire/arguments.ts';
import type { NntpArticle, NntpPart } from './article.ts';
import { NntpClient } from './client.ts';
import { checkMessageId } from './codec/response.ts';
import { type NntpOptions, type NntpTarget, resolveNntpTarget } from './target.ts';

/** One of the pool's servers. */
export interface NntpPoolServer {
  readonly target: NntpTarget;
  readonly options?: NntpOptions | undefined;
  /** Connections at once. Default 8. */
  readonly maxConnections?: number | undefined;
  /** Servers of a lower number are asked first; those of the same share the work. Default 0. */
  readonly priority?: number | undefined;
}

export interface NntpPoolOptions {
  /** Further tries on a server whose connection failed. Default 2. */
  readonly retries?: number | undefined;
  /** Articles under way on one connection. Default 4. */
  readonly pipeline?: number | undefined;
  /** An idle connection is closed after this. Default 30 s. */
  readonly idleMs?: number | undefined;
}

export interface PoolReadOptions extends CallOptions {
  /** Says whether the article will do; one that will not is sought on the other servers. */
  readonly accept?: ((article: NntpArticle) => boolean) | undefined;
}

interface Member {
  readonly client: NntpClient;
  active: number;
  timer: NodeJS.Timeout | undefined;
}

interface Server {
  readonly target: NntpTarget;
  readonly options: NntpOptions;
  readonly priority: number;
  maxConnections: number;
  readonly members: Set<Member>;
  opening: number;
  waiting: (() => void)[];
}

/** There is no such article: 420, 423, 430. */
const MISSING = new Set([420, 423, 430]);
const FIRST_WAIT_MS = 50;

/**
 * Connections to several news servers, kept and shared. An article that one does not have, or gives damaged, is asked of the next; a
 * connection that fails is replaced, and what was under way on it asked again. Idle connections do not keep the process alive.
 *
 *     await using pool = new NntpPool(['nntps://me:secret@news.example.com', { target: 'nntps://backup.example.net', priority: 1 }]);
 *     const { bytes } = await pool.read('body', '<part1@example.com>');
 */
export class NntpPool implements AsyncDisposable {
  readonly #servers: readonly Server[];
  readonly #retries: number;
  readonly #pipeline: number;
  readonly #idleMs: number;
  #closed = false;

  /** UsageError for a wrong target or option. Nothing is connected yet. */
  constructor(
    servers: NntpTarget | NntpPoolServer | readonly (NntpTarget | NntpPoolServer)[],
    options: NntpPoolOptions = {},
  ) {
    checkOptions('pool', options, ['retries', 'pipeline', 'idleMs']);
    const list = (Array.isArray(servers) ? servers : [servers]) as readonly (NntpTarget | NntpPoolServer)[];
    if (list.length === 0) throw new UsageError('a pool needs a server');
    this.#servers = list
      .map((given) => {
        const server: NntpPoolServer = typeof given === 'object' && 'target' in given ? given : { target: given };
        checkOptions('server', server, ['target', 'options', 'maxConnections', 'priority']);
        const { target, options: own = {}, priority = 0 } = server;
        if (own.signal !== undefined) throw new UsageError('give the signal to each call: a pool has none');
        resolveNntpTarget(target, own);
        const maxConnections = whole('server.maxConnections', server.maxConnections ?? 8, 1);
        return { target, options: own, priority, maxConnections, members: new Set<Member>(), opening: 0, waiting: [] };
      })
      .sort((left, right) => left.priority - right.priority);
    this.#retries = whole('pool.retries', options.retries ?? 2, 0);
    this.#pipeline = whole('pool.pipeline', options.pipeline ?? 4, 1);
    this.#idleMs = whole('pool.idleMs', options.idleMs ?? 30_000, 0);
  }

  /** Articles that can be under way at once on the servers that are asked first. */
  get capacity(): number {
    const first = this.#servers[0]?.priority;
    return this.#servers
      .filter((server) => server.priority === first)
      .reduce((sum, server) => sum + server.maxConnections * this.#pipeline, 0);
  }

  /** Open connections. */
  get connections(): number {
    return this.#servers.reduce((sum, server) => sum + server.members.size, 0);
  }

  /**
   * An article, its header or its body, from whichever server has it. ReplyError (430) when none has; where one could not be asked, the
   * error of that.
   */
  async read(part: NntpPart, messageId: string, options: PoolReadOptions = {}): Promise<NntpArticle> {
    checkMessageId(messageId);
    const { accept, ...call } = options;
    let missing: PostwireError | undefined;
    let failure: unknown;
    let refused: NntpArticle | undefined;
    for (const server of this.#order()) {
      try {
        const article = await this.#try(server, call, (client) => client.read(part, messageId, call));
        if (accept?.(article) !== false) return article;
        refused ??= article;
      } catch (error) {
        if (call.signal?.aborted === true || this.#closed || error instanceof UsageError) throw error;
        if (error instanceof ReplyError && MISSING.has(Number(error.reply?.code))) missing = error;
        else failure ??= error;
      }
    }
    if (refused !== undefined) return refused;
    throw failure ?? missing ?? closedPool();
  }

  /** Does something with a connection of the first server that can be had, again on another when the connection fails. */
  async use<T>(work: (client: NntpClient) => Promise<T>, call: CallOptions = {}): Promise<T> {
    let failure: unknown;
    for (const server of this.#order()) {
      try {
        return await this.#try(server, call, work);
      } catch (error) {
        if (call.signal?.aborted === true || this.#closed || !isLost(error)) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  /** By priority; among equals the least busy first. */
  #order(): Server[] {
    const busy = (server: Server): number =>
      [...server.members].reduce((sum, member) => sum + member.active, server.opening + server.waiting.length) /
      server.maxConnections;
    return [...this.#servers].sort((left, right) => left.priority - right.priority || busy(left) - busy(right));
  }

  async #try<T>(server: Server, call: CallOptions, work: (client: NntpClient) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const member = await this.#acquire(server, call.signal);
      try {
        return await work(member.client);
      } catch (error) {
        if (attempt >= this.#retries || call.signal?.aborted === true || this.#closed || !isLost(error)) throw error;
      } finally {
        this.#release(server, member);
      }
      await pause(FIRST_WAIT_MS * 2 ** attempt * (0.5 + Math.random() / 2), call.signal);
    }
  }

  async #acquire(server: Server, signal: AbortSignal | undefined): Promise<Member> {
    for (let failures = 0; ;) {
      signal?.throwIfAborted();
      if (this.#closed) throw closedPool();
      const free = [...server.members]
        .filter(({ client, active }) => client.open && active < this.#pipeline)
        .sort((left, right) => left.active - right.active)[0];
      const mayOpen = server.members.size + server.opening < server.maxConnections;
      if (free !== undefined && (free.active === 0 || !mayOpen)) {
        clearTimeout(free.timer);
        free.active++;
        return free;
      }
      if (!mayOpen) {
        await this.#wait(server, signal);
        continue;
      }
      try {
        return await this.#open(server, signal);
      } catch (error) {
        // It takes no more than it has: those that are there go on.
        if (server.members.size > 0 && error instanceof ReplyError) server.maxConnections = server.members.size;
        else if (failures++ >= this.#retries || !isLost(error)) throw error;
        else await pause(FIRST_WAIT_MS * 2 ** failures, signal);
      }
    }
  }

  async #open(server: Server, signal: AbortSignal | undefined): Promise<Member> {
    server.opening++;
    try {
      const client = await NntpClient.connect(server.target, { ...server.options, signal });
      if (this.#closed) {
        client.destroy();
        throw closedPool();
      }
      const member: Member = { client, active: 1, timer: undefined };
      server.members.add(member);
      void client.closed.then(() => {
        server.members.delete(member);
        clearTimeout(member.timer);
        wake(server);
      });
      return member;
    } finally {
      server.opening--;
      wake(server);
    }
  }

  #release(server: Server, member: Member): void {
    member.active--;
    if (member.active === 0 && member.client.open && this.#idleMs < 2 ** 31) {
      member.timer = setTimeout(() => void member.client.quit(), this.#idleMs);
      member.timer.unref();
    }
    wake(server);
  }

  #wait(server: Server, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort);
      server.waiting.push(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  /** Takes leave of every server; what is under way rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    const members = this.#servers.flatMap((server) => [...server.members]);
    for (const { client, active } of members) if (active > 0) client.destroy(closedPool());
    for (const server of this.#servers) wake(server);
    await Promise.all(members.map(({ client }) => client.quit()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function wake(server: Server): void {
  const { waiting } = server;
  server.waiting = [];
  for (const each of waiting) each();
}

const closedPool = (): ClosedError =>
  new ClosedError('the NNTP pool is closed', { protocol: 'NNTP', temporary: false });

/** The connection's failure, not the article's: the same may succeed on another. */
function isLost(error: unknown): boolean {
  if (!(error instanceof PostwireError)) return false;
  return (
    ['CLOSED', 'TIMEOUT', 'CONNECT', 'PROTOCOL', 'ABORTED'].includes(error.code) ||
    (error.code === 'REPLY' && [400, 403].includes(Number(error.reply?.code)))
  );
}

function whole(name: string, value: number, least: number): number {
  if (!(Number.isSafeInteger(value) && value >= least))
    throw new UsageError(`${name} must be a whole number of ${least} or more; got ${String(value)}`);
  return value;
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort);
  });
}
