import { encodeText } from '../wire/bytes.ts';
import { dottedDecoder } from '../wire/dotted.ts';
import { lineDecoder } from '../wire/line.ts';
import { formatGopherItem, gopherRequestDecoder } from '../gopher/codec.ts';
import { type GopherSiteOptions, GopherSite } from '../gopher/site.ts';
import { notFound, sendDocument } from '../gopher/serve.ts';
import type { Connection } from '../socket/connection.ts';
import { FakeServer, type FakeServerOptions } from './fake-server.ts';

/** What Gopher+ says of a selector. */
export interface FakeGopherAttributes {
  /** Blocks by their name: `{ ADMIN: ['Admin: Ann <ann@example.com>'], VIEWS: ['text/plain: <1k>'] }`. +INFO is made. */
  readonly blocks: Readonly<Record<string, readonly string[]>>;
  /** The document in other views. */
  readonly views?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** Makes an answer of the answers to +ASK. */
  readonly ask?: ((answers: readonly string[]) => string) | undefined;
}

export interface FakeGopherOptions extends Omit<FakeServerOptions, 'users' | 'tokens' | 'tls'>, GopherSiteOptions {
  readonly tls?: 'none' | 'implicit' | undefined;
  /** Selectors that speak Gopher+. */
  readonly attributes?: Readonly<Record<string, FakeGopherAttributes>> | undefined;
}

/** A Gopher server for tests, made of the client's own codec, over a table of documents or a folder. */
export class FakeGopher extends FakeServer {
  readonly #options: FakeGopherOptions;
  readonly #site: GopherSite;

  private constructor(options: FakeGopherOptions) {
    super(options, (code, text) => encodeText(formatGopherItem({ type: String(code).slice(0, 1), title: text })));
    this.#options = options;
    this.#site = new GopherSite(options);
  }

  static async start(options: FakeGopherOptions = {}): Promise<FakeGopher> {
    const server = new FakeGopher(options);
    await server.start(options, 'Gopher', (connection) => server.#talk(connection));
    return server;
  }

  /** The server's part, to which `/1/selector` can be added. Over TLS the client must trust `ca`. */
  get url(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    return `${this.tlsMode === 'implicit' ? 'gophers' : 'gopher'}://${host}:${this.port}`;
  }

  async #talk(connection: Connection): Promise<void> {
    const request = await connection.read(gopherRequestDecoder());
    const { selector, search, plus, hasData } = request;
    const fields = { selector, search: search ?? '', plus: plus ?? '' };
    const outcome = await this.script.find('REQUEST', fields)?.perform(connection);
    if (outcome?.kind === 'gone') return;
    if (outcome?.kind !== 'replied') {
      const answers = hasData ? await readAnswers(connection) : undefined;
      await this.#answer(connection, selector, search, plus, answers);
      if (outcome !== undefined && outcome.inject.length > 0) await connection.write([outcome.inject]);
    }
    await connection.close(200);
  }

  async #answer(
    connection: Connection,
    selector: string,
    search: string | undefined,
    plus: string | undefined,
    answers: readonly string[] | undefined,
  ): Promise<void> {
    const place = { host: this.host, port: this.port };
    const { attributes = {} } = this.#options;
    const own = Object.hasOwn(attributes, selector) ? attributes[selector] : undefined;
    const document = (await this.#site.find(selector, search, place)) ?? notFound(selector);
    if (plus === undefined) return sendDocument(connection, document);
    if (plus.startsWith('!') || plus.startsWith('$')) {
      const wanted = plus.startsWith('$')
        ? Object.entries(attributes)
        : own === undefined
          ? []
          : [[selector, own] as const];
      const text = wanted
        .map(([path, each]) => {
          const item = formatGopherItem({ type: '0', title: path, selector: path, ...place, plus: true });
          const blocks = Object.entries(each.blocks).map(
            ([name, lines]) => `+${name}:\r\n${lines.map((line) => ` ${line}\r\n`).join('')}`,
          );
          return `+INFO: ${item}${blocks.join('')}`;
        })
        .join('');
      return wanted.length === 0
        ? sendDocument(connection, notFound(selector), true)
        : connection.write([encodeText(`+-1\r\n${text}.\r\n`)]);
    }
    if (answers !== undefined && own?.ask !== undefined)
      return sendDocument(connection, { type: '0', bytes: encodeText(own.ask(answers)) }, true);
    const view = plus.slice(1);
    const other = view === '' ? undefined : own?.views?.[view];
    const bytes = typeof other === 'string' ? encodeText(other) : other;
    return sendDocument(connection, bytes === undefined ? document : { type: '9', bytes }, true);
  }
}

async function readAnswers(connection: Connection): Promise<string[]> {
  await connection.read(lineDecoder(1024));
  const text = await connection.body(dottedDecoder()).text(64 * 1024);
  return text.split('\r\n').slice(0, -1);
}

/** Starts a fake Gopher server on loopback. */
export const fakeGopher = (options?: FakeGopherOptions): Promise<FakeGopher> => FakeGopher.start(options);
