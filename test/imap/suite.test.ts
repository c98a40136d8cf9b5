import { type FakeImapOptions, fakeImap } from '../../src/testing/index.ts';
import { type ImapServerUnderTest, imapClientSuite } from '../suites/imap.ts';

const serve = (options: FakeImapOptions) => async (): Promise<ImapServerUnderTest> => {
  const server = await fakeImap({ tls: 'starttls', users: { 'ann@example.com': 'pass word' }, ...options });
  return { target: server.url, options: { tls: { ca: server.ca } }, close: () => server.close() };
};

imapClientSuite('the fake server', serve({}));
imapClientSuite('the fake server over TLS, in pieces', serve({ tls: 'implicit', wire: { splitEvery: 1999 } }));
imapClientSuite(
  'the fake server without IMAP4rev2 and LITERAL+',
  serve({ capabilities: { IMAP4rev2: false, 'LITERAL+': false, MULTIAPPEND: false, 'LIST-STATUS': false } }),
);
