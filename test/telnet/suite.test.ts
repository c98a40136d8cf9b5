import { fakeTelnet } from '../../src/testing/index.ts';
import { telnetClientSuite } from '../suites/telnet.ts';

telnetClientSuite('the fake server', async () => {
  const server = await fakeTelnet({ users: { ann: 'pass word' } });
  return {
    target: server.url,
    options: { terminalTypes: ['vt100'] },
    user: 'ann',
    password: 'pass word',
    prompt: '$ ',
    close: () => server.close(),
  };
});

telnetClientSuite('the fake server over TLS that is negotiated, compressed both ways', async () => {
  const server = await fakeTelnet({ users: { ann: 'pass word' }, tls: 'starttls', compression: 'both' });
  return {
    target: server.url,
    options: { tls: { ca: server.ca as string }, compression: true },
    user: 'ann',
    password: 'pass word',
    prompt: '$ ',
    close: () => server.close(),
  };
});

telnetClientSuite('the fake server over TLS, byte by byte', async () => {
  const server = await fakeTelnet({ users: { ann: 'pass word' }, tls: 'implicit', wire: { splitEvery: 1 } });
  return {
    target: server.url,
    options: { tls: { ca: server.ca as string } },
    user: 'ann',
    password: 'pass word',
    prompt: '$ ',
    close: () => server.close(),
  };
});
