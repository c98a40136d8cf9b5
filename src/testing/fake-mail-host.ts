import { type FakeImap, fakeImap } from './fake-imap.ts';
import { type FakePop3, fakePop3 } from './fake-pop3.ts';
import type { FakeServerOptions } from './fake-server.ts';
import { type FakeSmtp, fakeSmtp } from './fake-smtp.ts';
import { MailStore } from './mail-store.ts';

/** Servers over one store: what is sent by SMTP can be read by POP3 and IMAP. */
export interface FakeMailHost extends AsyncDisposable {
  readonly smtp: FakeSmtp;
  readonly pop3: FakePop3;
  readonly imap: FakeImap;
  readonly store: MailStore;
  close(): Promise<void>;
}

/** Starts the servers on free loopback ports. `users` need a login for each. */
export async function fakeMailHost(options: Omit<FakeServerOptions, 'port'> = {}): Promise<FakeMailHost> {
  const store = new MailStore();
  const started: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.close()));
  };
  const start = async <T extends { close(): Promise<void> }>(server: Promise<T>): Promise<T> => {
    const running = await server;
    started.push(running);
    return running;
  };
  try {
    const smtp = await start(fakeSmtp({ ...options, store }));
    const pop3 = await start(fakePop3({ ...options, store }));
    const imap = await start(fakeImap({ ...options, store }));
    return { smtp, pop3, imap, store, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
