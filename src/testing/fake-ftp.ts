import { ClosedError } from '../errors.ts';
import { nameCharset } from '../ftp/charset.ts';
import { encodeFtpReply } from '../ftp/codec.ts';
import { FakeServer } from './fake-server.ts';
import type { FakeFtpOptions } from './ftp-options.ts';
import { FtpFiles } from './ftp-files.ts';
import { FtpServerSession } from './ftp-session.ts';

/**
 * An FTP server for tests, made of the client's own codec, over files in memory. `users` is needed to log in; without users everybody may.
 * Faults of a data connection are scripted as `on('DATA', { verb: 'RETR' }).afterBytes(1000).reset()`; without DATA they hit the control
 * connection.
 */
export class FakeFtp extends FakeServer {
  readonly #options: FakeFtpOptions;
  readonly files: FtpFiles;

  private constructor(options: FakeFtpOptions) {
    super(options, (code, text) => encodeFtpReply({ code: Number(code), lines: text.split('\n') }));
    this.#options = options;
    this.files = options.files ?? new FtpFiles();
  }

  static async start(options: FakeFtpOptions = {}): Promise<FakeFtp> {
    const server = new FakeFtp(options);
    const charset = nameCharset(options.charset);
    const talk = async (connection: Parameters<FtpServerSession['run']>[0]): Promise<void> => {
      const session = new FtpServerSession({
        options,
        files: server.files,
        charset,
        tls: server.serverTls,
        explicitTls: server.tlsMode === 'starttls',
        script: server.script,
      });
      try {
        await session.run(connection);
      } catch (error) {
        // Clients may leave without QUIT.
        if (!(error instanceof ClosedError)) throw error;
      } finally {
        session.end();
      }
    };
    await server.start(options, 'FTP', talk, (line) => line.replace(/^(PASS|ACCT) +\S.*$/is, '$1 ***'));
    return server;
  }

  /** Ready for a client, with the first user where there is one. Over TLS the client must trust `ca`. */
  get url(): string {
    const [user] = Object.entries(this.#options.users ?? {});
    const login = user === undefined ? '' : `${encodeURIComponent(user[0])}:${encodeURIComponent(user[1])}@`;
    const host = `${login}${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
    if (this.tlsMode === 'implicit') return `ftps://${host}`;
    return this.tlsMode === 'starttls'
      ? `ftp://${host}`
      : `ftp://${host}?tls=none${user === undefined ? '' : '&allowInsecureAuth=true'}`;
  }
}

/** Starts a fake FTP server on loopback. */
export const fakeFtp = (options?: FakeFtpOptions): Promise<FakeFtp> => FakeFtp.start(options);

export type { FakeFtpOptions } from './ftp-options.ts';
