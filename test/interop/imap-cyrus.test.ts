import { imapClientSuite } from '../suites/imap.ts';
import { startCyrus } from './cyrus.ts';

imapClientSuite('Cyrus', async () => {
  const server = await startCyrus();
  return {
    target: `imap://user:pass%20word@127.0.0.1:${server.port}`,
    options: { tls: { ca: server.ca } },
    close: () => server.close(),
  };
});
