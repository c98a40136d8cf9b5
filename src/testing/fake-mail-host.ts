import { type FakePop3, fakePop3 } from './fake-pop3.ts';
import type { FakeServerOptions } from './fake-server.ts';
import { type FakeSmtp, fakeSmtp } from './fake-smtp.ts';
import { MailStore } from './mail-store.ts';

/** Servers over one store: what is sent by SMTP can be read by POP3. */
export interface FakeMailHost extends AsyncDisposable {
  readonly smtp: FakeSmtp;
  readonly pop3: FakePop3;
  readonly store: MailStore;
  close(): Promise<void>;
}

/** Starts the servers on free loopback ports. `users` need a login for both. */
export async function fakeMailHost(options: Omit<FakeServerOptions, 'port'> = {}): Promise<FakeMailHost> {
  const store = new MailStore();
  const smtp = await fakeSmtp({ ...options, store });
  let pop3: FakePop3;
  try {
    pop3 = await fakePop3({ ...options, store });
  } catch (error) {
    await smtp.close();
    throw error;
  }
  const close = async (): Promise<void> => {
    await Promise.all([smtp.close(), pop3.close()]);
  };
  return { smtp, pop3, store, close, [Symbol.asyncDispose]: close };
}
