import type { Connection } from '../socket/connection.ts';
import { type NntpStatus, encodeNntpStatus } from '../nntp/codec/response.ts';
import { FakeServer } from './fake-server.ts';
import { NewsStore } from './news-store.ts';
import { type FakeNntpOptions, NntpServerSession } from './nntp-session.ts';

export type { FakeNntpOptions };

/** A news server for tests, made of the client's own codec, over a store of groups and articles. */
export class FakeNntp extends FakeServer {
  readonly #options: FakeNntpOptions;
  readonly store: NewsStore;

  private constructor(options: FakeNntpOptions) {
    super(options, (code, text) => encodeNntpStatus({ code: Number(code), text } satisfies NntpStatus));
    this.#options = options;
    this.store = options.store ?? new NewsStore();
  }

  static async start(options: FakeNntpOptions = {}): Promise<FakeNntp> {
    const server = new FakeNntp(options);
    await server.start(options, 'NNTP', (connection) => server.#talk(connection), maskLogin);
    return server;
  }

  /** Ready for a client, with the first user where there is one. Over TLS the client must trust `ca`. */
  get url(): string {
    const [user] = Object.entries(this.#options.users ?? {});
    const login = user === undefined ? '' : `${encodeURIComponent(user[0])}:${encodeURIComponent(user[1])}@`;
    const host = `${login}${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
    if (this.tlsMode === 'implicit') return `nntps://${host}`;
    return this.tlsMode === 'starttls'
      ? `nntp+starttls://${host}`
      : `nntp://${host}?tls=none${user === undefined ? '' : '&allowInsecureAuth=true'}`;
  }

  async #talk(connection: Connection): Promise<void> {
    const session = new NntpServerSession(connection, this.#options, this.store, (verb, argument, inBody) =>
      inBody ? this.script.findInBody(verb, { argument }) : this.script.find(verb, { argument }),
    );
    await session.run(this.tlsMode === 'starttls' ? this.serverTls : undefined);
  }
}

/** Starts a fake news server on loopback. */
export const fakeNntp = (options?: FakeNntpOptions): Promise<FakeNntp> => FakeNntp.start(options);

/** The secrets of a login never reach the transcript. */
const maskLogin = (line: string): string => line.replace(/^(AUTHINFO +(?:PASS|SASL +\S+)) +\S.*$/is, '$1 ***');
