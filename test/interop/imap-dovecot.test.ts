import { imapClientSuite } from '../suites/imap.ts';
import { startDovecot } from './dovecot.ts';

imapClientSuite('Dovecot', async () => {
  const server = await startDovecot([]);
  return {
    target: `imap://user:pass%20word@127.0.0.1:${server.imapPort}`,
    options: { tls: { ca: server.ca } },
    close: () => server.close(),
  };
});
