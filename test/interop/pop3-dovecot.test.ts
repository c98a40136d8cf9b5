import { pop3ClientSuite, sampleMessages } from '../suites/pop3.ts';
import { startDovecot } from './dovecot.ts';

pop3ClientSuite('Dovecot', async () => {
  const server = await startDovecot(sampleMessages);
  return {
    target: `pop3://user:pass%20word@127.0.0.1:${server.pop3Port}`,
    options: { tls: { ca: server.ca } },
    messages: sampleMessages,
    close: () => server.close(),
  };
});
