import { fakeNntp } from '../../src/testing/index.ts';
import type { FakeNntpOptions } from '../../src/testing/index.ts';
import { type NntpServerUnderTest, nntpClientSuite } from '../suites/nntp.ts';

const fake =
  (options: FakeNntpOptions, lacks: readonly string[] = []) =>
  async (): Promise<NntpServerUnderTest> => {
    const server = await fakeNntp(options);
    server.store.addGroup('misc.test', { description: 'For tests', first: 41 });
    return {
      target: server.url,
      options: server.ca === undefined ? {} : { tls: { ca: server.ca } },
      group: 'misc.test',
      lacks,
      close: () => server.close(),
    };
  };
const users = { 'ann@example.com': 'pass word' };

nntpClientSuite('the fake, with STARTTLS and login', fake({ tls: 'starttls', users }));
nntpClientSuite(
  'the fake, with TLS, login by SASL alone',
  fake({ tls: 'implicit', users, capabilities: { AUTHINFO: 'SASL' } }),
);
// Not compressed: what is split takes time, and the client would be ahead of the switch.
nntpClientSuite('the fake, its bytes split everywhere', fake({ wire: { splitEvery: 997 } }, ['login', 'COMPRESS']));
nntpClientSuite('the fake as an old server', fake({ legacy: true }, ['CAPABILITIES', 'COMPRESS', 'login']));
