import { randomBytes } from 'node:crypto';
import type { Connection } from '../socket/connection.ts';
import type { TimeoutOptions } from '../socket/deadlines.ts';
import { type Listener, listen } from '../socket/listener.ts';
import { type ServerTlsOptions } from '../socket/tls.ts';
import { type TraceEntry, formatTraceEntry } from '../socket/transcript.ts';
import type { Limits } from '../wire/limits.ts';
import { type CertificateKind, testTls } from './certificates.ts';
import { type EncodeReply, type FaultRule, FaultScript, type Match } from './fault-script.ts';
import { type WireFaults, withWireFaults } from './wire-fault.ts';

/** What every fake server takes. */
export interface FakeServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 0: a free one. */
  readonly port?: number | undefined;
  /** Default 'none'. */
  readonly tls?: 'none' | 'starttls' | 'implicit' | undefined;
  /** The certificate to show: one with a flaw, or your own. Default 'valid', signed by `server.ca`. */
  readonly certificate?: CertificateKind | ServerTlsOptions | undefined;
  /** User names and passwords. With users, login is offered and needed. */
  readonly users?: Readonly<Record<string, string>> | undefined;
  /** Bearer tokens by user, for XOAUTH2 and OAUTHBEARER. */
  readonly tokens?: Readonly<Record<string, string>> | undefined;
  readonly timeouts?: TimeoutOptions | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** How its bytes travel. */
  readonly wire?: WireFaults | undefined;
  readonly maxConnections?: number | undefined;
}

export const fakeServerOptionNames = [
  'host',
  'port',
  'tls',
  'certificate',
  'users',
  'tokens',
  'timeouts',
  'limits',
  'wire',
  'maxConnections',
] as const;

/** Lines of transcript that are kept. */
const KEPT_LINES = 10_000;

/**
 * What the fake servers share: a listener on loopback, certificates, the fault script, the transcript. Each protocol gives the
 * conversation.
 */
export class FakeServer implements AsyncDisposable {
  readonly #script: FaultScript;
  readonly #entries: TraceEntry[] = [];
  readonly #errors: unknown[] = [];
  #listener!: Listener;
  readonly tlsMode: 'none' | 'starttls' | 'implicit';
  #tls: ServerTlsOptions | undefined;
  #ca: string | undefined;

  protected constructor(options: FakeServerOptions, encode?: EncodeReply) {
    this.#script = new FaultScript(encode);
    this.tlsMode = options.tls ?? 'none';
  }

  protected async start(
    options: FakeServerOptions,
    protocol: string,
    talk: (connection: Connection) => Promise<void>,
    showReceived?: (line: string) => string,
  ): Promise<void> {
    if (this.tlsMode !== 'none') {
      const { certificate = 'valid' } = options;
      if (typeof certificate === 'string') {
        const { ca, server } = await testTls(certificate);
        this.#ca = ca;
        this.#tls = server;
      } else {
        this.#tls = certificate;
      }
      // Of one mind with the server's other listeners: FTP resumes a session on its data connections.
      this.#tls = { ticketKeys: randomBytes(48), ...this.#tls };
    }
    this.#listener = await listen(
      {
        protocol,
        host: options.host,
        port: options.port,
        tls: this.tlsMode === 'implicit' ? this.#tls : undefined,
        timeouts: options.timeouts,
        limits: options.limits,
        maxConnections: options.maxConnections,
        showReceived,
        trace: (entry) => {
          this.#entries.push(entry);
          if (this.#entries.length > 2 * KEPT_LINES) this.#entries.splice(0, KEPT_LINES);
        },
        onError: (error) => {
          if (this.#errors.length < 1000) this.#errors.push(error);
        },
      },
      async (connection) => {
        const { wire } = options;
        if (wire !== undefined) connection.wrap((inner) => withWireFaults(inner, wire));
        await talk(connection);
      },
    );
  }

  get host(): string {
    return this.#listener.host;
  }

  get port(): number {
    return this.#listener.port;
  }

  /** The authority to trust: `tls: { ca: server.ca }`. Undefined without TLS, or with a certificate of your own. */
  get ca(): string | undefined {
    return this.#ca;
  }

  protected get serverTls(): ServerTlsOptions | undefined {
    return this.#tls;
  }

  /** Every line that crossed the wire, `C:` and `S:`, secrets masked and bodies counted. */
  get transcript(): readonly string[] {
    return this.#entries.map(formatTraceEntry);
  }

  /** What went wrong in conversations: resets, failed handshakes. For tests that ask. */
  get errors(): readonly unknown[] {
    return this.#errors;
  }

  /** Connections that are open now. */
  get connectionCount(): number {
    return this.#listener.connections.size;
  }

  /**
   * Scripts an answer: `server.on('RCPT', { to: 'bob' }).once().reply(451, '4.2.1 later')`. 'CONNECT' stands for the greeting. The newest
   * rule that matches acts.
   */
  on(verb: string, match?: Match): FaultRule {
    return this.#script.on(verb, match);
  }

  protected get script(): FaultScript {
    return this.#script;
  }

  /** Forgets the scripted answers and the transcript. */
  reset(): void {
    this.#script.clear();
    this.#entries.length = 0;
    this.#errors.length = 0;
  }

  /** Closes every connection at once, and stops. May be called twice. */
  async close(): Promise<void> {
    await this.#listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
