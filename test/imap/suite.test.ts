import { fakeImap } from '../../src/testing/index.ts';
import { imapClientSuite } from '../suites/imap.ts';

imapClientSuite('the fake server', async () => {
  const server = await fakeImap({ tls: 'starttls', users: { 'ann@example.com': 'pass word' } });
  return { target: server.url, options: { tls: { ca: server.ca } }, close: () => server.close() };
});
